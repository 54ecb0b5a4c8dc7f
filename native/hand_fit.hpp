// Frames of a HandBatch handed to the lanes of the LM loop, and results written back.
#pragma once
#include "hand.hpp"

namespace RETARGET_ISA {

template <class V> class HandFit : public HandProblem<V> {
  using E = typename V::Scalar;
  using Base = HandProblem<V>;

 public:
  const V *lower = nullptr, *upper = nullptr;

  HandFit(const retarget::HandModel<E>& model, retarget::HandBatch& batch, Arena& arena)
      : Base(model, arena), model_(model), batch_(batch) {
    Base::set_cost(batch.beta, batch.prior);
    Base::set_soft_limits(batch.soft_lower, batch.soft_upper, batch.soft_weight);
  }

  bool next(int lane, V* z) {
    const long frame = __atomic_fetch_add(&batch_.next, 1, __ATOMIC_RELAXED);
    if (frame >= batch_.frames) return false;
    frame_[lane] = frame;
    attempt_[lane] = 0;
    load(lane, frame);
    for (int k = 0; k < Base::unknowns; ++k)
      z[k].set(lane, E(batch_.start[frame * Base::unknowns + k] / model_.scale[k]));
    return true;
  }

  void load(int lane, long frame) {
    const int points = model_.points;
    for (int p = 0; p < points; ++p) {
      const double weight = batch_.weights ? batch_.weights[frame * points + p] : 1.0;
      Base::weight()[p].set(lane, E(weight));
      for (int d = 0; d < 3; ++d)  // the target of a point without weight may be anything, NaN too
        Base::target()[3 * p + d].set(lane, weight > 0 ? E(batch_.targets[(frame * points + p) * 3 + d]) : E(0));
    }
  }

  void arrive(const Point<V>&, Mask<E>) {}

  /// Keep the result if it is the frame's best; true to try again from another start.
  bool finish(int lane, Point<V>& at, int iterations, bool converged) {
    const long frame = frame_[lane];
    const int points = model_.points, n = Base::unknowns;
    const bool first = attempt_[lane] == 0;
    batch_.iterations[frame] = iterations + (first ? 0 : batch_.iterations[frame]);
    if (first || double(at.cost[lane]) < batch_.cost[frame]) {
      batch_.cost[frame] = double(at.cost[lane]);
      batch_.converged[frame] = converged;
      for (int k = 0; k < n; ++k) batch_.solution[frame * n + k] = double(at.x[k][lane]) * model_.scale[k];
      for (int p = 0; p < points; ++p) batch_.residual[frame * points + p] = distance(lane, p, at);
    }
    if (attempt_[lane] >= batch_.restart_count || !failed(lane, frame)) return false;
    const double* start = batch_.restarts + long(attempt_[lane]++) * model_.components;
    for (int k = 0; k < n; ++k) at.x[k].set(lane, k < model_.components ? E(start[k] / model_.scale[k]) : E(0));
    return true;
  }

 private:
  double distance(int lane, int point, const Point<V>& at) const {
    double sum = 0;
    for (int d = 0; d < 3; ++d) {
      const double r = double(at.residual[3 * point + d][lane]);
      sum += r * r;
    }
    return root(sum);
  }
  bool failed(int lane, long frame) {
    for (int p = 0; p < model_.points; ++p)
      if (Base::weight()[p][lane] > 0 && batch_.residual[frame * model_.points + p] > batch_.retry_above) return true;
    return !batch_.converged[frame];
  }

  const retarget::HandModel<E>& model_;
  retarget::HandBatch& batch_;
  long frame_[V::lanes];
  int attempt_[V::lanes];
};

}  // namespace RETARGET_ISA
