// An arm's entry points: reaches, slides, walks and evaluations for one instruction set.
#pragma once
#include "arm/nearest.hpp"
#include "arm/slide.hpp"
#include "arm/walk.hpp"

namespace RETARGET_ISA {
namespace {

template <class E>
long arm_workspace(const retarget::ArmModel<E>& model) {
  Arena counting;
  LmWorkspace<Pack<E>> lm(counting, model.joints, 6);
  return counting.used();
}

template <class Problem, class E>
void arm_run_as(const retarget::ArmModel<E>& model, retarget::ArmBatch& batch,
                const retarget::LmOptions& options, Span<char> memory) {
  Arena arena(memory);
  LmWorkspace<Pack<E>> lm(arena, model.joints, 6);
  Problem problem(model, batch);
  levenberg_marquardt<Pack<E>>(problem, options, lm);
}

template <class E, template <class, int> class Problem>
void arm_run(const retarget::ArmModel<E>& model, retarget::ArmBatch& batch,
             const retarget::LmOptions& options, Span<char> memory) {
  const auto run =
      model.joints == 7 ? arm_run_as<Problem<Pack<E>, 7>, E> : arm_run_as<Problem<Pack<E>, 0>, E>;
  run(model, batch, options, memory);
}

template <class E>
void arm_walk(const retarget::ArmModel<E>& model, const retarget::ArmModel<double>& exact,
              retarget::ArmWalk& walk) {
  const auto run = model.joints == 7 ? walk_along<Pack<E>, 7> : walk_along<Pack<E>, 0>;
  run(model, exact, walk);
}

template <class E>
void arm_evaluate(const retarget::ArmModel<E>& model, const retarget::ArmBatch& batch,
                  const retarget::ArmEvaluation& out, Span<char> memory) {
  Arena arena(memory);
  LmWorkspace<Pack<E>> lm(arena, model.joints, 6);
  retarget::ArmBatch poses = batch;
  ArmReach<Pack<E>> arm(model, poses);
  const retarget::ArmLimits& limits = batch.limits;
  const int n = model.joints;
  for (poses.next = 0; poses.next < poses.count;) {
    const long first = poses.next;
    int filled = 0;
    while (filled < Pack<E>::lanes && arm.next(filled, lm.at.x)) ++filled;
    arm.evaluate(lm.at.x, lm.at);
    for (int lane = 0; lane < filled; ++lane) {
      const long pose = first + lane;
      if (out.cost) out.cost[pose] = double(lm.at.cost[lane]);
      for (int k = 0; out.pose && k < 16; ++k) {
        const int row = k / 4, col = k % 4;
        out.pose[pose][k] = row == 3   ? double(col == 3)
                            : col == 3 ? double(arm.position[row][lane])
                                       : double(arm.rotation(row, col)[lane]);
      }
      for (int i = 0; i < n; ++i) {
        for (int k = 0; out.jacobian && k < 6; ++k)
          out.jacobian[pose][n * k + i] = double(arm.jacobian[i][k][lane]) / limits.half_range[i] /
                                          (k < 3 ? 1.0 : limits.rotation_weight);
        if (out.gradient) out.gradient[pose][i] = double(lm.at.gradient[i][lane]);
        for (int j = 0; out.hessian && j < n; ++j)
          out.hessian[pose][n * i + j] = double(lm.at.hessian[i > j ? i : j][i > j ? j : i][lane]);
      }
    }
  }
}

template <class E>
constexpr retarget::ArmKernels<E> arm_kernels() {
  return {arm_workspace<E>, arm_run<E, ArmReach>, arm_run<E, ArmSlide>, arm_walk<E>, arm_evaluate<E>};
}

}  // namespace
}  // namespace RETARGET_ISA
