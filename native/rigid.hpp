// Wanted poses as users give them: which are missing, which are no rigid transforms.
#pragma once

namespace retarget {

/// out = base * T with T's rotation brought to the nearest orthonormal one. False where an entry is
/// not finite; throws std::invalid_argument (naming the flat index) where T is no rigid transform.
bool prepare_pose(const double* T, const double* base, long index, double* out);

}  // namespace retarget
