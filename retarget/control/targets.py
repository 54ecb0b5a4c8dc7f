"""What both sides of the robot aim at: joints for an averaged action, or why there are none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from retarget.actions.ensembler import MEAN_PCA, empty_mean
from retarget.control.command import NO_ARM, NOT_USABLE
from retarget.core import _native
from retarget.core.checks import call
from retarget.core.geometry import transform_inverse
from retarget.core.types import SIDES, FloatArray, Status
from retarget.human.keypoints import TIP_VERTICES
from retarget.human.native import NativePoints
from retarget.robot.kinematics import frame_id

if TYPE_CHECKING:
    from retarget.actions.ensembler import ChunkEnsembler
    from retarget.mapping.retargeter import Retargeter
    from retarget.robot.arm.ik import ArmIK
    from retarget.robot.robot import Robot

_SOLVED = (int(Status.OK), int(Status.AT_LIMIT), int(Status.UNREACHABLE))
_MISSING = int(Status.MISSING_INPUT)
# the native solver's statuses beside those of arms, as reasons of a hold
_NO_HAND = -1
_LACKS = {_NO_HAND: NOT_USABLE, -2: NO_ARM}


class Targets(NamedTuple):
    """What both sides are to aim at.

    Attributes:
        joints: (2, a + m) arm joints, then active hand joints; a side without a target has those it
            comes from [rad].
        points: (2, 3) where the wrists are wanted, in the world frame [m].
        status: left, right: `Status` value of the arm; MISSING_INPUT where nothing is wanted,
            negative where joints were not found.
        reasons: left, right: why the side has no target, one of `REASONS`; "" where it has one.
        lag_m: left, right: distance of the arm's target to the wanted wrist [m].
    """

    joints: FloatArray
    points: FloatArray
    status: tuple[int, int]
    reasons: tuple[str, str]
    lag_m: tuple[float, float]


class TargetSolver:
    """Turns human wrists into the robot's and into arm joints, and coefficients into hand joints.

    Args:
        retargeter: the robot, its arms and its hand networks.
        T_camera_world: (4, 4) of the frame that actions are averaged in [m].
        arms: the arms, where they are not the retargeter's: on a body that has moved.
    """

    def __init__(
        self,
        retargeter: Retargeter,
        T_camera_world: FloatArray,
        arms: Sequence[ArmIK] | None = None,
    ) -> None:
        robot, self._mlp, self._refine = retargeter.robot, retargeter.hand_mlp, retargeter.refine
        self._arms = len(robot.sides[0].arm_joints)
        self._shape = len(SIDES), self._arms + len(robot.sides[0].active_joints)
        # what the native solver points to is kept alive here
        self._tips = NativePoints(retargeter.fitter.hands, tuple(TIP_VERTICES.values()))
        self._natives = [arm.native for arm in arms or retargeter.arms]
        self._native = call(
            _native.TargetSolver,
            self._tips.solvers,
            self._mlp.network.native,
            [arm.solver for arm in self._natives],
            [arm.settings for arm in self._natives],
            np.ascontiguousarray([side.wrist_to_mano.T for side in robot.sides]),
            transform_inverse(T_camera_world),
            "",
        )
        self._mean, self._counted = empty_mean()
        self._wrists = WristPoints(robot)

    def solve(self, ensembler: ChunkEnsembler, step: int, q: FloatArray, missing: str) -> Targets:
        """Targets for what chunks say about a step.

        Args:
            ensembler: the chunks.
            step: the step.
            q: (2 (a + m),) joints that the arms come from [rad].
            missing: the reason of a side without input.
        """
        joints, points = np.empty(self._shape), np.empty((len(SIDES), 3))
        left, right, *lag = self._native.solve(
            ensembler.ring, step, q, self._mean, self._counted, joints, points
        )
        status = left, right
        if self._refine:
            status = self._refined(joints, status)
        reasons = [missing if s == _MISSING else _LACKS.get(s, "") for s in status]
        return Targets(joints, points, status, (reasons[0], reasons[1]), (lag[0], lag[1]))

    def lag_m(self, targets: Targets, qpos: FloatArray) -> list[float]:
        """How far wrists at joints (n,) [rad] are from where they are wanted, if they are [m]."""
        return self._wrists.lag_m(targets, qpos)

    def _refined(self, joints: FloatArray, status: tuple[int, int]) -> tuple[int, int]:
        """Hand joints in place of those of the networks alone, and the statuses after that."""
        found = list(status)
        fingers = self._mlp.joints(
            self._mean[MEAN_PCA].reshape(len(SIDES), -1), refine=self._refine
        )
        for k, side in enumerate(fingers):
            if found[k] in _SOLVED:
                joints[k, self._arms :] = side
                found[k] = found[k] if np.isfinite(side).all() else _NO_HAND
        return found[0], found[1]


def carried_arms(robot: Robot, arms: Sequence[ArmIK], qpos: FloatArray) -> tuple[ArmIK, ...] | None:
    """The arms where joints (n,) [rad] that carry them have moved their bases; None: nowhere."""
    moved = robot.arm_bases_moved(qpos)
    if moved is None:
        return None
    return tuple(arm.carried(T) for arm, T in zip(arms, moved, strict=True))


class WristPoints:
    """Origins of the wrist frames in the environment frame, of one configuration at a time.

    Args:
        robot: the robot.
    """

    def __init__(self, robot: Robot) -> None:
        import pinocchio

        self._pin, self._model = pinocchio, robot.model
        self._data = robot.model.createData()
        self._frames = [frame_id(robot.model, side.wrist_frame) for side in robot.sides]
        joints = [robot.model.joints[robot.model.getJointId(name)] for name in robot.joint_names]
        self._rows = np.array([joint.idx_q for joint in joints])
        # a joint without limits is two numbers, cosine and sine
        self._turning = np.flatnonzero([joint.nq == 2 for joint in joints])
        self._rotation = robot.T_world_base[:3, :3].T.copy()
        self._origin = robot.T_world_base[:3, 3].copy()
        self._q = np.zeros(robot.model.nq)

    def lag_m(self, targets: Targets, qpos: FloatArray) -> list[float]:
        """How far wrists at joints (n,) [rad] are from where they are wanted, if they are [m]."""
        away = (self(qpos) - targets.points).tolist()
        return [
            math.nan if status == _MISSING else math.hypot(*way)
            for status, way in zip(targets.status, away, strict=True)
        ]

    def __call__(self, qpos: FloatArray) -> FloatArray:
        """Wrists (2, 3) [m] of finite joint positions (n,) [rad]."""
        q, data = self._q, self._data
        q[self._rows] = qpos
        if self._turning.size:
            rows, angles = self._rows[self._turning], qpos[self._turning]
            q[rows], q[rows + 1] = np.cos(angles), np.sin(angles)
        self._pin.forwardKinematics(self._model, data, q)
        points = [
            self._pin.updateFramePlacement(self._model, data, frame).translation
            for frame in self._frames
        ]
        return np.asarray(np.array(points) @ self._rotation + self._origin)
