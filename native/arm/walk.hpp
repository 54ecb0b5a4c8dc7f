// Sequences of wrist poses followed by Levenberg-Marquardt, a SIMD lane each, every frame from the last.
//
// Where one frame's pose is reached the next frame's is sought at once, from the joints and the
// Jacobian at hand: a frame costs as many evaluations as it takes steps. The step
//   J^T (J J^T + lambda I)^-1 r,   which is (J^T J + lambda I)^-1 J^T r  (push-through identity),
// needs six equations however many joints there are (damped least squares: Wampler 1986, Nakamura and
// Hanafusa 1986). A step that made things worse is taken back and its start evaluated again, so that nothing
// but joints needs to be kept of it.
//
// Damping and active set are lm.hpp's; its loop is not used, because there a lane evaluates the start of
// every pose that it is given and keeps all of two points. As a Problem of levenberg_marquardt walks took 3
// evaluations a frame where they take 2, and 1.4 times the time in float64, 1.6 times in float32 (64 smooth
// sequences of 150 frames, 7 joints, AVX-512).
#pragma once
#include "arm/check.hpp"
#include "arm/pose.hpp"

namespace RETARGET_ISA {

/// A walk's SIMD lanes; run() is the loop, the rest is what happens where a lane's frame or sequence ends.
template <class V, int N>
class ArmWalker : public ArmProblem<V, N> {
  using E = typename V::Scalar;
  using M = Mask<E>;
  using Base = ArmProblem<V, N>;

 public:
  ArmWalker(const retarget::ArmModel<E>& model, const retarget::ArmModel<double>& exact,
            retarget::ArmWalk& walk)
      : Base(model, walk.limits.rotation_weight), walk_(walk), check_(exact, walk) {}

  void run() {
    const V zero = V(E(0)), one = V(E(1)), infinity = V(E(1) / E(0));
    const V rounding = V(E(1) + (sizeof(E) == 8 ? E(1e-14) : E(1e-5)));
    const V tolerance2 = V(E(walk_.end.step_tolerance * walk_.end.step_tolerance));
    const V most = V(E(walk_.end.max_iterations)),
            least_gain2 = V(E(4 * walk_.end.least_gain * walk_.end.least_gain));
    const int n = Base::joints();
    V origin[Base::kMax], length2 = zero;
    Damping<V> damping{V(E(kDamping))};
    M back{};  // SIMD lanes that stand again where a bad step began
    for (int lane = 0; lane < V::lanes; ++lane) take_next(lane);
    for (int i = 0; i < n; ++i) origin[i] = u_[i];

    while (busy_.any()) {
      Base::locate(u_);
      iterations_ += one;
      M elsewhere{};  // SIMD lanes whose joints are no longer those that were located
      for (M there = busy_ & near(); there.any(); there = busy_ & ~elsewhere & near())
        each_lane(there, [&](int lane) { elsewhere.set(lane, !finish(lane)); });

      Base::differentiate();
      V r[6], cost = zero;
      Base::measure(r);
      for (int k = 0; k < 6; ++k) cost += r[k] * r[k];
      const M first = cost_ >= infinity;
      M good = cost <= cost_ * rounding;
      const V reach = one + damping.lambda * V(E(1e6));  // a damped step hides a longer one
      // near the nearest pose a step that is hardly damped gains next to nothing
      const V gain = cost_ - cost;
      const M idle = (gain * gain <= least_gain2 * cost) & (damping.lambda <= V(E(4)) * cost);
      const M settled = good & ~back & (idle | (length2 * reach * reach <= tolerance2));
      const M stuck = ~good & damping.hopeless();
      const M over = busy_ & ~elsewhere & ((~first & (settled | stuck)) | (iterations_ >= most));
      if (over.any()) {
        for (int i = 0; i < n; ++i) u_[i] = select(good, u_[i], origin[i]);
        elsewhere = elsewhere | over;
        each_lane(over, [&](int lane) { leave(lane, settled[lane] || stuck[lane]); });
      }
      good = good & ~elsewhere;

      const V unchanged = damping.lambda;
      damping.lambda = select(first, V(E(kDamping)), damping.lambda);
      damping.update(first, good, cost);
      damping.lambda = select(back & good & ~first, unchanged, damping.lambda);
      cost_ = select(good, cost, cost_);
      back = ~good & ~elsewhere;

      V step[Base::kMax], long2 = zero;
      find_step(r, damping.lambda, step);
      for (int i = 0; i < n; ++i) long2 += step[i] * step[i];
      length2 = select(good, long2, length2);
      const V shorten = one / sqrt(max(long2, one));  // to one scaled joint's half range
      for (int i = 0; i < n; ++i) {
        origin[i] = select(good, u_[i], origin[i]);
        const V next = clamp(u_[i] - shorten * step[i], Base::lower[i], Base::upper[i]);
        u_[i] = select(elsewhere, u_[i], select(good, next, origin[i]));
      }
    }
    check_.flush();
  }

