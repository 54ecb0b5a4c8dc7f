"""Constant turns, shifts and scales that bring one set of frames nearest to another.

Each fit is repeated on the three quarters of the frames that it suits best, so that a few frames
that the arm could not follow do not pull it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from retarget.core.types import BoolArray, FloatArray

_KEPT = 0.75
_T = TypeVar("_T")


def trimmed(
    fit: Callable[[BoolArray], _T], error: Callable[[_T], FloatArray], frames: int
) -> _T | None:
    """A fit to the frames it suits best.

    Args:
        fit: of the frames chosen (T,).
        error: of each frame (T,), NaN where it does not count.
        frames: T.

    Returns:
        The fit, or None where no frame counts.
    """
    chosen = np.ones(frames, dtype=bool)
    found: _T | None = None
    for _ in range(3):
        if not chosen.any():
            return found
        found = fit(chosen)
        left = error(found)
        known = np.isfinite(left)
        if not known.any():
            return None
        chosen = known & (left <= np.quantile(left[known], _KEPT))
    return found


def mean_rotation(rotations: FloatArray) -> FloatArray:
    """The rotation (3, 3) nearest to a set (T, 3, 3), by the chordal distance."""
    return _nearest_rotation(rotations.sum(axis=0))


def turn_of_vectors(source: FloatArray, target: FloatArray) -> FloatArray:
    """The rotation (3, 3) that brings vectors (N, 3) nearest to others (Kabsch 1976)."""
    return _nearest_rotation(target.T @ source)


def _nearest_rotation(matrix: FloatArray) -> FloatArray:
    u, _, vt = np.linalg.svd(matrix)
    u[:, -1] *= np.sign(np.linalg.det(u @ vt)) or 1.0
    return np.asarray(u @ vt)


def scale_of(source: FloatArray, target: FloatArray) -> float:
    """The factor that brings vectors (N, 3) nearest to others."""
    size = float((source * source).sum())
    return float((source * target).sum()) / size if size > 0.0 else 1.0
