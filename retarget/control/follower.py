"""Follower: both sides of the robot to their targets, one call a period, within all limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from retarget.actions.chunk_check import as_numbers
from retarget.control.collision_guard import CollisionGuard
from retarget.control.command import NO_JOINTS, Command, CommandWriter, Phase
from retarget.control.filters import make_filter
from retarget.control.limited_motion import LimitedMotion
from retarget.control.settings import ControllerSettings
from retarget.control.side_control import SideControl
from retarget.control.targets import Targets
from retarget.core.errors import InputError
from retarget.core.types import FloatArray, IntArray, Status
from retarget.robot.joint_limits import DrivenJoints, JointLimits

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

_STATUS = tuple(Status)
_NOT_BLOCKED = (False, False)
_SLACK = 0.1  # how far beyond a limit the first measured joints may be [rad]
_THERE = 1e-12  # joints this near to their targets are there [rad]


class Follower:
    """What becomes of targets: holds, blends, a filter, limits, collisions, the command.

    Args:
        robot: the robot.
        settings: how to behave.

    Attributes:
        limits: of all joints.
        motion: of the driven joints, None before the first step.
        rest: (n,) where joints stay that are not driven, from the first step on [rad].
        steps: commands given so far: the number of the step to come.

    Raises:
        InputError: limits of other joints.
    """

    def __init__(self, robot: Robot, settings: ControllerSettings) -> None:
        s = settings
        limits = s.limits or JointLimits.of(
            robot, arm_velocity=s.arm_velocity, hand_velocity=s.hand_velocity
        )
        self.limits = limits.only(robot.joint_names)
        self._robot, self._settings, self._names = robot, s, robot.joint_names
        self._driven = DrivenJoints(robot)
        self._driven_limits = self._driven.limits(self.limits)
        self._writer = CommandWriter(robot, self._driven)
        self._filter = make_filter(s.filter, self._driven.size, s.rate)
        self._guard = (
            None
            if s.collision_margin is None
            else CollisionGuard(robot, self._driven, s.collision_margin)
        )
        self.motion: LimitedMotion | None = None
        self.rest: FloatArray = np.zeros(len(self._names))
        self.steps = 0

    def reset(self) -> None:
        """Forget everything: the next step is the first again."""
        self.motion, self.steps = None, 0

    def start(self, measured: FloatArray | None, given: ArrayLike) -> LimitedMotion:
        """A motion that begins at the measured joints (n,) [rad]; `step` takes it.

        Raises:
            InputError: from those nothing can begin.
        """
        measured = _require_start(measured, given, self.limits, self._driven.rows)
        s = self._settings
        q = measured[self._driven.rows]
        motion = LimitedMotion(self._driven_limits, s.rate, q)
        self._controls = [
            SideControl(
                self._driven_limits.only(self._driven.names[place]),
                motion,
                place,
                self._driven.arms,
                rate=s.rate,
                share=s.approach,
                timeout=round(s.hold_timeout * s.rate),
                posture=side.arm_posture if s.after_timeout == "posture" else None,
            )
            for side, place in zip(self._robot.sides, self._driven.sides, strict=True)
        ]
        if self._guard is not None:
            self._guard.reset()
        self.rest = np.clip(measured, self.limits.lower, self.limits.upper)
        if self._filter is not None:
            self._filter.reset(slice(None), motion.q)
        return motion

    def step(
        self,
        motion: LimitedMotion,
        targets: Targets,
        measured: bool,
        lag_m: Callable[[Targets, FloatArray], list[float]],
    ) -> Command:
        """The command of the next period.

        Args:
            motion: `motion`, or of the first step what `start` gave.
            targets: what both sides are to aim at.
            measured: whether the measured joints are known; without, both sides hold.
            lag_m: how far wrists at joints (n,) are from where they are wanted [m].
        """
        now = self.steps
        aim = targets.joints.ravel()
        phases, holds, arm_status, hand_status, lag = [], [], [], [], []
        for k, control in enumerate(self._controls):
            place, hold = self._driven.sides[k], None
            reason = targets.reasons[k] if measured else NO_JOINTS
            if reason:
                aim[place], phase, hold = control.hold(reason)
            else:
                aim[place], phase, began = control.follow(targets.joints[k])
                if began and self._filter is not None:
                    self._filter.reset(place, aim[place])
            phases.append(phase)
            holds.append(hold)
            arm_status.append(Status.HELD if hold else _STATUS[targets.status[k]])
            hand_status.append(Status.HELD if hold else Status.OK)
            lag.append(math.nan if hold else targets.lag_m[k])
        smooth = aim if self._filter is None else self._filter.step(aim)
        proposal, blocked, nearest = motion.propose(smooth), _NOT_BLOCKED, None
        joints = self.rest.copy()
        if self._guard is not None:
            proposal, nearest, blocked = self._guard.step(motion, proposal, joints)
        q = motion.take(proposal)
        hands, behind = self._writer.write(q, aim, joints)
        if max(behind) > _THERE or max(phases) != Phase.TRACKING:
            lag = lag_m(targets, joints)
        self.motion, self.steps = motion, now + 1
        return Command(
            qpos=joints,
            names=self._names,
            hand_command=hands,
            step=now,
            phases=(phases[0], phases[1]),
            holds=(holds[0], holds[1]),
            arm_status=(arm_status[0], arm_status[1]),
            hand_status=(hand_status[0], hand_status[1]),
            lag_m=(lag[0], lag[1]),
            lag_rad=behind,
            blocked=blocked,
            nearest=nearest,
        )


def finite_joints(qpos: ArrayLike, joints: int) -> FloatArray | None:
    """Measured joints (n,) [rad], None where they are not n finite numbers."""
    try:
        q = as_numbers(qpos, "qpos")
    except InputError:
        return None
    # in a loop whose caches are cold, a sum of floats costs less than an array's function
    return q if q.shape == (joints,) and math.isfinite(sum(q.tolist())) else None


def _require_start(
    measured: FloatArray | None, given: ArrayLike, limits: JointLimits, driven: IntArray
) -> FloatArray:
    """Measured joints (n,) that a motion can begin from [rad].

    Args:
        measured: as `finite_joints` has them.
        given: what it had them from.
        limits: of the n joints.
        driven: places of the joints that will be driven.

    Raises:
        InputError: they are not n finite numbers, or a driven joint is more than 0.1 rad beyond its
            limits.
    """
    if measured is None:
        raise InputError(
            f"the first qpos must be {len(limits.names)} finite numbers, got shape "
            f"{np.shape(given)}: from an unknown pose nothing can be commanded"
        )
    beyond = np.maximum(limits.lower - measured, measured - limits.upper)[driven]
    if beyond.max() > _SLACK:
        row = int(driven[int(beyond.argmax())])
        raise InputError(
            f"the first qpos has joint {limits.names[row]!r} at {measured[row]:.3f} rad, beyond "
            f"its limits {limits.lower[row]:.3f} to {limits.upper[row]:.3f}; check the order of "
            "joints and their units"
        )
    return measured
