// The Python class Mlp.
#include <deque>

#include "core/dispatch.hpp"
#include "mlp/network.hpp"
#include "python/arrays.hpp"

namespace retarget {
namespace {

using Object = nb::handle;

void make(Mlp* self, const nb::list& weights_, const nb::list& biases_, Object lower_, Object upper_,
          const std::string& isa) {
  require(weights_.size() == biases_.size(), "there must be as many weights as biases");
  require(weights_.size() >= 1 && weights_.size() <= kMaxLayers, "there must be 1 to 8 layers");
  std::deque<Doubles> lent;
  std::vector<MlpLayer> layers;
  long networks = 0, inputs = 0;
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    const Doubles& w = lent.emplace_back(weights_[k], "weights");
    const Doubles& b = lent.emplace_back(biases_[k], "biases");
    const long count = w.rows(3), outputs = w.length(2);
    if (k == 0) networks = count, inputs = w.length(1);
    require(networks <= 64, "at most 64 networks can be evaluated together");
    require(inputs >= 1 && inputs <= kMaxWidth && outputs >= 1 && outputs <= kMaxWidth,
            "a layer must have 1 to 1024 inputs and outputs");
    layers.push_back({int(inputs), int(outputs), w.checked_rows({networks, inputs, outputs}),
                      b.checked_rows({networks, outputs})});
    inputs = outputs;
  }
  const Doubles lower(lower_, "lower"), upper(upper_, "upper");
  const Rows<const double> low = lower.checked_rows({networks, inputs}),
                           high = upper.checked_rows({networks, inputs});
  for (long i = 0; i < networks * inputs; ++i)
    require(lower.values()[i] <= upper.values()[i], "lower must not exceed upper");
  new (self) Mlp(layers, low, high, find_kernels(isa));
}

/// inputs and outputs are (frames, networks, sizes), whatever axes a frame's index is spread over.
void run(const Mlp& self, Object inputs_, bool clamp, int threads, Object outputs_) {
  const MlpModel& model = self.model();
  const Doubles inputs(inputs_, "inputs");
  const Lent<double> outputs(outputs_, "outputs");
  const int networks = model.networks, in = model.sizes[0], out = model.sizes[model.layers];
  const long frames = inputs.size() / (long(networks) * in);
  require(frames >= 1, "there must be at least one frame");
  require(inputs.size() == frames * networks * in && outputs.size() == frames * networks * out,
          "inputs and outputs must have the networks' sizes and one number of frames");
  require(threads >= 0, "threads must not be negative");
  const nb::gil_scoped_release release;
  self.run({inputs.values(), networks, in}, {outputs.values(), networks, out}, clamp, threads);
}

}  // namespace

void bind_mlp(nb::module_& m) { nb::class_<Mlp>(m, "Mlp").def("__init__", make).def("run", run); }

}  // namespace retarget
