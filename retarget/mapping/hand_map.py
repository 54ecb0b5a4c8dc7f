"""HandMap: a person's fingertips -> active joints of a robot's hands, pinches kept.

Far apart, every fingertip goes where the person's is; as a finger nears the thumb, the difference
of the two tips takes over and closes when the person's touch (native/map/solver.hpp has the
formula). The minimum is found from mid-range in every frame, so the map is a function: the same
joints for the same tips, forwards, backwards, in any batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.core import _native
from retarget.core.checks import call, numbers, whole
from retarget.core.errors import InputError
from retarget.core.frozen import Remade
from retarget.core.types import (
    FEWEST_FINGERS,
    FINGERS,
    SIDES,
    FloatArray,
    HumanMotion,
    IntArray,
    Status,
)
from retarget.core.values import ArrayValue
from retarget.human.hand_model import HandModel, load_hands
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoints import KEYPOINT_COUNT, KEYPOINT_TIPS
from retarget.human.user import User
from retarget.human.user_shape import reach, rest_hand
from retarget.robot.map_settings import MapSettings, as_numbers
from retarget.robot.robot import Robot

TOLERANCE = 1e-9  # [rad] of the step that ends a frame
MOST_STEPS = 60
_TOUCH = 1e-9  # [m] what rounding leaves of tips that touch
_OK, _FAILED, _MISSING = map(int, (Status.OK, Status.NOT_CONVERGED, Status.MISSING_INPUT))


@dataclass(frozen=True, eq=False)
class HandMotion(ArrayValue):
    """Both robot hands over time.

    Attributes:
        active: (..., 2, m) active joints [rad], within their limits; NaN where missing.
        status: (..., 2) `Status` values.
        iterations: (..., 2) solver iterations.
    """

    active: FloatArray
    status: IntArray
    iterations: IntArray


class HandMap(Remade):
    """Maps people's hands to a robot's.

    Args:
        robot: a `Robot`, or the name or folder of one.
        user: whose hands; None has the hand model's size.
        settings: weights; None is the robot's own.
        hands: models of the left and the right human hand; None is the open hand.
        threads: 0 for as many as are useful. They do not change the result.

    Attributes:
        sizes: (2,) reach of each hand model over the user's [-].
        solvers: the core's, left and right.

    Raises:
        InputError: an argument out of range, or a hand with prismatic joints, more than 8 joints in
            a finger or more than 24 active ones.
    """

    def __init__(
        self,
        robot: Robot | str = "h1_inspire",
        user: User | None = None,
        *,
        settings: MapSettings | None = None,
        hands: tuple[HandModel, HandModel] | None = None,
        threads: int = 0,
    ) -> None:
        self.robot = Robot.of(robot)
        self.user = User() if user is None else user
        self.settings = self.robot.map_settings if settings is None else settings
        self.hands = load_hands() if hands is None else hands
        row = as_numbers(self.settings, self.user.contact_gap)
        self._threads = whole("threads", threads, 0)
        self.solvers = [_solver(self.robot, side, row) for side in range(len(SIDES))]
        self._fitters: dict[int, KeypointFitter] = {}
        self._active = len(self.robot.sides[0].active_joints)
        self.sizes = np.array(
            [reach(rest_hand(hand)) / reach(rest_hand(hand, self.user)) for hand in self.hands]
        )

    def joints(self, tips: ArrayLike | HumanMotion) -> HandMotion:
        """Active joints of both hands.

        Args:
            tips: (..., 2, 5, 3) from the person's wrists to their fingertips, in the robot's wrist
                axes, at the person's own size [m] (`person_tips`), or human motion of this user.
                A finger that is NaN is missing: it asks for nothing, and its joints go to
                mid-range.

        Returns:
            Joints, statuses and iterations. A hand with fewer than four known fingers is NaN and
            `MISSING_INPUT`.

        Raises:
            InputError: wrong shape or type, or nothing in it.
        """
        wanted = self.tips_of(tips) if isinstance(tips, HumanMotion) else numbers(tips, "tips")
        lead = wanted.shape[:-3]
        if wanted.shape[-3:] != (2, len(FINGERS), 3) or wanted.size == 0:
            raise InputError(f"tips must have shape (..., 2, 5, 3), not empty, got {wanted.shape}")
        n = wanted.size // 30
        q = np.empty((n, 2, self._active))
        iterations = np.empty((n, 2), dtype=np.int32)
        mapped, converged = np.empty((n, 2), dtype=np.bool_), np.empty((n, 2), dtype=np.bool_)
        call(
            _native.map_hands,
            self.solvers,
            wanted.reshape(n, 2, 5, 3),
            self.sizes,
            FEWEST_FINGERS,
            TOLERANCE,
            MOST_STEPS,
            self._threads,
            q,
            iterations,
            mapped,
            converged,
        )
        ended = np.where(converged, _OK, _FAILED)
        return HandMotion(
            active=q.reshape(*lead, 2, self._active),
            status=np.where(mapped, ended, _MISSING).reshape(*lead, 2),
            iterations=iterations.astype(np.int64).reshape(*lead, 2),
        )

    def step(self, tips: ArrayLike) -> FloatArray:
        """Active joints (2, m) for the fingertips (2, 5, 3) of one frame [rad]; see `joints`.

        For a live loop; from keypoints on `LiveHands` does all in one call.

        Raises:
            InputError: wrong shape or type.
        """
        wanted = numbers(tips, "tips")
        if wanted.shape != (len(SIDES), len(FINGERS), 3):
            raise InputError(f"tips must have shape (2, 5, 3), got {wanted.shape}")
        return self.joints(wanted).active

    def tips_of(self, motion: HumanMotion, seen: ArrayLike | None = None) -> FloatArray:
        """What `joints` takes of the user's hands, (..., 2, 5, 3) [m].

        Args:
            motion: (...) frames of both hands, as fitted.
            seen: (..., 2, 21, 3) keypoints as they were seen [m]; a fingertip that is NaN there, or
                all where None, is where the fitted hand has it.
        """
        fitted = self._fitted_tips(motion)
        if seen is None:
            return fitted
        tips = person_tips(seen, motion.T_world_mano, self.robot)
        return np.where(np.isfinite(tips), tips, fitted)

    def _fitted_tips(self, motion: HumanMotion) -> FloatArray:
        components = motion.pca.shape[-1]
        if components not in self._fitters:
            self._fitters[components] = KeypointFitter(
                user=self.user, components=components, hands=self.hands
            )
        keypoints = self._fitters[components].keypoints(motion)
        return person_tips(keypoints, motion.T_world_mano, self.robot)

    def smallest_gaps(self) -> FloatArray:
        """How near the thumb's tip the robot's other tips can come, (2, 4), index to pinky [m].

        Found from several starts for each pair alone.
        """
        gaps = np.empty((len(SIDES), len(FINGERS) - 1))
        for side in range(len(SIDES)):
            for finger in range(1, len(FINGERS)):
                gaps[side, finger - 1] = _least_gap(self.robot, side, finger)
        return gaps


def person_tips(keypoints: ArrayLike, T_world_mano: ArrayLike, robot: Robot) -> FloatArray:
    """Vectors from a person's wrists to the fingertips, in the robot's wrist axes.

    Args:
        keypoints: (..., 2, 21, 3) of both hands in the world [m], as seen or as fitted.
        T_world_mano: (..., 2, 4, 4) fitted poses of the human wrists.
        robot: gives the axes: ``R_world_mano = R_world_wrist A``.

    Returns:
        (..., 2, 5, 3) at the person's own size [m]; NaN where a keypoint or a wrist is.

    Raises:
        InputError: wrong shapes.
    """
    points, T = numbers(keypoints, "keypoints"), numbers(T_world_mano, "T_world_mano")
    if points.shape[-3:] != (2, KEYPOINT_COUNT, 3) or T.shape != (*points.shape[:-2], 4, 4):
        raise InputError(
            "keypoints must have shape (..., 2, 21, 3) and T_world_mano (..., 2, 4, 4), got "
            f"{points.shape} and {T.shape}"
        )
    arms = points[..., list(KEYPOINT_TIPS), :] - T[..., None, :3, 3]
    axes = np.stack([side.wrist_to_mano for side in robot.sides])
    return np.asarray(arms @ (T[..., :3, :3] @ axes.swapaxes(-1, -2)))


def _solver(robot: Robot, side: int, settings: FloatArray) -> Any:
    """The core's solver of one hand."""
    hand = robot.sides[side]
    kinematics = robot.hand_kinematics(side)
    chains = [kinematics.chain(frame) for frame in hand.fingertip_frames]
    rows = [
        [
            *mover.placement[:3, :3].ravel(),
            *mover.placement[:3, 3],
            *mover.axis,
            hand.mimic_source[mover.column],
            hand.mimic_multiplier[mover.column],
            hand.mimic_offset[mover.column],
        ]
        for chain in chains
        for mover in chain.movers
    ]
    lower, upper = robot.hand_limits(side)
    return call(
        _native.HandMapSolver,
        np.array(rows, dtype=np.float64),
        np.array([len(chain.movers) for chain in chains], dtype=np.int64),
        np.array([chain.end[:3, 3] for chain in chains]),
        lower,
        upper,
        settings,
    )


