"""What a replay keeps of every frame: a few errors and statuses, never the motion itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retarget.replay_stats import MotionExtremes
from retarget.types import FINGERS, SIDES, FloatArray, IntArray, Status

if TYPE_CHECKING:
    from retarget.retargeter import RoundTrip
    from retarget.robot import Robot


class ReplayRecord:
    """Errors and statuses of a demonstration's frames, filled in block by block.

    Args:
        robot: the robot.
        frames: number of frames T.
        rate: frames per second [Hz].
        start: the file's frame the record begins with.

    Attributes:
        fit_residual_m: (T, 2) see `RoundTrip`, as the arrays that follow.
        fingertip_error_m: (T, 2, 5).
        hand_joint_error_rad: (T, 2, h).
        wrist_position_error_m: (T, 2).
        wrist_rotation_error_rad: (T, 2).
        status: (T, 2) `Status` values.
        label_jump: (T, 2).
        arm_speed: (T, 2) of the returned arm joints into each frame, as a share of the velocity
            limits; see `MotionExtremes.add`.
        recorded_arm_speed: (T, 2) the same of the recorded arm joints.
        arms: extremes of the returned arm joints, left and right.
        hands: the same of the hand joints.
        recorded_arms: the same of the recorded arm joints.
        done: frames filled in.
    """

    def __init__(self, robot: Robot, frames: int, rate: float, start: int = 0) -> None:
        hands, hand_joints = len(SIDES), max(len(side.hand_joints) for side in robot.sides)
        self.frames, self.rate, self.start, self.done = frames, rate, start, 0
        self.fit_residual_m = _unknown(frames, hands)
        self.fingertip_error_m = _unknown(frames, hands, len(FINGERS))
        self.hand_joint_error_rad = _unknown(frames, hands, hand_joints)
        self.wrist_position_error_m = _unknown(frames, hands)
        self.wrist_rotation_error_rad = _unknown(frames, hands)
        self.status: IntArray = np.full((frames, hands), int(Status.MISSING_INPUT), dtype=np.int64)
        self.label_jump = np.zeros((frames, hands), dtype=np.bool_)
        self.arm_speed, self.recorded_arm_speed = _unknown(frames, hands), _unknown(frames, hands)
        self._arm_rows = tuple(robot.indices(side.arm_joints) for side in robot.sides)
        self._hand_rows = tuple(robot.indices(side.hand_joints) for side in robot.sides)

        def watch(rows: IntArray) -> MotionExtremes:
            names = tuple(robot.joint_names[row] for row in rows)
            limits = robot.lower[rows], robot.upper[rows], robot.velocity_limits[rows]
            return MotionExtremes(names, *limits, rate)

        self.arms = tuple(watch(rows) for rows in self._arm_rows)
        self.hands = tuple(watch(rows) for rows in self._hand_rows)
        self.recorded_arms = tuple(watch(rows) for rows in self._arm_rows)

    def add(self, trip: RoundTrip) -> None:
        """Take in the round trip of the next frames."""
        rows = slice(self.done, self.done + trip.demo.frames)
        self.fit_residual_m[rows] = trip.fit_residual_m
        self.fingertip_error_m[rows] = trip.fingertip_error_m
        self.hand_joint_error_rad[rows] = trip.hand_joint_error_rad
        self.wrist_position_error_m[rows] = trip.wrist_position_error_m
        self.wrist_rotation_error_rad[rows] = trip.wrist_rotation_error_rad
        self.status[rows] = trip.status
        self.label_jump[rows] = trip.label_jump
        first = self.start + self.done
        for h in range(len(SIDES)):
            arm, hand = self._arm_rows[h], self._hand_rows[h]
            self.arm_speed[rows, h] = self.arms[h].add(trip.robot.qpos[:, arm], first)
            self.recorded_arm_speed[rows, h] = self.recorded_arms[h].add(
                trip.demo.qpos[:, arm], first
            )
            self.hands[h].add(trip.robot.qpos[:, hand], first)
        self.done = rows.stop


def _unknown(*shape: int) -> FloatArray:
    return np.full(shape, np.nan)
