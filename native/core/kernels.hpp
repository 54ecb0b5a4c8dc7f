// The table of entry points that each instruction set provides; every folder lists its own in its batch.hpp.
//
// What the entry points take is plain numbers and views (core/span.hpp). Library types have no place there:
// code shared between differently compiled files could run where its instructions do not exist.
#pragma once
#include "arm/batch.hpp"
#include "hand/batch.hpp"
#include "mlp/batch.hpp"

namespace retarget {

/// Those that come in both precisions.
template <class E>
struct KernelsOf {
  int lanes;  // SIMD lanes of a register
  HandKernels<E> hand;
  ArmKernels<E> arm;
};

struct Kernels {
  const char* isa;
  KernelsOf<double> f64;
  KernelsOf<float> f32;
  PoseKernels pose;
  MlpKernels mlp;
};

}  // namespace retarget
