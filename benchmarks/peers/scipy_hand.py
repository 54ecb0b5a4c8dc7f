"""scipy's least squares on the fit's own cost, frame by frame, with exact Jacobians."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from retarget.core.types import FloatArray
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import HandKeypoints


class ScipyHand:
    """Minimises ``|tips(c) - target|^2 + prior |c / sigma|^2`` from the mean pose."""

    name = "scipy least squares (trf)"

    def __init__(self, hand: HandModel, components: int, prior: float) -> None:
        self._layer = HandKeypoints(hand)
        self._sigma = hand.sigma[:components]
        self._prior = np.sqrt(prior)

    def fit(self, target: FloatArray) -> FloatArray:
        """Fingertips (N, 5, 3) [m] -> coefficients (N, K) [rad]."""
        return np.stack([self._one(tips) for tips in target])

    def _one(self, tips: FloatArray) -> FloatArray:
        wanted, sigma, prior = tips.ravel(), self._sigma, self._prior

        def residual(z: FloatArray) -> FloatArray:
            found = self._layer.fingertips(sigma * z).ravel()
            return np.concatenate([found - wanted, prior * z])

        def jacobian(z: FloatArray) -> FloatArray:
            _, J = self._layer.fingertips_and_jacobian(sigma * z)
            return np.concatenate([J.reshape(15, -1) * sigma, prior * np.eye(len(sigma))])

        ends = {"ftol": 1e-13, "xtol": 1e-10, "gtol": 1e-13}
        return np.asarray(sigma * least_squares(residual, np.zeros(len(sigma)), jacobian, **ends).x)
