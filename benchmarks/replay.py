"""`retarget replay` from process start to exit, where its time goes, long files, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import timing
from benchmarks.report import ROOT, Report
from retarget import Demo, Robot
from retarget.data.demo.writer import DemoWriter

FRAMES = 500
LONG, SHORT = 100_000, 10_000
_CYCLE = 300  # frames after which a generated demo is where it began
_PATIENCE = 30.0  # for the long file [s]
_MEMORY = (30_000, 900_000)  # frames whose memory is compared
# glibc then takes every array from the system and gives it back, so that none hides in the heap
_OPEN_HEAP = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def replays(report: Report, robot: Robot, folder: Path, say: Callable[[str], None]) -> None:
    """The tables of replay, with the figures of the bounds."""
    from retarget.data.generate.make_demo import make_demo

    say("making demonstrations")
    path = folder / "demo.hdf5"
    make_demo(path, frames=FRAMES, seed=0, robot=robot)
    say(f"retarget replay, {FRAMES} frames")
    wall = timing.measure(lambda: _command(path))
    parts = [_child("replay", str(path), folder) for _ in range(timing.REPEATS)]
    middle = {key: float(np.median([p[key] for p in parts])) for key in parts[0] if key != "peak"}
    outside = max(0.0, wall.median - sum(middle.values()))
    rows = [("start and end of the process", f"{outside:.3f}"), *_seconds(middle)]
    rows.append(("from start to exit", f"{wall.median:.3f}"))
    report.table(
        f"retarget replay of a generated demonstration of {FRAMES} frames",
        ("part", "seconds"),
        rows,
        f"Medians of {timing.REPEATS}. Parts are measured in runs of their own.",
    )
    report.figures["replay_500"] = wall.median
    _long(report, make_demo(frames=_CYCLE, seed=0, robot=robot), folder, say)


def _seconds(parts: dict[str, float]) -> list[tuple[str, str]]:
    return [(name, f"{seconds:.3f}") for name, seconds in parts.items()]


def _long(report: Report, cycle: Demo, folder: Path, say: Callable[[str], None]) -> None:
    """Frames a second and peak memory of long files."""
    rows, peaks, speed = [], [], np.inf
    for longest in (SHORT, LONG):
        # a version too slow for the long file is measured on one that it can do
        frames = int(min(longest, max(SHORT, speed * _PATIENCE)) // 1_000 * 1_000)
        say(f"retarget replay, {frames} frames")
        path = folder / f"demo_{frames}.hdf5"
        _repeat(cycle, frames, path)
        runs = [_child("replay", str(path), folder) for _ in range(3)]
        began = time.perf_counter()
        _command(path)
        seconds = time.perf_counter() - began
        peaks.append(float(np.median([run["peak"] for run in runs])))
        speed = frames / seconds
        rows.append((f"{frames:,}", f"{seconds:.2f}", f"{speed:,.0f}", f"{peaks[-1] / 2**20:.0f}"))
    report.table(
        "retarget replay of long files",
        ("frames", "seconds, start to exit", "frames/s", "peak memory MiB"),
        rows,
        f"A generated cycle of {_CYCLE} frames, repeated."
        + ("" if frames == LONG else f" {LONG:,} frames would take too long: {frames:,} stand in."),
    )
    report.figures["replay_rate"] = speed
    report.figures["replay_memory"] = peaks[1] / max(peaks[0], 1.0)


def memory(report: Report, folder: Path, say: Callable[[str], None]) -> None:
    """Peak memory a frame of fit and arms at two lengths."""
    rows = []
    for what, figure in (("fit", "fit_memory_growth"), ("arms", "arm_memory_growth")):
        say(f"memory, {what}")
        per_frame = [
            _child(f"memory {what}", str(frames), folder)["bytes"] / frames for frames in _MEMORY
        ]
        rows.append((what, *(f"{value:,.0f}" for value in per_frame)))
        report.figures[figure] = per_frame[1] / max(per_frame[0], 1.0)
    report.table(
        "Peak memory beyond the inputs, bytes a frame",
        ("call", *(f"{frames:,} frames" for frames in _MEMORY)),
        rows,
        "One call of fit_hand, of ArmIK.solve; results are part of it.",
    )


def _repeat(cycle: Demo, frames: int, path: Path) -> None:
    with DemoWriter(path) as writer:
        for start in range(0, frames, cycle.frames):
            n = min(cycle.frames, frames - start)
            part = replace(
                cycle,
                qpos=cycle.qpos[:n],
                T_world_wrist=cycle.T_world_wrist[:n],
                fingertips=cycle.fingertips[:n],
                valid=cycle.valid[:n],
                action=None if cycle.action is None else cycle.action[:n],
                start=start,
            )
            writer.append(part)


def _command(path: Path) -> None:
    """The command as a user runs it; 1 is a demonstration that did not pass."""
    command = Path(sys.executable).with_name("retarget")
    start = [str(command)] if command.exists() else [sys.executable, "-m", "retarget.cli.main"]
    run = subprocess.run([*start, "replay", str(path)], cwd=ROOT, capture_output=True, text=True)
    if run.returncode not in (0, 1):
        raise RuntimeError(f"retarget replay {path} ended with {run.returncode}: {run.stderr}")


def _child(what: str, argument: str, folder: Path) -> dict[str, float]:
    result = folder / "result.json"
    command = [sys.executable, "-m", "benchmarks.child", *what.split(), argument, str(result)]
    heap = _OPEN_HEAP if what.startswith("memory") else {}
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **heap}
    )
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}: {run.stderr}")
    found: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    return found
