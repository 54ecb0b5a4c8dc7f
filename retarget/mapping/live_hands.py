"""LiveHands: keypoints of both hands, one frame at a time, to joints of a robot's hands.

What `KeypointFitter` and `HandMap` do, in one native call: a function of the frame, without memory.
The fit ends a little earlier, where a step is shorter than 0.005 standard deviations.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from retarget.core import _native
from retarget.core.checks import call, numbers
from retarget.core.errors import InputError
from retarget.core.frozen import Remade
from retarget.core.types import FEWEST_FINGERS, BoolArray, FloatArray, IntArray, Status
from retarget.human.hand_model import HandModel
from retarget.human.keypoint_fitter import FEW, TIP_WEIGHT, KeypointFitter
from retarget.human.keypoints import KEYPOINT_COUNT, KEYPOINT_TIPS
from retarget.human.native_keypoints import DAMPING, FEWEST, MOST_STEPS, PALM_POINTS
from retarget.human.user import User
from retarget.mapping import hand_map
from retarget.mapping.hand_map import HandMap
from retarget.robot.map_settings import MapSettings
from retarget.robot.robot import Robot

TOLERANCE = 5e-3  # of the fit's step that ends a frame [standard deviations]
_ENDS = np.array([Status.MISSING_INPUT, Status.NOT_CONVERGED, Status.OK], dtype=np.int64)


class LiveStep(NamedTuple):
    """Both hands of one frame; NaN of a hand that is missing.

    Attributes:
        active: (2, m) active joints of the robot's hands [rad], within their limits.
        T_world_mano: (2, 4, 4) poses of the human wrists in the frame of the keypoints [m].
        pca: (2, K) pose coefficients.
        residual: (2, 21) distance of each keypoint to where it was seen [m].
        status: (2,) `Status` values.
    """

    active: FloatArray
    T_world_mano: FloatArray
    pca: FloatArray
    residual: FloatArray
    status: IntArray


class LiveHands(Remade):
    """Fits and maps both hands of a frame.

    Args:
        robot: a `Robot`, or the name or folder of one.
        user: whose hands; None has the hand model's size.
        components: number of pose coefficients K, 1 to 45.
        settings: weights of the map; None is the robot's own.
        hands: models of the left and the right human hand; None is the open hand.

    Attributes:
        hand_map: the map.
        fitter: the fit, to the tolerance of live steps.

    Raises:
        InputError: as `HandMap` and `KeypointFitter`.
    """

    def __init__(
        self,
        robot: Robot | str = "h1_inspire",
        user: User | None = None,
        components: int = FEW,
        *,
        settings: MapSettings | None = None,
        hands: tuple[HandModel, HandModel] | None = None,
    ) -> None:
        self.hand_map = HandMap(robot, user, settings=settings, hands=hands)
        self.fitter = KeypointFitter(
            user=user, components=components, hands=self.hand_map.hands, tolerance=TOLERANCE
        )
        self._active = len(self.hand_map.robot.sides[0].active_joints)

    def step(self, keypoints: ArrayLike, valid: ArrayLike | None = None) -> LiveStep:
        """Joints for one frame.

        Args:
            keypoints: (2, 21, 3) as seen, in any one frame [m]; NaN where missing. A fingertip that
                is missing is where the fitted hand has it.
            valid: (2,) False where a hand is to be left out.

        Raises:
            InputError: wrong shapes, or a keypoint is infinite.
        """
        seen = numbers(keypoints, "keypoints")
        if seen.shape != (2, KEYPOINT_COUNT, 3):
            raise InputError(f"keypoints must have shape (2, 21, 3), got {seen.shape}")
        if valid is not None:
            known = np.asarray(valid, dtype=np.bool_)
            if known.shape != (2,):
                raise InputError(f"valid must have shape (2,), got {known.shape}")
            if not known.all():
                seen = np.where(known[:, None, None], seen, np.nan)
        unknowns = np.empty((2, self.fitter.components + 6))
        root, residual = np.empty((2, 4, 4)), np.empty((2, KEYPOINT_COUNT))
        tips, active = np.empty((2, 5, 3)), np.empty((2, self._active))
        ends = call(self._solver.step, seen, unknowns, root, residual, tips, active)
        status, pca = _ENDS[list(ends)], unknowns[:, : self.fitter.components]
        found = LiveStep(active, root, pca, residual, status)
        # not finite somewhere: infinite keypoints, or missing ones
        return found if np.isfinite(seen).all() else self._mended(found, seen, tips)

    def _mended(self, found: LiveStep, seen: FloatArray, tips: FloatArray) -> LiveStep:
        """A step in which something is missing: fingertips as fitted where they were not seen."""
        if np.isinf(seen).any():
            raise InputError("keypoints must not be infinite; NaN says that one is missing")
        lost: BoolArray = np.asarray(np.isnan(tips).any(axis=-1))
        fitted: BoolArray = np.asarray(np.isfinite(found.pca).all(axis=-1))
        if (lost & fitted[:, None]).any():
            whole = self.fitter.placed(found.pca, found.T_world_mano)
            where = hand_map.person_tips(whole, found.T_world_mano, self.hand_map.robot)
            mapped = self.hand_map.joints(np.where(lost[..., None], where, tips))
            found.active[:] = mapped.active
            found.status[:] = np.where(fitted, mapped.status, int(Status.MISSING_INPUT))
        missing = found.status == int(Status.MISSING_INPUT)
        for values in (found.active, found.T_world_mano, found.pca, found.residual):
            values[missing] = np.nan
        return found

    @cached_property
    def _solver(self) -> Any:
        fits, mirrored = self.fitter.live_solvers()
        robot = self.hand_map.robot
        weights = np.ones(KEYPOINT_COUNT)
        weights[list(KEYPOINT_TIPS)] = TIP_WEIGHT
        noise = self.fitter.noise
        return call(
            _native.LiveHandsSolver,
            [fit.solver for fit in fits],
            list(self.hand_map.solvers),
            np.stack([fit.reference for fit in fits]),
            mirrored,
            np.stack([side.wrist_to_mano for side in robot.sides]),
            self.hand_map.sizes,
            weights,
            PALM_POINTS,
            np.array(KEYPOINT_TIPS, dtype=np.int64),
            FEWEST,
            3.0 * noise,
            noise * noise,
            DAMPING,
            TOLERANCE,
            MOST_STEPS,
            FEWEST_FINGERS,
            hand_map.TOLERANCE,
            hand_map.MOST_STEPS,
            "narrow",
        )
