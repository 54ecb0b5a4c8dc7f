"""How far behind the velocity and acceleration limits make the wrists of recordings fall.

python -m benchmarks.lag FOLDER [--hand-velocity RAD/S] [--all]

Plays every demonstration of a folder through the control loop, as `retarget run --fast` does, the
robot starting where it was recorded.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from retarget import Retargeter
from retarget.cli.tables import line, plain_table
from retarget.control.action_feed import read_feed
from retarget.control.run_loop import Run, run_feed
from retarget.core.geometry import rotation_angle
from retarget.core.types import BoolArray, FloatArray, Status
from retarget.data.demo.reader import load_demo

_TOLD = 6  # demonstrations told one by one
_THERE = 1e-6  # [m]
_EXACT_M, _EXACT_RAD = 1e-4, np.radians(0.1)


@dataclass(frozen=True)
class Lag:
    """One demonstration.

    Attributes:
        name: of its file.
        run: what the loop gave.
        lag_m: (T, 2) of wrists that can be reached [m].
        tips_m: (T - 1, 2, 5) of fingertips, seen from the wrist, to those wanted [m].
        away_m: (T - 1, 2) of wrists to the recorded ones [m].
        turned_rad: (T - 1, 2) the same of their orientations [rad].
    """

    name: str
    run: Run
    lag_m: FloatArray
    tips_m: FloatArray
    away_m: FloatArray
    turned_rad: FloatArray

    @property
    def exact(self) -> BoolArray:
        """(T - 1, 2) wrists within 0.1 mm and 0.1 degrees of the recorded ones."""
        return np.asarray((self.away_m < _EXACT_M) & (self.turned_rad < _EXACT_RAD))

    @property
    def caught_up(self) -> BoolArray:
        """(T - 1, 2) wrists that can be reached and are where they are wanted."""
        return np.asarray(self.lag_m[:-1] < _THERE)

    @property
    def worst(self) -> float:
        """Largest lag [m]."""
        return float(np.nanmax(self.lag_m))


def play(rt: Retargeter, path: Path, hand_velocity: float | None) -> Lag:
    """One demonstration through the loop, without faults."""
    feed, demo = read_feed(path, rt), load_demo(path)
    run = run_feed(rt.controller(rate=feed.rate, hand_velocity=hand_velocity), feed)
    reached = run.arm_status != int(Status.UNREACHABLE)
    # the command of step t is for t + 1
    wrists, tips = rt.robot.forward(run.states[1:-1])
    recorded = demo.T_world_wrist[1:]
    away = np.linalg.norm((wrists - recorded)[..., :3, 3], axis=-1)
    turned = rotation_angle(wrists[..., :3, :3], recorded[..., :3, :3])
    wanted = _from_wrist(*rt.robot.forward(rt.round_trip(demo).robot.qpos[1:]))
    return Lag(
        name=path.stem,
        run=run,
        lag_m=np.where(reached, run.lag_m, np.nan),
        tips_m=np.linalg.norm(_from_wrist(wrists, tips) - wanted, axis=-1),
        away_m=away,
        turned_rad=turned,
    )


def _from_wrist(T_world_wrist: FloatArray, tips: FloatArray) -> FloatArray:
    """Fingertips (..., 2, 5, 3) in the frames of their wrists."""
    return np.asarray((tips - T_world_wrist[..., None, :3, 3]) @ T_world_wrist[..., :3, :3])


def show(console: Console, lags: list[Lag], everything: bool) -> None:
    """Mean / 99th percentile / maximum, the farthest behind first, and all together."""
    table = plain_table()
    table.add_column("demonstration", no_wrap=True)
    for name in ("wrists behind, mm", "fingertips behind, mm", "exact wrists", "unreachable"):
        table.add_column(name, justify="right", no_wrap=True)
    order = sorted(lags, key=lambda lag: -lag.worst)
    for lag in order if everything else order[:_TOLD]:
        table.add_row(lag.name, *_cells([lag]))
    table.add_row(f"all {len(lags)}", *_cells(lags))
    console.print(table)
    away, turned = (
        max(float(values(lag)[lag.caught_up].max(initial=0.0)) for lag in lags)
        for values in (lambda lag: lag.away_m, lambda lag: np.degrees(lag.turned_rad))
    )
    line(console, f"wrists that are not behind: within {1e3 * away:.2g} mm, {turned:.2g} degrees")
    broken = sum(lag.run.check.broken for lag in lags)
    holds = sum(len(lag.run.holds) for lag in lags)
    line(console, f"limits broken or commands not finite: {broken}; holds: {holds}")


def _cells(lags: list[Lag]) -> list[str]:
    exact = np.concatenate([lag.exact.ravel() for lag in lags])
    lost = sum(int((lag.run.arm_status == int(Status.UNREACHABLE)).sum()) for lag in lags)
    return [
        _told(np.concatenate([lag.lag_m[np.isfinite(lag.lag_m)] for lag in lags])),
        _told(np.concatenate([lag.tips_m.ravel() for lag in lags])),
        f"{exact.sum()} of {exact.size}",
        str(lost),
    ]


def _told(behind: FloatArray) -> str:
    """Mean, 99th percentile and maximum in millimetres."""
    figures = (behind.mean(), np.quantile(behind, 0.99), behind.max())
    return " / ".join(f"{1e3 * value:.1f}" for value in figures)


def main() -> int:
    """Play a folder; 1 where a limit was broken or a command was not finite."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hand-velocity", type=float, default=None, help="[rad/s]")
    parser.add_argument("--all", action="store_true", help="every demonstration in the table")
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.hdf5"))
    if not paths:
        parser.error(f"no demonstrations in {options.folder}")
    rt = Retargeter()
    lags = [play(rt, path, options.hand_velocity) for path in paths]
    show(Console(width=120), lags, options.all)
    return 1 if any(lag.run.check.broken for lag in lags) else 0


if __name__ == "__main__":
    sys.exit(main())
