"""What a plot of the report is made of, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.report_html.grid import Figure, log_range
from retarget.types import SIDES, FloatArray

if TYPE_CHECKING:
    from retarget.replay import Replay
    from retarget.replay_stats import FrameStats

LENGTH_FLOOR, ANGLE_FLOOR = 1e-9, 1e-9  # [m], [rad] what a logarithmic axis goes down to


@dataclass(frozen=True)
class Plot:
    """A figure and what is said about it.

    Attributes:
        name: unique within a demonstration.
        title: its heading.
        caption: how to read it, one or two sentences.
        summary: the same for those who cannot see it: what it shows, in figures.
        figure: data and layout for plotly.
    """

    name: str
    title: str
    caption: str
    summary: str
    figure: Figure


def log_axis(values: list[FloatArray], floor: float, unit: str, *levels: float) -> dict[str, Any]:
    """A logarithmic axis that shows all values, down to a floor, and all levels."""
    ends = log_range(values, floor, *levels)
    return {
        "type": "log",
        "range": ends,
        "tickformat": "~s",
        "ticksuffix": unit,
        "hoverformat": ".3s",
        "dtick": 1 if ends[1] - ends[0] > 2.0 else "D2",
        "exponentformat": "SI",
    }


def stats_text(replay: Replay, name: str, text: Callable[[float], str]) -> str:
    """Mean, maximum and worst frame of a figure of `SideReplay`, per side."""
    told = []
    for side, found in zip(SIDES, replay.sides, strict=True):
        stats: FrameStats = getattr(found, name)
        told.append(
            f"{side}: mean {text(stats.mean)}, largest {text(stats.max)} in frame "
            f"{stats.worst_frame}"
        )
    return "; ".join(told) + "."


def from_zero(values: Sequence[FloatArray]) -> list[float]:
    """Ends of an axis from zero to a little above all values."""
    seen = np.concatenate([np.ravel(v) for v in values])
    most = float(seen[np.isfinite(seen)].max(initial=0.0))
    return [0.0, 1.06 * most or 1.0]
