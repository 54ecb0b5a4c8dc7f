// One frame each of several sequences: reached, searched for where that fails, led to the posture.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "arm_jobs.hpp"
#include "rigid.hpp"

namespace retarget {

ArmBatch ArmSolver::batch(Jobs& jobs) const {
  ArmBatch b{};
  b.count = long(jobs.pose.size());
  b.targets = jobs.targets;
  b.jobs = jobs.pose.data();
  b.rotation_weight = rotation_weight_;
  b.half_range = half_range_.data(), b.lower = lower_.data(), b.upper = upper_.data();
  b.joints = jobs.joints.data();
  b.position_error = jobs.position_error.data(), b.rotation_error = jobs.rotation_error.data();
  b.iterations = jobs.iterations.data(), b.converged = jobs.converged.data();
  b.posture = posture_.data(), b.budget = jobs.budget.data();
  return b;
}

void ArmSolver::solve_frames(Work& work, const std::vector<FrameOf>& frames, bool walked) const {
  const ArmPoses& poses = work.poses;
  const std::size_t n = half_range_.size();
  std::vector<long> there;
  Solved frame;
  frame.resize(frames.size(), n);
  for (const FrameOf& at : frames) {
    const long pose = at.sequence * poses.frames + at.frame;
    const double* last =
        at.frame ? poses.joints + std::size_t(pose - 1) * n : poses.start + std::size_t(at.sequence) * n;
    double* q = poses.joints + std::size_t(pose) * n;
    const std::size_t k = there.size();
    const PoseFault fault =
        kernels_.read_pose(target(poses, at.sequence, at.frame), base_.data(), &frame.targets[16 * k]);
    frame.settled[k] = walked && poses.status[pose] == kUnreachable;
    if (frame.settled[k]) {
      std::copy_n(q, n, &frame.joints[k * n]);
      frame.position_error[k] = poses.position_error[pose];
      frame.rotation_error[k] = poses.rotation_error[pose];
      frame.iterations[k] = int(poses.iterations[pose]);
    }
    for (std::size_t i = 0; i < n; ++i) q[i] = std::min(std::max(last[i], lower_[i]), upper_[i]);
    if (fault != PoseFault::kNone) {
      if (fault != PoseFault::kMissing) work.note_bad(pose);
      poses.position_error[pose] = poses.rotation_error[pose] = NAN;
      poses.status[pose] = kMissing;
      poses.iterations[pose] = 0;
      continue;
    }
    std::copy_n(q, n, &frame.start[k * n]);
    frame.moving[k] = char(poses.moving[at.sequence]);
    poses.moving[at.sequence] = true;
    there.push_back(pose);
  }
  if (there.empty()) return;
  frame.resize(there.size(), n);
  run_stages(frame, work.settings, work.workspace);
  for (std::size_t k = 0; k < there.size(); ++k) {
    const long pose = there[k];
    double* q = poses.joints + std::size_t(pose) * n;
    std::copy_n(&frame.joints[k * n], n, q);
    poses.position_error[pose] = frame.position_error[k];
    poses.rotation_error[pose] = frame.rotation_error[k];
    poses.status[pose] = frame.reached[k]   ? (near_limit(q) ? kReachedAtLimit : kReached)
                         : frame.settled[k] ? kUnreachable
                                            : kNotConverged;
    poses.iterations[pose] = frame.iterations[k];
  }
}

/// What is not settled is reached from where it starts, what is not reached is searched for.
void ArmSolver::run_stages(Solved& f, const ArmSettings& settings, void* workspace) const {
  const std::size_t count = f.moving.size(), n = half_range_.size();
  std::vector<long> open, failed;
  for (std::size_t i = 0; i < count; ++i)
    if (!f.settled[i]) open.push_back(long(i));
  Jobs jobs(f.targets.data(), open.size(), n);
  jobs.pose = open;
  for (std::size_t k = 0; k < open.size(); ++k)
    std::copy_n(&f.start[std::size_t(open[k]) * n], n, &jobs.joints[k * n]);
  reach(jobs, settings, workspace);
  for (std::size_t k = 0; k < open.size(); ++k) {
    const std::size_t i = std::size_t(open[k]);
    std::copy_n(&jobs.joints[k * n], n, &f.joints[i * n]);
    f.position_error[i] = jobs.position_error[k];
    f.rotation_error[i] = jobs.rotation_error[k];
    f.start_cost[i] = jobs.start_cost[k];
    f.iterations[i] = jobs.iterations[k];
    f.settled[i] = jobs.converged[k];
  }
  for (std::size_t i = 0; i < count; ++i) {
    f.reached[i] = reaches(f.position_error[i], f.rotation_error[i], settings);
    f.settled[i] = f.settled[i] || f.reached[i];
    if (!f.reached[i]) failed.push_back(long(i));
  }
  if (!failed.empty() && settings.starts > 0 && known() > 0) search(f, failed, settings, workspace);
  if (settings.lean) slide(f, settings, workspace);
}

void ArmSolver::reach(Jobs& jobs, const ArmSettings& settings, void* workspace) const {
  LmOptions options;
  options.longest_step = 1.0;
  options.max_iterations = settings.max_iterations;
  options.enough = settings.goal * settings.goal;
  if (settings.single) {
    LmOptions coarse = options;
    const double reachable = std::max(settings.goal, 1e-5);  // what float32 resolves [m]
    coarse.enough = reachable * reachable;
    coarse.tolerance = 1e-4;
    ArmBatch b = batch(jobs);
    b.start_cost = jobs.start_cost.data();
    kernels_.f32.arm_reach(f32_, b, coarse, workspace);
  }
  ArmBatch b = batch(jobs);
  if (!settings.single) b.start_cost = jobs.start_cost.data();
  kernels_.f64.arm_reach(f64_, b, options, workspace);
}

void ArmSolver::slide(Solved& f, const ArmSettings& settings, void* workspace) const {
  const std::size_t n = half_range_.size();
  std::vector<long> reached;
  for (std::size_t i = 0; i < f.reached.size(); ++i)
    if (f.reached[i]) reached.push_back(long(i));
  Jobs jobs(f.targets.data(), reached.size(), n);
  jobs.pose = reached;
  for (std::size_t k = 0; k < reached.size(); ++k) {
    const std::size_t i = std::size_t(reached[k]);
    std::copy_n(&f.joints[i * n], n, &jobs.joints[k * n]);
    jobs.budget[k] = f.moving[i] ? settings.posture_gain * std::sqrt(f.start_cost[i]) : INFINITY;
  }
  ArmBatch b = batch(jobs);
  LmOptions options;
  options.longest_step = 1.0;
  options.max_iterations = 20;
  options.enough = settings.goal * settings.goal;
  kernels_.f64.arm_slide(f64_, b, options, workspace);
  for (std::size_t k = 0; k < reached.size(); ++k) {
    const std::size_t i = std::size_t(reached[k]);
    std::copy_n(&jobs.joints[k * n], n, &f.joints[i * n]);
    f.position_error[i] = jobs.position_error[k];
    f.rotation_error[i] = jobs.rotation_error[k];
    f.iterations[i] += jobs.iterations[k];
  }
}

}  // namespace retarget
