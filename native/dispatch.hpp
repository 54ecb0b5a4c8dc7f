// Which instruction sets are built in, which run here, and the threads that run them.
#pragma once
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "kernels.hpp"

namespace retarget {

/// The sets this machine can run, best first.
std::vector<const Kernels*> available_kernels();

/// The named set, or the best one for an empty name; throws std::invalid_argument for one that cannot run.
const Kernels& find_kernels(const std::string& isa);

/// Threads worth starting: as many as asked for (0: one per core), but none for fewer than `enough` frames.
int useful_threads(int asked, long frames, long enough);

/// Run work(0) ... work(count - 1), each on its own thread, the first on the caller's.
template <class Work>
void run_workers(int count, const Work& work) {
  std::vector<std::thread> others;
  others.reserve(std::size_t(count));
  try {
    for (int i = 1; i < count; ++i) others.emplace_back(work, i);
  } catch (const std::system_error&) {
    // no more threads to be had: those that run do the rest
  }
  work(0);
  for (std::thread& other : others) other.join();
}

}  // namespace retarget
