// Levenberg-Marquardt, `lanes` problems in lock step.
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
#include "arena.hpp"
#include "batch.hpp"
#include "linalg.hpp"
#include "secant.hpp"

namespace RETARGET_ISA {

/// Where a problem stands: unknowns x, and what evaluate() found there.
template <class V>
struct Point {
  V* x;
  V cost;       // sum of rho(residual) + priors
  V* gradient;  // half the cost's gradient, J^T W r and the priors'
  V* hessian;   // Gauss-Newton's half Hessian, J^T W J and the priors': lower triangle, (n, stride)
  V* residual;

  Point(Arena& arena, int stride, int residuals)
      : x(arena.take<V>(stride)),
        cost(typename V::Scalar(0)),
        gradient(arena.take<V>(stride)),
        hessian(arena.take<V>(stride * stride)),
        residual(arena.take<V>(residuals)) {}
};

/// All that a run remembers.
template <class V>
struct LmWorkspace {
  Point<V> at, trial;  // where the problems stand, and where their next steps lead
  Secant<V> secant;
  V *A, *step;  // the step's equations and, first, their right side
  LmWorkspace(Arena& arena, int stride, int residuals)
      : at(arena, stride, residuals),
        trial(arena, stride, residuals),
        secant(arena, stride),
        A(arena.take<V>(stride * stride)),
        step(arena.take<V>(stride)) {}
};

/// The damping lambda, from one step to the next. A good step divides it by ten (Marquardt 1963), and it is
/// never above the cost: where that goes to zero convergence stays quadratic (Yamashita and Fukushima 2001,
/// "On the rate of convergence of the Levenberg-Marquardt method"). Bad steps in a row multiply it by 4,
/// 8, 16, ...: the doubling factor of Nielsen (1999), as in Madsen, Nielsen and Tingleff (2004), "Methods
/// for non-linear least squares problems", eq. 2.21.
template <class E>
struct Damping {
  static constexpr E kFirstGrowth = 4;
  static constexpr E kHopeless = 1e3;  // steps so short that, still bad, none will be good

  /// After a good step that led to this cost.
  static Pack<E> relaxed(Pack<E> lambda, Pack<E> cost) {
    return max(min(lambda * Pack<E>(E(0.1)), cost), Pack<E>(E(1e-12)));
  }
};

/// Solve every problem that `problem.next` hands out. A Problem has
///
///   unknowns, stride, residuals    sizes; rows of matrices are stride long, at least unknowns
///   bounded                        whether there are bounds, then:
///   lower, upper                   bounds of the unknowns
///   next(lane, x)                  put a new problem and its start into the lane; false: none left
///   evaluate(x, point)             cost, gradient, hessian and residual of all lanes
///   arrive(point, finished)        what is to be done once for all lanes that are finished
///   finish(lane, point, n, ok)     take the lane's result, found in n steps, ok if it converged;
///                                  true: x was set to another start, go again
template <class V, class Problem>
void levenberg_marquardt(Problem& problem, const retarget::LmOptions& options, LmWorkspace<V>& work) {
  using E = typename V::Scalar;
  using M = Mask<E>;
  const int n = problem.unknowns, stride = problem.stride;
  const V infinity = V(E(1) / E(0)), zero = V(E(0)), one = V(E(1));
  const V tolerance2 = V(E(options.tolerance * options.tolerance));
  const V enough = V(E(options.enough));
  const V rounding = V(E(1) + (sizeof(E) == 8 ? E(1e-14) : E(1e-6)));
  Point<V>&at = work.at, &trial = work.trial;
  V *A = work.A, *step = work.step;
  for (int i = 0; i < n; ++i) at.hessian[i * stride + i] = one;
  V lambda = V(E(options.damping)), growth = V(Damping<E>::kFirstGrowth), iterations = zero;
  M busy{}, fresh{}, pinned[Problem::bounded ? retarget::kMaxChain : 1];

  const auto begin = [&](int lane) {
    at.cost.set(lane, E(1) / E(0));
    for (int i = 0; i < n; ++i) at.gradient[i].set(lane, E(0));
    fresh.set(lane, true);
    work.secant.forget(lane);
    lambda.set(lane, E(options.damping));
    growth.set(lane, Damping<E>::kFirstGrowth);
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
      for (int j = 0; j < i; ++j) A[i * stride + j] = at.hessian[i * stride + j];
      A[i * stride + i] = at.hessian[i * stride + i] + lambda;
      step[i] = at.gradient[i];
    }
    work.secant.add_to(A, n);
    if constexpr (Problem::bounded) {
      for (int i = 0; i < n; ++i) {
        pinned[i] = ((at.x[i] <= problem.lower[i]) & (at.gradient[i] > zero)) |
                    ((at.x[i] >= problem.upper[i]) & (at.gradient[i] < zero));
        for (int j = 0; j < i; ++j)
          A[i * stride + j] = select(pinned[i] | pinned[j], zero, A[i * stride + j]);
        step[i] = select(pinned[i], zero, step[i]);
      }
    }
    factorize(A, stride, n);
    substitute(A, stride, step, n);
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
    const V reach = one + lambda * V(E(1 / options.softest));  // a damped step hides a longer one
    const M settled = (length2 * reach * reach <= tolerance2) & ~fresh;
    const M arrived = good & (settled | (trial.cost <= enough));
    const M stuck = ~good & (lambda > V(Damping<E>::kHopeless));
    work.secant.learn(at, trial, good & ~fresh, n);
    at.cost = select(good, trial.cost, at.cost);
    for (int i = 0; i < n; ++i) {
      at.x[i] = select(good, trial.x[i], at.x[i]);
      at.gradient[i] = select(good, trial.gradient[i], at.gradient[i]);
      for (int j = 0; j <= i; ++j)
        at.hessian[i * stride + j] = select(good, trial.hessian[i * stride + j], at.hessian[i * stride + j]);
    }
    for (int i = 0; i < problem.residuals; ++i)
      at.residual[i] = select(good, trial.residual[i], at.residual[i]);
    lambda = select(fresh, min(lambda, trial.cost),
                    select(good, Damping<E>::relaxed(lambda, trial.cost), lambda * growth));
    growth = select(good, V(Damping<E>::kFirstGrowth), growth * V(E(2)));
    iterations = select(fresh, iterations, iterations + one);
    const M hopeless = fresh & ~(trial.cost < infinity);  // not even a number to begin with
    fresh = M{};

    const M finished = busy & (arrived | stuck | hopeless | (iterations >= V(E(options.max_iterations))));
    if (!finished.any()) continue;
    problem.arrive(at, finished);
    for (int lane = 0; lane < V::lanes; ++lane) {
      if (!finished[lane]) continue;
      const bool converged = (arrived[lane] || stuck[lane]) && !hopeless[lane];
      if (problem.finish(lane, at, int(iterations[lane]), converged)) begin(lane);
      else take_next(lane);
    }
  }
}

}  // namespace RETARGET_ISA
