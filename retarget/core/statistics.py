"""Statistics of motions that come in blocks, in memory that does not grow with their length."""

from __future__ import annotations

import copy
import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.core.types import FloatArray, IntArray


@dataclass(frozen=True)
class ErrorStats:
    """Mean, 50th and 99th percentile and maximum of an error, in its own unit."""

    mean: float
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, errors: ArrayLike) -> ErrorStats:
        """Summarise an array; numbers that are not finite are left out, none left gives NaN."""
        values = np.asarray(errors, dtype=np.float64).ravel()
        values = values[np.isfinite(values)]
        if not len(values):
            return cls(*[float("nan")] * 4)
        p50, p99 = np.percentile(values, [50.0, 99.0])
        return cls(float(values.mean()), float(p50), float(p99), float(values.max()))


@dataclass(frozen=True)
class FrameStats(ErrorStats):
    """Mean, 50th and 99th percentile and maximum of an error over the frames where it is known.

    Attributes:
        worst_frame: the file's frame of the maximum, -1 where the error is nowhere known.
    """

    worst_frame: int = -1

    @classmethod
    def over_frames(cls, errors: FloatArray, start: int = 0) -> FrameStats:
        """Sum up errors (T, ...) of frames from ``start`` on; all entries count alike."""
        sketch = ErrorSketch()
        sketch.add(errors, start)
        return cls.of_sketch(sketch)

    @classmethod
    def of_sketch(cls, sketch: ErrorSketch) -> FrameStats:
        """The figures of errors that came in blocks."""
        p50, p99 = sketch.quantile(0.5), sketch.quantile(0.99)
        return cls(sketch.mean, p50, p99, sketch.max, sketch.worst_frame)


class ErrorSketch:
    """Statistics of errors that come in blocks, the same however they are split into blocks.

    Count, mean and maximum are exact. Quantiles are exact of up to `EXACT` values; of more, they
    come from a histogram with bins a 4096th of a power of two wide and are within 0.013 % (errors
    below 5e-20 count as zero).

    Attributes:
        count: number of errors, those left out that are not finite.
        max: largest, NaN before any.
    """

    EXACT = 16_384  # values kept, 128 KiB
    TIE = 1e-6  # relative; frames that differ by less differ by rounding alone

    def __init__(self) -> None:
        self.count = 0
        self.max = float("nan")
        self._kept: FloatArray = np.empty(self.EXACT)
        self._filled = 0
        self._table: _Histogram | None = None
        self._sum = self._rest = 0.0
        self._peaks: list[tuple[float, int]] = []  # those that may be the worst, ascending
        self._level = -1

    def add(self, errors: ArrayLike, start: int = 0) -> None:
        """Take in errors (T, ...), none negative, of frames from ``start`` on; all count alike."""
        values = np.asarray(errors, dtype=np.float64)
        flat = values.ravel()
        known = np.isfinite(flat)
        if not known.all():
            flat = flat[known]
        if not flat.size:
            return
        self._find_peaks(values.reshape(len(values), -1), start, float(flat.max()))
        self.count += flat.size
        done = 0
        while done < flat.size:
            if self._filled == self.EXACT:
                self._fold()
            n = min(self.EXACT - self._filled, flat.size - done)
            self._kept[self._filled : self._filled + n] = flat[done : done + n]
            self._filled, done = self._filled + n, done + n

    @property
    def mean(self) -> float:
        """Mean, NaN before any error."""
        kept = self._kept[: self._filled]
        if self._table is None:
            return float(kept.mean()) if self.count else float("nan")
        return math.fsum((self._sum, self._rest, float(kept.sum()))) / self.count

    @property
    def worst_frame(self) -> int:
        """The first of the frames whose largest error is that of all, to `TIE`; -1 before any."""
        least = self.max * (1.0 - self.TIE)
        frames = [frame for value, frame in self._peaks if value >= least]
        return frames[0] if frames else self._peaks[-1][1] if self._peaks else -1

    def quantile(self, q: float, *, lower: bool = False) -> float:
        """A quantile, NaN before any error.

        Args:
            q: which, between 0 and 1.
            lower: of the two ranks it falls between, take the lower, instead of going linearly from
                one to the other.
        """
        if not self.count:
            return float("nan")
        kept = self._kept[: self._filled]
        if self._table is None:
            return float(np.quantile(kept, q, method="lower" if lower else "linear"))
        table = copy.deepcopy(self._table)
        table.add(kept)
        rank = q * (self.count - 1)
        below = math.floor(rank)
        low = min(table.at(below), self.max)
        if lower or rank == below:
            return low
        return low + (min(table.at(below + 1), self.max) - low) * (rank - below)

    def _find_peaks(self, values: FloatArray, start: int, peak: float) -> None:
        """Note the frames that rise to a new level, as long as they may be the worst of all."""
        if peak <= self.max:
            return
        self.max = peak
        level = int(_bits(np.array([peak]))[0]) >> _LEVEL_CUT
        if level <= self._level:
            return
        least = self.max * (1.0 - self.TIE)
        rows = np.where(np.isfinite(values), values, -np.inf).max(axis=1)
        far = np.flatnonzero(rows >= least)
        levels = _bits(rows[far]) >> _LEVEL_CUT
        before = np.maximum.accumulate(np.concatenate([[self._level], levels[:-1]]))
        risen = far[levels > before]
        self._peaks = [found for found in self._peaks if found[0] >= least]
        self._peaks += [(float(rows[row]), start + int(row)) for row in risen]
        self._level = level

    def _fold(self) -> None:
        """Count the values kept into the histogram and make room."""
        if self._table is None:
            self._table = _Histogram()
        kept = self._kept[: self._filled]
        self._table.add(kept)
        # Neumaier's summation: what a sum of floats loses is kept beside it
        block = float(kept.sum())
        total = self._sum + block
        large, small = max(self._sum, block), min(self._sum, block)
        self._sum, self._rest = total, self._rest + ((large - total) + small)
        self._filled = 0


