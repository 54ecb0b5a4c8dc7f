// The Python classes of the control loop: ChunkRing, TargetSolver, LimitedMotion, CommandWriter.
#include <algorithm>

#include "control/chunk_ring.hpp"
#include "control/command_writer.hpp"
#include "control/limited_motion.hpp"
#include "control/target_solver.hpp"
#include "core/dispatch.hpp"
#include "python/arrays.hpp"
#include "python/settings.hpp"

namespace retarget {
namespace {

using Object = nb::handle;
using Indices = Lent<const std::int64_t>;

void require_step(long step) { require(std::abs(step) < (1L << 61), "step must be within 2^61 of 0"); }

std::vector<double> copied(Span<const double> values) { return {values.begin(), values.end()}; }

void make_ring(ChunkRing* self, int horizon, double wrist_decay, double hand_decay) {
  require(horizon >= 1 && horizon <= 1000, "horizon must be 1 to 1000");
  require_not_negative(wrist_decay, "wrist_decay");
  require_not_negative(hand_decay, "hand_decay");
  new (self) ChunkRing(horizon, wrist_decay, hand_decay);
}

/// rows (L, hands, numbers), usable (L, hands).
nb::tuple push(ChunkRing& self, Object rows_, Object usable_, long step) {
  const Doubles rows(rows_, "rows");
  const Lent<bool> usable(usable_, "usable");
  const long length = rows.rows(3);
  require(length <= self.horizon(), "a chunk has at most as many rows as the horizon");
  require_step(step);
  const ChunkTaken taken = self.push({rows.checked({length, kHands, kNumbers}), kNumbers},
                                     bytes(usable.checked({length, kHands}, false)), step);
  return nb::make_tuple(taken.late, taken.repeated, taken.useless, taken.gap,
                        nb::make_tuple(taken.unusable[0], taken.unusable[1]));
}

bool push_vectors(ChunkRing& self, Object vectors_, long step) {
  const Doubles vectors(vectors_, "vectors");
  const long length = vectors.rows(2);
  require(length <= self.horizon(), "a chunk has at most as many rows as the horizon");
  require_step(step);
  return self.push_vectors(vectors.checked_rows({length, kVector}, false), step);
}

/// mean: positions, coefficients, rotations of both hands; counted: statuses, chunks and ages of both.
ChunkMean average_into(ChunkRing& ring, long step, const Lent<double>& mean,
                       const Lent<std::int64_t>& counted) {
  require_step(step);
  const Span<double> numbers = mean.checked({kHands * kNumbers}, false);
  const Span<std::int64_t> counts = counted.checked({3, kHands}, false);
  constexpr int c = 3 * kHands, r = (3 + kCoefficients) * kHands;
  const ChunkMean out{{numbers.part(0, c), 3},     {numbers.part(c, r - c), kCoefficients},
                      {numbers.from(r), 9},        counts.part(0, kHands),
                      counts.part(kHands, kHands), counts.from(2 * kHands)};
  ring.average(step, out);
  return out;
}

void average(ChunkRing& self, long step, Object mean, Object counted) {
  average_into(self, step, Lent<double>(mean, "mean"), Lent<std::int64_t>(counted, "counted"));
}

nb::tuple counts(const ChunkRing& self) {
  const ChunkCounts& c = self.counts();
  return nb::make_tuple(c.chunks, c.late, c.repeated, c.brief, c.useless, c.skipped, c.unusable, c.steps,
                        c.missing);
}

/// settings: of each arm, those of `ArmSolver.solve`; R_mano_wrist (2, 3, 3).
void make_targets(TargetSolver* self, const std::vector<const HandSolver*>& hands, const Mlp& networks,
                  const std::vector<const ArmSolver*>& arms, const nb::list& settings, Object R_mano_wrist_,
                  Object T_world_camera_, const std::string& isa) {
  const Doubles turns(R_mano_wrist_, "R_mano_wrist"), T(T_world_camera_, "T_world_camera");
  const MlpModel& model = networks.model();
  require(hands.size() == kHands && arms.size() == kHands && settings.size() == kHands &&
              model.networks == kHands,
          "there must be two hands, networks, arms and their settings");
  TargetSolver::Robot robot{
      hands, &networks, arms, {}, copied(turns.checked({kHands, 3, 3})), copied(T.checked({4, 4}))};
  for (std::size_t k = 0; k < kHands; ++k) {
    require(hands[k] && arms[k], "hands and arms must not be None");
    require(hands[k]->unknowns() == kCoefficients && 3 * hands[k]->points() == model.sizes[0],
            "hands must have 15 components, a fixed wrist, and the points that the networks take");
    require(arms[k]->joints() == arms[0]->joints(), "both arms must have as many joints");
    const nb::tuple s = nb::cast<nb::tuple>(settings[k]);
    require(s.size() == 9, "there are nine settings of an arm");
    robot.settings.push_back(arm_settings(nb::cast<double>(s[0]), nb::cast<double>(s[1]),
                                          nb::cast<double>(s[2]), nb::cast<double>(s[3]), nb::cast<int>(s[4]),
                                          nb::cast<int>(s[5]), nb::cast<bool>(s[6]), nb::cast<bool>(s[7])));
  }
  new (self) TargetSolver(std::move(robot), find_kernels(isa));
}

/// Joints for what a ring says about a step: writes the mean, joints and points, gives back both sides'
/// statuses and position errors.
nb::tuple solve(const TargetSolver& self, ChunkRing& ring, long step, Object start_, Object mean_,
                Object counted_, Object joints_, Object points_) {
  const Doubles start(start_, "start");
  const Lent<double> mean(mean_, "mean"), joints(joints_, "joints"), points(points_, "points");
  const Lent<std::int64_t> counted(counted_, "counted");
  const long n = self.joints();
  int status[kHands];
  double position_error[kHands];
  const Rows<const double> from(start.checked({kHands * n}, false), n);
  const TargetSolver::Result out{joints.checked_rows({kHands, n}, false),
                                 points.checked_rows({kHands, 3}, false), status, position_error};
  const ChunkMean wanted = average_into(ring, step, mean, counted);
  {
    const nb::gil_scoped_release release;
    self.solve(wanted, from, out);
  }
  return nb::make_tuple(status[0], status[1], position_error[0], position_error[1]);
}

/// Ways and their largest changes are those of a period.
void make_motion(LimitedMotion* self, Object lower_, Object upper_, Object most_, Object change_) {
  const Doubles lower(lower_, "lower"), upper(upper_, "upper"), most(most_, "most"),
      change(change_, "change");
  const long m = lower.rows(1);
  const Span<const double> low = lower.checked({m}), high = upper.checked({m}), way = most.checked({m}),
                           turn = change.checked({m});
  std::vector<LimitedJoint> joints;
  for (long i = 0; i < m; ++i) {
    require_positive(way[i], "most");
    require_positive(turn[i], "change");
    joints.push_back({low[i], high[i], way[i], turn[i], (std::ceil(way[i] / turn[i]) + 1) * way[i]});
  }
  new (self) LimitedMotion(std::move(joints));
}

/// state (4, m): positions, last ways, last targets and their velocities; the last two are changed.
void propose(const LimitedMotion& self, Object state_, Object target_, Object out_) {
  const Lent<double> state(state_, "state"), out(out_, "out");
  const Doubles target(target_, "target");
  const long m = self.size();
  const Rows<double> s = state.checked_rows({4, m}, false);
  self.propose({s[0], s[1], s[2], s[3]}, target.checked({m}, false), out.checked({m}, false));
}

void make_writer(CommandWriter* self, Object rows_, Object sources_, Object scale_, Object offset_,
                 Object hand_sources_, Object closed_, Object span_, long driven, long robot) {
  const Indices rows(rows_, "rows"), sources(sources_, "sources"),
      hand_sources(hand_sources_, "hand_sources");
  const Doubles scale(scale_, "scale"), offset(offset_, "offset"), closed(closed_, "closed"),
      span(span_, "span");
  const long m = rows.rows(1), h = hand_sources.size();
  const Span<const std::int64_t> row = rows.checked({m}, false), source = sources.checked({m}, false),
                                 hand_source = hand_sources.checked({h}, false);
  const Span<const double> a = scale.checked({m}), b = offset.checked({m}), c = closed.checked({h}),
                           d = span.checked({h});
  CommandWriter made(driven, robot);
  for (long i = 0; i < m; ++i) {
    require(row[i] >= 0 && row[i] < robot && source[i] >= 0 && source[i] < driven, "there is no such joint");
    made.add_joint({row[i], source[i], a[i], b[i]});
  }
  for (long i = 0; i < h; ++i) {
    require(hand_source[i] >= 0 && hand_source[i] < driven && d[i] != 0, "there is no such hand number");
    made.add_hand_number({hand_source[i], c[i], d[i]});
  }
  new (self) CommandWriter(std::move(made));
}

/// Gives back how far the two halves of q are from those of aim.
nb::tuple write(const CommandWriter& self, Object q_, Object aim_, Object joints_, Object numbers_) {
  const Doubles q(q_, "q"), aim(aim_, "aim");
  const Lent<double> joints(joints_, "joints"), numbers(numbers_, "numbers");
  const long k = self.driven(), half = k / 2;
  const Span<const double> at = q.checked({k}, false), wanted = aim.checked({k}, false);
  require(numbers.size() == self.hand_numbers(), "numbers must be as many as the hands take");
  self.write(at, joints.checked({self.robot()}, false), numbers.values());
  return nb::make_tuple(CommandWriter::farthest(at.part(0, half), wanted.part(0, half)),
                        CommandWriter::farthest(at.from(half), wanted.from(half)));
}

}  // namespace

void bind_control(nb::module_& m) {
  nb::class_<ChunkRing>(m, "ChunkRing")
      .def("__init__", make_ring)
      .def("reset", &ChunkRing::reset)
      .def("push", push)
      .def("push_vectors", push_vectors)
      .def("average", average)
      .def("counts", counts);
  nb::class_<TargetSolver>(m, "TargetSolver").def("__init__", make_targets).def("solve", solve);
  nb::class_<LimitedMotion>(m, "LimitedMotion").def("__init__", make_motion).def("propose", propose);
  nb::class_<CommandWriter>(m, "CommandWriter").def("__init__", make_writer).def("write", write);
}

}  // namespace retarget
