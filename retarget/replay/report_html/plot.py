"""What a plot of the report is made of, and what several of them share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.types import SIDES, FloatArray
from retarget.replay.report_html.grid import Figure, log_range

if TYPE_CHECKING:
    from retarget.core.statistics import FrameStats
    from retarget.replay.replay import Replay

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
    ticks = _ticks(ends)
    return {
        "type": "log",
        "range": ends,
        "hoverformat": ".3s",
        "tickvals": ticks,
        "ticktext": [_tick_text(tick, unit) for tick in ticks],
    }


def _ticks(ends: list[float]) -> list[float]:
    """Powers of ten within a logarithmic range; 1, 2, 5 of them within a short one."""
    span = ends[1] - ends[0]
    digits = (1.0, 2.0, 5.0) if span <= 2.0 else (1.0,)
    powers = range(math.floor(ends[0]), math.ceil(ends[1]) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    return [tick for tick in ticks if ends[0] <= math.log10(tick) <= ends[1]]


def _tick_text(value: float, unit: str) -> str:
    size, prefix = next(
        (s, p)
        for s, p in ((1e-9, "n"), (1e-6, "u"), (1e-3, "m"), (math.inf, ""))
        if value < 999 * s
    )
    return f"{value / (size if prefix else 1.0):.3g} {prefix}{unit}"


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
