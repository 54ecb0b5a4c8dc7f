// What the stages of ArmSolver work on: reaches to be made, and one frame of several arms.
#pragma once
#include <algorithm>
#include <cmath>

#include "arm/solver.hpp"

namespace retarget {

/// Reaches to be made, with room for their results.
struct ArmSolver::Reaches {
  Rows<const double> targets;
  std::vector<long> pose;  // of targets, that each wants
  std::vector<double> numbers, position_error, rotation_error, start_cost, budget, room;
  std::vector<int> iterations;
  std::vector<unsigned char> converged;
  Rows<double> joints;  // the start, and then the result

  Reaches(Rows<const double> poses, std::size_t count, std::size_t n)
      : targets(poses),
        pose(count),
        numbers(count * n),
        position_error(count),
        rotation_error(count),
        start_cost(count),
        budget(count),
        iterations(count),
        converged(count),
        joints(numbers, long(n)) {}
  Reaches(const Reaches&) = delete;
};

/// One pose each of several arms, and what became of them.
struct ArmSolver::Solved {
  long joints_of_arm;
  std::vector<double> target_numbers, start_numbers, joint_numbers;
  std::vector<double> position_error, rotation_error, start_cost;
  std::vector<char> moving, reached, settled;
  std::vector<int> iterations;
  Rows<double> targets, start, joints;  // T_base_wrist (16), (n), (n)

  Solved(std::size_t count, std::size_t n) : joints_of_arm(long(n)) { resize(count); }
  Solved(const Solved&) = delete;

  void resize(std::size_t count) {
    const std::size_t n = std::size_t(joints_of_arm);
    target_numbers.resize(16 * count), start_numbers.resize(n * count), joint_numbers.resize(n * count);
    position_error.resize(count), rotation_error.resize(count), start_cost.resize(count);
    moving.resize(count), reached.resize(count), settled.resize(count), iterations.resize(count);
    targets = Rows<double>(target_numbers, 16);
    start = Rows<double>(start_numbers, joints_of_arm);
    joints = Rows<double>(joint_numbers, joints_of_arm);
  }

  /// What a reach came to becomes pose i's.
  void take(const Reaches& reaches, std::size_t k, std::size_t i);
};

inline void copy(Span<const double> from, Span<double> to) {
  check_bounds(from.size() == to.size(), from.size(), to.size());
  std::copy(from.begin(), from.end(), to.begin());
}

inline void ArmSolver::Solved::take(const Reaches& reaches, std::size_t k, std::size_t i) {
  copy(reaches.joints[long(k)], joints[long(i)]);
  position_error[i] = reaches.position_error[k];
  rotation_error[i] = reaches.rotation_error[k];
  iterations[i] += reaches.iterations[k];
}

constexpr double kIdentity[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

/// The kPlace numbers that say where a wrist is. Their distance is that of two poses to first order, with
/// angles counted by the weight: two rotation matrices are sqrt(2) times their small angle apart.
inline void place(Span<const double> T, double rotation_weight, Span<double> out) {
  for (int row = 0; row < 3; ++row) {
    out[row] = T[4 * row + 3];
    for (int col = 0; col < 3; ++col)
      out[3 + 3 * row + col] = rotation_weight / std::sqrt(2.0) * T[4 * row + col];
  }
}

}  // namespace retarget
