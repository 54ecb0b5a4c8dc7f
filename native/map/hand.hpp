// A robot hand as its map sees it: fingers that move by joints, and what a pose of them costs.
#pragma once
#include <cstdint>
#include <vector>

#include "core/span.hpp"

namespace retarget {

constexpr int kFingers = 5;      // thumb first
constexpr int kMaxActive = 24;   // joints of one hand that are driven
constexpr int kMaxMovers = 8;    // joints of one finger, driven and following

/// A revolute joint of a finger: where it stands on the joint before, and which driven joint it follows:
/// its angle is gain q[column] + offset.
struct FingerJoint {
  double rotation[9], step[3], axis[3];
  int column;
  double gain, offset;
};
struct Finger {
  std::vector<FingerJoint> joints;
  double tip[3];  // in the axes of the last joint
};

/// What a hand is asked for, and how the parts of its cost count; see map/solver.hpp.
struct MapSettings {
  double scale;                   // of the person's vectors, for the robot
  double pair_far, pair_near;     // weight of a pair of tips, far and when they touch
  double pair[kFingers - 1];      // and of each finger's
  double yields;                  // share of its own weight that a tip gives up when it touches
  double prior;                   // [m^2/rad^2]
  double touch[kFingers - 1];     // distance of tips that touch, the person's [m]
  double ramp;                    // from there to where a pair is far [m]
  double apart, clear;            // weight of keeping a far pair's tips at least so far apart [m]
};

/// One frame's goal: tips and differences to the thumb's, with their weights.
struct MapGoal {
  double tip[kFingers][3], tip_weight[kFingers];
  double pair[kFingers - 1][3], pair_weight[kFingers - 1];
  double clear, apart_weight[kFingers - 1];

  /// `tips` (15) from the wrist to the person's fingertips, in the robot's wrist axes [m]; `size` carries them to
  /// the hand model's size. A finger that is not finite counts nothing.
  MapGoal(Span<const double> tips, double size, const MapSettings& settings);
  int known = 0;  // fingers
};

/// Tips at a pose, and their derivatives.
struct FingerPose {
  double tip[kFingers][3];
  double axis[kFingers][kMaxMovers][3];    // of each joint, in the wrist's axes
  double moving[kFingers][kMaxMovers][3];  // axis x lever: how the tip moves with the joint
};

class MapHand {
 public:
  MapHand(std::vector<Finger> fingers, Span<const double> lower, Span<const double> upper);
  int active() const { return int(lower.size()); }

  void place(Span<const double> q, FingerPose& pose) const;
  /// Half the cost's gradient (M), Gauss-Newton's half Hessian and what it leaves out (M, M).
  void differentiate(Span<const double> q, const FingerPose& pose, const MapGoal& goal, double prior,
                     Span<double> gradient, Span<double> hessian, Span<double> curvature) const;
  double cost(Span<const double> q, const FingerPose& pose, const MapGoal& goal, double prior) const;

  std::vector<double> lower, upper, middle;

 private:
  std::vector<Finger> fingers_;
};

}  // namespace retarget
