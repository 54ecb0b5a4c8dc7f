"""Minimum-jerk motion through targets, of vectors and of rotations.

A move from rest to rest follows ``10 x^3 - 15 x^4 + 6 x^5`` (Flash and Hogan 1985, "The
coordination of arm movements"); moves that overlap in time are added (Flash and Henis 1991, "Arm
trajectory modifications during reaching towards visual targets"), so that a target can be passed
smoothly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.geometry import rotation_from_rotvec, rotvec_from_rotation, transform
from retarget.core.types import FloatArray


def progress(x: ArrayLike) -> FloatArray:
    """How much of a move is done, 0 to 1, when the share x of its time has passed."""
    x = np.clip(np.asarray(x, dtype=np.float64), 0.0, 1.0)
    return np.asarray(x**3 * (10.0 + x * (6.0 * x - 15.0)))


@dataclass(frozen=True)
class Move:
    """One move.

    Attributes:
        begin: its first moment.
        end: its last moment, after ``begin``.
        target: where it ends: a vector (k,), or a transform (4, 4).
    """

    begin: float
    end: float
    target: FloatArray

    def progress(self, times: FloatArray) -> FloatArray:
        """Share of the move that is done at each of the times, which have the unit of begin."""
        return progress((times - self.begin) / (self.end - self.begin))


def vectors_at(times: FloatArray, start: FloatArray, moves: Sequence[Move]) -> FloatArray:
    """A vector (k,) moved to each target in turn: its values (T, k) at the times (T,)."""
    values = np.broadcast_to(start, (len(times), len(start))).copy()
    before = start
    for move in moves:
        values += move.progress(times)[:, None] * (move.target - before)
        before = move.target
    return values


def transforms_at(times: FloatArray, start: FloatArray, moves: Sequence[Move]) -> FloatArray:
    """A pose (4, 4) moved to each target in turn: its values (T, 4, 4) at the times (T,).

    Positions move straight, rotations about a fixed axis.
    """
    at = [Move(m.begin, m.end, m.target[:3, 3]) for m in moves]
    positions = vectors_at(times, start[:3, 3], at)
    rotations = np.broadcast_to(start[:3, :3], (len(times), 3, 3))
    before = start[:3, :3]
    for move in moves:
        turn = rotvec_from_rotation(before.T @ move.target[:3, :3])
        rotations = rotations @ rotation_from_rotvec(move.progress(times)[:, None] * turn)
        before = move.target[:3, :3]
    return transform(rotations, positions)
