// Numbers of perceptrons packed for the kernel, and frames spread over threads.
#include "mlp/network.hpp"

#include <algorithm>
#include <cstdint>

#include "core/workers.hpp"
#include "core/workspace.hpp"

namespace retarget {
namespace {

double* pack(const MlpLayer& layer, int network, double* to) {
  const int in = layer.inputs, out = layer.outputs, width = rounded(out);
  const Span<const double> weights = layer.weights[network], biases = layer.biases[network];
  std::copy(biases.begin(), biases.end(), to);
  to += width;
  for (int panel = 0; panel < width; panel += kPanel) {
    const int wide = std::min(kPanel, width - panel), real = std::min(wide, out - panel);
    for (int i = 0; i < in; ++i, to += wide) {
      const Span<const double> row = weights.part(i * out + panel, real);
      std::copy(row.begin(), row.end(), to);
    }
  }
  return to;
}

std::vector<double> values(Rows<const double> rows) {
  std::vector<double> all;
  for (long i = 0; i < rows.count(); ++i) all.insert(all.end(), rows[i].begin(), rows[i].end());
  return all;
}

}  // namespace

Mlp::Mlp(const std::vector<MlpLayer>& layers, Rows<const double> lower, Rows<const double> upper,
         const Kernels& kernels)
    : kernels_(kernels), lower_(values(lower)), upper_(values(upper)) {
  const int networks = int(lower.count());
  long per_network = 0;
  model_.networks = networks;
  model_.layers = int(layers.size());
  model_.sizes[0] = layers[0].inputs;
  model_.widest = rounded(layers[0].inputs);
  for (std::size_t k = 0; k < layers.size(); ++k) {
    const int width = rounded(layers[k].outputs);
    model_.sizes[k + 1] = layers[k].outputs;
    model_.widest = std::max(model_.widest, width);
    per_network += (layers[k].inputs + 1L) * width;
  }
  // one line more than needed, so that the first number can lie on a line's begin
  numbers_.assign(std::size_t(per_network * networks + kLine), 0.0);
  double* to = numbers_.data();
  while (reinterpret_cast<std::uintptr_t>(to) % (kLine * sizeof(double))) ++to;
  model_.numbers = {to, networks, per_network, per_network};
  for (int network = 0; network < networks; ++network)
    for (const MlpLayer& layer : layers) to = pack(layer, network, to);
  model_.lower = Rows<const double>(lower_, lower.width());
  model_.upper = Rows<const double>(upper_, upper.width());
}

void Mlp::run(Grid<const double> inputs, Grid<double> outputs, bool clamp, int threads) const {
  constexpr long kFramesPerThread = 256;  // a thread costs tens of microseconds; these a few hundred
  MlpBatch batch{inputs, outputs, clamp, 0};
  threads = useful_threads(threads, outputs.count(), kFramesPerThread);
  const Workspaces workspaces(threads, kernels_.mlp.workspace(model_));
  run_workers(threads, [&](int worker) { kernels_.mlp.run(model_, batch, workspaces[worker]); });
}

}  // namespace retarget
