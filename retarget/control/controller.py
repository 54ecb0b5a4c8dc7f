"""Controller: a policy's chunks to joint commands, one call a period, whatever the policy says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.actions import ACTION_FIELDS, ACTION_SIZE, Action
from retarget.actions.chunk_check import as_chunk, as_numbers
from retarget.actions.ensembler import ChunkCounts, ChunkEnsembler
from retarget.actions.layout_check import require_layout
from retarget.control.collision_guard import CollisionGuard
from retarget.control.command import NO_ACTION, NO_JOINTS, NOT_USABLE, Command, CommandWriter, Phase
from retarget.control.filters import make_filter
from retarget.control.limited_motion import LimitedMotion
from retarget.control.settings import ControllerSettings
from retarget.control.side_control import SideControl
from retarget.control.targets import TargetSolver
from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray, IntArray, Status
from retarget.robot.joint_limits import DrivenJoints, JointLimits

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter

_STATUS = tuple(Status)
_NOT_BLOCKED = (False, False)
_SLACK = 0.1  # how far beyond a limit the first measured joints may be [rad]
_THERE = 1e-12  # joints this near to their targets are there [rad]


class Controller:
    """Turns a policy's chunks into joint commands within all limits.

    Every period it averages the chunks that speak about the next step, turns wrists into the
    robot's frame, hands into finger joints and wrists into arm joints (coming from the last
    command), and moves the joints as near to them as position, velocity and acceleration limits
    allow. Bad numbers never raise: the side that lacks input holds, and the command says why.

    Args:
        retargeter: the robot and its hand networks.
        settings: how to behave.
        **changes: settings by name, in place of those given or of the defaults.

    Attributes:
        settings: as given.
        limits: of all joints.
        names: the n joints of commands.

    Raises:
        InputError: the robot has no such camera, limits of other joints, or a setting is out of
            range.
    """

    def __init__(
        self,
        retargeter: Retargeter,
        settings: ControllerSettings | None = None,
        **changes: Any,
    ) -> None:
        s = (settings or ControllerSettings()).but(**changes)
        robot = retargeter.robot
        self.settings, self.names = s, robot.joint_names
        self._robot = robot
        limits = s.limits or JointLimits.of(
            robot, arm_velocity=s.arm_velocity, hand_velocity=s.hand_velocity
        )
        self.limits = limits.only(robot.joint_names)
        # chunks are averaged in the frame of the camera that stands still: a mean of poses moves
        # with its frame
        self._T_camera_world = (
            np.eye(4) if s.camera is None else robot.camera(s.camera).T_camera_world
        )
        self._driven = DrivenJoints(robot)
        self._driven_limits = self._driven.limits(self.limits)
        self._ensembler = ChunkEnsembler(
            s.horizon, wrist_decay=s.wrist_decay, hand_decay=s.hand_decay
        )
        self._targets = TargetSolver(retargeter, self._T_camera_world)
        self._writer = CommandWriter(robot, self._driven)
        self._filter = make_filter(s.filter, self._driven.size, s.rate)
        self._guard = (
            None
            if s.collision_margin is None
            else CollisionGuard(robot, self._driven, s.collision_margin)
        )
        self.reset()
        self._warm_up()

    def reset(self) -> None:
        """Forget everything: the next step is the first again."""
        self._ensembler.reset()
        self._steps = 0
        self._layout_known = False
        self._motion: LimitedMotion | None = None

    @property
    def steps(self) -> int:
        """Commands given so far: the number of the step to come."""
        return self._steps

    @property
    def counts(self) -> ChunkCounts:
        """Chunks that came late, twice, short or not at all, see `ChunkEnsembler`."""
        return self._ensembler.counts

    def step(
        self,
        action: ArrayLike | Action | None,
        qpos: ArrayLike,
        *,
        step: int | None = None,
        T_world_camera: ArrayLike | None = None,
    ) -> Command:
        """The command of the next period.

        Args:
            action: what the policy has said since the last call: a chunk (L, 48) for the steps
                after the one it saw, a single action (48,), an `Action` of either, or None where
                nothing new has come.
            qpos: (n,) measured joint positions [rad]. The first say where to start from.
            step: the step whose observation the chunk was made from, where it is not this one.
            T_world_camera: (4, 4) pose of a moving camera at that observation [m].

        Returns:
            Targets for the end of the period, always finite and within the limits.

        Raises:
            InputError: in the first step, what can only be a mistake of the program: other shapes,
                numbers of another layout or normalised, measured joints that are not finite or far
                beyond their limits. Later the same is held and reported.
        """
        now = self._steps
        measured = _finite_joints(qpos, len(self.names))
        motion = self._motion or self._start(measured, qpos)
        missing = self._take(action, step, T_world_camera)
        self._motion = motion
        targets = self._targets.solve(self._ensembler, now + 1, motion.q, missing)
        aim = targets.joints.ravel()
        phases, holds, arm_status, hand_status, lag = [], [], [], [], []
        for k, control in enumerate(self._controls):
            place, hold = self._driven.sides[k], None
            reason = targets.reasons[k] if measured is not None else NO_JOINTS
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
        joints = self._rest.copy()
        if self._guard is not None:
            proposal, nearest, blocked = self._guard.step(motion, proposal, joints)
        q = motion.take(proposal)
        hands, behind = self._writer.write(q, aim, joints)
        if max(behind) > _THERE or max(phases) != Phase.TRACKING:
            lag = self._targets.lag_m(targets, joints)
        self._steps = now + 1
        return Command(
            qpos=joints,
            names=self.names,
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

    def _require_layout(self, action: ArrayLike) -> None:
        """Look once at the first numbers that come: a program's mistake is in all of them."""
        vectors = as_numbers(action, "an action")
        if not vectors.size or vectors.shape[-1:] != (ACTION_SIZE,):
            return  # which is refused below
        require_layout(vectors, "the policy's actions")
        self._layout_known = bool(np.isfinite(vectors).any())

    def _warm_up(self) -> None:
        """Go through a few steps, so that none that counts is the first to need something."""
        robot = self._robot
        chunk = np.zeros((self.settings.horizon, ACTION_SIZE))
        chunk[:, ACTION_FIELDS["rot6d"].place] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] * len(SIDES)
        qpos = np.clip(np.zeros(len(self.names)), robot.lower, robot.upper)
        for action in (chunk, None, chunk[0]):
            self.step(action, qpos)
        self.reset()

    def _start(self, measured: FloatArray | None, given: ArrayLike) -> LimitedMotion:
        """Begin at the measured joints."""
        measured = _require_start(measured, given, self.limits, self._driven.rows)
        s = self.settings
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
        self._rest = np.clip(measured, self.limits.lower, self.limits.upper)
        if self._filter is not None:
            self._filter.reset(slice(None), motion.q)
        return motion

    def _take(
        self, action: ArrayLike | Action | None, step: int | None, T_world_camera: ArrayLike | None
    ) -> str:
        """Take in what the policy said; why a side without input will have to hold."""
        if action is None:
            return NO_ACTION
        try:
            seen = _observed_step(step, self._steps)
            if not self._layout_known and not isinstance(action, Action):
                self._require_layout(action)
            if T_world_camera is None and self._ensembler.push_vectors(action, seen + 1):
                return NO_ACTION
            with np.errstate(over="ignore", invalid="ignore"):  # numbers of any size may come
                T = None
                if T_world_camera is not None:
                    T = self._T_camera_world @ _camera_pose(T_world_camera)
                report = self._ensembler.push(as_chunk(action, T), seen + 1)
        except InputError:
            if self._steps == 0:
                raise
            return NOT_USABLE
        return NOT_USABLE if any(report.unusable) else NO_ACTION


def _observed_step(step: int | None, now: int) -> int:
    """The step whose observation a chunk was made from: ``now`` where nobody says.

    Raises:
        InputError: not a whole number, or a step to come.
    """
    if step is None:
        return now
    try:
        seen = int(step)
    except (TypeError, ValueError, OverflowError):
        seen = None
    if seen is None or seen != step:
        raise InputError(f"step must be a whole number, got {step!r}")
    if seen > now:
        raise InputError(f"a chunk of step {seen} came in step {now}")
    return seen


def _camera_pose(T_world_camera: ArrayLike) -> FloatArray:
    """A camera's pose (4, 4); whether it is rigid is for `as_chunk` to say.

    Raises:
        InputError: another shape, or no numbers.
    """
    T = as_numbers(T_world_camera, "a camera's pose")
    if T.shape != (4, 4):
        raise InputError(f"a camera's pose must be a (4, 4) transform, got {T.shape}")
    return T


def _finite_joints(qpos: ArrayLike, joints: int) -> FloatArray | None:
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
        measured: as `_finite_joints` has them.
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
