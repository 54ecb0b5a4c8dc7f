"""Frames that are told: ascending numbers kept as runs, and how they are said in words."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

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
