#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <numeric>

#include "arm_jobs.hpp"
#include "dispatch.hpp"
#include "rigid.hpp"
#include "workspace.hpp"

namespace retarget {
namespace {

template <class E>
ArmModel<E> model_of(const ArmArrays& a) {
  ArmModel<E> m{};
  m.joints = a.joints;
  for (int i = 0; i < 3 * a.joints; ++i) m.step[i] = E(a.step[i]), m.axis[i] = E(a.axis[i]);
  for (int i = 0; i < a.joints; ++i) {
    m.scale[i] = E(a.half_range[i]);
    m.lower[i] = E(a.lower[i] / a.half_range[i]);
    m.upper[i] = E(a.upper[i] / a.half_range[i]);
  }
  for (int row = 0; row < 3; ++row) {
    for (int col = 0; col < 3; ++col) m.tool_rotation[3 * row + col] = E(a.tool[4 * row + col]);
    m.tool_position[row] = E(a.tool[4 * row + 3]);
  }
  return m;
}

}  // namespace

ArmSolver::ArmSolver(const ArmArrays& a, const Kernels& kernels)
    : kernels_(kernels),
      f64_(model_of<double>(a)),
      f32_(model_of<float>(a)),
      base_(a.base, a.base + 16),
      half_range_(a.half_range, a.half_range + a.joints),
      lower_(a.lower, a.lower + a.joints),
      upper_(a.upper, a.upper + a.joints),
      posture_(a.posture, a.posture + a.joints),
      known_joints_(a.known_joints, a.known_joints + a.known * a.joints),
      known_places_(std::size_t(a.known * kPlace)),
      rotation_weight_(a.rotation_weight),
      workspace_bytes_(std::max(kernels.f64.arm_workspace(f64_), kernels.f32.arm_workspace(f32_))) {
  std::vector<double> poses(std::size_t(a.known * 16));
  ArmEvaluation out{};
  out.pose = poses.data();
  evaluate(a.known, nullptr, known_joints_.data(), out);
  for (long i = 0; i < a.known; ++i)
    place(&poses[std::size_t(16 * i)], rotation_weight_, &known_places_[std::size_t(kPlace * i)]);
}

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

void ArmSolver::solve_frame(Solved& f, const ArmSettings& settings, void* workspace) const {
  const std::size_t count = f.moving.size();
  Jobs jobs(f.targets.data(), count, half_range_.size());
  std::iota(jobs.pose.begin(), jobs.pose.end(), 0L);
  jobs.joints = f.start;
  reach(jobs, settings, workspace);
  f.joints = jobs.joints;
  f.position_error = jobs.position_error;
  f.rotation_error = jobs.rotation_error;
  f.start_cost = jobs.start_cost;
  f.iterations = jobs.iterations;
  std::vector<long> failed;
  for (std::size_t i = 0; i < count; ++i) {
    f.reached[i] = reaches(f.position_error[i], f.rotation_error[i], settings);
    f.settled[i] = f.reached[i] || jobs.converged[i];
    if (!f.reached[i]) failed.push_back(long(i));
  }
  if (!failed.empty() && settings.starts > 0 && known() > 0) search(f, failed, settings, workspace);
  if (settings.lean) slide(f, settings, workspace);
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

void ArmSolver::solve_sequences(const ArmPoses& poses, long from, long count, const ArmSettings& settings,
                                void* workspace) const {
  const std::size_t n = half_range_.size();
  std::vector<double> last(poses.start + std::size_t(from) * n, poses.start + std::size_t(from + count) * n);
  std::vector<char> moving(poses.moving + from, poses.moving + from + count);
  std::vector<long> there;
  Solved frame;
  for (long t = 0; t < poses.frames; ++t) {
    there.clear();
    frame.resize(std::size_t(count), n);
    for (long s = 0; s < count; ++s) {
      const long pose = (from + s) * poses.frames + t;
      double* target = &frame.targets[16 * there.size()];
      poses.missing[pose] = !prepare_pose(poses.targets + 16 * pose, base_.data(), pose, target);
      if (!poses.missing[pose]) there.push_back(s);
    }
    frame.resize(there.size(), n);
    for (std::size_t k = 0; k < there.size(); ++k) {
      std::copy_n(&last[std::size_t(there[k]) * n], n, &frame.start[k * n]);
      frame.moving[k] = moving[std::size_t(there[k])];
    }
    if (!there.empty()) solve_frame(frame, settings, workspace);
    for (std::size_t k = 0; k < there.size(); ++k) {
      std::copy_n(&frame.joints[k * n], n, &last[std::size_t(there[k]) * n]);
      moving[std::size_t(there[k])] = true;
    }
    std::size_t k = 0;
    for (long s = 0; s < count; ++s) {
      const long pose = (from + s) * poses.frames + t;
      const bool missing = poses.missing[pose];
      std::copy_n(&last[std::size_t(s) * n], n, poses.joints + std::size_t(pose) * n);
      poses.position_error[pose] = missing ? NAN : frame.position_error[k];
      poses.rotation_error[pose] = missing ? NAN : frame.rotation_error[k];
      poses.reached[pose] = !missing && frame.reached[k];
      poses.settled[pose] = !missing && frame.settled[k];
      poses.iterations[pose] = missing ? 0 : frame.iterations[k];
      k += !missing;
    }
  }
}

void ArmSolver::solve(const ArmPoses& poses, const ArmSettings& settings, int threads) const {
  // lanes take turns within a block, so that a few packs' worth keeps all of them busy
  const long pack = kernels_.f64.lanes, most = poses.frames > 1 ? 4 * pack : 32 * pack;
  threads = useful_threads(threads, poses.count, poses.frames > 1 ? pack : 16 * pack);
  const long block = std::max(pack, std::min(most, (poses.count + threads - 1) / threads));
  const long blocks = (poses.count + block - 1) / block;
  const Workspaces workspaces(threads, workspace_bytes_);
  std::atomic<long> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  long failed_block = blocks;
  run_workers(threads, [&](int worker) {
    for (long b; (b = next.fetch_add(1)) < blocks;) try {
        solve_sequences(poses, b * block, std::min(block, poses.count - b * block), settings,
                        workspaces[worker]);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (b < failed_block) failed_block = b, failure = std::current_exception();
      }
  });
  if (failure) std::rethrow_exception(failure);
}

void ArmSolver::evaluate(long count, const double* targets, const double* joints,
                         const ArmEvaluation& out) const {
  static const double identity[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  Jobs jobs(targets ? targets : identity, std::size_t(count), half_range_.size());
  for (long i = 0; i < count; ++i) jobs.pose[std::size_t(i)] = targets ? i : 0;
  std::copy_n(joints, jobs.joints.size(), jobs.joints.begin());
  ArmBatch b = batch(jobs);
  const Workspaces workspace(1, workspace_bytes_);
  kernels_.f64.arm_evaluate(f64_, b, out, workspace[0]);
}

}  // namespace retarget
