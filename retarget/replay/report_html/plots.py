"""The plots of one demonstration: statuses, errors over time and as a histogram, motion, joints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.status import severer, statuses_text
from retarget.core.text import angle_text, length_text
from retarget.core.types import FINGERS, SIDES, FloatArray, IntArray, Status
from retarget.replay.metrics import METRICS
from retarget.replay.report_html.figure import (
    FLOOR,
    Figure,
    Grid,
    from_zero,
    line_style,
    log_axis,
    packed,
)
from retarget.viewer.colours import STATUS_COLOURS, STATUS_TEXT

if TYPE_CHECKING:
    from retarget.mapping.retargeter import RoundTrip
    from retarget.replay.metrics import Measured
    from retarget.replay.replay import Judged, Replay
    from retarget.replay.tolerances import Tolerances
    from retarget.robot.robot import Robot

RUNS = 1000  # stretches of one status a row
_BINS = 40  # of a histogram
_JOINT_POINTS = 600  # of a line in the narrow panels of joints
_ACROSS = 4  # panels of joints beside each other
_PATTERNS = {
    Status.AT_LIMIT: "/",
    Status.UNREACHABLE: "x",
    Status.NOT_CONVERGED: "+",
    Status.MISSING_INPUT: ".",
    Status.HELD: "-",
}


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


def demo_plots(
    trip: RoundTrip, replay: Replay, robot: Robot, tolerances: Tolerances
) -> Iterable[Plot]:
    """All plots of a demonstration, in the order to show them."""
    yield statuses(trip, replay)
    yield _fingertips(trip, replay, tolerances)
    yield wrists(trip, replay, tolerances)
    yield _hand_joints(trip, replay)
    yield _residuals(trip, replay)
    yield _histogram(trip, replay, tolerances)
    yield motion(trip, replay, robot)
    for group in ("arm", "hand"):
        for h in range(len(SIDES)):
            yield joint_angles(trip, robot, h, group)


def statuses(trip: Measured, replay: Judged) -> Plot:
    """A timeline: what became of each hand and arm in each frame, and where something jumps."""
    grid = Grid(1, 1, len(trip.robot.qpos), row_height=130)
    rows = {f"{side} {part}": (h, part) for h, side in enumerate(SIDES) for part in ("hand", "arm")}
    bars: dict[Status, list[tuple[int, int, str]]] = {status: [] for status in Status}
    for row, (h, part) in rows.items():
        values = trip.robot.hand_status if part == "hand" else trip.robot.arm_status
        for first, length, status in zip(*runs(values[:, h]), strict=True):
            bars[Status(status)].append((int(first), int(length), row))
    for status, found in bars.items():
        if found:
            grid.add(0, 0, _bars(status, found))
    jumps = (
        ("label jump", "hand", "diamond", [side.label_jump_frames or () for side in replay.sides]),
        ("arm jump", "arm", "triangle-up", [side.arm_jump_frames for side in replay.sides]),
    )
    for name, part, symbol, frames in jumps:
        at = [(frame, f"{side} {part}") for h, side in enumerate(SIDES) for frame in frames[h]]
        if at:
            at = at[:: -(-len(at) // RUNS)]
            grid.add(0, 0, _markers(name, symbol, at))
    grid.y_axis(
        0, 0, type="category", categoryarray=list(rows)[::-1], categoryorder="array",
        fixedrange=True, range=[-0.5, len(rows) - 0.5], showgrid=False,
    )  # fmt: skip
    grid.layout |= {"barmode": "overlay", "bargap": 0.25, "hovermode": "closest"}
    grid.layout |= {"uniformtext": {"mode": "hide", "minsize": 9}}
    counts = (
        f"{side} hand: {statuses_text(found.hand_status)}, arm: {statuses_text(found.arm_status)}"
        for side, found in zip(SIDES, replay.sides, strict=True)
    )
    return Plot(
        "statuses",
        "Statuses",
        "What became of each hand and arm in each frame; diamonds are label jumps, triangles arm "
        "jumps.",
        "Frames per status. " + "; ".join(counts),
        grid.figure(),
    )


def _markers(name: str, symbol: str, at: list[tuple[int, str]]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": name,
        "marker": {"symbol": symbol, "size": 9, "color": "#fff",
                   "line": {"color": "#000", "width": 1.5}},
        "x": [frame for frame, _ in at], "y": [row for _, row in at],
        "hovertemplate": f"frame %{{x}}: {name}<extra></extra>",
    }  # fmt: skip


def _bars(status: Status, found: list[tuple[int, int, str]]) -> dict[str, Any]:
    words = STATUS_TEXT[status]
    first = np.array([f for f, _, _ in found])
    length = np.array([n for _, n, _ in found])
    return {
        "type": "bar", "orientation": "h", "name": words,
        "base": packed(first - 0.5, "f8"), "x": packed(length, "f8"), "y": [r for *_, r in found],
        "text": [words] * len(found), "textposition": "inside", "insidetextanchor": "middle",
        "textangle": 0, "textfont": {"color": "#000"},
        "marker": {
            "color": STATUS_COLOURS[status], "line": {"width": 0},
            "pattern": {"shape": _PATTERNS.get(status, ""), "size": 7, "solidity": 0.1,
                        "fillmode": "overlay", "fgcolor": "#000"},
        },
        "customdata": [f"{f}" if n == 1 else f"{f} to {f + n - 1}" for f, n, _ in found],
        "hovertemplate": f"frame %{{customdata}}: {words}<extra>%{{y}}</extra>",
    }  # fmt: skip


def runs(status: IntArray, most: int = RUNS) -> tuple[IntArray, IntArray, IntArray]:
    """Stretches of equal status of a series (T,), T > 0: first frames, lengths, statuses.

    Where there are more than ``most``, buckets of frames take their most severe status first.
    """
    starts = _starts(status)
    if len(starts) > most:
        width = -(-len(status) // most)
        padded = np.pad(status, (0, -len(status) % width), mode="edge")
        worst = reduce(severer, [padded[shift::width] for shift in range(width)])
        status = np.asarray(np.repeat(worst, width)[: len(status)])
        starts = _starts(status)
    return starts, np.diff(np.append(starts, len(status))), status[starts]


def _starts(values: IntArray) -> IntArray:
    changes = np.flatnonzero(np.diff(values)) + 1
    return np.concatenate([np.zeros(1, dtype=np.int64), changes])


def _fingertips(trip: RoundTrip, replay: Replay, tolerances: Tolerances) -> Plot:
    """Each fingertip's round-trip error over time."""
    errors = trip.fingertip_error_m
    grid = Grid(1, 2, trip.demo.frames, SIDES, row_height=190)
    levels = tolerances.fingertip_m, tolerances.fingertip_p99_m
    for h in range(len(SIDES)):
        for k, finger in enumerate(FINGERS):
            grid.line(0, h, np.maximum(errors[:, h, k], FLOOR), finger, k, unit="m")
        for level, dash in zip(levels, ("dash", "dot"), strict=True):
            if level > 0.0:
                grid.level(0, h, level, dash)
    grid.same_y(0, "fingertip error", **log_axis([errors], "m", *levels))
    return Plot(
        "fingertips",
        "Fingertip error",
        "Distance between each recorded fingertip and that of the joints that come back. Dashed: "
        f"the mean tolerated, {length_text(levels[0])}; dotted: the 99th percentile tolerated, "
        f"{length_text(levels[1])}.",
        stats_text(replay, "fingertip_error_m"),
        grid.figure(),
    )


