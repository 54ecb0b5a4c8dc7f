// A step of Newton's method that goes down wherever it starts.
#pragma once

namespace retarget {

/// x with (|H| + damping) x = b for a symmetric H (n, n), n at most kMaxActive. |H| is H where it is positive
/// definite; else its eigenvalues count by their size, so that a step leaves a saddle as fast as it would come
/// to a minimum (Gill, Murray and Wright 1981, section 4.4.2.1). Dropping the second derivatives instead
/// crawls there.
void newton_step(const double* H, double damping, const double* b, int n, double* x);

}  // namespace retarget
