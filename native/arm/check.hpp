// Joints that were found, judged in double precision: errors and status, a pack of poses at a time.
#pragma once
#include "arm/problem.hpp"

namespace RETARGET_ISA {

/// What a walk found, gathered until all SIMD lanes are filled.
template <int N>
class ArmCheck {
  using V = Pack<double>;
  using M = Mask<double>;

 public:
  ArmCheck(const retarget::ArmModel<double>& model, retarget::ArmWalk& walk)
      : exact_(model, walk.limits.rotation_weight), walk_(walk) {}

  /// Joints q for the pose T_base_wrist of a frame, which reach it (kReached) or else.
  void add(long sequence, long frame, Span<const double> T, Span<const double> q,
           retarget::ArmStatus status) {
    for (int i = 0; i < exact_.joints(); ++i) q_[i].set(filled_, q[i]);
    exact_.set_target(filled_, T);
    entries_[filled_++] = {sequence, frame, status};
    if (filled_ == V::lanes) flush();
  }

  void flush() {
    V u[ArmProblem<V, N>::kMax], r[6];
    M limited{};
    const retarget::ArmLimits& limits = walk_.limits;
    for (int i = 0; i < exact_.joints(); ++i) {
      u[i] = q_[i] / V(limits.half_range[i]);
      limited = limited | (q_[i] <= V(limits.lower[i] + retarget::kNearLimit)) |
                (q_[i] >= V(limits.upper[i] - retarget::kNearLimit));
    }
    exact_.locate(u);
    exact_.measure(r);
    const V position = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
    const V rotation = sqrt(r[3] * r[3] + r[4] * r[4] + r[5] * r[5]) / V(limits.rotation_weight);
    const M reached = (position <= V(walk_.tolerances.position)) & (rotation <= V(walk_.tolerances.rotation));
    for (int lane = 0; lane < filled_; ++lane) {
      const Entry& e = entries_[lane];
      const long pose = walk_.poses.pose(e.sequence, e.frame);
      const retarget::ArmPoses::Output& out = walk_.poses.out;
      out.position_error[pose] = position[lane];
      out.rotation_error[pose] = rotation[lane];
      const bool deceived = e.status == retarget::kReached && !reached[lane];
      out.status[pose] = reached[lane] ? (limited[lane] ? retarget::kReachedAtLimit : retarget::kReached)
                         : deceived    ? retarget::kNotConverged
                                       : e.status;
      if (deceived) give_up(e.sequence, e.frame);
    }
    filled_ = 0;
  }

  /// The sequence is to be taken up again at this frame.
  void give_up(long sequence, long frame) {
    long& at = walk_.queue.at[sequence];
    if (at == walk_.poses.frames) walk_.given_up.sequences[walk_.given_up.count++] = sequence;
    if (frame < at) at = frame;
  }

 private:
  struct Entry {
    long sequence, frame;
    retarget::ArmStatus status;
  };
  ArmProblem<V, N> exact_;
  retarget::ArmWalk& walk_;
  V q_[ArmProblem<V, N>::kMax] = {};
  Entry entries_[V::lanes];
  int filled_ = 0;
};

}  // namespace RETARGET_ISA
