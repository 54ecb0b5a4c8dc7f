// Levenberg-Marquardt, as many problems in lock step as a register has SIMD lanes.
//
// Read it as LM on one problem: every V is a number, every M a bool, and select(m, a, b) is m ? a : b.
// The three differences from a textbook loop: decisions are selects instead of ifs, because each lane
// decides for itself; a lane whose problem is finished takes the next one at once, so no lane waits for
// the slowest; and a fresh problem enters with cost infinity and gradient zero, so that its first step
// is zero and evaluates the start.
//
// The step is Levenberg's (1944): lambda is added to the diagonal as it is, as the unknowns are scaled
// already. What Gauss-Newton leaves out of the Hessian is learned (secant.hpp). Bounds are kept by an
// active set, as in Bertsekas (1982), "Projected Newton methods for optimization problems with simple
// constraints": unknowns that push against a bound stay out of the step, and what would pass one stops
// there.
#pragma once
#include "core/lm_options.hpp"
#include "simd/arena.hpp"
#include "simd/linalg.hpp"
#include "simd/secant.hpp"

namespace RETARGET_ISA {

/// Where a problem stands: unknowns x, and what evaluate() found there.
template <class V>
struct Point {
  Span<V> x;
  V cost;             // sum of rho(residual) + priors
  Span<V> gradient;   // half the cost's gradient, J^T W r and the priors'
  Square<V> hessian;  // Gauss-Newton's half Hessian, J^T W J and the priors'
  Span<V> residual;

  Point(Arena& arena, int stride, int residuals)
      : x(arena.take<V>(stride)),
        cost(typename V::Scalar(0)),
        gradient(arena.take<V>(stride)),
        hessian{arena.take<V>(stride * stride), stride},
        residual(arena.take<V>(residuals)) {}
};

/// All that a run remembers.
template <class V>
struct LmWorkspace {
  Point<V> at, trial;  // where the problems stand, and where their next steps lead
  Secant<V> secant;
  Square<V> A;   // the step's equations
  Span<V> step;  // and, first, their right side
  LmWorkspace(Arena& arena, int stride, int residuals)
      : at(arena, stride, residuals),
        trial(arena, stride, residuals),
        secant(arena, stride),
        A{arena.take<V>(stride * stride), stride},
        step(arena.take<V>(stride)) {}
};

/// The damping lambda, from one step to the next. A good step divides it by ten (Marquardt 1963), and it is
/// never above the cost: where that goes to zero convergence stays quadratic (Yamashita and Fukushima 2001,
/// "On the rate of convergence of the Levenberg-Marquardt method"). Bad steps in a row multiply it by 4,
/// 8, 16, ...: the doubling factor of Nielsen (1999), as in Madsen, Nielsen and Tingleff (2004), "Methods
/// for non-linear least squares problems", eq. 2.21.
template <class V>
struct Damping {
  using E = typename V::Scalar;
  using M = Mask<E>;
  static constexpr E kFirstGrowth = 4;
  static constexpr E kHopeless = 1e3;  // steps so short that, still bad, none will be good

  V lambda, growth = V(kFirstGrowth);

