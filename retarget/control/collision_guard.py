"""Keeps a motion from bringing the robot's links too near to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retarget.control.limited_motion import LimitedMotion
from retarget.core.types import SIDES, FloatArray
from retarget.robot.joint_limits import DrivenJoints
from retarget.robot.self_collision import Nearest, SelfCollision

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

_SAME = 1e-4  # poses this near to each other are looked at once [rad]
_NOISE = 1e-6  # of distances that are searched for, not computed [m]
_LOOKS = 20  # at most; a way that so many cannot show to be clear is not taken
_SLOWER = 0.2  # of the way beyond braking, where the whole of it takes too many looks
_FINEST = 2.5e-3  # the way is looked at no finer than this [m]


class CollisionGuard:
    """Lets a step pass, or brakes.

    A step passes where the way from here through the pose after it to the pose in which the robot
    could then come to rest keeps the margin, or the nearest links come no nearer than they were.
    Else the sides the nearest links belong to brake, or both where that is not enough. Braking
    obeys the limits of `LimitedMotion`, and is the way that passed one step before.

    Distances are computed of both poses. The way between is halved until each pair of links is
    proven clear by a lower bound, or moves by less than the margin (2.5 mm at least) around a pose
    in which it is: with a larger margin they do not touch in between. Where that takes too long for
    a control loop, both sides slow down, so that the way is shorter.

    Args:
        robot: the robot.
        driven: its driven joints.
        margin: distance between links to keep [m].
    """

    def __init__(self, robot: Robot, driven: DrivenJoints, margin: float) -> None:
        self._collision = SelfCollision(robot, margin=margin)
        self._fine = max(margin, _FINEST)
        self._driven = driven
        self._side_of = {
            name: k
            for k, side in enumerate(robot.sides)
            for name in (*side.arm_joints, *side.hand_joints)
        }
        self.reset()

    def reset(self) -> None:
        """Know nothing of earlier steps."""
        self._least, self._looks = np.nan, _LOOKS

    def step(
        self, motion: LimitedMotion, proposal: FloatArray, qpos: FloatArray
    ) -> tuple[FloatArray, Nearest, tuple[bool, bool]]:
        """What may be done of a proposed step.

        Args:
            motion: of the driven joints.
            proposal: (k,) its proposal [rad].
            qpos: (n,) the robot's joints, driven ones to be overwritten [rad].

        Returns:
            The joints to take (k,), the nearest links on the way to rest, and the sides that brake.
        """
        blocked = [False] * len(SIDES)
        if np.isnan(self._least):
            self._driven.expand(motion.q, qpos)
            self._least = self._collision.nearest(qpos).distance
        near = self._on_the_way(motion, proposal, qpos)
        if self._passes(near):
            return proposal, near, (False, False)
        braked = motion.braked()
        if self._looks <= 0:
            # each joint may go any way between the two
            proposal = braked + _SLOWER * (proposal - braked)
            near = self._on_the_way(motion, proposal, qpos)
            if self._passes(near):
                return proposal, near, (True, True)
        for joint in near.joints:
            if joint in self._side_of:
                blocked[self._side_of[joint]] = True
        if not all(blocked):
            some = self._mixed(proposal, braked, blocked)
            near = self._on_the_way(motion, some, qpos)
            if self._passes(near):
                return some, near, (blocked[0], blocked[1])
        near = self._at_the_ends(self._way(motion, braked, qpos))
        self._least = near.distance
        return braked, near, (True, True)

    @property
    def _allowed(self) -> float:
        """The least distance that passes [m]."""
        return min(self._collision.margin, self._least - _NOISE)

    def _passes(self, near: Nearest) -> bool:
        """Whether the links keep the margin, or come no nearer than they have been allowed to."""
        margin = self._collision.margin
        if near.distance < self._allowed:
            return False
        # noise must not add up to a way
        self._least = near.distance if near.distance >= margin else max(self._least, near.distance)
        return True

    def _mixed(self, proposal: FloatArray, braked: FloatArray, blocked: list[bool]) -> FloatArray:
        mixed = proposal.copy()
        for k, place in enumerate(self._driven.sides):
            if blocked[k]:
                mixed[place] = braked[place]
        return mixed

    def _way(self, motion: LimitedMotion, joints: FloatArray, qpos: FloatArray) -> FloatArray:
        """(T, n) joints from here through a step until the robot has come to rest [rad]."""
        driven = [motion.q, *motion.way_to_rest(joints)]
        way = np.tile(qpos, (len(driven), 1))
        for q, row in zip(driven, way, strict=True):
            self._driven.expand(q, row)
        return way

    def _on_the_way(self, motion: LimitedMotion, joints: FloatArray, qpos: FloatArray) -> Nearest:
        """The nearest links after a step and at rest after it, or those that block the way."""
        self._looks = _LOOKS
        way = self._way(motion, joints, qpos)
        near = self._at_the_ends(way)
        turns = np.abs(np.diff(way, axis=0)).sum(axis=0)
        nearer = float(self._collision.nearer_by(turns).max())
        if near.distance < self._allowed or nearer <= self._fine:
            return near
        if near.distance - nearer >= self._collision.margin:
            return near
        return self._blocking(way) or near

    def _at_the_ends(self, way: FloatArray) -> Nearest:
        """The nearest links after a step and at rest after it, whichever are nearer."""
        near = self._collision.nearest(way[-1])
        if np.abs(way[-1] - way[1]).max() > _SAME:
            near = min(near, self._collision.nearest(way[1]), key=lambda pair: pair.distance)
        return near

    def _blocking(self, way: FloatArray) -> Nearest | None:
        """Links that may come too near on a way (T, n), None where none do [rad]."""
        done = np.concatenate([[0.0], np.abs(np.diff(way, axis=0)).sum(axis=1).cumsum()])
        half = 0.5 * done[-1]
        k = int(np.searchsorted(done, half, side="right"))
        middle = way[k - 1] + (half - done[k - 1]) / (done[k] - done[k - 1]) * (way[k] - way[k - 1])
        nearer = self._collision.nearer_by(np.abs(way - middle).max(axis=0))
        nearer[nearer <= self._fine] = 0.0
        near = self._collision.nearest(middle, nearer)
        self._looks -= 1
        if near.distance >= self._allowed:
            return None
        if self._looks <= 0 or not nearer.any():
            return near
        return self._blocking(np.vstack([way[:k], middle])) or self._blocking(
            np.vstack([middle, way[k:]])
        )
