// The Python module retarget._native: checks shapes, releases the GIL, calls the solvers.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>

#include "dispatch.hpp"
#include "hand_solver.hpp"

namespace nb = nanobind;
using namespace retarget;

namespace {

using Doubles = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int64_t, nb::c_contig, nb::device::cpu>;

std::string text(const std::vector<long>& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + ")";
}

/// The array's numbers, once its shape is what it should be and all of them are finite.
template <class Array>
auto checked(const Array& array, const char* name, const std::vector<long>& shape, bool finite = true) {
  std::vector<long> actual;
  for (std::size_t i = 0; i < array.ndim(); ++i) actual.push_back(long(array.shape(i)));
  if (actual != shape)
    throw std::invalid_argument(std::string(name) + " must have shape " + text(shape) + ", got " + text(actual));
  const auto* data = array.data();
  for (std::size_t i = 0; finite && i < array.size(); ++i)
    if (!std::isfinite(double(data[i])))
      throw std::invalid_argument(std::string(name) + " must be finite, got " + std::to_string(double(data[i])) +
                                  " at flat index " + std::to_string(i));
  return data;
}

/// A new array, owned by Python.
template <class T> struct Output {
  std::unique_ptr<T[]> data;
  std::vector<std::size_t> shape;
  explicit Output(std::vector<std::size_t> s) : shape(std::move(s)) {
    std::size_t size = 1;
    for (std::size_t d : shape) size *= d;
    data.reset(new T[size]);
  }
  nb::object release() {
    T* raw = data.release();
    nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T>(raw, shape.size(), shape.data(), owner));
  }
};

void require(bool holds, const std::string& message) {
  if (!holds) throw std::invalid_argument(message);
}
void require_positive(double value, const char* name) {
  require(std::isfinite(value) && value > 0,
          std::string(name) + " must be positive and finite, got " + std::to_string(value));
}

}  // namespace

NB_MODULE(_native, m) {
  m.def("isas", [] {
    std::vector<std::string> names;
    for (const Kernels* kernels : available_kernels()) names.emplace_back(kernels->isa);
    return names;
  });
  m.def("cores", [] { return useful_threads(0, 1L << 40, 1); });
  m.def("compiler", [] { return std::string(__VERSION__); });

  nb::class_<HandSolver>(m, "HandSolver")
      .def(
          "__init__",
          [](HandSolver* self, Doubles rest, Integers parents, Doubles point, Doubles blend, Doubles weights,
             Doubles mean, Doubles basis, Doubles sigma, double wrist_rotation, double wrist_translation) {
            require(point.ndim() == 2 && point.shape(0) >= 1 && point.shape(0) <= 4096, "points: 1 to 4096 wanted");
            require(basis.ndim() == 2 && basis.shape(0) >= 1 && basis.shape(0) <= 45, "components: 1 to 45 wanted");
            HandArrays a;
            const long P = a.points = int(point.shape(0)), K = a.components = int(basis.shape(0));
            a.rest = checked(rest, "rest", {kJoints, 3});
            static_assert(sizeof(long long) == sizeof(std::int64_t));
            a.parents = reinterpret_cast<const long long*>(checked(parents, "parents", {kJoints}));
            for (int j = 1; j < kJoints; ++j)
              require(a.parents[j] >= 0 && a.parents[j] < j, "parents must come before their children");
            a.point = checked(point, "point", {P, 3});
            a.blend = checked(blend, "blend", {P, 3, 135});
            a.weights = checked(weights, "weights", {P, kJoints});
            a.mean = checked(mean, "mean", {45});
            a.basis = checked(basis, "basis", {K, 45});
            a.sigma = checked(sigma, "sigma", {K});
            for (int k = 0; k < K; ++k) require_positive(a.sigma[k], "sigma");
            require((wrist_rotation > 0) == (wrist_translation > 0), "give both wrist scales, or none");
            a.wrist_rotation = wrist_rotation;
            a.wrist_translation = wrist_translation;
            new (self) HandSolver(a);
          })
      .def("fit",
           [](const HandSolver& self, Doubles targets, std::optional<Doubles> weights, Doubles start,
              std::optional<Doubles> restarts, double retry_above, double beta, double prior,
              std::optional<Doubles> soft_lower, std::optional<Doubles> soft_upper, double soft_weight,
              double damping, double tolerance, int max_iterations, bool single, int threads,
              const std::string& isa) {
             const long P = self.points(), K = self.components(), n = self.unknowns();
             require(targets.ndim() == 3 && targets.shape(0) > 0, "targets must have shape (frames, points, 3)");
             const long frames = long(targets.shape(0));
             HandBatch b{};
             b.frames = frames;
             b.targets = checked(targets, "targets", {frames, P, 3}, !weights);
             if (weights) {
               b.weights = checked(*weights, "weights", {frames, P});
               for (long i = 0; i < frames * P; ++i) {
                 require(b.weights[i] >= 0, "weights must not be negative");
                 for (int d = 0; d < 3; ++d)
                   require(b.weights[i] == 0 || std::isfinite(b.targets[3 * i + d]),
                           "targets of points with weight must be finite");
               }
             }
             b.start = checked(start, "start", {frames, n});
             if (restarts) {
               require(restarts->ndim() == 2, "restarts must have shape (count, components)");
               b.restart_count = int(restarts->shape(0));
               b.restarts = checked(*restarts, "restarts", {b.restart_count, K});
             }
             require(soft_lower.has_value() == soft_upper.has_value(), "give both soft limits, or none");
             if (soft_lower) {
               b.soft_lower = checked(*soft_lower, "soft_lower", {K});
               b.soft_upper = checked(*soft_upper, "soft_upper", {K});
               for (int k = 0; k < K; ++k)
                 require(b.soft_lower[k] <= b.soft_upper[k], "soft_lower must not exceed soft_upper");
             }
             require_positive(beta, "beta");
             require_positive(damping, "damping");
             require_positive(tolerance, "tolerance");
             require(std::isfinite(prior) && prior >= 0, "prior must be finite and not negative");
             require(std::isfinite(soft_weight) && soft_weight >= 0, "soft_weight must be finite and not negative");
             require(max_iterations >= 1, "max_iterations must be at least 1");
             require(threads >= 0, "threads must not be negative");
             b.retry_above = retry_above;
             b.beta = beta;
             b.prior = prior;
             b.soft_weight = soft_weight;
             LmOptions options;
             options.damping = damping;
             options.tolerance = tolerance;
             options.max_iterations = max_iterations;
             const Kernels& kernels = find_kernels(isa);
             const std::size_t f = std::size_t(frames);
             Output<double> solution({f, std::size_t(n)}), residual({f, std::size_t(P)}), cost({f});
             Output<int> iterations({f});
             Output<bool> converged({f});
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
           }, nb::arg("targets"), nb::arg("weights").none(), nb::arg("start"), nb::arg("restarts").none(), nb::arg("retry_above"), nb::arg("beta"), nb::arg("prior"), nb::arg("soft_lower").none(), nb::arg("soft_upper").none(), nb::arg("soft_weight"), nb::arg("damping"), nb::arg("tolerance"), nb::arg("max_iterations"), nb::arg("single"), nb::arg("threads"), nb::arg("isa"));
}
