// The chunks of a policy that may still speak about a step, and the mean of what they say.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "nearest_rotation.hpp"

namespace retarget {

constexpr int kHands = 2, kCoefficients = 15;
constexpr int kVector = kHands * (3 + kCoefficients + 6);  // positions, coefficients, rot6d: a policy's step
constexpr int kRotation = 3, kHand = 12, kNumbers = kHand + kCoefficients;  // a row of one hand, from 0: position
constexpr std::int64_t kSpoken = 0, kUnspoken = 4;  // values of retarget.core.types.Status
constexpr long kNever = -(1L << 62);

/// What became of a chunk.
struct ChunkTaken {
  bool late, repeated, useless;
  long gap;
  long unusable[kHands];
};

/// What all chunks together say about a step: where to write it, left hand, right hand.
struct ChunkMean {
  double *position, *coefficients, *rotation;  // (hands, 3), (hands, 15), (hands, 3, 3)
  std::int64_t *status, *chunks, *age;         // kSpoken or kUnspoken; that took part; of the newest, -1 for none
};

struct ChunkCounts {
  long chunks, late, repeated, brief, useless, skipped, unusable, steps, missing;
};

/// Holds the chunks of the last `horizon` steps, the one for step s in slot s modulo the horizon.
class ChunkRing {
 public:
  ChunkRing(int horizon, double wrist_decay, double hand_decay)
      : horizon_(horizon), rows_(new double[std::size_t(horizon) * std::size_t(horizon) * kHands * kNumbers]) {
    const std::size_t n = std::size_t(horizon);
    usable_.resize(n * n * kHands), step_.resize(n), length_.resize(n), read_.resize(n * kHands * kNumbers);
    for (long i = 0; i < horizon; ++i) {
      wrist_weight_.push_back(std::exp(-wrist_decay * double(i)));
      hand_weight_.push_back(std::exp(-hand_decay * double(i)));
    }
    reset();
  }

  void reset() {
    std::fill(step_.begin(), step_.end(), kNever);
    newest_ = now_ = kNever;
    counts_ = {};
  }

  int horizon() const { return horizon_; }
  const ChunkCounts& counts() const { return counts_; }

  /// rows (length, hands, kNumbers) for the steps from `step` on; usable (length, hands), null where all are.
  ChunkTaken push(const double* rows, const bool* usable, long length, long step) {
    ChunkTaken taken{};
    taken.late = step < newest_;
    taken.useless = step + length <= now_ || step <= newest_ - horizon_;
    const std::size_t slot = slot_of(step);
    taken.repeated = !taken.useless && step_[slot] == step;
    taken.gap = newest_ == kNever ? 0 : std::max(0L, step - newest_ - 1);
    for (long i = 0; usable && i < length * kHands; ++i) taken.unusable[i % kHands] += !usable[i];
    if (!taken.useless) {
      std::copy_n(rows, length * kHands * kNumbers, row(slot, 0));
      char* flags = &usable_[slot * std::size_t(horizon_ * kHands)];
      for (long i = 0; i < length * kHands; ++i) flags[i] = !usable || usable[i];
      step_[slot] = step, length_[slot] = length;
      newest_ = std::max(newest_, step);
    }
    ++counts_.chunks;
    counts_.late += taken.late, counts_.repeated += taken.repeated, counts_.useless += taken.useless;
    counts_.brief += length < horizon_, counts_.skipped += taken.gap;
    counts_.unusable += taken.unusable[0] + taken.unusable[1];
    return taken;
  }

