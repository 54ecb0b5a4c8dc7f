// What travels between the networks' users and their kernel.
#pragma once
#include "core/span.hpp"

namespace retarget {

constexpr int kMaxLayers = 8;
constexpr int kMaxWidth = 1024;
constexpr int kLine = 8;    // layers are rounded up to so many outputs: 64 bytes
constexpr int kPanel = 32;  // outputs whose weights lie together

/// The outputs that a layer has room for.
RETARGET_INLINE int rounded(int size) { return (size + kLine - 1) / kLine * kLine; }

/// Perceptrons of one shape, one a hand: x -> x W + b, with SiLU between the layers. A network's numbers
/// lie in the order of their use, 64-byte aligned: per layer the biases, then W in panels of kPanel
/// outputs (the last as wide as is left), each (inputs, width).
struct MlpModel {
  int networks, layers;
  int sizes[kMaxLayers + 1];        // inputs, hidden layers, outputs
  int widest;                       // layer or input, rounded up to kLine
  Rows<const double> numbers;       // a row a network
  Rows<const double> lower, upper;  // (networks, outputs)
};

/// Frames to map, to the networks' limits if `clamp`.
struct MlpBatch {
  Grid<const double> inputs;  // (frames, networks) of inputs
  Grid<double> outputs;       // (frames, networks) of outputs
  bool clamp;
  long next;  // the next frame nobody has taken
};

/// See core/kernels.hpp.
struct MlpKernels {
  long (*workspace)(const MlpModel&);  // bytes one worker needs, 64-byte aligned
  void (*run)(const MlpModel&, MlpBatch&, Span<char> workspace);
};

}  // namespace retarget
