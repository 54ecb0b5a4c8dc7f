"""Faults between a policy and a controller: chunks that are lost, late, or have wrong numbers."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from retarget.core.errors import InputError
from retarget.core.types import FloatArray


@dataclass(frozen=True)
class Faults:
    """Which faults there are.

    Attributes:
        drop: share of chunks that are lost.
        nan: share of chunks in which numbers are not finite.
        delay: how late every chunk comes [s].
        seed: other seeds give faults in other places.

    Raises:
        InputError: a share is not within 0 and 1, or the delay or the seed is negative.
    """

    drop: float = 0.0
    nan: float = 0.0
    delay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, share in (("drop", self.drop), ("nan", self.nan)):
            if not 0.0 <= share <= 1.0:
                raise InputError(f"{name} must be a share from 0 to 1, got {share}")
        if not 0.0 <= self.delay < math.inf:
            raise InputError(f"delay must not be negative, got {self.delay} s")
        if self.seed < 0:
            raise InputError(f"seed must not be negative, got {self.seed}")


class Arrival(NamedTuple):
    """A chunk as it comes out.

    Attributes:
        chunk: (L, 48).
        step: the step whose observation it was made from.
    """

    chunk: FloatArray
    step: int


class FaultyChannel:
    """What lies between a policy and the controller.

    Args:
        faults: which.
        rate: steps per second [Hz]; a delay takes the next whole number of steps.

    Attributes:
        dropped: chunks lost so far.
        spoilt: chunks with numbers made not finite so far.
    """

    def __init__(self, faults: Faults, rate: float) -> None:
        self._faults = faults
        self._rng = np.random.default_rng(faults.seed)
        self._late = math.ceil(faults.delay * rate - 1e-9)
        self._under_way: deque[Arrival] = deque()
        self.dropped = self.spoilt = 0

    def pass_on(self, chunk: FloatArray | None, step: int) -> Arrival | None:
        """Put in the chunk of a step, and take out what has come by then, if anything."""
        # every step draws the same, so that one fault does not move the others
        lost, spoilt = self._rng.random(2)
        spoil = self._rng.integers(1 << 32)
        if chunk is not None:
            if lost < self._faults.drop:
                self.dropped += 1
            else:
                if spoilt < self._faults.nan:
                    self.spoilt += 1
                    chunk = _spoil(chunk, int(spoil))
                self._under_way.append(Arrival(chunk, step))
        if self._under_way and self._under_way[0].step + self._late <= step:
            return self._under_way.popleft()
        return None


def _spoil(chunk: FloatArray, seed: int) -> FloatArray:
    """A copy with a number, a row, or all of it not finite."""
    rng = np.random.default_rng(seed)
    spoilt = np.array(chunk, dtype=np.float64)
    row, column = rng.integers(spoilt.shape[0]), rng.integers(spoilt.shape[1])
    wrong = rng.choice([np.nan, np.inf, -np.inf])
    kind = rng.integers(3)
    if kind == 0:
        spoilt[row, column] = wrong
    elif kind == 1:
        spoilt[row] = wrong
    else:
        spoilt[:] = wrong
    return spoilt
