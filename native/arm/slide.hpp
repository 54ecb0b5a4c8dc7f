// Of all joints that hold the wrist where it is, those nearest to a posture.
//
// A slide is a chain of LM runs: from joints that reach the pose, one Newton step along the motions
// that keep the wrist, then LM brings the wrist back; a step that did not come closer to the posture
// is tried anew at a quarter of its length.
//
// It is sequential quadratic programming for min |u - posture|^2 / 2 under wrist(u) = wanted (Nocedal and
// Wright 2006, ch. 18): Newton's step by projected conjugate gradients (their algorithm 16.2), which stay
// among the motions that keep the wrist by the projection I - J^T (J J^T)^-1 J (Liegeois 1977).
#pragma once
#include "arm/reach.hpp"

namespace RETARGET_ISA {

/// The Problem of levenberg_marquardt that goes again with every step of a slide.
template <class V, int N = 0>
class ArmSlide : public ArmReach<V, N> {
  using E = typename V::Scalar;
  using M = Mask<E>;
  using Base = ArmReach<V, N>;
  using Errors = typename Base::Errors;
  static constexpr double kShortest = 1e-10;  // a step that ends a slide, in scaled joints
  static constexpr double kSlack = 1e-13;     // squared distances to the posture that count as equal
  static constexpr int kRounds = 50;

 public:
  static constexpr int kMax = Base::kMax;

  ArmSlide(const retarget::ArmModel<E>& model, retarget::ArmBatch& batch) : Base(model, batch) {
    for (int i = 0; i < Base::unknowns; ++i)
      posture_[i] = V(E(batch.in.posture[i] / batch.limits.half_range[i]));
  }

  bool next(int lane, Span<V> u) {
    if (!Base::next(lane, u)) return false;
    lane_[lane] = Lane{};
    lane_[lane].budget = Base::batch_.in.budget[Base::reach_[lane]];
    return true;
  }

  void arrive(const Point<V>& at, M) {
    Base::locate(at.x);
    Base::differentiate();
    newton_step(at.x);
  }

  bool finish(int lane, Point<V>& at, int iterations, bool) {
    Lane& s = lane_[lane];
    const int n = Base::joints();
    const double cost = double(at.cost[lane]);
    double distance2 = 0;
    for (int i = 0; i < n; ++i) {
      const double away = double(at.x[i][lane]) - double(posture_[i][lane]);
      distance2 += away * away;
    }
    s.iterations += iterations + 1;
    const double limit = s.cost > kExact ? s.cost : kExact;
    if (s.rounds == 0 || (distance2 <= s.distance2 + kSlack && cost <= limit)) {
      if (s.rounds) {
        s.budget -= s.went;
        s.radius = s.radius > 0.25 ? 0.5 : 2 * s.radius;
      }
      s.cost = cost, s.distance2 = distance2, s.errors = Base::errors(lane, at);
      double length2 = 0;
      for (int i = 0; i < n; ++i) {
        here_[i].set(lane, at.x[i][lane]);
        step_[i].set(lane, newton_[i][lane]);
        length2 += double(newton_[i][lane]) * double(newton_[i][lane]);
      }
      s.length = root(length2);
    } else {
      s.radius = 0.25 * s.went;
    }
    const bool on = s.budget > kShortest && s.radius > kShortest && s.length > kShortest;
    if (on && s.rounds++ < kRounds) {
      propose(lane, at.x);
      return true;
    }
    Base::write(lane, here_, s.iterations, true, s.errors);
    return false;
  }

 private:
  static constexpr double kExact = 1e-22;  // |r|^2 [m^2] that any step may leave

  struct Lane {
    double budget = 0, radius = 0.3, went = 0, length = 0, cost = 0, distance2 = 0;
    Errors errors{};
    int rounds = 0, iterations = 0;
  };

  E limit(int joint, int lane, double step) const {
    return (step > 0 ? Base::upper[joint] : Base::lower[joint])[lane];
  }

  /// The lane's step, shortened to what is allowed and stopped at the first limit that it meets.
  void propose(int lane, Span<V> u) {
    Lane& s = lane_[lane];
    const double allowed = s.radius < s.budget ? s.radius : s.budget;
    const double shorten = s.length > allowed ? allowed / s.length : 1.0;
    double step[kMax], share_of[kMax], share = 1.0;
    for (int i = 0; i < Base::unknowns; ++i) {
      step[i] = shorten * double(step_[i][lane]);
      const double end = double(limit(i, lane, step[i]));
      share_of[i] = step[i] == 0 ? 2.0 : (end - double(here_[i][lane])) / step[i];
      if (share_of[i] < share) share = share_of[i];
    }
    for (int i = 0; i < Base::unknowns; ++i)
      u[i].set(lane,
               share_of[i] <= share ? limit(i, lane, step[i]) : E(double(here_[i][lane]) + share * step[i]));
    s.went = share * shorten * s.length;
  }

