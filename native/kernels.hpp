// The table of entry points that each instruction set provides.
#pragma once
#include "batch.hpp"

namespace retarget {

template <class E>
struct KernelsOf {
  int lanes;
  long (*hand_workspace)(const HandModel<E>&);  // bytes one worker needs, 64-byte aligned
  void (*hand_fit)(const HandModel<E>&, HandBatch&, const LmOptions&, void* workspace);
  void (*hand_evaluate)(const HandModel<E>&, const HandBatch&, const HandEvaluation&, void* workspace);
  long (*points_workspace)(const HandModel<E>&);
  void (*hand_points)(const HandModel<E>&, PointsBatch&, void* workspace);
  long (*arm_workspace)(const ArmModel<E>&);
  void (*arm_reach)(const ArmModel<E>&, ArmBatch&, const LmOptions&, void* workspace);
  void (*arm_slide)(const ArmModel<E>&, ArmBatch&, const LmOptions&, void* workspace);
  void (*arm_walk)(const ArmModel<E>&, const ArmModel<double>& exact, ArmWalk&);
  void (*arm_evaluate)(const ArmModel<E>&, const ArmBatch&, const ArmEvaluation&, void* workspace);
};

struct Kernels {
  const char* isa;
  KernelsOf<double> f64;
  KernelsOf<float> f32;
  PoseFault (*read_pose)(const double* T, const double* base, double* out);
  /// The `count` nearest to a place of many, (chunks, kPlace, kChunk): squared distances and indices, by
  /// distance, of equal ones the first before the others.
  void (*nearest)(const double* places, long chunks, const double* from, int count, double* distance,
                  long* found);
  long (*mlp_workspace)(const MlpModel&);
  void (*mlp)(const MlpModel&, MlpBatch&, void* workspace);
};

}  // namespace retarget
