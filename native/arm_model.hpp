// An arm as its user describes it, and as the kernels want it.
#pragma once
#include "batch.hpp"

namespace retarget {

/// A product of exponentials (Brockett 1984): with all joints at 0 every joint's frame has the base's axes.
struct ArmArrays {
  int joints = 0;
  const double *step, *axis, *tool;  // (n, 3) from joint to joint [m], (n, 3) unit, (4, 4) T_last_wrist
  const double* base;                // (4, 4) T_base_world of the wanted poses
  const double *lower, *upper, *half_range;  // (n) [rad]
  const double* posture;                     // (n) [rad]
  long known = 0;
  const double* known_joints = nullptr;  // (known, n) [rad]
  double rotation_weight = 0;            // [m/rad], above 0
};

template <class E>
ArmModel<E> arm_model(const ArmArrays& arrays);

}  // namespace retarget
