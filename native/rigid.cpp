// What is said of a pose that is no rigid transform.
#include "rigid.hpp"

#include <stdexcept>
#include <string>

namespace retarget {

void refuse_pose(PoseFault fault, long index) {
  const char* what = fault == PoseFault::kReflection ? "is a reflection"
                     : fault == PoseFault::kLastRow  ? "has a last row other than 0 0 0 1"
                                                     : "has no orthonormal rotation";
  throw std::invalid_argument("pose " + std::string(what) + " at flat index " + std::to_string(index));
}

}  // namespace retarget
