"""What a valid demonstration may lose, and how fast an arm may move without jumping."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from retarget.core.errors import InputError

ARM_JUMP = 3.0  # how many times as fast as ever recorded an arm moves that jumps


@dataclass(frozen=True)
class Tolerances:
    """What a valid demonstration may lose.

    Attributes:
        fingertip_m: mean fingertip round-trip error [m]; the published networks state this much.
        fingertip_p99_m: its 99th percentile [m].
        wrist_m: wrist position error of any frame [m].
        wrist_rad: wrist rotation error of any frame [rad].
        missing: share of the frames in which a hand may be missing [-].
    """

    fingertip_m: float = 5e-5
    fingertip_p99_m: float = 2e-4
    wrist_m: float = 1e-5
    wrist_rad: float = math.radians(0.005)
    missing: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no tolerance."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0.0:
                raise InputError(f"tolerance {field.name} must not be negative, got {value}")


def arm_speed_allowed(recorded: float) -> float:
    """How fast an arm may move without jumping, as a share of its joints' velocity limits.

    Args:
        recorded: how fast the recorded arm moves at most, as such a share.
    """
    return max(1.0, ARM_JUMP * recorded)
