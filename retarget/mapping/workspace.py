"""Where a person's wrists lie in the robot's world: a turn about the vertical, a scale, an offset.

Both worlds have z up. "none" takes the person's world for the robot's; "start" puts the middle of
the wrists, as they are first seen, in the middle of the robot's at rest; "shoulders" puts the
person's shoulders, under the head, between the robot's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.checks import real
from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import SIDES, BoolArray, FloatArray
from retarget.core.values import ArrayValue
from retarget.human.hand_model import HandModel
from retarget.human.user_shape import rest_hand
from retarget.mapping.hand_frame import robot_wrists
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

ALIGNMENTS = ("start", "shoulders", "none")
# from the eyes to the middle of the shoulders, of a body 1.7 m tall: heights of eyes and shoulders
# are 0.936 and 0.818 of it (Drillis and Contini 1966)
EYES_TO_SHOULDERS = 1.7 * (0.936 - 0.818)  # [m]
_LEVEL = 0.3  # least horizontal share of a direction that says where somebody faces
_KNUCKLE = 9  # keypoint at the base of the middle finger


@dataclass(frozen=True, eq=False)
class Workspace(ArrayValue):
    """Places a person's wrists before the robot: ``p = origin + scale Rz(turn) (x - anchor)``.

    Attributes:
        turn: about the vertical, from the person's world to the robot's [rad].
        scale: of ways [-].
        anchor: (3,) point of the person's world that goes to `origin` [m].
        origin: (3,) point of the robot's world [m].
    """

    turn: float
    scale: float
    anchor: FloatArray
    origin: FloatArray

    def wrists(self, T_world_mano: ArrayLike, robot: Robot) -> FloatArray:
        """Poses (..., 2, 4, 4) of human wrists -> poses of the robot's wrists in its world [m]."""
        return self.moved(robot_wrists(robot, np.asarray(T_world_mano, dtype=np.float64)))

    def moved(self, poses: ArrayLike) -> FloatArray:
        """Poses (..., 4, 4) of the person's world -> poses of the robot's world [m]."""
        T = np.array(poses, dtype=np.float64)
        R = rotation_from_rotvec([0.0, 0.0, self.turn])
        T[..., :3, :3] = R @ T[..., :3, :3]
        T[..., :3, 3] = self.origin + self.scale * (T[..., :3, 3] - self.anchor) @ R.T
        return T


def workspace(
    align: str,
    T_world_mano: FloatArray,
    *,
    robot: Robot,
    arms: Sequence[ArmIK],
    hands: tuple[HandModel, HandModel],
    T_world_camera: FloatArray | None = None,
    scale: float = 1.0,
) -> Workspace:
    """The workspace of an alignment by name.

    The person faces where the camera looks, where there is one; else where the hands that are seen
    point on average, where they do not point up or down; the robot faces its x axis.

    Args:
        align: one of `ALIGNMENTS`.
        T_world_mano: (2, 4, 4) human wrists when first seen, NaN of one that is not [m].
        robot: the robot.
        arms: its arms.
        hands: models of the human hands.
        T_world_camera: (4, 4) the camera on the person's head then (OpenCV axes: z ahead) [m].
        scale: of ways; rotations and hands keep theirs.

    Raises:
        InputError: there is no such alignment, no wrist is known, or "shoulders" has no camera.
    """
    if not 0.0 < real("scale", scale) < math.inf:
        raise InputError(f"scale must be positive, got {scale}", value=scale)
    if align not in ALIGNMENTS:
        raise InputError(f"align must be one of {', '.join(ALIGNMENTS)}, got {align!r}")
    if align == "none":
        return Workspace(0.0, scale, np.zeros(3), np.zeros(3))
    known: BoolArray = np.asarray(np.isfinite(T_world_mano).all(axis=(-2, -1)))
    if not known.any():
        raise InputError("no hand is known, so there is nothing to align the person by")
    seen = [(side, T_world_mano[side]) for side in range(len(SIDES)) if known[side]]
    turn = -_heading(seen, hands, T_world_camera)
    if align == "start":
        anchor = T_world_mano[known, :3, 3].mean(axis=0)
        rest = np.stack([arm.forward(arm.posture)[:3, 3] for arm in arms])
        return Workspace(turn, scale, anchor, rest[known].mean(axis=0))
    if T_world_camera is None:
        raise InputError(
            "align 'shoulders' needs the pose of the head or of the camera on it, which this "
            "motion does not have; use 'start'"
        )
    anchor = T_world_camera[:3, 3] - [0.0, 0.0, EYES_TO_SHOULDERS]
    shoulders = np.stack([_shoulder(robot, side) for side in range(len(SIDES))])
    return Workspace(turn, scale, np.asarray(anchor), shoulders.mean(axis=0))


def _heading(
    wrists: Sequence[tuple[int, FloatArray]],
    hands: tuple[HandModel, HandModel],
    T_world_camera: FloatArray | None,
) -> float:
    """Where the person faces, from the x axis about the vertical [rad]; 0 where nothing tells."""
    ways = []
    if T_world_camera is not None:
        ways.append(T_world_camera[:3, 2])
    pointing = np.zeros(3)
    for side, T in wrists:
        rest = rest_hand(hands[side]).keypoints
        way = T[:3, :3] @ (rest[_KNUCKLE] - rest[0])
        pointing += way / np.linalg.norm(way)
    ways.append(pointing / len(wrists))
    for way in ways:
        if math.hypot(way[0], way[1]) > _LEVEL:
            return math.atan2(way[1], way[0])
    return 0.0


def _shoulder(robot: Robot, side: int) -> FloatArray:
    """Where the first joint of an arm is, (3,) in the robot's world [m]."""
    kinematics = robot.arm_kinematics(side)
    chain = kinematics.chain(kinematics.frames[0])
    return np.asarray(chain.movers[0].placement[:3, 3])
