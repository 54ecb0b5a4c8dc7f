// Poses of an ArmBatch handed to the SIMD lanes of the LM loop, and results written back.
#pragma once
#include "arm/problem.hpp"

namespace RETARGET_ISA {

/// The Problem of levenberg_marquardt whose SIMD lanes take reaches in their order, whoever asks first.
template <class V, int N = 0>
class ArmReach : public ArmProblem<V, N> {
  using E = typename V::Scalar;
  using Base = ArmProblem<V, N>;

 public:
  ArmReach(const retarget::ArmModel<E>& model, retarget::ArmBatch& batch)
      : Base(model, batch.limits.rotation_weight), batch_(batch) {}

  bool next(int lane, Span<V> u) {
    const long reach = __atomic_fetch_add(&batch_.next, 1, __ATOMIC_RELAXED);
    if (reach >= batch_.count) return false;
    reach_[lane] = reach;
    starting_.set(lane, true);
    Base::set_target(lane, batch_.in.targets[batch_.in.pose[reach]]);
    const Span<const double> joints = batch_.out.joints[reach];
    for (int i = 0; i < Base::unknowns; ++i) {
      const E start = E(joints[i] / batch_.limits.half_range[i]);
      if (batch_.in.room) {
        const E room = E(batch_.in.room[reach]), low = Base::model_.lower[i], high = Base::model_.upper[i];
        Base::lower[i].set(lane, clamp_one(start - room, low, high));
        Base::upper[i].set(lane, clamp_one(start + room, low, high));
      }
      u[i].set(lane, clamp_one(start, Base::lower[i][lane], Base::upper[i][lane]));
    }
    return true;
  }

  void evaluate(Span<const V> u, Point<V>& out) {
    Base::evaluate(u, out);
    if (!batch_.out.start_cost || !starting_.any()) return;
    for (int lane = 0; lane < V::lanes; ++lane)
      if (starting_[lane]) batch_.out.start_cost[reach_[lane]] = double(out.cost[lane]);
    starting_ = Mask<E>{};
  }

  void arrive(const Point<V>&, Mask<E>) {}

  bool finish(int lane, Point<V>& at, int iterations, bool converged) {
    write(lane, at.x, iterations, converged, errors(lane, at));
    return false;
  }

 protected:
  struct Errors {
    double position, rotation;  // [m], [rad]
  };
  Errors errors(int lane, const Point<V>& at) const {
    double squares[2] = {};
    for (int k = 0; k < 6; ++k) {
      const double r = double(at.residual[k][lane]);
      squares[k / 3] += r * r;
    }
    return {root(squares[0]), root(squares[1]) / batch_.limits.rotation_weight};
  }

  /// Joints are clamped to the limits as given: scaling may have moved them by a rounding error.
  void write(int lane, Span<const V> u, int iterations, bool converged, Errors found) {
    const long reach = reach_[lane];
    const retarget::ArmLimits& limits = batch_.limits;
    const retarget::ArmBatch::Output& out = batch_.out;
    for (int i = 0; i < Base::unknowns; ++i)
      out.joints[reach][i] =
          clamp_one(double(u[i][lane]) * limits.half_range[i], limits.lower[i], limits.upper[i]);
    out.position_error[reach] = found.position;
    out.rotation_error[reach] = found.rotation;
    out.iterations[reach] += iterations;
    out.converged[reach] = converged;
  }

  retarget::ArmBatch& batch_;
  long reach_[V::lanes] = {};
  Mask<E> starting_{};
};

}  // namespace RETARGET_ISA
