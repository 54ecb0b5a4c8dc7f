// Sequences walked in one go, and what becomes of the poses where a walk ends.
#include "arm/stages.hpp"

namespace retarget {
namespace {

constexpr double kFinest = 1e-5;  // float32 finds no better [m],
constexpr double kDoubt = 1e-6;   // and its last micrometre is not to be trusted

}  // namespace

bool ArmSolver::coarse(const ArmSettings& settings) { return settings.goal >= kFinest; }

ArmWalk ArmSolver::walk_of(const ArmPoses& poses, const ArmSettings& settings) const {
  ArmWalk w{};
  w.poses = poses;
  w.base = base_;
  w.limits = limits();
  w.end.accuracy = settings.goal - (settings.single && coarse(settings) ? kDoubt : 0);
  w.end.least_gain = 0.1 * settings.goal;
  w.end.step_tolerance = std::max(1e-10, settings.goal);
  w.end.max_iterations = settings.max_iterations;
  w.tolerances = {settings.position_tolerance, settings.rotation_tolerance};
  w.queue.count = poses.count;
  w.bad_pose = -1;
  return w;
}

void ArmSolver::run_walk(ArmWalk& walk, const ArmSettings& settings) const {
  walk.given_up.count = 0;
  if (settings.single && coarse(settings)) kernels_.f32.arm.walk(f32_, f64_, walk);
  else kernels_.f64.arm.walk(f64_, f64_, walk);
}

void ArmSolver::walk(Work& work, long* next, Span<long> at) const {
  constexpr long kRoom = 256;
  std::vector<long> given_up(kRoom + 2 * kMostLanes), todo;
  std::vector<FrameOf> frames;
  ArmWalk w = walk_of(work.poses, work.settings);
  w.queue.next = next, w.queue.at = at;
  w.given_up.sequences = given_up, w.given_up.room = kRoom;
  do {
    run_walk(w, work.settings);
    work.note_bad(w.bad_pose);
    // where a walk ends another way is searched for, and from there it goes on
    for (long ended = w.given_up.count; ended > 0;) {
      frames.clear(), todo.clear();
      for (long k = 0; k < ended; ++k) {
        const long s = given_up[std::size_t(k)];
        frames.push_back({s, at[s]++});
        if (at[s] < work.poses.frames) todo.push_back(s);
      }
      solve_frames(work, frames, true);
      long taken = 0;
      ArmWalk rest = w;
      rest.queue = {todo, long(todo.size()), &taken, at};
      rest.given_up.room = long(given_up.size());
      run_walk(rest, work.settings);
      work.note_bad(rest.bad_pose);
      ended = rest.given_up.count;
    }
  } while (__atomic_load_n(next, __ATOMIC_RELAXED) < work.poses.count);
}

/// As `reach`, to an accuracy that needs no more than a walk's.
void ArmSolver::reach_coarsely(Reaches& reaches, const ArmSettings& settings) const {
  const std::size_t count = reaches.pose.size();
  std::vector<double> targets(16 * count);
  std::vector<std::int64_t> status(count), iterations(count);
  std::vector<unsigned char> moving(count);
  std::vector<long> at(count), given_up(count);
  const Rows<double> target(targets, 16);
  for (std::size_t k = 0; k < count; ++k) copy(reaches.targets[reaches.pose[k]], target[long(k)]);
  ArmPoses poses{};
  poses.count = long(count), poses.frames = 1;
  poses.in = {{Rows<const double>(targets, 16), poses.count, 16}, reaches.joints, moving};
  poses.out = {reaches.joints, reaches.position_error, reaches.rotation_error, status, iterations};
  ArmWalk w = walk_of(poses, settings);
  long next = 0;
  w.base = kIdentity;
  w.queue.next = &next, w.queue.at = at;
  w.given_up = {given_up, 0, poses.count};
  w.end.settle = true;
  run_walk(w, settings);
  for (std::size_t k = 0; k < count; ++k) {
    reaches.iterations[k] = int(iterations[k]);
    reaches.converged[k] = status[k] != kNotConverged;
  }
}

}  // namespace retarget
