// Checks of settings that more than one Python class takes.
#pragma once
#include "arm/solver.hpp"
#include "python/arrays.hpp"

namespace retarget {

inline ArmSettings arm_settings(double position_tolerance, double rotation_tolerance, double posture_gain,
                                double goal, int starts, int max_iterations, bool lean, bool single) {
  require_positive(position_tolerance, "position_tolerance");
  require_positive(rotation_tolerance, "rotation_tolerance");
  require_not_negative(posture_gain, "posture_gain");
  require_positive(goal, "goal");
  require(starts >= 0, "starts must not be negative");
  require(max_iterations >= 1 && max_iterations <= 1000000, "max_iterations must be 1 to 1,000,000");
  return {position_tolerance, rotation_tolerance, posture_gain, goal, starts, max_iterations, lean, single};
}

}  // namespace retarget
