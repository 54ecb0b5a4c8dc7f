// HandSolver: owns a hand model in both precisions and runs batches on it.
#pragma once
#include "core/kernels.hpp"
#include "hand/model.hpp"
#include "hand/placement.hpp"

namespace retarget {

class HandSolver {
 public:
  explicit HandSolver(const HandArrays& arrays) : f64_(arrays), f32_(arrays) {}
  const HandModel<double>& model() const { return f64_.model(); }
  int points() const { return f64_.model().points; }
  int components() const { return f64_.model().components; }
  int unknowns() const { return components() + (f64_.model().wrist ? 6 : 0); }

  void fit(HandBatch& batch, const LmOptions& options, bool single, int threads,
           const Kernels& kernels) const;
  /// Fits of hands that lie anywhere: brought into the hand's frame, fitted there and carried back. The
  /// batch says what counts and where results go; its inputs are made here. A frame that is left out is
  /// NaN, and so is the residual of a point without weight.
  void fit_placed(const PlacedFrames& frames, const HandPlacement& placement, HandBatch& batch,
                  const LmOptions& options, int threads, const Kernels& kernels) const;
  void evaluate(const HandBatch& batch, const HandEvaluation& out, const Kernels& kernels) const;

 private:
  template <class E>
  void run(const HandModel<E>& model, HandBatch& batch, const LmOptions& options, int threads,
           const KernelsOf<E>& kernels) const;
  HandModelOwner<double> f64_;
  HandModelOwner<float> f32_;
};

/// Points of several hands that have the same points and components, and fixed wrists: coefficients are
/// (frames, hands) of components, points (frames, hands) of 3 points [m]. NaN where a coefficient is not
/// finite.
void place_points(Span<const HandSolver* const> hands, Grid<const double> coefficients, Grid<double> points,
                  int threads, const Kernels& kernels);

}  // namespace retarget
