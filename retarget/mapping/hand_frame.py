"""The similarity between a robot hand's wrist frame and a human hand's model frame.

``p_human = R (A^T p_robot) / s + t + J0`` (see `retarget.core.types.Calibration`); the wrist pose
that travels as human motion is EgoVLA's: ``R_mano = R_ee A``, its origin the root joint, placed at
the robot's wrist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import Calibration, FloatArray
from retarget.human.hand_model import HandModel
from retarget.robot.robot import Robot


@dataclass(frozen=True)
class HandFrame:
    """Maps fingertips of one robot hand to one human hand's model frame, and back.

    Attributes:
        axes: (3, 3) rotation A from the hand model's axes to the robot's wrist axes.
        calibration: scale, rotation and translation between the two hands.
        root: (3,) root joint J0 of the hand model at zero shape [m].
    """

    axes: FloatArray
    calibration: Calibration
    root: FloatArray

    @property
    def linear(self) -> FloatArray:
        """(3, 3) derivative of the human point by the robot's point [-]."""
        rotation = rotation_from_rotvec(self.calibration.rotation)
        return np.asarray(rotation @ self.axes.T / self.calibration.scale)

    def human_from_robot(self, points: ArrayLike) -> FloatArray:
        """Points (..., 3) of the robot's wrist frame into the hand model's frame [m]."""
        offset = self.calibration.translation + self.root
        return np.asarray(np.asarray(points, dtype=np.float64) @ self.linear.T + offset)

    def robot_from_human(self, points: ArrayLike) -> FloatArray:
        """Points (..., 3) of the hand model's frame into the robot's wrist frame [m]."""
        offset = self.calibration.translation + self.root
        inverse = self.linear * self.calibration.scale**2  # a rotation times 1 / s
        return np.asarray((np.asarray(points, dtype=np.float64) - offset) @ inverse)


def hand_frames(
    robot: Robot,
    hands: tuple[HandModel, HandModel],
    calibrations: tuple[Calibration, Calibration],
) -> tuple[HandFrame, HandFrame]:
    """The frames of both hands, left then right."""
    left, right = (
        HandFrame(side.wrist_to_mano, calibration, hand.root)
        for side, hand, calibration in zip(robot.sides, hands, calibrations, strict=True)
    )
    return left, right


def human_wrists(robot: Robot, T_world_wrist: FloatArray) -> FloatArray:
    """Robot wrist poses (..., 2, 4, 4) -> poses of the human wrists (..., 2, 4, 4) [m]."""
    return _turned(T_world_wrist, np.stack([side.wrist_to_mano for side in robot.sides]))


def robot_wrists(robot: Robot, T_world_mano: FloatArray) -> FloatArray:
    """Poses of the human wrists (..., 2, 4, 4) -> robot wrist poses (..., 2, 4, 4) [m]."""
    return _turned(T_world_mano, np.stack([side.wrist_to_mano.T for side in robot.sides]))


def _turned(T: FloatArray, rotation: FloatArray) -> FloatArray:
    out = np.array(T, dtype=np.float64)
    out[..., :3, :3] = out[..., :3, :3] @ rotation
    return out
