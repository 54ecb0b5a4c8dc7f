// The Python class HandSolver.
#include "bindings.hpp"
#include "dispatch.hpp"
#include "hand_solver.hpp"

namespace retarget {
namespace {

void make(HandSolver* self, Doubles rest, Integers parents, Doubles point, Doubles blend, Doubles weights,
          Doubles mean, Doubles basis, Doubles sigma, double wrist_rotation, double wrist_translation,
          std::optional<Doubles> start_center, std::optional<Doubles> start_spread,
          std::optional<Doubles> start_weights) {
  const long P = rows(point, "template", 2), K = rows(basis, "components", 2);
  require(P <= 4096, "at most 4096 points can be fitted");
  require(K <= kMaxComponents, "at most 45 components can be fitted");
  HandArrays a;
  a.points = int(P);
  a.components = int(K);
  a.rest = checked(rest, "rest", {kJoints, 3});
  static_assert(sizeof(long long) == sizeof(std::int64_t));
  a.parents = reinterpret_cast<const long long*>(checked(parents, "parents", {kJoints}));
  for (int j = 1; j < kJoints; ++j)
    require(a.parents[j] >= 0 && a.parents[j] < j, "parents must come before their children");
  a.point = checked(point, "template", {P, 3});
  a.blend = checked(blend, "posedirs", {P, 3, 135});
  a.weights = checked(weights, "weights", {P, kJoints});
  a.mean = checked(mean, "mean", {45});
  a.basis = checked(basis, "components", {K, 45});
  a.sigma = checked(sigma, "sigma", {K});
  for (int k = 0; k < K; ++k) require_positive(a.sigma[k], "sigma");
  require_not_negative(wrist_rotation, "wrist_rotation");
  require_not_negative(wrist_translation, "wrist_translation");
  require((wrist_rotation > 0) == (wrist_translation > 0), "give both wrist scales, or none");
  a.wrist_rotation = wrist_rotation;
  a.wrist_translation = wrist_translation;
  require(start_center.has_value() == start_weights.has_value() &&
              start_spread.has_value() == start_weights.has_value(),
          "give the whole start, or none of it");
  if (start_weights) {
    const long x = 3 * P;
    require(x <= kMaxStart, "a start is regressed on at most 21 points");
    a.start_center = checked(*start_center, "start_center", {x});
    a.start_spread = checked(*start_spread, "start_spread", {x});
    for (long i = 0; i < x; ++i) require_positive(a.start_spread[i], "start_spread");
    a.start_weights = checked(*start_weights, "start_weights", {1 + x + x * (x + 1) / 2, K});
  }
  new (self) HandSolver(a);
}

/// Targets and weights of a batch; a point without weight may have any target.
void take_targets(HandBatch& b, const HandSolver& solver, const Doubles& targets,
                  const std::optional<Doubles>& weights) {
  const long P = solver.points();
  b.frames = rows(targets, "targets", 3);
  b.targets = checked(targets, "targets", {b.frames, P, 3}, !weights);
  if (!weights) return;
  b.weights = checked(*weights, "weights", {b.frames, P});
  for (long i = 0; i < b.frames * P; ++i) {
    require(b.weights[i] >= 0, "weights must not be negative");
    for (int d = 0; d < 3; ++d)
      require(b.weights[i] == 0 || std::isfinite(b.targets[3 * i + d]),
              "targets of points with weight must be finite");
  }
}

void take_cost(HandBatch& b, const HandSolver& solver, double beta, double prior,
               const std::optional<Doubles>& soft_lower, const std::optional<Doubles>& soft_upper,
               double soft_weight) {
  const long K = solver.components();
  require_positive(beta, "beta");
  require_not_negative(prior, "prior");
  require_not_negative(soft_weight, "soft_weight");
  require(soft_lower.has_value() == soft_upper.has_value(), "give both soft limits, or none");
  b.beta = beta;
  b.prior = prior;
  b.soft_weight = soft_weight;
  if (!soft_lower) return;
  b.soft_lower = checked(*soft_lower, "soft_lower", {K});
  b.soft_upper = checked(*soft_upper, "soft_upper", {K});
  for (long k = 0; k < K; ++k)
    require(b.soft_lower[k] <= b.soft_upper[k], "soft_lower must not exceed soft_upper");
}

nb::tuple fit(const HandSolver& self, Doubles targets, std::optional<Doubles> weights,
              std::optional<Doubles> start, std::optional<Doubles> restarts, double retry_above, double beta,
              double prior, std::optional<Doubles> soft_lower, std::optional<Doubles> soft_upper,
              double soft_weight, double damping, double tolerance, int max_iterations, bool single,
              int threads, const std::string& isa) {
  HandBatch b{};
  take_targets(b, self, targets, weights);
  take_cost(b, self, beta, prior, soft_lower, soft_upper, soft_weight);
  const std::size_t frames = std::size_t(b.frames), n = std::size_t(self.unknowns()),
                    P = std::size_t(self.points());
  if (start) b.start = checked(*start, "start", {b.frames, long(n)});
  if (restarts) {
    b.restart_count = int(rows(*restarts, "restarts", 2));
    b.restarts = checked(*restarts, "restarts", {b.restart_count, self.components()});
  }
  require(!std::isnan(retry_above), "retry_above must not be NaN");
  require_positive(damping, "damping");
  require_positive(tolerance, "tolerance");
  require(max_iterations >= 1 && max_iterations <= 1000000, "max_iterations must be 1 to 1,000,000");
  require(threads >= 0, "threads must not be negative");
  b.retry_above = retry_above;
  LmOptions options;
  options.damping = damping;
  options.tolerance = tolerance;
  options.max_iterations = max_iterations;
  const Kernels& kernels = find_kernels(isa);
  Output<double> solution({frames, n}), residual({frames, P}), cost({frames});
  Output<int> iterations({frames});
  Output<bool> converged({frames});
  b.solution = solution.data.get();
  b.residual = residual.data.get();
  b.cost = cost.data.get();
  b.iterations = iterations.data.get();
  b.converged = reinterpret_cast<unsigned char*>(converged.data.get());
  {
    nb::gil_scoped_release release;
    self.fit(b, options, single, threads, kernels);
  }
  return nb::make_tuple(solution.release(), residual.release(), cost.release(), iterations.release(),
                        converged.release());
}

nb::tuple evaluate(const HandSolver& self, Doubles unknowns, Doubles targets, std::optional<Doubles> weights,
                   double beta, double prior, std::optional<Doubles> soft_lower,
                   std::optional<Doubles> soft_upper, double soft_weight, const std::string& isa) {
  HandBatch b{};
  take_targets(b, self, targets, weights);
  take_cost(b, self, beta, prior, soft_lower, soft_upper, soft_weight);
  const std::size_t frames = std::size_t(b.frames), n = std::size_t(self.unknowns()),
                    P = std::size_t(self.points());
  b.start = checked(unknowns, "unknowns", {b.frames, long(n)});
  Output<double> points({frames, P, 3}), cost({frames}), gradient({frames, n}), hessian({frames, n, n});
  self.evaluate(b, {points.data.get(), cost.data.get(), gradient.data.get(), hessian.data.get()},
                find_kernels(isa));
  return nb::make_tuple(points.release(), cost.release(), gradient.release(), hessian.release());
}

}  // namespace

void bind_hand(nb::module_& m) {
  nb::class_<HandSolver>(m, "HandSolver")
      .def("__init__", make, nb::arg("rest"), nb::arg("parents"), nb::arg("point"), nb::arg("blend"),
           nb::arg("weights"), nb::arg("mean"), nb::arg("basis"), nb::arg("sigma"), nb::arg("wrist_rotation"),
           nb::arg("wrist_translation"), nb::arg("start_center").none(), nb::arg("start_spread").none(),
           nb::arg("start_weights").none())
      .def_prop_ro("points", &HandSolver::points)
      .def_prop_ro("components", &HandSolver::components)
      .def_prop_ro("unknowns", &HandSolver::unknowns)
      .def("fit", fit, nb::arg("targets"), nb::arg("weights").none(), nb::arg("start").none(),
           nb::arg("restarts").none(), nb::arg("retry_above"), nb::arg("beta"), nb::arg("prior"),
           nb::arg("soft_lower").none(), nb::arg("soft_upper").none(), nb::arg("soft_weight"),
           nb::arg("damping"), nb::arg("tolerance"), nb::arg("max_iterations"), nb::arg("single"),
           nb::arg("threads"), nb::arg("isa"))
      .def("evaluate", evaluate, nb::arg("unknowns"), nb::arg("targets"), nb::arg("weights").none(),
           nb::arg("beta"), nb::arg("prior"), nb::arg("soft_lower").none(), nb::arg("soft_upper").none(),
           nb::arg("soft_weight"), nb::arg("isa"));
}

}  // namespace retarget
