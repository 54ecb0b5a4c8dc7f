// Hands through the networks, arms through their solvers, without a way back to Python in between.
#include "control/target_solver.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace retarget {
namespace {

bool finite(Span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

/// Of 3x3 matrices by rows.
void multiply(Rows<const double> A, Rows<const double> B, Rows<double> out) {
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) out[i][j] = A[i][0] * B[0][j] + A[i][1] * B[1][j] + A[i][2] * B[2][j];
}

}  // namespace

TargetSolver::TargetSolver(Robot robot, const Kernels& kernels)
    : robot_(std::move(robot)),
      kernels_(kernels),
      arm_(robot_.arms[0]->joints()),
      fingers_(robot_.networks->model().sizes[robot_.networks->model().layers]) {}

void TargetSolver::solve(const ChunkMean& wanted, Rows<const double> start, const Result& out) const {
  solve_hands(wanted.coefficients, out.joints);
  const Rows<const double> T(robot_.T_world_camera, 4);
  for (int side = 0; side < sides(); ++side) {
    const Span<double> p = wanted.position[side], to = out.joints[side];
    const Span<const double> from = start[side];
    for (int i = 0; i < 3; ++i)
      out.points[side][i] = T[i][0] * p[0] + T[i][1] * p[1] + T[i][2] * p[2] + T[i][3];
    out.position_error[side] = NAN;
    int& status = out.status[side];
    if (wanted.status[side] != ChunkMean::kSaid) status = int(wanted.status[side]);
    else if (!finite(to.from(arm_))) status = kNoHand;
    else if (!finite(from.part(0, arm_))) status = kNoArm;
    else status = solve_arm(side, wanted.rotation[side], from, out);
    if (status < 0 || status > kUnreachable) std::copy(from.begin(), from.end(), to.begin());
  }
}

void TargetSolver::solve_hands(Rows<const double> coefficients, Rows<double> joints) const {
  const int tips = robot_.networks->model().sizes[0];
  std::vector<double> points(std::size_t(sides() * tips)), fingers(std::size_t(sides() * fingers_));
  const Grid<double> placed(points, sides(), tips);
  place_points(robot_.hands, {coefficients, 1, 0}, placed, 1, kernels_);
  robot_.networks->run({Span<const double>(points), sides(), tips}, {fingers, sides(), fingers_}, true, 1);
  for (int side = 0; side < sides(); ++side)
    std::copy_n(&fingers[std::size_t(side * fingers_)], fingers_, joints[side].from(arm_).begin());
}

int TargetSolver::solve_arm(int side, Span<const double> rotation, Span<const double> start,
                            const Result& out) const {
  const Rows<const double> R_mano_wrist(Rows<const double>(robot_.R_mano_wrist, 9)[side], 3);
  double R_world_mano[9], T[16] = {};
  multiply({robot_.T_world_camera, 4}, {rotation, 3}, {R_world_mano, 3});
  multiply({Span<const double>(R_world_mano), 3}, R_mano_wrist, {T, 3, 3, 4});
  for (int i = 0; i < 3; ++i) T[4 * i + 3] = out.points[side][i];
  T[15] = 1;
  unsigned char moving[] = {true};
  double position_error[1], rotation_error[1];
  std::int64_t status[1], iterations[1];
  const Span<double> joints = out.joints[side].part(0, arm_);
  ArmPoses pose{};
  pose.count = pose.frames = 1;
  pose.in = {Grid<const double>(Span<const double>(T), 1, 16), Rows<const double>(start.part(0, arm_), arm_),
             moving};
  pose.out = {Rows<double>(joints, arm_), position_error, rotation_error, status, iterations};
  try {
    robot_.arms[std::size_t(side)]->solve(pose, robot_.settings[std::size_t(side)], 1);
  } catch (const std::invalid_argument&) {  // a pose that is no rigid transform
    return kNoArm;
  }
  if (status[0] > kUnreachable || !finite(joints)) return kNoArm;
  out.position_error[side] = position_error[0];
  return int(status[0]);
}

}  // namespace retarget
