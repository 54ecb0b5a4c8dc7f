// A hand's dense arrays made sparse for the kernels, and batches of frames spread over threads.
#include "hand_solver.hpp"

#include <algorithm>

#include "dispatch.hpp"
#include "workspace.hpp"

namespace retarget {

template <class E>
HandModelOwner<E>::HandModelOwner(const HandArrays& a) {
  HandModel<E>& m = model_;
  m.points = a.points;
  m.components = a.components;
  m.wrist = a.wrist_rotation > 0;
  const int unknowns = a.components + (m.wrist ? 6 : 0);
  m.stride = (unknowns + kBlock - 1) / kBlock * kBlock;
  for (int j = 0; j < kJoints; ++j) {
    m.parent[j] = j ? int(a.parents[j]) : 0;
    for (int d = 0; d < 3; ++d) {
      m.rest[3 * j + d] = E(a.rest[3 * j + d]);
      m.offset[3 * j + d] = E(a.rest[3 * j + d] - a.rest[3 * m.parent[j] + d]);
    }
  }
  std::transform(a.mean, a.mean + 45, m.mean, [](double x) { return E(x); });
  for (int k = 0; k < a.components; ++k) m.scale[k] = a.sigma[k];
  for (int i = 0; i < 6 && m.wrist; ++i)
    m.scale[a.components + i] = i < 3 ? a.wrist_rotation : a.wrist_translation;
  components_t_.assign(std::size_t(45 * m.stride), E(0));
  for (int k = 0; k < a.components; ++k)
    for (int i = 0; i < 45; ++i)
      components_t_[std::size_t(i * m.stride + k)] = E(a.basis[45 * k + i] * a.sigma[k]);
  point_.assign(a.point, a.point + 3 * a.points);
  for (int p = 0; p < a.points; ++p) {
    const Span skin{int(skin_.size()), 0}, influences{int(influences_.size()), 0};
    bool turns[kJoints] = {};
    for (int j = 0; j < kJoints; ++j) {
      const double weight = a.weights[kJoints * p + j];
      if (weight == 0) continue;
      skin_.push_back({j, weight});
      for (int up = j; up > 0; up = m.parent[up]) turns[up] = true;
    }
    for (int j = 1; j < kJoints; ++j) {
      const auto entry = [&](int d, int i) { return a.blend[(3 * p + d) * 135 + 9 * (j - 1) + i]; };
      bool blends = false;
      for (int i = 0; i < 27; ++i) blends |= entry(i / 9, i % 9) != 0;
      if (!blends && !turns[j]) continue;
      influences_.push_back({j, turns[j], blends ? int(blend_.size() / 27) : -1});
      for (int i = 0; i < 27 && blends; ++i) blend_.push_back(E(entry(i / 9, i % 9)));
    }
    skin_of_.push_back({skin.begin, int(skin_.size())});
    influences_of_.push_back({influences.begin, int(influences_.size())});
  }
  if (a.start_weights) {
    const int x = 3 * a.points, monomials = 1 + x + x * (x + 1) / 2;
    start_.assign(a.start_center, a.start_center + x);
    start_.insert(start_.end(), a.start_spread, a.start_spread + x);
    start_.insert(start_.end(), a.start_weights, a.start_weights + monomials * a.components);
    m.start_center = start_.data(), m.start_spread = m.start_center + x, m.start_weights = m.start_spread + x;
  }
  m.components_t = components_t_.data();
  m.point = point_.data();
  m.skin_of = skin_of_.data();
  m.influences_of = influences_of_.data();
  m.skin = skin_.data();
  m.influences = influences_.data();
  m.blend = blend_.empty() ? nullptr : blend_.data();
}

template class HandModelOwner<double>;
template class HandModelOwner<float>;

template <class E>
void HandSolver::run(const HandModel<E>& model, HandBatch& batch, const LmOptions& options, int threads,
                     const KernelsOf<E>& kernels) const {
  batch.next = 0;
  const Workspaces workspaces(threads, kernels.hand_workspace(model));
  run_workers(threads, [&](int worker) { kernels.hand_fit(model, batch, options, workspaces[worker]); });
}

void HandSolver::fit(HandBatch& batch, const LmOptions& options, bool single, int threads,
                     const Kernels& kernels) const {
  threads = useful_threads(threads, batch.frames, 8 * kernels.f64.lanes);
  if (!single) return run(f64_.model(), batch, options, threads, kernels.f64);
  LmOptions coarse = options;
  coarse.tolerance = std::max(options.tolerance, 1e-3);
  run(f32_.model(), batch, coarse, threads, kernels.f32);
  const std::vector<int> iterations(batch.iterations, batch.iterations + batch.frames);
  HandBatch polish = batch;
  polish.start = batch.solution;
  polish.restart_count = 0;
  LmOptions fine = options;
  fine.damping = 1e-9;
  fine.tolerance = std::max(options.tolerance, 1e-5);
  run(f64_.model(), polish, fine, threads, kernels.f64);
  for (long i = 0; i < batch.frames; ++i) batch.iterations[i] += iterations[std::size_t(i)];
}

void HandSolver::evaluate(const HandBatch& batch, const HandEvaluation& out, const Kernels& kernels) const {
  const Workspaces workspace(1, kernels.f64.hand_workspace(f64_.model()));
  kernels.f64.hand_evaluate(f64_.model(), batch, out, workspace[0]);
}

}  // namespace retarget
