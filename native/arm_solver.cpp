#include "arm_solver.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "dispatch.hpp"
#include "workspace.hpp"

namespace retarget {
namespace {

constexpr int kPlace = 12;  // numbers that say where a wrist is: position and weighted rotation matrix

void place(const double* T, double rotation_weight, double* out) {
  for (int row = 0; row < 3; ++row) {
    out[row] = T[4 * row + 3];
    for (int col = 0; col < 3; ++col) out[3 + 3 * row + col] = rotation_weight / std::sqrt(2.0) * T[4 * row + col];
  }
}

template <class E> ArmModel<E> model_of(const ArmArrays& a) {
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

/// Reaches to be made, with room for their results.
struct ArmSolver::Jobs {
  const double* targets;
  std::vector<long> pose;
  std::vector<double> joints, position_error, rotation_error, budget;
  std::vector<int> iterations;
  std::vector<unsigned char> converged;

  Jobs(const double* t, std::size_t count, std::size_t n)
      : targets(t), pose(count), joints(count * n), position_error(count), rotation_error(count), budget(count),
        iterations(count), converged(count) {}
};

ArmSolver::ArmSolver(const ArmArrays& a, const Kernels& kernels)
    : kernels_(kernels), f64_(model_of<double>(a)), f32_(model_of<float>(a)),
      half_range_(a.half_range, a.half_range + a.joints), lower_(a.lower, a.lower + a.joints),
      upper_(a.upper, a.upper + a.joints), posture_(a.posture, a.posture + a.joints),
      known_joints_(a.known_joints, a.known_joints + a.known * a.joints),
      known_places_(std::size_t(a.known * kPlace)), rotation_weight_(a.rotation_weight),
      workspace_bytes_(std::max(kernels.f64.arm_workspace(f64_), kernels.f32.arm_workspace(f32_))) {
  std::vector<double> poses(std::size_t(a.known * 16));
  ArmEvaluation out{};
  out.pose = poses.data();
  evaluate(a.known, nullptr, known_joints_.data(), out);
  for (long i = 0; i < a.known; ++i) place(&poses[std::size_t(16 * i)], rotation_weight_, &known_places_[std::size_t(kPlace * i)]);
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
    kernels_.f32.arm_reach(f32_, b, coarse, workspace);
  }
  ArmBatch b = batch(jobs);
  kernels_.f64.arm_reach(f64_, b, options, workspace);
}

void ArmSolver::solve_block(const ArmPoses& poses, const ArmSettings& settings, void* workspace) const {
  const std::size_t n = std::size_t(f64_.joints), count = std::size_t(poses.count);
  Jobs jobs(poses.targets, count, n);
  std::iota(jobs.pose.begin(), jobs.pose.end(), 0L);
  std::copy(poses.start, poses.start + count * n, jobs.joints.begin());
  reach(jobs, settings, workspace);
  std::vector<long> failed, sliding;
  for (std::size_t i = 0; i < count; ++i) {
    std::copy_n(&jobs.joints[i * n], n, poses.joints + i * n);
    poses.position_error[i] = jobs.position_error[i];
    poses.rotation_error[i] = jobs.rotation_error[i];
    poses.iterations[i] = jobs.iterations[i];
    poses.reached[i] = reaches(jobs.position_error[i], jobs.rotation_error[i], settings);
    poses.settled[i] = poses.reached[i] || jobs.converged[i];
    if (!poses.reached[i]) failed.push_back(long(i));
  }
  if (!failed.empty() && settings.starts > 0 && known() > 0) search(poses, failed, settings, workspace);
  if (!settings.lean) return;

  for (std::size_t i = 0; i < count; ++i)
    if (poses.reached[i]) sliding.push_back(long(i));
  Jobs slides(poses.targets, sliding.size(), n);
  slides.pose = sliding;
  std::vector<double> start_cost(count);
  if (std::any_of(sliding.begin(), sliding.end(), [&](long i) { return poses.moving[i]; })) {
    ArmEvaluation out{};
    out.cost = start_cost.data();
    ArmBatch b = batch(jobs);  // one job a pose, in order
    std::copy(poses.start, poses.start + count * n, jobs.joints.begin());
    kernels_.f64.arm_evaluate(f64_, b, out, workspace);
  }
  for (std::size_t k = 0; k < sliding.size(); ++k) {
    const std::size_t i = std::size_t(sliding[k]);
    std::copy_n(poses.joints + i * n, n, &slides.joints[k * n]);
    slides.budget[k] = poses.moving[i] ? settings.posture_gain * std::sqrt(start_cost[i]) : INFINITY;
  }
  LmOptions options;
  options.longest_step = 1.0;
  options.max_iterations = 20;
  options.enough = 1e-24;
  ArmBatch b = batch(slides);
  kernels_.f64.arm_slide(f64_, b, options, workspace);
  for (std::size_t k = 0; k < sliding.size(); ++k) {
    const std::size_t i = std::size_t(sliding[k]);
    std::copy_n(&slides.joints[k * n], n, poses.joints + i * n);
    poses.position_error[i] = slides.position_error[k];
    poses.rotation_error[i] = slides.rotation_error[k];
    poses.iterations[i] += slides.iterations[k];
  }
}

void ArmSolver::search(const ArmPoses& poses, const std::vector<long>& failed, const ArmSettings& settings,
                       void* workspace) const {
  const std::size_t n = std::size_t(f64_.joints), known_count = std::size_t(known());
  const std::size_t starts = std::min(std::size_t(settings.starts), known_count);
  Jobs jobs(poses.targets, failed.size() * starts, n);
  std::vector<std::pair<double, std::size_t>> order(known_count);
  for (std::size_t f = 0; f < failed.size(); ++f) {
    double here[kPlace];
    place(poses.targets + 16 * failed[f], rotation_weight_, here);
    for (std::size_t k = 0; k < known_count; ++k) {
      double distance = 0;
      for (std::size_t d = 0; d < kPlace; ++d) {
        const double away = known_places_[kPlace * k + d] - here[d];
        distance += away * away;
      }
      order[k] = {distance, k};
    }
    std::partial_sort(order.begin(), order.begin() + long(starts), order.end());
    for (std::size_t s = 0; s < starts; ++s) {
      jobs.pose[f * starts + s] = failed[f];
      std::copy_n(&known_joints_[order[s].second * n], n, &jobs.joints[(f * starts + s) * n]);
    }
  }
  reach(jobs, settings, workspace);
  for (std::size_t f = 0; f < failed.size(); ++f) {
    const std::size_t i = std::size_t(failed[f]);
    double nearest = INFINITY, least = cost(poses.position_error[i], poses.rotation_error[i]);
    std::size_t best = jobs.pose.size();
    for (std::size_t j = f * starts; j < (f + 1) * starts; ++j) {
      poses.iterations[i] += jobs.iterations[j];
      const double error = cost(jobs.position_error[j], jobs.rotation_error[j]);
      if (reaches(jobs.position_error[j], jobs.rotation_error[j], settings)) {
        double way = 0;
        for (std::size_t d = 0; d < n; ++d) {
          const double turn = (jobs.joints[j * n + d] - poses.start[i * n + d]) / half_range_[d];
          way += turn * turn;
        }
        if (way < nearest) best = j, nearest = way;
      } else if (nearest == INFINITY && error * (1 + 1e-6) + 1e-18 < least) {
        best = j, least = error;  // equal minima differ by rounding: the first of them stays
      }
    }
    if (best == jobs.pose.size()) continue;
    std::copy_n(&jobs.joints[best * n], n, poses.joints + i * n);
    poses.position_error[i] = jobs.position_error[best];
    poses.rotation_error[i] = jobs.rotation_error[best];
    poses.reached[i] = nearest < INFINITY;
    poses.settled[i] = poses.reached[i] || jobs.converged[best];
  }
}

void ArmSolver::solve(const ArmPoses& poses, const ArmSettings& settings, int threads) const {
  const long block = 16 * kernels_.f32.lanes;
  const long blocks = (poses.count + block - 1) / block;
  threads = useful_threads(threads, blocks, 2);
  const Workspaces workspaces(threads, workspace_bytes_);
  std::atomic<long> next{0};
  run_workers(threads, [&](int worker) {
    for (long b; (b = next.fetch_add(1)) < blocks;) {
      const long from = b * block, n = f64_.joints;
      ArmPoses part = poses;
      part.count = std::min(block, poses.count - from);
      part.targets += 16 * from, part.start += n * from, part.moving += from, part.joints += n * from;
      part.position_error += from, part.rotation_error += from;
      part.reached += from, part.settled += from, part.iterations += from;
      solve_block(part, settings, workspaces[worker]);
    }
  });
}

void ArmSolver::solve_sequences(const ArmPoses& all, long frames, const ArmSettings& settings, int threads) const {
  const std::size_t n = std::size_t(f64_.joints);
  const long block = 2 * kernels_.f64.lanes, blocks = (all.count + block - 1) / block;
  threads = useful_threads(threads, blocks, 1);
  const Workspaces workspaces(threads, workspace_bytes_);
  std::atomic<long> next{0};
  run_workers(threads, [&](int worker) {
    for (long b; (b = next.fetch_add(1)) < blocks;) {
      const long from = b * block, count = std::min(block, all.count - from);
      const std::size_t size = std::size_t(count);
      std::vector<double> targets(16 * size), start(all.start + std::size_t(from) * n, all.start + std::size_t(from + count) * n);
      std::vector<double> joints(n * size), position_error(size), rotation_error(size);
      std::vector<int> iterations(size);
      const std::unique_ptr<bool[]> moving(new bool[size]), reached(new bool[size]), settled(new bool[size]);
      std::copy_n(all.moving + from, count, moving.get());
      for (long t = 0; t < frames; ++t) {
        for (long s = 0; s < count; ++s)
          std::copy_n(all.targets + 16 * ((from + s) * frames + t), 16, &targets[std::size_t(16 * s)]);
        const ArmPoses step{count,          targets.data(), start.data(),  moving.get(),     joints.data(),
                            position_error.data(), rotation_error.data(), reached.get(), settled.get(), iterations.data()};
        solve_block(step, settings, workspaces[worker]);
        for (std::size_t s = 0; s < size; ++s) {
          const std::size_t to = (std::size_t(from) + s) * std::size_t(frames) + std::size_t(t);
          std::copy_n(&joints[s * n], n, all.joints + to * n);
          all.position_error[to] = position_error[s], all.rotation_error[to] = rotation_error[s];
          all.reached[to] = reached[s], all.settled[to] = settled[s], all.iterations[to] = iterations[s];
          moving[s] = true;
        }
        start = joints;
      }
    }
  });
}

void ArmSolver::evaluate(long count, const double* targets, const double* joints, const ArmEvaluation& out) const {
  static const double identity[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  Jobs jobs(targets ? targets : identity, std::size_t(count), half_range_.size());
  for (long i = 0; i < count; ++i) jobs.pose[std::size_t(i)] = targets ? i : 0;
  std::copy_n(joints, jobs.joints.size(), jobs.joints.begin());
  ArmBatch b = batch(jobs);
  const Workspaces workspace(1, workspace_bytes_);
  kernels_.f64.arm_evaluate(f64_, b, out, workspace[0]);
}

}  // namespace retarget
