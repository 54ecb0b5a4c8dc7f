// Arms and hands solved on this machine without Python: prints what native_portable.py compares.
#include <cmath>
#include <cstdio>

#include "arm_solver.hpp"
#include "dispatch.hpp"
#include "hand_solver.hpp"
#include "mlp_model.hpp"
#include "workspace.hpp"

using namespace retarget;
using Numbers = std::vector<double>;

namespace {

unsigned long long state = 1;
/// Evenly spread between -size and size; the same numbers on every machine.
double draw(double size) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return size * (double(state >> 11) / double(1ull << 52) - 1.0);
}
Numbers draws(std::size_t count, double size) {
  Numbers numbers(count);
  for (double& x : numbers) x = draw(size);
  return numbers;
}

/// A line that every machine must agree on, but for `slack`.
void tell(const Kernels& kernels, const char* what, double slack, const double* numbers, std::size_t count) {
  std::printf("%s\t%s\t%g", kernels.isa, what, slack);
  for (std::size_t i = 0; i < count; ++i) std::printf("\t%.17g", numbers[i]);
  std::printf("\n");
}

void arms(const Kernels& kernels, int n) {
  state = 7;
  constexpr long kKnown = 64, kCount = 37, kFrames = 5;
  const Numbers unit{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  const std::size_t size = std::size_t(n);
  const Numbers step = draws(3 * size, 0.2), known = draws(kKnown * size, 2.0), posture = draws(size, 0.3);
  Numbers axis(3 * size, 0.0);
  for (std::size_t i = 0; i < size; ++i) axis[3 * i + (i + i / 3) % 3] = 1;
  const Numbers lower(size, -2.0), upper(size, 2.0), half(size, 2.0);
  ArmArrays a;
  a.joints = n;
  a.step = step.data(), a.axis = axis.data(), a.tool = a.base = unit.data();
  a.lower = lower.data(), a.upper = upper.data(), a.half_range = half.data(), a.posture = posture.data();
  a.known = kKnown, a.known_joints = known.data(), a.rotation_weight = 0.15;
  const ArmSolver solver(a, kernels);

  constexpr std::size_t kAll = kCount * kFrames;
  Numbers q = draws(kAll * size, 0.1), targets(16 * kAll);
  for (std::size_t k = 0; k < q.size(); ++k)  // every sequence wanders from its own beginning
    q[k] = k % (kFrames * size) < size ? 15 * q[k] : std::fmax(-1.9, std::fmin(1.9, q[k - size] + q[k]));
  ArmEvaluation out{};
  out.pose = targets.data();
  solver.evaluate(kAll, nullptr, q.data(), out);
  tell(kernels, "forward", 1e-12, targets.data(), targets.size());

  for (const bool lean : {true, false})
    for (const bool single : {false, true}) {
      const double goal = lean ? 1e-12 : 1e-4;
      const ArmSettings settings{std::fmax(goal, 1e-6), std::fmax(10 * goal, 1e-5), 10, goal, 3, 300, lean, single};
      Numbers start, joints(kAll * size), errors(2 * kAll);
      for (long s = 0; s < kCount; ++s) start.insert(start.end(), posture.begin(), posture.end());
      std::vector<unsigned char> moving(kCount, 1);
      std::vector<std::int64_t> status(kAll), iterations(kAll);
      ArmPoses poses{kCount, kFrames, targets.data(), 16 * kFrames, 16, start.data(), moving.data(), joints.data(),
                     errors.data(), errors.data() + kAll, status.data(), iterations.data()};
      solver.solve(poses, settings, 2);
      // where float32 stops depends on its rounding
      const Numbers kinds(status.begin(), status.end());
      if (lean || !single) tell(kernels, lean ? "status" : "walked status", 0, kinds.data(), kinds.size());
      tell(kernels, lean ? "errors" : "walked errors", lean || !single ? 1e-9 : 1e-3, errors.data(), errors.size());
      if (n == 6 && lean) tell(kernels, "joints", 1e-6, joints.data(), joints.size());
    }
}

void hands(const Kernels& kernels, bool wrist) {
  state = 11;
  constexpr int kPoints = 5, kComponents = 6;
  constexpr long kFrames = 41;
  const std::int64_t parents[kJoints] = {0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14};
  const Numbers rest = draws(3 * kJoints, 0.08), point = draws(3 * kPoints, 0.1), mean = draws(45, 0.1),
                blend = draws(3 * kPoints * 135, 1e-3), basis = draws(45 * kComponents, 0.2);
  const Numbers sigma(kComponents, 1.0);
  Numbers weights(kPoints * kJoints, 0.0);
  for (int p = 0; p < kPoints; ++p) weights[kJoints * p + 3 * p + 3] = 0.75, weights[kJoints * p + 3 * p + 2] = 0.25;
  HandArrays a;
  a.points = kPoints, a.components = kComponents;
  a.rest = rest.data(), a.point = point.data(), a.blend = blend.data(), a.weights = weights.data();
  a.mean = mean.data(), a.basis = basis.data(), a.sigma = sigma.data(), a.parents = parents;
  if (wrist) a.wrist_rotation = 0.3, a.wrist_translation = 0.02;
  const HandSolver solver(a);

  const std::size_t n = std::size_t(solver.unknowns());
  const Numbers wanted = draws(kFrames * n, 0.5);
  Numbers targets(3 * kPoints * kFrames), none(targets.size()), cost(kFrames), gradient(kFrames * n), hessian(kFrames * n * n);
  HandBatch b{};
  b.frames = kFrames, b.targets = none.data(), b.start = wanted.data();
  b.beta = 0.005, b.prior = 1e-7;
  solver.evaluate(b, {targets.data(), cost.data(), gradient.data(), hessian.data()}, kernels);
  tell(kernels, "points", 1e-12, targets.data(), targets.size());
  tell(kernels, "hessian", 1e-9, hessian.data(), hessian.size());
  for (double& x : targets) x += draw(0.002);

  for (const bool single : {false, true}) {
    Numbers solution(kFrames * n), residual(kFrames * kPoints);
    std::vector<int> iterations(kFrames);
    std::vector<unsigned char> converged(kFrames);
    b.targets = targets.data(), b.start = wanted.data();
    b.solution = solution.data(), b.residual = residual.data(), b.cost = cost.data();
    b.iterations = iterations.data(), b.converged = converged.data();
    solver.fit(b, LmOptions{}, single, 2, kernels);
    tell(kernels, "residuals", 1e-6, residual.data(), residual.size());
  }
}

void networks(const Kernels& kernels) {
  state = 13;
  const Numbers first = draws(2 * 15 * 70, 0.3), second = draws(2 * 70 * 6, 0.3), bias = draws(2 * 70, 0.1);
  const Numbers lower(12, -1.0), upper(12, 1.0), inputs = draws(33 * 2 * 15, 1.0);
  const Mlp mlp(2, {{15, 70, first.data(), bias.data()}, {70, 6, second.data(), bias.data()}}, lower.data(),
                upper.data(), kernels);
  Numbers outputs(33 * 12);
  MlpBatch batch{33, inputs.data(), outputs.data(), true, 0};
  const Workspaces workspace(1, kernels.mlp_workspace(mlp.model()));
  kernels.mlp(mlp.model(), batch, workspace[0]);
  tell(kernels, "networks", 1e-12, outputs.data(), outputs.size());
}

}  // namespace

int main() {
  for (const Kernels* kernels : available_kernels()) {
    for (const int joints : {6, 7}) arms(*kernels, joints);
    for (const bool wrist : {false, true}) hands(*kernels, wrist);
    networks(*kernels);
  }
}
