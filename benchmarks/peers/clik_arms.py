"""Plain closed-loop inverse kinematics with Pinocchio, joints clamped to their limits."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.arm_peer import ArmPeer
from benchmarks.peers.pinocchio_arms import PinocchioArms
from retarget.core.types import FloatArray
from retarget.robot.robot import Robot

_DAMPING = 1e-6


class ClikArms(ArmPeer):
    """Damped pseudo-inverse steps on the logarithm of the pose error, arm by arm."""

    name = "Pinocchio CLIK, clamped"

    def __init__(self, robot: Robot) -> None:
        super().__init__(robot)
        import pinocchio

        self._pin = pinocchio
        self._arms = PinocchioArms(robot)
        self._low = self._arms.configuration(self.lower)
        self._high = self._arms.configuration(self.upper)
        self._damping = _DAMPING * np.eye(6)
        self._goals: list[object] = []

    def reset(self, q: FloatArray) -> None:
        """Set the joints."""
        self._q = self._arms.configuration(q)
        self._update()

    def _update(self) -> None:
        self._pin.computeJointJacobians(self._arms.model, self._arms.data, self._q)
        for frame in self._arms.frames:
            self._pin.updateFramePlacement(self._arms.model, self._arms.data, frame)

    def aim(self, T_base_wrist: FloatArray) -> None:
        """Take new wrist poses."""
        self._goals = [self._pin.SE3(T) for T in T_base_wrist]

    def poses(self) -> tuple[FloatArray, FloatArray]:
        """Wrist poses at the present joints."""
        left, right = (self._arms.data.oMf[frame].homogeneous for frame in self._arms.frames)
        return left, right

    def step(self) -> None:
        """One Newton step of each arm."""
        pin, model, data = self._pin, self._arms.model, self._arms.data
        for frame, goal, columns in zip(
            self._arms.frames, self._goals, self._arms.columns, strict=True
        ):
            miss = data.oMf[frame].actInv(goal)
            error = pin.log6(miss).vector
            J = pin.getFrameJacobian(model, data, frame, pin.ReferenceFrame.LOCAL)[:, columns]
            self._q[columns] += J.T @ np.linalg.solve(J @ J.T + self._damping, error)
        np.clip(self._q, self._low, self._high, out=self._q)
        self._update()

    def joints(self) -> FloatArray:
        """The present joints."""
        return np.asarray(self._q[self._arms.columns])
