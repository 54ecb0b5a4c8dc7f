// What all parts of the core rely on, tried without Python: test_units.py builds this and runs each part.
#include <cstdio>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/span.hpp"
#include "core/workers.hpp"
#include "core/workspace.hpp"
#include "simd/arena.hpp"

using namespace retarget;

namespace {

int failures = 0;
void expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("FAILS: %s\n", what);
  ++failures;
}

/// What run_workers throws where some of four workers throw, and whether all were run.
std::string thrown(const std::vector<int>& failing) {
  std::vector<int> runs(4, 0);
  std::string message;
  try {
    run_workers(4, [&](int worker) {
      ++runs[std::size_t(worker)];
      for (const int f : failing)
        if (f == worker) throw std::runtime_error("worker " + std::to_string(worker));
    });
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  expect(runs == std::vector<int>(4, 1), "every worker runs once");
  return message;
}

void workers() {
  expect(thrown({}).empty(), "nothing is thrown where nothing was");
  expect(thrown({2}) == "worker 2", "an exception of a thread reaches the caller");
  expect(thrown({0}) == "worker 0", "so does one of the caller's own share, once all have ended");
  expect(thrown({3, 1}) == "worker 1", "of several the first worker's");
  bool alone = false;
  try {
    run_workers(1, [](int) { throw std::runtime_error("alone"); });
  } catch (const std::runtime_error&) {
    alone = true;
  }
  expect(alone, "a single worker's too");
  expect(useful_threads(8, 10, 100) == 1 && useful_threads(3, 1000, 100) == 3, "useful threads");
}

void arena() {
  RETARGET_ISA::Arena counting;
  const Span<double> none = counting.take<double>(3);
  expect(!none && none.size() == 3, "an arena without memory gives none");
  counting.take<char>(65);
  expect(counting.used() == 64 + 128, "and counts whole lines");
  const Workspaces memory(2, counting.used());
  std::memset(memory[1].data(), 1, std::size_t(memory[1].size()));
  RETARGET_ISA::Arena taking(memory[1]);
  const Span<double> numbers = taking.take<double>(3);
  expect(numbers && numbers[0] == 0 && numbers[2] == 0, "what it gives is zeroed");
  expect(taking.take<char>(65).data() == memory[1].data() + 64, "pieces follow each other");
}

void views() {
  std::vector<double> numbers(24);
  std::iota(numbers.begin(), numbers.end(), 0.0);
  const Span<const double> all = numbers;
  expect(all.part(3, 2)[1] == 4 && all.from(20).size() == 4, "parts");
  const Rows<const double> rows(all, 6);
  expect(rows.count() == 4 && rows[2][1] == 13, "rows");
  const Grid<const double> grid(all, 3, 4);  // (2, 3) of 4
  expect(grid.count() == 2 && grid(1, 2)[3] == 23 && grid.column(1)[1][0] == 16, "grids");
}

}  // namespace

int main(int count, char** arguments) {
  const std::string part = count > 1 ? arguments[1] : "";
  std::vector<double> numbers(6);
  const Rows<double> rows(numbers, 3);
  if (part == "value") rows[1][3] = 1;
  if (part == "row") rows[2][0] = 1;
  if (part == "part") Span<double>(numbers).part(4, 3)[0] = 1;
  if (!part.empty()) return 0;
  workers(), arena(), views();
  return failures;
}
