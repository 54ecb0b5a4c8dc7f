// The entry points of one instruction set: compiled once for each, with its own flags and its own
// RETARGET_ISA namespace. All headers that use that namespace are compiled here and nowhere else.
#include "core/kernels.hpp"

#include "arm/kernels.hpp"
#include "hand/kernels.hpp"
#include "mlp/forward.hpp"

namespace RETARGET_ISA {
namespace {

template <class E>
constexpr retarget::KernelsOf<E> kernels_of() {
  return {Pack<E>::lanes, hand_kernels<E>(), arm_kernels<E>()};
}

}  // namespace

// constant, so that nothing of this file runs before it is chosen
extern const retarget::Kernels kernels;
constexpr retarget::Kernels kernels = {
    RETARGET_ISA_NAME, kernels_of<double>(), kernels_of<float>(), {read_pose, nearest}, {mlp_workspace, mlp}};

}  // namespace RETARGET_ISA