# The bits of floats that are not negative, read as integers, are in the order of the floats: with
# the last 40 cut off, those that remain number 4096 bins of equal width per power of two. The first
# bin holds zero and all below 2^-64 (5e-20), the last one all above 2^16.
_CUT, _PER_OCTAVE = 40, 12  # bits
_LOWEST, _HIGHEST = -64, 16
_BASE = (1023 + _LOWEST - 1) << _PER_OCTAVE
_FIRST, _LAST = (1 << _PER_OCTAVE) - 1, ((_HIGHEST - _LOWEST + 1) << _PER_OCTAVE) - 1
_LEVEL_CUT = 22  # of the bits of a maximum: levels a billionth apart


class _Histogram:
    """How many values fall into each bin; of powers of two that occur alone, 16 KiB each."""

    def __init__(self) -> None:
        octaves = (_LAST >> _PER_OCTAVE) + 1
        self._page: IntArray = np.full(octaves, -1, dtype=np.int64)  # of each power of two
        # 4e9 values fit into a bin
        self._counts: NDArray[np.uint32] = np.zeros((0, 1 << _PER_OCTAVE), dtype=np.uint32)

    def add(self, values: FloatArray) -> None:
        bins = np.clip((_bits(values) >> _CUT) - _BASE, _FIRST, _LAST)
        octaves = bins >> _PER_OCTAVE
        pages = self._page[octaves]
        if pages.min() < 0:
            new = np.unique(octaves[pages < 0])
            self._page[new] = np.arange(len(self._counts), len(self._counts) + new.size)
            more = np.zeros((new.size, self._counts.shape[1]), dtype=np.uint32)
            self._counts = np.concatenate([self._counts, more])
            pages = self._page[octaves]
        places = (pages << _PER_OCTAVE) | (bins & _FIRST)
        # numpy is fast here where the number has the array's own type
        np.add.at(self._counts.reshape(-1), places, np.uint32(1))

    def at(self, rank: int) -> float:
        """Middle of the bin with the value that so many others precede."""
        octaves = np.flatnonzero(self._page >= 0)
        ends = np.cumsum(self._counts.sum(axis=1, dtype=np.int64)[self._page[octaves]])
        k = int(np.searchsorted(ends, rank, side="right"))
        counts = self._counts[self._page[octaves[k]]]
        within = np.cumsum(counts, dtype=np.int64) + (ends[k] - counts.sum(dtype=np.int64))
        column = int(np.searchsorted(within, rank, side="right"))
        number = (int(octaves[k]) << _PER_OCTAVE) | column
        middle = ((number + _BASE) << _CUT) | (1 << (_CUT - 1))
        return 0.0 if number == _FIRST else float(np.array(middle).view(np.float64))


