// What happens where a checked build meets an index outside of a view.
#include "core/span.hpp"

#ifdef RETARGET_CHECKED
#include <cstdio>
#include <cstdlib>

namespace retarget {

void out_of_bounds(long index, long size) {
  std::fprintf(stderr, "retarget: index %ld is outside of a view of %ld\n", index, size);
  std::abort();
}

}  // namespace retarget
#endif
