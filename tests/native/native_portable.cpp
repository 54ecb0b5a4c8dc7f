// Arms and hands solved on this machine without Python: prints what native_portable.py compares.
#include <cmath>
#include <cstdio>

#include "arm/solver.hpp"
#include "core/dispatch.hpp"
#include "hand/solver.hpp"
#include "mlp/network.hpp"

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
void report(const Kernels& kernels, const char* what, double slack, const Numbers& numbers) {
  std::printf("%s\t%s\t%g", kernels.isa, what, slack);
  for (const double x : numbers) std::printf("\t%.17g", x);
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
  a.step = {step, 3}, a.axis = {axis, 3}, a.tool = a.base = unit;
  a.limits = {half, lower, upper, 0.15};
  a.posture = posture, a.known_joints = {known, n};
  const ArmSolver solver(a, kernels);

  constexpr std::size_t kAll = kCount * kFrames;
  Numbers q = draws(kAll * size, 0.1), targets(16 * kAll);
  for (std::size_t k = 0; k < q.size(); ++k)  // every sequence wanders from its own beginning
    q[k] = k % (kFrames * size) < size ? 15 * q[k] : std::fmax(-1.9, std::fmin(1.9, q[k - size] + q[k]));
  ArmEvaluation out{};
  out.pose = Rows<double>(targets, 16);
  solver.evaluate({}, Rows<const double>(q, n), out);
  report(kernels, "forward", 1e-12, targets);

  for (const bool lean : {true, false})
    for (const bool single : {false, true}) {
      const double goal = lean ? 1e-12 : 1e-4;
      const ArmSettings settings{
          std::fmax(goal, 1e-6), std::fmax(10 * goal, 1e-5), 10, goal, 3, 300, lean, single};
      Numbers start, joints(kAll * size), errors(2 * kAll);
      for (long s = 0; s < kCount; ++s) start.insert(start.end(), posture.begin(), posture.end());
      std::vector<unsigned char> moving(kCount, 1);
      std::vector<std::int64_t> status(kAll), iterations(kAll);
      ArmPoses poses{};
      poses.count = kCount, poses.frames = kFrames;
      poses.in = {{targets, kFrames, 16}, {start, n}, moving};
      poses.out.joints = {joints, n};
      poses.out.position_error = Span<double>(errors).part(0, kAll);
      poses.out.rotation_error = Span<double>(errors).from(kAll);
      poses.out.status = status, poses.out.iterations = iterations;
      solver.solve(poses, settings, 2);
      // where float32 stops depends on its rounding
      const Numbers kinds(status.begin(), status.end());
      if (lean || !single) report(kernels, lean ? "status" : "walked status", 0, kinds);
      report(kernels, lean ? "errors" : "walked errors", lean || !single ? 1e-9 : 1e-3, errors);
      if (n == 6 && lean) report(kernels, "joints", 1e-6, joints);
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
  for (int p = 0; p < kPoints; ++p)
    weights[kJoints * p + 3 * p + 3] = 0.75, weights[kJoints * p + 3 * p + 2] = 0.25;
  HandArrays a;
  a.points = kPoints, a.components = kComponents;
  a.rest = {rest, 3}, a.point = {point, 3}, a.blend = blend, a.weights = {weights, kJoints};
  a.mean = mean, a.basis = {basis, 45}, a.sigma = sigma, a.parents = parents;
  if (wrist) a.wrist_rotation = 0.3, a.wrist_translation = 0.02;
  const HandSolver solver(a);

  const std::size_t n = std::size_t(solver.unknowns());
  const long unknowns = long(n);
  const Numbers wanted = draws(kFrames * n, 0.5);
  Numbers targets(3 * kPoints * kFrames), none(targets.size()), cost(kFrames), gradient(kFrames * n),
      hessian(kFrames * n * n);
  HandBatch b{};
  b.frames = kFrames;
  b.in.targets = {none, 3 * kPoints}, b.in.start = {wanted, unknowns};
  b.objective.beta = 0.005, b.objective.prior = 1e-7;
  const HandEvaluation out{
      {targets, 3 * kPoints}, cost, {gradient, unknowns}, {hessian, unknowns * unknowns}};
  solver.evaluate(b, out, kernels);
  report(kernels, "points", 1e-12, targets);
  report(kernels, "hessian", 1e-9, hessian);
  for (double& x : targets) x += draw(0.002);

  for (const bool single : {false, true}) {
    Numbers solution(kFrames * n), residual(kFrames * kPoints);
    std::vector<int> iterations(kFrames);
    std::vector<unsigned char> converged(kFrames);
    b.in.targets = {targets, 3 * kPoints};
    b.out = {{solution, unknowns}, {residual, kPoints}, cost, iterations, converged};
    solver.fit(b, LmOptions{}, single, 2, kernels);
    report(kernels, "residuals", 1e-6, residual);
  }
}

void networks(const Kernels& kernels) {
  state = 13;
  const Numbers first = draws(2 * 15 * 70, 0.3), second = draws(2 * 70 * 6, 0.3), bias = draws(2 * 70, 0.1);
  const Numbers lower(12, -1.0), upper(12, 1.0), inputs = draws(33 * 2 * 15, 1.0);
  const Span<const double> biases = bias;
  const Mlp mlp(
      {{15, 70, {first, 15 * 70}, {biases, 70}}, {70, 6, {second, 70 * 6}, {biases.part(0, 12), 6}}},
      {lower, 6}, {upper, 6}, kernels);
  Numbers outputs(33 * 12);
  mlp.run({inputs, 2, 15}, {outputs, 2, 6}, true, 1);
  report(kernels, "networks", 1e-12, outputs);
}

}  // namespace

int main() {
  for (const Kernels* kernels : available_kernels()) {
    for (const int joints : {6, 7}) arms(*kernels, joints);
    for (const bool wrist : {false, true}) hands(*kernels, wrist);
    networks(*kernels);
  }
}
