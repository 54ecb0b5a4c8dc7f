#include "rigid.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace retarget {
namespace {

constexpr double kOrthonormal = 1e-4;  // largest entry of R^T R - I taken for rounding
constexpr double kExact = 1e-15;       // and one that is nothing else

/// R^T R - I, lower triangle; returns its largest entry.
double off_orthonormal(const double (&R)[3][4], double (&S)[6]) {
  double worst = 0;
  for (int i = 0, k = 0; i < 3; ++i)
    for (int j = 0; j <= i; ++j, ++k) {
      S[k] = R[0][i] * R[0][j] + R[1][i] * R[1][j] + R[2][i] * R[2][j] - double(i == j);
      worst = std::max(worst, std::abs(S[k]));
    }
  return worst;
}

}  // namespace

PoseFault read_pose(const double* T, const double* base, double* out) {
  double lost[4] = {}, R[3][4], S[6];
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) lost[j] += T[4 * i + j] - T[4 * i + j];
  if (!(lost[0] + lost[1] + lost[2] + lost[3] == 0)) return PoseFault::kMissing;  // infinity less itself is NaN
  for (int k = 0; k < 12; ++k) R[k / 4][k % 4] = T[k];
  double worst = off_orthonormal(R, S);
  if (worst > kOrthonormal) return PoseFault::kNotOrthonormal;
  const double det = R[0][0] * (R[1][1] * R[2][2] - R[1][2] * R[2][1]) -
                     R[0][1] * (R[1][0] * R[2][2] - R[1][2] * R[2][0]) +
                     R[0][2] * (R[1][0] * R[2][1] - R[1][1] * R[2][0]);
  if (det < 0) return PoseFault::kReflection;
  for (int j = 0; j < 4; ++j)
    if (T[12 + j] != double(j == 3)) return PoseFault::kLastRow;
  // Newton's iteration to the nearest rotation: R - R (R^T R - I) / 2; each squares the error
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
  return PoseFault::kNone;
}

void refuse_pose(PoseFault fault, long index) {
  const char* what = fault == PoseFault::kReflection ? "is a reflection"
                     : fault == PoseFault::kLastRow  ? "has a last row other than 0 0 0 1"
                                                     : "has no orthonormal rotation";
  throw std::invalid_argument("pose " + std::string(what) + " at flat index " + std::to_string(index));
}

}  // namespace retarget
