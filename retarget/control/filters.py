"""Filters of a stream of joint targets: one-euro and critically damped, one value a period."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from retarget.core.errors import InputError
from retarget.core.types import FloatArray

FILTERS = ("none", "one_euro", "critical")


class Filter(Protocol):
    """Smooths one vector a period."""

    def reset(self, which: slice, x: FloatArray) -> None:
        """Some values have stood at x for ever."""
        ...

    def step(self, x: FloatArray) -> FloatArray:
        """The next vector (m,), smoothed."""
        ...


class OneEuro:
    """A first-order low pass whose cut-off rises with speed: still when slow, prompt when fast.

    Casiez, Roussel and Vogel 2012, "1 Euro filter: a simple speed-based low-pass filter for noisy
    input in interactive systems": the share of the new value is ``a = 1 / (1 + rate / (2 pi f))``,
    with the cut-off ``f = min_cutoff + beta |speed|``; the speed is low-passed at ``speed_cutoff``.

    Args:
        size: number of values m.
        rate: periods per second [Hz].
        min_cutoff: cut-off at rest [Hz].
        beta: rise of the cut-off with speed [Hz s/rad].
        speed_cutoff: cut-off of the speed [Hz].

    Raises:
        InputError: a setting is out of range.
    """

    def __init__(
        self,
        size: int,
        rate: float,
        *,
        min_cutoff: float = 2.0,
        beta: float = 1.0,
        speed_cutoff: float = 1.0,
    ) -> None:
        _positive(rate=rate, min_cutoff=min_cutoff, speed_cutoff=speed_cutoff)
        if not 0.0 <= beta < np.inf:
            raise InputError(f"beta must not be negative, got {beta}")
        self._rate, self._min_cutoff, self._beta = rate, min_cutoff, beta
        self._speed_share = _share(speed_cutoff, rate)
        self._x, self._raw, self._speed = np.zeros(size), np.zeros(size), np.zeros(size)

    def reset(self, which: slice, x: FloatArray) -> None:
        """See `Filter.reset`."""
        self._x[which] = self._raw[which] = x
        self._speed[which] = 0.0

    def step(self, x: FloatArray) -> FloatArray:
        """See `Filter.step`."""
        # of the input, as the authors' later versions have it: a lagging output feigns speed
        self._speed += self._speed_share * ((x - self._raw) * self._rate - self._speed)
        self._raw[:] = x
        cutoff = self._min_cutoff + self._beta * np.abs(self._speed)
        self._x += (x - self._x) / (1.0 + self._rate / (2.0 * np.pi * cutoff))
        return self._x.copy()


class CriticallyDamped:
    """Two equal first-order low passes in a row: no overshoot, a continuous velocity.

    The exact response of ``x'' = w^2 (target - x) - 2 w x'`` to a target that stands for the
    period, with ``w = 2 pi cutoff``.

    Args:
        size: number of values m.
        rate: periods per second [Hz].
        cutoff: natural frequency [Hz].

    Raises:
        InputError: a setting is out of range.
    """

    def __init__(self, size: int, rate: float, *, cutoff: float = 3.0) -> None:
        _positive(rate=rate, cutoff=cutoff)
        w, dt = 2.0 * np.pi * cutoff, 1.0 / rate
        self._w, self._dt, self._decay = w, dt, float(np.exp(-w * dt))
        self._x, self._v = np.zeros(size), np.zeros(size)

    def reset(self, which: slice, x: FloatArray) -> None:
        """See `Filter.reset`."""
        self._x[which] = x
        self._v[which] = 0.0

    def step(self, x: FloatArray) -> FloatArray:
        """See `Filter.step`."""
        off = self._x - x
        slope = self._v + self._w * off
        self._x = x + (off + slope * self._dt) * self._decay
        self._v = (self._v - self._w * slope * self._dt) * self._decay
        return self._x.copy()


def make_filter(kind: str, size: int, rate: float) -> Filter | None:
    """A filter with its default settings by name, None for ``"none"``.

    Raises:
        InputError: there is no such filter.
    """
    if kind not in FILTERS:
        raise InputError(f"filter must be one of {', '.join(FILTERS)}, got {kind!r}", value=kind)
    if kind == "one_euro":
        return OneEuro(size, rate)
    return CriticallyDamped(size, rate) if kind == "critical" else None


def _share(cutoff: float, rate: float) -> float:
    return 1.0 / (1.0 + rate / (2.0 * np.pi * cutoff))


def _positive(**settings: float) -> None:
    for name, value in settings.items():
        if not 0.0 < value < np.inf:
            raise InputError(f"{name} must be a positive number, got {value}")
