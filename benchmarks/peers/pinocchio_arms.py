"""Both arms as one Pinocchio model, and the arms' true poses by its forward kinematics."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.urdf import arms_urdf
from retarget.core.types import FloatArray
from retarget.robot.robot import Robot


class PinocchioArms:
    """A Pinocchio model of the arms alone.

    Attributes:
        model: the `pinocchio.Model`.
        columns: (2, 7) where each arm's joints stand in its configuration.
        frames: frame numbers of both wrists.
    """

    def __init__(self, robot: Robot) -> None:
        import pinocchio

        self.model: Any = pinocchio.buildModelFromXML(arms_urdf(robot))
        self.data: Any = self.model.createData()
        self.columns = np.array(
            [
                [self.model.joints[self.model.getJointId(name)].idx_q for name in hand.arm_joints]
                for hand in robot.sides
            ]
        )
        self.frames = [self.model.getFrameId(hand.wrist_frame) for hand in robot.sides]

    def configuration(self, q: FloatArray) -> FloatArray:
        """Joints (2, 7) of the arms as the model's configuration (14,)."""
        out = np.empty(self.model.nq)
        out[self.columns] = q
        return out

    def forward(self, q: FloatArray) -> FloatArray:
        """Joints (..., 2, 7) [rad] -> ``T_base_wrist`` (..., 2, 4, 4) [m]."""
        import pinocchio

        flat = q.reshape(-1, *q.shape[-2:])
        out = np.empty((len(flat), 2, 4, 4))
        for row, joints in zip(out, flat, strict=True):
            pinocchio.framesForwardKinematics(self.model, self.data, self.configuration(joints))
            for k, frame in enumerate(self.frames):
                row[k] = self.data.oMf[frame].homogeneous
        return out.reshape(*q.shape[:-1], 4, 4)
