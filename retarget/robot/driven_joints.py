"""The joints a controller drives: both arms and the hands' active joints, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retarget.core.types import SIDES, FloatArray
from retarget.robot.joint_limits import JointLimits

if TYPE_CHECKING:
    from retarget.robot.robot import Robot


class DrivenJoints:
    """Both sides' arm joints and active hand joints as one vector, and the way to qpos.

    The vector is left arm (a), left hand (m), right arm (a), right hand (m): reshaped to
    (2, a + m), sides are an axis.

    Args:
        robot: the robot.

    Attributes:
        names: the k = 2 (a + m) joints.
        rows: (k,) their places in qpos.
        arms: a.
        hands: m.
        moved_rows: (j,) places in qpos of all joints that move: driven ones and those that mimic.
        source: (j,) the driven joint that each follows.
        multiplier: (j,) of its position.
        offset: (j,) added to that [rad].
    """

    def __init__(self, robot: Robot) -> None:
        left = robot.sides[0]
        self.arms, self.hands = len(left.arm_joints), len(left.active_joints)
        self.names = tuple(
            name for side in robot.sides for name in (*side.arm_joints, *side.active_joints)
        )
        self.rows = robot.indices(self.names)
        place = {name: k for k, name in enumerate(self.names)}
        moved, source, multiplier, offset = [], [], [], []
        for side in robot.sides:
            moved += [*side.arm_joints, *side.hand_joints]
            source += [place[name] for name in side.arm_joints]
            source += [place[side.active_joints[k]] for k in side.mimic_source]
            multiplier += [1.0] * self.arms + side.mimic_multiplier.tolist()
            offset += [0.0] * self.arms + side.mimic_offset.tolist()
        self.moved_rows = robot.indices(moved)
        self.source = np.array(source, dtype=np.int64)
        self.multiplier, self.offset = np.array(multiplier), np.array(offset)
        self.size, self.per_side = len(self.names), self.arms + self.hands
        self.sides = tuple(
            slice(k * self.per_side, (k + 1) * self.per_side) for k in range(len(SIDES))
        )

    def limits(self, limits: JointLimits) -> JointLimits:
        """Limits of the driven joints under which the joints that mimic them obey theirs.

        Args:
            limits: of all joints of the robot.
        """
        ends = np.stack([limits.lower, limits.upper])[:, self.moved_rows] - self.offset
        ends = np.sort(ends / self.multiplier, axis=0)  # a negative multiplier swaps them
        lower, upper = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        np.maximum.at(lower, self.source, ends[0])
        np.minimum.at(upper, self.source, ends[1])
        rates = []
        for values in (limits.velocity, limits.acceleration):
            least = np.full(self.size, np.inf)
            share = values[self.moved_rows] / np.abs(self.multiplier)
            np.minimum.at(least, self.source, share)
            rates.append(least)
        return JointLimits(self.names, lower, upper, *rates)

    def expand(self, q: FloatArray, qpos: FloatArray) -> None:
        """Write driven joints q (k,) and those that mimic them into qpos (n,) [rad]."""
        moved = q[self.source]
        moved *= self.multiplier
        moved += self.offset
        qpos[self.moved_rows] = moved
