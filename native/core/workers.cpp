// How many threads are worth their start.
#include "core/workers.hpp"

#include <algorithm>

namespace retarget {

int useful_threads(int asked, long frames, long enough) {
  static const long cores = std::max(1u, std::thread::hardware_concurrency());  // asking costs microseconds
  const long wanted = asked > 0 ? std::min(asked, 256) : cores;
  return int(std::max(1L, std::min(wanted, frames / enough)));
}

}  // namespace retarget
