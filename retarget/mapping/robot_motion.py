"""Joints of the whole robot over time, of its hands' joints and the poses of its wrists."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.geometry import lengths, rotation_angle, transform_inverse
from retarget.core.types import (
    SIDES,
    ArmSolution,
    BoolArray,
    FloatArray,
    IntArray,
    RobotMotion,
)
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

PARALLEL = 64  # frames from which a thread for each arm pays


def robot_motion(
    robot: Robot,
    arms: Sequence[ArmIK],
    *,
    active: FloatArray,
    T_world_wrist: FloatArray,
    known: BoolArray,
    hand_status: IntArray,
    body: ArrayLike | None = None,
    q0: ArrayLike | None = None,
) -> RobotMotion:
    """The robot's joints in T frames.

    Where a hand's input is missing, its hand and arm hold their last joints.

    Args:
        robot: the robot.
        arms: inverse kinematics of its left and right arm.
        active: (T, 2, m) active joints of the hands [rad].
        T_world_wrist: (T, 2, 4, 4) poses of the robot's wrist frames [m].
        known: (T, 2) False where a hand's input is missing.
        hand_status: (T, 2) `Status` values of the hands.
        body: (T, n) or (n,) joint positions; those of joints that are neither arm nor hand are
            copied; zero by default [rad].
        q0: (n,) configuration before the first frame [rad]; without, the arms' first frame is
            solved by itself and hands without input are open.

    Raises:
        InputError: body or q0 of another shape, or a wrist that is no rigid transform.
    """
    frames, joints = len(active), len(robot.joint_names)
    qpos = np.zeros((frames, joints))
    if body is not None:
        try:
            qpos[:] = np.asarray(body, dtype=np.float64)
        except ValueError:
            shape = np.shape(body)
            raise InputError(f"body must have shape ({frames}, {joints}), got {shape}") from None
    before = None if q0 is None else np.asarray(q0, dtype=np.float64)
    if before is not None and before.shape != (joints,):
        raise InputError(f"q0 must have shape ({joints},), got {before.shape}")
    wrists = np.where(known[..., None, None], T_world_wrist, np.nan)
    arm_status = np.zeros((frames, len(SIDES)), dtype=np.int64)
    errors = np.zeros((2, frames, len(SIDES)))
    moved = robot.arm_bases_moved(qpos)
    if moved is not None:  # the arms are solved as they stand on a body at rest
        wrists = transform_inverse(moved) @ wrists
    solutions = _follow(robot, arms, wrists, before)
    for k, (side, solution) in enumerate(zip(robot.sides, solutions, strict=True)):
        arm, hand = robot.indices(side.arm_joints), robot.indices(side.hand_joints)
        driven = robot.indices(side.active_joints)
        qpos[:, arm] = solution.q
        lower, upper = robot.hand_limits(k)
        first = np.clip(np.zeros(len(driven)) if before is None else before[driven], lower, upper)
        held = _held(np.where(known[:, k, None], active[:, k], np.nan), first)
        qpos[:, hand] = robot.expand_hand(k, held)
        arm_status[:, k] = solution.status
        errors[0, :, k], errors[1, :, k] = solution.position_error, solution.rotation_error
    if moved is not None:
        # the verdict is the whole robot's, with the joints it is given
        reached = robot.forward(qpos)[0]
        errors[0] = lengths(reached[..., :3, 3] - T_world_wrist[..., :3, 3])
        errors[1] = rotation_angle(reached[..., :3, :3], T_world_wrist[..., :3, :3])
        errors[:, ~known] = np.nan
    return RobotMotion(
        qpos=qpos,
        names=robot.joint_names,
        position_error=errors[0],
        rotation_error=errors[1],
        hand_status=hand_status,
        arm_status=arm_status,
    )


def _follow(
    robot: Robot, arms: Sequence[ArmIK], wrists: FloatArray, before: FloatArray | None
) -> list[ArmSolution]:
    """Both arms along (T, 2, 4, 4), side by side: one trajectory keeps but one core busy."""

    def follow(k: int) -> ArmSolution:
        arm = robot.indices(robot.sides[k].arm_joints)
        start = None if before is None else before[arm]
        return arms[k].solve_trajectory(wrists[:, k], q0=start)

    sides = range(len(SIDES))
    if len(wrists) < PARALLEL:
        return [follow(k) for k in sides]
    with ThreadPoolExecutor(len(SIDES)) as pool:
        return list(pool.map(follow, sides))


def _held(values: FloatArray, first: FloatArray) -> FloatArray:
    """(T, m) with NaN rows replaced by the last row before them that is not, or by `first`."""
    rows = np.concatenate([first[None], values])
    good = np.isfinite(rows).all(axis=-1)
    last = np.maximum.accumulate(np.where(good, np.arange(len(rows)), 0))
    return np.asarray(rows[last][1:])
