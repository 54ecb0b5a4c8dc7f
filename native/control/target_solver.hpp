// From an averaged action to the joints that both sides of the robot aim at: hands and arms in one go.
#pragma once
#include <vector>

#include "arm/solver.hpp"
#include "control/chunk_ring.hpp"
#include "hand/solver.hpp"
#include "mlp/network.hpp"

namespace retarget {

class TargetSolver {
 public:
  /// What a side has beside an ArmStatus: joints of the hand or of the arm were not found.
  static constexpr int kNoHand = -1, kNoArm = -2;

  /// Both sides, left and right, of a robot; what is pointed to must outlive the solver.
  struct Robot {
    std::vector<const HandSolver*> hands;  // place the human fingertips, the networks' input
    const Mlp* networks;
    std::vector<const ArmSolver*> arms;
    std::vector<ArmSettings> settings;   // of the arms
    std::vector<double> R_mano_wrist;    // (sides, 9) the robot's wrists in the axes of the human's
    std::vector<double> T_world_camera;  // (16) of the frame that actions are in
  };
  TargetSolver(Robot robot, const Kernels& kernels);

  int sides() const { return int(robot_.arms.size()); }
  int coefficients() const { return robot_.hands[0]->components(); }
  int joints() const { return arm_ + fingers_; }

  struct Result {                 // a row or number a side
    Rows<double> joints;          // of the arm, then of the hand
    Rows<double> points;          // where the wrist is wanted in the world [m]
    Span<int> status;             // of the arm
    Span<double> position_error;  // [m]
  };
  /// The arms come from `start`, laid out as the result. Where there are no joints, a side has those it
  /// comes from.
  void solve(const ChunkMean& wanted, Rows<const double> start, const Result& out) const;

 private:
  void solve_hands(Rows<const double> coefficients, Rows<double> joints) const;
  int solve_arm(int side, Span<const double> rotation, Span<const double> start, const Result& out) const;

  const Robot robot_;
  const Kernels& kernels_;
  const int arm_, fingers_;
};

}  // namespace retarget
