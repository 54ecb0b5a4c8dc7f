// The rigid motion between two sets of points.
#include "hand/placement.hpp"

#include "core/nearest_rotation.hpp"

namespace retarget {
namespace {

constexpr double kFlat = 1e-6;  // points in a line, as a share of their spread

/// By the points 0 ... count - 1 of a list; false where they determine no motion.
template <class Point>
bool fit_motion(Span<const double> points, Span<const double> weights, Rows<const double> reference,
                long count, const Point& point, RigidMotion& motion) {
  double total = 0, from[3] = {}, to[3] = {};
  long known = 0;
  for (long i = 0; i < count; ++i) {
    const long p = point(i);
    known += weights[p] > 0;
    total += weights[p];
    for (int d = 0; d < 3 && weights[p] > 0; ++d) {
      from[d] += weights[p] * points[3 * p + d];
      to[d] += weights[p] * reference[p][d];
    }
  }
  if (known < 3) return false;
  double product[9] = {}, spread = 0;
  for (int d = 0; d < 3; ++d) from[d] /= total, to[d] /= total;
  for (long i = 0; i < count; ++i) {
    const long p = point(i);
    for (int r = 0; r < 3 && weights[p] > 0; ++r)
      for (int c = 0; c < 3; ++c) {
        const double term = weights[p] * (reference[p][r] - to[r]) * (points[3 * p + c] - from[c]);
        product[3 * r + c] += term;
      }
  }
  for (double x : product) spread += x * x;
  if (!(nearest_rotation(product, motion.rotation) > kFlat * std::sqrt(spread))) return false;
  for (int r = 0; r < 3; ++r) {
    motion.translation[r] = to[r];
    for (int c = 0; c < 3; ++c) motion.translation[r] -= motion.rotation[3 * r + c] * from[c];
  }
  return true;
}

}  // namespace

bool HandPlacement::find(Span<const double> points, Span<const double> weights, RigidMotion& motion) const {
  return fit_motion(points, weights, reference, palm.size(), [&](long i) { return long(palm[i]); },
                    motion) ||
         fit_motion(points, weights, reference, reference.count(), [](long i) { return i; }, motion);
}

}  // namespace retarget
