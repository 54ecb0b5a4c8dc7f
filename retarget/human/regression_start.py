"""Where a fit starts: pose coefficients by regression, a quadratic function of the fingertips.

The regression is made from poses of the hand model itself, so it needs no robot and no earlier fit;
it is a continuous function of its input, and so is the fit that begins there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from retarget.core.types import FloatArray

SAMPLES = 4_000
FREEDOMS = 15  # of five fingertips
FARTHEST = 3.0  # [standard deviations] far off its sample the regression is wild; cut, continuous


@dataclass(frozen=True)
class QuadraticStart:
    """``z = W f(x)``, f the 136 monomials up to degree two of the 15 standardised tip coordinates.

    Attributes:
        center: (15,) mean of the tip coordinates [m].
        spread: (15,) their standard deviation [m].
        weights: (136, K) regression weights, standardised coefficients out.
    """

    center: FloatArray
    spread: FloatArray
    weights: FloatArray

    def __call__(self, fingertips: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        """Fingertips (N, 5, 3) [m] -> standardised coefficients z (N, K), ``c = sigma z``.

        A fingertip whose weight (N, 5) is 0 counts as standing at its mean.
        """
        x = (fingertips.reshape(len(fingertips), 15) - self.center) / self.spread
        if weights is not None:
            x = np.where(np.repeat(weights > 0.0, 3, axis=1), x, 0.0)
        return np.clip(_monomials(x) @ self.weights, -FARTHEST, FARTHEST)


def quadratic_start(
    fingertips: Callable[[FloatArray], FloatArray],
    sigma: FloatArray,
    components: int,
    seed: int = 0,
) -> QuadraticStart:
    """Regress standardised coefficients on the fingertips they make.

    Args:
        fingertips: coefficients (N, any) [rad] -> (N, 5, 3) [m].
        sigma: (45,) standard deviations of the coefficients [rad].
        components: number K of coefficients to start. Poses are sampled with at least
            `FREEDOMS` of them: few coefficients fill a thin sheet of the 15 coordinates, off which
            a regression on them alone would be wild.
        seed: of the standard normal sample of poses.
    """
    sampled = max(components, FREEDOMS)
    z = np.random.default_rng(seed).normal(size=(SAMPLES, sampled))
    x = fingertips(z * sigma[:sampled]).reshape(SAMPLES, 15)
    center, spread = x.mean(axis=0), x.std(axis=0)
    features = _monomials((x - center) / spread)
    # normal equations: 136 well-scaled unknowns
    gram = features.T @ features + 1e-6 * SAMPLES * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, features.T @ z[:, :components])
    return QuadraticStart(center, spread, np.asarray(weights))


def _monomials(x: FloatArray) -> FloatArray:
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([np.ones((len(x), 1)), x, x[:, i] * x[:, j]], axis=1)
