// Kinematics of a robot hand's fingers, and the cost of a pose.
#include "map/hand.hpp"

#include <algorithm>
#include <cmath>

#include "core/rotation.hpp"

namespace retarget {
namespace {

constexpr double kShortest = 1e-6;  // [m] of a way that has a direction

void cross(const double* a, const double* b, double* out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}
double dot(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
/// Row-major R v, added to out.
void add_turned(const double* R, const double* v, double* out) {
  for (int i = 0; i < 3; ++i) out[i] += dot(R + 3 * i, v);
}
void multiply(const double* A, const double* B, double* out) {
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 3; ++k)
      out[3 * i + k] = A[3 * i] * B[k] + A[3 * i + 1] * B[3 + k] + A[3 * i + 2] * B[6 + k];
}
/// From 0 to 1 with two continuous derivatives.
double smooth_step(double x) {
  x = std::min(1.0, std::max(0.0, x));
  return x * x * x * (x * (6 * x - 15) + 10);
}

/// The vector between the tips of a pair, its length and how far that is short of `clear`.
struct Between {
  double way[3], length, lack;
  Between(const FingerPose& pose, const MapGoal& goal, int p) {
    for (int d = 0; d < 3; ++d) way[d] = pose.tip[p + 1][d] - pose.tip[0][d];
    length = std::max(std::sqrt(dot(way, way)), kShortest);
    lack = goal.apart_weight[p] > 0 ? std::max(0.0, goal.clear - length) : 0;
  }
};

/// How far each tip is pulled by all terms that it takes part in: half the cost's derivative by its place.
struct Pulls {
  double on[kFingers][3] = {};
  double cost = 0;
  Pulls(const FingerPose& pose, const MapGoal& goal) {
    for (int f = 0; f < kFingers; ++f)
      for (int d = 0; d < 3 && goal.tip_weight[f] > 0; ++d) {
        const double off = pose.tip[f][d] - goal.tip[f][d];
        cost += goal.tip_weight[f] * off * off;
        on[f][d] += goal.tip_weight[f] * off;
      }
    for (int p = 0; p < kFingers - 1; ++p)
      for (int d = 0; d < 3 && goal.pair_weight[p] > 0; ++d) {
        const double off = pose.tip[p + 1][d] - pose.tip[0][d] - goal.pair[p][d];
        const double pull = goal.pair_weight[p] * off;
        cost += pull * off;
        on[p + 1][d] += pull;
        on[0][d] -= pull;
      }
    for (int p = 0; p < kFingers - 1; ++p) {
      const Between between(pose, goal, p);
      cost += goal.apart_weight[p] * between.lack * between.lack;
      for (int d = 0; d < 3 && between.lack > 0; ++d) {
        const double push = goal.apart_weight[p] * between.lack * between.way[d] / between.length;
        on[p + 1][d] -= push;
        on[0][d] += push;
      }
    }
  }
};

}  // namespace

MapGoal::MapGoal(Span<const double> tips, double size, const MapSettings& s) : clear(s.clear) {
  bool finite[kFingers];
  double touching = 0;
  for (int f = 0; f < kFingers; ++f) {
    finite[f] = std::isfinite(tips[3 * f]) && std::isfinite(tips[3 * f + 1]) && std::isfinite(tips[3 * f + 2]);
    known += finite[f];
    for (int d = 0; d < 3; ++d) tip[f][d] = finite[f] ? s.scale * size * tips[3 * f + d] : 0;
  }
  for (int p = 0; p < kFingers - 1; ++p) {
    const bool both = finite[0] && finite[p + 1];
    double between[3] = {}, far = 1;
    for (int d = 0; d < 3 && both; ++d) between[d] = tips[3 * (p + 1) + d] - tips[d];
    const double ramp = both ? (std::sqrt(dot(between, between)) - s.touch[p]) / s.ramp : 1;
    far = smooth_step(ramp);
    apart_weight[p] = both ? s.apart * smooth_step(2 * ramp - 1) : 0;
    for (int d = 0; d < 3; ++d) pair[p][d] = far * s.scale * size * between[d];
    pair_weight[p] = both ? (s.pair_near + (s.pair_far - s.pair_near) * far) * s.pair[p] : 0;
    tip_weight[p + 1] = finite[p + 1] ? 1 - s.yields * (1 - far) : 0;
    touching = std::max(touching, 1 - far);
  }
  tip_weight[0] = finite[0] ? 1 - s.yields * touching : 0;
}

MapHand::MapHand(std::vector<Finger> fingers, Span<const double> low, Span<const double> high)
    : lower(low.begin(), low.end()), upper(high.begin(), high.end()), fingers_(std::move(fingers)) {
  for (std::size_t k = 0; k < lower.size(); ++k) middle.push_back(0.5 * (lower[k] + upper[k]));
}

void MapHand::place(Span<const double> q, FingerPose& pose) const {
  for (int f = 0; f < kFingers; ++f) {
    const Finger& finger = fingers_[std::size_t(f)];
    double R[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, t[3] = {}, origin[kMaxMovers][3];
    int j = 0;
    for (const FingerJoint& joint : finger.joints) {
      double before[9], turn[9];
      add_turned(R, joint.step, t);
      multiply(R, joint.rotation, before);
      turn_about(joint.axis, joint.gain * q[joint.column] + joint.offset, turn);
      multiply(before, turn, R);
      for (int d = 0; d < 3; ++d) pose.axis[f][j][d] = dot(before + 3 * d, joint.axis), origin[j][d] = t[d];
      ++j;
    }
    add_turned(R, finger.tip, t);
    for (int d = 0; d < 3; ++d) pose.tip[f][d] = t[d];
    for (int i = 0; i < j; ++i) {
      const double lever[3] = {t[0] - origin[i][0], t[1] - origin[i][1], t[2] - origin[i][2]};
      cross(pose.axis[f][i], lever, pose.moving[f][i]);
    }
  }
}

double MapHand::cost(Span<const double> q, const FingerPose& pose, const MapGoal& goal, double prior) const {
  double sum = Pulls(pose, goal).cost;
  for (int k = 0; k < active(); ++k) sum += prior * (q[k] - middle[std::size_t(k)]) * (q[k] - middle[std::size_t(k)]);
  return sum;
}

void MapHand::differentiate(Span<const double> q, const FingerPose& pose, const MapGoal& goal, double prior,
                            Span<double> gradient, Span<double> hessian, Span<double> curvature) const {
  const int M = active();
  const Pulls pulls(pose, goal);
  double by_joint[kFingers][kMaxActive][3] = {};  // of each tip
  for (int f = 0; f < kFingers; ++f) {
    int j = 0;
    for (const FingerJoint& joint : fingers_[std::size_t(f)].joints) {
      for (int d = 0; d < 3; ++d) by_joint[f][joint.column][d] += joint.gain * pose.moving[f][j][d];
      ++j;
    }
  }
  for (int a = 0; a < M; ++a) {
    gradient[a] = prior * (q[a] - middle[std::size_t(a)]);
    for (int f = 0; f < kFingers; ++f) gradient[a] += dot(by_joint[f][a], pulls.on[f]);
    for (int b = 0; b <= a; ++b) {
      double sum = a == b ? prior : 0;
      for (int f = 0; f < kFingers; ++f) sum += goal.tip_weight[f] * dot(by_joint[f][a], by_joint[f][b]);
      for (int p = 0; p < kFingers - 1; ++p)
        for (int d = 0; d < 3; ++d)
          sum += goal.pair_weight[p] * (by_joint[p + 1][a][d] - by_joint[0][a][d]) *
                 (by_joint[p + 1][b][d] - by_joint[0][b][d]);
      hessian[M * a + b] = hessian[M * b + a] = sum;
    }
  }
  for (double& c : curvature) c = 0;
  for (int p = 0; p < kFingers - 1; ++p) {
    const Between between(pose, goal, p);
    if (!(between.lack > 0)) continue;
    // of (clear - length)^2: along the way 1, across it 1 - clear / length
    const double across = -goal.apart_weight[p] * between.lack / between.length;
    double moved[kMaxActive][3], along[kMaxActive];
    for (int a = 0; a < M; ++a) {
      for (int d = 0; d < 3; ++d) moved[a][d] = by_joint[p + 1][a][d] - by_joint[0][a][d];
      along[a] = dot(moved[a], between.way) / between.length;
    }
    for (int a = 0; a < M; ++a)
      for (int b = 0; b < M; ++b) {
        hessian[M * a + b] += goal.apart_weight[p] * along[a] * along[b];
        curvature[M * a + b] += across * (dot(moved[a], moved[b]) - along[a] * along[b]);
      }
  }
  for (int f = 0; f < kFingers; ++f) {
    const std::vector<FingerJoint>& joints = fingers_[std::size_t(f)].joints;
    for (std::size_t i = 0; i < joints.size(); ++i)
      for (std::size_t k = i; k < joints.size(); ++k) {
        // turning i turns how the tip moves with a joint k farther out
        double bent[3];
        cross(pose.axis[f][i], pose.moving[f][k], bent);
        const double along = joints[i].gain * joints[k].gain * dot(bent, pulls.on[f]);
        curvature[M * joints[i].column + joints[k].column] += along;
        if (i != k) curvature[M * joints[k].column + joints[i].column] += along;
      }
  }
}

}  // namespace retarget