def wrists(trip: Measured, replay: Judged, tolerances: Tolerances) -> Plot:
    """Position and rotation error of the wrists over time."""
    grid = Grid(2, 2, len(trip.robot.qpos), SIDES, row_height=120)
    keys = "wrist_position_error_m", "wrist_rotation_error_rad"
    for row, metric in enumerate(METRICS[key] for key in keys):
        errors, level = metric.errors(trip), metric.tolerated(tolerances)
        words = metric.title.removeprefix("wrist ")
        for h in range(len(SIDES)):
            grid.line(row, h, np.maximum(errors[:, h], FLOOR), words, row, unit=metric.unit)
            if level > 0.0:
                grid.level(row, h, level)
        grid.same_y(row, f"{words} error", **log_axis([errors], metric.unit, level))
    return Plot(
        "wrists",
        "Wrist error",
        "What the arm's inverse kinematics leaves, poses out of reach included. Dashed: tolerated, "
        f"{length_text(tolerances.wrist_m)} and {angle_text(tolerances.wrist_rad)}. Errors under "
        f"{length_text(FLOOR)} or {angle_text(FLOOR)} are drawn there.",
        " Rotation: ".join(stats_text(replay, key) for key in keys),
        grid.figure(),
    )


def _hand_joints(trip: RoundTrip, replay: Replay) -> Plot:
    """Recorded less returned hand joints over time: the joint that is farthest off, and all."""
    errors = trip.hand_joint_error_rad
    grid = Grid(1, 2, trip.demo.frames, SIDES, row_height=140)
    for h in range(len(SIDES)):
        most = np.maximum(errors[:, h].max(axis=-1), FLOOR)
        mean = np.maximum(errors[:, h].mean(axis=-1), FLOOR)
        grid.line(0, h, most, "largest", 0, unit="rad")
        grid.line(0, h, mean, "mean of the hand's joints", 1, unit="rad")
    grid.same_y(0, "joint error", **log_axis([errors.mean(-1), errors.max(-1)], "rad"))
    return Plot(
        "hand_joints",
        "Hand joint error",
        f"Difference of recorded and returned joints: the largest of a hand's {errors.shape[-1]} "
        "joints, and their mean. Joint by joint they are compared below.",
        stats_text(replay, "hand_joint_error_rad"),
        grid.figure(),
    )


