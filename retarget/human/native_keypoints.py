"""Fits of a user's hand to 21 keypoints that lie anywhere, in the native core.

The palm says where a hand lies (Kabsch 1976), then pose coefficients and wrist are fitted together;
frames share the SIMD lanes, and results do not depend on their number or order.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retarget.core import _native
from retarget.core.checks import call, numbers
from retarget.core.frozen import Remade
from retarget.core.types import BoolArray, FloatArray
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import (
    KEYPOINT_COUNT,
    KEYPOINT_ORDER,
    KEYPOINT_TIPS,
    TIP_VERTICES,
)
from retarget.human.mano_format import JOINTS
from retarget.human.native import hand_solver, skinning_of
from retarget.human.regression_start import FREEDOMS, quadratic_start
from retarget.human.user import User
from retarget.human.user_shape import PALM, rest_hand

FEWEST = 11  # keypoints without which a hand is left out
# where the wrist may be off after the palm was laid on the rest palm: part of the prior
WRIST_SCALE = (1.0, 0.1)  # [rad], [m]
PALM_POINTS = np.array(PALM, dtype=np.int64)
NARROW = 2  # frames that leave wide registers all but empty
DAMPING, MOST_STEPS = 1e-5, 200  # of the fit's Levenberg-Marquardt


class PlacedFits(NamedTuple):
    """Fits of n frames of one hand; NaN where a frame was left out.

    Attributes:
        pca: (n, K) pose coefficients [rad].
        root: (n, 4, 4) poses of the hand's root, its origin the root joint [m].
        residual: (n, 21) distance of each keypoint to where it was seen [m], NaN where it was not.
        cost: (n,) the minimum that was found [m^2]; of frames left out it has no meaning.
        iterations: (n,) evaluations after the first.
        fitted: (n,) False where too few keypoints are known.
        converged: (n,) whether the step fell below the tolerance.
    """

    pca: FloatArray
    root: FloatArray
    residual: FloatArray
    cost: FloatArray
    iterations: NDArray[np.int32]
    fitted: BoolArray
    converged: BoolArray


class NativeKeypoints(Remade):
    """Fits one hand's pose and wrist to its keypoints.

    Minimises ``sum w rho(x - seen) + prior |z|^2`` over z = c / sigma and the wrist's rotation
    vector and translation off the palm's place, each over its scale in `WRIST_SCALE`, with
    ``rho = 2 beta SmoothL1_beta`` of each coordinate.

    Args:
        hand: the hand model.
        user: whose hand; None is the model's own.
        components: number of coefficients K, 1 to 45.
        sigma: (K,) standard deviations of the coefficients, as the prior sees them [rad].
        quick: fits start from a regression on the fingertips, made with the first of them in some
            ten milliseconds.

    Attributes:
        components: number of coefficients K.
        reference: (21, 3) keypoints of the mean pose in the hand model's frame [m].
    """

    def __init__(
        self,
        hand: HandModel,
        user: User | None,
        components: int,
        sigma: FloatArray,
        *,
        quick: bool = True,
    ) -> None:
        rest, order = rest_hand(hand, user), list(KEYPOINT_ORDER)
        weights, blend = skinning_of(hand, range(JOINTS), tuple(TIP_VERTICES.values()))
        size = 1.0 if user is None else user.size
        self._hand, self._quick, self._sigma = hand, quick, sigma[:components]
        self._points = rest.joints, rest.keypoints, weights[order], size * blend[order]
        self._placed = hand_solver(hand, *self._points, self._sigma)
        self.reference = _places(self._placed, np.zeros((1, components)))[0]
        self.components, self._unknowns = components, components + 6

    @cached_property
    def solver(self) -> Any:
        """The core's solver, its wrist free."""
        start, sigma = None, self._hand.sigma
        if self._quick:
            sampled = sigma[: max(self.components, FREEDOMS)]
            solver = hand_solver(self._hand, *self._points, sampled)
            start = quadratic_start(
                lambda c: _places(solver, c)[:, list(KEYPOINT_TIPS)], sigma, self.components
            )
        return hand_solver(
            self._hand,
            *self._points,
            self._sigma,
            wrist_scale=WRIST_SCALE,
            start=start,
            started=KEYPOINT_TIPS,
        )

    def keypoints(self, pca: FloatArray) -> FloatArray:
        """Keypoints (n, 21, 3) of coefficients (n, K), the root at the identity's pose [m]."""
        return np.asarray(_places(self._placed, pca) - self._points[1][0])

    def fit(
        self,
        keypoints: FloatArray,
        weights: FloatArray | None,
        mirrored: BoolArray | None = None,
        *,
        noise: float,
        tolerance: float = 1e-9,
        threads: int = 0,
    ) -> PlacedFits:
        """Fit n frames, each by itself.

        Args:
            keypoints: (n, 21, 3) where they were seen, in any frame [m]; NaN where missing.
            weights: (n, 21) what each counts, 0 for one to leave out; 1 by default.
            mirrored: (n,) where the keypoints are of the other hand, which is fitted in the mirror;
                its poses come back out of it.
            noise: standard deviation s of a coordinate [m]: the prior is s^2, beta 3 s.
            tolerance: length of a step in z that ends a frame.
            threads: 0 for as many as are useful.
        """
        n = len(keypoints)
        unknowns, residual = np.empty((n, self._unknowns)), np.empty((n, KEYPOINT_COUNT))
        root, cost, iterations = np.empty((n, 4, 4)), np.empty(n), np.empty(n, dtype=np.int32)
        fitted, converged = np.empty(n, dtype=np.bool_), np.empty(n, dtype=np.bool_)
        call(
            self.solver.fit_placed,
            numbers(keypoints, "keypoints"),
            None if weights is None else numbers(weights, "weights"),
            mirrored,
            self.reference,
            PALM_POINTS,
            FEWEST,
            3.0 * noise,
            noise * noise,
            DAMPING,
            tolerance,
            MOST_STEPS,
            threads,
            "narrow" if n <= NARROW else "",
            unknowns,
            root,
            residual,
            cost,
            iterations,
            fitted,
            converged,
        )
        pca = unknowns[:, : self.components]
        return PlacedFits(pca, root, residual, cost, iterations, fitted, converged)


def _places(solver: Any, pca: FloatArray) -> FloatArray:
    """Keypoints (n, 21, 3) of coefficients (n, K) in the hand model's frame [m]."""
    out = np.empty((len(pca), 1, KEYPOINT_COUNT, 3))
    call(_native.hand_points, [solver], numbers(pca[:, None], "pca"), 0, "", out)
    return out[:, 0]
