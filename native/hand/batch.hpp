// What travels between a hand's users and its kernels: the model, frames to fit, points to place.
#pragma once
#include <cstdint>

#include "core/lm_options.hpp"
#include "core/span.hpp"

namespace retarget {

constexpr int kJoints = 16;  // MANO's joints, root first
constexpr int kMaxComponents = 45;
constexpr int kBlock = 3;      // a hand's unknowns are worked on in threes, to keep sums in registers
constexpr int kMaxStart = 63;  // coordinates that a start can be regressed on: those of 21 points

/// One joint that moves a point: by turning it about the joint (chain), by its pose blend shape, or both.
struct Influence {
  int joint;
  bool turns;
  int blend;  // index of its 3 x 9 block of pose blend shapes, -1 for none
};
struct Skin {
  int joint;
  double weight;
};
/// Of a list in which the entries of all points follow each other: those of one point.
struct Range {
  int begin, end;
};

/// Quadratic regression of z on the targets of some points: standardised coordinates (3 points) ->
/// monomials up to degree two (1, x_i, x_i x_j for i <= j) -> z. Without weights fits start from the mean.
struct HandStart {
  Span<const std::int64_t> points;
  Span<const double> center, spread;
  Rows<const double> weights;  // (monomials, components)
};

/// The hand model restricted to the points asked for; E is the precision of the arithmetic.
template <class E>
struct HandModel {
  int points, components, stride;  // stride: unknowns rounded up to kBlock
  bool wrist;                      // six more unknowns: rotation vector, translation of the root
  int parent[kJoints];
  E rest[kJoints * 3], offset[kJoints * 3];  // joint positions at rest, and relative to their parent [m]
  E mean[45];
  double scale[kMaxComponents + 6];
  Span<const E> components_t;  // (45, stride): component k times its scale, in column k
  Span<const E> point;         // (points, 3) at rest [m]
  Span<const Range> skin_of, influences_of;
  Span<const Skin> skin;
  Span<const Influence> influences;
  Span<const E> blend;  // (blocks, 3, 9): d position / d (R - I); none where nothing blends
  HandStart start;
};

/// What a fit minimises beside the distances to its targets, and how those count.
struct HandObjective {
  double beta, prior;                         // [m], [m^2]
  Span<const double> soft_lower, soft_upper;  // (components), or none
  double soft_weight;                         // [m^2]
};

/// Frames to fit, a row each.
struct HandBatch {
  long frames;
  struct Input {
    Rows<const double> targets;  // (frames, 3 points) [m]
    Rows<const double> weights;  // (frames, points); none: all 1
    Rows<const double> start;    // (frames, unknowns); none: the model's own
  } in;
  HandObjective objective;
  struct Restarts {
    Rows<const double> from;  // (restarts, components): tried where a fit fails,
    double above;             // that is, does not converge or leaves a residual above this [m]
  } restarts;
  struct Output {
    Rows<double> solution, residual;  // (frames, unknowns), (frames, points)
    Span<double> cost;
    Span<int> iterations;
    Span<unsigned char> converged;
  } out;
  long next;  // the next frame nobody has taken
};

/// An evaluation at given unknowns, for tests and for callers that differentiate through the fit.
struct HandEvaluation {
  Rows<double> points;  // (frames, 3 points) [m]
  Span<double> cost;
  Rows<double> gradient, hessian;  // (frames, unknowns), (frames, unknowns^2)
};

/// Hands posed by coefficients, their points to be written.
struct PointsBatch {
  Rows<const double> coefficients;  // (frames, components)
  Rows<double> points;              // (frames, 3 points) [m]
  long next;                        // the next frame nobody has taken
};

/// See core/kernels.hpp. A workspace is what one worker needs, 64-byte aligned.
template <class E>
struct HandKernels {
  long (*workspace)(const HandModel<E>&);  // its bytes, for `fit` and `evaluate`
  void (*fit)(const HandModel<E>&, HandBatch&, const LmOptions&, Span<char> workspace);
  void (*evaluate)(const HandModel<E>&, const HandBatch&, const HandEvaluation&, Span<char> workspace);
  long (*points_workspace)(const HandModel<E>&);
  void (*points)(const HandModel<E>&, PointsBatch&, Span<char> workspace);
};

}  // namespace retarget
