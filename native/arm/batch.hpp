// What travels between an arm's users and its kernels: the chain, poses to reach, sequences to walk.
#pragma once
#include <cstdint>

#include "core/lm_options.hpp"
#include "core/span.hpp"

namespace retarget {

constexpr int kMaxChain = 12;  // joints of an arm

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

/// Values of retarget.core.types.Status.
enum ArmStatus { kReached = 0, kReachedAtLimit = 1, kUnreachable = 2, kNotConverged = 3, kMissing = 4 };
constexpr double kNearLimit = 1e-9;  // a joint this near to a limit stands on it [rad]

/// What is wrong with a wanted pose.
enum class PoseFault { kNone, kMissing, kNotOrthonormal, kReflection, kLastRow };

/// The joints' limits and how errors are weighed.
struct ArmLimits {
  Span<const double> half_range, lower, upper;  // (n) [rad]
  double rotation_weight;                       // [m/rad]
};

/// Reaches to be made, `count` of them.
struct ArmBatch {
  long count;
  ArmLimits limits;
  struct Input {
    Rows<const double> targets;  // (poses, 16), T_base_wrist
    Span<const long> pose;       // (count) which of them each reach wants
    Span<const double> posture;  // (n) where slides lead to [rad]
    Span<const double> budget;   // (count) how far slides may go, in scaled joints
    Span<const double> room;     // (count) how far each joint of a reach may go, in scaled joints; or none
  } in;
  struct Output {
    Rows<double> joints;                          // (count, n): the start, and then the result [rad]
    Span<double> position_error, rotation_error;  // [m], [rad]
    Span<double> start_cost;                      // squared error at the start [m^2], or none
    Span<int> iterations;                         // added up
    Span<unsigned char> converged;
  } out;
  long next;  // the next reach nobody has taken
};

/// Sequences of wrist poses, independent ones being sequences of one frame.
struct ArmPoses {
  long count, frames;  // sequences, frames of each
  struct Input {
    Grid<const double> targets;  // (count, frames) of 16, T_world_wrist
    Rows<const double> start;    // (count, n) joints before the first frame [rad]
    Span<unsigned char> moving;  // (count) whether the arm was there just before; changed on the way
  } in;
  struct Output {  // frame after frame
    Rows<double> joints;
    Span<double> position_error, rotation_error;  // [m], [rad]
    Span<std::int64_t> status, iterations;
  } out;

  RETARGET_INLINE long pose(long sequence, long frame) const { return sequence * frames + frame; }
  /// The joints that a frame comes from.
  RETARGET_INLINE Span<const double> before(long sequence, long frame) const {
    if (frame) return out.joints[pose(sequence, frame) - 1];
    return in.start[sequence];
  }
};

/// Sequences to be followed, each from its frame `at` on.
struct ArmWalk {
  ArmPoses poses;
  Span<const double> base;  // (16) T_base_world
  ArmLimits limits;
  struct End {                                    // of a frame
    double accuracy, least_gain, step_tolerance;  // its error [m], a step's gain [m] and its length
    int max_iterations;
    bool settle;  // a pose out of reach is left at its nearest, for poses by themselves; else its sequence is
                  // given up there
  } end;
  struct Tolerances {           // of a reached pose
    double position, rotation;  // [m], [rad]
  } tolerances;
  struct Queue {
    Span<const long> todo;  // sequences, or none for all
    long count;
    long* next;     // of todo, that nobody has taken: one number for all threads
    Span<long> at;  // (sequences) `frames` once a sequence is done
  } queue;
  struct GivenUp {
    Span<long> sequences;
    long count, room;  // how many are, and how many make no new one be taken
  } given_up;
  long bad_pose;  // the first pose that is no rigid transform, -1 for none
};

/// How many sequences a walk can give up after there is no more room: those of all SIMD lanes, and those
/// that are still to be checked.
constexpr int kMostLanes = 32;

constexpr int kPlace = 12;  // numbers that say where a wrist is: position and weighted rotation matrix
constexpr int kChunk = 16;  // places whose numbers lie side by side

/// What an evaluation writes, a row a pose; none for what is not wanted.
struct ArmEvaluation {
  Rows<double> pose, jacobian;  // (16), (6 n) unscaled
  Span<double> cost;
  Rows<double> gradient, hessian;  // (n), (n^2)
};

/// See core/kernels.hpp. A workspace is what one worker needs, 64-byte aligned.
template <class E>
struct ArmKernels {
  long (*workspace)(const ArmModel<E>&);  // its bytes
  void (*reach)(const ArmModel<E>&, ArmBatch&, const LmOptions&, Span<char> workspace);
  void (*slide)(const ArmModel<E>&, ArmBatch&, const LmOptions&, Span<char> workspace);
  void (*walk)(const ArmModel<E>&, const ArmModel<double>& exact, ArmWalk&);
  void (*evaluate)(const ArmModel<E>&, const ArmBatch&, const ArmEvaluation&, Span<char> workspace);
};

/// Of wrist poses as numbers.
struct PoseKernels {
  /// See arm/pose.hpp.
  PoseFault (*read)(Span<const double> T, Span<const double> base, Span<double> out);
  /// The nearest to a place of many, (chunks, kPlace, kChunk), as many as `distance` is long: squared
  /// distances and indices, by distance, of equal ones the first before the others.
  void (*nearest)(Span<const double> places, Span<const double> from, Span<double> distance,
                  Span<long> found);
};

}  // namespace retarget