  /// The same of vectors (length, kVector) that are beyond doubt; false, and nothing is taken, where a
  /// number is beyond 1e6, or columns of a rot6d are very long, very short or nearly parallel.
  bool push_vectors(const double* vectors, long length, long step) {
    for (long i = 0; i < length * kVector; ++i)
      if (!(std::abs(vectors[i]) <= 1e6)) return false;  // NaN is not
    double* to = read_.data();
    for (long k = 0; k < length; ++k, vectors += kVector)
      for (int hand = 0; hand < kHands; ++hand, to += kNumbers) {
        std::copy_n(vectors + 3 * hand, 3, to);
        std::copy_n(vectors + 3 * kHands + kCoefficients * hand, kCoefficients, to + kHand);
        const double* rot6d = vectors + (3 + kCoefficients) * kHands + 6 * hand;
        if (!orthonormalise(rot6d, rot6d + 3, to + kRotation)) return false;
      }
    push(read_.data(), nullptr, length, step);
    return true;
  }

  /// The mean of all that is said about a step.
  void average(long step, const ChunkMean& out) {
    if (step <= newest_ - horizon_)
      throw std::invalid_argument("step " + std::to_string(step) + " is forgotten; the newest chunk is for " +
                                  std::to_string(newest_));
    now_ = std::max(now_, step);
    ++counts_.steps;
    for (int hand = 0; hand < kHands; ++hand) {
      double wrist[kHand] = {}, fingers[kCoefficients] = {}, wrist_total = 0, hand_total = 0;
      const double* newest = nullptr;
      std::int64_t &chunks = out.chunks[hand], &age = out.age[hand];
      out.status[hand] = kSpoken, chunks = 0, age = -1;
      for (long back = 0; back < horizon_; ++back) {
        const std::size_t slot = slot_of(step - back);
        if (step_[slot] != step - back || back >= length_[slot] || !usable(slot, back, hand)) continue;
        const double* said = row(slot, back) + hand * kNumbers;
        const std::size_t rank = std::size_t(chunks++);
        if (!newest) newest = said, age = back;
        wrist_total += wrist_weight_[rank], hand_total += hand_weight_[rank];
        for (int i = 0; i < kHand; ++i) wrist[i] += wrist_weight_[rank] * said[i];
        for (int i = 0; i < kCoefficients; ++i) fingers[i] += hand_weight_[rank] * said[kHand + i];
      }
      double* R = out.rotation + 9 * hand;
      if (!newest) {
        ++counts_.missing;
        out.status[hand] = kUnspoken;
        wrist_total = hand_total = 1;
        for (int i = 0; i < 9; ++i) R[i] = i % 4 == 0;
      } else {
        for (int i = kRotation; i < kHand; ++i) wrist[i] /= wrist_total;
        if (nearest_rotation(wrist + kRotation, R) < kAmbiguous) std::copy_n(newest + kRotation, 9, R);
      }
      for (int i = 0; i < 3; ++i) out.position[3 * hand + i] = wrist[i] / wrist_total;
      for (int i = 0; i < kCoefficients; ++i) out.coefficients[kCoefficients * hand + i] = fingers[i] / hand_total;
    }
  }

 private:
  static constexpr double kAmbiguous = 1e-9;  // half the gap of eigenvalues below which no rotation is nearest

  /// Gram-Schmidt on two columns, into a row-major rotation; false where they leave a doubt.
  static bool orthonormalise(const double* a, const double* b, double* R) {
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
  static double dot(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

  std::size_t slot_of(long step) const { return std::size_t((step % horizon_ + horizon_) % horizon_); }
  double* row(std::size_t slot, long k) {
    return &rows_[(slot * std::size_t(horizon_) + std::size_t(k)) * kHands * kNumbers];
  }
  bool usable(std::size_t slot, long k, int hand) const {
    return usable_[(slot * std::size_t(horizon_) + std::size_t(k)) * kHands + std::size_t(hand)];
  }

  long horizon_;
  std::unique_ptr<double[]> rows_;  // (slots, horizon, hands, kNumbers)
  std::vector<char> usable_;        // (slots, horizon, hands)
  std::vector<long> step_, length_;
  std::vector<double> wrist_weight_, hand_weight_, read_;
  long newest_ = kNever, now_ = kNever;
  ChunkCounts counts_{};
};

}  // namespace retarget