def _bits(values: FloatArray) -> IntArray:
    return (values + 0.0).view(np.int64)  # 0.0 turns the sign of -0.0


@dataclass(frozen=True)
class Extreme:
    """An extreme value, and the joint and the file's frame of it; NaN, "" and -1 before any."""

    value: float = float("nan")
    joint: str = ""
    frame: int = -1


class Speeds(NamedTuple):
    """How fast joints move into each of T frames, by the one that is fastest for its limit.

    Attributes:
        share: (T,) of that joint's velocity limit; NaN into the first frame of all.
        speed: (T,) of that joint [rad/s].
        joint: (T,) its index.
    """

    share: FloatArray
    speed: FloatArray
    joint: IntArray


class MotionExtremes:
    """Limit margin, peak velocity and peak jerk of some joints of a motion that comes in blocks.

    Velocity and jerk are the first and third difference of successive frames times the rate's
    first and third power; the frame reported is the last of those that enter.

    Args:
        names: the joints.
        lower: (n,) position limits [rad].
        upper: (n,) position limits [rad].
        fastest: (n,) velocity limits [rad/s]; where nobody knows them, infinite ones, `ASSUMED`.
        rate: frames per second [Hz].

    Attributes:
        margin: smallest distance to a limit, negative beyond it [rad].
        velocity: largest magnitude [rad/s].
        jerk: largest magnitude [rad/s^3].
        violations: number of joint positions beyond a limit.
    """

    # what rounding may put a clamped joint beyond its limit [rad]
    ROUNDING = 1e-9
    # the velocity limit of a joint whose own is unknown: robot arms have 2 to 20 [rad/s]
    ASSUMED = 20.0

    def __init__(
        self,
        names: tuple[str, ...],
        lower: FloatArray,
        upper: FloatArray,
        fastest: FloatArray,
        rate: float,
    ) -> None:
        self.margin, self.velocity, self.jerk = Extreme(), Extreme(), Extreme()
        self.violations = 0
        self._names, self._lower, self._upper = names, lower, upper
        self._fastest, self._rate = np.where(np.isfinite(fastest), fastest, self.ASSUMED), rate
        self._before = np.zeros((0, len(names)))

    def add(self, q: FloatArray, start: int) -> Speeds:
        """Take in the next frames (T, n) [rad], the first of them the file's frame ``start``."""
        margin = np.minimum(q - self._lower, self._upper - q)
        self.violations += int((margin < -self.ROUNDING).sum())
        self.margin = self._farther(self.margin, -margin, start, sign=-1.0)
        path = np.concatenate([self._before, q])
        first = start - len(self._before)
        self.velocity = self._peak(self.velocity, path, 1, first)
        self.jerk = self._peak(self.jerk, path, 3, first)
        speed = np.abs(np.diff(path[-len(q) - 1 :], axis=0)) * self._rate
        share = speed / self._fastest
        joint = np.argmax(share, axis=1)
        rows, none = np.arange(len(joint)), [np.nan] * (len(q) - len(joint))
        self._before = path[-3:]
        return Speeds(
            np.concatenate([none, share[rows, joint]]),
            np.concatenate([none, speed[rows, joint]]),
            np.concatenate([np.zeros(len(none), dtype=np.int64), joint]),
        )

    def _peak(self, best: Extreme, path: FloatArray, order: int, first: int) -> Extreme:
        difference = np.abs(np.diff(path, order, axis=0)) * self._rate**order
        return self._farther(best, difference, first + order)

    def _farther(self, best: Extreme, values: FloatArray, start: int, sign: float = 1.0) -> Extreme:
        """The larger of ``sign * best`` and of values (T, n)."""
        if not values.size:
            return best
        frame, joint = np.unravel_index(int(np.argmax(values)), values.shape)
        value = float(values[frame, joint])
        if best.frame >= 0 and value <= sign * best.value:
            return best
        return Extreme(sign * value + 0.0, self._names[joint], start + int(frame))


