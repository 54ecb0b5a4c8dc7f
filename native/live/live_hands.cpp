// Fit, turn, map.
#include "live/live_hands.hpp"

#include <cmath>
#include <vector>

namespace retarget {
namespace {

/// Fits of hands `first` to `last` by one solver.
void fit_hands(Span<const LiveHand> hands, long first, long last, const LiveOptions& options, LiveFrame& frame,
               const Kernels& kernels) {
  const LiveHand& hand = hands[first];
  const long n = last - first, P = hand.fit->points();
  std::vector<unsigned char> mirrored;
  std::vector<double> weights, cost(std::size_t(n), 0.0);
  std::vector<int> iterations(std::size_t(n), 0);
  for (long h = first; h < last; ++h) {
    mirrored.push_back(hands[h].mirrored);
    weights.insert(weights.end(), options.weights.begin(), options.weights.end());
  }
  const auto of = [&](const auto& rows) { return rows.part(first, n); };
  PlacedFrames placed;
  placed.points = of(frame.points);
  placed.weights = Rows<const double>(weights, P);
  placed.mirrored = Span<const unsigned char>(mirrored);
  placed.fewest = options.fewest;
  placed.root = of(frame.root);
  placed.fitted = of(frame.fitted);
  HandBatch batch{};
  batch.frames = n;
  batch.objective = options.objective;
  batch.restarts.above = INFINITY;
  batch.out = {of(frame.unknowns), of(frame.residual), Span<double>(cost), Span<int>(iterations),
               of(frame.fit_converged)};
  hand.fit->fit_placed(placed, hand.placement, batch, options.fit, 1, kernels);
}

/// Fingertips from the wrist in the robot's wrist axes: R_world_mano = R_world_wrist axes.
void turn_tips(const LiveHand& hand, Span<const std::int64_t> tips, Span<const double> points,
               Span<const double> root, Span<double> out) {
  for (long f = 0; f < kFingers; ++f) {
    double arm[3], local[3];
    for (int d = 0; d < 3; ++d) arm[d] = points[3 * tips[f] + d] - root[4 * d + 3];
    for (int c = 0; c < 3; ++c) local[c] = arm[0] * root[c] + arm[1] * root[4 + c] + arm[2] * root[8 + c];
    for (int r = 0; r < 3; ++r)
      out[3 * f + r] = hand.axes[3 * r] * local[0] + hand.axes[3 * r + 1] * local[1] + hand.axes[3 * r + 2] * local[2];
  }
}

}  // namespace

void live_step(Span<const LiveHand> hands, const LiveOptions& options, LiveFrame& frame, const Kernels& kernels) {
  const long H = hands.size();
  for (long h = 0, next; h < H; h = next) {
    for (next = h + 1; next < H && hands[next].fit == hands[h].fit;) ++next;
    fit_hands(hands, h, next, options, frame, kernels);
  }
  int iterations = 0;
  for (long h = 0; h < H; ++h) {
    const LiveHand& hand = hands[h];
    turn_tips(hand, options.tips, frame.points[h], frame.root[h], frame.tips[h]);
    MapBatch batch{Rows<const double>(frame.tips.part(h, 1)), hand.size, frame.q.part(h, 1),
                   Span<int>(&iterations, 1), frame.mapped.part(h, 1), frame.map_converged.part(h, 1), 1};
    map_frames(hand.map->hand, hand.map->settings, options.map, batch, 1);
  }
}

}  // namespace retarget
