"""Wall times: repeats after a warm-up, single calls, the unit of the bounds, what disturbs them."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retarget import Robot
from retarget.core.types import FloatArray

REPEATS = 5
LEAST_SECONDS = 0.1  # of one repeat: shorter work is done several times
WARM_SECONDS = 0.3  # it takes a system some 100 ms to give a second thread a core of its own
BUSY = 0.5  # load average above which the machine is not quiet
OTHERS = 0.03  # share of the cores that others may take
SIZES = (1, 30, 300, 1_000, 3_000, 30_000)  # of batches
THREADS = (1, 2)[: os.cpu_count()]
BLOCK = 20  # calls after which forward kinematics has its turn


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
        """Slowest over fastest, less one [%]: 0 on a machine that does nothing else."""
        return 100 * (self.slowest / self.fastest - 1.0)


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


def rates(
    work: Callable[[int], Callable[[], Any]], frames: Callable[[int], int] = lambda size: size
) -> list[float]:
    """Frames a second of the work made for each batch size of `SIZES`."""
    return [frames(size) / measure(work(size)).median for size in SIZES]


def growth(rates: list[float]) -> float:
    """How many times as long 30 times as many frames take."""
    short, long = SIZES.index(1_000), SIZES.index(30_000)
    return SIZES[long] / SIZES[short] * rates[short] / rates[long]


class ForwardKinematics:
    """One ``pinocchio.forwardKinematics`` and ``updateFramePlacements`` of a robot: a unit of time.

    A single thread that computes and hardly waits for memory, as what is measured against it: a
    ratio of the two holds on other machines, if both are taken in turns, so that what changes the
    clock changes both.
    """

    def __init__(self, robot: Robot) -> None:
        import pinocchio

        self._walk, self._place = pinocchio.forwardKinematics, pinocchio.updateFramePlacements
        self._model, self._data = robot.model, robot.model.createData()
        share = np.linspace(0.0, 1.0, 2 * BLOCK)[:, None]
        self._poses = list((1.0 - share) * robot.lower + share * robot.upper)

    def median(self, calls: int = 2 * BLOCK) -> float:
        """Seconds of one call, the median of some."""
        return statistics.median(clocked(self._call, self._poses[:calls]))

    def loop(self, calls: int) -> None:
        """So many calls in a row."""
        for k in range(calls):
            self._call(self._poses[k % len(self._poses)])

    def _call(self, q: FloatArray) -> None:
        self._walk(self._model, self._data, q)
        self._place(self._model, self._data)


def clocked(call: Callable[[Any], Any], inputs: Iterable[Any]) -> list[float]:
    """Seconds of each single call, one for each input."""
    clock = time.perf_counter_ns
    spent = []
    for value in inputs:
        began = clock()
        call(value)
        spent.append(1e-9 * (clock() - began))
    return spent


def beside(
    call: Callable[[Any], Any], inputs: Sequence[Any], fk: ForwardKinematics
) -> tuple[FloatArray, FloatArray]:
    """Seconds of each single call, and of forward kinematics at that time, taken in turns.

    The first tenth of the calls warms up and is left out.
    """
    spent: list[float] = []
    unit: list[float] = []
    for start in range(0, len(inputs), BLOCK):
        block = clocked(call, inputs[start : start + BLOCK])
        spent += block
        unit += len(block) * [fk.median()]
    warm = len(spent) // 10
    return np.array(spent[warm:]), np.array(unit[warm:])


def cost(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds that some work takes: on the clock, and of processors, child processes included."""

    def processors() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    began, spent = time.perf_counter(), processors()
    work()
    return time.perf_counter() - began, processors() - spent


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
