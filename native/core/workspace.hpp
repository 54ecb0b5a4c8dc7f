// Aligned memory for the workers of one call.
#pragma once
#include <cstddef>
#include <new>

#include "core/span.hpp"

namespace retarget {

class Workspaces {
 public:
  Workspaces(int count, long bytes) : bytes_(bytes) {
    memory_ = static_cast<char*>(::operator new(std::size_t(bytes * count), kAlignment));
  }
  ~Workspaces() { ::operator delete(memory_, kAlignment); }
  Workspaces(const Workspaces&) = delete;
  Span<char> operator[](int worker) const { return {memory_ + bytes_ * worker, bytes_}; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  long bytes_;
  char* memory_;
};

}  // namespace retarget
