// The Python classes of the control loop: ChunkRing, TargetSolver, LimitedMotion, CommandWriter.
#include "../bindings.hpp"
#include "../dispatch.hpp"
#include "chunk_ring.hpp"
#include "command_writer.hpp"
#include "limited_motion.hpp"
#include "target_solver.hpp"

namespace retarget {
namespace {

using Object = nb::handle;

void require_step(long step) { require(std::abs(step) < (1L << 61), "step must be within 2^61 of 0"); }

void make_ring(ChunkRing* self, int horizon, double wrist_decay, double hand_decay) {
  require(horizon >= 1, "horizon must be at least 1");
  require_not_negative(wrist_decay, "wrist_decay");
  require_not_negative(hand_decay, "hand_decay");
  new (self) ChunkRing(horizon, wrist_decay, hand_decay);
}

nb::tuple push(ChunkRing& self, Object rows_, Object usable_, long step) {
  const Doubles rows(rows_, "rows");
  const Lent<const bool> usable(usable_, "usable");
  const long length = rows.rows(3);
  require(length <= self.horizon(), "a chunk has at most as many rows as the horizon");
  require_step(step);
  const ChunkTaken taken = self.push(rows.checked({length, kHands, kNumbers}),
                                     usable.checked({length, kHands}, false), length, step);
  return nb::make_tuple(taken.late, taken.repeated, taken.useless, taken.gap,
                        nb::make_tuple(taken.unusable[0], taken.unusable[1]));
}

bool push_vectors(ChunkRing& self, Object vectors_, long step) {
  const Doubles vectors(vectors_, "vectors");
  const long length = vectors.rows(2);
  require(length <= self.horizon(), "a chunk has at most as many rows as the horizon");
  require_step(step);
  return self.push_vectors(vectors.checked({length, kVector}, false), length, step);
}

/// mean: positions, coefficients, rotations of both hands; counted: statuses, chunks and ages of both.
ChunkMean average_into(ChunkRing& ring, long step, const Lent<double>& mean, const Lent<std::int64_t>& counted) {
  require_step(step);
  double* to = mean.checked({kHands * kNumbers}, false);
  std::int64_t* counts = counted.checked({3, kHands}, false);
  const ChunkMean out{to,     to + 3 * kHands, to + (3 + kCoefficients) * kHands,
                      counts, counts + kHands, counts + 2 * kHands};
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

void make_motion(LimitedMotion* self, Object lower_, Object upper_, Object most_, Object change_) {
  const Doubles lower(lower_, "lower"), upper(upper_, "upper"), most(most_, "most"), change(change_, "change");
  const long m = lower.rows(1);
  const double *low = lower.checked({m}), *high = upper.checked({m}), *way = most.checked({m}),
               *turn = change.checked({m});
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
  double* s = state.checked({4, m}, false);
  self.propose(s, s + m, s + 2 * m, s + 3 * m, target.checked({m}, false), out.checked({m}, false));
}

/// As `arm_settings` of retarget.robot.arm.native has checked and ordered them.
ArmSettings arm_settings_of(const nb::tuple& t) {
  require(t.size() == 9, "there are nine settings of an arm");
  return {nb::cast<double>(t[0]), nb::cast<double>(t[1]), nb::cast<double>(t[2]), nb::cast<double>(t[3]),
          nb::cast<int>(t[4]),    nb::cast<int>(t[5]),    nb::cast<bool>(t[6]),   nb::cast<bool>(t[7])};
}

void make_targets(TargetSolver* self, const std::vector<const HandSolver*>& hands, const Mlp& networks,
                  const std::vector<const ArmSolver*>& arms, const nb::list& settings, Object mano_to_wrist_,
                  Object R_world_camera_, Object p_world_camera_, const std::string& isa) {
  constexpr std::size_t n = TargetSolver::kSides;
  const Doubles mano(mano_to_wrist_, "R_mano_wrist"), R(R_world_camera_, "R_world_camera"),
      p(p_world_camera_, "p_world_camera");
  const double* turns = mano.checked({long(n), 3, 3});
  require(hands.size() == n && arms.size() == n && settings.size() == n, "there are two sides");
  const MlpModel& model = networks.model();
  std::array<TargetSide, n> sides{};
  for (std::size_t k = 0; k < n; ++k) {
    require(hands[k] && arms[k], "a side has a hand and an arm");
    require(3 * hands[k]->points() == model.sizes[0] && hands[k]->unknowns() == hands[0]->components() &&
                hands[k]->components() == hands[0]->components() && arms[k]->joints() == arms[0]->joints(),
            "both sides must have as many joints, and hands the networks' inputs");
    sides[k].hand = hands[k], sides[k].arm = arms[k];
    sides[k].settings = arm_settings_of(nb::cast<nb::tuple>(settings[k]));
    std::copy_n(turns + 9 * k, 9, sides[k].R_mano_wrist);
  }
  require(model.networks == int(n), "there must be a network a side");
  new (self) TargetSolver(sides, networks, R.checked({3, 3}), p.checked({3}), find_kernels(isa));
}

/// Joints for what a ring says about a step: writes the mean, joints and points, gives back both sides'
/// statuses and position errors.
nb::tuple solve(const TargetSolver& self, ChunkRing& ring, long step, Object start_, Object mean_, Object counted_,
                Object joints_, Object points_) {
  const Doubles start(start_, "start");
  const Lent<double> mean(mean_, "mean"), joints(joints_, "joints"), points(points_, "points");
  const Lent<std::int64_t> counted(counted_, "counted");
  constexpr long n = TargetSolver::kSides;
  const double* from = start.checked({n * self.joints()}, false);
  TargetSolver::Result out{joints.checked({n, self.joints()}, false), points.checked({n, 3}, false), {}, {}};
  const ChunkMean wanted = average_into(ring, step, mean, counted);
  {
    const nb::gil_scoped_release release;
    self.solve(wanted, from, out);
  }
  return nb::make_tuple(out.status[0], out.status[1], out.position_error[0], out.position_error[1]);
}

void make_writer(CommandWriter* self, Object rows_, Object sources_, Object scale_, Object offset_,
                 Object hand_sources_, Object closed_, Object span_, long driven, long robot) {
  const Lent<const std::int64_t> rows(rows_, "rows"), sources(sources_, "sources"),
      hand_sources(hand_sources_, "hand_sources");
  const Doubles scale(scale_, "scale"), offset(offset_, "offset"), closed(closed_, "closed"), span(span_, "span");
  const long m = rows.rows(1), h = long(hand_sources.size());
  const std::int64_t *row = rows.checked({m}, false), *source = sources.checked({m}, false),
                     *hand_source = hand_sources.checked({h}, false);
  const double *a = scale.checked({m}), *b = offset.checked({m}), *c = closed.checked({h}), *d = span.checked({h});
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

/// Gives back how far the two halves of q are behind those of aim.
nb::tuple write(const CommandWriter& self, Object q_, Object aim_, Object joints_, Object numbers_) {
  const Doubles q(q_, "q"), aim(aim_, "aim");
  const Lent<double> joints(joints_, "joints"), numbers(numbers_, "numbers");
  const long k = self.driven();
  const double *at = q.checked({k}, false), *wanted = aim.checked({k}, false);
  require(numbers.size() == self.hand_numbers(), "numbers must be as many as the hands take");
  self.write(at, joints.checked({self.robot()}, false), numbers.data());
  return nb::make_tuple(CommandWriter::farthest(at, wanted, k / 2),
                        CommandWriter::farthest(at + k / 2, wanted + k / 2, k / 2));
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
  nb::class_<LimitedMotion>(m, "LimitedMotion").def("__init__", make_motion).def("propose", propose);
  nb::class_<TargetSolver>(m, "TargetSolver").def("__init__", make_targets).def("solve", solve);
  nb::class_<CommandWriter>(m, "CommandWriter").def("__init__", make_writer).def("write", write);
}

}  // namespace retarget
