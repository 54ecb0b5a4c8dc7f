"""Lengths and angles as people read them: three digits and the unit that suits the size."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

_LENGTHS = ((1e-9, "nm"), (1e-6, "um"), (1e-3, "mm"), (1.0, "m"))
_ANGLES = ((1e-9, "nrad"), (1e-6, "urad"), (1e-3, "mrad"))
_DEGREE = math.radians(1.0)
_NOTHING = "-"


def length_text(metres: float) -> str:
    """A length [m], e.g. ``"12.3 um"``; ``"-"`` where it is not finite."""
    return _scaled(metres, _LENGTHS)


def angle_text(radians: float) -> str:
    """An angle [rad], e.g. ``"1.2 mrad"``, in degrees from 1 degree; ``"-"`` where not finite."""
    if math.isfinite(radians) and abs(radians) >= _DEGREE:
        return f"{_digits(math.degrees(radians))} deg"
    return _scaled(radians, _ANGLES)


def number_text(value: float) -> str:
    """Three digits without exponents; ``"-"`` where not finite."""
    return _digits(value) if math.isfinite(value) else _NOTHING


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    if not math.isfinite(value):
        return _NOTHING
    if value == 0.0:
        return f"0 {units[min(1, len(units) - 1)][1]}"
    smallest, name = units[0]
    if abs(value) < 0.1 * smallest:
        return f"<0.1 {name}"
    # 999.6 um must not read "1000 um"
    size, name = next(((s, n) for s, n in units if abs(value) < 999.5 * s), units[-1])
    return f"{_digits(value / size)} {name}"


def _digits(value: float) -> str:
    """Three significant digits, more in front of the point as needed, no exponent."""
    if value == 0.0:
        return "0"
    value = float(f"{value:.2e}")  # 9.996 is 10.0, not 10.00
    whole = math.floor(math.log10(abs(value))) + 1
    return f"{value:.{min(max(3 - whole, 0), 6)}f}"


_TOLD = 6


class FrameRuns(Sequence[int]):
    """Ascending frames, filled in block by block; what is kept is the ends of their runs."""

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

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for first, last in zip(self._firsts, self._lasts, strict=True):
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
        """In words, runs joined, at most six runs told: ``4 frames: 0-2, 9``."""
        if self._count == 1:
            return f"frame {self._firsts[0]}"
        runs = zip(self._firsts[:_TOLD], self._lasts[:_TOLD], strict=True)
        told = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
        more = ", ..." if len(self._firsts) > _TOLD else ""
        return f"{self._count} frames: {told}{more}"


def frames_text(frames: Iterable[int]) -> str:
    """Ascending frames in words, see `FrameRuns.text`."""
    return FrameRuns(np.fromiter(frames, dtype=np.int64)).text()
