// Small vectors and matrices of Packs, rotations of rotation vectors, and the linear solver.
#pragma once
#include "simd/pack.hpp"

namespace RETARGET_ISA {

template <class V>
struct Vec3 {
  V x[3];
  V& operator[](int i) { return x[i]; }
  const V& operator[](int i) const { return x[i]; }
};

template <class V>
struct Mat3 {
  V m[9];  // row-major
  V& operator()(int row, int col) { return m[3 * row + col]; }
  const V& operator()(int row, int col) const { return m[3 * row + col]; }
  Vec3<V> column(int k) const { return {{m[k], m[3 + k], m[6 + k]}}; }
};

template <class V>
Vec3<V> operator+(const Vec3<V>& a, const Vec3<V>& b) {
  return {{a[0] + b[0], a[1] + b[1], a[2] + b[2]}};
}
template <class V>
Vec3<V> operator-(const Vec3<V>& a, const Vec3<V>& b) {
  return {{a[0] - b[0], a[1] - b[1], a[2] - b[2]}};
}
template <class V>
Vec3<V> operator*(V s, const Vec3<V>& a) {
  return {{s * a[0], s * a[1], s * a[2]}};
}
template <class V>
V dot(const Vec3<V>& a, const Vec3<V>& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
template <class V>
Vec3<V> cross(const Vec3<V>& a, const Vec3<V>& b) {
  return {{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}};
}
template <class V>
Vec3<V> operator*(const Mat3<V>& a, const Vec3<V>& b) {
  Vec3<V> o;
  for (int i = 0; i < 3; ++i) o[i] = a(i, 0) * b[0] + a(i, 1) * b[1] + a(i, 2) * b[2];
  return o;
}
template <class V>
Mat3<V> operator*(const Mat3<V>& a, const Mat3<V>& b) {
  Mat3<V> o;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) o(i, j) = a(i, 0) * b(0, j) + a(i, 1) * b(1, j) + a(i, 2) * b(2, j);
  return o;
}
template <class V, class E>
Vec3<V> splat3(const E* p) {
  return {{V(p[0]), V(p[1]), V(p[2])}};
}
template <class V>
Mat3<V> identity3() {
  Mat3<V> o;
  for (int i = 0; i < 9; ++i) o.m[i] = V(typename V::Scalar(i % 4 == 0));
  return o;
}

/// a = sin(t)/t, b = (1 - cos t)/t^2 and c = (t - sin t)/t^3 for x = t^2, |t| <= 4 pi, without
/// cancellation: Taylor series at t/8, then three times from t to 2 t by the double-angle formulas,
///   c' = (c + a b) / 4,   b' = a^2 / 2,   a' = a cos t,   with cos t = 1 - t^2 b.
template <class V>
void exp_coefficients(V x, V& a, V& b, V& c) {
  using E = typename V::Scalar;
  x = min(x, V(E(157.9)));
  const V y = x * V(E(1. / 64));
  // 1/(2k+2)! and 1/(2k+3)! with alternating signs
  constexpr double even[9] = {1. / 2,
                              -1. / 24,
                              1. / 720,
                              -1. / 40320,
                              1. / 3628800,
                              -1. / 479001600,
                              1. / 87178291200.,
                              -1. / 20922789888000.,
                              1. / 6402373705728000.};
  constexpr double odd[9] = {1. / 6,
                             -1. / 120,
                             1. / 5040,
                             -1. / 362880,
                             1. / 39916800,
                             -1. / 6227020800.,
                             1. / 1307674368000.,
                             -1. / 355687428096000.,
                             1. / 121645100408832000.};
  constexpr int last = sizeof(E) == 8 ? 8 : 5;
  b = V(E(even[last]));
  c = V(E(odd[last]));
  for (int i = last - 1; i >= 0; --i) {
    b = b * y + V(E(even[i]));
    c = c * y + V(E(odd[i]));
  }
  a = V(E(1)) - y * c;
  for (int doubling = 0; doubling < 3; ++doubling) {
    const V half_x = x * V(E(doubling == 0 ? 1. / 64 : doubling == 1 ? 1. / 16 : 1. / 4));
    c = V(E(0.25)) * (c + a * b);
    const V cosine = V(E(1)) - half_x * b;
    b = V(E(0.5)) * a * a;
    a = a * cosine;
  }
}

/// Rotation of a rotation vector, I + a [w]x + b [w]x^2 (Rodrigues), and its left Jacobian J, for which
/// d exp(w) = [J dw]x exp(w): I + b [w]x + c [w]x^2 (Sola, Deray and Atchuthan 2018, "A micro Lie theory
/// for state estimation in robotics", eq. 143-145). Here [w]x^2 = w w^T - |w|^2 I is written out.
template <class V>
void exponential(const Vec3<V>& w, Mat3<V>& rotation, Mat3<V>& jacobian) {
  using E = typename V::Scalar;
  const V xx = w[0] * w[0], yy = w[1] * w[1], zz = w[2] * w[2];
  const V xy = w[0] * w[1], xz = w[0] * w[2], yz = w[1] * w[2], one = V(E(1));
  V a, b, c;
  exp_coefficients(xx + yy + zz, a, b, c);
  const V ax = a * w[0], ay = a * w[1], az = a * w[2], bx = b * w[0], by = b * w[1], bz = b * w[2];
  rotation = {{one - b * (yy + zz), b * xy - az, b * xz + ay, b * xy + az, one - b * (xx + zz), b * yz - ax,
               b * xz - ay, b * yz + ax, one - b * (xx + yy)}};
  jacobian = {{one - c * (yy + zz), c * xy - bz, c * xz + by, c * xy + bz, one - c * (xx + zz), c * yz - bx,
               c * xz - by, c * yz + bx, one - c * (xx + yy)}};
}

/// A square matrix whose rows are `stride` numbers apart; of a symmetric one only the lower triangle counts.
template <class V>
struct Square {
  Span<V> values;
  int stride;
  RETARGET_INLINE Span<V> operator[](int row) const { return values.part(row * stride, stride); }
};

/// L D L^T of a symmetric A (lower triangle), in place: A then holds L D below, 1 / D on the diagonal.
/// Cholesky's factorization without its square roots (Golub and Van Loan 2013, "Matrix computations",
/// section 4.1); without pivoting either, which a positive definite A does not need.
template <class V>
void factorize(Square<V> A, int n) {
  for (int j = 0; j < n; ++j) {
    const V inverse = A[j][j] = V(typename V::Scalar(1)) / A[j][j];
    for (int i = j + 1; i < n; ++i) {
      const V l = A[i][j] * inverse;
      for (int k = j + 1; k <= i; ++k) A[i][k] -= l * A[k][j];
    }
  }
}

/// Solve A x = b in place, A being factorized.
template <class V>
void substitute(Square<V> A, V* b, int n) {
  for (int j = 0; j < n; ++j) {
    b[j] *= A[j][j];
    for (int i = j + 1; i < n; ++i) b[i] -= A[i][j] * b[j];
  }
  for (int i = n - 1; i > 0; --i)
    for (int j = 0; j < i; ++j) b[j] -= A[j][j] * A[i][j] * b[i];
}

}  // namespace RETARGET_ISA
