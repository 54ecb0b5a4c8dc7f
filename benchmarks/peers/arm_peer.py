"""What arm solvers have in common here: both arms track episodes, each frame from the last one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from retarget.core.types import FloatArray
from retarget.robot.robot import Robot

POSITION_TOLERANCE = 1e-4  # [m]
ROTATION_TOLERANCE = math.radians(0.1)
ROTATION_WEIGHT = 0.15  # what an angle counts against a length [m/rad]
RATE = 30.0  # of the recordings, for solvers that think in velocities [Hz]
ITERATIONS = 100  # a frame
STALL = 10  # iterations without progress that end a frame
# |R - R*| of the tolerance: 2 sqrt(2) sin(angle / 2)
_ROTATION_NORM = 2.0 * math.sqrt(2.0) * math.sin(0.5 * ROTATION_TOLERANCE)


class ArmPeer(ABC):
    """An iterative solver of both arms.

    Attributes:
        name: of the table's row.
        robot: whose arms they are.
        posture: (2, 7) joints every episode starts from [rad].
    """

    name: str

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.posture = np.stack([hand.arm_posture for hand in robot.sides])
        rows = np.stack([robot.indices(hand.arm_joints) for hand in robot.sides])
        self.lower, self.upper = robot.lower[rows], robot.upper[rows]

    @abstractmethod
    def reset(self, q: FloatArray) -> None:
        """Set the joints (2, 7) [rad]."""

    @abstractmethod
    def aim(self, T_base_wrist: FloatArray) -> None:
        """Take new wrist poses (2, 4, 4) [m]."""

    @abstractmethod
    def poses(self) -> tuple[FloatArray, FloatArray]:
        """Wrist poses (4, 4) of both arms at the present joints [m]."""

    @abstractmethod
    def step(self) -> None:
        """One iteration."""

    @abstractmethod
    def joints(self) -> FloatArray:
        """The present joints (2, 7) [rad]."""

    def track(self, T_base_wrist: FloatArray) -> FloatArray:
        """Joints (E, S, 2, 7) [rad] for wrist poses (E, S, 2, 4, 4) [m]."""
        out = np.empty((*T_base_wrist.shape[:-2], self.posture.shape[-1]))
        for episode, q in zip(T_base_wrist, out, strict=True):
            self.reset(self.posture)
            for k, wanted in enumerate(episode):
                self.aim(wanted)
                self._converge(wanted)
                q[k] = self.joints()
        return out

    def _converge(self, wanted: FloatArray) -> None:
        best, since = math.inf, 0
        for _ in range(ITERATIONS):
            done, error = _errors(self.poses(), wanted)
            if done or since >= STALL:
                return
            best, since = (error, 0) if error < 0.99 * best else (best, since + 1)
            self.step()


def _errors(found: tuple[FloatArray, FloatArray], wanted: FloatArray) -> tuple[bool, float]:
    """Whether both poses are within the tolerances, and how far off they are [m]."""
    done, total = True, 0.0
    for a, b in zip(found, wanted, strict=True):
        miss = (a - b).ravel()
        turn, shift = miss.copy(), miss[3:12:4]
        turn[3:12:4] = 0.0
        position, rotation = math.sqrt(shift @ shift), math.sqrt(turn @ turn)
        done = done and position <= POSITION_TOLERANCE and rotation <= _ROTATION_NORM
        total += position + ROTATION_WEIGHT * rotation
    return done, total
