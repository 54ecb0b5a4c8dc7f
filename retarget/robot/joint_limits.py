"""Limits of joints: position, velocity and acceleration, for all joints and for those driven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.errors import InputError
from retarget.core.types import FloatArray

if TYPE_CHECKING:
    from retarget.robot.robot import Robot


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints.

    Attributes:
        names: the joints.
        lower: (n,) positions [rad], -inf for none.
        upper: (n,) positions [rad], inf for none.
        velocity: (n,) [rad/s].
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
            if not 0.0 < v < np.inf:
                raise InputError(f"joint {joint!r} needs a velocity limit > 0, got {v} rad/s")
            if not a > 0.0:
                raise InputError(f"joint {joint!r} needs an acceleration limit > 0, got {a}")

    @classmethod
    def of(
        cls,
        robot: Robot,
        *,
        hand_velocity: float | None = None,
        acceleration_time: float = 0.1,
    ) -> JointLimits:
        """Limits of all joints of a robot, in the order of qpos.

        Args:
            robot: positions and velocities are those of its URDF.
            hand_velocity: of every hand joint, passive ones too, instead of the URDF's [rad/s].
            acceleration_time: a joint may come from rest to its largest velocity in this time [s].
                A URDF has no acceleration limits: 0.1 s is this library's choice.

        Raises:
            InputError: a value is not positive.
        """
        if hand_velocity is not None and not 0.0 < hand_velocity < np.inf:
            raise InputError(f"hand_velocity must be a positive number, got {hand_velocity}")
        if not 0.0 <= acceleration_time < np.inf:
            raise InputError(f"acceleration_time must not be negative, got {acceleration_time}")
        velocity = np.array(robot.velocity_limits)
        if hand_velocity is not None:
            for side in robot.sides:
                velocity[robot.indices(side.hand_joints)] = hand_velocity
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
