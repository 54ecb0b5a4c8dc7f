"""Wall times: medians of repeats after a warm-up, single calls, and what disturbs a measurement."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

REPEATS = 5
LEAST_SECONDS = 0.05  # of one repeat: shorter work is done several times
BUSY = 0.5  # load average above which the machine is not quiet


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
    began = time.perf_counter()
    if warm_up:
        work()
    once = time.perf_counter() - began
    loops = max(1, int(LEAST_SECONDS / max(once, 1e-9))) if warm_up else 1
    if warm_up and loops > 1:  # a first call may load things: look again
        began = time.perf_counter()
        work()
        loops = max(1, int(LEAST_SECONDS / max(time.perf_counter() - began, 1e-9)))
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


def disturbances() -> list[str]:
    """What on this machine makes the figures worse than they could be."""
    notes = []
    load = os.getloadavg()[0]
    if load > BUSY:
        notes.append(
            f"The machine was not quiet: load average {load:.1f} before the start. Figures are "
            "worse than they could be, ratios approximate."
        )
    return notes
