"""Controller: a policy's chunks to joint commands, one call a period, whatever the policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.actions import ACTION_FIELDS, ACTION_SIZE, Action
from retarget.actions.chunk_check import as_chunk, as_numbers
from retarget.actions.ensembler import ChunkCounts, ChunkEnsembler
from retarget.actions.layout_check import require_layout
from retarget.control.command import NO_ACTION, NOT_USABLE, Command
from retarget.control.follower import Follower, finite_joints
from retarget.control.settings import ControllerSettings
from retarget.control.targets import TargetSolver, carried_arms
from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter


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
        self._follower = Follower(robot, s)
        self.limits = self._follower.limits
        # chunks are averaged in the frame of the camera that stands still: a mean of poses moves
        # with its frame
        self._T_camera_world = (
            np.eye(4) if s.camera is None else robot.camera(s.camera).T_camera_world
        )
        self._ensembler = ChunkEnsembler(
            s.horizon, wrist_decay=s.wrist_decay, hand_decay=s.hand_decay
        )
        self._retargeter = retargeter
        self._targets = self._upright = TargetSolver(retargeter, self._T_camera_world)
        self.reset()
        self._warm_up()

    def reset(self) -> None:
        """Forget everything: the next step is the first again."""
        self._ensembler.reset()
        self._layout_known = False
        self._follower.reset()

    @property
    def steps(self) -> int:
        """Commands given so far: the number of the step to come."""
        return self._follower.steps

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
        now = self.steps
        measured = finite_joints(qpos, len(self.names))
        motion = self._follower.motion
        if motion is None:
            motion = self._follower.start(measured, qpos)
            self._targets = self._targets_at(self._follower.rest)
        missing = self._take(action, step, T_world_camera)
        targets = self._targets.solve(self._ensembler, now + 1, motion.q, missing)
        return self._follower.step(motion, targets, measured is not None, self._targets.lag_m)

    def _targets_at(self, rest: FloatArray) -> TargetSolver:
        """What solves targets with the joints that are not driven at ``rest`` (n,) [rad]."""
        arms = carried_arms(self._robot, self._retargeter.arms, rest)
        if arms is None:
            return self._upright
        return TargetSolver(self._retargeter, self._T_camera_world, arms)

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

    def _take(
        self, action: ArrayLike | Action | None, step: int | None, T_world_camera: ArrayLike | None
    ) -> str:
        """Take in what the policy said; why a side without input will have to hold."""
        if action is None:
            return NO_ACTION
        try:
            seen = _observed_step(step, self.steps)
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
            if self.steps == 0:
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
