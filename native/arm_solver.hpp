// ArmSolver: a chain, the joints it knows from before, and the order of the stages.
//
// A pose is reached from where the arm comes from; where that fails, from the known joints whose
// wrists are nearest to it. Of several ways to reach it the one nearest to where the arm comes from
// is taken, of several failures the smallest. What is reached then slides towards the posture.
#pragma once
#include <memory>
#include <vector>

#include "kernels.hpp"

namespace retarget {

struct ArmArrays {
  int joints = 0;
  const double *step, *axis, *tool;          // (n, 3), (n, 3), (4, 4): see ArmModel
  const double* base;                        // (4, 4) T_base_world of the wanted poses
  const double *lower, *upper, *half_range;  // (n) [rad]
  const double* posture;                     // (n) [rad]
  long known = 0;
  const double* known_joints = nullptr;  // (known, n) [rad]
  double rotation_weight = 0.2;          // [m/rad]
};

struct ArmSettings {
  double position_tolerance, rotation_tolerance;  // of a reached pose [m], [rad]
  double posture_gain;  // how far joints may lean per metre of the wrist's way [1/m]
  double goal;          // |r| that ends a reach [m]
  int starts, max_iterations;
  bool lean, single;  // slide to the posture; reach in float32 first
};

/// count sequences of poses with where the arm comes from; every frame comes from the one before it.
/// Independent poses are sequences of one frame. Results are written beside them.
struct ArmPoses {
  long count, frames;
  const double *targets, *start;  // T_world_wrist (count, frames, 4, 4), (count, n)
  const bool* moving;             // (count): lean no further than the wrist's way allows
  double *joints, *position_error, *rotation_error;
  bool *reached, *settled, *missing;
  int* iterations;
};

class ArmSolver {
 public:
  ArmSolver(const ArmArrays& arrays, const Kernels& kernels);
  int joints() const { return f64_.joints; }
  long known() const { return long(known_joints_.size()) / f64_.joints; }
  const std::vector<double>& lower() const { return lower_; }
  const std::vector<double>& upper() const { return upper_; }

  /// Whether a joint stands on one of its limits.
  bool at_limit(const double* q) const {
    constexpr double kNear = 1e-9;  // [rad]
    for (int i = 0; i < f64_.joints; ++i)
      if (q[i] <= lower_[i] + kNear || q[i] >= upper_[i] - kNear) return true;
    return false;
  }

  /// Solve all sequences; a pose that is not finite is missing: joints are held, errors NaN.
  /// Throws std::invalid_argument for a pose that is no rigid transform.
  void solve(const ArmPoses& poses, const ArmSettings& settings, int threads) const;

  void evaluate(long count, const double* targets, const double* joints, const ArmEvaluation& out) const;

 private:
  struct Jobs;
  struct Solved;
  void solve_sequences(const ArmPoses& poses, long from, long count, const ArmSettings& settings,
                       void* workspace) const;
  void solve_frame(Solved& frame, const ArmSettings& settings, void* workspace) const;
  void slide(Solved& frame, const ArmSettings& settings, void* workspace) const;
  void search(Solved& frame, const std::vector<long>& failed, const ArmSettings& settings,
              void* workspace) const;
  void reach(Jobs& jobs, const ArmSettings& settings, void* workspace) const;
  ArmBatch batch(Jobs& jobs) const;
  bool reaches(double position_error, double rotation_error, const ArmSettings& settings) const {
    return position_error <= settings.position_tolerance && rotation_error <= settings.rotation_tolerance;
  }
  double cost(double position_error, double rotation_error) const {
    const double turn = rotation_weight_ * rotation_error;
    return position_error * position_error + turn * turn;
  }

  const Kernels& kernels_;
  ArmModel<double> f64_;
  ArmModel<float> f32_;
  std::vector<double> base_, half_range_, lower_, upper_, posture_, known_joints_, known_places_;
  double rotation_weight_;
  long workspace_bytes_;
};

}  // namespace retarget
