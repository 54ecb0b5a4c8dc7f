// Aligned memory for the workers of one call.
#pragma once
#include <cstddef>
#include <new>

namespace retarget {

class Workspaces {
 public:
  Workspaces(int count, long bytes) : bytes_(std::size_t(bytes)) {
    memory_ = static_cast<char*>(::operator new(bytes_* std::size_t(count), kAlignment));
  }
  ~Workspaces() { ::operator delete(memory_, kAlignment); }
  Workspaces(const Workspaces&) = delete;
  void* operator[](int worker) const { return memory_ + bytes_ * std::size_t(worker); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  std::size_t bytes_;
  char* memory_;
};

}  // namespace retarget
