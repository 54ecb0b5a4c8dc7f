"""How long one step of the control loop takes: both arms and hands, a new chunk every step.

python -m benchmarks.control [--check] [--json OUT]
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import Bench, parser, run
from benchmarks.timing import BLOCK, ForwardKinematics
from retarget import Controller, Retargeter
from retarget.actions import action_from_motion, pack
from retarget.control.action_feed import ActionFeed, standing
from retarget.core.types import FloatArray
from retarget.data.generate.make_demo import make_demo

_STEPS = 10_000
_HAND_VELOCITY = 10.0  # [rad/s]: so that hands follow, as on hardware that is as fast as they
_NOISE = 2e-3  # of a policy that changes its mind every step [m], [-]


def steps(bench: Bench) -> None:
    """The table of step times, with the figures of the bounds."""
    rt = Retargeter(bench.robot)
    feed = _feed(rt, bench.seed)
    figures = bench.report.figures
    rows = []
    watched = {"collision_margin": 0.01}
    kinds: list[tuple[str, dict[str, Any], int, bool, str]] = [
        ("chunks that agree", {}, _STEPS, False, ""),
        ("a policy that changes its mind", {}, _STEPS, True, "control"),
        ("the same, one-euro filter", {"filter": "one_euro"}, _STEPS // 5, True, ""),
        ("the same, self-collision watched", watched, _STEPS // 5, True, "control_collision"),
    ]
    for name, settings, count, noisy, figure in kinds:
        bench.say(f"control: {name}")
        rng = np.random.default_rng(bench.seed) if noisy else None
        wall, own, unit = _times(rt, feed, count, rng, settings, bench.fk)
        ratio = float(np.median(wall / unit))
        others = (np.percentile(wall, 99.9), wall.max(), np.percentile(own, 99.9), own.max())
        rows.append((name, count, np.median(wall), *others, ratio))
        if figure:
            figures[f"{figure}_median"] = ratio
            figures[f"{figure}_p999"] = float(np.percentile(own / unit, 99.9))
    names = ("median", "p99.9", "max", "p99.9, processor time", "max, same")
    bench.report.table(
        "Controller.step, both arms and hands, a new 30-row chunk every step, microseconds",
        {"input": "{}", "steps": "{:,}", **dict.fromkeys(names, "{:,.0f}"),
         "median, FK calls": "{:.1f}"},
        rows,
        "A generated demonstration. Wall time counts what other processes take; processor time "
        "does not, and is what the bounds on the 99.9 % look at.",
    )  # fmt: skip


def _feed(rt: Retargeter, seed: int) -> ActionFeed:
    demo = make_demo(frames=_STEPS, seed=seed, robot=rt.robot)
    vectors = pack(action_from_motion(rt.to_human(demo), rt.robot.cameras["main"].T_camera_world))
    start = standing(rt.robot, demo.qpos[0])
    return ActionFeed(Path("made"), demo.rate, "main", start, demo.frames, 30, vectors)


def _times(
    rt: Retargeter,
    feed: ActionFeed,
    count: int,
    rng: np.random.Generator | None,
    settings: dict[str, Any],
    fk: ForwardKinematics,
) -> tuple[FloatArray, ...]:
    """Wall and processor time of each step, and of forward kinematics at that time [us]."""
    controller = Controller(rt, hand_velocity=_HAND_VELOCITY, **settings)
    wall, own, unit = np.empty((3, count))
    state = feed.start
    gc.collect()
    gc.freeze()  # as `retarget run` does
    try:
        for k in range(count):
            chunk = feed.chunk(k)
            assert chunk is not None
            if rng is not None:
                chunk = chunk + _NOISE * rng.normal(size=chunk.shape)
            spent, began = time.thread_time_ns(), time.perf_counter_ns()
            state = controller.step(chunk, state).qpos
            wall[k] = 1e-3 * (time.perf_counter_ns() - began)
            own[k] = 1e-3 * (time.thread_time_ns() - spent)
            if k % BLOCK == 0:
                unit[k : k + BLOCK] = 1e6 * fk.median()
    finally:
        gc.unfreeze()
    return wall, own, unit


if __name__ == "__main__":
    sys.exit(run(parser(__doc__).parse_args(), {"control": steps}))
