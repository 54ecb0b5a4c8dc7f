"""Wall times: medians of repeats after a warm-up, single calls, and what disturbs a measurement."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

REPEATS = 5
LEAST_SECONDS = 0.1  # of one repeat: shorter work is done several times
WARM_SECONDS = 0.3  # it takes a system some 100 ms to give a second thread a core of its own
BUSY = 0.5  # load average above which the machine is not quiet
OTHERS = 0.03  # share of the cores that others may take


@dataclass(frozen=True)
class Timing:
    """Seconds of one execution, over repeats.

    Attributes:
        median: the figure to report [s].
        fastest: [s].
        slowest: [s].
        repeats: how many the median is of.
    """

    median: float
    fastest: float
    slowest: float
    repeats: int

    @property
    def spread(self) -> float:
        """Slowest over fastest, less one: 0 on a machine that does nothing else."""
        return self.slowest / self.fastest - 1.0


def measure(work: Callable[[], Any], *, repeats: int = REPEATS, warm_up: bool = True) -> Timing:
    """Time a piece of work; the warm-up says how often one repeat must do it."""
    loops = 1
    if warm_up:
        calls, began = 0, time.perf_counter()
        while time.perf_counter() - began < WARM_SECONDS or calls < 2:
            last = time.perf_counter()
            work()
            calls += 1
        loops = max(1, int(LEAST_SECONDS / max(time.perf_counter() - last, 1e-9)))
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(loops):
            work()
        seconds.append((time.perf_counter() - began) / loops)
    return of(seconds)


def of(seconds: list[float]) -> Timing:
    """The timing of repeats that were measured elsewhere."""
    return Timing(statistics.median(seconds), min(seconds), max(seconds), len(seconds))


def latencies(call: Callable[[Any], Any], inputs: Iterable[Any]) -> list[float]:
    """Seconds of each single call, one for each input, sorted; the first tenth warms up."""
    clock = time.perf_counter_ns
    spent = []
    for value in inputs:
        began = clock()
        call(value)
        spent.append(1e-9 * (clock() - began))
    return sorted(spent[len(spent) // 10 :])


class Quiet:
    """Watches from its making on what else this machine does."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._began, self._busy, self._own = time.perf_counter(), _busy_seconds(), _own_seconds()

    def notes(self) -> list[str]:
        """What made the figures worse than they could be."""
        wall = (time.perf_counter() - self._began) * (os.cpu_count() or 1)
        others = (_busy_seconds() - self._busy - (_own_seconds() - self._own)) / wall
        notes = []
        if self._load > BUSY:
            notes.append(f"load average {self._load:.1f} before the start")
        if others > OTHERS:
            notes.append(f"other processes took {100 * others:.0f} % of its cores during the run")
        if not notes:
            return []
        found = " and ".join(notes)
        return [f"The machine was not quiet: {found}. Ratios with several threads suffer most."]


def _own_seconds() -> float:
    """Processor time of this process and of the children it has waited for [s]."""
    return sum(os.times()[:4])


def _busy_seconds() -> float:
    """Processor time spent by all, what a host took away included; 0 where the system is silent."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(number) for number in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return 0.0
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")
