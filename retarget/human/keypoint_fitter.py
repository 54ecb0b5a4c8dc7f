"""KeypointFitter: keypoints of a person's hands -> pose coefficients and wrists of a hand model.

Per hand and frame it minimises ``sum w rho(x - seen) + s^2 |c / sigma|^2`` over the first K pose
coefficients c and the wrist, s being the tracker's noise and rho robust from 3 s on. The minimum is
found to rounding from a start that is a function of the frame alone: the fit is a function, for any
batch, and mirrored or rigidly moved keypoints give mirrored or moved hands.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.checks import numbers, optional, real, whole
from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray, HumanMotion, Status, side_index
from retarget.human.hand_model import HandModel, hands_hash, load_hands
from retarget.human.keypoints import KEYPOINT_COUNT, KEYPOINT_TIPS
from retarget.human.native_keypoints import NativeKeypoints, PlacedFits
from retarget.human.user import User

BOTH = "both"
TIP_WEIGHT = 2.0  # of a fingertip, whose place is what hands are for
FEW = 15  # components that people's poses are known to spread over
UNFOLLOWED = 1e-3  # [m] what hands do that so few components do not
FLOOR = 0.07  # [rad] with more, none is taken to spread less

_OK, _FAILED, _MISSING = map(int, (Status.OK, Status.NOT_CONVERGED, Status.MISSING_INPUT))


class KeypointFitter:
    """Fits hands to 21 keypoints in the order of `retarget.human.keypoints.KEYPOINT_NAMES`.

    Args:
        side: "both", "left" or "right", or 0 or 1.
        user: whose hands (`calibrate_user`); None has the hand model's size.
        components: number of pose coefficients K, 1 to 45.
        hands: models of the left and the right hand; None is the open hand.
        tolerance: a step shorter than this ends a frame, in standard deviations. 1e-4 saves a third
            of the time, and moves half of the frames by less than 1e-5.
        threads: 0 for as many as are useful. They do not change the result.

    Raises:
        InputError: an argument out of range.
    """

    def __init__(
        self,
        side: str | int = BOTH,
        user: User | None = None,
        components: int = FEW,
        *,
        hands: tuple[HandModel, HandModel] | None = None,
        tolerance: float = 3e-11,
        threads: int = 0,
    ) -> None:
        self.sides = (0, 1) if side == BOTH else (side_index(side),)
        self.user = User() if user is None else user
        self.hands = hands if hands is not None else load_hands()
        self.hand_hash = hands_hash(self.hands)
        self.components = whole("components", components, 1)
        if components > len(self.hands[0].components):
            raise InputError(f"components must be 1 to 45, got {components}")
        self._tolerance = real("tolerance", tolerance)
        self._threads = whole("threads", threads, 0)

    @property
    def noise(self) -> float:
        """Spread of a coordinate, as the fit sees it [m]: of few components more than a user's."""
        few = self.components <= FEW
        return float(np.hypot(self.user.noise, UNFOLLOWED)) if few else self.user.noise

    @property
    def sigma(self) -> FloatArray:
        """(2, K) spread of each hand's coefficients, as the prior sees it [rad]."""
        floor = FLOOR if self.components > FEW else 0.0
        return np.stack([np.hypot(hand.sigma[: self.components], floor) for hand in self.hands])

    def fit(
        self,
        keypoints: ArrayLike,
        weights: ArrayLike | None = None,
        valid: ArrayLike | None = None,
    ) -> HumanMotion:
        """Fit every frame.

        Args:
            keypoints: (..., 2, 21, 3) in any one frame [m], or (..., 21, 3) for a fitter of one
                side. Keypoints that are NaN are missing.
            weights: (..., 2, 21) or (..., 21) what each keypoint counts, 0 for one to leave out.
                Fingertips count `TIP_WEIGHT` times that.
            valid: (..., 2) or (...) False where a hand is to be left out. Hands are left out too
                with fewer than 11 known keypoints, or with all of them in a line.

        Returns:
            Coefficients, joint angles and wrist poses in the frame of the keypoints, residuals
            (..., 2, 21) [m], iterations and statuses; a hand that was left out is NaN and
            `MISSING_INPUT`, and so is the other hand of a fitter of one side.

        Raises:
            InputError: shapes do not agree, there is no frame, a keypoint is infinite, or a weight
                is negative.
        """
        seen = numbers(keypoints, "keypoints")
        hands = len(self.sides)
        tail = (2, KEYPOINT_COUNT, 3) if hands == 2 else (KEYPOINT_COUNT, 3)
        lead = seen.shape[: -len(tail)]
        if seen.shape[len(lead) :] != tail or seen.size == 0:
            wanted = ", ".join(map(str, tail))
            raise InputError(
                f"keypoints must have shape (..., {wanted}), not empty, got {seen.shape}"
            )
        flat = seen.reshape(-1, hands, KEYPOINT_COUNT, 3)
        counts = self._weights(weights, valid, seen.shape[:-1], flat)
        n = len(flat)
        pca = np.full((n, 2, self.components), np.nan)
        wrist = np.full((n, 2, 4, 4), np.nan)
        residual = np.full((n, 2, KEYPOINT_COUNT), np.nan)
        iterations = np.zeros((n, 2), dtype=np.int64)
        status = np.full((n, 2), _MISSING)
        for sides, fits in self._fits(flat, counts):
            pca[:, sides], wrist[:, sides], residual[:, sides] = fits.pca, fits.root, fits.residual
            iterations[:, sides] = fits.iterations * fits.fitted
            ended = np.where(fits.converged, _OK, _FAILED)
            status[:, sides] = np.where(fits.fitted, ended, _MISSING)
        angles = (pca[:, :, None] @ self._components)[:, :, 0] + self._mean
        return HumanMotion(
            pca=pca.reshape(*lead, 2, self.components),
            T_world_mano=wrist.reshape(*lead, 2, 4, 4),
            residual=residual.reshape(*lead, 2, KEYPOINT_COUNT),
            iterations=iterations.reshape(*lead, 2),
            status=status.reshape(*lead, 2),
            hand=self.hand_hash,
            hand_pose=angles.reshape(*lead, 2, 15, 3),
        )

    def _fits(
        self, keypoints: FloatArray, weights: FloatArray
    ) -> Iterator[tuple[slice, PlacedFits]]:
        """Fits of (n, hands, 21, 3), an axis of hands in front of what is of a frame.

        Hands that are mirror images share the SIMD lanes, the left ones seen in the mirror.
        """
        n, hands = keypoints.shape[:2]
        if hands == 1 or self._mirrored:
            jobs = [(slice(self.sides[0], self.sides[-1] + 1), slice(None))]
        else:
            jobs = [(slice(side, side + 1), slice(side, side + 1)) for side in self.sides]
        for sides, rows in jobs:
            points, counts = keypoints[:, rows], weights[:, rows]
            count = points.shape[1]
            own = None if count == 1 else np.tile([True, False], n)
            found = self._natives[self.sides[-1] if count == hands else sides.start].fit(
                points.reshape(-1, KEYPOINT_COUNT, 3),
                counts.reshape(-1, KEYPOINT_COUNT),
                own,
                noise=self.noise,
                tolerance=self._tolerance,
                threads=self._threads,
            )
            yield sides, PlacedFits._make(a.reshape(n, count, *a.shape[1:]) for a in found)

    def keypoints(self, motion: HumanMotion) -> FloatArray:
        """The 21 keypoints of the user's hands, (..., 2, 21, 3) [m]; NaN of a missing hand."""
        return self.placed(motion.pca, motion.T_world_mano)

    def placed(self, pca: FloatArray, T_world_mano: FloatArray) -> FloatArray:
        """The same of coefficients (..., 2, K) and wrist poses (..., 2, 4, 4) [m]."""
        points = np.full((*pca.shape[:-1], KEYPOINT_COUNT, 3), np.nan)
        for side in self.sides:
            placed = self._natives[side].keypoints(pca[..., side, :].reshape(-1, self.components))
            points[..., side, :, :] = placed.reshape(*pca.shape[:-2], KEYPOINT_COUNT, 3)
        R, t = T_world_mano[..., :3, :3], T_world_mano[..., :3, 3]
        return np.asarray(points @ R.swapaxes(-1, -2) + t[..., None, :])

    def live_solvers(self) -> tuple[tuple[NativeKeypoints, NativeKeypoints], BoolArray]:
        """What fits the left and the right hand, and whether it sees them in the mirror (2,)."""
        left, right = self._natives
        if self._mirrored:
            return (right, right), np.array([True, False])
        return (left, right), np.array([False, False])

    def _weights(
        self,
        weights: ArrayLike | None,
        valid: ArrayLike | None,
        shape: tuple[int, ...],
        keypoints: FloatArray,
    ) -> FloatArray:
        """What every keypoint of (n, hands, 21) counts."""
        if np.isinf(keypoints).any():
            raise InputError("keypoints must not be infinite; NaN says that one is missing")
        counts = np.ones(shape) if weights is None else np.array(optional(weights, "weights"))
        if counts.shape != shape:
            raise InputError(f"weights must have shape {shape}, got {counts.shape}")
        if not (counts >= 0.0).all():
            raise InputError("weights must not be negative or NaN")
        counts[..., list(KEYPOINT_TIPS)] *= TIP_WEIGHT
        if valid is not None:
            given: BoolArray = np.asarray(valid, dtype=np.bool_)
            if given.shape != shape[:-1]:
                raise InputError(f"valid must have shape {shape[:-1]}, got {given.shape}")
            counts[~given] = 0.0
        return counts.reshape(-1, len(self.sides), KEYPOINT_COUNT)

    @cached_property
    def _components(self) -> FloatArray:
        return np.stack([hand.components[: self.components] for hand in self.hands])

    @cached_property
    def _mean(self) -> FloatArray:
        return np.stack([hand.mean for hand in self.hands])

    @cached_property
    def _mirrored(self) -> bool:
        """Whether the hand models are mirror images of each other, to the last bit."""
        return self.hands[1].mirrored().hash == self.hands[0].hash

    @cached_property
    def _natives(self) -> tuple[NativeKeypoints, ...]:
        return tuple(
            NativeKeypoints(hand, self.user, self.components, sigma)
            for hand, sigma in zip(self.hands, self.sigma, strict=True)
        )
