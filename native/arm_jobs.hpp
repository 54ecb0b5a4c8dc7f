// What ArmSolver works on: reaches to be made, and one frame of several arms.
#pragma once
#include <cmath>

#include "arm_solver.hpp"

namespace retarget {

/// Reaches to be made, with room for their results.
struct ArmSolver::Jobs {
  const double* targets;
  std::vector<long> pose;
  std::vector<double> joints, position_error, rotation_error, start_cost, budget;
  std::vector<int> iterations;
  std::vector<unsigned char> converged;

  Jobs(const double* t, std::size_t count, std::size_t n)
      : targets(t),
        pose(count),
        joints(count * n),
        position_error(count),
        rotation_error(count),
        start_cost(count),
        budget(count),
        iterations(count),
        converged(count) {}
};

/// One pose each of several arms, and what became of them.
struct ArmSolver::Solved {
  std::vector<double> targets, start;  // in the arm's base frame
  std::vector<char> moving;
  std::vector<double> joints, position_error, rotation_error, start_cost;
  std::vector<char> reached, settled;
  std::vector<int> iterations;

  void resize(std::size_t count, std::size_t n) {
    targets.resize(16 * count), start.resize(n * count), moving.resize(count), joints.resize(n * count);
    position_error.resize(count), rotation_error.resize(count), start_cost.resize(count);
    reached.resize(count), settled.resize(count), iterations.resize(count);
  }
};

constexpr double kIdentity[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

/// The kPlace numbers that say where a wrist is. Their distance is that of two poses to first order, with
/// angles counted by the weight: two rotation matrices are sqrt(2) times their small angle apart.
inline void place(const double* T, double rotation_weight, double* out) {
  for (int row = 0; row < 3; ++row) {
    out[row] = T[4 * row + 3];
    for (int col = 0; col < 3; ++col)
      out[3 + 3 * row + col] = rotation_weight / std::sqrt(2.0) * T[4 * row + col];
  }
}

}  // namespace retarget
