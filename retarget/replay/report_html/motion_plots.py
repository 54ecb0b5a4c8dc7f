"""Plots of motion: statuses on a timeline, arm velocity and jerk, joints against their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.text import angle_text
from retarget.core.types import SIDES, FloatArray, Status
from retarget.replay.report_html.grid import Grid, packed
from retarget.replay.report_html.plot import Plot, from_zero
from retarget.replay.report_html.reduce import RUNS, runs
from retarget.viewer.colours import STATUS_COLOURS, STATUS_TEXT

if TYPE_CHECKING:
    from retarget.mapping.retargeter import RoundTrip
    from retarget.replay.replay import Replay
    from retarget.robot.robot import Robot

_JOINT_POINTS = 600  # of a line in the narrow panels of joints
_ACROSS = 4  # panels of joints beside each other
_PATTERNS = {
    Status.AT_LIMIT: "/",
    Status.UNREACHABLE: "x",
    Status.NOT_CONVERGED: "+",
    Status.MISSING_INPUT: ".",
    Status.HELD: "-",
}


def statuses(trip: RoundTrip, replay: Replay) -> Plot:
    """A timeline: what became of each hand and arm in each frame, and where something jumps."""
    grid = Grid(1, 1, trip.demo.frames, row_height=130)
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
        ("label jump", "hand", "diamond", [side.label_jump_frames for side in replay.sides]),
        ("arm jump", "arm", "triangle-up", [side.arm_jump_frames for side in replay.sides]),
    )
    for name, part, symbol, told in jumps:
        at = [(int(f), f"{side} {part}") for side, fs in zip(SIDES, told, strict=True) for f in fs]
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
        f"{side}: " + ", ".join(f"{n} {name}" for name, n in found.status.items() if n)
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


def motion(trip: RoundTrip, replay: Replay, robot: Robot) -> Plot:
    """Speed and jerk of the arm joint that is fastest, as recorded and as it comes back."""
    grid = Grid(2, 2, trip.demo.frames, row_height=120)
    shown: tuple[list[FloatArray], list[FloatArray]] = [], []
    for h, side in enumerate(robot.sides):
        arm = robot.indices(side.arm_joints)
        grid.title(0, h, SIDES[h])
        for style, (name, q) in enumerate(
            (("recorded", trip.demo.qpos[:, arm]), ("returned", trip.robot.qpos[:, arm]))
        ):
            for row, order in enumerate((1, 3)):
                shown[row].append(_peaks(q, order, replay.rate))
                grid.line(row, h, shown[row][-1], name, style, unit=f" rad/s{'³' if row else ''}")
    grid.same_y(0, "velocity, rad/s", range=from_zero(shown[0]))
    grid.same_y(1, "jerk, rad/s³", range=from_zero(shown[1]), tickformat="~s")
    told = (
        f"{side}: peak {found.peak_velocity_rad_s.value:.3g} rad/s returned, "
        f"{found.recorded_peak_velocity_rad_s.value:.3g} recorded"
        for side, found in zip(SIDES, replay.sides, strict=True)
    )
    return Plot(
        "motion",
        "Arm velocity and jerk",
        "Largest magnitude over the arm's joints: first and third difference of the samples.",
        "; ".join(told),
        grid.figure(),
    )


def _peaks(q: FloatArray, order: int, rate: float) -> FloatArray:
    """(T,) largest magnitude of a derivative of joints (T, n); NaN in the frames before any."""
    peaks = np.full(len(q), np.nan)
    if len(q) > order:
        peaks[order:] = (np.abs(np.diff(q, order, axis=0)) * rate**order).max(axis=1)
    return peaks


def joint_angles(trip: RoundTrip, robot: Robot, h: int, group: str) -> Plot:
    """Joints of an arm or a hand, recorded and returned, each over its whole range."""
    side = robot.sides[h]
    names = side.arm_joints if group == "arm" else side.hand_joints
    places = robot.indices(names)
    rows = -(-len(names) // _ACROSS)
    grid = Grid(rows, _ACROSS, trip.demo.frames, row_height=92, gaps=(0.035, 30))
    for k, place in enumerate(places):
        row, column = divmod(k, _ACROSS)
        for style, (name, q) in enumerate(
            (("recorded", trip.demo.qpos), ("returned", trip.robot.qpos))
        ):
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
