// The Python class HandSolver, and points of posed hands.
#include "core/dispatch.hpp"
#include "hand/solver.hpp"
#include "python/arrays.hpp"

namespace retarget {
namespace {

using Object = nb::handle;

void make(HandSolver* self, Object rest_, Object parents_, Object template_, Object posedirs_,
          Object weights_, Object mean_, Object components_, Object sigma_, double wrist_rotation,
          double wrist_translation, Object start_points, Object start_center, Object start_spread,
          Object start_weights) {
  const Doubles rest(rest_, "rest"), point(template_, "template"), blend(posedirs_, "posedirs"),
      weights(weights_, "weights"), mean(mean_, "mean"), basis(components_, "components"),
      sigma(sigma_, "sigma");
  const Lent<const std::int64_t> parents(parents_, "parents");
  const long P = point.rows(2), K = basis.rows(2);
  require(P <= 4096, "at most 4096 points can be fitted");
  require(K <= kMaxComponents, "at most 45 components can be fitted");
  HandArrays a;
  a.points = int(P);
  a.components = int(K);
  a.rest = rest.checked_rows({kJoints, 3});
  a.parents = parents.checked({kJoints});
  for (int j = 1; j < kJoints; ++j)
    require(a.parents[j] >= 0 && a.parents[j] < j, "parents must come before their children");
  a.point = point.checked_rows({P, 3});
  a.blend = blend.checked({P, 3, 135});
  a.weights = weights.checked_rows({P, kJoints});
  a.mean = mean.checked({45});
  a.basis = basis.checked_rows({K, 45});
  a.sigma = sigma.checked({K});
  for (int k = 0; k < K; ++k) require_positive(a.sigma[k], "sigma");
  require_not_negative(wrist_rotation, "wrist_rotation");
  require_not_negative(wrist_translation, "wrist_translation");
  require((wrist_rotation > 0) == (wrist_translation > 0), "give both wrist scales, or none");
  a.wrist_rotation = wrist_rotation;
  a.wrist_translation = wrist_translation;
  if (start_weights.is_none()) {
    new (self) HandSolver(a);
    return;
  }
  const Lent<const std::int64_t> points(start_points, "start.points");
  const Doubles center(start_center, "start.center"), spread(start_spread, "start.spread"),
      regression(start_weights, "start.weights");
  const long x = 3 * points.rows(1);
  require(x <= kMaxStart, "a start is regressed on at most 21 points");
  a.start.points = points.values();
  for (std::int64_t point : a.start.points) require(point >= 0 && point < P, "start.points: no such point");
  a.start.center = center.checked({x});
  a.start.spread = spread.checked({x});
  for (double scale : a.start.spread) require_positive(scale, "start.spread");
  a.start.weights = regression.checked_rows({1 + x + x * (x + 1) / 2, K});
  new (self) HandSolver(a);
}

/// What a fit and an evaluation have in common; a point without weight may have any target.
class Cost {
 public:
  Cost(const HandSolver& solver, Object targets_, Object weights_, double beta, double prior,
       Object soft_lower, Object soft_upper, double soft_weight)
      : targets(targets_, "targets"),
        weights(lent_if_any<const double>(weights_, "weights")),
        lower(lent_if_any<const double>(soft_lower, "soft_lower")),
        upper(lent_if_any<const double>(soft_upper, "soft_upper")) {
    const long P = solver.points(), K = solver.components();
    batch.frames = targets.rows(3);
    batch.in.targets = targets.checked_rows({batch.frames, P, 3}, !weights);
    if (weights) batch.in.weights = weights->checked_rows({batch.frames, P});
    for (long i = 0; weights && i < batch.frames * P; ++i) {
      const double weight = weights->values()[i];
      require(weight >= 0, "weights must not be negative");
      for (int d = 0; d < 3; ++d)
        require(weight == 0 || std::isfinite(targets.values()[3 * i + d]),
                "targets of points with weight must be finite");
    }
    require_positive(beta, "beta");
    require_not_negative(prior, "prior");
    require_not_negative(soft_weight, "soft_weight");
    require(lower.has_value() == upper.has_value(), "give both soft limits, or none");
    HandObjective& objective = batch.objective;
    objective.beta = beta;
    objective.prior = prior;
    objective.soft_weight = soft_weight;
    if (!lower) return;
    objective.soft_lower = lower->checked({K});
    objective.soft_upper = upper->checked({K});
    for (long k = 0; k < K; ++k)
      require(objective.soft_lower[k] <= objective.soft_upper[k], "soft_lower must not exceed soft_upper");
  }
  HandBatch batch{};

