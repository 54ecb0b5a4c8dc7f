// Mlp: owns the numbers of several perceptrons in the order in which the kernel reads them.
#pragma once
#include <vector>

#include "core/kernels.hpp"

namespace retarget {

/// One layer of all networks.
struct MlpLayer {
  int inputs, outputs;
  Rows<const double> weights, biases;  // (networks, inputs outputs), (networks, outputs)
};

class Mlp {
 public:
  /// lower and upper are (networks, outputs).
  Mlp(const std::vector<MlpLayer>& layers, Rows<const double> lower, Rows<const double> upper,
      const Kernels& kernels);
  Mlp(const Mlp&) = delete;
  const MlpModel& model() const { return model_; }

  /// Map all frames of (frames, networks) of inputs; one with an input that is not finite gives NaN.
  void run(Grid<const double> inputs, Grid<double> outputs, bool clamp, int threads) const;

 private:
  MlpModel model_{};
  const Kernels& kernels_;
  std::vector<double> numbers_, lower_, upper_;
};

}  // namespace retarget
