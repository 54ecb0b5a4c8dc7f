// Points of posed hands, a frame in each SIMD lane.
#pragma once
#include "hand/problem.hpp"

namespace RETARGET_ISA {
namespace {

template <class E>
struct PointsWork {
  HandProblem<Pack<E>> hand;
  Span<Pack<E>> z;
  Span<Vec3<Pack<E>>> points;
  PointsWork(const retarget::HandModel<E>& model, Arena& arena)
      : hand(model, arena),
        z(arena.take<Pack<E>>(hand.stride)),
        points(arena.take<Vec3<Pack<E>>>(model.points)) {}
};

template <class E>
long points_workspace(const retarget::HandModel<E>& model) {
  Arena counting;
  PointsWork<E> work(model, counting);
  return counting.used();
}

/// A frame with a coefficient that is not finite has points that are NaN.
template <class E>
void hand_points(const retarget::HandModel<E>& model, retarget::PointsBatch& batch, Span<char> memory) {
  constexpr int lanes = Pack<E>::lanes;
  Arena arena(memory);
  PointsWork<E> work(model, arena);
  const double nan = __builtin_nan("");
  for (;;) {
    const long first = __atomic_fetch_add(&batch.next, lanes, __ATOMIC_RELAXED);
    const long left = batch.points.count() - first;
    if (left <= 0) return;
    const int filled = int(left < lanes ? left : lanes);
    bool finite[lanes];
    for (int lane = 0; lane < filled; ++lane) {
      const Span<const double> c = batch.coefficients[first + lane];
      finite[lane] = true;
      for (int k = 0; k < model.components; ++k) finite[lane] &= __builtin_isfinite(c[k]) != 0;
      for (int k = 0; k < model.components; ++k)
        work.z[k].set(lane, finite[lane] ? E(c[k] / model.scale[k]) : E(0));
    }
    work.hand.place(work.z, work.points);
    for (int lane = 0; lane < filled; ++lane) {
      const Span<double> out = batch.points[first + lane];
      for (int i = 0; i < 3 * model.points; ++i)
        out[i] = finite[lane] ? double(work.points[i / 3][i % 3][lane]) : nan;
    }
  }
}

}  // namespace
}  // namespace RETARGET_ISA
