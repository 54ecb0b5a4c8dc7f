// Rotations of single frames: Rodrigues' formula, row by row.
#pragma once
#include <cmath>

#include "core/span.hpp"

namespace retarget {

/// About a unit axis.
inline void turn_about(Span<const double> axis, double angle, Span<double> R) {
  const double s = std::sin(angle), half = std::sin(0.5 * angle), v = 2 * half * half;
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 3; ++k) R[3 * i + k] = v * axis[i] * axis[k] + (i == k ? 1 - v : 0);
  R[1] -= s * axis[2], R[2] += s * axis[1], R[3] += s * axis[2];
  R[5] -= s * axis[0], R[6] -= s * axis[1], R[7] += s * axis[0];
}

/// Of a rotation vector.
inline void rotation_of(Span<const double> w, Span<double> R) {
  const double angle = std::sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]), scale = angle > 0 ? 1 / angle : 0;
  const double axis[3] = {scale * w[0], scale * w[1], scale * w[2]};
  turn_about(axis, angle, R);
}

}  // namespace retarget
