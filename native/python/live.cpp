// The Python class LiveHandsSolver: keypoints of both hands to joints in one call.
#include <algorithm>
#include <cmath>

#include "core/dispatch.hpp"
#include "live/live_hands.hpp"
#include "python/arrays.hpp"

namespace retarget {
namespace {

using Object = nb::handle;

/// Owns copies of what it is told, and keeps the solvers that it uses alive.
struct LiveHandsSolver {
  std::vector<double> reference, weights;
  std::vector<std::int64_t> palm, tips;
  std::vector<nb::object> kept;
  std::vector<LiveHand> hands;
  LiveOptions options;
  const Kernels* kernels;
};

/// fits, maps: the solvers of left and right; reference (2, P, 3); mirrored, sizes (2); axes (2, 3, 3); weights (P);
/// palm, tips: points; the numbers are those of HandSolver.fit_placed and map_hands.
void make(LiveHandsSolver* self, nb::list fits, nb::list maps, Object reference_, Object mirrored_, Object axes_,
          Object sizes_, Object weights_, Object palm_, Object tips_, long fewest, double beta, double prior,
          double damping, double tolerance, int max_iterations, int fewest_fingers, double map_tolerance,
          int map_iterations, const std::string& isa) {
  require(fits.size() == 2 && maps.size() == 2, "there must be two hands");
  const Doubles reference(reference_, "reference"), axes(axes_, "axes"), sizes(sizes_, "sizes"),
      weights(weights_, "weights");
  const Lent<const bool> mirrored(mirrored_, "mirrored");
  const Lent<const std::int64_t> palm(palm_, "palm"), tips(tips_, "tips");
  const HandSolver* first = nb::cast<const HandSolver*>(fits[0]);
  const long P = first->points(), K = first->components();
  require(first->unknowns() > K, "a hand that lies anywhere needs a free wrist");
  const auto copied = [](auto values) {
    return std::vector<std::remove_const_t<std::remove_reference_t<decltype(values[0])>>>(values.begin(), values.end());
  };
  require_positive(beta, "beta");
  require_not_negative(prior, "prior");
  require_positive(damping, "damping");
  require_positive(tolerance, "tolerance");
  require_positive(map_tolerance, "map_tolerance");
  require(max_iterations >= 1 && map_iterations >= 1, "there must be an iteration");
  new (self) LiveHandsSolver{};
  self->reference = copied(reference.checked({2, P, 3}));
  self->weights = copied(weights.checked({P}));
  self->palm = copied(palm.values());
  self->tips = copied(tips.checked({kFingers}));
  for (double weight : self->weights) require_not_negative(weight, "weights");
  for (const auto* points : {&self->palm, &self->tips})
    for (std::int64_t point : *points) require(point >= 0 && point < P, "palm, tips: no such point");
  const Span<const double> turn = axes.checked({2, 3, 3}), size = sizes.checked({2});
  const Span<const bool> other = mirrored.checked({2});
  for (long h = 0; h < 2; ++h) {
    LiveHand hand{};
    hand.fit = nb::cast<const HandSolver*>(fits[std::size_t(h)]);
    hand.map = nb::cast<const HandMapSolver*>(maps[std::size_t(h)]);
    require(hand.fit->points() == P && hand.fit->components() == K && hand.fit->unknowns() == first->unknowns(),
            "hands must have the same points and components");
    require(hand.map->hand.active() == nb::cast<const HandMapSolver*>(maps[0])->hand.active(),
            "hands must have the same number of driven joints");
    hand.placement.reference = Rows<const double>(Span<const double>(self->reference).part(3 * P * h, 3 * P), 3);
    hand.placement.palm = self->palm;
    hand.mirrored = other[h];
    require_positive(size[h], "size");
    hand.size = size[h];
    std::copy_n(turn.begin() + 9 * h, 9, hand.axes);
    self->hands.push_back(hand);
    self->kept.push_back(nb::borrow(fits[std::size_t(h)]));
    self->kept.push_back(nb::borrow(maps[std::size_t(h)]));
  }
  self->options.weights = self->weights;
  self->options.tips = self->tips;
  self->options.objective.beta = beta;
  self->options.objective.prior = prior;
  self->options.fit.damping = damping;
  self->options.fit.tolerance = tolerance;
  self->options.fit.max_iterations = max_iterations;
  self->options.map = {fewest_fingers, map_tolerance, map_iterations};
  self->options.fewest = fewest;
  self->kernels = &find_kernels(isa);
}

/// How a hand ended: 0 left out, 1 not converged, 2 fitted and mapped.
int ended(bool fitted, bool fit_converged, bool mapped, bool map_converged) {
  return !fitted || !mapped ? 0 : fit_converged && map_converged ? 2 : 1;
}

/// points (2, P, 3); pca (2, K), root (2, 4, 4), tips (2, 5, 3) and q (2, M) are written. How the hands ended.
nb::tuple step(const LiveHandsSolver& self, Object points_, Object unknowns_, Object root_, Object residual_,
               Object tips_, Object q_) {
  const HandSolver& fit = *self.hands[0].fit;
  const long P = fit.points(), M = self.hands[0].map->hand.active();
  const Doubles points(points_, "points");
  const Lent<double> unknowns(unknowns_, "unknowns"), root(root_, "root"), residual(residual_, "residual"),
      tips(tips_, "tips"), q(q_, "q");
  unsigned char fitted[2] = {}, fit_converged[2] = {}, mapped[2] = {}, map_converged[2] = {};
  LiveFrame frame{points.checked_rows({2, P, 3}, false),
                  root.checked_rows({2, 4, 4}, false),
                  unknowns.checked_rows({2, fit.unknowns()}, false),
                  residual.checked_rows({2, P}, false),
                  tips.checked_rows({2, kFingers, 3}, false),
                  q.checked_rows({2, M}, false),
                  fitted,
                  fit_converged,
                  mapped,
                  map_converged};
  {
    const nb::gil_scoped_release release;
    live_step(self.hands, self.options, frame, *self.kernels);
  }
  return nb::make_tuple(ended(fitted[0], fit_converged[0], mapped[0], map_converged[0]),
                        ended(fitted[1], fit_converged[1], mapped[1], map_converged[1]));
}

}  // namespace

void bind_live(nb::module_& m) {
  nb::class_<LiveHandsSolver>(m, "LiveHandsSolver").def("__init__", make).def("step", step);
}

}  // namespace retarget
