// The arm problem: the error of a wrist's pose and its derivatives along a chain of revolute joints.
//
// Unknowns are scaled joints u = q / half_range, so that a joint with little room counts as much as
// one with a lot. Residual: (p - p*, w log(R R*^T)) [m], in base axes; the logarithm has no false
// zero at 180 degrees, as R R*^T less its transpose has.
#pragma once
#include "arm/chain.hpp"
#include "simd/lm.hpp"

namespace RETARGET_ISA {

/// Cost, gradient and Hessian of all SIMD lanes; reach.hpp knows where poses come from and results go to.
template <class V, int N = 0>
class ArmProblem : public ArmChain<V, N> {
  using E = typename V::Scalar;
  using Chain = ArmChain<V, N>;

 public:
  static constexpr bool bounded = true;
  const int unknowns, stride, residuals = 6;

  ArmProblem(const retarget::ArmModel<E>& model, double rotation_weight)
      : Chain(model, rotation_weight), unknowns(model.joints), stride(model.joints) {}

  /// The pose T_base_wrist (16) that the lane is to reach.
  void set_target(int lane, Span<const double> T) {
    for (int row = 0; row < 3; ++row) {
      for (int col = 0; col < 3; ++col) rotation_(row, col).set(lane, E(T[4 * row + col]));
      position_[row].set(lane, E(T[4 * row + 3]));
    }
  }

  RETARGET_FLAT void evaluate(Span<const V> u, Point<V>& out) {
    Chain::locate(u);
    Chain::differentiate();
    measure(out.residual);
    out.cost = V(E(0));
    for (int i = 0; i < 6; ++i) out.cost += out.residual[i] * out.residual[i];
    // The angular velocity stands for the derivative of the logarithm e, which is J_l(e)^-1 times it: the
    // gradient is exact all the same, as e^T J_l(e)^-1 = e^T (Sola et al. 2018).
    const auto& J = Chain::jacobian;
    for (int i = 0; i < Chain::joints(); ++i) {
      V g = V(E(0));
      for (int k = 0; k < 6; ++k) g += J[i][k] * out.residual[k];
      out.gradient[i] = g;
      for (int j = 0; j <= i; ++j) {
        V h = V(E(0));
        for (int k = 0; k < 6; ++k) h += J[i][k] * J[j][k];
        out.hessian[i][j] = h;
      }
    }
  }

  /// (p - p*, w log(R R*^T)) at the joints that were located.
  RETARGET_FLAT void measure(Span<V> residual) const {
    const Mat3<V>& R = Chain::rotation;
    Mat3<V> error;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        error(i, j) = R(i, 0) * rotation_(j, 0) + R(i, 1) * rotation_(j, 1) + R(i, 2) * rotation_(j, 2);
    const Vec3<V> turned = logarithm(error);
    for (int i = 0; i < 3; ++i) {
      residual[i] = Chain::position[i] - position_[i];
      residual[3 + i] = Chain::weight_ * turned[i];
    }
  }

 protected:
  Mat3<V> rotation_ = identity3<V>();  // wanted
  Vec3<V> position_{};
};

}  // namespace RETARGET_ISA
