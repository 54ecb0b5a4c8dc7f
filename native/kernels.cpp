// The entry points of one instruction set: compiled once for each, with its own flags and its own
// RETARGET_ISA namespace.
#include "kernels.hpp"

#include "arm_slide.hpp"
#include "arm_walk.hpp"
#include "hand_fit.hpp"
#include "hand_points.hpp"
#include "mlp.hpp"
#include "nearest.hpp"

namespace RETARGET_ISA {
namespace {

template <class E>
struct HandWork {
  HandFit<Pack<E>> fit;
  LmWorkspace<Pack<E>> lm;
  HandWork(const retarget::HandModel<E>& model, retarget::HandBatch& batch, Arena& arena)
      : fit(model, batch, arena), lm(arena, fit.stride, fit.residuals) {}
};

template <class E>
long hand_workspace(const retarget::HandModel<E>& model) {
  Arena counting(nullptr);
  retarget::HandBatch none{};
  HandWork<E> work(model, none, counting);
  return counting.used();
}

template <class E>
void hand_fit(const retarget::HandModel<E>& model, retarget::HandBatch& batch,
              const retarget::LmOptions& options, void* memory) {
  Arena arena(memory);
  HandWork<E> work(model, batch, arena);
  levenberg_marquardt<Pack<E>>(work.fit, options, work.lm);
}

template <class E>
void hand_evaluate(const retarget::HandModel<E>& model, const retarget::HandBatch& batch,
                   const retarget::HandEvaluation& out, void* memory) {
  Arena arena(memory);
  retarget::HandBatch frames = batch;
  HandWork<E> work(model, frames, arena);
  HandFit<Pack<E>>& fit = work.fit;
  const int n = fit.unknowns, lanes = Pack<E>::lanes;
  for (frames.next = 0; frames.next < frames.frames;) {
    const long first = frames.next;
    int filled = 0;
    while (filled < lanes && fit.next(filled, work.lm.at.x)) ++filled;
    fit.evaluate(work.lm.at.x, work.lm.at);
    for (int lane = 0; lane < filled; ++lane) {
      const long frame = first + lane;
      out.cost[frame] = double(work.lm.at.cost[lane]);
      for (int i = 0; i < fit.residuals; ++i)
        out.points[frame * fit.residuals + i] =
            double(work.lm.at.residual[i][lane]) + double(fit.target()[i][lane]);
      for (int i = 0; i < n; ++i) {
        out.gradient[frame * n + i] = double(work.lm.at.gradient[i][lane]);
        for (int j = 0; j < n; ++j)
          out.hessian[(frame * n + i) * n + j] =
              double(work.lm.at.hessian[(i > j ? i : j) * fit.stride + (i > j ? j : i)][lane]);
      }
    }
  }
}

template <class E>
long arm_workspace(const retarget::ArmModel<E>& model) {
  Arena counting(nullptr);
  LmWorkspace<Pack<E>> lm(counting, model.joints, 6);
  return counting.used();
}

template <class Problem, class E>
void arm_run_as(const retarget::ArmModel<E>& model, retarget::ArmBatch& batch,
                const retarget::LmOptions& options, void* memory) {
  Arena arena(memory);
  LmWorkspace<Pack<E>> lm(arena, model.joints, 6);
  Problem problem(model, batch);
  levenberg_marquardt<Pack<E>>(problem, options, lm);
}

template <class E, template <class, int> class Problem>
void arm_run(const retarget::ArmModel<E>& model, retarget::ArmBatch& batch,
             const retarget::LmOptions& options, void* memory) {
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
                  const retarget::ArmEvaluation& out, void* memory) {
  Arena arena(memory);
  LmWorkspace<Pack<E>> lm(arena, model.joints, 6);
  retarget::ArmBatch poses = batch;
  ArmReach<Pack<E>> arm(model, poses);
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
        out.pose[16 * pose + k] = row == 3   ? double(col == 3)
                                  : col == 3 ? double(arm.position[row][lane])
                                             : double(arm.rotation(row, col)[lane]);
      }
      for (int i = 0; i < n; ++i) {
        for (int k = 0; out.jacobian && k < 6; ++k)
          out.jacobian[(pose * 6 + k) * n + i] =
              double(arm.jacobian[i][k][lane]) / batch.half_range[i] / (k < 3 ? 1.0 : batch.rotation_weight);
        if (out.gradient) out.gradient[pose * n + i] = double(lm.at.gradient[i][lane]);
        for (int j = 0; out.hessian && j < n; ++j)
          out.hessian[(pose * n + i) * n + j] =
              double(lm.at.hessian[(i > j ? i : j) * n + (i > j ? j : i)][lane]);
      }
    }
  }
}

template <class E>
constexpr retarget::KernelsOf<E> kernels_of() {
  return {Pack<E>::lanes,       hand_workspace<E>, hand_fit<E>,      hand_evaluate<E>,
          points_workspace<E>,  hand_points<E>,    arm_workspace<E>, arm_run<E, ArmReach>,
          arm_run<E, ArmSlide>, arm_walk<E>,       arm_evaluate<E>};
}

}  // namespace

// constant, so that nothing of this file runs before it is chosen
extern const retarget::Kernels kernels;
constexpr retarget::Kernels kernels = {
    RETARGET_ISA_NAME, kernels_of<double>(), kernels_of<float>(), read_pose, nearest, mlp_workspace, mlp};

}  // namespace RETARGET_ISA
