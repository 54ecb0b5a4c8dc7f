"""MANOFitter: fingertips of the robot's hands -> pose coefficients of the human hands.

Per hand and frame it minimises ``sum rho(tips(c) - target) + prior * sum (c / sigma)^2`` over the
first K coefficients c, ``rho`` being ``2 beta SmoothL1_beta`` of each coordinate [m^2]. The minimum
is found to rounding, from a start that is a continuous function of the target: the fit is a
function, for any batch, order or engine, and a continuous one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.checks import missing_poses, real_array
from retarget.core.errors import InputError, ModelError
from retarget.core.geometry import transform_inverse, transform_points
from retarget.core.types import (
    FEWEST_FINGERS,
    FINGERS,
    SIDES,
    BoolArray,
    Calibration,
    FloatArray,
    HumanMotion,
    IntArray,
    Status,
    side_index,
)
from retarget.core.values import ArrayValue
from retarget.human.fit_engines import FitEngine, engine_maker
from retarget.human.fit_newton import FitSettings
from retarget.human.hand_model import HandModel, hands_hash, load_hands
from retarget.human.keypoints import TIP_VERTICES, HandKeypoints
from retarget.human.native import NativePoints
from retarget.mapping.hand_frame import HandFrame, hand_frames, human_wrists
from retarget.robot.robot import Robot

RECIPES = ("retarget", "egovla")
EGOVLA_SCALE = 1.5
TIPS = tuple(TIP_VERTICES.values())


@dataclass(frozen=True, eq=False)
class HandFit(ArrayValue):
    """Fit of one hand.

    Attributes:
        pca: (..., K) coefficients [rad].
        residual: (..., 5) distance of each fitted fingertip to its target, human scale [m]; NaN
            where the target is missing.
        iterations: (...) solver iterations.
        status: (...) `Status` values.
    """

    pca: FloatArray
    residual: FloatArray
    iterations: IntArray
    status: IntArray


class MANOFitter:
    """Fits both human hands to the fingertips of a robot's hands.

    Args:
        robot: a `Robot`, or the name or folder of one.
        hands: models of the left and the right hand; None is the open hand.
        components: number of pose coefficients K, 1 to 45.
        prior: weight of the squared standardised coefficients [m^2].
        beta: where the loss of a coordinate turns from quadratic to linear [m]; 1 m is plain least
            squares, a few millimetres make it robust.
        engine: "native" runs in C++; "numpy" and "torch" give the same, the latter on any device.
        device: of the torch engine, e.g. "cuda".
        dtype: of the native engine; "float32" iterates in single precision and polishes in double.
        threads: of the native engine; 0 for as many as are useful. They do not change the result.
        calibrations: left and right; None takes those stored for the robot and these hands.
        recipe: "retarget", or "egovla" for the published recipe, for comparison only: fingertips
            shrunk by 1.5 about the wrist, 6 of the coefficients, Adam, no prior. It is neither
            continuous nor independent of the batch, and leaves out hands with a missing finger.
        seed: of the start poses of the "egovla" recipe.

    Raises:
        InputError: an argument out of range.
        ModelError: no calibration is stored for this robot and these hands.
    """

    def __init__(
        self,
        robot: Robot | str | Path = "h1_inspire",
        hands: tuple[HandModel, HandModel] | None = None,
        *,
        components: int = 15,
        prior: float = 1e-6,
        beta: float = 1.0,
        engine: str = "native",
        device: str = "cpu",
        dtype: str = "float64",
        threads: int = 0,
        calibrations: Sequence[Calibration] | None = None,
        recipe: str = "retarget",
        seed: int = 0,
    ) -> None:
        if recipe not in RECIPES:
            raise InputError(f"recipe must be one of {', '.join(RECIPES)}, got {recipe!r}")
        self.robot = Robot.of(robot)
        self.hands = hands if hands is not None else load_hands()
        self.hand_hash = hands_hash(self.hands)
        self.settings = FitSettings(components=components, prior=prior, beta=beta)
        self._solvers = engine_maker(engine, device=device, dtype=dtype, threads=threads)
        self.recipe = recipe
        self._points: dict[tuple[tuple[int, ...], int], NativePoints] = {}
        self.seed = seed
        self.calibrations = self._calibrations(calibrations)
        self.frames: tuple[HandFrame, HandFrame] = hand_frames(
            self.robot, self.hands, self.calibrations
        )

    @property
    def components(self) -> int:
        """Number of pose coefficients K."""
        return self.settings.components

    def fit(
        self,
        fingertips: ArrayLike,
        T_world_wrist: ArrayLike,
        valid: ArrayLike | None = None,
    ) -> HumanMotion:
        """Fit both hands.

        Args:
            fingertips: (..., 2, 5, 3) robot fingertips in the world frame [m]. A finger that is NaN
                is missing: it counts nothing, and the prior places it.
            T_world_wrist: (..., 2, 4, 4) rigid poses of the robot's wrist frames in the world.
            valid: (..., 2) False where a hand is to be left out. Hands are left out too with fewer
                than `FEWEST_FINGERS` (4) known fingers, an infinite number, or a wrist that is not
                finite.

        Returns:
            Coefficients (NaN where left out), human wrists, residuals at the robot's scale [m] (NaN
            of missing fingers and where left out), iterations and statuses.

        Raises:
            InputError: shapes do not agree, there is no frame, or a wrist's pose is no rigid
                transform.
        """
        tips = fingertips_in_wrist(fingertips, T_world_wrist, valid)
        return self.fit_in_wrist(tips, np.asarray(T_world_wrist))

    def fit_in_wrist(self, fingertips: FloatArray, T_world_wrist: FloatArray) -> HumanMotion:
        """`fit` of fingertips that `fingertips_in_wrist` has checked and moved already.

        Args:
            fingertips: (..., 2, 5, 3) in the robot's wrist frames, NaN where left out [m].
            T_world_wrist: (..., 2, 4, 4) poses of those frames in the world.
        """
        fits = [
            self.fit_hand(side, frame.human_from_robot(fingertips[..., side, :, :]))
            for side, frame in enumerate(self.frames)
        ]
        scale = np.array([c.scale for c in self.calibrations])

        def both(name: str) -> Any:
            return np.stack([getattr(fit, name) for fit in fits], fingertips.ndim - 3)

        return HumanMotion(
            pca=both("pca"),
            T_world_mano=human_wrists(self.robot, T_world_wrist),
            residual=both("residual") * scale[:, None],
            iterations=both("iterations"),
            status=both("status"),
            hand=self.hand_hash,
        )

    def fit_hand(self, side: str | int, target: ArrayLike) -> HandFit:
        """Fit one hand to fingertips that are in the hand model's frame.

        Args:
            side: ``"left"``, ``"right"``, 0 or 1.
            target: (..., 5, 3) fingertips [m]. A finger that is NaN is missing: it counts nothing,
                and the prior places it. A frame with fewer than `FEWEST_FINGERS` (4) known fingers,
                or an infinite number, is left out.

        Raises:
            InputError: no such side, wrong shape or type, or nothing in it.
        """
        hand = side_index(side)
        wanted = real_array(target, "target")
        if wanted.ndim < 2 or wanted.shape[-2:] != (5, 3) or wanted.size == 0:
            raise InputError(f"target must have shape (..., 5, 3), not empty, got {wanted.shape}")
        lead = wanted.shape[:-2]
        flat = wanted.reshape(-1, 5, 3)
        finite = np.isfinite(flat)
        if finite.all():
            pca, residual, iterations, status = self._solve(hand, flat)
        else:
            pca = np.full((len(flat), self.components), np.nan)
            residual = np.full((len(flat), 5), np.nan)
            iterations = np.zeros(len(flat), dtype=np.int64)
            status = np.full(len(flat), int(Status.MISSING_INPUT))
            fingers: BoolArray = np.asarray(finite.all(axis=-1))
            known = self._determined(flat, fingers)
            fingers = fingers[known]
            weights = None if fingers.all() else fingers.astype(np.float64)
            found = self._solve(hand, flat[known], weights)
            pca[known], _, iterations[known], status[known] = found
            residual[known] = np.where(fingers, found[1], np.nan)
        return HandFit(
            pca=pca.reshape(*lead, self.components),
            residual=residual.reshape(*lead, 5),
            iterations=iterations.reshape(lead),
            status=status.reshape(lead),
        )

    def fingertips(self, pca: ArrayLike) -> FloatArray:
        """Human fingertips of both hands: (..., 2, K) -> (..., 2, 5, 3) in the model's frame."""
        c = real_array(pca, "pca")
        if c.ndim < 2 or c.shape[-2] != 2:
            raise InputError(f"pca must have shape (..., 2, K), got {c.shape}")
        return self._placed(tuple(range(len(SIDES))), c)

    def tips_of(self, side: str | int, pca: ArrayLike) -> FloatArray:
        """Human fingertips of one hand: (..., K) -> (..., 5, 3) in the model's frame [m]."""
        c = real_array(pca, "pca")
        return self._placed((side_index(side),), c[..., None, :])[..., 0, :, :]

    def _placed(self, sides: tuple[int, ...], pca: FloatArray) -> FloatArray:
        """Fingertips (..., H, 5, 3) of some hands' coefficients (..., H, K)."""
        key = sides, pca.shape[-1]
        if key not in self._points:
            hands = [self.hands[side] for side in sides]
            self._points[key] = NativePoints(hands, TIPS, components=key[1])
        return self._points[key](pca)

    def keypoints(self, motion: HumanMotion) -> FloatArray:
        """The 21 keypoints of both hands in the world frame, (..., 2, 21, 3) [m].

        The hand is placed as EgoVLA's action space has it: its root joint at the wrist pose.

        Raises:
            InputError: the pose of a hand with coefficients is no rigid transform.
        """
        require_known_wrists(motion)
        points = [
            np.asarray(self.layers[side].keypoints(motion.pca[..., side, :]))
            - self.hands[side].root
            for side in range(len(SIDES))
        ]
        return transform_points(motion.T_world_mano, np.stack(points, axis=-3))

    @cached_property
    def layers(self) -> tuple[HandKeypoints, ...]:
        """Keypoint layers of the left and the right hand, in numpy."""
        return tuple(HandKeypoints(hand) for hand in self.hands)

    @cached_property
    def _engines(self) -> tuple[FitEngine, ...]:
        return tuple(self._solvers(hand, self.settings) for hand in self.hands)

    def _determined(self, tips: FloatArray, finite: BoolArray) -> BoolArray:
        """Which hands (N,) of fingertips (N, 5, 3), those of a mask (N, 5) finite, are fitted."""
        fewest = FEWEST_FINGERS if self.recipe == "retarget" else len(FINGERS)
        return np.asarray((finite.sum(axis=-1) >= fewest) & ~np.isinf(tips).any(axis=(-2, -1)))

    def _solve(
        self, side: int, target: FloatArray, weights: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
        """Coefficients, residuals, iterations and statuses; see `FitEngine.fit`, N may be 0."""
        if len(target) == 0:
            none = np.zeros(0, dtype=np.int64)
            return np.zeros((0, self.components)), np.zeros((0, 5)), none, none
        if self.recipe == "egovla":
            from retarget.human.egovla_recipe import fit_published

            pca, iterations, converged = fit_published(
                self.hands[side], target, self.components, self.seed
            )
            residual = np.linalg.norm(self.tips_of(side, pca) - target, axis=-1)
        else:
            pca, residual, iterations, converged = self._engines[side].fit(target, weights)
        status = np.where(converged, int(Status.OK), int(Status.NOT_CONVERGED))
        return pca, residual, iterations, status

    def _calibrations(self, given: Sequence[Calibration] | None) -> tuple[Calibration, Calibration]:
        if self.recipe == "egovla":
            return Calibration(EGOVLA_SCALE), Calibration(EGOVLA_SCALE)
        if given is not None:
            if len(given) != len(SIDES):
                raise InputError(f"calibrations must be left and right, got {len(given)}")
            return given[0], given[1]
        stored = [
            side.calibration for side in self.robot.sides if side.calibration_hand == self.hand_hash
        ]
        if len(stored) != len(SIDES) or stored[0] is None or stored[1] is None:
            raise ModelError(
                self.robot.path,
                f"no calibration between this robot and hand model {self.hand_hash} "
                f"({self.hands[0].source}); find one with `retarget calibrate`",
                hand=self.hand_hash,
            )
        return stored[0], stored[1]


def fitter_for(robot: Robot | str | Path | None, fitter: MANOFitter | None) -> MANOFitter:
    """The fitter where one is given, else that of the robot, h1_inspire by default, and open hand.

    Raises:
        InputError: both are given, and the fitter is for another robot.
    """
    if fitter is None:
        return MANOFitter() if robot is None else MANOFitter(robot)
    if robot is not None:
        wanted = Robot.of(robot)
        if wanted.hash != fitter.robot.hash:
            raise InputError(f"the fitter is for another robot than {wanted.name} ({wanted.hash})")
        if not np.allclose(wanted.T_world_base, fitter.robot.T_world_base, rtol=0.0, atol=1e-7):
            raise InputError(
                f"the fitter's robot stands elsewhere than {wanted.name}: T_world_base differs"
            )
    return fitter


def require_known_wrists(motion: HumanMotion) -> None:
    """Refuse human motion with a hand that has coefficients at a pose that is no rigid transform.

    Raises:
        InputError: naming the first.
    """
    known = np.asarray(np.isfinite(motion.pca).all(axis=-1))
    missing_poses(motion.T_world_mano, "T_world_mano", known)


def fingertips_in_wrist(
    fingertips: ArrayLike, T_world_wrist: ArrayLike, valid: ArrayLike | None = None
) -> FloatArray:
    """Fingertips of the world in the robot's wrist frames: (..., 2, 5, 3) [m].

    NaN where a finger is missing or its hand is left out: not valid, its wrist not finite, or a
    number infinite. The arguments are those of `MANOFitter.fit`.

    Raises:
        InputError: shapes do not agree, there is no frame, or a wrist's pose is no rigid transform.
    """
    tips = real_array(fingertips, "fingertips")
    wrists = real_array(T_world_wrist, "T_world_wrist")
    if tips.ndim < 3 or tips.shape[-3:] != (2, 5, 3) or tips.size == 0:
        raise InputError(f"fingertips must have shape (..., 2, 5, 3), not empty, got {tips.shape}")
    lead = tips.shape[:-3]
    if wrists.shape != (*lead, 2, 4, 4):
        raise InputError(
            f"T_world_wrist must have shape {(*lead, 2, 4, 4)} beside these fingertips, "
            f"got {wrists.shape}"
        )
    mask = None if valid is None else np.asarray(valid)
    if mask is not None and (mask.shape != (*lead, 2) or mask.dtype != np.bool_):
        raise InputError(
            f"valid must be boolean of shape {(*lead, 2)}, got {mask.dtype} {mask.shape}"
        )
    known = ~missing_poses(wrists, "T_world_wrist", mask) & ~np.isinf(tips).any(axis=(-2, -1))
    known = known if mask is None else known & mask
    out = np.full(tips.shape, np.nan)
    out[known] = transform_points(transform_inverse(wrists[known]), tips[known])
    return out
