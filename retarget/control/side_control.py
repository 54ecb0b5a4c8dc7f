"""One side of the robot under control: follow, hold, time out, come back."""

from __future__ import annotations

import numpy as np

from retarget.control.blend import Blend
from retarget.control.command import Hold, Phase
from retarget.control.limited_motion import LimitedMotion
from retarget.core.types import FloatArray
from retarget.robot.joint_limits import JointLimits

_POSTURE_SHARE = 0.05  # of the limits, on the way to the posture after a time-out


class SideControl:
    """Decides every period what one arm and hand aim at.

    With input they aim at its joints, from rest through a `Blend`. Without, they hold the last
    target; where that lies behind them while they brake, they stay where the brakes bring them.
    After `timeout` periods a hold is timed out; the arm then stays, or goes to its posture slowly.

    Args:
        limits: of the side's m driven joints.
        motion: of both sides' driven joints.
        place: the side's part of them.
        arms: how many of them, the first, are the arm's.
        rate: periods per second [Hz].
        share: of the limits, while coming to a far target.
        timeout: periods of a hold that count as a short loss.
        posture: (a,) where the arm goes after a time-out [rad], None to stay.
    """

    def __init__(
        self,
        limits: JointLimits,
        motion: LimitedMotion,
        place: slice,
        arms: int,
        *,
        rate: float,
        share: float,
        timeout: int,
        posture: FloatArray | None,
    ) -> None:
        self._motion, self._place = motion, place
        self._blend = Blend(limits, rate, (slice(arms), slice(arms, None)))
        self._share, self._timeout, self._posture = share, timeout, posture
        self._blending = Phase.STARTING  # what a blend under way is called
        self._held = 0
        self._target: FloatArray = motion.q[place]
        self._fresh = True

    def follow(self, joints: FloatArray) -> tuple[FloatArray, Phase, bool]:
        """Aim at joints (m,) [rad]: the target, the phase, and whether it just began to."""
        began = self._fresh or self._held > 0
        if began:
            self._blend.begin(self._motion.q[self._place], joints, self._share)
            self._held, self._fresh = 0, False
        self._target = self._blend.step(joints)
        if self._blend.active:
            return self._target, self._blending, began
        self._blending = Phase.RETURNING
        return self._target, Phase.TRACKING, began

    def hold(self, reason: str) -> tuple[FloatArray, Phase, Hold]:
        """Aim at nothing new: the target, the phase, and the hold to report."""
        motion, place = self._motion, self._place
        if self._held == 0:
            stop = motion.stopping_point()[place]
            behind = (self._target - stop) * motion.velocity[place] < 0.0
            self._target = np.where(behind, stop, self._target)
            motion.stand_still(place, self._target)
            self._blend.stop()
        self._held += 1
        if self._held <= self._timeout:
            return self._target, Phase.HOLDING, Hold(reason, self._held)
        target = self._target
        if self._posture is not None:
            if self._held == self._timeout + 1:
                origin, arm = target.copy(), slice(len(self._posture))
                origin[arm] = motion.q[place][arm]
                self._target = target.copy()
                self._target[arm] = self._posture
                self._blend.begin(origin, self._target, _POSTURE_SHARE)
            target = self._blend.step(self._target)
        return target, Phase.TIMED_OUT, Hold(reason, self._held)
