"""One run: what every part of the benchmark is given, its options, and where its numbers go.

Each module of the benchmark can be run alone, with the same options:

    python -m benchmarks.control [--check] [--json OUT] [--seed N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from benchmarks import timing
from benchmarks.report import Report
from benchmarks.targets import Targets, load_targets
from retarget import Robot


class Bench:
    """What a part is given, and the report it adds to.

    Attributes:
        options: of the command line.
        report: takes tables, figures and notes.
        folder: for files; it is gone after the run.
        seed: of all that is drawn.
    """

    def __init__(self, options: argparse.Namespace, report: Report, folder: Path) -> None:
        self.options, self.report, self.folder = options, report, folder
        self.seed: int = options.seed
        self._began = time.perf_counter()

    @cached_property
    def robot(self) -> Robot:
        """H1 with Inspire hands."""
        return Robot.load()

    @cached_property
    def fk(self) -> timing.ForwardKinematics:
        """One forward kinematics of this robot: the unit of the bounds on time."""
        return timing.ForwardKinematics(self.robot)

    @cached_property
    def targets(self) -> Targets:
        """The motion that all methods get."""
        targets = load_targets(self.robot, self.seed)
        self.report.facts["targets"] = targets.source
        return targets

    @property
    def seconds(self) -> float:
        """Since the run began [s]."""
        return time.perf_counter() - self._began

    def say(self, what: str) -> None:
        """What is going on, to those who wait."""
        print(f"{self.seconds:6.0f} s  {what}", file=sys.stderr, flush=True)


Part = Callable[[Bench], None]


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options that all modules share; the first line of their docstring describes them."""
    options = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    options.add_argument("--check", action="store_true", help="exit code 1 if a bound falls short")
    options.add_argument("--json", type=Path, metavar="OUT", help="write every number measured")
    options.add_argument("--seed", type=int, default=0, help="of generated motion, poses, starts")
    return options


def run(options: argparse.Namespace, parts: Mapping[str, Part], results: Path | None = None) -> int:
    """Measure, print, write; 1 where it is to be checked and a bound falls short.

    Args:
        options: of a `parser`.
        parts: what to measure, by the names that `bounds` uses.
        results: where to write the tables as Markdown.
    """
    if options.json and not options.json.absolute().parent.is_dir():
        raise SystemExit(f"--json: no folder {options.json.absolute().parent}")
    report, quiet = Report(list(parts)), timing.Quiet()
    report.facts["seed"] = options.seed
    with tempfile.TemporaryDirectory(prefix="retarget-bench-") as name:
        bench = Bench(options, report, Path(name))
        for part in parts.values():
            part(bench)
    report.facts["seconds"] = round(bench.seconds)
    report.notes += quiet.notes()
    report.add_bounds()
    report.show()
    if results:
        report.write(results)
    if options.json:
        report.write_json(options.json)
    short = report.shortfalls() if options.check else []
    for line in short:
        print(f"falls short: {line}")
    return 1 if short else 0
