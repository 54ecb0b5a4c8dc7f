#include "rigid.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace retarget {
namespace {

constexpr double kOrthonormal = 1e-4;  // largest entry of R^T R - I taken for rounding

[[noreturn]] void refuse(const char* what, long index) {
  throw std::invalid_argument("pose " + std::string(what) + " at flat index " + std::to_string(index));
}

/// S = R^T R
void gram(const double (&R)[3][3], double (&S)[3][3]) {
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) S[i][j] = R[0][i] * R[0][j] + R[1][i] * R[1][j] + R[2][i] * R[2][j];
}

}  // namespace

bool prepare_pose(const double* T, const double* base, long index, double* out) {
  for (int k = 0; k < 16; ++k)
    if (!std::isfinite(T[k])) return false;
  double R[3][3], S[3][3];
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) R[i][j] = T[4 * i + j];
  gram(R, S);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      if (std::abs(S[i][j] - double(i == j)) > kOrthonormal) refuse("has no orthonormal rotation", index);
  const double det = R[0][0] * (R[1][1] * R[2][2] - R[1][2] * R[2][1]) -
                     R[0][1] * (R[1][0] * R[2][2] - R[1][2] * R[2][0]) +
                     R[0][2] * (R[1][0] * R[2][1] - R[1][1] * R[2][0]);
  if (det < 0) refuse("is a reflection", index);
  for (int j = 0; j < 4; ++j)
    if (T[12 + j] != double(j == 3)) refuse("has a last row other than 0 0 0 1", index);
  for (int round = 0; round < 2;
       ++round) {  // Newton's iteration to the nearest rotation: R (3 I - R^T R) / 2
    gram(R, S);
    double next[3][3];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        next[i][j] = 1.5 * R[i][j] - 0.5 * (R[i][0] * S[0][j] + R[i][1] * S[1][j] + R[i][2] * S[2][j]);
    for (int k = 0; k < 9; ++k) R[k / 3][k % 3] = next[k / 3][k % 3];
  }
  for (int i = 0; i < 3; ++i) {
    const double* b = base + 4 * i;
    for (int j = 0; j < 3; ++j) out[4 * i + j] = b[0] * R[0][j] + b[1] * R[1][j] + b[2] * R[2][j];
    out[4 * i + 3] = b[0] * T[3] + b[1] * T[7] + b[2] * T[11] + b[3];
  }
  for (int j = 0; j < 4; ++j) out[12 + j] = double(j == 3);
  return true;
}

}  // namespace retarget
