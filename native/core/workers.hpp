// The threads of one call: how many are worth their start, and what becomes of their exceptions.
#pragma once
#include <exception>
#include <thread>
#include <vector>

namespace retarget {

/// Threads worth starting: as many as asked for (0: one per core), but none for fewer than `enough` frames.
int useful_threads(int asked, long frames, long enough);

/// Run work(0) ... work(count - 1), each on its own thread, the first on the caller's. What one of them
/// throws is thrown here once all have ended; of several exceptions, that of the first worker.
template <class Work>
void run_workers(int count, const Work& work) {
  if (count == 1) return work(0);
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(count));
  const auto guarded = [&](int worker) {
    try {
      work(worker);
    } catch (...) {
      failures[std::size_t(worker)] = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  others.reserve(std::size_t(count));
  try {
    for (int i = 1; i < count; ++i) others.emplace_back(guarded, i);
  } catch (...) {
    // no more threads to be had: those that run do the rest
  }
  guarded(0);
  for (std::thread& other : others) other.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace retarget
