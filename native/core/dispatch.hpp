// Which instruction sets are built in, and which run here.
#pragma once
#include <string>
#include <vector>

#include "core/kernels.hpp"

namespace retarget {

/// The sets this machine can run, best first.
std::vector<const Kernels*> available_kernels();

/// The named set, or the best one for an empty name; throws std::invalid_argument for one that cannot run.
/// Also by "narrow": registers of two numbers, for fits of a frame or two.
const Kernels& find_kernels(const std::string& isa);

}  // namespace retarget
