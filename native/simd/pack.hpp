// Pack: a handful of numbers, one per frame, that are computed on together.
//
// The solvers are written as if for one number; a Pack makes each formula run for several independent
// frames at once, one in each SIMD lane (a lane, in names and comments of this code). SIMD lanes never mix:
// the only operations that look across them are any(), word(), each_lane() and access by index. Built on the
// vector extensions of GCC and Clang, so one source serves SSE2, AVX2, AVX-512 and NEON.
#pragma once

#ifndef RETARGET_ISA
#error "name the namespace of this instruction set: -DRETARGET_ISA=retarget_avx2"
#endif

/// Before a function: everything that it calls becomes part of it. A call would carry packs through memory.
#define RETARGET_FLAT __attribute__((flatten))

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/span.hpp"

namespace RETARGET_ISA {

using retarget::Grid;
using retarget::Rows;
using retarget::Span;

// RETARGET_NARROW: registers of two numbers whatever the set has, for calls of one frame or two
#if defined(__AVX512F__) && !defined(RETARGET_NARROW)
#define RETARGET_PACK_BYTES 64
#elif defined(__AVX__) && !defined(RETARGET_NARROW)
#define RETARGET_PACK_BYTES 32
#else
#define RETARGET_PACK_BYTES 16
#endif
constexpr int kPackBytes = RETARGET_PACK_BYTES;

template <class E>
struct Register;
template <>
struct Register<float> {
  typedef float Values __attribute__((vector_size(kPackBytes)));
  typedef int Bits __attribute__((vector_size(kPackBytes)));
};
template <>
struct Register<double> {
  typedef double Values __attribute__((vector_size(kPackBytes)));
  typedef long long Bits __attribute__((vector_size(kPackBytes)));
};

/// Yes or no, per lane (all bits set or none).
template <class E>
struct Mask {
  static constexpr int lanes = kPackBytes / int(sizeof(E));
  using Bits = typename Register<E>::Bits;
  Bits bits;

  bool operator[](int lane) const { return bits[lane] != 0; }
  void set(int lane, bool value) { bits[lane] = value ? -1 : 0; }
  friend Mask operator&(Mask a, Mask b) { return {a.bits & b.bits}; }
  friend Mask operator|(Mask a, Mask b) { return {a.bits | b.bits}; }
  friend Mask operator~(Mask a) { return {~a.bits}; }
  bool any() const { return word() != 0; }

  /// A bit per lane: what branches and loops over SIMD lanes look at.
  unsigned word() const {
    // one instruction where there is one; compilers take SIMD lanes out one by one
#if RETARGET_PACK_BYTES == 64
    if constexpr (sizeof(E) == 8) return unsigned(_mm512_movepi64_mask((__m512i)bits));
    else return unsigned(_mm512_movepi32_mask((__m512i)bits));
#elif RETARGET_PACK_BYTES == 32
    if constexpr (sizeof(E) == 8) return unsigned(_mm256_movemask_pd((__m256d)bits));
    else return unsigned(_mm256_movemask_ps((__m256)bits));
#elif defined(__SSE2__)
    if constexpr (sizeof(E) == 8) return unsigned(_mm_movemask_pd((__m128d)bits));
    else return unsigned(_mm_movemask_ps((__m128)bits));
#else
    unsigned seen = 0;
    for (int lane = 0; lane < lanes; ++lane) seen |= unsigned(bits[lane] != 0) << lane;
    return seen;
#endif
  }
};

/// work(lane) for every lane that is set.
template <class E, class Work>
void each_lane(Mask<E> mask, const Work& work) {
  for (unsigned left = mask.word(); left; left &= left - 1) work(__builtin_ctz(left));
}

template <class E>
struct Pack {
  using Scalar = E;
  static constexpr int lanes = Mask<E>::lanes;
  using Values = typename Register<E>::Values;
  Values values;

  Pack() = default;
  Pack(Values v) : values(v) {}
  Pack(E scalar) : values(scalar - Values{}) {}  // every lane; s - 0 == s for every s, also -0

  E operator[](int lane) const { return values[lane]; }
  void set(int lane, E value) { values[lane] = value; }

  friend Pack operator+(Pack a, Pack b) { return a.values + b.values; }
  friend Pack operator-(Pack a, Pack b) { return a.values - b.values; }
  friend Pack operator*(Pack a, Pack b) { return a.values * b.values; }
  friend Pack operator/(Pack a, Pack b) { return a.values / b.values; }
  Pack operator-() const { return -values; }
  Pack& operator+=(Pack b) {
    values += b.values;
    return *this;
  }
  Pack& operator-=(Pack b) {
    values -= b.values;
    return *this;
  }
  Pack& operator*=(Pack b) {
    values *= b.values;
    return *this;
  }

  friend Mask<E> operator<(Pack a, Pack b) { return {a.values < b.values}; }
  friend Mask<E> operator>(Pack a, Pack b) { return {a.values > b.values}; }
  friend Mask<E> operator<=(Pack a, Pack b) { return {a.values <= b.values}; }
  friend Mask<E> operator>=(Pack a, Pack b) { return {a.values >= b.values}; }
};

/// yes where the mask is set, no elsewhere: mask ? yes : no, lane by lane.
template <class E>
Pack<E> select(Mask<E> mask, Pack<E> yes, Pack<E> no) {
  return mask.bits ? yes.values : no.values;
}
/// min and max give b where a number is NaN.
template <class E>
Pack<E> min(Pack<E> a, Pack<E> b) {
  return a.values < b.values ? a.values : b.values;
}
template <class E>
Pack<E> max(Pack<E> a, Pack<E> b) {
  return a.values > b.values ? a.values : b.values;
}
template <class E>
Pack<E> abs(Pack<E> a) {
  return a.values < 0 ? -a.values : a.values;
}
template <class E>
Pack<E> clamp(Pack<E> x, Pack<E> low, Pack<E> high) {
  return min(max(x, low), high);
}
/// Of one number; NaN stays NaN.
template <class E>
E clamp_one(E x, E low, E high) {
  return x < low ? low : x > high ? high : x;
}
inline float root(float x) { return __builtin_sqrtf(x); }
inline double root(double x) { return __builtin_sqrt(x); }
/// Lane by lane, of which compilers make one instruction.
template <class E>
Pack<E> sqrt(Pack<E> a) {
  Pack<E> r;
  for (int lane = 0; lane < Pack<E>::lanes; ++lane) r.values[lane] = root(E(a.values[lane]));
  return r;
}

}  // namespace RETARGET_ISA