def _residuals(trip: RoundTrip, replay: Replay) -> Plot:
    """Per finger, how far the fitted human fingertip is from the robot's."""
    grid = Grid(1, 2, trip.demo.frames, SIDES, row_height=160)
    means = []
    for h, side in enumerate(SIDES):
        for k, finger in enumerate(FINGERS):
            residual = trip.human.residual[:, h, k]
            grid.line(0, h, 1e3 * residual, finger, k, unit=" mm")
            known = residual[np.isfinite(residual)]
            mean = length_text(float(known.mean()) if known.size else float("nan"))
            means.append(f"{side} {finger} {mean}")
    grid.same_y(0, "residual, mm", range=from_zero([1e3 * trip.human.residual]))
    return Plot(
        "residuals",
        "Fit residual per finger",
        "How far each fitted human fingertip is from the robot's, at the robot's size: what the "
        "human hand cannot do. It is not part of the round trip's error. Means: "
        + ", ".join(means)
        + ".",
        stats_text(replay, "fit_residual_m"),
        grid.figure(),
    )


def _histogram(trip: RoundTrip, replay: Replay, tolerances: Tolerances) -> Plot:
    """How often errors of each size occur, on a logarithmic scale."""
    shown = [m for m in METRICS.values() if m.of != "fit" and m.key in replay.sides[0].errors]
    titles = [metric.title for metric in shown]
    grid = Grid(1, len(shown), 0, titles, row_height=150, gaps=(0.045, 14))
    for column, metric in enumerate(shown):
        errors, level = metric.errors(trip), metric.tolerated(tolerances)
        axis = log_axis([errors], metric.unit, level)
        edges = np.linspace(axis["range"][0], axis["range"][1], _BINS + 1)
        for h, side in enumerate(SIDES):
            grid.add(0, column, _steps(errors[:, h], edges, side, 3 * h))
        every = slice(None, None, 1 + len(axis["tickvals"]) // 3)
        ticks = {name: axis[name][every] for name in ("tickvals", "ticktext")} | {"tickangle": 0}
        grid.x_axis(0, column, **axis | ticks)
        grid.y_axis(0, column, rangemode="tozero")
        if level > 0.0:
            grid.mark(0, column, level)
    grid.y_title(0, 0, "% of values")
    grid.layout["hovermode"] = "closest"
    return Plot(
        "histogram",
        "Histogram of errors",
        "Share of all frames, and fingers or joints, whose error is of that size; the dashed line "
        "is tolerated (fingertips: in 1 % of cases).",
        stats_text(replay, "fingertip_error_m"),
        grid.figure(),
    )


def _steps(errors: FloatArray, edges: FloatArray, name: str, style: int) -> dict[str, Any]:
    known = errors[np.isfinite(errors)]
    powers = np.clip(np.log10(np.maximum(known, 10.0 ** edges[0])), edges[0], edges[-1])
    share = 100.0 * np.histogram(powers, edges)[0] / max(1, known.size)
    middles = 10.0 ** ((edges[1:] + edges[:-1]) / 2.0)
    look = line_style(style)
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": packed(middles), "y": packed(share),
        "line": {**look, "dash": "dash" if style else "solid", "shape": "hvh"},
        "fill": "tozeroy", "fillcolor": look["color"] + "33",
        "hovertemplate": "%{x}: %{y:.2f} %",
    }  # fmt: skip


