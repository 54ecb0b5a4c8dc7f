// One live step: both of a person's hands, as seen in one frame, to the joints of a robot's hands.
#pragma once
#include "hand/solver.hpp"
#include "map/solver.hpp"

namespace retarget {

/// A side's solvers.
struct LiveHand {
  const HandSolver* fit;     // of the side's hand, or of the other, seen in the mirror
  HandPlacement placement;
  bool mirrored;             // the points are seen in the mirror
  const HandMapSolver* map;
  double axes[9];            // from the human wrist's axes to the robot's
  double size;               // hand model's over the person's
};

struct LiveOptions {
  Span<const double> weights;       // (P) of a hand's points
  Span<const std::int64_t> tips;    // (5) the fingertips among them
  HandObjective objective;
  LmOptions fit;
  MapOptions map;
  long fewest;  // points without which a hand is left out
};

/// Hands of one frame, a row each.
struct LiveFrame {
  Rows<const double> points;  // (2, 3 P) as seen [m]; not finite where missing
  // to be written; NaN and 0 of a hand that is left out
  Rows<double> root;                        // (2, 16)
  Rows<double> unknowns;                    // (2, K + 6)
  Rows<double> residual;                    // (2, P)
  Rows<double> tips;                        // (2, 15) from the wrist, in the robot's wrist axes [m]
  Rows<double> q;                           // (2, M)
  Span<unsigned char> fitted, fit_converged, mapped, map_converged;  // (2)
};

/// Fit the hands, bring the fingertips as seen into the robot's wrist axes, and map them.
void live_step(Span<const LiveHand> hands, const LiveOptions& options, LiveFrame& frame, const Kernels& kernels);

}  // namespace retarget
