// Poses that are no rigid transforms, told to their user.
#pragma once
#include "batch.hpp"

namespace retarget {

/// Throws std::invalid_argument, naming the flat index.
[[noreturn]] void refuse_pose(PoseFault fault, long index);

}  // namespace retarget
