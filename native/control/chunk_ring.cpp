// Chunks taken, and averaged: rotations by the nearest to their weighted sum (Hartley et al. 2013,
// "Rotation averaging").
#include "control/chunk_ring.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "core/nearest_rotation.hpp"

namespace retarget {
namespace {

constexpr long kNever = -(1L << 62);
constexpr double kLargest = 1e6;     // of numbers without doubt [m], [-]
constexpr double kAmbiguous = 1e-9;  // half the gap of eigenvalues below which no one rotation is nearest

double dot(Span<const double> a, Span<const double> b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

/// Gram-Schmidt on two columns, into a row-major rotation; false where they leave a doubt.
bool orthonormalise(Span<const double> a, Span<const double> b, Span<double> R) {
  constexpr double kLeast = 1e-4, kMost = 1e4, kSine = 1e-6;  // squared
  const double aa = dot(a, a), bb = dot(b, b);
  if (!(aa > kLeast && aa < kMost && bb > kLeast && bb < kMost)) return false;
  double x[3], y[3];
  for (int i = 0; i < 3; ++i) x[i] = a[i] / std::sqrt(aa);
  const double along = dot(x, b);
  for (int i = 0; i < 3; ++i) y[i] = b[i] - along * x[i];
  const double across = dot(y, y);
  if (!(across > kSine * bb)) return false;
  for (int i = 0; i < 3; ++i) y[i] /= std::sqrt(across);
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    R[3 * i] = x[i], R[3 * i + 1] = y[i], R[3 * i + 2] = x[j] * y[k] - x[k] * y[j];
  }
  return true;
}

void copy(Span<const double> from, Span<double> to) { std::copy(from.begin(), from.end(), to.begin()); }

}  // namespace

ChunkRing::ChunkRing(int horizon, double wrist_decay, double hand_decay)
    : horizon_(horizon),
      rows_(new double[std::size_t(horizon_ * horizon_ * kHands * kNumbers)]),
      usable_(std::size_t(horizon_ * horizon_ * kHands)),
      step_(std::size_t(horizon_)),
      length_(std::size_t(horizon_)),
      read_(std::size_t(horizon_ * kHands * kNumbers)) {
  for (long newer = 0; newer < horizon_; ++newer) {
    wrist_weight_.push_back(std::exp(-wrist_decay * double(newer)));
    fingers_weight_.push_back(std::exp(-hand_decay * double(newer)));
  }
  reset();
}

void ChunkRing::reset() {
  std::fill(step_.begin(), step_.end(), kNever);
  newest_ = now_ = kNever;
  counts_ = {};
}

ChunkTaken ChunkRing::push(Rows<const double> rows, Span<const unsigned char> usable, long step) {
  const long places = rows.count(), length = places / kHands;
  const std::size_t slot = slot_of(step);
  ChunkTaken taken{};
  taken.late = step < newest_;
  taken.useless = step + length <= now_ || step <= newest_ - horizon_;
  taken.repeated = !taken.useless && step_[slot] == step;
  taken.gap = newest_ == kNever ? 0 : std::max(0L, step - newest_ - 1);
  for (long i = 0; usable && i < places; ++i) taken.unusable[i % kHands] += !usable[i];
  if (!taken.useless) {
    for (long i = 0; i < places; ++i) {
      copy(rows[i], numbers(slot, i));
      usable_[slot * std::size_t(horizon_ * kHands) + std::size_t(i)] = !usable || usable[i];
    }
    step_[slot] = step, length_[slot] = length;
    newest_ = std::max(newest_, step);
  }
  ++counts_.chunks;
  counts_.late += taken.late, counts_.repeated += taken.repeated, counts_.useless += taken.useless;
  counts_.brief += length < horizon_, counts_.skipped += taken.gap;
  for (long lost : taken.unusable) counts_.unusable += lost;
  return taken;
}

bool ChunkRing::push_vectors(Rows<const double> vectors, long step) {
  const Rows<double> rows(Span<double>(read_).part(0, vectors.count() * kHands * kNumbers), kNumbers);
  for (long k = 0; k < vectors.count(); ++k) {
    const Span<const double> vector = vectors[k];
    for (double x : vector)
      if (!(std::abs(x) <= kLargest)) return false;  // NaN is not
    for (int hand = 0; hand < kHands; ++hand) {
      const Span<double> row = rows[k * kHands + hand];
      const Span<const double> rot6d = vector.part((3 + kCoefficients) * kHands + 6 * hand, 6);
      if (!orthonormalise(rot6d.part(0, 3), rot6d.part(3, 3), row.part(kRotation, 9))) return false;
      copy(vector.part(3 * hand, 3), row);
      copy(vector.part(3 * kHands + kCoefficients * hand, kCoefficients), row.from(kFingers));
    }
  }
  push(rows, {}, step);
  return true;
}

void ChunkRing::average(long step, const ChunkMean& out) {
  if (step <= newest_ - horizon_)
    throw std::invalid_argument("step " + std::to_string(step) + " is forgotten; the newest chunk is for " +
                                std::to_string(newest_));
  now_ = std::max(now_, step);
  ++counts_.steps;
  for (int hand = 0; hand < kHands; ++hand) {
    average(step, hand, out);
    counts_.missing += out.status[hand] == ChunkMean::kMissing;
  }
}

void ChunkRing::average(long step, int hand, const ChunkMean& out) const {
  double wrist[kFingers] = {}, fingers[kCoefficients] = {}, wrist_total = 0, fingers_total = 0;
  Span<double> newest;
  long chunks = 0, age = -1;
  for (long back = 0; back < horizon_; ++back) {
    const std::size_t slot = slot_of(step - back);
    const long place = back * kHands + hand;
    if (step_[slot] != step - back || back >= length_[slot]) continue;
    if (!usable_[slot * std::size_t(horizon_ * kHands) + std::size_t(place)]) continue;
    const Span<double> said = numbers(slot, place);
    if (!newest) newest = said, age = back;
    const double a = wrist_weight_[std::size_t(chunks)], b = fingers_weight_[std::size_t(chunks)];
    wrist_total += a, fingers_total += b;
    for (int i = 0; i < kFingers; ++i) wrist[i] += a * said[i];
    for (int i = 0; i < kCoefficients; ++i) fingers[i] += b * said[kFingers + i];
    ++chunks;
  }
  out.chunks[hand] = chunks, out.age[hand] = age;
  out.status[hand] = newest ? ChunkMean::kSaid : ChunkMean::kMissing;
  const Span<double> R = out.rotation[hand];
  if (!newest) {
    wrist_total = fingers_total = 1;
    for (int i = 0; i < 9; ++i) R[i] = i % 4 == 0;
  } else {
    for (int i = kRotation; i < kFingers; ++i) wrist[i] /= wrist_total;
    if (nearest_rotation(Span<double>(wrist).part(kRotation, 9), R) < kAmbiguous)
      copy(newest.part(kRotation, 9), R);
  }
  for (int i = 0; i < 3; ++i) out.position[hand][i] = wrist[i] / wrist_total;
  for (int i = 0; i < kCoefficients; ++i) out.coefficients[hand][i] = fingers[i] / fingers_total;
}

}  // namespace retarget
