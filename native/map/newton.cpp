// Cholesky's method, and Jacobi's for matrices that it refuses.
#include "map/newton.hpp"

#include <algorithm>
#include <cmath>

#include "map/hand.hpp"

namespace retarget {
namespace {

constexpr double kFlattest = 1e-9;  // [m^2/rad^2] smallest eigenvalue by which a gradient is divided
constexpr int kSweeps = 30;         // of Jacobi's rotations; about 6 suffice

/// (H + damping) x = b; false where the matrix is not positive definite.
bool cholesky(const double* H, double damping, const double* b, int n, double* x) {
  double L[kMaxActive][kMaxActive];
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j <= i; ++j) {
      double sum = H[n * i + j] + (i == j ? damping : 0);
      for (int k = 0; k < j; ++k) sum -= L[i][k] * L[j][k];
      if (i > j) L[i][j] = sum / L[j][j];
      else if (sum > 1e-14) L[i][i] = std::sqrt(sum);
      else return false;
    }
  }
  for (int i = 0; i < n; ++i) {
    x[i] = b[i];
    for (int k = 0; k < i; ++k) x[i] -= L[i][k] * x[k];
    x[i] /= L[i][i];
  }
  for (int i = n - 1; i >= 0; --i) {
    for (int k = i + 1; k < n; ++k) x[i] -= L[k][i] * x[k];
    x[i] /= L[i][i];
  }
  return true;
}

/// Turn rows and columns i and k of A so that A(i, k) becomes 0, and the columns of V with them.
void rotate(double* A, double* V, int n, int i, int k) {
  const double apart = (A[n * k + k] - A[n * i + i]) / (2 * A[n * i + k]);
  const double t = (apart < 0 ? -1 : 1) / (std::abs(apart) + std::sqrt(1 + apart * apart));
  const double c = 1 / std::sqrt(1 + t * t), s = t * c;
  const auto turn = [c, s](double& one, double& other) {
    const double before = one;
    one = c * before - s * other;
    other = s * before + c * other;
  };
  for (int j = 0; j < n; ++j) turn(A[n * j + i], A[n * j + k]);
  for (int j = 0; j < n; ++j) turn(A[n * i + j], A[n * k + j]);
  for (int j = 0; j < n; ++j) turn(V[n * j + i], V[n * j + k]);
  A[n * i + k] = A[n * k + i] = 0;
}

}  // namespace

void newton_step(const double* H, double damping, const double* b, int n, double* x) {
  if (cholesky(H, damping, b, n, x)) return;
  double A[kMaxActive * kMaxActive], V[kMaxActive * kMaxActive] = {};
  std::copy(H, H + n * n, A);
  for (int i = 0; i < n; ++i) V[n * i + i] = 1;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double off = 0, on = 0;
    for (int i = 0; i < n; ++i)
      for (int k = 0; k < n; ++k) (i == k ? on : off) += A[n * i + k] * A[n * i + k];
    if (!(off > 1e-28 * on)) break;
    for (int i = 0; i < n; ++i)
      for (int k = i + 1; k < n; ++k)
        if (A[n * i + k] != 0) rotate(A, V, n, i, k);
  }
  std::fill(x, x + n, 0.0);
  for (int e = 0; e < n; ++e) {
    double along = 0;
    for (int j = 0; j < n; ++j) along += V[n * j + e] * b[j];
    along /= std::max(std::abs(A[n * e + e]), kFlattest) + damping;
    for (int j = 0; j < n; ++j) x[j] += along * V[n * j + e];
  }
}

}  // namespace retarget
