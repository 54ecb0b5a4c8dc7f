"""What a replay measures: the table of its errors, which record, JSON, tables and plots read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from retarget.core.statistics import FrameStats
from retarget.core.text import angle_text, length_text
from retarget.core.types import FloatArray, Status

if TYPE_CHECKING:
    from retarget.mapping.people_retargeter import MappedMotion
    from retarget.mapping.retargeter import Returned, RoundTrip
    from retarget.replay.tolerances import Tolerances

    Measured = RoundTrip | Returned | MappedMotion

REACHED = "reached_"
_ROUNDING = 1e-10  # [m] or [rad] an error that says nothing about a frame


@dataclass(frozen=True)
class Metric:
    """An error of every frame.

    Attributes:
        key: its name in `SideReplay`, in JSON and in the page's data; ends in its unit.
        title: words for tables.
        of: "fit", "hand" or "arm", whose error it is. An arm's is also measured without the poses
            that are out of its reach, with `REACHED` before its key.
        text: a value in words.
        formula: how it is computed, in a line.
        tolerance: the field of `Tolerances` that single values are held against, "" for none.
    """

    key: str
    title: str
    of: Literal["fit", "hand", "arm"]
    text: Callable[[float], str]
    formula: str
    tolerance: str = ""

    def errors(self, trip: Measured) -> FloatArray:
        """(T, 2, ...) of a round trip, which has them under the key; NaN where unknown."""
        return np.asarray(getattr(trip, self.key))

    @property
    def unit(self) -> str:
        """Of its values."""
        return self.key.rpartition("_")[2]

    def tolerated(self, tolerances: Tolerances) -> float:
        """What single values are held against, 0 where there is no such bound."""
        return float(getattr(tolerances, self.tolerance)) if self.tolerance else 0.0


METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "fit_residual_m", "fit residual", "fit", length_text,
            "mean over the fingers of |fitted human fingertip - robot fingertip|, at robot scale",
        ),
        Metric(
            "fingertip_error_m", "fingertips", "hand", length_text,
            "|returned fingertip - recorded fingertip|, both at the recorded wrist",
            tolerance="fingertip_p99_m",
        ),
        Metric(
            "hand_joint_error_rad", "hand joints", "hand", angle_text,
            "|returned joint - recorded joint|",
        ),
        Metric(
            "direction_error_rad", "fingertip direction", "hand", angle_text,
            "angle between the person's and the robot's vector from wrist to fingertip",
        ),
        Metric(
            "wrist_position_error_m", "wrist position", "arm", length_text,
            "|returned wrist - recorded wrist|",
            tolerance="wrist_m",
        ),
        Metric(
            "wrist_rotation_error_rad", "wrist rotation", "arm", angle_text,
            "angle between the returned and the recorded wrist",
            tolerance="wrist_rad",
        ),
    )
}  # fmt: skip


def measured(trip: Measured) -> dict[str, FloatArray]:
    """Every error (T, 2, ...) that there is by its key, those without poses out of reach last."""
    known = [metric for metric in METRICS.values() if hasattr(trip, metric.key)]
    found = {metric.key: metric.errors(trip) for metric in known}
    far = trip.arm_status == Status.UNREACHABLE
    for metric in known:
        if metric.of == "arm":
            errors = found[metric.key]
            lost = far.reshape(*far.shape, *[1] * (errors.ndim - far.ndim))
            found[REACHED + metric.key] = np.where(lost, np.nan, errors)
    return found


def worst_frame_text(stats: FrameStats) -> str:
    """The frame of the largest error, unless rounding alone decides which one that is."""
    return str(stats.worst_frame) if stats.worst_frame >= 0 and stats.max > _ROUNDING else "-"
