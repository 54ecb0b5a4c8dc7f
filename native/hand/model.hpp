// A hand as its user describes it, and as the kernels want it.
#pragma once
#include <cstdint>
#include <vector>

#include "hand/batch.hpp"

namespace retarget {

/// A hand restricted to P points, as dense row-major arrays; retarget.human.native.NativeHand makes them.
struct HandArrays {
  int points = 0, components = 0;
  Span<const std::int64_t> parents;  // (16), each before its children
  Rows<const double> rest, point;    // joints (16, 3) and points (P, 3) at rest [m]
  Span<const double> blend;          // pose blend shapes (P, 3, 135)
  Rows<const double> weights;        // skinning weights (P, 16)
  Span<const double> mean;           // mean pose (45) [rad]
  Rows<const double> basis;          // components (K, 45) [rad]
  Span<const double> sigma;          // standard deviation (K) of each component's coefficient
  HandStart start;
  double wrist_rotation = 0, wrist_translation = 0;  // scales [rad], [m]; 0: the wrist is fixed
};

/// Owns what a HandModel views.
template <class E>
class HandModelOwner {
 public:
  explicit HandModelOwner(const HandArrays& arrays);
  HandModelOwner(const HandModelOwner&) = delete;
  const HandModel<E>& model() const { return model_; }

 private:
  HandModel<E> model_{};
  std::vector<E> components_t_, point_, blend_;
  std::vector<std::int64_t> start_points_;
  std::vector<double> start_center_, start_spread_, start_weights_;
  std::vector<Range> skin_of_, influences_of_;
  std::vector<Skin> skin_;
  std::vector<Influence> influences_;
};

}  // namespace retarget
