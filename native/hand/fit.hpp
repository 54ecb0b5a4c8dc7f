// Frames of a HandBatch handed to the SIMD lanes of the LM loop, and results written back.
#pragma once
#include "hand/problem.hpp"

namespace RETARGET_ISA {

/// The Problem of levenberg_marquardt whose SIMD lanes take frames in their order, whoever asks first.
template <class V>
class HandFit : public HandProblem<V> {
  using E = typename V::Scalar;
  using Base = HandProblem<V>;

 public:
  HandFit(const retarget::HandModel<E>& model, retarget::HandBatch& batch, Arena& arena)
      : Base(model, arena), model_(model), batch_(batch) {
    Base::set_objective(batch.objective);
  }

  bool next(int lane, Span<V> z) {
    const long frame = __atomic_fetch_add(&batch_.next, 1, __ATOMIC_RELAXED);
    if (frame >= batch_.frames) return false;
    frame_[lane] = frame;
    attempt_[lane] = 0;
    load(lane, frame);
    double start[retarget::kMaxComponents + 6] = {};
    if (batch_.in.start)
      for (int k = 0; k < Base::unknowns; ++k) start[k] = batch_.in.start[frame][k] / model_.scale[k];
    else if (model_.start.weights) regress(lane, start);
    for (int k = 0; k < Base::unknowns; ++k) z[k].set(lane, E(start[k]));
    return true;
  }

  void load(int lane, long frame) {
    const int points = model_.points;
    target_[lane] = batch_.in.targets[frame];
    for (int p = 0; p < points; ++p) {
      const double weight = batch_.in.weights ? batch_.in.weights[frame][p] : 1.0;
      Base::weight()[p].set(lane, E(weight));
      for (int d = 0; d < 3; ++d)  // the target of a point without weight may be anything, NaN too
        Base::target()[3 * p + d].set(lane, weight > 0 ? E(target_[lane][3 * p + d]) : E(0));
    }
  }

  void arrive(const Point<V>&, Mask<E>) {}

  /// Keep the result if it is the frame's best; true to try again from another start.
  bool finish(int lane, Point<V>& at, int iterations, bool converged) {
    const long frame = frame_[lane];
    const int points = model_.points, n = Base::unknowns;
    const bool first = attempt_[lane] == 0;
    const retarget::HandBatch::Output& out = batch_.out;
    out.iterations[frame] = iterations + (first ? 0 : out.iterations[frame]);
    if (first || double(at.cost[lane]) < out.cost[frame]) {
      out.cost[frame] = double(at.cost[lane]);
      out.converged[frame] = converged;
      for (int k = 0; k < n; ++k) out.solution[frame][k] = double(at.x[k][lane]) * model_.scale[k];
      for (int p = 0; p < points; ++p) out.residual[frame][p] = distance(lane, p, at);
    }
    if (attempt_[lane] >= batch_.restarts.from.count() || !failed(lane, frame)) return false;
    const Span<const double> start = batch_.restarts.from[attempt_[lane]++];
    for (int k = 0; k < n; ++k)
      at.x[k].set(lane, k < model_.components ? E(start[k] / model_.scale[k]) : E(0));
    return true;
  }

 private:
  static constexpr double kFarthestStart = 3;  // [standard deviations]

  /// Start at what a quadratic regression on the targets makes of them (HandModel); a point without
  /// weight counts as standing at its mean.
  void regress(int lane, double* z) {
    const int n = int(model_.start.center.size()), K = model_.components;
    double x[retarget::kMaxStart + 1];
    x[0] = 1;
    for (int i = 0; i < n; ++i) {
      const long point = long(model_.start.points[i / 3]);
      x[i + 1] = Base::weight()[point][lane] > 0
                     ? (target_[lane][3 * point + i % 3] - model_.start.center[i]) / model_.start.spread[i]
                     : 0;
    }
    long row = 0;
    const auto add = [&](double monomial) {
      const Span<const double> weights = model_.start.weights[row++];
      for (int k = 0; k < K; ++k) z[k] += monomial * weights[k];
    };
    for (int i = 0; i <= n; ++i) add(x[i]);
    for (int i = 1; i <= n; ++i)
      for (int j = i; j <= n; ++j) add(x[i] * x[j]);
    // far from the poses it was made from the regression is wild, clipped it stays continuous
    for (int k = 0; k < K; ++k) z[k] = clamp_one(z[k], -kFarthestStart, kFarthestStart);
  }

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
      if (Base::weight()[p][lane] > 0 && batch_.out.residual[frame][p] > batch_.restarts.above) return true;
    return !batch_.out.converged[frame];
  }

  const retarget::HandModel<E>& model_;
  retarget::HandBatch& batch_;
  Span<const double> target_[V::lanes];  // as given, in float64
  long frame_[V::lanes];
  int attempt_[V::lanes];
};

}  // namespace RETARGET_ISA
