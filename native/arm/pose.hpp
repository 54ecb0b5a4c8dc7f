// Wanted poses as users give them: which are missing, which are no rigid transforms.
#pragma once
#include "arm/batch.hpp"
#include "simd/pack.hpp"

namespace RETARGET_ISA {

/// R^T R - I, lower triangle; returns its largest entry.
inline double off_orthonormal(const double (&R)[3][4], double (&S)[6]) {
  double worst = 0;
  for (int i = 0, k = 0; i < 3; ++i)
    for (int j = 0; j <= i; ++j, ++k) {
      S[k] = R[0][i] * R[0][j] + R[1][i] * R[1][j] + R[2][i] * R[2][j] - double(i == j);
      const double size = S[k] < 0 ? -S[k] : S[k];
      worst = worst > size ? worst : size;
    }
  return worst;
}

/// out = base * T with T's rotation brought to the nearest orthonormal one, (16) all; nothing is
/// written where T has entries that are not finite (kMissing) or is no rigid transform.
inline retarget::PoseFault read_pose(Span<const double> T, Span<const double> base, Span<double> out) {
  constexpr double kRigid = 1e-3;   // what T may lack, as RIGID of retarget/core/checks.py,
  constexpr double kExact = 1e-15;  // and what is rounding of double precision
  double lost[4] = {}, R[3][4], S[6];
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) lost[j] += T[4 * i + j] - T[4 * i + j];
  // infinity less itself is NaN, as NaN is
  if (!(lost[0] + lost[1] + lost[2] + lost[3] == 0)) return retarget::PoseFault::kMissing;
  for (int k = 0; k < 12; ++k) R[k / 4][k % 4] = T[k];
  double worst = off_orthonormal(R, S);
  if (worst > kRigid) return retarget::PoseFault::kNotOrthonormal;
  const double det = R[0][0] * (R[1][1] * R[2][2] - R[1][2] * R[2][1]) -
                     R[0][1] * (R[1][0] * R[2][2] - R[1][2] * R[2][0]) +
                     R[0][2] * (R[1][0] * R[2][1] - R[1][1] * R[2][0]);
  if (det < 0) return retarget::PoseFault::kReflection;
  for (int j = 0; j < 4; ++j)
    if (const double d = T[12 + j] - double(j == 3); d > kRigid || d < -kRigid)
      return retarget::PoseFault::kLastRow;
  // Newton's iteration to the nearest rotation, R - R (R^T R - I) / 2 (Bjorck and Bowie 1971, "An
  // iterative algorithm for computing the best estimate of an orthogonal matrix"); each squares the error
  for (; worst > kExact; worst *= worst) {
    for (int i = 0; i < 3; ++i) {
      const double x = 0.5 * R[i][0], y = 0.5 * R[i][1], z = 0.5 * R[i][2];
      R[i][0] -= x * S[0] + y * S[1] + z * S[3];
      R[i][1] -= x * S[1] + y * S[2] + z * S[4];
      R[i][2] -= x * S[3] + y * S[4] + z * S[5];
    }
    off_orthonormal(R, S);
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      out[4 * i + j] = base[4 * i] * R[0][j] + base[4 * i + 1] * R[1][j] + base[4 * i + 2] * R[2][j];
  for (int i = 0; i < 4; ++i) out[4 * i + 3] += base[4 * i + 3];
  return retarget::PoseFault::kNone;
}

}  // namespace RETARGET_ISA