  /// After steps that led to this cost; fresh problems were only evaluated.
  void update(M fresh, M good, V cost) {
    const V relaxed = max(min(lambda * V(E(0.1)), cost), V(E(1e-12)));
    lambda = select(fresh, min(lambda, cost), select(good, relaxed, lambda * growth));
    growth = select(good, V(kFirstGrowth), growth * V(E(2)));
  }
  M hopeless() const { return lambda > V(kHopeless); }
};

/// Where an unknown pushes against a bound: it stays out of the step.
template <class V>
Mask<typename V::Scalar> pushes(V x, V gradient, V lower, V upper) {
  const V zero = V(typename V::Scalar(0));
  return ((x <= lower) & (gradient > zero)) | ((x >= upper) & (gradient < zero));
}

/// Solve every problem that `problem.next` hands out. A Problem has
///
///   unknowns, stride, residuals    sizes; rows of matrices are stride long, at least unknowns
///   bounded                        whether there are bounds, then:
///   kMax                           most unknowns,
///   lower, upper                   their bounds
///   next(lane, x)                  put a new problem and its start into the SIMD lane; false: none left
///   evaluate(x, point)             cost, gradient, hessian and residual of all SIMD lanes
///   arrive(point, finished)        what is to be done once for all SIMD lanes that are finished
///   finish(lane, point, n, ok)     take the lane's result, found in n steps, ok if it converged;
///                                  true: x was set to another start, go again
template <class V, class Problem>
void levenberg_marquardt(Problem& problem, const retarget::LmOptions& options, LmWorkspace<V>& work) {
  using E = typename V::Scalar;
  using M = Mask<E>;
  const int n = problem.unknowns;
  const V infinity = V(E(1) / E(0)), zero = V(E(0)), one = V(E(1));
  const V tolerance2 = V(E(options.tolerance * options.tolerance));
  const V enough = V(E(options.enough));
  const V rounding = V(E(1) + (sizeof(E) == 8 ? E(1e-14) : E(1e-6)));
  Point<V>&at = work.at, &trial = work.trial;
  const Square<V> A = work.A;
  const Span<V> step = work.step;
  for (int i = 0; i < n; ++i) at.hessian[i][i] = one;
  Damping<V> damping{V(E(options.damping))};
  V iterations = zero;
  M busy{}, fresh{};

  const auto begin = [&](int lane) {
    at.cost.set(lane, E(1) / E(0));
    for (int i = 0; i < n; ++i) at.gradient[i].set(lane, E(0));
    fresh.set(lane, true);
    work.secant.forget(lane);
    damping.lambda.set(lane, E(options.damping));
    damping.growth.set(lane, Damping<V>::kFirstGrowth);
    iterations.set(lane, E(0));
  };
  const auto take_next = [&](int lane) {
    busy.set(lane, problem.next(lane, at.x));
    begin(lane);  // also where none is left: an idle lane computes on, and nobody looks
  };
  for (int lane = 0; lane < V::lanes; ++lane) take_next(lane);

  while (busy.any()) {
    // (H + S + lambda I) step = gradient, without the unknowns that push against a bound. S may make the
    // matrix indefinite: the step is then refused if it is bad, and S forgotten
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < i; ++j) A[i][j] = at.hessian[i][j];
      A[i][i] = at.hessian[i][i] + damping.lambda;
      step[i] = at.gradient[i];
    }
    work.secant.add_to(A, n);
    if constexpr (Problem::bounded) {
      M pinned[Problem::kMax];
      for (int i = 0; i < n; ++i) {
        pinned[i] = pushes(at.x[i], at.gradient[i], problem.lower[i], problem.upper[i]);
        for (int j = 0; j < i; ++j) A[i][j] = select(pinned[i] | pinned[j], zero, A[i][j]);
        step[i] = select(pinned[i], zero, step[i]);
      }
    }
    factorize(A, n);
    substitute(A, step.data(), n);
    V length2 = zero;
    for (int i = 0; i < n; ++i) length2 += step[i] * step[i];
    const V longest = V(E(options.longest_step));
    const V shorten = longest / sqrt(max(length2, longest * longest));
    for (int i = 0; i < n; ++i) {
      trial.x[i] = select(fresh, at.x[i], at.x[i] - shorten * step[i]);
      if constexpr (Problem::bounded) trial.x[i] = clamp(trial.x[i], problem.lower[i], problem.upper[i]);
    }

    problem.evaluate(trial.x, trial);

    // a step that changes the cost by no more than rounding counts as good: near the optimum the
    // gradient still knows the way when the cost no longer does
    const M good = fresh | (trial.cost <= at.cost * rounding);
    const V reach = one + damping.lambda * V(E(1 / options.softest));  // a damped step hides a longer one
    const M settled = (length2 * reach * reach <= tolerance2) & ~fresh;
    // as near as rounding lets it come: where steps are this short to the last one, they are noise
    const M near = (length2 * reach * reach <= tolerance2 * V(E(1e6))) & ~fresh;
    const M arrived = good & (settled | (trial.cost <= enough));
    const M stuck = ~good & damping.hopeless();
    work.secant.learn(at, trial, good & ~fresh, n);
    at.cost = select(good, trial.cost, at.cost);
    for (int i = 0; i < n; ++i) {
      at.x[i] = select(good, trial.x[i], at.x[i]);
      at.gradient[i] = select(good, trial.gradient[i], at.gradient[i]);
      for (int j = 0; j <= i; ++j) at.hessian[i][j] = select(good, trial.hessian[i][j], at.hessian[i][j]);
    }
    for (int i = 0; i < problem.residuals; ++i)
      at.residual[i] = select(good, trial.residual[i], at.residual[i]);
    damping.update(fresh, good, trial.cost);
    iterations = select(fresh, iterations, iterations + one);
    const M hopeless = fresh & ~(trial.cost < infinity);  // not even a number to begin with
    fresh = M{};

    const M finished = busy & (arrived | stuck | hopeless | (iterations >= V(E(options.max_iterations))));
    if (!finished.any()) continue;
    problem.arrive(at, finished);
    for (int lane = 0; lane < V::lanes; ++lane) {
      if (!finished[lane]) continue;
      const bool converged = (arrived[lane] || stuck[lane] || near[lane]) && !hopeless[lane];
      if (problem.finish(lane, at, int(iterations[lane]), converged)) begin(lane);
      else take_next(lane);
    }
  }
}

}  // namespace RETARGET_ISA
