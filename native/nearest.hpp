// The known places nearest to a wanted one, by looking at all of them: a pack of distances at a time.
#pragma once
#include "batch.hpp"
#include "simd.hpp"

namespace RETARGET_ISA {
namespace {

/// See Kernels::nearest.
void nearest(const double* places, long chunks, const double* from, int count, double* distance,
             long* found) {
  using V = Pack<double>;
  for (int k = 0; k < count; ++k) distance[k] = __builtin_inf(), found[k] = 0;
  double& farthest = distance[count - 1];
  for (long c = 0; c < chunks; ++c)
    for (int i = 0; i < retarget::kChunk; i += V::lanes) {
      const double* place = places + c * retarget::kPlace * retarget::kChunk + i;
      V sum = V(0.0);
      for (int d = 0; d < retarget::kPlace; ++d) {
        V away;
        __builtin_memcpy(&away, place + d * retarget::kChunk, sizeof(V));
        away -= V(from[d]);
        sum += away * away;
        if (d == 2 && !(sum < V(farthest)).any()) break;  // the positions alone are too far away
      }
      if (!(sum < V(farthest)).any()) continue;
      for (int lane = 0; lane < V::lanes; ++lane) {
        int k = count;
        for (; k > 0 && sum[lane] < distance[k - 1]; --k)
          if (k < count) distance[k] = distance[k - 1], found[k] = found[k - 1];
        if (k < count) distance[k] = sum[lane], found[k] = c * retarget::kChunk + i + lane;
      }
    }
}

}  // namespace
}  // namespace RETARGET_ISA
