"""A believable two-handed demonstration, made: `retarget make-demo`'s engine.

Wrists move with minimum jerk through reach, grasp, lift, place and return; arm joints follow by
inverse kinematics, and everything recorded is forward kinematics of the joints, so the file agrees
with itself to rounding.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import SIDES, Demo, FloatArray, Status
from retarget.data.demo.writer import demo_from_joints, save_demo
from retarget.data.generate.grasps import GraspingHand
from retarget.data.generate.tasks import TASKS, Plan, TaskBuilder
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

_SECONDS = 10.0  # a cycle of reach, grasp, lift, place and return
_LEAST = 6.0  # a shorter episode is the beginning of one this long [s]
_TRIES = 20
_HOME = 1e-4  # how near the posture a cycle ends, so that cycles join [rad]
_VELOCITY_SHARE = 0.4  # of the arm joints' velocity limits
_LARGEST_JERK = 500.0  # of an arm joint at the usual pace [rad/s^3]
_NOISE_RADIUS = 0.1  # noise turns a wrist as if it moved points this far away [m]


def make_demo(
    path: str | Path | None = None,
    *,
    frames: int = 300,
    seed: int = 0,
    task: str = "grasp",
    robot: Robot | str | Path = "h1_inspire",
    noise: float = 0.0,
    rate: float = 30.0,
) -> Demo:
    """Make a demonstration, the same for the same arguments.

    Short episodes (under 6 s) are the beginning of one; long ones repeat the task with other
    objects.

    Args:
        path: where to write it, or None.
        frames: number of frames T, at least 2.
        seed: other seeds give other objects, grasps and ways.
        task: one of `TASKS`: "grasp", "pinch", "tripod", "pour".
        robot: one with five-fingered hands, or its name or folder.
        noise: standard deviation of the noise on the recorded wrist poses and fingertips [m];
            joints have none.
        rate: frames per second [Hz].

    Returns:
        The demonstration: every joint within its limits, passive finger joints exactly at their
        mimic relations, actions the joints of the next frame.

    Raises:
        InputError: an argument is out of range; the robot cannot reach what the task asks.
        FileError: ``path`` cannot be written.
    """
    if task not in TASKS:
        raise InputError(f"task must be one of {', '.join(TASKS)}, got {task!r}", value=task)
    if frames < 2:
        raise InputError(f"frames must be at least 2, got {frames}")
    if seed < 0:
        raise InputError(f"seed must not be negative, got {seed}")
    for name, value, least in (("noise", noise, 0.0), ("rate", rate, 1.0)):
        if not (np.isfinite(value) and value >= least):
            raise InputError(f"{name} must be finite and at least {least:g}, got {value}")
    robot = Robot.of(robot)
    qpos = _CycleSolver(robot, task, seed, rate).joints(frames)
    demo = demo_from_joints(robot, qpos, action=np.concatenate([qpos[1:], qpos[-1:]]), rate=rate)
    if noise > 0.0:
        demo = _noisy(demo, noise, np.random.default_rng([seed, 1]))
    if path is not None:
        save_demo(path, demo, robot=robot, attrs={"sim": True, "task": task, "seed": seed})
        demo = replace(demo, path=Path(path))
    return demo


class _CycleSolver:
    """Makes cycles of one task; all arms of all cycles are solved side by side."""

    def __init__(self, robot: Robot, task: str, seed: int, rate: float) -> None:
        self.robot, self.task, self.seed, self.rate = robot, task, seed, rate
        self.hands = (GraspingHand(robot, 0), GraspingHand(robot, 1))
        self.arms = tuple(ArmIK(robot, side) for side in SIDES)
        self.homes = np.stack([arm.forward(arm.posture) for arm in self.arms])

    def joints(self, frames: int) -> FloatArray:
        """Joint positions (frames, n) [rad]."""
        count = max(1, round(frames / (_SECONDS * self.rate)))
        longest = max(-(-frames // count), round(_LEAST * self.rate))
        pieces: list[FloatArray | None] = [None] * count
        for attempt in range(_TRIES):
            open_ = [k for k, piece in enumerate(pieces) if piece is None]
            if not open_:
                break
            for k, piece in zip(open_, self._cycles(open_, attempt, longest), strict=True):
                pieces[k] = piece
        if any(piece is None for piece in pieces):
            raise InputError(
                f"{self.robot.name} cannot do task {self.task!r}: no way within its reach and "
                f"velocity limits was found in {_TRIES} tries",
                task=self.task,
            )
        # the last cycle may be cut: an episode ends when its frames are up
        return np.concatenate([piece for piece in pieces if piece is not None])[:frames]

    def _cycles(self, which: list[int], attempt: int, frames: int) -> list[FloatArray | None]:
        """Joints (frames, n) of some cycles, None where the robot cannot follow."""
        plans = [self._plan(k, attempt) for k in which]
        times = np.arange(frames) / frames
        qpos = np.zeros((len(which), frames, len(self.robot.joint_names)))
        good = np.ones(len(which), dtype=np.bool_)
        for h, side in enumerate(self.robot.sides):
            ways = [plan[h].at(times) for plan in plans]
            columns, posture = self.robot.indices(side.arm_joints), self.arms[h].posture
            arm = self.arms[h].solve_trajectory(np.stack([way[0] for way in ways]), q0=posture)
            speed = np.abs(np.diff(arm.q, axis=1)) * self.rate
            good &= (arm.status == Status.OK).all(axis=-1)
            good &= (speed < _VELOCITY_SHARE * self.robot.velocity_limits[columns]).all(axis=(1, 2))
            jerk = np.abs(np.diff(arm.q, n=3, axis=1)) * (frames / _SECONDS) ** 3
            good &= (jerk < _LARGEST_JERK).all(axis=(1, 2))
            good &= (np.abs(arm.q[:, -1] - posture) < _HOME).all(axis=-1)
            qpos[..., columns] = arm.q
            active = np.stack([way[1] for way in ways])
            qpos[..., self.robot.indices(side.hand_joints)] = self.robot.expand_hand(h, active)
        return [q if fine else None for q, fine in zip(qpos, good, strict=True)]

    def _plan(self, cycle: int, attempt: int) -> Plan:
        rng = np.random.default_rng([self.seed, 0, cycle, attempt])
        return TASKS[self.task](TaskBuilder(rng, self.hands, self.homes))


def _noisy(demo: Demo, noise: float, rng: np.random.Generator) -> Demo:
    poses = demo.T_world_wrist.copy()
    poses[..., :3, 3] += rng.normal(0.0, noise, (*poses.shape[:-2], 3))
    turns = rng.normal(0.0, noise / _NOISE_RADIUS, (*poses.shape[:-2], 3))
    poses[..., :3, :3] = poses[..., :3, :3] @ rotation_from_rotvec(turns)
    tips = demo.fingertips + rng.normal(0.0, noise, demo.fingertips.shape)
    return replace(demo, T_world_wrist=poses, fingertips=tips)
