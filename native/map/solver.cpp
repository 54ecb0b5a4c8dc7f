// Newton's method within limits.
#include "map/solver.hpp"

#include <algorithm>
#include <cmath>

#include "core/workers.hpp"
#include "map/newton.hpp"

namespace retarget {
namespace {

constexpr double kLongest = 0.6;   // [rad] of a joint in one step
constexpr double kTrusted = 0.5;   // [rad] after a longer step second derivatives say little
constexpr double kHopeless = 1e2;  // damping with which no step will be good

/// Where a frame stands.
struct State {
  double q[kMaxActive];
  FingerPose pose;
  double cost;
};

class Frame {
 public:
  Frame(const MapHand& hand, const MapGoal& goal, double prior)
      : hand_(hand), goal_(goal), prior_(prior), n_(hand.active()) {}

  /// Iterations taken; `converged` says whether the last step was short.
  int run(State& at, const MapOptions& options, bool& converged) {
    double damping = 1e-6, last = 1;
    State trial;
    evaluate(at);
    for (int iteration = 1; iteration <= options.max_iterations; ++iteration) {
      step_from(at, damping, last < kTrusted);
      double longest = 0;
      for (int k = 0; k < n_; ++k) {
        const double step = std::min(kLongest, std::max(-kLongest, step_[k]));
        trial.q[k] = std::min(hand_.upper[std::size_t(k)], std::max(hand_.lower[std::size_t(k)], at.q[k] + step));
        longest = std::max(longest, std::abs(trial.q[k] - at.q[k]));
      }
      evaluate(trial);
      const bool good = trial.cost <= at.cost * (1 + 1e-14);
      if (good) {
        at = trial;
        damping = std::max(0.2 * damping, 1e-10);
        last = longest;
      }
      converged = longest < options.tolerance;
      if (converged) return iteration;
      if (good) continue;
      damping = std::max(8 * damping, 1e-7);
      if (damping > kHopeless) return iteration;
    }
    return options.max_iterations;
  }

 private:
  void evaluate(State& state) const {
    const Span<const double> q(state.q, n_);
    hand_.place(q, state.pose);
    state.cost = hand_.cost(q, state.pose, goal_, prior_);
  }

  void step_from(const State& at, double damping, bool trusted) {
    double gradient[kMaxActive], curvature[kMaxActive * kMaxActive], hessian[kMaxActive * kMaxActive];
    hand_.differentiate({at.q, n_}, at.pose, goal_, prior_, {gradient, n_}, {hessian, n_ * n_},
                        {curvature, n_ * n_});
    bool held[kMaxActive];
    double wanted[kMaxActive];
    for (int k = 0; k < n_; ++k) {
      held[k] = (at.q[k] <= hand_.lower[std::size_t(k)] && gradient[k] > 0) ||
                (at.q[k] >= hand_.upper[std::size_t(k)] && gradient[k] < 0);
      wanted[k] = held[k] ? 0 : -gradient[k];
    }
    for (int a = 0; a < n_; ++a)
      for (int b = 0; b < n_; ++b) {
        const int i = n_ * a + b;
        if (held[a] || held[b]) hessian[i] = a == b;
        else if (trusted) hessian[i] += curvature[i];
      }
    newton_step(hessian, damping, wanted, n_, step_);
  }

  const MapHand& hand_;
  const MapGoal& goal_;
  const double prior_;
  const int n_;
  double step_[kMaxActive];
};

}  // namespace

void map_frames(const MapHand& hand, const MapSettings& settings, const MapOptions& options, MapBatch& batch,
                int threads) {
  constexpr long kFramesPerThread = 32;
  const long frames = batch.tips.count();
  threads = useful_threads(threads, frames, kFramesPerThread);
  long next = 0;
  run_workers(threads, [&](int) {
    for (;;) {
      const long frame = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
      if (frame >= frames) return;
      const MapGoal goal(batch.tips[frame], batch.size, settings);
      const Span<double> q = batch.q[frame];
      int& iterations = batch.iterations[frame * batch.step];
      unsigned char& ended = batch.converged[frame * batch.step];
      iterations = ended = 0;
      batch.mapped[frame * batch.step] = goal.known >= options.fewest;
      if (goal.known < options.fewest) {
        for (double& x : q) x = std::nan("");
        continue;
      }
      State state;
      std::copy(hand.middle.begin(), hand.middle.end(), state.q);
      bool converged = false;
      iterations = Frame(hand, goal, settings.prior).run(state, options, converged);
      ended = converged;
      std::copy(state.q, state.q + hand.active(), q.begin());
    }
  });
}

}  // namespace retarget
