"""Plots of errors: of fingertips, wrists and hand joints over time, residuals, a histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.text import angle_text, length_text
from retarget.core.types import FINGERS, SIDES, FloatArray
from retarget.replay.report_html.grid import Grid, line_style, packed
from retarget.replay.report_html.plot import (
    ANGLE_FLOOR,
    LENGTH_FLOOR,
    Plot,
    from_zero,
    log_axis,
    stats_text,
)

if TYPE_CHECKING:
    from retarget.mapping.retargeter import RoundTrip
    from retarget.replay.replay import Replay
    from retarget.replay.tolerances import Tolerances

_BINS = 40  # of a histogram


def fingertips(trip: RoundTrip, replay: Replay, tolerances: Tolerances) -> Plot:
    """Each fingertip's round-trip error over time."""
    errors = trip.fingertip_error_m
    grid = Grid(1, 2, trip.demo.frames, row_height=190)
    levels = tolerances.fingertip_m, tolerances.fingertip_p99_m
    for h, side in enumerate(SIDES):
        for k, finger in enumerate(FINGERS):
            grid.line(0, h, np.maximum(errors[:, h, k], LENGTH_FLOOR), finger, k, unit="m")
        grid.title(0, h, side)
        for level, dash in zip(levels, ("dash", "dot"), strict=True):
            if level > 0.0:
                grid.level(0, h, level, dash)
    grid.same_y(0, "fingertip error", **log_axis([errors], LENGTH_FLOOR, "m", *levels))
    return Plot(
        "fingertips",
        "Fingertip error",
        "Distance between each recorded fingertip and that of the joints that come back. Dashed: "
        f"the mean tolerated, {length_text(levels[0])}; dotted: the 99th percentile tolerated, "
        f"{length_text(levels[1])}.",
        stats_text(replay, "fingertip_error_m", length_text),
        grid.figure(),
    )


def wrists(trip: RoundTrip, replay: Replay, tolerances: Tolerances) -> Plot:
    """Position and rotation error of the wrists over time."""
    grid = Grid(2, 2, trip.demo.frames, row_height=120)
    for row, (errors, floor, unit, level, words) in enumerate(
        (
            (trip.wrist_position_error_m, LENGTH_FLOOR, "m", tolerances.wrist_m, "position"),
            (trip.wrist_rotation_error_rad, ANGLE_FLOOR, "rad", tolerances.wrist_rad, "rotation"),
        )
    ):
        for h, side in enumerate(SIDES):
            grid.line(row, h, np.maximum(errors[:, h], floor), words, row, unit=unit)
            if row == 0:
                grid.title(row, h, side)
            if level > 0.0:
                grid.level(row, h, level)
        grid.same_y(row, f"{words} error", **log_axis([errors], floor, unit, level))
    return Plot(
        "wrists",
        "Wrist error",
        "What the arm's inverse kinematics leaves, poses out of reach included. Dashed: tolerated, "
        f"{length_text(tolerances.wrist_m)} and {angle_text(tolerances.wrist_rad)}. Errors under "
        f"{length_text(LENGTH_FLOOR)} or {angle_text(ANGLE_FLOOR)} are drawn there.",
        stats_text(replay, "wrist_position_error_m", length_text)
        + " Rotation: "
        + stats_text(replay, "wrist_rotation_error_rad", angle_text),
        grid.figure(),
    )


def hand_joints(trip: RoundTrip, replay: Replay) -> Plot:
    """Recorded less returned hand joints over time: the joint that is farthest off, and all."""
    errors = trip.hand_joint_error_rad
    grid = Grid(1, 2, trip.demo.frames, row_height=140)
    for h, side in enumerate(SIDES):
        most = np.maximum(errors[:, h].max(axis=-1), ANGLE_FLOOR)
        mean = np.maximum(errors[:, h].mean(axis=-1), ANGLE_FLOOR)
        grid.line(0, h, most, "largest", 0, unit="rad")
        grid.line(0, h, mean, "mean of the hand's joints", 1, unit="rad")
        grid.title(0, h, side)
    grid.same_y(0, "joint error", **log_axis([errors.mean(-1), errors.max(-1)], 1e-9, "rad"))
    return Plot(
        "hand_joints",
        "Hand joint error",
        f"Difference of recorded and returned joints: the largest of a hand's {errors.shape[-1]} "
        "joints, and their mean. Joint by joint they are compared below.",
        stats_text(replay, "hand_joint_error_rad", angle_text),
        grid.figure(),
    )


def residuals(trip: RoundTrip, replay: Replay) -> Plot:
    """Per finger, how far the fitted human fingertip is from the robot's."""
    grid = Grid(1, 2, trip.demo.frames, row_height=160)
    means = []
    for h, side in enumerate(SIDES):
        for k, finger in enumerate(FINGERS):
            residual = trip.human.residual[:, h, k]
            grid.line(0, h, 1e3 * residual, finger, k, unit=" mm")
            known = residual[np.isfinite(residual)]
            mean = length_text(float(known.mean()) if known.size else float("nan"))
            means.append(f"{side} {finger} {mean}")
        grid.title(0, h, side)
    grid.same_y(0, "residual, mm", range=from_zero([1e3 * trip.human.residual]))
    return Plot(
        "residuals",
        "Fit residual per finger",
        "How far each fitted human fingertip is from the robot's, at the robot's size: what the "
        "human hand cannot do. It is not part of the round trip's error. Means: "
        + ", ".join(means)
        + ".",
        stats_text(replay, "fit_residual_m", length_text),
        grid.figure(),
    )


def histogram(trip: RoundTrip, replay: Replay, tolerances: Tolerances) -> Plot:
    """How often errors of each size occur, on a logarithmic scale."""
    panels = (
        ("fingertips", trip.fingertip_error_m, "m", tolerances.fingertip_p99_m),
        ("hand joints", trip.hand_joint_error_rad, "rad", 0.0),
        ("wrist position", trip.wrist_position_error_m, "m", tolerances.wrist_m),
        ("wrist rotation", trip.wrist_rotation_error_rad, "rad", tolerances.wrist_rad),
    )
    grid = Grid(1, len(panels), row_height=150, gaps=(0.045, 14))
    for column, (title, errors, unit, level) in enumerate(panels):
        axis = log_axis([errors], 1e-9, unit, level)
        edges = np.linspace(axis["range"][0], axis["range"][1], _BINS + 1)
        for h, side in enumerate(SIDES):
            grid.add(0, column, _steps(errors[:, h], edges, side, 3 * h))
        grid.title(0, column, title)
        every = slice(None, None, 1 + len(axis["tickvals"]) // 3)
        shown = {key: axis[key][every] for key in ("tickvals", "ticktext")} | {"tickangle": 0}
        grid.x_axis(0, column, **axis | shown)
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
        stats_text(replay, "fingertip_error_m", length_text),
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
