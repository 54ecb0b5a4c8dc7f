"""Limits of joints, and the joints that a controller drives: both arms and active hand joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray
from retarget.robot.robot import Robot


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints.

    Attributes:
        names: the joints.
        lower: (n,) positions [rad], -inf for none.
        upper: (n,) positions [rad], inf for none.
        velocity: (n,) [rad/s], inf for unknown.
        acceleration: (n,) [rad/s^2], inf for none.

    Raises:
        InputError: a shape is wrong, or a limit is not positive or leaves no range.
    """

    names: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    velocity: FloatArray
    acceleration: FloatArray

    def __post_init__(self) -> None:
        for name in ("lower", "upper", "velocity", "acceleration"):
            values = np.array(getattr(self, name), dtype=np.float64)
            if values.shape != (len(self.names),):
                raise InputError(f"{name} must be ({len(self.names)},), got {values.shape}")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        # written so that NaN fails
        for joint, low, high, v, a in zip(
            self.names, self.lower, self.upper, self.velocity, self.acceleration, strict=True
        ):
            if not low < high:
                raise InputError(f"joint {joint!r} has no range: {low} to {high} rad", value=joint)
            if not v > 0.0:
                raise InputError(f"joint {joint!r} needs a velocity limit > 0, got {v} rad/s")
            if not a > 0.0:
                raise InputError(f"joint {joint!r} needs an acceleration limit > 0, got {a}")

    @classmethod
    def of(
        cls,
        robot: Robot,
        *,
        arm_velocity: float | None = None,
        hand_velocity: float | None = None,
        acceleration_time: float = 0.1,
    ) -> JointLimits:
        """Limits of all joints of a robot, in the order of qpos.

        Args:
            robot: positions and velocities are those of its URDF.
            arm_velocity: of every arm joint, instead of the URDF's [rad/s].
            hand_velocity: of every hand joint, passive ones too, instead of the URDF's [rad/s].
            acceleration_time: a joint may come from rest to its largest velocity in this time [s].
                A URDF has no acceleration limits: 0.1 s is this library's choice.

        Raises:
            InputError: a value is not positive, or the URDF does not know how fast a joint of an
                arm or hand may move, nor is it given.
        """
        given = {"arm_velocity": arm_velocity, "hand_velocity": hand_velocity}
        for name, value in given.items():
            if value is not None and not 0.0 < value < np.inf:
                raise InputError(f"{name} must be a positive number, got {value}")
        if not 0.0 <= acceleration_time < np.inf:
            raise InputError(f"acceleration_time must not be negative, got {acceleration_time}")
        velocity = np.array(robot.velocity_limits)
        for side in robot.sides:
            for (name, value), joints in zip(
                given.items(), (side.arm_joints, side.hand_joints), strict=True
            ):
                rows = robot.indices(joints)
                if value is not None:
                    velocity[rows] = value
                unknown = np.flatnonzero(~np.isfinite(velocity[rows]))
                if unknown.size:
                    raise InputError(
                        f"joint {joints[unknown[0]]!r} has no velocity limit in "
                        f"{robot.urdf_path}, where 0 means unknown; say how fast it may move "
                        f"({name}, rad/s)",
                        value=joints[unknown[0]],
                    )
        acceleration = (
            velocity / acceleration_time if acceleration_time else np.full_like(velocity, np.inf)
        )
        return cls(robot.joint_names, robot.lower, robot.upper, velocity, acceleration)

    def only(self, names: Sequence[str]) -> JointLimits:
        """Limits of some of the joints.

        Raises:
            InputError: a joint is not among them.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise InputError(f"no limits of a joint named {unknown[0]!r}", value=unknown)
        rows = [self.names.index(name) for name in names]
        return JointLimits(
            tuple(names),
            self.lower[rows],
            self.upper[rows],
            self.velocity[rows],
            self.acceleration[rows],
        )


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
