// The Python class ArmSolver.
#include <algorithm>

#include "arm_solver.hpp"
#include "bindings.hpp"
#include "dispatch.hpp"
#include "rigid.hpp"

namespace retarget {
namespace {

using Flags = nb::ndarray<const bool, nb::c_contig, nb::device::cpu>;

void make(ArmSolver* self, Doubles step, Doubles axis, Doubles tool, Doubles base, Doubles lower,
          Doubles upper, Doubles half_range, Doubles posture, Doubles known, double rotation_weight,
          const std::string& isa) {
  const long n = rows(axis, "axes", 2);
  require(n <= kMaxChain, "a chain has at most 12 joints");
  ArmArrays a;
  a.joints = int(n);
  a.step = checked(step, "steps", {n, 3});
  a.axis = checked(axis, "axes", {n, 3});
  for (long i = 0; i < n; ++i) {
    const double* x = a.axis + 3 * i;
    require(std::abs(x[0] * x[0] + x[1] * x[1] + x[2] * x[2] - 1) < 1e-6, "axes must hold unit vectors");
  }
  a.tool = checked(tool, "T_last_wrist", {4, 4});
  a.base = checked(base, "T_base_world", {4, 4});
  a.lower = checked(lower, "lower", {n}, false);
  a.upper = checked(upper, "upper", {n}, false);
  a.half_range = checked(half_range, "half_range", {n});
  a.posture = checked(posture, "posture", {n});
  for (long i = 0; i < n; ++i) {
    require(a.lower[i] < a.upper[i], "lower must be below upper");
    require_positive(a.half_range[i], "half_range");
  }
  require(known.ndim() == 2, "known must have shape (count, joints)");
  a.known = long(known.shape(0));
  a.known_joints = checked(known, "known", {a.known, n});
  require_positive(rotation_weight, "rotation_weight");
  a.rotation_weight = rotation_weight;
  new (self) ArmSolver(a, find_kernels(isa));
}

ArmSettings settings_of(double position_tolerance, double rotation_tolerance, double posture_gain,
                        double goal, int starts, int max_iterations, bool lean, bool single) {
  require_positive(position_tolerance, "position_tolerance");
  require_positive(rotation_tolerance, "rotation_tolerance");
  require_not_negative(posture_gain, "posture_gain");
  require_positive(goal, "goal");
  require(starts >= 0, "starts must not be negative");
  require(max_iterations >= 1 && max_iterations <= 1000000, "max_iterations must be 1 to 1,000,000");
  return {position_tolerance, rotation_tolerance, posture_gain, goal, starts, max_iterations, lean, single};
}

/// Poses T_world_wrist (or sequences of them) -> joints, errors, whether reached, settled, missing;
/// iterations.
nb::tuple solve(const ArmSolver& self, Doubles targets, Doubles start, Flags moving,
                double position_tolerance, double rotation_tolerance, double posture_gain, double goal,
                int starts, int max_iterations, bool lean, bool single, int threads) {
  const std::size_t axes = targets.ndim() == 4 ? 4 : 3;
  const long count = rows(targets, "T_world_wrist", axes), frames = axes == 4 ? long(targets.shape(1)) : 1;
  require(frames >= 1, "a sequence has at least one frame");
  const std::size_t n = std::size_t(self.joints());
  const double* T = axes == 4 ? checked(targets, "T_world_wrist", {count, frames, 4, 4}, false)
                              : checked(targets, "T_world_wrist", {count, 4, 4}, false);
  const double* q0 = checked(start, "start", {count, long(n)});
  require(moving.ndim() == 1 && long(moving.shape(0)) == count, "moving must have one entry a start");
  require(threads >= 0, "threads must not be negative");
  const ArmSettings settings = settings_of(position_tolerance, rotation_tolerance, posture_gain, goal, starts,
                                           max_iterations, lean, single);
  std::vector<std::size_t> shape = axes == 4
                                       ? std::vector<std::size_t>{std::size_t(count), std::size_t(frames)}
                                       : std::vector<std::size_t>{std::size_t(count)};
  std::vector<std::size_t> joints_shape = shape;
  joints_shape.push_back(n);
  Output<double> joints(joints_shape), position(shape), rotation(shape);
  Output<bool> reached(shape), settled(shape), missing(shape);
  Output<int> iterations(shape);
  const ArmPoses poses{count,
                       frames,
                       T,
                       q0,
                       moving.data(),
                       joints.data.get(),
                       position.data.get(),
                       rotation.data.get(),
                       reached.data.get(),
                       settled.data.get(),
                       missing.data.get(),
                       iterations.data.get()};
  {
    nb::gil_scoped_release release;
    self.solve(poses, settings, threads);
  }
  return nb::make_tuple(joints.release(), position.release(), rotation.release(), reached.release(),
                        settled.release(), missing.release(), iterations.release());
}

nb::tuple evaluate(const ArmSolver& self, Doubles targets, Doubles joints) {
  const long count = rows(joints, "joints", 2);
  const std::size_t c = std::size_t(count), n = std::size_t(self.joints());
  const double* T = checked(targets, "T_world_wrist", {count, 4, 4});
  const double* q = checked(joints, "joints", {count, long(n)});
  Output<double> pose({c, 4, 4}), jacobian({c, 6, n}), cost({c}), gradient({c, n}), hessian({c, n, n});
  self.evaluate(
      count, T, q,
      {pose.data.get(), jacobian.data.get(), cost.data.get(), gradient.data.get(), hessian.data.get()});
  return nb::make_tuple(pose.release(), jacobian.release(), cost.release(), gradient.release(),
                        hessian.release());
}

}  // namespace

void bind_arm(nb::module_& m) {
  nb::class_<ArmSolver>(m, "ArmSolver")
      .def("__init__", make)
      .def_prop_ro("joints", &ArmSolver::joints)
      .def("solve", solve, nb::arg("T_world_wrist"), nb::arg("start"), nb::arg("moving"),
           nb::arg("position_tolerance"), nb::arg("rotation_tolerance"), nb::arg("posture_gain"),
           nb::arg("goal"), nb::arg("starts"), nb::arg("max_iterations"), nb::arg("lean"), nb::arg("single"),
           nb::arg("threads"))
      .def("evaluate", evaluate, nb::arg("T_world_wrist"), nb::arg("joints"));
}

}  // namespace retarget
