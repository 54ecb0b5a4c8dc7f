// ArmSolver: a chain, the joints it knows from before, and the order of the stages.
//
// A pose is reached from where the arm comes from; where that fails, from the known joints whose
// wrists are nearest to it. Of several ways to reach it the one nearest to where the arm comes from
// is taken, of several failures the smallest. What is reached then slides towards the posture.
#pragma once
#include <vector>

#include "arm/model.hpp"
#include "core/kernels.hpp"

namespace retarget {

struct ArmSettings {
  double position_tolerance, rotation_tolerance;  // of a reached pose [m], [rad]
  double posture_gain;  // how far joints may lean per metre of the wrist's way [1/m]
  double goal;          // |r| that ends a reach [m]
  int starts, max_iterations;
  bool lean, single;  // slide to the posture; reach in float32 first
};

class ArmSolver {
 public:
  ArmSolver(const ArmArrays& arrays, const Kernels& kernels);
  int joints() const { return f64_.joints; }
  long known() const { return long(known_joints_.size()) / f64_.joints; }

  /// Solve all sequences; a pose that is not finite is missing: joints are held, errors NaN.
  /// Throws std::invalid_argument for a pose that is no rigid transform.
  void solve(const ArmPoses& poses, const ArmSettings& settings, int threads) const;

  /// targets are (m, 16) T_base_wrist, or none; joints (m, n).
  void evaluate(Rows<const double> targets, Rows<const double> joints, const ArmEvaluation& out) const;

 private:
  struct Reaches;
  struct Solved;
  struct FrameOf {
    long sequence, frame;
  };
  struct Work {  // of one thread
    const ArmPoses& poses;
    const ArmSettings& settings;
    Span<char> workspace;
    long bad_pose;  // the first pose that is no rigid transform, -1 for none

    void note_bad(long pose) {
      if (pose >= 0 && (bad_pose < 0 || pose < bad_pose)) bad_pose = pose;
    }
  };

  // without sliding, whole sequences are walked (walks.cpp)
  void walk(Work& work, long* next, Span<long> at) const;
  ArmWalk walk_of(const ArmPoses& poses, const ArmSettings& settings) const;
  void run_walk(ArmWalk& walk, const ArmSettings& settings) const;
  static bool coarse(const ArmSettings& settings);  // float32 can meet the goal

  // with it, and where a walk ended, sequences advance together, frame by frame
  void solve_block(Work& work, long first, long count) const;
  /// walked: joints of unreachable frames hold the minimum that a walk found.
  void solve_frames(Work& work, const std::vector<FrameOf>& frames, bool walked) const;

  // the stages of a frame (stages.cpp)
  void run_stages(Solved& frame, const ArmSettings& settings, Span<char> workspace) const;
  void reach(Reaches& reaches, const ArmSettings& settings, Span<char> workspace) const;
  void reach_coarsely(Reaches& reaches, const ArmSettings& settings) const;
  void search(Solved& frame, const std::vector<long>& failed, const ArmSettings& settings,
              Span<char> workspace) const;
  void follow(Solved& frame, const std::vector<long>& failed, const ArmSettings& settings,
              Span<char> workspace) const;
  std::vector<double> places(Rows<const double> joints, Span<char> workspace) const;
  double turned(Span<const double> from, Span<const double> to) const;
  double room(Span<const double> target, Span<const double> from, Span<const double> to) const;
  void slide(Solved& frame, const ArmSettings& settings, Span<char> workspace) const;
  ArmBatch batch(Reaches& reaches) const;

  ArmLimits limits() const { return {half_range_, lower_, upper_, rotation_weight_}; }
  bool near_limit(Span<const double> q) const {
    for (std::size_t i = 0; i < lower_.size(); ++i)
      if (q[long(i)] <= lower_[i] + kNearLimit || q[long(i)] >= upper_[i] - kNearLimit) return true;
    return false;
  }
  bool within(double position_error, double rotation_error, const ArmSettings& settings) const {
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
