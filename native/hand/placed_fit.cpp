// Fits of hands that lie anywhere.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/rotation.hpp"
#include "hand/solver.hpp"

namespace retarget {
namespace {

/// Where the root's frame lies where the points were seen: its pose in the hand's frame, carried back, and
/// out of the mirror, which turns x round.
void place_root(const RigidMotion& seen, Span<const double> wrist, Span<const double> rest_root, bool mirrored,
                Span<double> root) {
  double turn[9], at[3];
  rotation_of(wrist, turn);
  for (int d = 0; d < 3; ++d) at[d] = rest_root[d] + wrist[3 + d] - seen.translation[d];
  for (int i = 0; i < 16; ++i) root[i] = i == 15;
  for (int r = 0; r < 3; ++r)
    for (int k = 0; k < 3; ++k) {
      root[4 * r + 3] += seen.rotation[3 * k + r] * at[k];
      for (int c = 0; c < 3; ++c) root[4 * r + c] += seen.rotation[3 * k + r] * turn[3 * k + c];
    }
  if (mirrored)
    for (int i : {1, 2, 3, 4, 8}) root[i] = -root[i];
}

}  // namespace

void HandSolver::fit_placed(const PlacedFrames& frames, const HandPlacement& placement, HandBatch& batch,
                            const LmOptions& options, int threads, const Kernels& kernels) const {
  const long count = batch.frames, P = points(), K = components();
  std::vector<RigidMotion> seen(std::size_t(count), RigidMotion{});
  std::vector<double> targets(std::size_t(count * 3 * P)), weights(std::size_t(count * P)), x(std::size_t(3 * P));
  for (long frame = 0; frame < count; ++frame) {
    const bool mirrored = frames.mirrored && frames.mirrored[frame];
    std::copy(frames.points[frame].begin(), frames.points[frame].end(), x.begin());
    for (long p = 0; p < P && mirrored; ++p) x[std::size_t(3 * p)] = -x[std::size_t(3 * p)];
    const Span<double> w = Span<double>(weights).part(frame * P, P);
    RigidMotion& motion = seen[std::size_t(frame)];
    long known = 0;
    for (long p = 0; p < P; ++p) {
      const double* at = &x[std::size_t(3 * p)];
      const bool finite = std::isfinite(at[0]) && std::isfinite(at[1]) && std::isfinite(at[2]);
      w[p] = !finite ? 0 : frames.weights ? frames.weights[frame][p] : 1;
      known += w[p] > 0;
    }
    frames.fitted[frame] = known >= frames.fewest && placement.find(x, w, motion);
    for (long p = 0; p < P; ++p) {
      if (!frames.fitted[frame]) w[p] = 0;
      for (int r = 0; r < 3 && w[p] > 0; ++r) {
        double& target = targets[std::size_t(3 * (frame * P + p) + r)];
        target = motion.translation[r];
        for (int c = 0; c < 3; ++c) target += motion.rotation[3 * r + c] * x[std::size_t(3 * p + c)];
      }
    }
  }
  batch.in.targets = Rows<const double>(targets, 3 * P);
  batch.in.weights = Rows<const double>(weights, P);
  fit(batch, options, false, threads, kernels);
  const double nan = std::nan("");
  const double rest_root[3] = {model().rest[0], model().rest[1], model().rest[2]};
  for (long frame = 0; frame < count; ++frame) {
    const bool fitted = frames.fitted[frame];
    if (fitted)
      place_root(seen[std::size_t(frame)], batch.out.solution[frame].part(K, 6), rest_root,
                 frames.mirrored && frames.mirrored[frame], frames.root[frame]);
    for (int i = 0; i < 16 && !fitted; ++i) frames.root[frame][i] = nan;
    for (int k = 0; k < K && !fitted; ++k) batch.out.solution[frame][k] = nan;
    for (long p = 0; p < P; ++p)
      if (weights[std::size_t(frame * P + p)] == 0) batch.out.residual[frame][p] = nan;
  }
}

}  // namespace retarget
