"""`retarget replay` from process start to exit, where its time goes, long files, and memory.

python -m benchmarks.replay [--check] [--json OUT]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import timing
from benchmarks.bench import Bench, parser, run
from benchmarks.report import ROOT
from retarget import Demo
from retarget.data.demo.writer import DemoWriter
from retarget.data.generate.make_demo import make_demo

_FRAMES = 500
_LONG, _SHORT = 100_000, 10_000
_RUNS = 3  # of the long files
_CYCLE = 300  # frames after which a generated demo is where it began
_MEMORY = (30_000, 900_000)  # frames whose memory is compared
# glibc then takes every array from the system and gives it back, so that none hides in the heap
_OPEN_HEAP = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def replays(bench: Bench) -> None:
    """The tables of replay, with the figures of the bounds."""
    _short(bench)
    _long(bench)


def _short(bench: Bench) -> None:
    """Where the time of a short file goes, beside a process that only starts."""
    bench.say(f"retarget replay, {_FRAMES} frames")
    path = bench.folder / "demo.hdf5"
    make_demo(path, frames=_FRAMES, seed=bench.seed, robot=bench.robot)
    least = ("least", str(bench.robot.urdf_path), str(_FRAMES))
    costs, floors, parts = [], [], []
    for number in range(timing.REPEATS + 1):
        both = timing.cost(lambda: _command(path)), timing.cost(lambda: _child(bench, *least))
        part = _child(bench, "replay", str(path))
        if number:  # the first warms up
            costs.append(both[0])
            floors.append(both[1])
            parts.append(part)
    middle = {key: float(np.median([p[key] for p in parts])) for key in parts[0] if key != "peak"}
    (wall, own), (least_wall, least_own) = np.median(costs, axis=0), np.median(floors, axis=0)
    outside = max(0.0, wall - sum(middle.values()))
    bench.report.table(
        f"retarget replay of a generated demonstration of {_FRAMES} frames",
        {"part": "{}", "seconds": "{:.3f}"},
        [
            ("start and end of the process", outside),
            *middle.items(),
            ("from start to exit", wall),
            ("the same, processor time", own),
            ("imports, the URDF and forward kinematics alone", least_wall),
            ("the same, processor time", least_own),
        ],
        f"Medians of {timing.REPEATS}. Parts are measured in runs of their own. The last "
        "rows: a process that imports the same libraries, reads the URDF with Pinocchio and walks "
        "as many frames.",
    )
    bench.report.figures["replay_500"] = own / least_own


def _long(bench: Bench) -> None:
    """Frames a second and peak memory of long files, beside forward kinematics of the frames."""
    cycle = make_demo(frames=_CYCLE, seed=bench.seed, robot=bench.robot)
    rows, peaks = [], []
    for frames in (_SHORT, _LONG):
        bench.say(f"retarget replay, {frames} frames")
        path = bench.folder / f"demo_{frames}.hdf5"
        _repeat(cycle, frames, path)
        children = [_child(bench, "replay", str(path)) for _ in range(_RUNS)]
        peaks.append(float(np.median([child["peak"] for child in children])))
        spent, ratios = [], []
        for _ in range(_RUNS):
            wall, own = timing.cost(lambda p=path: _command(p))
            spent.append(wall)
            ratios.append(own / timing.cost(lambda n=frames: bench.fk.loop(n))[1])
        seconds = float(np.median(spent))
        row = (frames, seconds, frames / seconds, peaks[-1] / 2**20, float(np.median(ratios)))
        rows.append(row)
    bench.report.table(
        "retarget replay of long files",
        {"frames": "{:,}", "seconds, start to exit": "{:.2f}", "frames/s": "{:,.0f}",
         "peak memory MiB": "{:.0f}", "FK calls a frame": "{:.1f}"},
        rows,
        f"A generated cycle of {_CYCLE} frames, repeated. Medians of {_RUNS}. FK calls a frame: "
        "processor time over that of one forward kinematics by Pinocchio for each frame.",
    )  # fmt: skip
    bench.report.figures["replay_rate"] = rows[-1][-1]
    bench.report.figures["replay_memory"] = peaks[1] / max(peaks[0], 1.0)


def memory(bench: Bench) -> None:
    """Peak memory a frame of fit and arms at two lengths."""
    rows = []
    for what, figure in (("fit", "fit_memory_growth"), ("arms", "arm_memory_growth")):
        bench.say(f"memory, {what}")
        each = [_child(bench, "memory", what, str(n), **_OPEN_HEAP)["bytes"] / n for n in _MEMORY]
        rows.append((what, *each))
        bench.report.figures[figure] = each[1] / max(each[0], 1.0)
    bench.report.table(
        "Peak memory beyond the inputs, bytes a frame",
        {"call": "{}", **{f"{frames:,} frames": "{:,.0f}" for frames in _MEMORY}},
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
    start = [str(command)] if command.exists() else [sys.executable, "-m", "retarget.cli"]
    run = subprocess.run([*start, "replay", str(path)], cwd=ROOT, capture_output=True, text=True)
    if run.returncode not in (0, 1):
        raise RuntimeError(f"retarget replay {path} ended with {run.returncode}: {run.stderr}")


def _child(bench: Bench, *arguments: str, **environment: str) -> dict[str, float]:
    """What `benchmarks.child` measures in a process of its own."""
    result = bench.folder / "result.json"
    command = [sys.executable, "-m", "benchmarks.child", *arguments, str(result)]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}: {run.stderr}")
    found: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(run(parser(__doc__).parse_args(), {"replay": replays, "memory": memory}))
