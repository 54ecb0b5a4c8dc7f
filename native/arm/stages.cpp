// The stages of a frame: reached, searched for where that fails, led to the posture.
#include "arm/stages.hpp"

namespace retarget {
namespace {

constexpr double kSwitch = 1.05;  // a moving arm leaves its nearest pose for one that is this much nearer
// The nearest pose to one out of reach may jump where that one moves smoothly. Scaled joints follow it by at
// most kFree a frame, and kFollow for each metre of the wrist's way (turns counted by the rotation weight), of
// which kNear and what brings it nearer count.
constexpr double kFree = 0.005, kFollow = 5, kNear = 0.02;

LmOptions options_of(const ArmSettings& settings, int max_iterations) {
  LmOptions options;
  options.longest_step = 1.0;
  options.max_iterations = max_iterations;
  options.enough = settings.goal * settings.goal;
  return options;
}

}  // namespace

ArmBatch ArmSolver::batch(Reaches& r) const {
  ArmBatch b{};
  b.count = long(r.pose.size());
  b.limits = limits();
  b.in = {r.targets, r.pose, posture_, r.budget, r.room};
  b.out = {r.joints, r.position_error, r.rotation_error, {}, r.iterations, r.converged};
  return b;
}

/// What is not settled is reached from where it starts, what is not reached is searched for.
void ArmSolver::run_stages(Solved& f, const ArmSettings& settings, Span<char> workspace) const {
  const std::size_t count = f.moving.size(), n = half_range_.size();
  std::vector<long> open, failed;
  for (std::size_t i = 0; i < count; ++i)
    if (!f.settled[i]) open.push_back(long(i));
  Reaches reaches(f.targets, open.size(), n);
  reaches.pose = open;
  for (std::size_t k = 0; k < open.size(); ++k) copy(f.start[open[k]], reaches.joints[long(k)]);
  reach(reaches, settings, workspace);
  for (std::size_t k = 0; k < open.size(); ++k) {
    const std::size_t i = std::size_t(open[k]);
    f.take(reaches, k, i);
    f.start_cost[i] = reaches.start_cost[k];
    f.settled[i] = reaches.converged[k];
  }
  for (std::size_t i = 0; i < count; ++i) {
    f.reached[i] = within(f.position_error[i], f.rotation_error[i], settings);
    f.settled[i] = f.settled[i] || f.reached[i];
    if (!f.reached[i]) failed.push_back(long(i));
  }
  if (!failed.empty() && settings.starts > 0 && known() > 0) search(f, failed, settings, workspace);
  if (!failed.empty()) follow(f, failed, settings, workspace);
  if (settings.lean) slide(f, settings, workspace);
}

void ArmSolver::reach(Reaches& reaches, const ArmSettings& settings, Span<char> workspace) const {
  const LmOptions options = options_of(settings, settings.max_iterations);
  if (settings.single) {
    LmOptions coarse = options;
    const double reachable = std::max(settings.goal, 1e-5);  // what float32 resolves [m]
    coarse.enough = reachable * reachable;
    coarse.tolerance = 1e-4;
    ArmBatch b = batch(reaches);
    b.out.start_cost = reaches.start_cost;
    kernels_.f32.arm.reach(f32_, b, coarse, workspace);
  }
  ArmBatch b = batch(reaches);
  if (!settings.single) b.out.start_cost = reaches.start_cost;
  kernels_.f64.arm.reach(f64_, b, options, workspace);
}

/// Further starts for poses that were not reached, from known joints whose wrists are nearest to them.
void ArmSolver::search(Solved& f, const std::vector<long>& failed, const ArmSettings& settings,
                       Span<char> workspace) const {
  const std::size_t n = half_range_.size(), known_count = std::size_t(known());
  const std::size_t starts = std::min(std::size_t(settings.starts), known_count);
  const Rows<const double> known_joints(known_joints_, long(n));
  Reaches reaches(f.targets, failed.size() * starts, n);
  std::vector<double> distance(starts);
  std::vector<long> nearest(starts);
  for (std::size_t k = 0; k < failed.size(); ++k) {
    double here[kPlace];
    place(f.targets[failed[k]], rotation_weight_, here);
    kernels_.pose.nearest(known_places_, Span<const double>(here), distance, nearest);
    for (std::size_t s = 0; s < starts; ++s) {
      reaches.pose[k * starts + s] = failed[k];
      copy(known_joints[nearest[s]], reaches.joints[long(k * starts + s)]);
    }
  }
  if (coarse(settings)) reach_coarsely(reaches, settings);
  else reach(reaches, settings, workspace);
  // only moving arms are held to the room that they have
  const bool moves =
      std::any_of(failed.begin(), failed.end(), [&](long i) { return f.moving[std::size_t(i)]; });
  const std::vector<double> before = moves ? places(f.start, workspace) : std::vector<double>(),
                            after = moves ? places(reaches.joints, workspace) : std::vector<double>();
  const Rows<const double> from(before, kPlace), to(after, kPlace);
  for (std::size_t k = 0; k < failed.size(); ++k) {
    const std::size_t i = std::size_t(failed[k]), none = reaches.pose.size();
    // equal minima differ by rounding, and a moving arm does not flip between similar ones
    const double by_itself = cost(f.position_error[i], f.rotation_error[i]),
                 enough = by_itself / (f.moving[i] ? kSwitch * kSwitch : 1 + 1e-6) - 1e-18;
    double shortest = INFINITY, least = enough;
    std::size_t best = none;
    for (std::size_t j = k * starts; j < (k + 1) * starts; ++j) {
      f.iterations[i] += reaches.iterations[j];
      const double error = cost(reaches.position_error[j], reaches.rotation_error[j]);
      if (within(reaches.position_error[j], reaches.rotation_error[j], settings)) {
        const Span<const double> start = f.start[failed[k]], end = reaches.joints[long(j)];
        double way = 0;
        for (std::size_t d = 0; d < n; ++d) {
          const double turn = (end[long(d)] - start[long(d)]) / half_range_[d];
          way += turn * turn;
        }
        if (way < shortest) best = j, shortest = way;
      } else if (shortest == INFINITY && error < least / (best == none ? 1 : 1 + 1e-6) &&
                 (!f.moving[i] || turned(f.start[failed[k]], reaches.joints[long(j)]) <=
                                      room(f.targets[failed[k]], from[failed[k]], to[long(j)]))) {
        best = j, least = error;
      }
    }
    // near the edge of reach steps shrink before the slowest end; a start that ended there vouches for it
    for (std::size_t j = k * starts; shortest == INFINITY && j < (k + 1) * starts; ++j)
      if (reaches.converged[j] && cost(reaches.position_error[j], reaches.rotation_error[j]) <=
                                      (best == none ? by_itself : least) * (1 + 1e-5))
        f.settled[i] = true;
    if (best == none) continue;
    copy(reaches.joints[long(best)], f.joints[failed[k]]);
    f.position_error[i] = reaches.position_error[best];
    f.rotation_error[i] = reaches.rotation_error[best];
    f.reached[i] = shortest < INFINITY;
    f.settled[i] = f.settled[i] || f.reached[i] || reaches.converged[best];
  }
}

/// Poses that a moving arm does not reach are followed no faster than `room` allows.
void ArmSolver::follow(Solved& f, const std::vector<long>& failed, const ArmSettings& settings,
                       Span<char> workspace) const {
  const std::size_t n = half_range_.size();
  std::vector<long> moving, fast;
  for (const long i : failed)
    if (f.moving[std::size_t(i)] && !f.reached[std::size_t(i)]) moving.push_back(i);
  if (moving.empty()) return;
  const std::vector<double> before = places(f.start, workspace), after = places(f.joints, workspace);
  const Rows<const double> from(before, kPlace), to(after, kPlace);
  std::vector<double> rooms;
  for (const long i : moving) {
    const double most = room(f.targets[i], from[i], to[i]);
    if (turned(f.start[i], f.joints[i]) > most) fast.push_back(i), rooms.push_back(most);
  }
  if (fast.empty()) return;
  Reaches reaches(f.targets, fast.size(), n);
  reaches.pose = fast;
  reaches.room = rooms;
  for (std::size_t k = 0; k < fast.size(); ++k) copy(f.start[fast[k]], reaches.joints[long(k)]);
  const LmOptions options = options_of(settings, settings.max_iterations);
  ArmBatch b = batch(reaches);
  kernels_.f64.arm.reach(f64_, b, options, workspace);
  for (std::size_t k = 0; k < fast.size(); ++k) {
    const std::size_t i = std::size_t(fast[k]);
    f.take(reaches, k, i);
    f.settled[i] = f.settled[i] || reaches.converged[k];
  }
}

/// Where the wrists of joints are, kPlace numbers each.
std::vector<double> ArmSolver::places(Rows<const double> joints, Span<char> workspace) const {
  const std::size_t count = std::size_t(joints.count());
  const Rows<const double> anywhere(kIdentity, 16);
  Reaches reaches(anywhere, count, half_range_.size());
  for (std::size_t k = 0; k < count; ++k) copy(joints[long(k)], reaches.joints[long(k)]);
  std::vector<double> poses(16 * count), found(kPlace * count);
  ArmEvaluation out{};
  out.pose = Rows<double>(poses, 16);
  kernels_.f64.arm.evaluate(f64_, batch(reaches), out, workspace);
  for (std::size_t k = 0; k < count; ++k)
    place(out.pose[long(k)], rotation_weight_, Rows<double>(found, kPlace)[long(k)]);
  return found;
}

/// The longest way of a joint, in scaled joints.
double ArmSolver::turned(Span<const double> from, Span<const double> to) const {
  double most = 0;
  for (std::size_t d = 0; d < half_range_.size(); ++d)
    most = std::max(most, std::abs(to[long(d)] - from[long(d)]) / half_range_[d]);
  return most;
}

/// How far joints may go while the wrist goes from one place to another, in scaled joints.
double ArmSolver::room(Span<const double> target, Span<const double> from, Span<const double> to) const {
  double wanted[kPlace], way = 0, before = 0, after = 0;
  place(target, rotation_weight_, wanted);
  for (int k = 0; k < kPlace; ++k) {
    way += (to[k] - from[k]) * (to[k] - from[k]);
    before += (wanted[k] - from[k]) * (wanted[k] - from[k]);
    after += (wanted[k] - to[k]) * (wanted[k] - to[k]);
  }
  const double nearer = std::sqrt(before) - std::sqrt(after);
  return kFree + kFollow * std::min(std::sqrt(way), std::max(kNear, nearer));
}

void ArmSolver::slide(Solved& f, const ArmSettings& settings, Span<char> workspace) const {
  std::vector<long> reached;
  for (std::size_t i = 0; i < f.reached.size(); ++i)
    if (f.reached[i]) reached.push_back(long(i));
  Reaches reaches(f.targets, reached.size(), half_range_.size());
  reaches.pose = reached;
  for (std::size_t k = 0; k < reached.size(); ++k) {
    const std::size_t i = std::size_t(reached[k]);
    copy(f.joints[reached[k]], reaches.joints[long(k)]);
    reaches.budget[k] = f.moving[i] ? settings.posture_gain * std::sqrt(f.start_cost[i]) : INFINITY;
  }
  ArmBatch b = batch(reaches);
  const LmOptions options = options_of(settings, 20);
  kernels_.f64.arm.slide(f64_, b, options, workspace);
  for (std::size_t k = 0; k < reached.size(); ++k) f.take(reaches, k, std::size_t(reached[k]));
}

}  // namespace retarget
