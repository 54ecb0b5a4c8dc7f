"""A plotly figure as plain JSON: panels, axes, and series short enough to draw."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.core.types import FloatArray, IntArray

# Okabe and Ito 2008 without yellow and sky blue, which white swallows; dashes differ too
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
FLOOR = 1e-9  # [m] or [rad] what a logarithmic axis goes down to
POINTS = 2000  # a line; more than a screen has columns
_TOP, _BOTTOM, _LEFT, _RIGHT = 46, 40, 80, 8  # margins [px]

Figure = dict[str, Any]


class Grid:
    """Panels under construction.

    Args:
        rows: panels from top to bottom.
        columns: panels from left to right.
        frames: number of frames T; 0 where the horizontal axis is something else.
        titles: words above the columns.
        row_height: of a panel [px].
        gaps: between columns, as a share of the width, and between rows [px].
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        frames: int = 0,
        titles: Sequence[str] = (),
        *,
        row_height: int = 150,
        gaps: tuple[float, int] = (0.02, 14),
    ) -> None:
        self._rows, self._columns, self._frames = rows, columns, frames
        self._traces: list[dict[str, Any]] = []
        self._named: set[str] = set()
        self._known: dict[tuple[int, int], bool] = {}
        inner = rows * row_height + (rows - 1) * gaps[1]
        self.layout: dict[str, Any] = {
            "height": inner + _TOP + _BOTTOM,
            "margin": {"t": _TOP, "b": _BOTTOM, "l": _LEFT, "r": _RIGHT},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"size": 11, "family": "system-ui, sans-serif"},
            "hovermode": "x unified",
            "hoverlabel": {"bgcolor": "#fff", "bordercolor": "#777", "font": {"color": "#111"}},
            "hoverdistance": -1,
            "dragmode": "zoom",
            "legend": {
                "orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yref": "container",
                "yanchor": "top", "bgcolor": "rgba(0,0,0,0)",
            },
            "annotations": [],
            "shapes": [],
            "meta": {"frames": frames},
        }  # fmt: skip
        width = (1.0 - gaps[0] * (columns - 1)) / columns
        for row in range(rows):
            top = 1.0 - row * (row_height + gaps[1]) / inner
            for column in range(columns):
                left = column * (width + gaps[0])
                self._add_axes(
                    row, column, [left, left + width], [max(0.0, top - row_height / inner), top]
                )
        for column, title in enumerate(titles):
            self.title(0, column, title)

    def _add_axes(self, row: int, column: int, across: list[float], up: list[float]) -> None:
        k = self._place(row, column)
        bottom = row == self._rows - 1
        x: dict[str, Any] = {"domain": across, "anchor": f"y{k}", "zeroline": False}
        y: dict[str, Any] = {"domain": up, "anchor": f"x{k}", "zeroline": False}
        if self._frames:
            x |= {"range": [-0.5, max(self._frames - 0.5, 0.5)], "showticklabels": bottom}
            x |= {
                "hoverformat": "d",
                "unifiedhovertitle": {"text": "frame %{x}"},
                "tickformat": "d",
                "nticks": 8,
            }
            if k:
                x["matches"] = "x"
            if bottom:
                x["title"] = {"text": "frame", "standoff": 4}
        self.layout[f"xaxis{k}"] = x
        self.layout[f"yaxis{k}"] = y

    def _place(self, row: int, column: int) -> str:
        number = row * self._columns + column + 1
        return "" if number == 1 else str(number)

    def x_axis(self, row: int, column: int, **settings: Any) -> None:
        """Settings of a panel's horizontal axis, as plotly names them."""
        self.layout[f"xaxis{self._place(row, column)}"] |= settings

    def y_axis(self, row: int, column: int, **settings: Any) -> None:
        """Settings of a panel's vertical axis, as plotly names them."""
        self.layout[f"yaxis{self._place(row, column)}"] |= settings

    def same_y(self, row: int, title: str, **settings: Any) -> None:
        """One vertical axis for a row: equal settings, moved together, labelled at the left."""
        first = f"y{self._place(row, 0)}"
        for column in range(self._columns):
            self.y_axis(row, column, **settings)
            if column:
                self.y_axis(row, column, matches=first, showticklabels=False)
        self.y_title(row, 0, title)

    def y_title(self, row: int, column: int, text: str) -> None:
        """Words beside a panel's vertical axis."""
        self.y_axis(row, column, title={"text": text, "standoff": 4})

    def title(self, row: int, column: int, text: str) -> None:
        """Words above a panel."""
        self._say(row, column, html.escape(text), 0, "left", "bottom")

    def _say(self, row: int, column: int, text: str, x: float, across: str, up: str) -> None:
        k = self._place(row, column)
        self.layout["annotations"].append(
            {
                "text": text, "showarrow": False, "xref": f"x{k} domain", "yref": f"y{k} domain",
                "x": x, "y": 0.5 if up == "middle" else 1, "xanchor": across, "yanchor": up,
            }
        )  # fmt: skip

    def level(self, row: int, column: int, value: float, dash: str = "dash") -> None:
        """A horizontal line across a panel: a tolerance or a limit."""
        self._line(row, column, dash, {"x0": 0, "x1": 1, "y0": value, "y1": value}, "x")

    def mark(self, row: int, column: int, value: float, dash: str = "dash") -> None:
        """A vertical line through a panel, at a place on its horizontal axis."""
        self._line(row, column, dash, {"x0": value, "x1": value, "y0": 0, "y1": 1}, "y")

    def _line(self, row: int, column: int, dash: str, ends: dict[str, float], across: str) -> None:
        k = self._place(row, column)
        refs = {f"{axis}ref": f"{axis}{k}" + " domain" * (axis == across) for axis in "xy"}
        style = {"color": "#777", "width": 1, "dash": dash}
        self.layout["shapes"].append({"type": "line", **refs, **ends, "line": style})

    def add(self, row: int, column: int, trace: dict[str, Any]) -> None:
        """A trace; of those with one name, the first stands for all in the legend."""
        k, name = self._place(row, column), trace.get("name", "")
        shown = bool(name) and name not in self._named
        self._named.add(name)
        axes = {"xaxis": f"x{k}", "yaxis": f"y{k}", "legendgroup": name, "showlegend": shown}
        self._traces.append({**trace, **axes})

    def line(
        self,
        row: int,
        column: int,
        values: FloatArray,
        name: str,
        style: int = 0,
        *,
        points: int = POINTS,
        lows: bool = False,
        unit: str = "",
    ) -> None:
        """A series (T,) over the frames, in the colour and dashes of a style's number.

        Args:
            row: of the panel.
            column: of the panel.
            values: the series.
            name: in the legend.
            style: see `line_style`.
            points: how many to draw at most, see `envelope`.
            lows: keep the smallest values of a long series too.
            unit: after the number that is shown under the pointer.
        """
        known = self._known.get((row, column), False)
        self._known[row, column] = known or bool(np.isfinite(values).any())
        frames, kept = envelope(values, points, lows=lows)
        trace: dict[str, Any] = {"type": "scatter", "mode": "lines", "name": html.escape(name)}
        if len(values) == 1:
            trace |= {"mode": "markers", "marker": {"color": COLOURS[style % len(COLOURS)]}}
        if len(kept) < len(values):
            trace["x"] = packed(frames, "i4")
        else:
            trace |= {"x0": 0, "dx": 1}
        trace["y"] = packed(kept)
        trace["line"] = line_style(style)
        trace["hovertemplate"] = f"%{{y}}{unit}"
        self.add(row, column, trace)

    def figure(self) -> Figure:
        """Data and layout, JSON-able."""
        for (row, column), known in self._known.items():
            if not known:
                self._say(row, column, "nothing known", 0.5, "center", "middle")
        return {"data": self._traces, "layout": self.layout}


