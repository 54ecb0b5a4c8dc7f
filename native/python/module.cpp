// The Python module retarget.core._native; its users are retarget/human/native.py,
// retarget/human/native_keypoints.py, retarget/robot/arm/native.py, retarget/mapping (network.py,
// hand_map.py, live_hands.py), retarget/actions/ensembler.py and
// retarget/control.
#include "core/dispatch.hpp"
#include "core/workers.hpp"
#include "python/arrays.hpp"

using namespace retarget;

NB_MODULE(_native, m) {
  m.def("isas", [] {
    std::vector<std::string> names;
    for (const Kernels* kernels : available_kernels()) names.emplace_back(kernels->isa);
    return names;
  });
  m.def("lanes", [](const std::string& isa) {
    const Kernels& kernels = find_kernels(isa);
    return nb::make_tuple(kernels.f64.lanes, kernels.f32.lanes);
  });
  m.def("cores", [] { return useful_threads(0, 1L << 40, 1); });
  m.def("compiler", [] { return std::string(__VERSION__); });
  bind_hand(m);
  bind_arm(m);
  bind_mlp(m);
  bind_control(m);
  bind_map(m);
  bind_live(m);
}
