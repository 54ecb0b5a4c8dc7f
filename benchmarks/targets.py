"""The targets every method gets: real teleoperation frames where present, else generated ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retarget import Robot
from retarget.core.geometry import transform_from_pose_wxyz, transform_inverse
from retarget.core.types import SIDES, FloatArray

REAL = Path(__file__).resolve().parents[2] / "shared" / "teleop" / "h1_inspire_teleop.npz"
_MADE_EPISODES, _MADE_STEPS = 4, 600  # of a generated demo; cut into episodes of 30 frames


@dataclass(frozen=True)
class Targets:
    """E episodes of S frames of both hands.

    Attributes:
        source: where they come from.
        robot: whose hands they are.
        T_world_wrist: (E, S, 2, 4, 4) recorded wrist poses [m].
        active: (E, S, 2, 6) recorded active hand joints [rad].
        fingertips: (E, S, 2, 5, 3) fingertips of those joints in the wrist frame [m].
    """

    source: str
    robot: Robot
    T_world_wrist: FloatArray
    active: FloatArray
    fingertips: FloatArray

    @property
    def frames(self) -> int:
        """Number of frames over all episodes."""
        return self.active.shape[0] * self.active.shape[1]

    @property
    def T_base_wrist(self) -> FloatArray:
        """(E, S, 2, 4, 4) wrist poses in the frame of the model's root [m]."""
        return np.asarray(transform_inverse(self.robot.T_world_base) @ self.T_world_wrist)

    @property
    def both(self) -> FloatArray:
        """(E * S, 2, 5, 3) fingertips of both hands in their wrist frames [m]."""
        return self.fingertips.reshape(-1, *self.fingertips.shape[2:])

    def tips(self, side: int) -> FloatArray:
        """(E * S, 5, 3) fingertips of one hand in its wrist frame [m]."""
        return self.fingertips[:, :, side].reshape(-1, 5, 3)

    def every(self, step: int) -> Targets:
        """Every step-th episode."""
        parts = self.T_world_wrist[::step], self.active[::step], self.fingertips[::step]
        return Targets(self.source, self.robot, *parts)


def load_targets(robot: Robot, seed: int = 0) -> Targets:
    """Read the real frames beside the project, or generate some from a seed."""
    if REAL.is_file():
        poses, active = _real(robot)
        source = f"{len(poses)} real teleoperation episodes of {poses.shape[1]} frames"
    else:
        poses, active = _generated(robot, seed)
        source = f"generated demonstrations, {len(poses)} pieces of {poses.shape[1]} frames"
    tips = np.stack([robot.hand_tips(k, active[:, :, k]) for k in range(len(SIDES))], axis=2)
    return Targets(source, robot, poses, active, tips)


def _real(robot: Robot) -> tuple[FloatArray, FloatArray]:
    with np.load(REAL, allow_pickle=False) as file:
        steps = int(file["step"].max()) + 1
        shape = (len(file["step"]) // steps, steps)
        poses, active = [], []
        for hand in robot.sides:
            rows = file[f"{SIDES[hand.index]}_ee_pose"].astype(np.float64)
            rows[:, 3:] /= np.linalg.norm(rows[:, 3:], axis=-1, keepdims=True)
            poses.append(transform_from_pose_wxyz(rows).reshape(*shape, 4, 4))
            joints = file[f"{SIDES[hand.index]}_hand_qpos"].astype(np.float64)
            columns = [hand.hand_joints.index(name) for name in hand.active_joints]
            active.append(joints[:, columns].reshape(*shape, len(columns)))
    return np.stack(poses, axis=2), np.stack(active, axis=2)


def _generated(robot: Robot, seed: int) -> tuple[FloatArray, FloatArray]:
    from retarget.data.generate.make_demo import make_demo

    seeds = range(seed, seed + _MADE_EPISODES)
    demos = [make_demo(frames=_MADE_STEPS, seed=one, robot=robot) for one in seeds]
    columns = np.stack([robot.indices(hand.active_joints) for hand in robot.sides])
    poses = np.stack([demo.T_world_wrist for demo in demos])
    active = np.stack([demo.qpos[:, columns] for demo in demos])
    pieces = (-1, 30, len(SIDES))
    return poses.reshape(*pieces, 4, 4), active.reshape(*pieces, columns.shape[1])
