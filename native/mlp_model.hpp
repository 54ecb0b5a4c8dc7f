// Owns the numbers of several perceptrons in the order in which the kernels read them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace retarget {

/// One layer of all networks, row-major.
struct MlpLayer {
  int inputs, outputs;
  const double *weights, *biases;  // (networks, inputs, outputs), (networks, outputs)
};

class Mlp {
 public:
  Mlp(int networks, const std::vector<MlpLayer>& layers, const double* lower, const double* upper,
      const Kernels& kernels)
      : kernels_(kernels) {
    model_.networks = networks;
    model_.layers = int(layers.size());
    model_.sizes[0] = layers[0].inputs;
    model_.widest = rounded(layers[0].inputs);
    for (std::size_t k = 0; k < layers.size(); ++k) {
      const int width = rounded(layers[k].outputs);
      model_.sizes[k + 1] = layers[k].outputs;
      model_.widest = std::max(model_.widest, width);
      model_.per_network += (layers[k].inputs + 1L) * width;
    }
    // one line more than needed, so that the first number can lie on a line's begin
    numbers_.assign(std::size_t(model_.per_network * networks + kLine), 0.0);
    double* to = numbers_.data();
    while (reinterpret_cast<std::uintptr_t>(to) % (kLine * sizeof(double))) ++to;
    model_.numbers = to;
    for (int network = 0; network < networks; ++network)
      for (const MlpLayer& layer : layers) to = pack(layer, network, to);
    limits_.assign(lower, lower + networks * layers.back().outputs);
    limits_.insert(limits_.end(), upper, upper + networks * layers.back().outputs);
    model_.lower = limits_.data();
    model_.upper = limits_.data() + networks * layers.back().outputs;
  }
  Mlp(const Mlp&) = delete;

  const MlpModel& model() const { return model_; }
  const Kernels& kernels() const { return kernels_; }

 private:
  /// As mlp.hpp's: the kernels share no code with the rest (batch.hpp).
  static int rounded(int size) { return (size + kLine - 1) / kLine * kLine; }

  static double* pack(const MlpLayer& layer, int network, double* to) {
    const int in = layer.inputs, out = layer.outputs, width = rounded(out);
    const double *weights = layer.weights + long(network) * in * out, *biases = layer.biases + network * out;
    std::copy(biases, biases + out, to);
    to += width;
    for (int panel = 0; panel < width; panel += kPanel) {
      const int wide = std::min(kPanel, width - panel), real = std::min(wide, out - panel);
      for (int i = 0; i < in; ++i, to += wide)
        std::copy(weights + i * out + panel, weights + i * out + panel + real, to);
    }
    return to;
  }

  MlpModel model_{};
  const Kernels& kernels_;
  std::vector<double> numbers_, limits_;
};

}  // namespace retarget
