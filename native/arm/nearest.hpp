// The known places nearest to a wanted one, by looking at all of them: a pack of distances at a time.
#pragma once
#include "arm/batch.hpp"
#include "simd/pack.hpp"

namespace RETARGET_ISA {
namespace {

/// See PoseKernels::nearest.
void nearest(Span<const double> places, Span<const double> from, Span<double> distance, Span<long> found) {
  using V = Pack<double>;
  const long count = distance.size(), size = retarget::kPlace * retarget::kChunk;
  for (long k = 0; k < count; ++k) distance[k] = __builtin_inf(), found[k] = 0;
  double& farthest = distance[count - 1];
  for (long c = 0; c < places.size() / size; ++c) {
    const Span<const double> chunk = places.part(c * size, size);
    for (int i = 0; i < retarget::kChunk; i += V::lanes) {
      V sum = V(0.0);
      for (int d = 0; d < retarget::kPlace; ++d) {
        V away;
        __builtin_memcpy(&away, &chunk[d * retarget::kChunk + i], sizeof(V));
        away -= V(from[d]);
        sum += away * away;
        if (d == 2 && !(sum < V(farthest)).any()) break;  // the positions alone are too far away
      }
      if (!(sum < V(farthest)).any()) continue;
      for (int lane = 0; lane < V::lanes; ++lane) {
        long k = count;
        for (; k > 0 && sum[lane] < distance[k - 1]; --k)
          if (k < count) distance[k] = distance[k - 1], found[k] = found[k - 1];
        if (k < count) distance[k] = sum[lane], found[k] = c * retarget::kChunk + i + lane;
      }
    }
  }
}

}  // namespace
}  // namespace RETARGET_ISA
