// The map from a person's fingertips to a robot hand's joints, frame by frame.
//
// Minimises sum w_f |p_f - T_f|^2 + sum W_f |p_f - p_thumb - S_f (T_f - T_thumb)|^2 + prior |q - middle|^2
// + sum A_f max(0, clear - |p_f - p_thumb|)^2, which keeps apart the tips of those that do not pinch,
// within the joints' limits, T the person's tips at the robot's scale, S_f and the weights smooth in the
// person's own distance between the thumb and finger f: far apart every tip goes where the person's is,
// touching the pair closes and its tips give up most of their own places. By Newton's method with exact
// second derivatives, an active set at the limits (Bertsekas 1982), and a start in mid-range: a function.
#pragma once
#include "map/hand.hpp"

namespace retarget {

/// A hand and how it follows.
struct HandMapSolver {
  MapHand hand;
  MapSettings settings;
};

/// Frames of one hand, a row each.
struct MapBatch {
  Rows<const double> tips;  // (frames, 15)
  double size;              // hand model's over the person's
  Rows<double> q;           // to be written: (frames, M); NaN where too few fingers are known
  // to be written, `step` apart: (frames)
  Span<int> iterations;
  Span<unsigned char> mapped, converged;  // 0 where too few fingers are known; where no step was short
  long step;
};

struct MapOptions {
  int fewest;        // fingers without which a frame is left out
  double tolerance;  // [rad] a step shorter than this ends a frame
  int max_iterations;
};

/// Map all frames.
void map_frames(const MapHand& hand, const MapSettings& settings, const MapOptions& options, MapBatch& batch,
                int threads);

}  // namespace retarget
