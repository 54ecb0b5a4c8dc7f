// From an averaged action to the joints that both sides of the robot aim at: hands and arms in one go.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "../arm_solver.hpp"
#include "../hand_solver.hpp"
#include "../mlp_model.hpp"
#include "chunk_ring.hpp"

namespace retarget {

/// One side of the robot; what it points to must outlive the solver.
struct TargetSide {
  const HandSolver* hand;  // places the human fingertips, the networks' input
  const ArmSolver* arm;
  ArmSettings settings;
  double R_mano_wrist[9];  // the robot's wrist in the axes of the human's
};

class TargetSolver {
 public:
  static constexpr int kSides = 2;
  /// Statuses beside ArmStatus: joints of the hand or of the arm were not found.
  static constexpr int kNoHand = -1, kNoArm = -2;

  TargetSolver(const std::array<TargetSide, kSides>& sides, const Mlp& networks, const double* R_world_camera,
               const double* p_world_camera, const Kernels& kernels);

  int arm_joints() const { return sides_[0].arm->joints(); }
  int joints() const { return arm_joints() + fingers_; }
  int coefficients() const { return sides_[0].hand->components(); }

  struct Result {
    double* joints;  // (sides, joints): of the arm, then of the hand
    double* points;  // (sides, 3) where the wrists are wanted in the world [m]
    int status[kSides];
    double position_error[kSides];  // [m]
  };
  /// Joints for human wrists in the camera's frame and coefficients; the arms come from `start`, laid out as
  /// the result. Where there are none, a side has the joints it comes from.
  void solve(const ChunkMean& wanted, const double* start, Result& out) const;

 private:
  void solve_hands(const double* coefficients, double* joints) const;
  int solve_arm(int side, const double* rotation, const double* start, Result& out) const;

  std::array<TargetSide, kSides> sides_;
  const Mlp& networks_;
  const Kernels& kernels_;
  double R_[9], p_[3];
  int fingers_;
};

}  // namespace retarget