 private:
  static constexpr double kDamping = 1e-3;  // largest first lambda

  struct Lane {
    long sequence, frame;
    double T[16];  // the pose that is sought, in the base's frame
  };

  /// Squared errors, with sin(angle / 2) for half the angle, are as small as they need to be: without the
  /// logarithm, as |R - R*|^2 = 8 sin^2(angle / 2).
  RETARGET_FLAT M near() const {
    V shift = V(E(0)), turned = V(E(0));
    for (int i = 0; i < 3; ++i) {
      const V d = Base::position[i] - Base::position_[i];
      shift += d * d;
    }
    for (int i = 0; i < 9; ++i) {
      const V d = Base::rotation.m[i] - Base::rotation_.m[i];
      turned += d * d;
    }
    const E enough = E(walk_.end.accuracy);
    return shift + V(E(0.5)) * Base::weight_ * Base::weight_ * turned <= V(enough * enough);
  }

  /// The damped step of the joints that do not push against a limit.
  RETARGET_FLAT void find_step(const V* r, V lambda, V* step) const {
    const V zero = V(E(0));
    V numbers[36], J[Base::kMax][6], y[6];
    const Square<V> A{numbers, 6};
#pragma GCC unroll 6
    for (int k = 0; k < 6; ++k) {
      y[k] = r[k];
      for (int l = 0; l <= k; ++l) A[k][l] = k == l ? lambda : zero;
    }
    for (int i = 0; i < Base::joints(); ++i) {
      V slope = zero;
      for (int k = 0; k < 6; ++k) slope += Base::jacobian[i][k] * r[k];
      const M pinned = pushes(u_[i], slope, Base::lower[i], Base::upper[i]);
      for (int k = 0; k < 6; ++k) J[i][k] = select(pinned, zero, Base::jacobian[i][k]);
#pragma GCC unroll 6
      for (int k = 0; k < 6; ++k)
#pragma GCC unroll 6
        for (int l = 0; l <= k; ++l) A[k][l] += J[i][k] * J[i][l];
    }
    factorize(A, 6);
    substitute(A, y, 6);
    for (int i = 0; i < Base::joints(); ++i) {
      step[i] = zero;
      for (int k = 0; k < 6; ++k) step[i] += J[i][k] * y[k];
    }
  }

  /// Keep the lane's joints as its frame's, and seek the next pose; false where its joints changed.
  bool finish(int lane) {
    const bool same = keep(lane, retarget::kReached);
    if (go_on(lane)) return same;
    take_next(lane);
    return false;
  }

  /// The lane's pose is not reached from here.
  void leave(int lane, bool settled) {
    Lane& s = lanes_[lane];
    keep(lane, settled ? retarget::kUnreachable : retarget::kNotConverged);
    if (settled && walk_.end.settle) {
      if (go_on(lane)) return;
    } else {
      check_.give_up(s.sequence, s.frame);
    }
    take_next(lane);
  }

  /// Seek the next pose of the lane's sequence; false where there is none.
  bool go_on(int lane) {
    Lane& s = lanes_[lane];
    walk_.poses.in.moving[s.sequence] = true;
    ++s.frame;
    return aim(lane);
  }

