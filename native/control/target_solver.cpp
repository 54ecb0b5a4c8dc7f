// Hands through the networks, arms through their solvers, without a way back to Python in between.
#include "target_solver.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "../workspace.hpp"

namespace retarget {
namespace {

void multiply(const double* A, const double* B, double* out) {
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      out[3 * i + j] = A[3 * i] * B[j] + A[3 * i + 1] * B[3 + j] + A[3 * i + 2] * B[6 + j];
}

bool finite(const double* values, int count) {
  return std::all_of(values, values + count, [](double v) { return std::isfinite(v); });
}

}  // namespace

TargetSolver::TargetSolver(const std::array<TargetSide, kSides>& sides, const Mlp& networks,
                           const double* R_world_camera, const double* p_world_camera, const Kernels& kernels)
    : sides_(sides),
      networks_(networks),
      kernels_(kernels),
      fingers_(networks.model().sizes[networks.model().layers]) {
  std::copy_n(R_world_camera, 9, R_);
  std::copy_n(p_world_camera, 3, p_);
}

void TargetSolver::solve(const ChunkMean& wanted, const double* start, Result& out) const {
  solve_hands(wanted.coefficients, out.joints);
  for (int side = 0; side < kSides; ++side) {
    const double* p = wanted.position + 3 * side;
    double* point = out.points + 3 * side;
    for (int i = 0; i < 3; ++i) point[i] = R_[3 * i] * p[0] + R_[3 * i + 1] * p[1] + R_[3 * i + 2] * p[2] + p_[i];
    const double* from = start + side * joints();
    double* to = out.joints + side * joints();
    out.position_error[side] = NAN;
    if (wanted.status[side] != kReached) out.status[side] = int(wanted.status[side]);
    else if (!finite(to + arm_joints(), fingers_)) out.status[side] = kNoHand;
    else if (!finite(from, arm_joints())) out.status[side] = kNoArm;
    else out.status[side] = solve_arm(side, wanted.rotation + 9 * side, from, out);
    if (out.status[side] < 0 || out.status[side] > kUnreachable) std::copy_n(from, joints(), to);
  }
}

void TargetSolver::solve_hands(const double* coefficients, double* joints) const {
  const MlpModel& model = networks_.model();
  const int inputs = model.sizes[0], K = this->coefficients();
  std::vector<double> tips(std::size_t(kSides * inputs)), fingers(std::size_t(kSides * fingers_));
  for (int side = 0; side < kSides; ++side) {
    const HandModel<double>& hand = sides_[std::size_t(side)].hand->model();
    PointsBatch batch{1, coefficients + side * K, &tips[std::size_t(side * inputs)], K, inputs, 0};
    const Workspaces workspace(1, kernels_.f64.points_workspace(hand));
    kernels_.f64.hand_points(hand, batch, workspace[0]);
  }
  MlpBatch batch{1, tips.data(), fingers.data(), true, 0};
  const Workspaces workspace(1, networks_.kernels().mlp_workspace(model));
  networks_.kernels().mlp(model, batch, workspace[0]);
  for (int side = 0; side < kSides; ++side)
    std::copy_n(&fingers[std::size_t(side * fingers_)], fingers_, joints + side * this->joints() + arm_joints());
}

int TargetSolver::solve_arm(int side, const double* rotation, const double* start, Result& out) const {
  const TargetSide& s = sides_[std::size_t(side)];
  const double* point = out.points + 3 * side;
  double turned[9], wrist[9];
  multiply(R_, rotation, turned);
  multiply(turned, s.R_mano_wrist, wrist);
  const double T[16] = {wrist[0], wrist[1], wrist[2], point[0], wrist[3], wrist[4], wrist[5], point[1],
                        wrist[6], wrist[7], wrist[8], point[2], 0,        0,        0,        1};
  unsigned char moving = true;
  double rotation_error;
  std::int64_t status, iterations;
  ArmPoses pose{};
  pose.count = pose.frames = 1;
  pose.targets = T, pose.sequence_step = pose.frame_step = 16;
  pose.start = start, pose.moving = &moving;
  pose.joints = out.joints + side * joints();
  pose.position_error = &out.position_error[side], pose.rotation_error = &rotation_error;
  pose.status = &status, pose.iterations = &iterations;
  try {
    s.arm->solve(pose, s.settings, 1);
  } catch (const std::invalid_argument&) {  // a pose that is no rigid transform
    return kNoArm;
  }
  return status <= kUnreachable && finite(pose.joints, arm_joints()) ? int(status) : kNoArm;
}

}  // namespace retarget