class FrameRuns(Sequence[int]):
    """Ascending frames, filled in block by block; what is kept is the ends of their runs."""

    NAMED = 6  # runs in `text`

    def __init__(self, frames: ArrayLike = ()) -> None:
        self._firsts, self._lasts = array("q"), array("q")
        self._count = 0
        self.add(frames)

    def add(self, frames: ArrayLike) -> None:
        """Append frames (n,), ascending and beyond those there are."""
        numbers = np.asarray(frames, dtype=np.int64)
        if not numbers.size:
            return
        self._count += numbers.size
        ends = np.flatnonzero(np.diff(numbers) != 1)
        firsts = numbers[np.concatenate([[0], ends + 1])].tolist()
        lasts = numbers[np.concatenate([ends, [-1]])].tolist()
        if self._lasts and firsts[0] == self._lasts[-1] + 1:
            self._lasts[-1] = lasts.pop(0)
            del firsts[0]
        self._firsts.extend(firsts)
        self._lasts.extend(lasts)

    @classmethod
    def of_runs(cls, runs: Iterable[tuple[int, int]]) -> FrameRuns:
        """Of first and last frames, in any order; runs that overlap or touch become one."""
        found = cls()
        for first, last in sorted(runs):
            if found._lasts and first <= found._lasts[-1] + 1:
                found._count += max(last - found._lasts[-1], 0)
                found._lasts[-1] = max(last, found._lasts[-1])
                continue
            found._firsts.append(first)
            found._lasts.append(last)
            found._count += last + 1 - first
        return found

    @property
    def runs(self) -> Iterator[tuple[int, int]]:
        """First and last frame of each run, ascending."""
        return zip(self._firsts, self._lasts, strict=True)

    def mask(self, start: int, stop: int) -> NDArray[np.bool_]:
        """(stop - start,) which of the frames from ``start`` to ``stop`` are among these."""
        found = np.zeros(stop - start, dtype=np.bool_)
        k = bisect_left(self._lasts, start)
        while k < len(self._firsts) and self._firsts[k] < stop:
            found[max(self._firsts[k] - start, 0) : self._lasts[k] + 1 - start] = True
            k += 1
        return found

    def __len__(self) -> int:
        return self._count

    def __contains__(self, frame: object) -> bool:
        k = bisect_left(self._lasts, frame) if isinstance(frame, int) else len(self._firsts)
        return k < len(self._firsts) and frame >= self._firsts[k]  # type: ignore[operator]

    def __iter__(self) -> Iterator[int]:
        for first, last in self.runs:
            yield from range(first, last + 1)

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...

    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return tuple(self) == tuple(other)

    def __repr__(self) -> str:
        return f"FrameRuns({self.text()})"

    def text(self) -> str:
        """In words, runs joined, the first six of them: ``4 frames: 0-2, 9``."""
        if self._count == 1:
            return f"frame {self._firsts[0]}"
        runs = zip(self._firsts[: self.NAMED], self._lasts[: self.NAMED], strict=True)
        named = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
        more = ", ..." if len(self._firsts) > self.NAMED else ""
        return f"{self._count} frames: {named}{more}"
