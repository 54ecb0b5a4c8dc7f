// Small perceptrons: a neuron in each SIMD lane, several frames at a time.
//
// Each output is bias + x_0 w_0 + x_1 w_1 + ... summed in this order, whatever the number of frames that
// are worked on together: what a frame gives does not depend on its company. (Weights are read once for
// kDeep frames; a frame in each SIMD lane would read them as often, but compute a whole pack for one frame.)
#pragma once
#include "mlp/batch.hpp"
#include "simd/pack.hpp"

namespace RETARGET_ISA {
namespace {

using Real = Pack<double>;

inline Real load(const double* from) {
  Real r;
  __builtin_memcpy(&r.values, from, sizeof r.values);
  return r;
}
inline void store(Real r, double* to) { __builtin_memcpy(to, &r.values, sizeof r.values); }

constexpr int kWide = 4;  // packs of outputs summed at a time
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kDeep = 6;  // frames at a time: kDeep * kWide sums stay in 32 registers
#else
constexpr int kDeep = 3;  // ... in 16
#endif
constexpr int kTogether = 4 * kDeep;  // frames that pass all layers together, to stay in cache

/// e^y for |y| <= 700, to 1e-14: y = n ln 2 + r, Taylor's series of e^r, and 2^n by adding n to the
/// exponent's bits. Cody and Waite (1980), "Software Manual for the Elementary Functions", ch. 6.
inline Real exponential(Real y) {
  using Bits = unsigned long long __attribute__((vector_size(kPackBytes)));
  const Real shift = Real(0x1.8p52);  // leaves n, rounded, in the lowest bits of the sum
  const Real n_shifted = y * Real(0x1.71547652b82fep0) + shift;
  const Real n = n_shifted - shift;
  const Real r = (y - n * Real(0x1.62e42feep-1)) - n * Real(0x1.a39ef35793c76p-33);
  Real sum = Real(1.0 / 39916800);
  constexpr double factors[] = {1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120,
                                1.0 / 24,      1.0 / 6,      1.0 / 2,     1.0,        1.0};
  for (double factor : factors) sum = sum * r + Real(factor);
  Bits bits, exponent;
  __builtin_memcpy(&bits, &sum.values, sizeof bits);
  __builtin_memcpy(&exponent, &n_shifted.values, sizeof exponent);
  bits += exponent << 52;
  Real result;
  __builtin_memcpy(&result.values, &bits, sizeof bits);
  return result;
}

/// x / (1 + e^-x), "sigmoid linear unit" (Elfwing et al. 2018); NaN stays NaN.
inline Real silu(Real x) { return x / (Real(1.0) + exponential(clamp(-x, Real(-700.0), Real(700.0)))); }

/// deep frames' sums of wide packs of outputs.
template <int deep, int wide>
void sum_tile(const double* x, double* y, int stride, int inputs, const double* bias, const double* weights,
              int width) {
  constexpr int lanes = Real::lanes;
  Real sum[deep][wide];
  for (int f = 0; f < deep; ++f)
    for (int j = 0; j < wide; ++j) sum[f][j] = load(bias + j * lanes);
  for (int i = 0; i < inputs; ++i) {
    Real w[wide];
    for (int j = 0; j < wide; ++j) w[j] = load(weights + i * width + j * lanes);
    for (int f = 0; f < deep; ++f) {
      const Real xi = Real(x[f * stride + i]);
      for (int j = 0; j < wide; ++j) sum[f][j] += xi * w[j];
    }
  }
  for (int f = 0; f < deep; ++f)
    for (int j = 0; j < wide; ++j) store(sum[f][j], y + f * stride + j * lanes);
}

template <int wide>
void sum_frames(const double* x, double* y, int frames, int stride, int inputs, const double* bias,
                const double* weights, int width) {
  int f = 0;
  for (; f + kDeep <= frames; f += kDeep)
    sum_tile<kDeep, wide>(x + f * stride, y + f * stride, stride, inputs, bias, weights, width);
  for (; f < frames; ++f)
    sum_tile<1, wide>(x + f * stride, y + f * stride, stride, inputs, bias, weights, width);
}

/// One layer of one network; returns where the next layer's numbers begin.
Span<const double> apply_layer(Span<const double> numbers, Rows<const double> x, Rows<double> y, int inputs,
                               int outputs) {
  constexpr int lanes = Real::lanes;
  const int frames = int(x.count()), stride = int(x.step());
  const Span<const double> bias = numbers.part(0, outputs);
  numbers = numbers.from(outputs);
  for (int panel = 0; panel < outputs; panel += retarget::kPanel) {
    const int left = outputs - panel, width = left < retarget::kPanel ? left : retarget::kPanel;
    const Span<const double> weights = numbers.part(0, long(inputs) * width);
    for (int j = 0; j < width;) {
      const int from = panel + j;
      const bool all = j + kWide * lanes <= width;
      (all ? sum_frames<kWide> : sum_frames<1>)(x.data(), y.data() + from, frames, stride, inputs,
                                                bias.data() + from, weights.data() + j, width);
      j += (all ? kWide : 1) * lanes;
    }
    numbers = numbers.from(weights.size());
  }
  return numbers;
}

long mlp_workspace(const retarget::MlpModel& model) {
  return 2L * kTogether * model.widest * long(sizeof(double));
}

/// Frames with an input that is not finite give NaN, from the network that got it.
void mlp(const retarget::MlpModel& model, retarget::MlpBatch& batch, Span<char> memory) {
  const int inputs = model.sizes[0], outputs = model.sizes[model.layers], stride = model.widest;
  const long half = mlp_workspace(model) / 2;
  double* const memory_x = reinterpret_cast<double*>(memory.part(0, half).data());
  double* const memory_y = reinterpret_cast<double*>(memory.part(half, half).data());
  const double nan = __builtin_nan("");
  for (;;) {
    const long first = __atomic_fetch_add(&batch.next, kTogether, __ATOMIC_RELAXED);
    const long left = batch.outputs.count() - first;
    if (left <= 0) return;
    const int frames = int(left < kTogether ? left : kTogether);
    for (int network = 0; network < model.networks; ++network) {
      Rows<double> x{memory_x, frames, stride, stride}, y{memory_y, frames, stride, stride};
      for (int f = 0; f < frames; ++f) {
        const Span<const double> from = batch.inputs(first + f, network);
        bool finite = true;
        for (int i = 0; i < inputs; ++i) finite &= __builtin_isfinite(from[i]) != 0;
        for (int i = 0; i < inputs; ++i) x[f][i] = finite ? from[i] : nan;
      }
      Span<const double> numbers = model.numbers[network];
      for (int layer = 0; layer < model.layers; ++layer) {
        const int width = retarget::rounded(model.sizes[layer + 1]);
        numbers = apply_layer(numbers, x, y, model.sizes[layer], width);
        for (int f = 0; f < frames && layer + 1 < model.layers; ++f)
          for (int j = 0; j < width; j += Real::lanes) store(silu(load(&y[f][j])), &y[f][j]);
        const Rows<double> swapped = x;
        x = y, y = swapped;
      }
      const Span<const double> lower = model.lower[network], upper = model.upper[network];
      for (int f = 0; f < frames; ++f) {
        const Span<double> to = batch.outputs(first + f, network);
        for (int i = 0; i < outputs; ++i) {
          const double q = x[f][i];
          to[i] = batch.clamp ? clamp_one(q, lower[i], upper[i]) : q;
        }
      }
    }
  }
}

}  // namespace
}  // namespace RETARGET_ISA
