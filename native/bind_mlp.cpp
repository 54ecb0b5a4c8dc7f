// The Python class Mlp, and points of posed hands.
#include <deque>

#include "bindings.hpp"
#include "dispatch.hpp"
#include "hand_solver.hpp"
#include "mlp_model.hpp"
#include "workspace.hpp"

namespace retarget {
namespace {

using Object = nb::handle;

// a thread costs tens of microseconds; so many frames take a few hundred
constexpr long kFramesPerThread = 256;

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
    layers.push_back(
        {int(inputs), int(outputs), w.checked({networks, inputs, outputs}), b.checked({networks, outputs})});
    inputs = outputs;
  }
  const Doubles lower(lower_, "lower"), upper(upper_, "upper");
  const double *low = lower.checked({networks, inputs}), *high = upper.checked({networks, inputs});
  for (long i = 0; i < networks * inputs; ++i) require(low[i] <= high[i], "lower must not exceed upper");
  new (self) Mlp(int(networks), layers, low, high, find_kernels(isa));
}

/// inputs and outputs are (frames, networks, sizes), whatever axes a frame's index is spread over.
void run(const Mlp& self, Object inputs_, bool clamp, int threads, Object outputs_) {
  const MlpModel& model = self.model();
  const Doubles inputs(inputs_, "inputs");
  const Lent<double> outputs(outputs_, "outputs");
  const long in = long(model.networks) * model.sizes[0],
             out = long(model.networks) * model.sizes[model.layers];
  MlpBatch batch{inputs.size() / in, inputs.data(), outputs.data(), clamp, 0};
  require(batch.frames >= 1, "there must be at least one frame");
  require(inputs.size() == batch.frames * in && outputs.size() == batch.frames * out,
          "inputs and outputs must have the networks' sizes and one number of frames");
  require(threads >= 0, "threads must not be negative");
  const nb::gil_scoped_release release;
  threads = useful_threads(threads, batch.frames, kFramesPerThread);
  const Workspaces workspaces(threads, self.kernels().mlp_workspace(model));
  run_workers(threads, [&](int worker) { self.kernels().mlp(model, batch, workspaces[worker]); });
}

/// Points of several hands: coefficients (frames, hands, components), points (frames, hands, points, 3).
void points(const std::vector<const HandSolver*>& hands, Object coefficients_, int threads,
            const std::string& isa, Object points_) {
  const Kernels& kernels = find_kernels(isa);
  const Doubles coefficients(coefficients_, "coefficients");
  const Lent<double> out(points_, "points");
  require(!hands.empty(), "there must be at least one hand");
  const long K = hands[0]->unknowns(), P = hands[0]->points(), H = long(hands.size());
  for (const HandSolver* hand : hands)
    require(hand && hand->components() == K && hand->unknowns() == K && hand->points() == P,
            "hands must have the same points and components, and fixed wrists");
  const long frames = coefficients.rows(3);
  PointsBatch batch{frames,
                    coefficients.checked({frames, H, K}, false),
                    out.checked({frames, H, P, 3}, false),
                    H * K,
                    3 * H * P,
                    0};
  require(threads >= 0, "threads must not be negative");
  const nb::gil_scoped_release release;
  threads = useful_threads(threads, frames, kFramesPerThread);
  for (const HandSolver* hand : hands) {
    const HandModel<double>& model = hand->model();
    const Workspaces workspaces(threads, kernels.f64.points_workspace(model));
    batch.next = 0;
    run_workers(threads, [&](int worker) { kernels.f64.hand_points(model, batch, workspaces[worker]); });
    batch.coefficients += K;
    batch.points += 3 * P;
  }
}

}  // namespace

void bind_mlp(nb::module_& m) {
  nb::class_<Mlp>(m, "Mlp").def("__init__", make).def("run", run);
  m.def("hand_points", points);
}

}  // namespace retarget
