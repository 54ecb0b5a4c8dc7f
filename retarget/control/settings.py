"""How a controller behaves: rate, frames, limits, holds, filter and collisions."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from retarget.actions.ensembler import MOST_ROWS
from retarget.control.filters import FILTERS
from retarget.core.checks import real, whole
from retarget.core.errors import InputError
from retarget.robot.joint_limits import JointLimits


@dataclass(frozen=True)
class ControllerSettings:
    """How a controller behaves.

    Attributes:
        rate: commands per second [Hz].
        camera: the robot's camera in whose frame the policy speaks; None for the world frame.
        horizon: most rows of a chunk.
        wrist_decay: of older chunks' weights, see `ChunkEnsembler`.
        hand_decay: the same for the hands.
        limits: of all joints, None for those of the robot with `arm_velocity` and
            `hand_velocity`.
        arm_velocity: of every arm joint instead of the URDF's [rad/s], see `JointLimits.of`.
        hand_velocity: the same of every hand joint.
        filter: of the joint targets: "none", "one_euro" or "critical".
        hold_timeout: how long a hold counts as a short loss [s].
        after_timeout: "stay", or "posture": the arm goes to its posture slowly.
        approach: share of the velocity and acceleration limits at the start and after a hold.
        collision_margin: distance between links to keep [m]; None to not watch collisions.
    """

    rate: float = 30.0
    camera: str | None = "main"
    horizon: int = 30
    wrist_decay: float = 0.2
    hand_decay: float = 0.8
    limits: JointLimits | None = None
    arm_velocity: float | None = None
    hand_velocity: float | None = None
    filter: str = "none"
    hold_timeout: float = 1.0
    after_timeout: str = "stay"
    approach: float = 0.5
    collision_margin: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < real("rate", self.rate) < math.inf:
            raise InputError(f"rate must be a positive number of steps a second, got {self.rate}")
        if whole("horizon", self.horizon, 1) > MOST_ROWS:
            raise InputError(f"horizon must be 1 to {MOST_ROWS} rows, got {self.horizon}")
        for name in ("wrist_decay", "hand_decay", "hold_timeout", "collision_margin"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= real(name, value) < math.inf:
                raise InputError(f"{name} must not be negative, got {value}")
        for name, known in (("filter", FILTERS), ("after_timeout", ("stay", "posture"))):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        if not 0.0 < real("approach", self.approach) <= 1.0:
            raise InputError(f"approach must be above 0 and at most 1, got {self.approach}")
        for name in ("arm_velocity", "hand_velocity"):
            value = getattr(self, name)
            if value is not None and not 0.0 < real(name, value) < math.inf:
                raise InputError(f"{name} must be positive, got {value}")
            if value is not None and self.limits is not None:
                raise InputError(f"give either limits or {name}")

    def but(self, **changes: Any) -> ControllerSettings:
        """These settings with some changed.

        Raises:
            InputError: there is no such setting, or it is out of range.
        """
        known = [field.name for field in fields(self)]
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise InputError(f"no setting named {unknown[0]!r}; there are {', '.join(known)}")
        return replace(self, **changes)
