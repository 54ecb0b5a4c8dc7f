// Batches of frames spread over threads.
#include "hand/solver.hpp"

#include <algorithm>

#include "core/workers.hpp"
#include "core/workspace.hpp"

namespace retarget {

template <class E>
void HandSolver::run(const HandModel<E>& model, HandBatch& batch, const LmOptions& options, int threads,
                     const KernelsOf<E>& kernels) const {
  batch.next = 0;
  const Workspaces workspaces(threads, kernels.hand.workspace(model));
  run_workers(threads, [&](int worker) { kernels.hand.fit(model, batch, options, workspaces[worker]); });
}

void HandSolver::fit(HandBatch& batch, const LmOptions& options, bool single, int threads,
                     const Kernels& kernels) const {
  threads = useful_threads(threads, batch.frames, 8 * kernels.f64.lanes);
  if (!single) return run(f64_.model(), batch, options, threads, kernels.f64);
  LmOptions coarse = options;
  coarse.tolerance = std::max(options.tolerance, 1e-3);
  run(f32_.model(), batch, coarse, threads, kernels.f32);
  const std::vector<int> iterations(batch.out.iterations.begin(), batch.out.iterations.end());
  HandBatch polish = batch;
  polish.in.start = batch.out.solution;
  polish.restarts.from = {};
  LmOptions fine = options;
  fine.damping = 1e-9;
  fine.tolerance = std::max(options.tolerance, 1e-5);
  run(f64_.model(), polish, fine, threads, kernels.f64);
  for (long i = 0; i < batch.frames; ++i) batch.out.iterations[i] += iterations[std::size_t(i)];
}

void HandSolver::evaluate(const HandBatch& batch, const HandEvaluation& out, const Kernels& kernels) const {
  const Workspaces workspace(1, kernels.f64.hand.workspace(f64_.model()));
  kernels.f64.hand.evaluate(f64_.model(), batch, out, workspace[0]);
}

void place_points(Span<const HandSolver* const> hands, Grid<const double> coefficients, Grid<double> points,
                  int threads, const Kernels& kernels) {
  constexpr long kFramesPerThread = 256;  // a thread costs tens of microseconds; these a few hundred
  threads = useful_threads(threads, points.count(), kFramesPerThread);
  for (long hand = 0; hand < hands.size(); ++hand) {
    const HandModel<double>& model = hands[hand]->model();
    const Workspaces workspaces(threads, kernels.f64.hand.points_workspace(model));
    PointsBatch batch{coefficients.column(hand), points.column(hand), 0};
    run_workers(threads, [&](int worker) { kernels.f64.hand.points(model, batch, workspaces[worker]); });
  }
}

}  // namespace retarget