 private:
  const Doubles targets;
  const std::optional<Doubles> weights, lower, upper;
};

/// How a fit ends.
LmOptions lm_options(double damping, double tolerance, int max_iterations) {
  require_positive(damping, "damping");
  require_positive(tolerance, "tolerance");
  require(max_iterations >= 1 && max_iterations <= 1000000, "max_iterations must be 1 to 1,000,000");
  LmOptions options;
  options.damping = damping;
  options.tolerance = tolerance;
  options.max_iterations = max_iterations;
  return options;
}

/// Arrays that a fit's results go to.
class Results {
 public:
  Results(Object solution_, Object residual_, Object cost_, Object iterations_, Object converged_)
      : solution(solution_, "solution"),
        residual(residual_, "residual"),
        cost(cost_, "cost"),
        iterations(iterations_, "iterations"),
        converged(converged_, "converged") {}
  HandBatch::Output rows(long frames, long unknowns, long points) const {
    return {solution.checked_rows({frames, unknowns}, false), residual.checked_rows({frames, points}, false),
            cost.checked({frames}, false), iterations.checked({frames}, false),
            bytes(converged.checked({frames}, false))};
  }

 private:
  const Lent<double> solution, residual, cost;
  const Lent<int> iterations;
  const Lent<bool> converged;
};

void fit(const HandSolver& self, Object targets, Object weights, Object start_, Object restarts_,
         double retry_above, double beta, double prior, Object soft_lower, Object soft_upper,
         double soft_weight, double damping, double tolerance, int max_iterations, bool single, int threads,
         const std::string& isa, Object solution_, Object residual_, Object cost_, Object iterations_,
         Object converged_) {
  Cost cost_terms(self, targets, weights, beta, prior, soft_lower, soft_upper, soft_weight);
  HandBatch& b = cost_terms.batch;
  const long frames = b.frames, n = self.unknowns(), P = self.points();
  const auto start = lent_if_any<const double>(start_, "start");
  const auto restarts = lent_if_any<const double>(restarts_, "restarts");
  if (start) b.in.start = start->checked_rows({frames, n});
  if (restarts) b.restarts.from = restarts->checked_rows({restarts->rows(2), self.components()});
  require(!std::isnan(retry_above), "retry_above must not be NaN");
  b.restarts.above = retry_above;
  const LmOptions options = lm_options(damping, tolerance, max_iterations);
  require(threads >= 0, "threads must not be negative");
  const Kernels& kernels = find_kernels(isa);
  const Results results(solution_, residual_, cost_, iterations_, converged_);
  b.out = results.rows(frames, n, P);
  const nb::gil_scoped_release release;
  self.fit(b, options, single, threads, kernels);
}

/// Fits of hands that lie anywhere; of a point that is not finite the residual is NaN.
void fit_placed(const HandSolver& self, Object points_, Object weights_, Object mirrored_, Object reference_,
                Object palm_, long fewest, double beta, double prior, double damping, double tolerance, int max_iterations,
                int threads, const std::string& isa, Object solution_, Object root_, Object residual_,
                Object cost_, Object iterations_, Object fitted_, Object converged_) {
  const long n = self.unknowns(), P = self.points();
  require(n > self.components(), "a hand that lies anywhere needs a free wrist");
  const Doubles points(points_, "points"), reference(reference_, "reference");
  const auto weights = lent_if_any<const double>(weights_, "weights");
  const Lent<const std::int64_t> palm(palm_, "palm");
  const long frames = points.rows(3);
  PlacedFrames placed;
  placed.points = points.checked_rows({frames, P, 3}, false);
  if (weights) placed.weights = weights->checked_rows({frames, P});
  const auto mirrored = lent_if_any<const bool>(mirrored_, "mirrored");
  if (mirrored) placed.mirrored = bytes(mirrored->checked({frames}, false));
  for (long i = 0; weights && i < frames * P; ++i)
    require(weights->values()[i] >= 0, "weights must not be negative");
  HandPlacement placement{reference.checked_rows({P, 3}), palm.values()};
  for (std::int64_t point : placement.palm) require(point >= 0 && point < P, "palm: no such point");
  require_positive(beta, "beta");
  require_not_negative(prior, "prior");
  const LmOptions options = lm_options(damping, tolerance, max_iterations);
  require(threads >= 0, "threads must not be negative");
  const Results results(solution_, residual_, cost_, iterations_, converged_);
  const Lent<double> root(root_, "root");
  const Lent<bool> fitted(fitted_, "fitted");
  placed.fewest = fewest;
  placed.root = root.checked_rows({frames, 4, 4}, false);
  placed.fitted = bytes(fitted.checked({frames}, false));
  HandBatch b{};
  b.frames = frames;
  b.objective.beta = beta;
  b.objective.prior = prior;
  b.restarts.above = INFINITY;
  b.out = results.rows(frames, n, P);
  const Kernels& kernels = find_kernels(isa);
  const nb::gil_scoped_release release;
  self.fit_placed(placed, placement, b, options, threads, kernels);
}

void evaluate(const HandSolver& self, Object unknowns_, Object targets, Object weights, double beta,
              double prior, Object soft_lower, Object soft_upper, double soft_weight, const std::string& isa,
              Object points_, Object cost_, Object gradient_, Object hessian_) {
  Cost cost_terms(self, targets, weights, beta, prior, soft_lower, soft_upper, soft_weight);
  HandBatch& b = cost_terms.batch;
  const long frames = b.frames, n = self.unknowns(), P = self.points();
  const Doubles unknowns(unknowns_, "unknowns");
  b.in.start = unknowns.checked_rows({frames, n});
  const Lent<double> points(points_, "points"), cost(cost_, "cost"), gradient(gradient_, "gradient"),
      hessian(hessian_, "hessian");
  const HandEvaluation out{points.checked_rows({frames, P, 3}, false), cost.checked({frames}, false),
                           gradient.checked_rows({frames, n}, false),
                           hessian.checked_rows({frames, n, n}, false)};
  self.evaluate(b, out, find_kernels(isa));
}

/// Points of several hands: coefficients (frames, hands, components), points (frames, hands, points, 3).
void points(const std::vector<const HandSolver*>& hands, Object coefficients_, int threads,
            const std::string& isa, Object points_) {
  const Kernels& kernels = find_kernels(isa);
  const Doubles coefficients(coefficients_, "coefficients");
  const Lent<double> out(points_, "points");
  require(!hands.empty(), "there must be at least one hand");
  const long K = hands[0]->unknowns(), P = hands[0]->points(), H = long(hands.size());
  for (const HandSolver* hand : hands)
    require(hand && hand->components() == K && hand->unknowns() == K && hand->points() == P,
            "hands must have the same points and components, and fixed wrists");
  const long frames = coefficients.rows(3);
  const Grid<const double> c{coefficients.checked({frames, H, K}, false), H, K};
  const Grid<double> x{out.checked({frames, H, P, 3}, false), H, 3 * P};
  require(threads >= 0, "threads must not be negative");
  const nb::gil_scoped_release release;
  place_points(hands, c, x, threads, kernels);
}

}  // namespace

void bind_hand(nb::module_& m) {
  using namespace nb::literals;
  nb::class_<HandSolver>(m, "HandSolver")
      .def("__init__", make, "rest"_a, "parents"_a, "template"_a, "posedirs"_a, "weights"_a, "mean"_a,
           "components"_a, "sigma"_a, "wrist_rotation"_a, "wrist_translation"_a, "start_points"_a.none(),
           "start_center"_a.none(), "start_spread"_a.none(), "start_weights"_a.none())
      .def("fit_placed", fit_placed, "points"_a, "weights"_a.none(), "mirrored"_a.none(), "reference"_a, "palm"_a, "fewest"_a,
           "beta"_a, "prior"_a, "damping"_a, "tolerance"_a, "max_iterations"_a, "threads"_a, "isa"_a,
           "solution"_a, "root"_a, "residual"_a, "cost"_a, "iterations"_a, "fitted"_a,
           "converged"_a)
      .def("fit", fit, "targets"_a, "weights"_a.none(), "start"_a.none(), "restarts"_a.none(),
           "retry_above"_a, "beta"_a, "prior"_a, "soft_lower"_a.none(), "soft_upper"_a.none(),
           "soft_weight"_a, "damping"_a, "tolerance"_a, "max_iterations"_a, "single"_a, "threads"_a, "isa"_a,
           "solution"_a, "residual"_a, "cost"_a, "iterations"_a, "converged"_a)
      .def("evaluate", evaluate, "unknowns"_a, "targets"_a, "weights"_a.none(), "beta"_a, "prior"_a,
           "soft_lower"_a.none(), "soft_upper"_a.none(), "soft_weight"_a, "isa"_a, "points"_a, "cost"_a,
           "gradient"_a, "hessian"_a);
  m.def("hand_points", points);
}

}  // namespace retarget
