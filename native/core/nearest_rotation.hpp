// The rotation nearest to a matrix.
#pragma once
#include <cmath>

#include "core/span.hpp"

namespace retarget {

/// The rotation R that maximises tr(R^T M), and so is nearest to M, for row-major 3x3 matrices: as a
/// quaternion, the eigenvector of the largest eigenvalue of Davenport's matrix (Keat 1977, "Analysis of
/// least-squares attitude determination routine DOAOP"), found by Jacobi's rotations.
///
/// Returns how far the next eigenvalue is, halved: the sum of M's two smaller singular values, the last one
/// signed as its determinant. Where that is 0, no one rotation is nearest.
inline double nearest_rotation(Span<const double> M, Span<double> R) {
  const double xx = M[0], xy = M[1], xz = M[2], yx = M[3], yy = M[4], yz = M[5], zx = M[6], zy = M[7],
               zz = M[8];
  double K[4][4] = {{xx + yy + zz, zy - yz, xz - zx, yx - xy},
                    {zy - yz, xx - yy - zz, xy + yx, xz + zx},
                    {xz - zx, xy + yx, yy - xx - zz, yz + zy},
                    {yx - xy, xz + zx, yz + zy, zz - xx - yy}};
  double V[4][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};  // a row is an eigenvector
  double size2 = 0;
  for (double m : M) size2 += 4 * m * m;
  for (int sweep = 0; sweep < 30; ++sweep) {
    double off2 = 0;
    for (int i = 0; i < 4; ++i)
      for (int j = i + 1; j < 4; ++j) off2 += K[i][j] * K[i][j];
    if (off2 <= 1e-36 * size2) break;
    for (int i = 0; i < 4; ++i)
      for (int j = i + 1; j < 4; ++j) {
        if (K[i][j] == 0) continue;
        const double theta = (K[j][j] - K[i][i]) / (2 * K[i][j]),
                     t = std::copysign(1 / (std::abs(theta) + std::sqrt(theta * theta + 1)), theta),
                     c = 1 / std::sqrt(t * t + 1), s = t * c;
        const auto turn = [&](double& a, double& b) {
          const double before = a;
          a = c * before - s * b;
          b = s * before + c * b;
        };
        for (int k = 0; k < 4; ++k) turn(K[i][k], K[j][k]);
        for (int k = 0; k < 4; ++k) turn(K[k][i], K[k][j]);
        for (int k = 0; k < 4; ++k) turn(V[i][k], V[j][k]);
      }
  }
  int first = 0;
  for (int i = 1; i < 4; ++i)
    if (K[i][i] > K[first][first]) first = i;
  double next = -INFINITY;
  for (int i = 0; i < 4; ++i)
    if (i != first && K[i][i] > next) next = K[i][i];
  const double *q = V[first], n = 2 / (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  const double w = q[0], x = q[1], y = q[2], z = q[3];
  const double rows[9] = {1 - n * (y * y + z * z), n * (x * y - w * z),     n * (x * z + w * y),
                          n * (x * y + w * z),     1 - n * (x * x + z * z), n * (y * z - w * x),
                          n * (x * z - w * y),     n * (y * z + w * x),     1 - n * (x * x + y * y)};
  for (int i = 0; i < 9; ++i) R[i] = rows[i];
  return 0.5 * (K[first][first] - next);
}

}  // namespace retarget
