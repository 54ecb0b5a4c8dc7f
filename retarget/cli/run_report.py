"""What a run of the control loop gave: in words, as a histogram of step times, and as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from retarget.cli.tables import line, plain_table, print_verdict
from retarget.control.command import Phase
from retarget.core.status import status_counts, statuses_text
from retarget.core.text import angle_text, length_text, number_text
from retarget.core.types import SIDES, FloatArray, Status

if TYPE_CHECKING:
    from retarget.control.action_feed import ActionFeed
    from retarget.control.run_loop import Run

_BINS = 12
_BAR = 40
_LISTED = 8  # holds listed one by one
_CLOSE = 1e-4  # [m] within which a wrist is where it is wanted


def run_json(run: Run) -> dict[str, Any]:
    """The figures of a run, in numbers, text and None alone."""
    check = run.check
    known = run.lag_m[np.isfinite(run.lag_m)]
    return {
        "steps": run.steps,
        "step_seconds": {
            "p50": _quantile(run.seconds, 0.5),
            "p99": _quantile(run.seconds, 0.99),
            "p999": _quantile(run.seconds, 0.999),
            "max": _quantile(run.seconds, 1.0),
        },
        "limit_violations": {
            "position": check.position,
            "velocity": check.velocity,
            "acceleration": check.acceleration,
        },
        "nan_commands": check.not_finite,
        "holds": [
            {"step": hold.step, "steps": hold.steps, "reason": hold.reason} for hold in run.holds
        ],
        "sides": {
            side: {
                "hand_status": status_counts(run.hand_status[:, k]),
                "arm_status": status_counts(run.arm_status[:, k]),
            }
            for k, side in enumerate(SIDES)
        },
        "lag_m": {
            "mean": float(known.mean()) if known.size else None,
            "p99": _quantile(known, 0.99),
            "max": _quantile(known, 1.0),
        },
    }


def print_run(console: Console, feed: ActionFeed, run: Run) -> None:
    """How far behind each side fell, what held it, how long steps took, and the verdict."""
    console.print()
    line(console, (str(feed.path), "bold"))
    line(console, f"{run.steps} steps, {run.steps / run.rate:.3g} s at {run.rate:.3g} Hz")
    if run.dropped or run.spoilt:
        line(console, f"faults: {run.dropped} chunks lost, {run.spoilt} with wrong numbers")
    console.print()
    table = plain_table()
    table.add_column("", no_wrap=True)
    for side in SIDES:
        table.add_column(side)
    for title, cells in _side_rows(run):
        table.add_row(title, *cells)
    console.print(table)
    console.print()
    _print_holds(console, run)
    _print_times(console, run)
    print_verdict(console, run_reasons(run), [finding.text for finding in feed.findings])


def run_reasons(run: Run) -> list[str]:
    """What is wrong with the commands, nothing where they are sound."""
    check = run.check
    reasons = [
        f"{count} joints and steps beyond a {name} limit"
        for name, count in (
            ("position", check.position),
            ("velocity", check.velocity),
            ("acceleration", check.acceleration),
        )
        if count
    ]
    if check.not_finite:
        reasons.append(f"{check.not_finite} commands are not finite")
    return reasons


def _side_rows(run: Run) -> list[tuple[str, list[str]]]:
    """Rows of the table, a cell a side."""

    def cells(values: FloatArray, text: Any) -> list[str]:
        known = (values[:, k][np.isfinite(values[:, k])] for k in range(len(SIDES)))
        return [
            f"{text(_mean(column))} mean, {text(_or_nan(_quantile(column, 1.0)))} most"
            for column in known
        ]

    def counts(values: Any, kinds: Any) -> list[str]:
        return [
            statuses_text({kind.label: int((values[:, k] == kind).sum()) for kind in kinds})
            for k in range(len(SIDES))
        ]

    def behind(k: int) -> str:
        late = np.flatnonzero(run.lag_m[:, k] > _CLOSE)
        return f"{late.size} of {run.steps} steps" if late.size else "never"

    rows = [
        ("wrist behind", cells(run.lag_m, length_text)),
        ("joints behind", cells(run.lag_rad, angle_text)),
        ("wrist more than 0.1 mm behind", [behind(k) for k in range(len(SIDES))]),
        ("phases", counts(run.phases, Phase)),
        ("hands", counts(run.hand_status, Status)),
        ("arms", counts(run.arm_status, Status)),
    ]
    if np.isfinite(run.distances).any():
        least = int(np.nanargmin(run.distances))
        rows.append(("steps braked for collisions", [str(int(n)) for n in run.blocked.sum(axis=0)]))
        rows.append(
            ("nearest links", [f"{length_text(float(run.distances[least]))} in step {least}", ""])
        )
    return rows


def _print_holds(console: Console, run: Run) -> None:
    if not run.holds:
        return
    longest = sorted(run.holds, key=lambda hold: -hold.steps)[:_LISTED]
    line(console, f" {len(run.holds)} holds", "; the longest:" if len(run.holds) > _LISTED else ":")
    for hold in sorted(longest, key=lambda hold: hold.step):
        line(console, f"   step {hold.step}, {hold.steps} steps, {hold.reason}")
    console.print()


def _print_times(console: Console, run: Run) -> None:
    """Step times: figures and a histogram whose bins grow by a factor."""
    micro = 1e6 * run.seconds
    figures = ", ".join(
        f"{name} {number_text(_or_nan(_quantile(micro, q)))} us"
        for name, q in (("median", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
    )
    line(console, f" step time: {figures}")
    if run.late:
        line(console, f" {run.late} steps began late")
    low, high = float(micro.min()), float(micro.max())
    edges = np.geomspace(low, max(high, low * 1.001) * (1.0 + 1e-9), _BINS + 1)
    counts, _ = np.histogram(micro, edges)
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        # a bin that is not empty is seen
        bar = "#" * math.ceil(_BAR * count / counts.max())
        line(console, f" {left:8.0f} - {right:8.0f} us {count:8d} {bar}")
    console.print()


def _quantile(values: FloatArray, q: float) -> float | None:
    return float(np.quantile(values, q)) if values.size else None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else math.nan
