"""Joint motion within position, velocity and acceleration limits, whatever the target does."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from retarget.core import _native
from retarget.core.checks import call
from retarget.core.errors import InputError
from retarget.core.types import FloatArray
from retarget.robot.joint_limits import JointLimits

# Velocity and acceleration are used up to this share: what rounding adds stays within the limits.
_SHARE = 1.0 - 1e-9
_ENDLESS = 1e6  # [rad]


class LimitedMotion:
    """Moves joints towards a target, one period at a time, so that no limit is ever broken.

    With u the way of one period, V the velocity limit and d the largest change of u from one period
    to the next, all per period, the next u is the nearest to the one wanted within

        ``|u| <= V``, ``|u - u_last| <= d``, ``-s(q - lower) <= u <= s(upper - q)``.

    s(r) is the longest first way from which braking by d a period ends within r: with
    ``n = ceil(sqrt(2 r / d + 1/4) - 1/2)`` periods, ``s(r) = r / n + d (n - 1) / 2``. The three
    always have a way in common. The last way was at most s, so braking by d keeps the joint within
    its limits, and a way of braking is at most V. By induction the limits hold for ever.

    The way wanted is that of the target's own velocity w, plus s of what is missing beside it:
    ``u = w + s(|x - q - w|)`` in the direction that is missing. A target that moves within the
    limits is thus followed exactly once it is caught up with; one that stands is reached without
    overshoot, in the shortest time that the limits allow from rest; one that jumps is not taken for
    a fast one, because w changes by at most d a period.

    Args:
        limits: of the m joints.
        rate: periods per second [Hz].
        q: (m,) where the joints stand, at rest [rad]; brought within the limits.

    Raises:
        InputError: the rate is not positive, or q is not (m,) finite numbers.
    """

    def __init__(self, limits: JointLimits, rate: float, q: ArrayLike) -> None:
        if not (np.isfinite(rate) and rate > 0.0):
            raise InputError(f"rate must be a positive number of steps a second, got {rate}")
        self.limits, self.rate = limits, float(rate)
        # a joint without ends ends where nobody turns it to
        self._lower = np.maximum(limits.lower, -_ENDLESS)
        self._upper = np.minimum(limits.upper, _ENDLESS)
        self._most = _SHARE * limits.velocity / rate
        # a change of 2 V is all that can ever be asked for; it keeps the formulas finite
        self._change = np.minimum(_SHARE * limits.acceleration / rate**2, 2.0 * self._most)
        self._native = _native.LimitedMotion(self._lower, self._upper, self._most, self._change)
        # where the joints are, the way of the last period, the last target and its velocity
        self._state = np.zeros((4, len(limits.names)))
        self._q, self._u, self._x, self._w = self._state
        self.reset(q)

    def reset(self, q: ArrayLike) -> None:
        """Stand at rest at q (m,) [rad]."""
        start = np.array(q, dtype=np.float64)
        if start.shape != self._lower.shape or not np.isfinite(start).all():
            raise InputError(f"q must be {self._lower.shape} finite numbers, got {start}")
        self._q[:] = self._x[:] = np.clip(start, self._lower, self._upper)
        self._u[:] = self._w[:] = 0.0

    @property
    def q(self) -> FloatArray:
        """(m,) where the joints are [rad]."""
        return self._q.copy()

    @property
    def velocity(self) -> FloatArray:
        """(m,) velocity of the last period [rad/s]."""
        return self._u * self.rate

    def stopping_point(self) -> FloatArray:
        """(m,) where the joints come to rest if they brake from now on [rad]."""
        speed = np.abs(self._u)
        n = np.floor(speed / self._change)
        way = n * speed - 0.5 * self._change * n * (n + 1.0)
        return np.asarray(self._q + np.copysign(way, self._u))

    def way_to_rest(self, q_next: FloatArray) -> FloatArray:
        """(T, m) q_next (m,), and where braking from there leads until the joints rest [rad]."""
        u = q_next - self._q
        speed = np.abs(u)
        periods = np.arange(1 + math.ceil(float((speed / self._change).max(initial=0.0))))
        left = np.maximum(speed - periods[1:, None] * self._change, 0.0)
        way = np.cumsum(np.copysign(left, u), axis=0)
        return np.concatenate([q_next[None], q_next + way])

    def stand_still(self, which: slice, target: FloatArray) -> None:
        """From now on the target of some joints is known to stand: it has no velocity [rad]."""
        self._x[which] = target
        self._w[which] = 0.0

    def step(self, target: ArrayLike) -> FloatArray:
        """Go on by one period towards the target.

        Args:
            target: (m,) [rad]; any numbers: one beyond a limit counts as the limit, NaN as none,
                so that the joint brakes and stays.

        Returns:
            (m,) where the joints are at the end of the period [rad].
        """
        return self.take(self.propose(target))

    def propose(self, target: ArrayLike) -> FloatArray:
        """Where `step` would go, without going there.

        The target's velocity is learnt from it, so propose once a period.
        """
        out = np.empty_like(self._q)
        call(self._native.propose, self._state, np.ascontiguousarray(target, np.float64), out)
        return out

    def braked(self) -> FloatArray:
        """(m,) where the joints are at the end of a period of braking [rad]."""
        u = np.copysign(np.maximum(np.abs(self._u) - self._change, 0.0), self._u)
        return np.asarray(np.minimum(np.maximum(self._q + u, self._lower), self._upper))

    def take(self, q_next: FloatArray) -> FloatArray:
        """Go to q_next (m,): each joint's is that of the last `propose` or of `braked` [rad]."""
        np.subtract(q_next, self._q, out=self._u)
        self._q[:] = q_next
        return q_next.copy()
