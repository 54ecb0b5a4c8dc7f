"""The frozen values that travel between the stages, with their shapes and units.

Axes: ``T`` frames; ``2`` hands, left then right; ``5`` fingers, thumb to pinky. Lengths are in
metres, angles in radians; ``T_a_b`` is a (4, 4) transform that maps points of b into a.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retarget.core.errors import InputError
from retarget.core.values import ArrayValue

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

SIDES = ("left", "right")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
FEWEST_FINGERS = 4  # known of a hand, from which it is fitted; with fewer it is missing


def side_index(side: str | int) -> int:
    """Place on the axis of hands, 0 left, 1 right, of a side by name or number.

    Raises:
        InputError: there is no such side.
    """
    if isinstance(side, str):
        if side in SIDES:
            return SIDES.index(side)
    elif isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side in (0, 1):
        return int(side)
    raise InputError(f"side must be 'left', 'right', 0 or 1, got {side!r}", value=side)


class Status(IntEnum):
    """How one hand or arm fared in one frame; a failure is never silent."""

    OK = 0
    AT_LIMIT = 1
    UNREACHABLE = 2
    NOT_CONVERGED = 3
    MISSING_INPUT = 4
    HELD = 5

    @property
    def label(self) -> str:
        """Name as it stands in reports and files, e.g. ``"at_limit"``."""
        return self.name.lower()


@dataclass(frozen=True, eq=False)
class Demo(ArrayValue):
    """A recorded demonstration of a two-handed robot.

    Attributes:
        qpos: (T, n) joint positions [rad] in the robot's own index order.
        T_world_wrist: (T, 2, 4, 4) poses of the robot's wrist frames in the environment frame [m].
        fingertips: (T, 2, 5, 3) fingertip positions in the environment frame [m]; NaN of a finger
            that is missing.
        valid: (T, 2) False where a hand is missing: its wrist, or more than one finger.
        rate: frames per second [Hz].
        action: (T, n) commanded joint positions [rad], or None.
        path: the file it came from, or None.
        start: index of the first frame within that file.
    """

    qpos: FloatArray
    T_world_wrist: FloatArray
    fingertips: FloatArray
    valid: BoolArray
    rate: float = 30.0
    action: FloatArray | None = None
    path: Path | None = None
    start: int = 0

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return int(self.qpos.shape[0])


@dataclass(frozen=True, eq=False)
class HumanMotion(ArrayValue):
    """Both human hands over time, in MANO parameters.

    Attributes:
        pca: (..., 2, K) pose coefficients of the hand model's first K components.
        T_world_mano: (..., 2, 4, 4) poses of the MANO wrist: orientation of the hand's root,
            origin at the root joint [m].
        residual: (..., 2, P) distance between each fitted point and its target [m]: of the five
            fingertips of a robot, at the robot's scale, or of the 21 keypoints of a person; NaN
            where it is not known: of points and hands that were missing, of motion that was not
            fitted.
        iterations: (..., 2) solver iterations.
        status: (..., 2) `Status` values.
        hand: hash of the hand model that gives the coefficients their meaning.
        hand_pose: (..., 2, 15, 3) rotation vectors of the hand model's joints 1..15 [rad], the mean
            pose included, or None.
    """

    pca: FloatArray
    T_world_mano: FloatArray
    residual: FloatArray
    iterations: IntArray
    status: IntArray
    hand: str
    hand_pose: FloatArray | None = None

    @property
    def fit_residual(self) -> FloatArray:
        """(..., 2) mean of `residual` over the points that are known, NaN of none [m]."""
        missing = np.isnan(self.residual)
        if not missing.any():
            return np.asarray(self.residual.mean(axis=-1))
        count = (~missing).sum(axis=-1)
        total = np.where(missing, 0.0, self.residual).sum(axis=-1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True, eq=False)
class RobotMotion(ArrayValue):
    """The robot's joints over time, as computed from human motion.

    Attributes:
        qpos: (T, n) joint positions [rad] in the robot's own index order.
        names: the n joint names.
        position_error: (T, 2) wrist position error after arm IK [m].
        rotation_error: (T, 2) wrist rotation error after arm IK [rad].
        hand_status: (T, 2) `Status` values of the hands.
        arm_status: (T, 2) `Status` values of the arms.
    """

    qpos: FloatArray
    names: tuple[str, ...]
    position_error: FloatArray
    rotation_error: FloatArray
    hand_status: IntArray
    arm_status: IntArray

    def joint(self, name: str) -> FloatArray:
        """Positions of one joint, (T,) [rad].

        Raises:
            InputError: the robot has no joint of that name.
        """
        if name not in self.names:
            raise InputError(f"no joint named {name!r}; the robot has {', '.join(self.names)}")
        return self.qpos[:, self.names.index(name)]


class ArmSolution(NamedTuple):
    """Arm joints for wrist poses; a plain tuple, for it is made in control loops.

    Attributes:
        q: (..., n) arm joint positions [rad], within the limits.
        position_error: (...) distance to the wanted wrist position [m].
        rotation_error: (...) angle to the wanted wrist orientation [rad].
        status: (...) `Status` values: OK, AT_LIMIT (reached, some joint on its limit),
            UNREACHABLE (q is the nearest reachable pose), NOT_CONVERGED or MISSING_INPUT (q is
            held).
        iterations: (...) solver iterations.
    """

    q: FloatArray
    position_error: FloatArray
    rotation_error: FloatArray
    status: IntArray
    iterations: IntArray


@dataclass(frozen=True, eq=False)
class Calibration(ArrayValue):
    """Similarity from a robot hand's wrist frame to the human hand's model frame, one side.

    ``p_human = R (A^T p_robot) / scale + translation + J0`` with ``R = exp(rotation)``, A the fixed
    axis change between the two wrist frames and J0 the hand model's root joint at zero shape.

    Attributes:
        scale: robot length over human length [-].
        rotation: (3,) rotation vector [rad].
        translation: (3,) offset in the hand model's frame [m].
    """

    scale: float
    rotation: FloatArray = field(default_factory=lambda: np.zeros(3))
    translation: FloatArray = field(default_factory=lambda: np.zeros(3))
