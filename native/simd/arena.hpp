// One block of memory, handed out piece by piece: the workspace of one thread.
#pragma once
#include "simd/pack.hpp"

namespace RETARGET_ISA {

/// With no memory it only counts, so that the same calls first measure and then take.
class Arena {
 public:
  Arena() = default;
  explicit Arena(Span<char> memory) : memory_(memory) {}

  /// count zeroed values, aligned for Packs; where it only counts, none to be had.
  template <class T>
  Span<T> take(long count) {
    const long first = used_;
    used_ += (count * long(sizeof(T)) + 63) / 64 * 64;
    if (!memory_) return {nullptr, count};
    T* piece = reinterpret_cast<T*>(memory_.part(first, used_ - first).data());
    for (long i = 0; i < count; ++i) piece[i] = T{};
    return {piece, count};
  }
  long used() const { return used_; }

 private:
  Span<char> memory_;
  long used_ = 0;
};

}  // namespace RETARGET_ISA
