// ArmSolver: made from its arrays, and sequences spread over threads.
#include "arm_solver.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>

#include "arm_jobs.hpp"
#include "dispatch.hpp"
#include "rigid.hpp"
#include "workspace.hpp"

namespace retarget {

ArmSolver::ArmSolver(const ArmArrays& a, const Kernels& kernels)
    : kernels_(kernels),
      f64_(arm_model<double>(a)),
      f32_(arm_model<float>(a)),
      base_(a.base, a.base + 16),
      half_range_(a.half_range, a.half_range + a.joints),
      lower_(a.lower, a.lower + a.joints),
      upper_(a.upper, a.upper + a.joints),
      posture_(a.posture, a.posture + a.joints),
      known_joints_(a.known_joints, a.known_joints + a.known * a.joints),
      known_places_(std::size_t((a.known + kChunk - 1) / kChunk * kPlace * kChunk), INFINITY),
      rotation_weight_(a.rotation_weight),
      workspace_bytes_(std::max(kernels.f64.arm_workspace(f64_), kernels.f32.arm_workspace(f32_))) {
  std::vector<double> poses(std::size_t(a.known * 16));
  ArmEvaluation out{};
  out.pose = poses.data();
  evaluate(a.known, nullptr, known_joints_.data(), out);
  for (long i = 0; i < a.known; ++i) {
    double where[kPlace];
    place(&poses[std::size_t(16 * i)], rotation_weight_, where);
    for (int d = 0; d < kPlace; ++d)
      known_places_[std::size_t((i / kChunk * kPlace + d) * kChunk + i % kChunk)] = where[d];
  }
}

void ArmSolver::solve(const ArmPoses& poses, const ArmSettings& settings, int threads) const {
  // lanes take turns within a block, so that a few packs' worth keeps all of them busy
  const long pack = kernels_.f64.lanes, most = poses.frames > 1 ? 4 * pack : 32 * pack;
  const long enough = poses.frames > 1 ? pack : 16 * pack;
  threads = useful_threads(threads, poses.count, enough);
  const long block = std::max(pack, std::min(most, (poses.count + threads - 1) / threads));
  const Workspaces workspaces(threads, workspace_bytes_);
  std::vector<long> at(settings.lean ? 0 : std::size_t(poses.count));
  long next = 0, bad_pose = -1;
  std::mutex mutex;
  std::exception_ptr failure;
  run_workers(threads, [&](int worker) {
    Work work{poses, settings, workspaces[worker], -1};
    try {
      if (settings.lean)
        for (long s; (s = __atomic_fetch_add(&next, block, __ATOMIC_RELAXED)) < poses.count;)
          solve_block(work, s, std::min(block, poses.count - s));
      else walk(work, &next, at.data());
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      failure = std::current_exception();
    }
    const std::lock_guard<std::mutex> lock(mutex);
    if (work.bad_pose >= 0 && (bad_pose < 0 || work.bad_pose < bad_pose)) bad_pose = work.bad_pose;
  });
  if (failure) std::rethrow_exception(failure);
  if (bad_pose < 0) return;
  double unused[16];
  refuse_pose(kernels_.read_pose(target(poses, bad_pose / poses.frames, bad_pose % poses.frames),
                                 base_.data(), unused),
              bad_pose);
}

void ArmSolver::solve_block(Work& work, long first, long count) const {
  std::vector<FrameOf> frames(static_cast<std::size_t>(count));
  for (long frame = 0; frame < work.poses.frames; ++frame) {
    for (long k = 0; k < count; ++k) frames[std::size_t(k)] = {first + k, frame};
    solve_frames(work, frames, false);
  }
}

void ArmSolver::evaluate(long count, const double* targets, const double* joints,
                         const ArmEvaluation& out) const {
  Jobs jobs(targets ? targets : kIdentity, std::size_t(count), half_range_.size());
  for (long i = 0; i < count; ++i) jobs.pose[std::size_t(i)] = targets ? i : 0;
  std::copy_n(joints, jobs.joints.size(), jobs.joints.begin());
  ArmBatch b = batch(jobs);
  const Workspaces workspace(1, workspace_bytes_);
  kernels_.f64.arm_evaluate(f64_, b, out, workspace[0]);
}

}  // namespace retarget
