// The arm problem: the error of a wrist's pose and its derivatives along a chain of revolute joints.
//
// Unknowns are scaled joints u = q / half_range, so that a joint with little room counts as much as
// one with a lot. Residual: (p - p*, w log(R R*^T)) [m], in base axes; the logarithm has no false
// zero at 180 degrees. The chain is a product of exponentials (Brockett 1984): with all joints at 0
// every joint's frame has the base's axes.
#pragma once
#include "lm.hpp"
#include "rotation_error.hpp"

namespace RETARGET_ISA {

template <class V>
class ArmProblem {
  using E = typename V::Scalar;
  using Model = retarget::ArmModel<E>;
  static constexpr int kMax = retarget::kMaxChain;

 public:
  static constexpr bool bounded = true;
  const int unknowns, stride, residuals = 6;
  V lower[kMax], upper[kMax];

  ArmProblem(const Model& model, double rotation_weight)
      : unknowns(model.joints), stride(model.joints), model_(model), weight_(E(rotation_weight)) {
    for (int i = 0; i < unknowns; ++i) lower[i] = V(model.lower[i]), upper[i] = V(model.upper[i]);
  }

  void set_target(int lane, const double* T) {  // (4, 4)
    for (int row = 0; row < 3; ++row) {
      for (int col = 0; col < 3; ++col) rotation_(row, col).set(lane, E(T[4 * row + col]));
      position_[row].set(lane, E(T[4 * row + 3]));
    }
  }

  void evaluate(const V* u, Point<V>& out) {
    locate(u);
    for (int i = 0; i < 3; ++i) {
      out.residual[i] = reached_position[i] - position_[i];
    }
    Mat3<V> error;  // R R*^T
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        error(i, j) = reached_rotation(i, 0) * rotation_(j, 0) + reached_rotation(i, 1) * rotation_(j, 1) +
                      reached_rotation(i, 2) * rotation_(j, 2);
    const Vec3<V> turn = logarithm(error);
    for (int i = 0; i < 3; ++i) out.residual[3 + i] = weight_ * turn[i];
    out.cost = V(E(0));
    for (int i = 0; i < 6; ++i) out.cost += out.residual[i] * out.residual[i];
    // The angular velocity stands for the derivative of the logarithm: the gradient is exact all the
    // same, as the logarithm's left Jacobian leaves the logarithm itself unchanged.
    for (int i = 0; i < unknowns; ++i) {
      V g = V(E(0));
      for (int k = 0; k < 6; ++k) g += jacobian[i][k] * out.residual[k];
      out.gradient[i] = g;
      for (int j = 0; j <= i; ++j) {
        V h = V(E(0));
        for (int k = 0; k < 6; ++k) h += jacobian[i][k] * jacobian[j][k];
        out.hessian[i * stride + j] = h;
      }
    }
  }

  /// Forward kinematics and Jacobian at scaled joints u.
  void locate(const V* u) {
    Mat3<V> R = identity3<V>();
    Vec3<V> t{};
    Vec3<V> axis[kMax], origin[kMax];
    for (int k = 0; k < unknowns; ++k) {
      const E* a = model_.axis + 3 * k;
      t = t + R * splat3<V>(model_.step + 3 * k);
      origin[k] = t;
      axis[k] = R * splat3<V>(a);
      V s, v;
      sine_versine(u[k] * V(model_.scale[k]), s, v);
      Mat3<V> turn;  // Rodrigues' formula
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
          const E square = a[i] * a[j] - E(i == j);
          turn(i, j) = v * V(square) + V(E(i == j));
        }
      turn(0, 1) -= s * V(a[2]), turn(0, 2) += s * V(a[1]), turn(1, 2) -= s * V(a[0]);
      turn(1, 0) += s * V(a[2]), turn(2, 0) -= s * V(a[1]), turn(2, 1) += s * V(a[0]);
      R = R * turn;
    }
    Mat3<V> tool;
    for (int i = 0; i < 9; ++i) tool.m[i] = V(model_.tool_rotation[i]);
    reached_position = t + R * splat3<V>(model_.tool_position);
    reached_rotation = R * tool;
    for (int k = 0; k < unknowns; ++k) {
      const Vec3<V> z = V(model_.scale[k]) * axis[k];
      const Vec3<V> lever = cross(z, reached_position - origin[k]);
      for (int i = 0; i < 3; ++i) jacobian[k][i] = lever[i], jacobian[k][3 + i] = weight_ * z[i];
    }
  }

  Vec3<V> reached_position;
  Mat3<V> reached_rotation;
  V jacobian[kMax][6];  // of each joint: linear, then weight * angular velocity [m]

 protected:
  const Model& model_;
  V weight_;

 private:
  Mat3<V> rotation_ = identity3<V>();
  Vec3<V> position_{};
};

}  // namespace RETARGET_ISA