  /// Newton's step for |u - posture|^2 / 2 that keeps the wrist to first order, into newton_. A joint
  /// that stands on a limit and would pass it is held, and the others are solved anew.
  void newton_step(Span<const V> u) {
    const int n = Base::joints();
    M held[kMax] = {};
    for (int round = 0; round < n; ++round) {
      free_newton_step(u, held);
      M blocked{};
      for (int i = 0; i < n; ++i) {
        const M leaving = ((u[i] <= Base::lower[i]) & (newton_[i] < V(E(0)))) |
                          ((u[i] >= Base::upper[i]) & (newton_[i] > V(E(0))));
        blocked = blocked | (leaving & ~held[i]);
        held[i] = held[i] | leaving;
      }
      if (!blocked.any()) return;
    }
  }

  /// The same where joints that are held do not move.
  void free_newton_step(Span<const V> u, const M* held) {
    const int n = Base::joints();
    const V zero = V(E(0));
    V numbers[36];
    const Square<V> A{numbers, 6};
    for (int i = 0; i < n; ++i)
      for (int k = 0; k < 6; ++k) J_[i][k] = select(held[i], zero, Base::jacobian[i][k]);
    for (int k = 0; k < 6; ++k)
      for (int l = 0; l <= k; ++l) {
        V sum = V(E(k == l ? 1e-13 : 0));
        for (int i = 0; i < n; ++i) sum += J_[i][k] * J_[i][l];
        A[k][l] = sum;
      }
    factorize(A, 6);

    V gradient[kMax], force[6], bend[kMax][kMax];
    for (int i = 0; i < n; ++i) gradient[i] = select(held[i], zero, u[i] - posture_[i]);
    project(A, gradient, force);
    curvature(force, bend);
    // conjugate gradients within the motions that keep the wrist, of which there are n - 6; where
    // the curvature is not positive its size is taken
    V residual[kMax], direction[kMax], bent[kMax], unused[6];
    V square = zero;
    for (int i = 0; i < n; ++i) {
      newton_[i] = zero;
      residual[i] = direction[i] = -gradient[i];
      square += gradient[i] * gradient[i];
    }
    for (int round = 0; round < (n > 7 ? n - 6 : 1); ++round) {
      V along = zero, length2 = V(E(1e-300));
      for (int i = 0; i < n; ++i) {
        bent[i] = zero;
        for (int j = 0; j < n; ++j) bent[i] += bend[i][j] * direction[j];
        bent[i] = select(held[i], zero, bent[i]);
      }
      for (int i = 0; i < n; ++i) {
        along += direction[i] * bent[i];
        length2 += direction[i] * direction[i];
      }
      const V share = square / (max(abs(along), V(E(1e-3)) * length2));
      for (int i = 0; i < n; ++i) newton_[i] += share * direction[i];
      if (round + 1 == n - 6 || n <= 7) break;
      project(A, bent, unused);
      V next = zero;
      for (int i = 0; i < n; ++i) {
        residual[i] -= share * bent[i];
        next += residual[i] * residual[i];
      }
      const V keep = select(along > zero, next / max(square, V(E(1e-300))), zero);
      for (int i = 0; i < n; ++i) direction[i] = residual[i] + keep * direction[i];
      square = select(along > zero, next, zero);
    }
  }

  /// v -= J^T (J J^T)^-1 J v; force = -(J J^T)^-1 J v, what holds the wrist against the pull v.
  void project(Square<V> A, V* v, V* force) const {
    const int n = Base::joints();
    for (int k = 0; k < 6; ++k) {
      force[k] = V(E(0));
      for (int i = 0; i < n; ++i) force[k] -= J_[i][k] * v[i];
    }
    substitute(A, force, 6);
    for (int i = 0; i < n; ++i)
      for (int k = 0; k < 6; ++k) v[i] += J_[i][k] * force[k];
  }

  /// The Lagrangian's Hessian, I + the second derivative of force . residual at zero rotation error: for
  /// joints i at or before j f . (z_i x l_j) + w m . (z_i x z_j) / 2, with axes z, levers l = z x (p - o),
  /// force (f, m). (Turning i turns all that follows it; log(exp a exp b) = a + b + a x b / 2 + ...)
  void curvature(const V* force, V bend[kMax][kMax]) const {
    const int n = Base::joints();
    const Vec3<V> f{{force[0], force[1], force[2]}}, m{{force[3], force[4], force[5]}};
    for (int i = 0; i < n; ++i) {
      const V* J = Base::jacobian[i];
      const V inverse = V(E(1)) / Base::weight_;
      const Vec3<V> z{{J[3] * inverse, J[4] * inverse, J[5] * inverse}};
      const Vec3<V> by_force = cross(f, z), by_moment = V(E(0.5)) * cross(m, z);
      for (int j = i; j < n; ++j) {
        const V* K = Base::jacobian[j];
        bend[i][j] = dot(by_force, Vec3<V>{{K[0], K[1], K[2]}}) + dot(by_moment, Vec3<V>{{K[3], K[4], K[5]}});
        bend[j][i] = bend[i][j];
      }
      bend[i][i] += V(E(1));
    }
  }

  V posture_[kMax], here_[kMax] = {}, step_[kMax] = {}, newton_[kMax] = {}, J_[kMax][6];
  Lane lane_[V::lanes];
};

}  // namespace RETARGET_ISA
