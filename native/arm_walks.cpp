// Sequences walked in one go, and what becomes of the poses where a walk ends.
#include <algorithm>

#include "arm_jobs.hpp"

namespace retarget {
namespace {

constexpr double kFinest = 1e-5;  // float32 finds no better [m],
constexpr double kDoubt = 1e-6;   // and its last micrometre is not to be trusted

}  // namespace

bool ArmSolver::coarse(const ArmSettings& settings) { return settings.goal >= kFinest; }

ArmWalk ArmSolver::walk_of(const ArmPoses& poses, const ArmSettings& settings) const {
  ArmWalk w{};
  w.poses = poses;
  w.base = base_.data();
  w.half_range = half_range_.data(), w.lower = lower_.data(), w.upper = upper_.data();
  w.rotation_weight = rotation_weight_;
  w.accuracy = settings.goal - (settings.single && coarse(settings) ? kDoubt : 0);
  w.least_gain = 0.1 * settings.goal;
  w.step_tolerance = std::max(1e-10, settings.goal);
  w.position_tolerance = settings.position_tolerance, w.rotation_tolerance = settings.rotation_tolerance;
  w.max_iterations = settings.max_iterations;
  w.settle = settings.starts == 0 || known() == 0;
  w.count = poses.count;
  w.bad_pose = -1;
  return w;
}

void ArmSolver::run_walk(ArmWalk& walk, const ArmSettings& settings) const {
  walk.given_up_count = 0;
  if (settings.single && coarse(settings)) kernels_.f32.arm_walk(f32_, f64_, walk);
  else kernels_.f64.arm_walk(f64_, f64_, walk);
}

void ArmSolver::walk(Work& work, long* next, long* at) const {
  constexpr long kRoom = 256;
  std::vector<long> given_up(kRoom + 2 * kMostLanes), todo;
  std::vector<FrameOf> frames;
  ArmWalk w = walk_of(work.poses, work.settings);
  w.next = next, w.at = at;
  w.given_up = given_up.data(), w.room = kRoom;
  do {
    run_walk(w, work.settings);
    work.note_bad(w.bad_pose);
    // where a walk ends another way is searched for, and from there it goes on
    for (long ended = w.given_up_count; ended > 0;) {
      frames.clear(), todo.clear();
      for (long k = 0; k < ended; ++k) {
        const long s = given_up[std::size_t(k)];
        frames.push_back({s, at[s]++});
        if (at[s] < work.poses.frames) todo.push_back(s);
      }
      solve_frames(work, frames, true);
      long taken = 0;
      ArmWalk rest = w;
      rest.todo = todo.data(), rest.count = long(todo.size()), rest.next = &taken;
      rest.room = long(given_up.size());
      run_walk(rest, work.settings);
      work.note_bad(rest.bad_pose);
      ended = rest.given_up_count;
    }
  } while (__atomic_load_n(next, __ATOMIC_RELAXED) < work.poses.count);
}

/// As `reach`, to an accuracy that needs no more than a walk's.
void ArmSolver::reach_coarsely(Jobs& jobs, const ArmSettings& settings) const {
  const std::size_t count = jobs.pose.size();
  std::vector<double> targets(16 * count);
  std::vector<std::int64_t> status(count), iterations(count);
  std::vector<unsigned char> moving(count);
  std::vector<long> at(count), given_up(count);
  for (std::size_t k = 0; k < count; ++k) std::copy_n(jobs.targets + 16 * jobs.pose[k], 16, &targets[16 * k]);
  ArmPoses poses{};
  poses.count = long(count), poses.frames = 1;
  poses.targets = targets.data(), poses.sequence_step = 16;
  poses.start = poses.joints = jobs.joints.data();
  poses.moving = moving.data();
  poses.position_error = jobs.position_error.data(), poses.rotation_error = jobs.rotation_error.data();
  poses.status = status.data(), poses.iterations = iterations.data();
  ArmWalk w = walk_of(poses, settings);
  long next = 0;
  w.base = kIdentity;
  w.next = &next, w.at = at.data();
  w.given_up = given_up.data(), w.room = long(count);
  w.settle = true;
  run_walk(w, settings);
  for (std::size_t k = 0; k < count; ++k) {
    jobs.iterations[k] = int(iterations[k]);
    jobs.converged[k] = status[k] != kNotConverged;
  }
}

}  // namespace retarget
