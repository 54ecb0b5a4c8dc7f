// What Gauss-Newton leaves out of the Hessian, learned from the gradients seen on the way.
//
// With residuals that stay large (targets out of reach, few components, robust costs) Gauss-Newton
// alone crawls: its error shrinks by a constant factor a step. S makes H + S agree with the change y of
// the gradient over each step s, the secant equation (H + S) s = y; S is learned apart from H, as in
// NL2SOL (Dennis, Gay and Welsch 1981, "An adaptive nonlinear least-squares algorithm"), but by the
// symmetric rank one update (Nocedal and Wright 2006, "Numerical optimization", eq. 6.24):
//   e = y - (H + S) s,   S += e e^T / (e . s).
// Convergence becomes superlinear.
#pragma once
#include "simd/arena.hpp"
#include "simd/linalg.hpp"

namespace RETARGET_ISA {

template <class V>
class Secant {
  using E = typename V::Scalar;
  using M = Mask<E>;

 public:
  Secant(Arena& arena, int stride)
      : S_{arena.take<V>(stride * stride), stride}, error_(arena.take<V>(stride)), used_(E(0)) {}

  /// A += S in the SIMD lanes that use it.
  void add_to(Square<V> A, int n) const {
    for (int i = 0; i < n; ++i)
      for (int j = 0; j <= i; ++j) A[i][j] += used_ * S_[i][j];
  }

  /// A new problem begins in the lane; its S is cleared when its start is learned.
  void forget(int lane) { used_.set(lane, E(0)); }

  /// Learn from the step at -> trial where it was taken, forget everything where it was not. S is used
  /// where the cost falls by less than a fifth, slower than Gauss-Newton's own fast convergence ever does
  /// (Fletcher and Xu 1987, "Hybrid methods for nonlinear least squares").
  template <class Point>
  void learn(const Point& at, const Point& trial, M taken, int n) {
    V along = V(E(0)), error2 = V(E(0)), step2 = V(E(0));
    for (int i = 0; i < n; ++i) {
      V error = trial.gradient[i] - at.gradient[i];
      for (int j = 0; j < i; ++j) error -= (trial.hessian[i][j] + S_[i][j]) * (trial.x[j] - at.x[j]);
      for (int j = i; j < n; ++j) error -= (trial.hessian[j][i] + S_[j][i]) * (trial.x[j] - at.x[j]);
      const V step = trial.x[i] - at.x[i];
      error_[i] = error;
      along += error * step;
      error2 += error * error;
      step2 += step * step;
    }
    // no update where e . s is next to nothing (Nocedal and Wright, eq. 6.26, with r = 1e-4)
    const M sound = taken & (along * along > V(E(1e-8)) * error2 * step2);
    const V scale = select(sound, V(E(1)) / select(sound, along, V(E(1))), V(E(0)));
    for (int i = 0; i < n; ++i)
      for (int j = 0; j <= i; ++j)
        S_[i][j] = select(taken, S_[i][j] + scale * error_[i] * error_[j], V(E(0)));
    const M slow = at.cost - trial.cost < V(E(0.2)) * at.cost;
    used_ = select(taken & slow, V(E(1)), V(E(0)));
  }

 private:
  Square<V> S_;
  Span<V> error_;
  V used_;
};

}  // namespace RETARGET_ISA
