// ArmSolver: made from its arrays, sequences spread over threads, frames handed to the stages.
#include "arm/solver.hpp"

#include <mutex>
#include <stdexcept>
#include <string>

#include "arm/stages.hpp"
#include "core/workers.hpp"
#include "core/workspace.hpp"

namespace retarget {
namespace {

[[noreturn]] void refuse_pose(PoseFault fault, long index) {
  const char* what = fault == PoseFault::kReflection ? "is a reflection"
                     : fault == PoseFault::kLastRow  ? "has a last row other than 0 0 0 1"
                                                     : "has no orthonormal rotation";
  throw std::invalid_argument("pose " + std::string(what) + " at flat index " + std::to_string(index));
}

std::vector<double> values(Span<const double> span) { return {span.begin(), span.end()}; }

}  // namespace

ArmSolver::ArmSolver(const ArmArrays& a, const Kernels& kernels)
    : kernels_(kernels),
      f64_(arm_model<double>(a)),
      f32_(arm_model<float>(a)),
      base_(values(a.base)),
      half_range_(values(a.limits.half_range)),
      lower_(values(a.limits.lower)),
      upper_(values(a.limits.upper)),
      posture_(values(a.posture)),
      rotation_weight_(a.limits.rotation_weight),
      workspace_bytes_(std::max(kernels.f64.arm.workspace(f64_), kernels.f32.arm.workspace(f32_))) {
  const long known = a.known_joints.count();
  for (long i = 0; i < known; ++i)
    known_joints_.insert(known_joints_.end(), a.known_joints[i].begin(), a.known_joints[i].end());
  known_places_.assign(std::size_t((known + kChunk - 1) / kChunk * kPlace * kChunk), INFINITY);
  std::vector<double> numbers(std::size_t(known * 16));
  ArmEvaluation out{};
  out.pose = Rows<double>(numbers, 16);
  evaluate({}, a.known_joints, out);
  for (long i = 0; i < known; ++i) {
    double where[kPlace];
    place(out.pose[i], rotation_weight_, where);
    for (int d = 0; d < kPlace; ++d)
      known_places_[std::size_t((i / kChunk * kPlace + d) * kChunk + i % kChunk)] = where[d];
  }
}

void ArmSolver::solve(const ArmPoses& poses, const ArmSettings& settings, int threads) const {
  // SIMD lanes take turns within a block, so that a few packs' worth keeps all of them busy
  const long pack = kernels_.f64.lanes, most = poses.frames > 1 ? 4 * pack : 32 * pack;
  const long enough = poses.frames > 1 ? pack : 16 * pack;
  threads = useful_threads(threads, poses.count, enough);
  const long block = std::max(pack, std::min(most, (poses.count + threads - 1) / threads));
  const Workspaces workspaces(threads, workspace_bytes_);
  std::vector<long> at(settings.lean ? 0 : std::size_t(poses.count));
  long next = 0, bad_pose = -1;
  std::mutex mutex;
  run_workers(threads, [&](int worker) {
    Work work{poses, settings, workspaces[worker], -1};
    if (settings.lean)
      for (long s; (s = __atomic_fetch_add(&next, block, __ATOMIC_RELAXED)) < poses.count;)
        solve_block(work, s, std::min(block, poses.count - s));
    else walk(work, &next, at);
    const std::lock_guard<std::mutex> lock(mutex);
    if (work.bad_pose >= 0 && (bad_pose < 0 || work.bad_pose < bad_pose)) bad_pose = work.bad_pose;
  });
  if (bad_pose < 0) return;
  double unused[16];
  const Span<const double> bad = poses.in.targets(bad_pose / poses.frames, bad_pose % poses.frames);
  refuse_pose(kernels_.pose.read(bad, base_, Span<double>(unused)), bad_pose);
}

void ArmSolver::solve_block(Work& work, long first, long count) const {
  std::vector<FrameOf> frames(static_cast<std::size_t>(count));
  for (long frame = 0; frame < work.poses.frames; ++frame) {
    for (long k = 0; k < count; ++k) frames[std::size_t(k)] = {first + k, frame};
    solve_frames(work, frames, false);
  }
}

void ArmSolver::solve_frames(Work& work, const std::vector<FrameOf>& frames, bool walked) const {
  const ArmPoses& poses = work.poses;
  const ArmPoses::Output& out = poses.out;
  const std::size_t n = half_range_.size();
  std::vector<long> there;
  Solved frame(frames.size(), n);
  for (const FrameOf& at : frames) {
    const long pose = poses.pose(at.sequence, at.frame), row = long(there.size());
    const std::size_t k = there.size();
    const Span<double> q = out.joints[pose];
    const PoseFault fault =
        kernels_.pose.read(poses.in.targets(at.sequence, at.frame), base_, frame.targets[row]);
    frame.settled[k] = walked && out.status[pose] == kUnreachable;
    if (frame.settled[k]) {
      copy(q, frame.joints[row]);
      frame.position_error[k] = out.position_error[pose];
      frame.rotation_error[k] = out.rotation_error[pose];
      frame.iterations[k] = int(out.iterations[pose]);
    }
    const Span<const double> before = poses.before(at.sequence, at.frame);
    for (std::size_t i = 0; i < n; ++i)
      q[long(i)] = std::min(std::max(before[long(i)], lower_[i]), upper_[i]);
    if (fault != PoseFault::kNone) {
      if (fault != PoseFault::kMissing) work.note_bad(pose);
      out.position_error[pose] = out.rotation_error[pose] = NAN;
      out.status[pose] = kMissing;
      out.iterations[pose] = 0;
      continue;
    }
    copy(q, frame.start[row]);
    frame.moving[k] = char(poses.in.moving[at.sequence]);
    poses.in.moving[at.sequence] = true;
    there.push_back(pose);
  }
  if (there.empty()) return;
  frame.resize(there.size());
  run_stages(frame, work.settings, work.workspace);
  for (std::size_t k = 0; k < there.size(); ++k) {
    const long pose = there[k];
    const Span<double> q = out.joints[pose];
    copy(frame.joints[long(k)], q);
    out.position_error[pose] = frame.position_error[k];
    out.rotation_error[pose] = frame.rotation_error[k];
    out.status[pose] = frame.reached[k]   ? (near_limit(q) ? kReachedAtLimit : kReached)
                       : frame.settled[k] ? kUnreachable
                                          : kNotConverged;
    out.iterations[pose] = frame.iterations[k];
  }
}

void ArmSolver::evaluate(Rows<const double> targets, Rows<const double> joints,
                         const ArmEvaluation& out) const {
  const long count = joints.count();
  Reaches reaches(targets ? targets : Rows<const double>(kIdentity, 16), std::size_t(count),
                  half_range_.size());
  for (long i = 0; i < count; ++i) {
    reaches.pose[std::size_t(i)] = targets ? i : 0;
    copy(joints[i], reaches.joints[i]);
  }
  const Workspaces workspace(1, workspace_bytes_);
  kernels_.f64.arm.evaluate(f64_, batch(reaches), out, workspace[0]);
}

}  // namespace retarget
