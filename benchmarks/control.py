"""How long one step of the control loop takes: both arms and hands, a new chunk every step.

python -m benchmarks.control [--check]
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.bounds import BOUNDS
from benchmarks.report import Report
from retarget import Retargeter, Robot
from retarget.actions import action_from_motion, pack
from retarget.control.action_feed import ActionFeed, standing
from retarget.core.types import FloatArray
from retarget.data.generate.make_demo import make_demo

_STEPS = 10_000
_HAND_VELOCITY = 10.0  # [rad/s]: so that hands follow, as on hardware that is as fast as they
_NOISE = 2e-3  # of a policy that changes its mind every step [m], [-]
_METRICS = ("control_median", "control_p999", "control_collision_median")


def steps(report: Report, robot: Robot, say: Callable[[str], None]) -> None:
    """The table of step times, with the figures of the bounds."""
    rt = Retargeter(robot)
    feed = _feed(rt)
    rows = []
    kinds: list[tuple[str, dict[str, Any], int, bool, str]] = [
        ("chunks that agree", {}, _STEPS, False, ""),
        ("a policy that changes its mind", {}, _STEPS, True, "control"),
        ("the same, one-euro filter", {"filter": "one_euro"}, _STEPS // 5, True, ""),
        (
            "the same, self-collision watched",
            {"collision_margin": 0.01},
            _STEPS // 5,
            True,
            "control_collision",
        ),
    ]
    for name, settings, count, noisy, figure in kinds:
        say(f"control: {name}")
        wall, own = _times(rt, feed, count, noisy, settings)
        rows.append((name, f"{count:,}", *(f"{v:,.0f}" for v in (*_told(wall), *_told(own)[1:])))
        )  # fmt: skip
        if figure:
            report.figures[f"{figure}_median"] = float(np.median(wall))
            report.figures[f"{figure}_p999"] = float(np.percentile(wall, 99.9))
    report.table(
        "Controller.step, both arms and hands, a new 30-row chunk every step, microseconds",
        ("input", "steps", "median", "p99.9", "max", "p99.9, processor time", "max, same"),
        rows,
        "A generated demonstration. Wall time counts what other processes take; processor time "
        "does not.",
    )


def _told(micro: FloatArray) -> tuple[float, float, float]:
    return float(np.median(micro)), float(np.percentile(micro, 99.9)), float(micro.max())


def _feed(rt: Retargeter) -> ActionFeed:
    demo = make_demo(frames=_STEPS, robot=rt.robot)
    vectors = pack(action_from_motion(rt.to_human(demo), rt.robot.cameras["main"].T_camera_world))
    start = standing(rt.robot, demo.qpos[0])
    return ActionFeed(Path("made"), demo.rate, "main", start, demo.frames, 30, vectors)


def _times(
    rt: Retargeter, feed: ActionFeed, count: int, noisy: bool, settings: dict[str, Any]
) -> tuple[FloatArray, FloatArray]:
    """Wall and processor time of each step [us]."""
    controller = rt.controller(hand_velocity=_HAND_VELOCITY, **settings)
    rng = np.random.default_rng(0)
    wall, own = np.empty(count), np.empty(count)
    state = feed.start
    gc.collect()
    gc.freeze()  # as `retarget run` does
    try:
        for k in range(count):
            chunk = feed.chunk(k)
            assert chunk is not None
            if noisy:
                chunk = chunk + _NOISE * rng.normal(size=chunk.shape)
            spent, began = time.thread_time_ns(), time.perf_counter_ns()
            state = controller.step(chunk, state).qpos
            wall[k] = 1e-3 * (time.perf_counter_ns() - began)
            own[k] = 1e-3 * (time.thread_time_ns() - spent)
    finally:
        gc.unfreeze()
    return wall, own


def main() -> int:
    """Measure steps alone; 1 where it is to be checked and a bound falls short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    report, quiet = Report(), timing.Quiet()
    steps(report, Robot.load(), lambda what: print(what, file=sys.stderr))
    report.notes += quiet.notes()
    report.show()
    short = [
        bound.meaning
        for bound in BOUNDS
        if bound.metric in _METRICS and not bound.holds(report.figures[bound.metric])
    ]
    for meaning in short if options.check else ():
        print(f"falls short: {meaning}")
    return 1 if short and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
