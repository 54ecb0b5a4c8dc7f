// A chain of revolute joints: where the wrist is, and how it moves with every joint.
//
// Frames are laid as by Denavit and Hartenberg (1955, in the form of Craig 2005, section 3.4), with
// steps in any direction: joint k turns about its frame's z, the next frame follows by a turn about
// the new x and a step. Rotations are kept by columns, of which a turn about an axis leaves one as
// it is.
#pragma once
#include "arm/batch.hpp"
#include "simd/rotation.hpp"

namespace RETARGET_ISA {

/// a, b turned within their plane by an angle.
template <class V>
void turn(Vec3<V>& a, Vec3<V>& b, V sine, V cosine) {
  for (int i = 0; i < 3; ++i) {
    const V before = a[i];
    a[i] = cosine * before + sine * b[i];
    b[i] = cosine * b[i] - sine * before;
  }
}

/// Forward kinematics and Jacobian. N is the number of joints where it is known to the compiler, else 0.
template <class V, int N = 0>
class ArmChain {
  using E = typename V::Scalar;

 public:
  static constexpr int kMax = N > 0 ? N : retarget::kMaxChain;

  ArmChain(const retarget::ArmModel<E>& model, double rotation_weight)
      : model_(model), weight_(E(rotation_weight)) {
    for (int i = 0; i < joints(); ++i) lower[i] = V(model.lower[i]), upper[i] = V(model.upper[i]);
  }

  int joints() const { return N > 0 ? N : model_.joints; }

  /// The wrist's pose at scaled joints u.
  RETARGET_FLAT void locate(Span<const V> u) {
    const retarget::ArmModel<E>& m = model_;
    Vec3<V> x = splat3<V>(m.first), y = splat3<V>(m.first + 3), z = splat3<V>(m.first + 6),
            t = splat3<V>(m.step);
    for (int k = 0; k < joints(); ++k) {
      origin_[k] = t;
      axis_[k] = z;
      V sine, cosine;
      sine_cosine(u[k] * V(m.scale[k]) + V(m.offset[k]), sine, cosine);
      turn(x, y, sine, cosine);
      turn(y, z, V(m.sine_twist[k]), V(m.cosine_twist[k]));
      const E* step = m.step + 3 * (k + 1);
      t = t + V(step[0]) * x + V(step[1]) * y + V(step[2]) * z;
    }
    turn(x, y, V(m.sine_tool), V(m.cosine_tool));
    position = t;
    for (int i = 0; i < 3; ++i) rotation(i, 0) = x[i], rotation(i, 1) = y[i], rotation(i, 2) = z[i];
  }

  /// The geometric Jacobian where the wrist was located: axis x lever, and the axis (Siciliano et al. 2009,
  /// "Robotics: modelling, planning and control", section 3.1).
  RETARGET_FLAT void differentiate() {
    for (int k = 0; k < joints(); ++k) {
      const Vec3<V> turning = V(model_.scale[k]) * axis_[k];
      const Vec3<V> moving = cross(turning, position - origin_[k]);
      for (int i = 0; i < 3; ++i) jacobian[k][i] = moving[i], jacobian[k][3 + i] = weight_ * turning[i];
    }
  }

  V lower[kMax], upper[kMax];  // limits of the scaled joints
  Vec3<V> position;            // of the wrist, in the base's axes [m]
  Mat3<V> rotation;
  V jacobian[kMax][6];  // by each scaled joint: linear, then weight * angular velocity [m]

 protected:
  const retarget::ArmModel<E>& model_;
  V weight_;

 private:
  Vec3<V> axis_[kMax], origin_[kMax];
};

}  // namespace RETARGET_ISA
