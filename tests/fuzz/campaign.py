"""Many cases on a few worker processes, counted by kind."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fuzz.bases import Bases, make_bases
from fuzz.cases import make_case
from fuzz.child import run_forked, warm_up
from fuzz.judgement import FAULT, VERDICTS, contents, judge


@dataclass(frozen=True)
class Result:
    """What came of a case."""

    number: int
    kind: str
    command: str
    how: str
    verdict: str
    why: str
    seconds: float


@dataclass
class Tally:
    """What came of all cases.

    Attributes:
        counts: verdicts by kind.
        named: of wrong recordings, those whose cause was named, by kind.
        faults: the results that are faults.
        seconds: how long it took.
        slowest: the case that took longest.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    named: Counter[str] = field(default_factory=Counter)
    faults: list[Result] = field(default_factory=list)
    seconds: float = 0.0
    slowest: Result | None = None

    def add(self, result: Result) -> None:
        """Count a result."""
        self.counts.setdefault(result.kind, Counter())[result.verdict] += 1
        if result.verdict == FAULT:
            self.faults.append(result)
        if self.slowest is None or result.seconds > self.slowest.seconds:
            self.slowest = result

    @property
    def tried(self) -> int:
        return sum(sum(counts.values()) for counts in self.counts.values())

    def lines(self) -> list[str]:
        """The table."""
        heads = ("tried", *VERDICTS)
        lines = [f"{'':16}" + "".join(f"{head:>13}" for head in heads)]
        total: Counter[str] = Counter()
        for kind, counts in self.counts.items():
            total += counts
            lines.append(_row(kind, counts))
        return [*lines, _row("all", total)]

    def as_dict(self) -> dict[str, Any]:
        """The table and the faults, as JSON has them."""
        return {
            "tried": self.tried,
            "counts": {kind: dict(counts) for kind, counts in self.counts.items()},
            "named": dict(self.named),
            "faults": [asdict(result) for result in self.faults],
            "seconds": self.seconds,
        }


def _row(name: str, counts: Counter[str]) -> str:
    numbers = (sum(counts.values()), *(counts[verdict] for verdict in VERDICTS))
    return f"{name:16}" + "".join(f"{number:13}" for number in numbers)


def run_campaign(
    files: int,
    seed: int,
    *,
    only: Collection[str] = (),
    first: int = 0,
    seconds: float | None = None,
    keep: Path | None = None,
    workers: int | None = None,
    tell: Any = None,
) -> Tally:
    """Try damaged files.

    Args:
        files: how many.
        seed: of all that is random; each case depends on it and on its number alone.
        only: kinds to try; all where empty.
        first: number of the first case.
        seconds: after which no further file is tried.
        keep: where the folders of cases that are faults are kept.
        workers: processes; as many as there are cores by default.
        tell: called with each result.
    """
    tally, started = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        (folder / "bases").mkdir()
        bases = make_bases(folder / "bases", only)
        tally.counts = {kind: Counter() for kind in bases.kinds}
        for result in _distributed(bases, files, seed, first, seconds, keep, workers, folder):
            tally.add(result)
            if tell is not None:
                tell(result)
    tally.faults.sort(key=lambda result: result.number)
    tally.seconds = time.monotonic() - started
    return tally


def _distributed(
    bases: Bases,
    files: int,
    seed: int,
    first: int,
    seconds: float | None,
    keep: Path | None,
    workers: int | None,
    folder: Path,
) -> Iterator[Result]:
    """Each result as it comes; a worker is given the next case when it has done one."""
    started = time.monotonic()
    todo = iter(range(first, first + files))
    pipes: list[Connection] = []
    children: list[int] = []
    for worker in range(min(workers or len(os.sched_getaffinity(0)), files)):
        ours, theirs = Pipe()
        child = os.fork()
        if child == 0:
            try:
                for pipe in (*pipes, ours):
                    pipe.close()
                _work(theirs, bases, seed, folder / f"worker_{worker}", keep)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        theirs.close()
        pipes.append(ours)
        children.append(child)
    waiting = set()
    for pipe in pipes:
        number = next(todo, None)
        pipe.send(number)
        if number is not None:
            waiting.add(pipe)
    while waiting:
        for pipe in wait(list(waiting)):
            assert isinstance(pipe, Connection)
            yield pipe.recv()
            late = seconds is not None and time.monotonic() - started > seconds
            number = None if late else next(todo, None)
            pipe.send(number)
            if number is None:
                waiting.discard(pipe)
    for child in children:
        os.waitpid(child, 0)


def _work(pipe: Connection, bases: Bases, seed: int, folder: Path, keep: Path | None) -> None:
    """A worker: cases by number, until there are no more."""
    folder.mkdir()
    os.environ["TMPDIR"] = str(folder / "temporary")
    tempfile.tempdir = None
    (folder / "temporary").mkdir()
    warm_up(bases.demo, folder)
    while (number := pipe.recv()) is not None:
        pipe.send(try_case(bases, seed, number, folder / "case", keep))


def try_case(
    bases: Bases, seed: int, number: int, folder: Path, keep: Path | None = None
) -> Result:
    """Set up a case in a new folder, run it and judge it."""
    folder.mkdir()
    try:
        case = make_case(seed, number, bases, folder)
        before = contents(folder)
        outcome = run_forked(case.arguments, folder)
        verdict, why = judge(case, outcome, folder, before)
        temporary = os.environ.get("TMPDIR")
        if temporary and not why and os.listdir(temporary):
            verdict, why = FAULT, f"left in the folder for temporary files: {os.listdir(temporary)}"
        if temporary:
            for name in os.listdir(temporary):
                shutil.rmtree(Path(temporary, name), ignore_errors=True)
                Path(temporary, name).unlink(missing_ok=True)
        if keep is not None and verdict == FAULT:
            kept = keep / f"case_{seed}_{number}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept)
            words = " ".join(case.arguments)
            text = f"retarget {words}\n{why}\n{case.how}\n--\n{outcome.out}\n--\n{outcome.err}"
            (kept / "CASE.txt").write_text(text)
        command = " ".join(case.arguments)
        return Result(number, case.kind, command, case.how, verdict, why, outcome.seconds)
    finally:
        shutil.rmtree(folder)
