"""Blend: joints from where they were into a target that is far, with minimum jerk."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from retarget.core.minimum_jerk import progress
from retarget.core.types import FloatArray
from retarget.robot.joint_limits import JointLimits

# peaks of a minimum-jerk move of length 1 in time 1: velocity 15/8, acceleration 10/sqrt(3)
_PEAK_VELOCITY, _PEAK_ACCELERATION = 1.875, 10.0 / 3.0**0.5
_SHORT = 0.2  # the limits alone make a move this short smooth [s]


class Blend:
    """Blends joints from where they were into a target that may move on meanwhile.

    The blend of a group of joints is as long as a minimum-jerk move of their first distance takes
    at a share of the velocity and acceleration limits. Where that is less than 0.2 s there is none:
    the target counts at once, and the limits alone keep the motion smooth.

    Args:
        limits: of the m joints.
        rate: periods per second [Hz].
        groups: joints that move together, such as those of an arm; groups do not wait for others.
    """

    def __init__(self, limits: JointLimits, rate: float, groups: Sequence[slice]) -> None:
        self._velocity, self._acceleration = limits.velocity, limits.acceleration
        self._rate, self._groups = rate, tuple(groups)
        self._origin: FloatArray = np.zeros(len(limits.names))
        self._done = 0
        self.stop()

    @property
    def active(self) -> bool:
        """Whether a blend is under way."""
        return self._done < self._longest

    def begin(self, origin: FloatArray, target: FloatArray, share: float) -> None:
        """Blend from here to a target, at a share of the limits.

        Args:
            origin: (m,) [rad].
            target: (m,) [rad].
            share: of the velocity and acceleration limits, above 0 and at most 1.
        """
        way = np.abs(target - origin)
        seconds = np.maximum(
            _PEAK_VELOCITY * way / (share * self._velocity),
            np.sqrt(_PEAK_ACCELERATION * way / (share * self._acceleration)),
        )
        self._origin[:] = origin
        self._done = 0
        slowest = [float(seconds[group].max()) for group in self._groups]
        self._steps = [math.ceil(t * self._rate) if t > _SHORT else 0 for t in slowest]
        self._longest = max(self._steps)

    def stop(self) -> None:
        """Blend no more."""
        self._steps, self._longest = [0] * len(self._groups), 0

    def step(self, target: FloatArray) -> FloatArray:
        """The blended target (m,) of the next period [rad]."""
        if not self.active:
            return target
        self._done += 1
        blended = target.copy()
        for group, steps in zip(self._groups, self._steps, strict=True):
            if self._done < steps:
                begun = self._origin[group]
                blended[group] = begun + progress(self._done / steps) * (target[group] - begun)
        return blended
