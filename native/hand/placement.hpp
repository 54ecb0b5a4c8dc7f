// Where a hand lies: the rigid motion from points as they were seen into the hand's frame.
#pragma once
#include <cstdint>
#include <vector>

#include "core/span.hpp"

namespace retarget {

/// x -> rotation x + translation.
struct RigidMotion {
  double rotation[9], translation[3];
};

/// Finds where hands lie by their points.
struct HandPlacement {
  Rows<const double> reference;         // the points (P, 3) of the hand in its mean pose [m]
  Span<const std::int64_t> palm;        // those that keep their places whatever the fingers do

  /// The motion that carries the points (3 P) nearest to the reference, by those of the palm or, where
  /// fewer than three of them have a weight (P), by all that have one: the least sum of weighted squares
  /// (Kabsch 1976). False where the points determine none.
  bool find(Span<const double> points, Span<const double> weights, RigidMotion& motion) const;
};

/// Frames of a hand that lies anywhere.
struct PlacedFrames {
  Rows<const double> points;   // (frames, 3 P) [m]; a point that is not finite is missing
  Rows<const double> weights;  // (frames, P); none: all 1
  Span<const unsigned char> mirrored;  // (frames) the other hand, to be seen in the mirror; none: no frame
  long fewest;                 // points without which a frame is left out
  Rows<double> root;           // to be written: (frames, 16) the root's pose, its origin the root joint
  Span<unsigned char> fitted;  // to be written: (frames) 0 where it was left out
};

}  // namespace retarget