def line_style(style: int) -> dict[str, Any]:
    """Colour and dashes of a style's number."""
    return {
        "color": COLOURS[style % len(COLOURS)],
        "dash": DASHES[style % len(DASHES)],
        "width": 1.4,
    }


def packed(values: ArrayLike, dtype: str = "f4") -> dict[str, str]:
    """Numbers as plotly takes them in bulk: base64 of little-endian ``f4``, ``f8``, ``i4``, ..."""
    array: NDArray[Any] = np.ascontiguousarray(values, dtype=f"<{dtype}")
    return {"dtype": dtype, "bdata": base64.b64encode(array.tobytes()).decode("ascii")}


def envelope(
    values: FloatArray, points: int = POINTS, *, lows: bool = True
) -> tuple[IntArray, FloatArray]:
    """A series (T,) as frames and values that draw alike: all of them, or of each bucket some.

    A bucket of a long series gives its smallest and its largest value, each at its own frame, so
    that every peak stays, exactly. NaN is left out of buckets that hold anything else.

    Args:
        values: the series.
        points: how many to draw at most.
        lows: False for errors, whose smallest values are of no interest.
    """
    frames = len(values)
    if frames <= points:
        return np.arange(frames), values
    width = -(-frames // (points // 2))
    buckets = -(-frames // width)
    padded = np.full(buckets * width, np.nan)
    padded[:frames] = values
    table = padded.reshape(buckets, width)
    first = width * np.arange(buckets)
    picked = first + np.argmax(np.where(np.isnan(table), -np.inf, table), axis=1)
    if lows:
        low = first + np.argmin(np.where(np.isnan(table), np.inf, table), axis=1)
        picked = np.sort(np.stack([low, picked], axis=1), axis=1).ravel()
    return picked, values[picked]


def log_axis(values: Sequence[FloatArray], unit: str, *levels: float) -> dict[str, Any]:
    """A logarithmic axis that shows all values, down to `FLOOR`, and all levels."""
    seen = np.concatenate([np.ravel(v) for v in values])
    seen = np.clip(seen[np.isfinite(seen)], FLOOR, None)
    shown = [*([seen.min(), seen.max()] if seen.size else []), *(x for x in levels if x > FLOOR)]
    shown = shown or [FLOOR, 10.0 * FLOOR]
    low, high = np.log10(min(shown)), np.log10(max(shown))
    ends = [float(low) - 0.15, float(max(high, low + 1.0)) + 0.15]
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


def from_zero(values: Sequence[FloatArray]) -> list[float]:
    """Ends of an axis from zero to a little above all values."""
    seen = np.concatenate([np.ravel(v) for v in values])
    most = float(seen[np.isfinite(seen)].max(initial=0.0))
    return [0.0, 1.06 * most or 1.0]