  /// Write the lane's joints; false where what the next frame begins with differs from them in rounding.
  bool keep(int lane, retarget::ArmStatus status) {
    const Lane& s = lanes_[lane];
    const int n = Base::joints();
    const long pose = walk_.poses.pose(s.sequence, s.frame);
    const retarget::ArmLimits& limits = walk_.limits;
    const Span<double> q = walk_.poses.out.joints[pose];
    bool same = true;
    for (int i = 0; i < n; ++i) {
      const double joint = double(u_[i][lane]) * limits.half_range[i];
      q[i] = clamp_one(joint, limits.lower[i], limits.upper[i]);
      const E again = E(q[i] / limits.half_range[i]);
      if (again == u_[i][lane]) continue;
      same = false;
      u_[i].set(lane, again);
    }
    walk_.poses.out.iterations[pose] = std::int64_t(iterations_[lane]);
    check_.add(s.sequence, s.frame, s.T, q, status);
    return same;
  }

  /// Put the next sequence into the lane, if there is one and room for those given up.
  void take_next(int lane) {
    retarget::ArmWalk::Queue& queue = walk_.queue;
    for (;;) {
      long k = queue.count;
      if (walk_.given_up.count < walk_.given_up.room) k = __atomic_fetch_add(queue.next, 1, __ATOMIC_RELAXED);
      busy_.set(lane, k < queue.count);
      if (k >= queue.count) return;
      Lane& s = lanes_[lane];
      s.sequence = queue.todo ? queue.todo[k] : k;
      s.frame = queue.at[s.sequence];
      queue.at[s.sequence] = walk_.poses.frames;
      const Span<const double> q = walk_.poses.before(s.sequence, s.frame);
      for (int i = 0; i < Base::joints(); ++i) {
        const E u = E(q[i] / walk_.limits.half_range[i]);
        u_[i].set(lane, clamp_one(u, Base::lower[i][lane], Base::upper[i][lane]));
      }
      if (aim(lane)) return;
    }
  }

  /// Seek the pose of the lane's frame, or of the first one after it that has one; false for none.
  bool aim(int lane) {
    Lane& s = lanes_[lane];
    const retarget::ArmPoses& poses = walk_.poses;
    for (; s.frame < poses.frames; ++s.frame) {
      const Span<const double> T = poses.in.targets(s.sequence, s.frame);
      __builtin_prefetch(T.data() + poses.in.targets.inner_step());
      __builtin_prefetch(T.data() + poses.in.targets.inner_step() + 8);
      const retarget::PoseFault fault = read_pose(T, walk_.base, s.T);
      if (fault == retarget::PoseFault::kNone) {
        Base::set_target(lane, s.T);
        cost_.set(lane, E(1) / E(0));
        iterations_.set(lane, E(0));
        return true;
      }
      // missing: the arm stays where it is
      const long pose = poses.pose(s.sequence, s.frame);
      if (fault != retarget::PoseFault::kMissing && (walk_.bad_pose < 0 || pose < walk_.bad_pose))
        walk_.bad_pose = pose;
      const Span<const double> q = poses.before(s.sequence, s.frame);
      for (int i = 0; i < Base::joints(); ++i)
        poses.out.joints[pose][i] = clamp_one(q[i], walk_.limits.lower[i], walk_.limits.upper[i]);
      poses.out.position_error[pose] = poses.out.rotation_error[pose] = __builtin_nan("");
      poses.out.status[pose] = retarget::kMissing;
      poses.out.iterations[pose] = 0;
    }
    return false;
  }

  retarget::ArmWalk& walk_;
  ArmCheck<N> check_;
  V u_[Base::kMax] = {}, cost_ = V(E(0)), iterations_ = V(E(0));
  M busy_{};
  Lane lanes_[V::lanes];
};

template <class V, int N>
void walk_along(const retarget::ArmModel<typename V::Scalar>& model, const retarget::ArmModel<double>& exact,
                retarget::ArmWalk& walk) {
  ArmWalker<V, N>(model, exact, walk).run();
}

}  // namespace RETARGET_ISA
