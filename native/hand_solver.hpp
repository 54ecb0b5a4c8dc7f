// HandSolver: owns a hand model in both precisions and runs batches on it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace retarget {

/// A hand restricted to P points, as dense row-major arrays; retarget.human.native.NativeHand makes them.
struct HandArrays {
  int points = 0, components = 0;
  const double *rest, *point;     // joints (16, 3) and points (P, 3) at rest [m]
  const double *blend, *weights;  // pose blend shapes (P, 3, 135), skinning weights (P, 16)
  const double *mean, *basis;     // mean pose (45) and components (K, 45) [rad]
  const double* sigma;            // standard deviation (K) of each component's coefficient
  const std::int64_t* parents;    // (16), each before its children
  const double *start_center = nullptr, *start_spread = nullptr, *start_weights = nullptr;
  double wrist_rotation = 0, wrist_translation = 0;  // scales [rad], [m]; 0: the wrist is fixed
};

template <class E>
class HandModelOwner {
 public:
  explicit HandModelOwner(const HandArrays& arrays);
  HandModelOwner(const HandModelOwner&) = delete;
  const HandModel<E>& model() const { return model_; }

 private:
  HandModel<E> model_{};
  std::vector<E> components_t_, point_, blend_;
  std::vector<double> start_;
  std::vector<Span> skin_of_, influences_of_;
  std::vector<Skin> skin_;
  std::vector<Influence> influences_;
};

class HandSolver {
 public:
  explicit HandSolver(const HandArrays& arrays) : f64_(arrays), f32_(arrays) {}
  const HandModel<double>& model() const { return f64_.model(); }
  int points() const { return f64_.model().points; }
  int components() const { return f64_.model().components; }
  int unknowns() const { return components() + (f64_.model().wrist ? 6 : 0); }

  void fit(HandBatch& batch, const LmOptions& options, bool single, int threads,
           const Kernels& kernels) const;
  void evaluate(const HandBatch& batch, const HandEvaluation& out, const Kernels& kernels) const;

 private:
  template <class E>
  void run(const HandModel<E>& model, HandBatch& batch, const LmOptions& options, int threads,
           const KernelsOf<E>& kernels) const;
  HandModelOwner<double> f64_;
  HandModelOwner<float> f32_;
};

}  // namespace retarget
