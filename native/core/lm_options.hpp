// How Levenberg-Marquardt steps and when it ends.
#pragma once

namespace retarget {

/// Lengths of steps are in the problem's scaled unknowns.
struct LmOptions {
  double damping = 1e-3;      // largest first lambda, added to the diagonal
  double tolerance = 1e-10;   // a step shorter than this ends a problem
  double longest_step = 2.0;  // steps are shortened to this
  double softest = 1e-6;      // curvature of the weakest direction; a larger lambda shortens steps below it
  double enough = 0;          // a cost that needs no more improvement
  int max_iterations = 100;
};

}  // namespace retarget
