// The Python class ArmSolver.
#include <algorithm>
#include <cstdint>

#include "arm/solver.hpp"
#include "core/dispatch.hpp"
#include "python/arrays.hpp"
#include "python/settings.hpp"

namespace retarget {
namespace {

using Object = nb::handle;

void make(ArmSolver* self, Object steps_, Object axes_, Object tool_, Object base_, Object lower_,
          Object upper_, Object half_range_, Object posture_, Object known_, double rotation_weight,
          const std::string& isa) {
  const Doubles steps(steps_, "steps"), axes(axes_, "axes"), tool(tool_, "T_last_wrist"),
      base(base_, "T_base_world"), lower(lower_, "lower"), upper(upper_, "upper"),
      half_range(half_range_, "half_range"), posture(posture_, "posture"), known(known_, "known");
  const long n = axes.rows(2);
  require(n <= kMaxChain, "a chain has at most 12 joints");
  ArmArrays a;
  a.joints = int(n);
  a.step = steps.checked_rows({n, 3});
  a.axis = axes.checked_rows({n, 3});
  for (long i = 0; i < n; ++i) {
    const Span<const double> x = a.axis[i];
    require(std::abs(x[0] * x[0] + x[1] * x[1] + x[2] * x[2] - 1) < 1e-6, "axes must hold unit vectors");
  }
  a.tool = tool.checked({4, 4});
  a.base = base.checked({4, 4});
  a.limits.lower = lower.checked({n}, false);
  a.limits.upper = upper.checked({n}, false);
  a.limits.half_range = half_range.checked({n});
  a.posture = posture.checked({n});
  for (long i = 0; i < n; ++i) {
    require(a.limits.lower[i] < a.limits.upper[i], "lower must be below upper");
    require_positive(a.limits.half_range[i], "half_range");
  }
  require(known.axes() == 2, "known must have shape (count, joints)");
  a.known_joints = known.checked_rows({known.length(0), n});
  require_positive(rotation_weight, "rotation_weight");
  a.limits.rotation_weight = rotation_weight;
  new (self) ArmSolver(a, find_kernels(isa));
}

/// Sequences of poses T_world_wrist (m, N, 4, 4). Numbers takes the joints of all poses, then their
/// position errors, then their rotation errors; moving is changed.
void solve(const ArmSolver& self, Object targets_, Object start_, Object moving_, double position_tolerance,
           double rotation_tolerance, double posture_gain, double goal, int starts, int max_iterations,
           bool lean, bool single, int threads, Object numbers_, Object status_, Object iterations_) {
  const Lent<const double> targets(targets_, "T_world_wrist", 2);
  const Doubles start(start_, "start");
  const Lent<bool> moving(moving_, "moving");
  const Lent<double> numbers(numbers_, "numbers");
  const Lent<std::int64_t> status(status_, "status"), iterations(iterations_, "iterations");
  const long count = targets.rows(4), frames = targets.length(1), all = count * frames, n = self.joints();
  require(frames >= 1, "a sequence has at least one frame");
  require(threads >= 0, "threads must not be negative");
  const ArmSettings settings = arm_settings(position_tolerance, rotation_tolerance, posture_gain, goal,
                                            starts, max_iterations, lean, single);
  ArmPoses poses{};
  poses.count = count, poses.frames = frames;
  const double* first = targets.checked({count, frames, 4, 4}, false).data();
  poses.in.targets = {{first, frames, 16, targets.step(1)}, count, targets.step(0)};
  poses.in.start = start.checked_rows({count, n});
  poses.in.moving = bytes(moving.checked({count}, false));
  const Span<double> found = numbers.checked({all * (n + 2)}, false);
  poses.out.joints = {found.part(0, all * n), n};
  poses.out.position_error = found.part(all * n, all);
  poses.out.rotation_error = found.part(all * (n + 1), all);
  poses.out.status = status.checked({all}, false);
  poses.out.iterations = iterations.checked({all}, false);
  const nb::gil_scoped_release release;
  self.solve(poses, settings, threads);
}

void evaluate(const ArmSolver& self, Object targets_, Object joints_, Object pose_, Object jacobian_,
              Object cost_, Object gradient_, Object hessian_) {
  const Doubles targets(targets_, "T_base_wrist"), joints(joints_, "q");
  const long count = joints.rows(2), n = self.joints();
  const Lent<double> pose(pose_, "pose"), jacobian(jacobian_, "jacobian"), cost(cost_, "cost"),
      gradient(gradient_, "gradient"), hessian(hessian_, "hessian");
  const ArmEvaluation out{pose.checked_rows({count, 4, 4}, false),
                          jacobian.checked_rows({count, 6, n}, false), cost.checked({count}, false),
                          gradient.checked_rows({count, n}, false),
                          hessian.checked_rows({count, n, n}, false)};
  self.evaluate(targets.checked_rows({count, 4, 4}), joints.checked_rows({count, n}), out);
}

}  // namespace

void bind_arm(nb::module_& m) {
  nb::class_<ArmSolver>(m, "ArmSolver").def("__init__", make).def("solve", solve).def("evaluate", evaluate);
}

}  // namespace retarget
