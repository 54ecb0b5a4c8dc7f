"""Controller: a policy's chunks to joint commands, one call a period, whatever the policy says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.actions import ACTION_FIELDS, ACTION_SIZE, Action
from retarget.actions.ensembler import ChunkCounts, ChunkEnsembler
from retarget.control.chunk_reader import read_action, rigid, seen_step, sound_rows
from retarget.control.collision_guard import CollisionGuard
from retarget.control.command import NO_ACTION, NO_ARM, NO_JOINTS, NOT_USABLE, Command, Phase
from retarget.control.filters import make_filter
from retarget.control.joint_motion import JointMotion
from retarget.control.measured_joints import measured_joints, require_start
from retarget.control.settings import ControllerSettings
from retarget.control.side_control import SideControl
from retarget.control.wrist_points import WristPoints
from retarget.core.errors import InputError
from retarget.core.geometry import transform_inverse
from retarget.core.types import SIDES, ArmSolution, FloatArray, Status
from retarget.robot.hand_command import HandCommands
from retarget.robot.joint_limits import DrivenJoints, JointLimits

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter

_OK = int(Status.OK)
_STATUS = tuple(Status)
_SOLVED = (int(Status.OK), int(Status.AT_LIMIT), int(Status.UNREACHABLE))
_NOT_BLOCKED = (False, False)
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
        limits = s.limits or JointLimits.of(robot, hand_velocity=s.hand_velocity)
        self.limits = limits.only(robot.joint_names)
        # chunks are averaged in the frame of the camera that stands still: a mean of poses moves
        # with its frame
        self._T_camera_world = (
            np.eye(4) if s.camera is None else robot.camera(s.camera).T_camera_world
        )
        T = transform_inverse(self._T_camera_world)
        self._R_world_camera, self._p_world_camera = T[:3, :3].copy(), T[:3, 3].copy()
        self._R_camera_world = self._R_world_camera.T.copy()
        self._driven = DrivenJoints(robot)
        self._driven_limits = self._driven.limits(self.limits)
        self._ensembler = ChunkEnsembler(
            s.horizon, wrist_decay=s.wrist_decay, hand_decay=s.hand_decay
        )
        self._arms, self._mlp = retargeter.arms, retargeter.hand_mlp
        self._refine = retargeter.refine
        self._wrists = WristPoints(robot)
        self._hands = HandCommands(robot) if all(side.command for side in robot.sides) else None
        self._mano_to_wrist = np.stack([side.wrist_to_mano.T for side in robot.sides])
        self._filter = make_filter(s.filter, self._driven.size, s.rate)
        self._guard = (
            None
            if s.collision_margin is None
            else CollisionGuard(robot, self._driven, s.collision_margin)
        )
        self._T: FloatArray = np.zeros((len(SIDES), 4, 4))
        self._T[:, 3, 3] = 1.0
        self._aim: FloatArray = np.zeros(self._driven.size)
        self._by_side = tuple(self._aim[place] for place in self._driven.sides)
        self._side_starts = [place.start for place in self._driven.sides]
        self._ones = np.ones(len(SIDES) * self._driven.hands)
        self.reset()
        self._warm_up()

    def reset(self) -> None:
        """Forget everything: the next step is the first again."""
        self._ensembler.reset()
        self._steps = 0
        self._motion: JointMotion | None = None

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
                measured joints that are not finite or far beyond their limits. Later the same is
                held and reported.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # numbers of any size may come
            return self._step(action, qpos, step, T_world_camera)

    def _step(
        self,
        action: ArrayLike | Action | None,
        qpos: ArrayLike,
        step: int | None,
        T_world_camera: ArrayLike | None,
    ) -> Command:
        now = self._steps
        measured = measured_joints(qpos, len(self.names))
        motion = self._motion or self._start(measured, qpos)
        missing = self._take(action, step, T_world_camera)
        self._motion = motion
        wanted = self._ensembler.at(now + 1)
        known = wanted.status.tolist()
        q = motion.q
        points = wanted.translation @ self._R_camera_world + self._p_world_camera
        self._T[:, :3, :3] = self._R_world_camera @ wanted.rotation @ self._mano_to_wrist
        self._T[:, :3, 3] = points
        fingers = self._mlp.joints(wanted.pca, refine=self._refine)
        sound = math.isfinite(np.ravel(fingers).dot(self._ones))
        arms = self._driven.arms
        phases, holds, arm_status, hand_status, lag = [], [], [], [], []
        for k, place in enumerate(self._driven.sides):
            control, mine = self._controls[k], self._by_side[k]
            reason, solved, hold = "", None, None
            if measured is None:
                reason = NO_JOINTS
            elif known[k] != _OK:
                reason = missing
            elif not sound and not np.isfinite(fingers[k]).all():
                reason = NOT_USABLE
            else:
                solved = self._solve(k, q[place][:arms])
                reason = NO_ARM if solved is None else ""
            if solved is None:
                target, phase, hold = control.hold(reason)
                arm_status.append(Status.HELD)
            else:
                mine[:arms], mine[arms:] = solved.q, fingers[k]
                target, phase, began = control.follow(mine)
                if began and self._filter is not None:
                    self._filter.reset(place, target)
                arm_status.append(_STATUS[int(solved.status)])
            if target is not mine:
                mine[:] = target
            phases.append(phase)
            holds.append(hold)
            hand_status.append(Status.HELD if hold else Status.OK)
            lag.append(math.nan if solved is None else float(solved.position_error))
        aim = self._aim if self._filter is None else self._filter.step(self._aim)
        proposal, blocked, nearest = motion.propose(aim), _NOT_BLOCKED, None
        command = self._rest.copy()
        if self._guard is not None:
            proposal, nearest, blocked = self._guard.step(motion, proposal, command)
        q = motion.take(proposal)
        self._driven.expand(q, command)
        behind = np.maximum.reduceat(np.abs(self._aim - q), self._side_starts).tolist()
        if max(behind) > _THERE or max(phases) != Phase.TRACKING:
            lag = self._lag(command, points, known)
        self._steps = now + 1
        return Command(
            qpos=command,
            names=self.names,
            hand_command=self._hand_command(q),
            step=now,
            phases=(phases[0], phases[1]),
            holds=(holds[0], holds[1]),
            arm_status=(arm_status[0], arm_status[1]),
            hand_status=(hand_status[0], hand_status[1]),
            lag_m=(lag[0], lag[1]),
            lag_rad=(behind[0], behind[1]),
            blocked=blocked,
            nearest=nearest,
        )

    def _warm_up(self) -> None:
        """Go through a few steps, so that none that counts is the first to need something."""
        robot = self._robot
        chunk = np.zeros((self.settings.horizon, ACTION_SIZE))
        chunk[:, ACTION_FIELDS["rot6d"].place] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] * len(SIDES)
        qpos = np.clip(np.zeros(len(self.names)), robot.lower, robot.upper)
        for action in (chunk, None, chunk[0]):
            self.step(action, qpos)
        self.reset()

    def _start(self, measured: FloatArray | None, given: ArrayLike) -> JointMotion:
        """Begin at the measured joints."""
        measured = require_start(measured, given, self.limits, self._driven.rows)
        s = self.settings
        q = measured[self._driven.rows]
        motion = JointMotion(self._driven_limits, s.rate, q)
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
            seen = seen_step(step, self._steps)
            T = None if T_world_camera is None else self._T_camera_world @ rigid(T_world_camera)
            rows = sound_rows(action, self.settings.horizon) if T is None else None
            report = (
                self._ensembler.push_rows(rows, seen + 1)
                if rows is not None
                else self._ensembler.push(read_action(action, T), seen + 1)
            )
        except InputError:
            if self._steps == 0:
                raise
            return NOT_USABLE
        return NOT_USABLE if any(report.unusable) else NO_ACTION

    def _solve(self, k: int, q0: FloatArray) -> ArmSolution | None:
        """Arm joints for the wanted wrist, None where there are none."""
        try:
            found = self._arms[k].solve(self._T[k], q0)
        except InputError:
            return None
        usable = int(found.status) in _SOLVED and math.isfinite(found.q.dot(found.q))
        return found if usable else None

    def _lag(self, qpos: FloatArray, points: FloatArray, known: list[int]) -> list[float]:
        """How far each commanded wrist is from the point it is wanted at [m]."""
        away = (self._wrists(qpos) - points).tolist()
        return [math.hypot(*away[k]) if known[k] == _OK else math.nan for k in range(len(SIDES))]

    def _hand_command(self, q: FloatArray) -> FloatArray | None:
        if self._hands is None:
            return None
        return self._hands.command(q.reshape(len(SIDES), -1)[:, self._driven.arms :])
