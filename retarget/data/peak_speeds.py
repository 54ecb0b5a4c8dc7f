"""How fast a motion is at most: written beside labels, so that a changed rate is noticed later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retarget.core.types import SIDES, BoolArray, FloatArray
from retarget.robot.robot import Robot


@dataclass(frozen=True)
class PeakSpeeds:
    """The largest speeds of one side.

    Attributes:
        arm: of the arm's joints, as a share of their velocity limits [-].
        hand_rad_s: of the hand's joints [rad/s].
        wrist_m_s: of the wrist [m/s].
    """

    arm: float = 0.0
    hand_rad_s: float = 0.0
    wrist_m_s: float = 0.0


class SpeedWatch:
    """Finds the largest speeds of a motion that comes in blocks.

    Speeds are differences of successive frames times the rate; those into or out of a frame
    without a hand do not count.

    Args:
        robot: the robot that moves.
        rate: frames per second [Hz].
    """

    def __init__(self, robot: Robot, rate: float) -> None:
        self._rate = rate
        self._arms = [robot.indices(side.arm_joints) for side in robot.sides]
        self._hands = [robot.indices(side.hand_joints) for side in robot.sides]
        self._limits = [robot.velocity_limits[rows] for rows in self._arms]
        self._last: tuple[FloatArray, FloatArray] | None = None
        self._peaks = np.zeros((len(SIDES), 3))

    def add(self, qpos: FloatArray, positions: FloatArray, valid: BoolArray) -> None:
        """Take in the next frames.

        Args:
            qpos: (T, n) joint positions [rad].
            positions: (T, 2, 3) of the wrists [m].
            valid: (T, 2) False where there is no hand.
        """
        places = np.where(valid[..., None], positions, np.nan)
        if self._last is not None:
            qpos = np.concatenate([self._last[0], qpos])
            places = np.concatenate([self._last[1], places])
        self._last = qpos[-1:], places[-1:]
        if len(qpos) < 2:
            return
        speed = self._rate * np.linalg.norm(np.diff(places, axis=0), axis=-1)
        joints = self._rate * np.abs(np.diff(qpos, axis=0))
        for h in range(len(SIDES)):
            seen = np.isfinite(speed[:, h])
            arm = joints[np.ix_(seen, self._arms[h])] / self._limits[h]
            for kind, values in enumerate(
                (arm, joints[np.ix_(seen, self._hands[h])], speed[seen, h])
            ):
                self._peaks[h, kind] = max(self._peaks[h, kind], float(values.max(initial=0.0)))

    def result(self) -> tuple[PeakSpeeds, PeakSpeeds]:
        """Left and right."""
        left, right = (PeakSpeeds(*map(float, row)) for row in self._peaks)
        return left, right
