"""`make bench`: everything in one run; one set of tables, RESULTS.md, and the bounds.

python -m benchmarks.run [--check] [--only hand,arm,...] [--no-write]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import arm, control, hand, hand_limits, latency, replay, robot_hand, timing
from benchmarks.report import Report
from benchmarks.targets import load_targets
from retarget import Robot


def main() -> int:
    """Run the benchmark; 1 where it is to be checked and a bound falls short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 where a bound falls short"
    )
    parser.add_argument("--only", default="", help="parts, by comma: " + ", ".join(PARTS))
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md as it is")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name] or list(PARTS)
    unknown = set(chosen) - set(PARTS)
    if unknown:
        parser.error(f"no part named {', '.join(sorted(unknown))}")

    report, quiet = Report(), timing.Quiet()
    began = time.perf_counter()

    def say(what: str) -> None:
        print(f"{time.perf_counter() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="retarget-bench-") as name:
        robot = Robot.load()
        targets = load_targets(robot)
        folder = Path(name)
        work: dict[str, Callable[[], None]] = {
            "latency": lambda: latency.single_frames(report, targets, say),
            "arm": lambda: (
                arm.to_joints(report, targets, say), arm.scaling(report, targets, say)
            ),
            "control": lambda: control.steps(report, robot, say),
            "replay": lambda: replay.replays(report, robot, folder, say),
            "memory": lambda: replay.memory(report, folder, say),
            "hand": lambda: (
                hand.to_human(report, targets, folder, say),
                hand_limits.limits(report, targets, say),
                hand_limits.scaling(report, targets, say),
            ),
            "robot_hand": lambda: robot_hand.to_robot(report, targets, folder, say),
        }  # fmt: skip
        for part in PARTS:
            if part in chosen:
                work[part]()
    report.add_bounds()
    report.notes += quiet.notes()
    report.notes.append(f"The run took {time.perf_counter() - began:.0f} s.")
    report.show()
    if not options.no_write:
        report.write()
    short = report.shortfalls()
    for line in short if options.check else ():
        print(f"falls short: {line}")
    return 1 if short and options.check else 0


# in this order: what torch's threads could disturb comes before it is loaded
PARTS = ("replay", "memory", "arm", "control", "latency", "hand", "robot_hand")

if __name__ == "__main__":
    sys.exit(main())
