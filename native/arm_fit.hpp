// Poses of an ArmBatch handed to the lanes of the LM loop, and results written back.
#pragma once
#include "arm.hpp"

namespace RETARGET_ISA {

/// The Problem of levenberg_marquardt whose lanes take jobs in their order, whoever asks first.
template <class V, int N = 0>
class ArmReach : public ArmProblem<V, N> {
  using E = typename V::Scalar;
  using Base = ArmProblem<V, N>;

 public:
  ArmReach(const retarget::ArmModel<E>& model, retarget::ArmBatch& batch)
      : Base(model, batch.rotation_weight), batch_(batch) {}

  bool next(int lane, V* u) {
    const long job = __atomic_fetch_add(&batch_.next, 1, __ATOMIC_RELAXED);
    if (job >= batch_.count) return false;
    const long pose = batch_.jobs ? batch_.jobs[job] : job;
    job_[lane] = job;
    starting_.set(lane, true);
    Base::set_target(lane, batch_.targets + 16 * pose);
    for (int i = 0; i < Base::unknowns; ++i) {
      const E start = E(batch_.joints[job * Base::unknowns + i] / batch_.half_range[i]);
      u[i].set(lane, clamp_one(start, Base::lower[i][lane], Base::upper[i][lane]));
    }
    return true;
  }

  void evaluate(const V* u, Point<V>& out) {
    Base::evaluate(u, out);
    if (!batch_.start_cost || !starting_.any()) return;
    for (int lane = 0; lane < V::lanes; ++lane)
      if (starting_[lane]) batch_.start_cost[job_[lane]] = double(out.cost[lane]);
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
    return {root(squares[0]), root(squares[1]) / batch_.rotation_weight};
  }

  /// Joints are clamped to the limits as given: scaling may have moved them by a rounding error.
  void write(int lane, const V* u, int iterations, bool converged, Errors found) {
    const long job = job_[lane];
    const int n = Base::unknowns;
    for (int i = 0; i < n; ++i)
      batch_.joints[job * n + i] =
          clamp_one(double(u[i][lane]) * batch_.half_range[i], batch_.lower[i], batch_.upper[i]);
    batch_.position_error[job] = found.position;
    batch_.rotation_error[job] = found.rotation;
    batch_.iterations[job] += iterations;
    batch_.converged[job] = converged;
  }

  retarget::ArmBatch& batch_;
  long job_[V::lanes] = {};
  Mask<E> starting_{};
};

}  // namespace RETARGET_ISA
