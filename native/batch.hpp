// What travels between the bindings and the kernels: plain numbers and pointers, no code.
//
// The kernels are compiled once per instruction set. Nothing here may be a function or a library
// type: code shared between differently compiled files could run where its instructions do not exist.
#pragma once
#include <cstdint>

namespace retarget {

/// How Levenberg-Marquardt walks; lengths of steps are in the problem's scaled unknowns.
struct LmOptions {
  double damping = 1e-3;      // largest first lambda, added to the diagonal
  double tolerance = 1e-10;   // a step shorter than this ends a frame
  double longest_step = 2.0;  // steps are shortened to this
  double softest = 1e-6;      // curvature of the weakest direction; a larger lambda shortens steps below it
  double enough = 0;          // a cost that needs no more improvement
  int max_iterations = 100;
};

constexpr int kJoints = 16;  // MANO's joints, root first
constexpr int kMaxComponents = 45;
constexpr int kBlock = 3;      // a hand's unknowns are worked on in threes, to keep sums in registers
constexpr int kMaxStart = 63;  // coordinates that a start can be regressed on: 21 points
constexpr int kMaxChain = 12;  // joints of an arm

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
struct Span {
  int begin, end;
};

/// The hand model restricted to the points asked for; E is the precision of the arithmetic.
template <class E>
struct HandModel {
  int points, components, stride;  // stride: unknowns rounded up to kBlock
  bool wrist;                      // six more unknowns: rotation vector, translation of the root
  int parent[kJoints];
  E rest[kJoints * 3], offset[kJoints * 3];  // joint positions at rest, and relative to their parent [m]
  E mean[45];
  const E* components_t;  // (45, stride): component k times its scale, in column k
  double scale[kMaxComponents + 6];
  const E* point;  // (points, 3) at rest [m]
  const Span *skin_of, *influences_of;
  const Skin* skin;
  const Influence* influences;
  const E* blend;  // (blocks, 3, 9): d position / d (R - I)
  // quadratic regression of z on the targets: standardised coordinates (3 points) -> monomials up to
  // degree two (1, x_i, x_i x_j for i <= j) -> z (monomials, components); null: start from the mean
  const double *start_center, *start_spread, *start_weights;
};

/// Frames to fit. Arrays are row-major, one row a frame; outputs are written, nothing is kept.
struct HandBatch {
  long frames;
  const double *targets, *weights;  // (points, 3), (points)
  const double* start;              // (unknowns); null: the model's own start
  const double* restarts;           // (restart_count, components): tried where residuals stay large
  int restart_count;
  double retry_above;                     // [m]
  double beta, prior;                     // [m], [m^2]
  const double *soft_lower, *soft_upper;  // (components) or null
  double soft_weight;
  double *solution, *residual, *cost;  // (unknowns), (points), ()
  int* iterations;
  unsigned char* converged;
  long next;  // the next frame nobody has taken
};

/// An evaluation at given unknowns, for tests and for callers that differentiate through the fit.
struct HandEvaluation {
  double *points, *cost, *gradient, *hessian;  // (points, 3), (), (unknowns), (unknowns, unknowns)
};

/// A serial chain of revolute joints, in scaled joints u = q / half_range: see ArmChain.
template <class E>
struct ArmModel {
  int joints;
  E first[9], step[3 * (kMaxChain + 1)];  // x, y, z of the first frame; steps from frame to frame [m]
  E offset[kMaxChain];                    // turn about z at q = 0 [rad]
  E sine_twist[kMaxChain], cosine_twist[kMaxChain];        // turn about the new x to the next frame
  E sine_tool, cosine_tool;                                // turn about the last z to the wrist's axes
  E scale[kMaxChain], lower[kMaxChain], upper[kMaxChain];  // half ranges [rad]; limits of u
};

/// Wrist poses to reach. joints hold the start and then the result; iterations are added up.
struct ArmBatch {
  long count;
  const double* targets;  // (poses, 4, 4)
  const long* jobs;       // (count) which pose each job wants, or null: pose i for job i
  double rotation_weight;
  const double *half_range, *lower, *upper;
  double *joints, *position_error, *rotation_error;  // (count, n), (count), (count)
  int* iterations;
  unsigned char* converged;
  double* start_cost;     // (count) squared error at the start, or null
  const double* posture;  // (n) where slides lead to
  double* budget;         // (count) how far they may go, in scaled joints
  long next;
};

/// Values of retarget.core.types.Status.
enum ArmStatus { kReached = 0, kReachedAtLimit = 1, kUnreachable = 2, kNotConverged = 3, kMissing = 4 };
constexpr double kNearLimit = 1e-9;  // a joint this near to a limit stands on it [rad]

enum class PoseFault { kNone, kMissing, kNotOrthonormal, kReflection, kLastRow };

/// Sequences of wrist poses, independent ones being sequences of one frame. Results lie frame after frame.
struct ArmPoses {
  long count, frames;              // sequences, frames of each
  const double* targets;           // T_world_wrist, (4, 4) each
  long sequence_step, frame_step;  // numbers from one to the next
  const double* start;             // (count, n) joints before the first frame
  unsigned char* moving;           // (count) whether the arm was there just before
  double *joints, *position_error, *rotation_error;
  std::int64_t *status, *iterations;
};

/// Sequences to be followed, each from its frame `at` on.
struct ArmWalk {
  ArmPoses poses;
  const double* base;  // (4, 4) T_base_world
  const double *half_range, *lower, *upper;
  double rotation_weight;
  double accuracy, least_gain, step_tolerance;  // what ends a frame: its error, a step's gain [m] and length
  double position_tolerance, rotation_tolerance;
  int max_iterations;
  bool settle;       // a pose out of reach is left at its nearest; else its sequence is given up there
  const long* todo;  // (count) sequences, or null for all
  long count;
  long* next;                            // of todo, that nobody has taken
  long* at;                              // (sequences) `frames` once a sequence is done
  long *given_up, room, given_up_count;  // sequences that were, and how many make no new one be taken
  long bad_pose;                         // the first pose that is no rigid transform, -1 for none
};

/// How many sequences a walk can give up after there is no more room: those of all lanes, and those checked.
constexpr int kMostLanes = 32;

constexpr int kPlace = 12;  // numbers that say where a wrist is: position and weighted rotation matrix
constexpr int kChunk = 16;  // places whose numbers lie side by side

struct ArmEvaluation {
  double *pose, *jacobian, *cost, *gradient, *hessian;  // (4, 4), (6, n) unscaled, (), (n), (n, n)
};

/// Hands posed by coefficients (inputs: components a row), their points to be written.
struct PointsBatch {
  long frames;
  const double* coefficients;
  double* points;
  long coefficients_stride, points_stride;  // from one frame to the next
  long next;                                // the next frame nobody has taken
};

constexpr int kMaxLayers = 8;
constexpr int kMaxWidth = 1024;
constexpr int kLine = 8;    // layers are rounded up to so many outputs: 64 bytes
constexpr int kPanel = 32;  // outputs whose weights lie together

/// Perceptrons of one shape, one a hand: x -> x W + b, with SiLU between the layers. A network's numbers
/// lie in the order of their use, 64-byte aligned: per layer the biases, then W in panels of kPanel
/// outputs (the last as wide as is left), each (inputs, width).
struct MlpModel {
  int networks, layers;
  int sizes[kMaxLayers + 1];  // inputs, hidden layers, outputs
  int widest;                 // layer or input, rounded up to kLine
  const double* numbers;
  long per_network;
  const double *lower, *upper;  // (networks, outputs)
};

/// Frames to map, (frames, networks, inputs) to (frames, networks, outputs).
struct MlpBatch {
  long frames;
  const double* inputs;
  double* outputs;
  bool clamp;
  long next;
};

}  // namespace retarget
