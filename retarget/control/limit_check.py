"""Counts, from joint positions alone, how often commands break limits: knows no controller."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.types import FloatArray
from retarget.robot.joint_limits import JointLimits

# what the rounding of positions of a few radians makes of them and of their differences
_POSITION = 1e-12  # [rad]
_DIFFERENCE = 1e-14  # [rad]
_RELATIVE = 1e-9


class LimitCheck:
    """Watches a sequence of commands, one joint and period at a time.

    Velocities are first differences of positions, accelerations second ones, at the rate of the
    commands. The robot stands still before the first.

    Args:
        limits: of the n joints.
        rate: commands per second [Hz].
        start: (n,) positions before the first command [rad].

    Attributes:
        position: joints and periods beyond a position limit.
        velocity: the same of velocities.
        acceleration: the same of accelerations.
        not_finite: periods whose command has a number that is not finite.
        velocity_share: largest velocity as a share of its limit.
        acceleration_share: the same of accelerations.
    """

    def __init__(self, limits: JointLimits, rate: float, start: ArrayLike) -> None:
        self._limits, self._rate = limits, rate
        first = np.asarray(start, dtype=np.float64)
        if first.shape != (len(limits.names),):
            raise InputError(f"start must have shape ({len(limits.names)},), got {first.shape}")
        self._before = np.stack([first, first])
        self.position = self.velocity = self.acceleration = self.not_finite = 0
        self.velocity_share = self.acceleration_share = 0.0

    @property
    def broken(self) -> int:
        """All that is not as it should be."""
        return self.position + self.velocity + self.acceleration + self.not_finite

    def add(self, qpos: ArrayLike) -> None:
        """See the next commands (T, n) [rad]."""
        rows = np.asarray(qpos, dtype=np.float64)
        if not len(rows):
            return
        limits = self._limits
        self.not_finite += int((~np.isfinite(rows)).any(axis=1).sum())
        beyond = np.maximum(limits.lower - rows, rows - limits.upper)
        self.position += int((beyond > _POSITION).sum())
        whole = np.concatenate([self._before, rows])
        self._before = whole[-2:].copy()
        steps = np.diff(whole, axis=0)
        most, push_most = limits.velocity / self._rate, limits.acceleration / self._rate**2
        way, change = np.abs(steps[1:]), np.abs(np.diff(steps, axis=0))
        self.velocity += int((way > most * (1.0 + _RELATIVE) + _DIFFERENCE).sum())
        self.acceleration += int((change > push_most * (1.0 + _RELATIVE) + _DIFFERENCE).sum())
        speed, push = way / most, change / push_most
        self.velocity_share = max(self.velocity_share, _largest(speed))
        self.acceleration_share = max(self.acceleration_share, _largest(push))


def _largest(shares: FloatArray) -> float:
    return float(np.nan_to_num(shares, nan=0.0).max(initial=0.0))