def _least_gap(robot: Robot, side: int, finger: int) -> float:
    """The least distance of two tips: projected Gauss-Newton on their difference, many starts."""
    lower, upper = robot.hand_limits(side)
    rng = np.random.default_rng(0)
    q = rng.uniform(lower, upper, size=(256, len(lower)))
    for _ in range(100):
        tips = robot.hand_tips(side, q)
        J = robot.hand_tips_jacobian(side, q)
        off, by_joint = tips[:, finger] - tips[:, 0], J[:, finger] - J[:, 0]
        H = by_joint.swapaxes(-1, -2) @ by_joint + 1e-6 * np.eye(len(lower))
        gradient = (by_joint.swapaxes(-1, -2) @ off[..., None])[..., 0]
        held = ((q <= lower) & (gradient > 0.0)) | ((q >= upper) & (gradient < 0.0))
        H = np.where(held[:, :, None] | held[:, None, :], np.eye(len(lower)), H)
        step = np.linalg.solve(H, np.where(held, 0.0, -gradient)[..., None])[..., 0]
        q = np.clip(q + np.clip(step, -0.3, 0.3), lower, upper)
    tips = robot.hand_tips(side, q)
    least = float(np.linalg.norm(tips[:, finger] - tips[:, 0], axis=-1).min())
    return least if least > _TOUCH else 0.0
