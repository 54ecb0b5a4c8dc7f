// From the joints that are driven to all joints of a command, and to the numbers that hands take.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/span.hpp"

namespace retarget {

/// A joint of the robot: scale times a driven joint, plus offset.
struct MovedJoint {
  std::int64_t row, source;
  double scale, offset;
};

/// A number of a hand: a driven joint from `closed`, where it is 0, over `span`, at whose end it is 1.
struct HandNumber {
  std::int64_t source;
  double closed, span;
};

class CommandWriter {
 public:
  CommandWriter(long driven, long robot) : driven_(driven), robot_(robot) {}
  void add_joint(const MovedJoint& joint) { joints_.push_back(joint); }
  void add_hand_number(const HandNumber& number) { numbers_.push_back(number); }

  long driven() const { return driven_; }
  long robot() const { return robot_; }
  long hand_numbers() const { return long(numbers_.size()); }

  /// q (driven) into joints (robot), of which those that nothing drives are left, and numbers (hand numbers).
  void write(Span<const double> q, Span<double> joints, Span<double> numbers) const {
    for (const MovedJoint& j : joints_) joints[j.row] = q[j.source] * j.scale + j.offset;
    for (long i = 0; i < hand_numbers(); ++i) {
      const HandNumber& n = numbers_[std::size_t(i)];
      numbers[i] = std::min(std::max((q[n.source] - n.closed) / n.span + 0.0, 0.0), 1.0);  // no -0
    }
  }

  /// The largest distance of two vectors' numbers; NaN where there is one.
  static double farthest(Span<const double> a, Span<const double> b) {
    double most = 0;
    for (long i = 0; i < a.size(); ++i) {
      const double away = std::abs(a[i] - b[i]);
      if (away > most || std::isnan(away)) most = away;
    }
    return most;
  }

 private:
  long driven_, robot_;
  std::vector<MovedJoint> joints_;
  std::vector<HandNumber> numbers_;
};

}  // namespace retarget
