// The instruction sets built in, asked of the processor.
#include "core/dispatch.hpp"

#include <stdexcept>

// each is defined by core/kernels.cpp, compiled with that set's flags
namespace retarget_baseline {
extern const retarget::Kernels kernels;
}
#ifdef RETARGET_X86
namespace retarget_fma {
extern const retarget::Kernels kernels;
}
namespace retarget_avx2 {
extern const retarget::Kernels kernels;
}
namespace retarget_avx512 {
extern const retarget::Kernels kernels;
}
#endif

namespace retarget {

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> found;
#ifdef RETARGET_X86
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
    found.push_back(&retarget_avx512::kernels);
  if (avx2) found.push_back(&retarget_avx2::kernels);
#endif
  found.push_back(&retarget_baseline::kernels);
  return found;
}

namespace {
/// Registers of two numbers, for fits of a frame or two; walks of arms are not promised to be the same by
/// them to the last bit.
const Kernels& narrow_kernels() {
#ifdef RETARGET_X86
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return retarget_fma::kernels;
#endif
  return retarget_baseline::kernels;
}
}  // namespace

const Kernels& find_kernels(const std::string& isa) {
  std::string names;
  if (isa == "narrow") return narrow_kernels();
  for (const Kernels* kernels : available_kernels()) {
    if (isa.empty() || isa == kernels->isa) return *kernels;
    names += (names.empty() ? "" : ", ") + std::string(kernels->isa);
  }
  throw std::invalid_argument("isa must be one of " + names + " on this machine, got '" + isa + "'");
}

}  // namespace retarget
