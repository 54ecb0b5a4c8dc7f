"""Distances between a demonstration's recorded poses and forward kinematics of its joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retarget.errors import InputError
from retarget.geometry import rotation_angle
from retarget.types import Demo, FloatArray

if TYPE_CHECKING:
    from retarget.robot import Robot

TYPICAL = 0.75  # quantile that a verdict goes by


@dataclass(frozen=True)
class DemoErrors:
    """Errors a frame and hand, NaN where the hand is not valid.

    Attributes:
        wrist_position: (T, 2) [m].
        wrist_rotation: (T, 2) [rad].
        fingertip: (T, 2) of the worst finger [m].
    """

    wrist_position: FloatArray
    wrist_rotation: FloatArray
    fingertip: FloatArray


def demo_errors(demo: Demo, robot: Robot) -> DemoErrors:
    """Recorded wrist poses and fingertips against forward kinematics of the recorded joints.

    Raises:
        InputError: the demonstration's number of joints is not the robot's.
    """
    n = len(robot.joint_names)
    if demo.qpos.ndim != 2 or demo.qpos.shape[1] != n:
        raise InputError(
            f"qpos must have shape (T, {n}) for {robot.name}, got {demo.qpos.shape}",
            value=demo.qpos.shape,
        )
    T_world_wrist, fingertips = robot.forward(demo.qpos)
    return errors_between(demo, T_world_wrist, fingertips)


def errors_between(demo: Demo, T_world_wrist: FloatArray, fingertips: FloatArray) -> DemoErrors:
    """Recorded wrist poses and fingertips against others, (T, 2, 4, 4) and (T, 2, 5, 3) [m]."""
    recorded = demo.T_world_wrist
    position = np.linalg.norm(recorded[..., :3, 3] - T_world_wrist[..., :3, 3], axis=-1)
    rotation = rotation_angle(recorded[..., :3, :3], T_world_wrist[..., :3, :3])
    tips = np.linalg.norm(demo.fingertips - fingertips, axis=-1).max(axis=-1)
    lost = ~demo.valid
    return DemoErrors(*(np.where(lost, np.nan, values) for values in (position, rotation, tips)))


def typical(values: FloatArray) -> float:
    """The value that three quarters of the finite ones do not exceed; NaN where there is none."""
    seen = values[np.isfinite(values)]
    return float(np.quantile(seen, TYPICAL, method="lower")) if seen.size else float("nan")
