"""Where both wrists are, through Pinocchio's own forward kinematics: microseconds a pose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retarget.core.types import FloatArray

if TYPE_CHECKING:
    from retarget.robot.robot import Robot


class WristPoints:
    """Origins of the wrist frames in the environment frame, of one configuration at a time.

    Args:
        robot: the robot.
    """

    def __init__(self, robot: Robot) -> None:
        import pinocchio

        self._pin, self._model = pinocchio, robot.model
        self._data = robot.model.createData()
        self._frames = [robot.model.getFrameId(side.wrist_frame) for side in robot.sides]
        joints = [robot.model.joints[robot.model.getJointId(name)] for name in robot.joint_names]
        self._rows = np.array([joint.idx_q for joint in joints])
        # a joint without limits is two numbers, cosine and sine
        self._turning = np.flatnonzero([joint.nq == 2 for joint in joints])
        self._rotation = robot.T_world_base[:3, :3].T.copy()
        self._origin = robot.T_world_base[:3, 3].copy()
        self._q = np.zeros(robot.model.nq)

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
