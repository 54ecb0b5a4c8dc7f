"""scipy's bounded least squares (dogbox) with Pinocchio's kinematics and Jacobian, arm by arm."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from benchmarks.peers.arm_peer import ROTATION_WEIGHT
from benchmarks.peers.pinocchio_arms import PinocchioArms
from retarget.core.types import FloatArray
from retarget.robot.robot import Robot


class ScipyArms:
    """Tracks episodes, each frame from the last one."""

    name = "scipy dogbox"

    def __init__(self, robot: Robot) -> None:
        import pinocchio

        self._pin = pinocchio
        self._arms = PinocchioArms(robot)
        self.posture = np.stack([hand.arm_posture for hand in robot.sides])
        rows = np.stack([robot.indices(hand.arm_joints) for hand in robot.sides])
        self._bounds = [(robot.lower[r], robot.upper[r]) for r in rows]
        self._weights = np.repeat([1.0, ROTATION_WEIGHT], 3)

    def track(self, T_base_wrist: FloatArray) -> FloatArray:
        """Joints (E, S, 2, 7) [rad] for wrist poses (E, S, 2, 4, 4) [m]."""
        out = np.empty((*T_base_wrist.shape[:-2], self.posture.shape[-1]))
        for episode, q in zip(T_base_wrist, out, strict=True):
            last = self.posture
            for k, wanted in enumerate(episode):
                q[k] = last = np.stack([self._solve(s, wanted[s], last[s]) for s in range(2)])
        return out

    def _solve(self, side: int, T: FloatArray, start: FloatArray) -> FloatArray:
        pin, model, data = self._pin, self._arms.model, self._arms.data
        frame, columns, goal = self._arms.frames[side], self._arms.columns[side], self._pin.SE3(T)
        whole = np.zeros(model.nq)
        low, high = self._bounds[side]

        def error(q: FloatArray) -> FloatArray:
            whole[columns] = q
            pin.computeJointJacobians(model, data, whole)
            placement = pin.updateFramePlacement(model, data, frame)
            return np.asarray(self._weights * pin.log6(goal.actInv(placement)).vector)

        def jacobian(q: FloatArray) -> FloatArray:
            J = pin.getFrameJacobian(model, data, frame, pin.ReferenceFrame.LOCAL)[:, columns]
            miss = goal.actInv(data.oMf[frame])
            return np.asarray(self._weights[:, None] * (pin.Jlog6(miss) @ J))

        # strictly inside, or scipy refuses the start
        start = np.clip(start, low + 1e-10, high - 1e-10)
        # coarser ones end early where a joint meets its limit: 8 % of the frames are then missed
        ends = dict.fromkeys(("ftol", "gtol", "xtol"), 1e-12)
        found = least_squares(error, start, jacobian, (low, high), "dogbox", **ends)
        return np.asarray(found.x)
