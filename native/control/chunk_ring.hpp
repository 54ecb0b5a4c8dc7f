// The chunks of a policy that may still speak about a step, and the mean of what they say.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "core/span.hpp"

namespace retarget {

constexpr int kHands = 2, kCoefficients = 15;
constexpr int kVector = kHands * (3 + kCoefficients + 6);  // positions, coefficients, rot6d: a policy's step
// of one hand in one row: position, rotation by rows, coefficients
constexpr int kRotation = 3, kFingers = 12, kNumbers = kFingers + kCoefficients;

/// What became of a chunk.
struct ChunkTaken {
  bool late, repeated, useless;
  long gap;
  long unusable[kHands];
};

struct ChunkCounts {
  long chunks, late, repeated, brief, useless, skipped, unusable, steps, missing;
};

/// What all chunks together say about a step, a row or number a hand: where to write it.
struct ChunkMean {
  static constexpr std::int64_t kSaid = 0, kMissing = 4;  // values of retarget.core.types.Status

  Rows<double> position, coefficients, rotation;  // (hands) of 3 [m], 15, 9
  Span<std::int64_t> status;                      // kSaid or kMissing
  Span<std::int64_t> chunks, age;                 // that took part; of the newest, -1 where there is none
};

/// Holds the chunks of the last `horizon` steps, the one for step s in slot s modulo the horizon.
class ChunkRing {
 public:
  ChunkRing(int horizon, double wrist_decay, double hand_decay);
  void reset();
  int horizon() const { return int(horizon_); }
  const ChunkCounts& counts() const { return counts_; }

  /// rows (length hands) of kNumbers for the steps from `step` on; usable (length hands), none where all are.
  ChunkTaken push(Rows<const double> rows, Span<const unsigned char> usable, long step);

  /// The same of a policy's vectors where they are beyond doubt; false, and nothing is taken, where a number
  /// is beyond 1e6, or columns of a rot6d are very long, very short or nearly parallel.
  bool push_vectors(Rows<const double> vectors, long step);

  /// Throws std::invalid_argument for a step that is forgotten.
  void average(long step, const ChunkMean& out);

 private:
  void average(long step, int hand, const ChunkMean& out) const;
  std::size_t slot_of(long step) const { return std::size_t((step % horizon_ + horizon_) % horizon_); }
  /// Row `row * kHands + hand` of a slot.
  Span<double> numbers(std::size_t slot, long place) const {
    return {rows_.get() + (long(slot) * horizon_ * kHands + place) * kNumbers, kNumbers};
  }

  const long horizon_;
  std::unique_ptr<double[]> rows_;                     // (slots, horizon, hands, kNumbers)
  std::vector<unsigned char> usable_;                  // (slots, horizon, hands)
  std::vector<long> step_, length_;                    // of the chunks
  std::vector<double> wrist_weight_, fingers_weight_;  // by how many newer chunks there are
  std::vector<double> read_;                           // vectors on their way
  long newest_, now_;
  ChunkCounts counts_;
};

}  // namespace retarget
