"""Long series made short enough to draw, without losing a peak."""

from __future__ import annotations

from functools import reduce

import numpy as np

from retarget.core.status import severer
from retarget.core.types import FloatArray, IntArray

POINTS = 2000  # a line; more than a screen has columns
RUNS = 1000  # stretches of one status a row


def envelope(
    values: FloatArray, points: int = POINTS, *, lows: bool = True
) -> tuple[IntArray, FloatArray]:
    """A series (T,) as frames and values that draw alike: all of them, or of each bucket some.

    A bucket of a long series gives its smallest and its largest value, each at its own frame, so
    that every peak stays, exactly. NaN is left out of buckets that hold anything else.

    Args:
        values: the series.
        points: how many to draw at most.
        lows: False for errors, whose smallest values are of no interest.
    """
    frames = len(values)
    if frames <= points:
        return np.arange(frames), values
    width = -(-frames // (points // 2))
    buckets = -(-frames // width)
    padded = np.full(buckets * width, np.nan)
    padded[:frames] = values
    table = padded.reshape(buckets, width)
    first = width * np.arange(buckets)
    picked = first + np.argmax(np.where(np.isnan(table), -np.inf, table), axis=1)
    if lows:
        low = first + np.argmin(np.where(np.isnan(table), np.inf, table), axis=1)
        picked = np.sort(np.stack([low, picked], axis=1), axis=1).ravel()
    return picked, values[picked]


def runs(status: IntArray, most: int = RUNS) -> tuple[IntArray, IntArray, IntArray]:
    """Stretches of equal status of a series (T,), T > 0: first frames, lengths, statuses.

    Where there are more than ``most``, buckets of frames take their most severe status first.
    """
    starts = _starts(status)
    if len(starts) > most:
        width = -(-len(status) // most)
        padded = np.pad(status, (0, -len(status) % width), mode="edge")
        worst = reduce(severer, [padded[shift::width] for shift in range(width)])
        status = np.asarray(np.repeat(worst, width)[: len(status)])
        starts = _starts(status)
    return starts, np.diff(np.append(starts, len(status))), status[starts]


def _starts(values: IntArray) -> IntArray:
    changes = np.flatnonzero(np.diff(values)) + 1
    return np.concatenate([np.zeros(1, dtype=np.int64), changes])
