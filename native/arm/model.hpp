// An arm as its user describes it, and as the kernels want it.
#pragma once
#include "arm/batch.hpp"

namespace retarget {

/// A product of exponentials (Brockett 1984): with all joints at 0 every joint's frame has the base's axes.
struct ArmArrays {
  int joints = 0;
  Rows<const double> step, axis;    // (n, 3) from joint to joint [m], (n, 3) unit
  Span<const double> tool, base;    // (16) T_last_wrist, (16) T_base_world of the wanted poses
  ArmLimits limits;                 // rotation_weight above 0
  Span<const double> posture;       // (n) [rad]
  Rows<const double> known_joints;  // (known, n) [rad]
};

template <class E>
ArmModel<E> arm_model(const ArmArrays& arrays);

}  // namespace retarget
