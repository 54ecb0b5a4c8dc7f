"""Arm joints for wrist poses: inverse kinematics of one arm, by frame or along a trajectory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.checks import first_index, read_poses, real_array
from retarget.core.errors import InputError
from retarget.core.types import ArmSolution, BoolArray, FloatArray
from retarget.robot.arm.chain import Chain
from retarget.robot.arm.native import ArmSettings, NativeArm
from retarget.robot.kinematics import Kinematics
from retarget.robot.model import limits
from retarget.robot.robot import Robot


class ArmIK:
    """Joint positions of an arm that bring its wrist to wanted poses, within the joint limits.

    A pose that can be reached is reached within the tolerances, as a rule to 1e-12 m. What freedom
    is left, one joint's worth for a seven-joint arm, leans towards the posture and never costs the
    wrist anything: the joints are those nearest to the posture (each measured in half its range)
    among those around them that hold the wrist there.

    Coming from joint positions q0, the nearest way on is taken, and joints lean towards the posture
    by at most ``posture_gain`` half ranges a metre of the wrist's way (rotations counted by
    ``rotation_weight``). So a standing wrist keeps the arm still, small steps of the wrist make
    small steps of the joints, and how fast a path is sampled does not matter. Along a trajectory
    this is how each frame comes from the one before.

    Where no start of a fixed set reaches a pose, the nearest one is taken: that which minimises
    ``|dp|^2 + (rotation_weight * angle)^2`` within the limits, with status UNREACHABLE. Coming from
    q0, the one nearby is kept as long as the nearest of all is not better by 5 %.

    A path can run into the end of one way to bend the arm; then another is taken at once, with a
    jump of the joints: reaching the wrist's pose comes first.

    Args:
        robot: a robot, or what `Robot.load` takes.
        side: ``"left"`` or 0, ``"right"`` or 1.
        position_tolerance: largest position error of a reached pose [m].
        rotation_tolerance: largest rotation error of a reached pose [rad].
        rotation_weight: what an angle counts against a length [m/rad].
        posture_gain: how far the joints may lean to the posture while the wrist moves [1/m].
        lean: whether to lean to the posture; without, the first joints that reach a pose are taken.
        starts: further starts where the first fails.
        accuracy: error at which a pose counts as exactly reached and its search ends, rotations
            counted by ``rotation_weight`` [m].
        dtype: "float64"; "float32" approaches in single precision.
        threads: 0 for as many as are useful. They do not change the result.

    Attributes:
        native: the arm in the native core.
        joints: the n joint names.
        frame: the wrist's frame.
        posture: (n,) joint positions to lean to [rad].
        T_world_base: (4, 4) pose of the model's root in the environment frame [m].

    Raises:
        InputError: there is no such side, or a setting is not positive.
        ModelError: the robot cannot be read.
    """

    def __init__(
        self,
        robot: Robot | str | Path = "h1_inspire",
        side: str | int = "right",
        *,
        position_tolerance: float = 1e-6,
        rotation_tolerance: float = 1e-5,
        rotation_weight: float = 0.15,
        posture_gain: float = 10.0,
        lean: bool = True,
        starts: int = 24,
        accuracy: float = 1e-12,
        dtype: str = "float64",
        threads: int = 0,
    ) -> None:
        settings = ArmSettings(
            position_tolerance,
            rotation_tolerance,
            rotation_weight,
            posture_gain,
            lean,
            starts,
            accuracy,
            dtype,
            threads,
        )
        robot = Robot.of(robot)
        arm = robot.side(side)
        rows = robot.indices(arm.arm_joints)
        chain = Chain.from_kinematics(
            robot.arm_kinematics(side), robot.lower[rows], robot.upper[rows]
        )
        self._set(chain, arm.wrist_frame, arm.arm_posture, robot.T_world_base, settings)

    @classmethod
    def from_model(
        cls,
        model: Any,
        joints: Sequence[str],
        frame: str,
        posture: ArrayLike | None = None,
        T_world_base: ArrayLike | None = None,
        **settings: Any,
    ) -> ArmIK:
        """An arm of any robot: up to 12 revolute joints in series.

        Args:
            model: a ``pinocchio.Model``; it is read, not kept. Joints not named stay at neutral.
            joints: the n joint names, base to wrist.
            frame: the wrist's frame.
            posture: (n,) joint positions to lean to [rad]; the middle of the limits by default.
            T_world_base: (4, 4) pose of the model's root [m]; the identity by default.
            **settings: the constructor's, by name.

        Raises:
            InputError: a name is unknown, the joints are no such chain, or the posture is not
                within their limits.
        """
        kinematics = Kinematics(model, joints, (frame,))
        chain = Chain.from_kinematics(kinematics, *limits(model, tuple(joints))[:2])
        arm = cls.__new__(cls)
        arm._set(
            chain,
            frame,
            chain.middle if posture is None else real_array(posture, "posture"),
            read_poses(np.eye(4) if T_world_base is None else T_world_base, "T_world_base")[0],
            ArmSettings(**settings),
        )
        return arm

    def _set(
        self,
        chain: Chain,
        frame: str,
        posture: FloatArray,
        T_world_base: FloatArray,
        settings: ArmSettings,
    ) -> None:
        if posture.shape != (chain.size,):
            raise InputError(f"posture must have shape ({chain.size},), got {posture.shape}")
        if not np.all((posture >= chain.lower) & (posture <= chain.upper)):
            raise InputError(f"posture {posture.tolist()} is not within the joint limits")
        if T_world_base.shape != (4, 4):
            raise InputError(f"T_world_base must have shape (4, 4), got {T_world_base.shape}")
        self._chain, self._settings = chain, settings
        self.native = NativeArm(chain, posture, settings, T_world_base)
        self.joints, self.frame = chain.names, frame
        self.posture, self.T_world_base = _read_only(posture), _read_only(T_world_base)

    def carried(self, T: ArrayLike) -> ArmIK:
        """The same arm on a body that has moved its base by T (4, 4) in the environment frame.

        See `Robot.arm_bases_moved`.

        Raises:
            InputError: T is no rigid transform.
        """
        arm = type(self).__new__(type(self))
        moved = read_poses(T, "T")[0]
        arm._set(self._chain, self.frame, self.posture, moved @ self.T_world_base, self._settings)
        return arm

    @property
    def lower(self) -> FloatArray:
        """(n,) lower joint limits [rad]."""
        return _read_only(self._chain.lower)

    @property
    def upper(self) -> FloatArray:
        """(n,) upper joint limits [rad]."""
        return _read_only(self._chain.upper)

    def forward(self, q: ArrayLike) -> FloatArray:
        """Joint positions (..., n) [rad] -> ``T_world_wrist`` (..., 4, 4) [m].

        Raises:
            InputError: q has another number of joints.
        """
        return np.asarray(self.T_world_base @ self._chain.forward(self._joints(q, "q")))

    def solve(self, T_world_wrist: ArrayLike, q0: ArrayLike | None = None) -> ArmSolution:
        """Joints for wrist poses that have nothing to do with each other.

        Every pose is solved by itself: the result is the same alone, in a batch, in any order.

        Args:
            T_world_wrist: (..., 4, 4) wanted poses in the environment frame [m]; a pose with NaN or
                infinite entries counts as missing.
            q0: joint positions the arm comes from [rad], to broadcast to (..., n), brought within
                the limits; the posture by default, and then free to lean all the way.

        Raises:
            InputError: a shape is wrong, a finite pose is no rigid transform, q0 is not finite.
        """
        T = _shaped(T_world_wrist)
        return self._run(T, T.shape[:-2], T.shape[:-2], q0)

    def solve_trajectory(
        self, T_world_wrist: ArrayLike, q0: ArrayLike | None = None
    ) -> ArmSolution:
        """Joints along trajectories: every frame comes from the joints of the frame before.

        It is `solve` of each frame with the joints of the frame before as q0. Out of reach the
        nearest pose is followed without jumps: where it jumps itself, over several frames, and the
        errors are those of the joints on their way.

        Args:
            T_world_wrist: (..., N, 4, 4) wanted poses of N successive frames in the environment
                frame [m]; leading axes are independent trajectories, solved side by side. A pose
                with NaN or infinite entries counts as missing, and the joints are held.
            q0: joint positions before the first frame [rad], to broadcast to (..., n); without, the
                first frame is solved by itself.

        Raises:
            InputError: a shape is wrong, a finite pose is no rigid transform, q0 is not finite.
        """
        T = _shaped(T_world_wrist)
        if T.ndim < 3:
            raise InputError(f"T_world_wrist must have shape (..., N, 4, 4), got {T.shape}")
        return self._run(T, T.shape[:-2], T.shape[:-3], q0)

    def _run(
        self,
        T: FloatArray,
        lead: tuple[int, ...],
        sequences: tuple[int, ...],
        q0: ArrayLike | None,
    ) -> ArmSolution:
        """Solve poses (*lead, 4, 4), which are sequences of successive frames."""
        start, moving = self._origin(q0, sequences)
        count, n = math.prod(sequences), self._chain.size
        frames = lead[-1] if len(lead) > len(sequences) else 1
        poses = T.reshape(count, frames, 4, 4)
        try:
            return self.native.solve(poses, start.reshape(count, n), moving.reshape(count), lead)
        except InputError:
            # say which of the caller's joints or poses, and what it lacks
            lost = ~np.isfinite(start).all(axis=-1)
            if np.any(lost):
                where = first_index(np.asarray(lost))
                raise InputError(f"q0 is not finite at index {where}", index=where) from None
            read_poses(T, "T_world_wrist")
            raise

    def _origin(self, q0: ArrayLike | None, lead: tuple[int, ...]) -> tuple[FloatArray, BoolArray]:
        """Joints the arm comes from, (..., n), and whether it was really there."""
        shape = (*lead, self._chain.size)
        if q0 is None:
            return np.broadcast_to(self.posture, shape).copy(), np.zeros(lead, dtype=np.bool_)
        q = self._joints(q0, "q0")
        if q.shape != shape:
            try:
                q = np.broadcast_to(q, shape)
            except ValueError:
                raise InputError(f"q0 must broadcast to shape {shape}, got {q.shape}") from None
        return q, np.ones(lead, dtype=np.bool_)

    def _joints(self, values: ArrayLike, name: str) -> FloatArray:
        q = real_array(values, name)
        if q.ndim == 0 or q.shape[-1] != self._chain.size:
            raise InputError(f"{name} must have shape (..., {self._chain.size}), got {q.shape}")
        return q


def _read_only(values: FloatArray) -> FloatArray:
    copy = np.array(values, dtype=np.float64)
    copy.setflags(write=False)
    return copy


def _shaped(T_world_wrist: ArrayLike) -> FloatArray:
    T = real_array(T_world_wrist, "T_world_wrist")
    if T.ndim < 2 or T.shape[-2:] != (4, 4) or T.size == 0:
        raise InputError(f"T_world_wrist must have shape (..., 4, 4), not empty, got {T.shape}")
    return T
