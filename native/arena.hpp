// One block of memory, handed out piece by piece: the workspace of one thread.
#pragma once
#include "simd.hpp"

namespace RETARGET_ISA {

/// With no memory it only counts, so that the same calls first measure and then take.
class Arena {
 public:
  explicit Arena(void* memory) : memory_(static_cast<char*>(memory)) {}

  /// count zeroed values, aligned for Packs.
  template <class T>
  T* take(long count) {
    char* piece = memory_ + used_;
    used_ += (count * long(sizeof(T)) + 63) / 64 * 64;
    for (long i = 0; memory_ && i < count; ++i) reinterpret_cast<T*>(piece)[i] = T{};
    return reinterpret_cast<T*>(piece);
  }
  long used() const { return used_; }

 private:
  char* memory_;
  long used_ = 0;
};

}  // namespace RETARGET_ISA
