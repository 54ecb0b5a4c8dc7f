"""Keeps a motion from bringing the robot's links too near to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retarget.driven_joints import DrivenJoints
from retarget.joint_motion import JointMotion
from retarget.self_collision import Nearest, SelfCollision
from retarget.types import SIDES, FloatArray

if TYPE_CHECKING:
    from retarget.robot import Robot

_SAME = 1e-4  # poses this near to each other are looked at once [rad]
_NOISE = 1e-6  # of distances that are searched for, not computed [m]


class CollisionGuard:
    """Lets a step pass, or brakes.

    A step passes where both the pose after it and the pose in which it could then come to rest keep
    the margin, or the nearest links come no nearer than they were. Else the sides the nearest links
    belong to brake, or both where that is not enough. Braking obeys the limits of `JointMotion`,
    and leads to the pose of rest that passed one step before.

    Args:
        robot: the robot.
        driven: its driven joints.
        margin: distance between links to keep [m].
    """

    def __init__(self, robot: Robot, driven: DrivenJoints, margin: float) -> None:
        self._collision = SelfCollision(robot, margin=margin)
        self._driven = driven
        self._side_of = {
            name: k
            for k, side in enumerate(robot.sides)
            for name in (*side.arm_joints, *side.hand_joints)
        }
        self.reset()

    def reset(self) -> None:
        """Know nothing of earlier steps."""
        self._least = np.nan

    def step(
        self, motion: JointMotion, proposal: FloatArray, qpos: FloatArray
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
        for joint in near.joints:
            if joint in self._side_of:
                blocked[self._side_of[joint]] = True
        some = self._mixed(proposal, braked, blocked)
        near = self._on_the_way(motion, some, qpos)
        if not all(blocked) and self._passes(near):
            return some, near, (blocked[0], blocked[1])
        if not all(blocked):
            near = self._on_the_way(motion, braked, qpos)
        self._least = near.distance
        return braked, near, (True, True)

    def _passes(self, near: Nearest) -> bool:
        """Whether the links keep the margin, or come no nearer than they have been allowed to."""
        margin = self._collision.margin
        if near.distance < min(margin, self._least - _NOISE):
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

    def _on_the_way(self, motion: JointMotion, joints: FloatArray, qpos: FloatArray) -> Nearest:
        """The nearest links after a step and at rest after it, whichever are nearer."""
        rest = motion.stopping_point_after(joints)
        self._driven.expand(rest, qpos)
        near = self._collision.nearest(qpos)
        if np.abs(rest - joints).max() > _SAME:
            self._driven.expand(joints, qpos)
            near = min(near, self._collision.nearest(qpos), key=lambda pair: pair.distance)
        return near
