// A hand's entry points: fits, evaluations and points for one instruction set.
#pragma once
#include "hand/fit.hpp"
#include "hand/points.hpp"

namespace RETARGET_ISA {
namespace {

template <class E>
struct HandWork {
  HandFit<Pack<E>> fit;
  LmWorkspace<Pack<E>> lm;
  HandWork(const retarget::HandModel<E>& model, retarget::HandBatch& batch, Arena& arena)
      : fit(model, batch, arena), lm(arena, fit.stride, fit.residuals) {}
};

template <class E>
long hand_workspace(const retarget::HandModel<E>& model) {
  Arena counting;
  retarget::HandBatch none{};
  HandWork<E> work(model, none, counting);
  return counting.used();
}

template <class E>
void hand_fit(const retarget::HandModel<E>& model, retarget::HandBatch& batch,
              const retarget::LmOptions& options, Span<char> memory) {
  Arena arena(memory);
  HandWork<E> work(model, batch, arena);
  levenberg_marquardt<Pack<E>>(work.fit, options, work.lm);
}

template <class E>
void hand_evaluate(const retarget::HandModel<E>& model, const retarget::HandBatch& batch,
                   const retarget::HandEvaluation& out, Span<char> memory) {
  Arena arena(memory);
  retarget::HandBatch frames = batch;
  HandWork<E> work(model, frames, arena);
  HandFit<Pack<E>>& fit = work.fit;
  const int n = fit.unknowns, lanes = Pack<E>::lanes;
  for (frames.next = 0; frames.next < frames.frames;) {
    const long first = frames.next;
    int filled = 0;
    while (filled < lanes && fit.next(filled, work.lm.at.x)) ++filled;
    fit.evaluate(work.lm.at.x, work.lm.at);
    for (int lane = 0; lane < filled; ++lane) {
      const long frame = first + lane;
      const Point<Pack<E>>& at = work.lm.at;
      out.cost[frame] = double(at.cost[lane]);
      for (int i = 0; i < fit.residuals; ++i)
        out.points[frame][i] = double(at.residual[i][lane]) + double(fit.target()[i][lane]);
      for (int i = 0; i < n; ++i) {
        out.gradient[frame][i] = double(at.gradient[i][lane]);
        for (int j = 0; j < n; ++j)
          out.hessian[frame][n * i + j] = double(at.hessian[i > j ? i : j][i > j ? j : i][lane]);
      }
    }
  }
}

template <class E>
constexpr retarget::HandKernels<E> hand_kernels() {
  return {hand_workspace<E>, hand_fit<E>, hand_evaluate<E>, points_workspace<E>, hand_points<E>};
}

}  // namespace
}  // namespace RETARGET_ISA
