// The Python class HandMapSolver, and maps of both hands in one call.
#include "map/solver.hpp"
#include "python/arrays.hpp"

namespace retarget {
namespace {

using Object = nb::handle;

/// joints: (J, 18) rows of rotation (9), step (3), axis (3), driven joint, gain, offset; counts: (5) of each
/// finger's; tips: (5, 3); limits: (M) each; settings: (16) in the order of MapSettings.
void make(HandMapSolver* self, Object joints_, Object counts_, Object tips_, Object lower_, Object upper_,
          Object settings_) {
  const Doubles joints(joints_, "joints"), tips(tips_, "tips"), lower(lower_, "lower"), upper(upper_, "upper"),
      numbers(settings_, "settings");
  const Lent<const std::int64_t> counts(counts_, "counts");
  const long M = lower.rows(1);
  require(M <= kMaxActive, "a hand may have at most 24 driven joints");
  const Span<const double> low = lower.checked({M}), high = upper.checked({M});
  for (long k = 0; k < M; ++k) require(low[k] <= high[k], "lower must not exceed upper");
  const Rows<const double> rows = joints.checked_rows({joints.rows(2), 18}), ends = tips.checked_rows({kFingers, 3});
  std::vector<Finger> fingers;
  long row = 0;
  const Span<const std::int64_t> lengths = counts.checked({kFingers});
  for (int f = 0; f < kFingers; ++f) {
    require(lengths[f] >= 0 && lengths[f] <= kMaxMovers, "a finger may have at most 8 joints");
    require(row + lengths[f] <= rows.count(), "counts must add up to the number of joints");
    Finger& finger = fingers.emplace_back();
    for (int d = 0; d < 3; ++d) finger.tip[d] = ends[f][d];
    for (long j = 0; j < lengths[f]; ++j, ++row) {
      const Span<const double> r = rows[row];
      FingerJoint joint{};
      for (int i = 0; i < 9; ++i) joint.rotation[i] = r[i];
      for (int d = 0; d < 3; ++d) joint.step[d] = r[9 + d], joint.axis[d] = r[12 + d];
      require(r[15] >= 0 && r[15] < double(M), "joints: no such driven joint");
      joint.column = int(r[15]), joint.gain = r[16], joint.offset = r[17];
      finger.joints.push_back(joint);
    }
  }
  require(row == rows.count(), "counts must add up to the number of joints");
  const Span<const double> s = numbers.checked({16});
  MapSettings settings{s[0], s[1], s[2], {s[3], s[4], s[5], s[6]}, s[7], s[8], {s[9], s[10], s[11], s[12]}, s[13], s[14], s[15]};
  require_positive(settings.scale, "scale");
  require_positive(settings.ramp, "ramp");
  require_positive(settings.prior, "prior");
  new (self) HandMapSolver{MapHand(std::move(fingers), low, high), settings};
}

/// tips (frames, H, 5, 3), sizes (H); q (frames, H, M), iterations, mapped and converged (frames, H).
void map_hands(const std::vector<const HandMapSolver*>& hands, Object tips_, Object sizes_, int fewest,
               double tolerance, int max_iterations, int threads, Object q_, Object iterations_, Object mapped_,
               Object converged_) {
  require(!hands.empty(), "there must be at least one hand");
  const long H = long(hands.size()), M = hands[0] ? hands[0]->hand.active() : 0;
  for (const HandMapSolver* hand : hands)
    require(hand && hand->hand.active() == M, "hands must have the same number of driven joints");
  const Doubles tips(tips_, "tips"), sizes(sizes_, "sizes");
  const Lent<double> q(q_, "q");
  const Lent<int> iterations(iterations_, "iterations");
  const Lent<bool> mapped(mapped_, "mapped"), converged(converged_, "converged");
  const long frames = tips.rows(4);
  const Grid<const double> x{tips.checked({frames, H, kFingers, 3}, false), H, 3 * kFingers};
  const Grid<double> out{q.checked({frames, H, M}, false), H, M};
  const Span<const double> size = sizes.checked({H});
  for (double s : size) require_positive(s, "size");
  require_positive(tolerance, "tolerance");
  require(max_iterations >= 1 && max_iterations <= 1000000, "max_iterations must be 1 to 1,000,000");
  require(threads >= 0, "threads must not be negative");
  const Span<int> steps = iterations.checked({frames, H}, false);
  const Span<unsigned char> known = bytes(mapped.checked({frames, H}, false)),
                            ends = bytes(converged.checked({frames, H}, false));
  const nb::gil_scoped_release release;
  for (long h = 0; h < H; ++h) {
    const HandMapSolver& hand = *hands[std::size_t(h)];
    MapBatch batch{x.column(h), size[h], out.column(h), steps.from(h), known.from(h), ends.from(h), H};
    map_frames(hand.hand, hand.settings, {fewest, tolerance, max_iterations}, batch, threads);
  }
}

/// Cost, gradient and Hessian of the whole cost at q (M) for tips (15), for tests.
nb::tuple evaluate(const HandMapSolver& self, Object q_, Object tips_, double size, Object places_,
                   Object gradient_, Object hessian_) {
  const int M = self.hand.active();
  const Doubles q(q_, "q"), tips(tips_, "tips");
  const Lent<double> places(places_, "places"), gradient(gradient_, "gradient"), hessian(hessian_, "hessian");
  const Span<const double> at = q.checked({M});
  const MapGoal goal(tips.checked({kFingers, 3}, false), size, self.settings);
  FingerPose pose;
  self.hand.place(at, pose);
  std::vector<double> bent(std::size_t(M * M));
  const Span<double> H = hessian.checked({M, M}, false);
  self.hand.differentiate(at, pose, goal, self.settings.prior, gradient.checked({M}, false), H, bent);
  for (long i = 0; i < M * M; ++i) H[i] += bent[std::size_t(i)];
  const Span<double> where = places.checked({kFingers, 3}, false);
  for (int i = 0; i < 3 * kFingers; ++i) where[i] = pose.tip[i / 3][i % 3];
  return nb::make_tuple(self.hand.cost(at, pose, goal, self.settings.prior), goal.known);
}

}  // namespace

void bind_map(nb::module_& m) {
  nb::class_<HandMapSolver>(m, "HandMapSolver").def("__init__", make).def("evaluate", evaluate);
  m.def("map_hands", map_hands);
}

}  // namespace retarget