def motion(trip: Measured, replay: Judged, robot: Robot) -> Plot:
    """Speed and jerk of the arm joint that is fastest, as recorded and as it comes back."""
    grid = Grid(2, 2, len(trip.robot.qpos), SIDES, row_height=120)
    shown: tuple[list[FloatArray], list[FloatArray]] = [], []
    for h, side in enumerate(robot.sides):
        arm = robot.indices(side.arm_joints)
        for style, (name, q) in enumerate(_paths(trip)):
            for row, order in enumerate((1, 3)):
                shown[row].append(_peaks(q[:, arm], order, replay.rate))
                grid.line(row, h, shown[row][-1], name, style, unit=f" rad/s{'³' if row else ''}")
    grid.same_y(0, "velocity, rad/s", range=from_zero(shown[0]))
    grid.same_y(1, "jerk, rad/s³", range=from_zero(shown[1]), tickformat="~s")
    peaks = []
    for name, found in zip(SIDES, replay.sides, strict=True):
        recorded = found.recorded_peak_velocity_rad_s
        beside = f", {recorded.value:.3g} recorded" if recorded.joint else ""
        peaks.append(f"{name}: peak {found.peak_velocity_rad_s.value:.3g} rad/s returned{beside}")
    return Plot(
        "motion",
        "Arm velocity and jerk",
        "Largest magnitude over the arm's joints: first and third difference of the samples.",
        "; ".join(peaks),
        grid.figure(),
    )


def _paths(trip: Measured) -> list[tuple[str, FloatArray]]:
    """Joints (T, n) by what they are: recorded, where they were, and returned."""
    recorded = getattr(trip, "demo", None)
    before = [] if recorded is None else [("recorded", recorded.qpos)]
    return [*before, ("returned", trip.robot.qpos)]


def _peaks(q: FloatArray, order: int, rate: float) -> FloatArray:
    """(T,) largest magnitude of a derivative of joints (T, n); NaN in the frames before any."""
    peaks = np.full(len(q), np.nan)
    if len(q) > order:
        peaks[order:] = (np.abs(np.diff(q, order, axis=0)) * rate**order).max(axis=1)
    return peaks


def joint_angles(trip: Measured, robot: Robot, h: int, group: str) -> Plot:
    """Joints of an arm or a hand, recorded and returned, each over its whole range."""
    side = robot.sides[h]
    names = side.arm_joints if group == "arm" else side.hand_joints
    places = robot.indices(names)
    rows = -(-len(names) // _ACROSS)
    grid = Grid(rows, _ACROSS, len(trip.robot.qpos), row_height=92, gaps=(0.035, 30))
    for k, place in enumerate(places):
        row, column = divmod(k, _ACROSS)
        for style, (name, q) in enumerate(_paths(trip)):
            grid.line(
                row, column, q[:, place], name, style, points=_JOINT_POINTS, lows=True, unit=" rad"
            )
        limits = float(robot.lower[place]), float(robot.upper[place])
        for limit in limits:
            grid.level(row, column, limit, "dot")
        margin = 0.06 * (limits[1] - limits[0])
        grid.y_axis(row, column, range=[limits[0] - margin, limits[1] + margin], nticks=4)
        grid.title(row, column, names[k].removesuffix("_joint"))
    for k in range(len(names), rows * _ACROSS):
        row, column = divmod(k, _ACROSS)
        grid.x_axis(row, column, visible=False)
        grid.y_axis(row, column, visible=False)
    spread = trip.robot.qpos[:, places]
    margin = float(np.minimum(spread - robot.lower[places], robot.upper[places] - spread).min())
    return Plot(
        f"{group}_{SIDES[h]}",
        f"{SIDES[h].capitalize()} {group} joints against their limits",
        "In rad; the dotted lines are the joint's limits.",
        f"{len(names)} joints; the smallest distance to a limit is {angle_text(margin)}",
        grid.figure(),
    )


def stats_text(replay: Judged, key: str) -> str:
    """Mean, maximum and worst frame of a metric, per side."""
    text = METRICS[key].text
    found = []
    for side, figures in zip(SIDES, replay.sides, strict=True):
        stats = figures.errors[key]
        if stats.worst_frame < 0:
            found.append(f"{side}: nowhere known")
            continue
        found.append(
            f"{side}: mean {text(stats.mean)}, largest {text(stats.max)} in frame "
            f"{stats.worst_frame}"
        )
    return "; ".join(found) + "."
