// Angles: sine and cosine of any angle, and the logarithm of a rotation.
#pragma once
#include "simd/linalg.hpp"

namespace RETARGET_ISA {

/// Nearest whole number, by the rounding of an addition to 1.5 * 2^(mantissa bits - 1).
template <class V>
V nearest_whole(V x) {
  using E = typename V::Scalar;
  const V big = V(sizeof(E) == 8 ? E(6755399441055744.) : E(12582912.f));
  return (x + big) - big;
}

/// (-1)^(k / 2) / k!, the factors of sine's and cosine's series.
struct InverseFactorials {
  double of[23];
  constexpr InverseFactorials() : of{} {
    of[0] = of[1] = 1;
    for (int k = 2; k < 23; ++k) of[k] = -of[k - 2] / (k * (k - 1));
  }
};

/// sin(q) and cos(q): whole turns are taken off (Cody and Waite 1980, "Software manual for the elementary
/// functions", ch. 8), Taylor series at half of what is left, then the double-angle formulas.
template <class V>
void sine_cosine(V q, V& sine, V& cosine) {
  using E = typename V::Scalar;
  const V turns = nearest_whole(q * V(E(0.15915494309189535)));
  // pi in two parts, so that what is lost in the first is regained by the second
  constexpr E pi = E(3.141592653589793238);
  constexpr E remainder = sizeof(E) == 8 ? E(1.2246467991473532e-16) : E(-8.742278e-8);
  const V x = q * V(E(0.5)) - turns * V(pi) - turns * V(remainder), y = x * x;
  constexpr InverseFactorials factor;
  constexpr int last = sizeof(E) == 8 ? 22 : 14;  // y^11 / 22! and y^7 / 14! are lost in rounding
  V c = V(E(factor.of[last])), s = V(E(factor.of[last - 1]));
#pragma GCC unroll 12
  for (int k = last - 2; k >= 2; k -= 2) {
    c = V(E(factor.of[k])) + y * c;
    s = V(E(factor.of[k - 1])) + y * s;
  }
  c = V(E(1)) + y * c;
  s = x * s;
  sine = (s + s) * c;
  cosine = V(E(1)) - (s + s) * s;
}

/// log(R): rotation vector of angle in [0, pi]. R is read as a quaternion by the formula with the
/// largest pivot (Shepperd 1978, "Quaternion from rotation matrix"); the angle is 16 atan(tan(angle / 16)),
/// by tan(x / 2) = tan x / (1 + sqrt(1 + tan^2 x)) and Taylor's series.
template <class V>
Vec3<V> logarithm(const Mat3<V>& R) {
  using E = typename V::Scalar;
  const V one = V(E(1)), zero = V(E(0));
  const V d[3] = {R(0, 0), R(1, 1), R(2, 2)};
  const Vec3<V> skew{{R(2, 1) - R(1, 2), R(0, 2) - R(2, 0), R(1, 0) - R(0, 1)}};
  // 4 w q and 4 x q, 4 y q, 4 z q, of which the longest is kept
  V longest = one + d[0] + d[1] + d[2];
  V w = longest;
  Vec3<V> v = skew;
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    const V pivot = one + d[i] - d[j] - d[k];
    const auto better = pivot > longest;
    longest = max(longest, pivot);
    w = select(better, skew[i], w);
    v[i] = select(better, pivot, v[i]);
    v[j] = select(better, R(i, j) + R(j, i), v[j]);
    v[k] = select(better, R(i, k) + R(k, i), v[k]);
  }
  V scale = one / sqrt(w * w + dot(v, v));
  scale = select(w < zero, -scale, scale);  // scalar part >= 0: the shorter way round
  w = w * scale;
  const V sine2 = dot(v, v) * scale * scale;  // of angle / 2
  const V first = one + w;
  const V t2 = sine2 / (first * first), second = one + sqrt(one + t2);  // tan^2(angle / 4)
  const V u2 = t2 / (second * second), third = one + sqrt(one + u2);    // tan^2(angle / 8)
  const V y = u2 / (third * third);                                     // tan^2(angle / 16)
  V series = V(E(1. / 25));
  for (int k = 11; k >= 0; --k) series = V(E(1. / (2 * k + 1))) - y * series;
  return (V(E(16)) * series * scale / (first * second * third)) * v;
}

}  // namespace RETARGET_ISA
