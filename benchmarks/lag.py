"""How far behind the velocity and acceleration limits make the wrists of recordings fall.

python -m benchmarks.lag FOLDER [--hand-velocity RAD/S] [--all] [--check] [--json OUT]

Plays every demonstration of a folder through the control loop, as `retarget run --fast` does, the
robot starting where it was recorded.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import Bench, parser, run
from retarget import Controller, Retargeter
from retarget.control.action_feed import read_feed
from retarget.control.run_loop import Run, run_feed
from retarget.core.geometry import rotation_angle
from retarget.core.types import BoolArray, FloatArray, Status
from retarget.data.demo.reader import load_demo

_SHOWN = 6  # demonstrations in rows of their own
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


def _play(rt: Retargeter, path: Path, hand_velocity: float | None) -> Lag:
    """One demonstration through the loop, without faults."""
    feed, demo = read_feed(path, rt), load_demo(path)
    run = run_feed(Controller(rt, rate=feed.rate, hand_velocity=hand_velocity), feed)
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


def lags(bench: Bench) -> None:
    """Play the folder; the farthest behind first, and all together."""
    rt, played = Retargeter(bench.robot), []
    for path in bench.options.paths:
        bench.say(path.name)
        played.append(_play(rt, path, bench.options.hand_velocity))
    played.sort(key=lambda lag: -float(np.nanmax(lag.lag_m)))
    away, turned = (
        max(float(values(lag)[lag.caught_up].max(initial=0.0)) for lag in played)
        for values in (lambda lag: lag.away_m, lambda lag: np.degrees(lag.turned_rad))
    )
    shown = played if bench.options.all else played[:_SHOWN]
    rows = [(lag.name, *_cells([lag])) for lag in shown]
    rows.append((f"all {len(played)}", *_cells(played)))
    bench.report.table(
        "Behind what was asked for: mean / 99 % / largest, mm",
        {"demonstration": "{}", "wrists": "{:.1f} / {:.1f} / {:.1f}",
         "fingertips": "{:.1f} / {:.1f} / {:.1f}", "exact wrists": "{} of {}", "unreachable": "{}"},
        rows,
        f"Wrists that are not behind: within {1e3 * away:.2g} mm, {turned:.2g} degrees. Holds: "
        f"{sum(len(lag.run.holds) for lag in played)}. Limits broken or commands not finite: "
        f"{sum(lag.run.check.broken for lag in played)}.",
    )  # fmt: skip
    bench.report.figures["lag_broken"] = sum(lag.run.check.broken for lag in played)


def _cells(lags: list[Lag]) -> tuple[Any, ...]:
    exact = np.concatenate([lag.exact.ravel() for lag in lags])
    lost = sum(int((lag.run.arm_status == int(Status.UNREACHABLE)).sum()) for lag in lags)
    return (
        _summary(np.concatenate([lag.lag_m[np.isfinite(lag.lag_m)] for lag in lags])),
        _summary(np.concatenate([lag.tips_m.ravel() for lag in lags])),
        (int(exact.sum()), exact.size),
        lost,
    )


def _summary(behind: FloatArray) -> tuple[float, float, float]:
    """Mean, 99th percentile and maximum in millimetres."""
    return 1e3 * behind.mean(), 1e3 * np.quantile(behind, 0.99), 1e3 * behind.max()


def main() -> int:
    """Play a folder."""
    options = parser(__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--hand-velocity", type=float, default=None, help="[rad/s]")
    options.add_argument("--all", action="store_true", help="every demonstration in the table")
    given = options.parse_args()
    given.paths = sorted(given.folder.glob("*.hdf5"))
    if not given.paths:
        options.error(f"no demonstrations in {given.folder}")
    return run(given, {"lag": lags})


if __name__ == "__main__":
    sys.exit(main())
