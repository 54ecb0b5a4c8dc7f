// Joints that move towards a target as far as limits of position, velocity and acceleration allow.
#pragma once
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/span.hpp"

namespace retarget {

/// Ways of one period; docs and the proof that no limit is broken: retarget/control/limited_motion.py.
struct LimitedJoint {
  double lower, upper;  // [rad]
  double most, change;  // largest way of a period, and largest change of it
  double far;           // from here on the first way is limited by `most` alone
};

class LimitedMotion {
 public:
  explicit LimitedMotion(std::vector<LimitedJoint> joints) : joints_(std::move(joints)) {}
  long size() const { return long(joints_.size()); }

  struct State {        // a number a joint
    Span<double> q, u;  // where the joints are, and their last way
    Span<double> x, w;  // the last target, and its velocity
  };
  /// Where the joints go next; the target and its velocity are learnt from the new target.
  void propose(const State& s, Span<const double> target, Span<double> out) const {
    for (long i = 0; i < size(); ++i)
      out[i] = next(joints_[std::size_t(i)], s.q[i], s.u[i], s.x[i], s.w[i], target[i]);
  }

 private:
  static double clamp(double v, double low, double high) { return std::min(std::max(v, low), high); }

  static double next(const LimitedJoint& j, double q, double u, double& x, double& w, double target) {
    if (std::isnan(target)) {
      x = clamp(stop(j, q, u), j.lower, j.upper);
      w = 0;
    } else {
      const double before = x;
      x = clamp(target, j.lower, j.upper);
      w += clamp(x - before - w, -j.change, j.change);
    }
    const double missing = x - q - w;
    // the target can be reached at once, and left or kept from there: what follows would give the same
    if (std::abs(x - q) <= std::min(j.change, j.most) && std::abs(missing) <= j.change &&
        std::abs(x - q - u) <= j.change)
      return x;
    const double up = std::min({u + j.change, j.most, first_way(j, j.upper - q)}),
                 down = std::min({j.change - u, j.most, first_way(j, q - j.lower)});
    const double wanted = w + std::copysign(first_way(j, std::abs(missing)), missing);
    return clamp(q + std::min(std::max(wanted, -down), up), j.lower, j.upper);
  }

  /// s(r): the longest first way from which braking ends within r.
  static double first_way(const LimitedJoint& j, double r) {
    r = std::min(r, j.far);
    const double n = std::max(std::ceil(std::sqrt(2 * r / j.change + 0.25) - 0.5), 1.0);
    return r / n + 0.5 * j.change * (n - 1);
  }

  /// Where the joint comes to rest if it brakes from now on.
  static double stop(const LimitedJoint& j, double q, double u) {
    const double n = std::floor(std::abs(u) / j.change);
    return q + std::copysign(n * std::abs(u) - 0.5 * j.change * n * (n + 1), u);
  }

  std::vector<LimitedJoint> joints_;
};

}  // namespace retarget
