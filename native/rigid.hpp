// Wanted poses as users give them: which are missing, which are no rigid transforms.
#pragma once

namespace retarget {

enum class PoseFault { kNone, kMissing, kNotOrthonormal, kReflection, kLastRow };

/// out = base * T with T's rotation brought to the nearest orthonormal one, (4, 4) all; nothing is
/// written where T has entries that are not finite (kMissing) or is no rigid transform.
PoseFault read_pose(const double* T, const double* base, double* out);

/// Throws std::invalid_argument, naming the flat index.
[[noreturn]] void refuse_pose(PoseFault fault, long index);

}  // namespace retarget
