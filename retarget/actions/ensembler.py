"""Chunks that overlap in time, averaged: what speaks about a step, weighed by its age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from retarget.actions.chunk_check import NUMBERS, usable_rows
from retarget.actions.layout import ACTION_SIZE, COMPONENTS, HANDS, Action
from retarget.core import _native
from retarget.core.checks import call
from retarget.core.errors import InputError
from retarget.core.types import FloatArray, IntArray


class ChunkReport(NamedTuple):
    """What became of one pushed chunk.

    Attributes:
        step: the step its row 0 is for.
        rows: how many rows it had.
        late: a chunk for a later step was there already.
        repeated: a chunk for the same step was there already, and has been replaced.
        short: it had fewer rows than the horizon.
        useless: all its steps have passed, or it is older than a horizon; it was not taken.
        gap: steps between it and the newest chunk before it, less one; 0 where none was skipped.
        unusable: (left, right) rows without a usable hand.
    """

    step: int
    rows: int
    late: bool
    repeated: bool
    short: bool
    useless: bool
    gap: int
    unusable: tuple[int, int]


class Ensembled(NamedTuple):
    """The action of one step.

    Attributes:
        translation: (2, 3) [m]; zeros where the status is MISSING_INPUT.
        pca: (2, 15); zeros where the status is MISSING_INPUT.
        rotation: (2, 3, 3); identity where the status is MISSING_INPUT.
        status: (2,) OK, or MISSING_INPUT where no chunk has a usable hand for this step.
        chunks: (2,) chunks that took part.
        age: (2,) steps since the newest of them, -1 where there was none.
    """

    translation: FloatArray
    pca: FloatArray
    rotation: FloatArray
    status: IntArray
    chunks: IntArray
    age: IntArray

    @property
    def action(self) -> Action:
        """The same as an `Action` without batch axes."""
        return Action(self.translation, self.pca, self.rotation, self.status)


@dataclass(frozen=True)
class ChunkCounts:
    """How often what happened since the start, or the last `ChunkEnsembler.reset`.

    Attributes:
        chunks: chunks pushed.
        late: those that came after a newer one.
        repeated: those for a step that had one already.
        short: those with fewer rows than the horizon.
        useless: those not taken, all their steps being past.
        skipped: steps between chunks that had none of their own.
        unusable: rows of a hand that were not usable.
        steps: steps asked for.
        missing: steps and hands for which no chunk had anything.
    """

    chunks: int = 0
    late: int = 0
    repeated: int = 0
    short: int = 0
    useless: int = 0
    skipped: int = 0
    unusable: int = 0
    steps: int = 0
    missing: int = 0


MOST_ROWS = 1000  # memory grows with the square: 0.5 GB
# of the averaged numbers of both hands
_TRANSLATION = slice(0, 3 * HANDS)
MEAN_PCA = slice(3 * HANDS, (3 + COMPONENTS) * HANDS)
_ROTATION = slice((3 + COMPONENTS) * HANDS, NUMBERS * HANDS)


class ChunkEnsembler:
    """Averages the chunks that speak about one step; all of them in one fixed frame.

    Positions and coefficients are weighted means, rotations the chordal L2 mean: the rotation
    nearest to the weighted sum of matrices (Hartley et al. 2013, "Rotation Averaging"), which knows
    no quaternion and so no quaternion's sign. The weight of a chunk is ``exp(-w i)``, i the number
    of newer chunks that have something usable to say about that hand and step, normalised to one.

    Memory and time of a step are fixed.

    Args:
        horizon: most rows of a chunk, up to 1000: memory grows with its square.
        wrist_decay: w of positions and rotations, not negative; 0 weighs all the same.
        hand_decay: w of coefficients, not negative.

    Attributes:
        ring: the native core's chunks.

    Raises:
        InputError: the horizon is not 1 to 1000, or a decay is negative or not finite.
    """

    def __init__(
        self, horizon: int = 30, *, wrist_decay: float = 0.2, hand_decay: float = 0.8
    ) -> None:
        if horizon not in range(1, MOST_ROWS + 1):
            raise InputError(f"horizon must be 1 to {MOST_ROWS} rows, got {horizon}")
        for name, decay in (("wrist_decay", wrist_decay), ("hand_decay", hand_decay)):
            if not 0.0 <= decay < float("inf"):
                raise InputError(f"{name} must be a number that is not negative, got {decay}")
        self.horizon = int(horizon)
        self.ring = _native.ChunkRing(self.horizon, float(wrist_decay), float(hand_decay))

    def reset(self) -> None:
        """Forget every chunk and count."""
        self.ring.reset()

    @property
    def counts(self) -> ChunkCounts:
        """What happened since the start, or the last `reset`."""
        return ChunkCounts(*self.ring.counts())

    def push(self, chunk: Action, step: int) -> ChunkReport:
        """Take a chunk whose row 0 is for ``step``.

        Rows whose hand has the status MISSING_INPUT, a number that is not finite or beyond 1e6, or
        no rotation are left out, hand by hand. A chunk for a step that has one already replaces it.

        Args:
            chunk: (L,) numpy action, L from 1 to the horizon, not normalised.
            step: the step of its row 0.

        Raises:
            InputError: other batch axes, too many rows, normalised coefficients, or torch tensors.
        """
        rows, usable = usable_rows(chunk, self.horizon)
        late, repeated, useless, gap, unusable = call(self.ring.push, rows, usable, int(step))
        return ChunkReport(
            step=int(step),
            rows=len(rows),
            late=late,
            repeated=repeated,
            short=len(rows) < self.horizon,
            useless=useless,
            gap=gap,
            unusable=unusable,
        )

    def push_vectors(self, vectors: ArrayLike | Action, step: int) -> bool:
        """`push` of what is beyond doubt, in little time.

        Args:
            vectors: what may be taken are float64 arrays (L, 48) with numbers up to 1e6 and rot6d
                columns that are neither very long, very short nor nearly parallel.
            step: the step of row 0.

        Returns:
            Whether all of it was taken, and is usable; else nothing was, and `push` has to see.
        """
        return (
            type(vectors) is np.ndarray
            and vectors.dtype == np.float64
            and vectors.ndim == 2
            and vectors.shape[1] == ACTION_SIZE
            and 0 < len(vectors) <= self.horizon
            and call(self.ring.push_vectors, np.ascontiguousarray(vectors), int(step))
        )

    def at(self, step: int) -> Ensembled:
        """The action of a step, from all chunks that speak about it.

        Raises:
            InputError: the step is older than the newest chunk by a horizon, and forgotten.
        """
        mean, counted = empty_mean()
        call(self.ring.average, int(step), mean, counted)
        status, chunks, age = counted
        return Ensembled(
            mean[_TRANSLATION].reshape(HANDS, 3),
            mean[MEAN_PCA].reshape(HANDS, COMPONENTS),
            mean[_ROTATION].reshape(HANDS, 3, 3),
            status,
            chunks,
            age,
        )


def empty_mean() -> tuple[FloatArray, IntArray]:
    """Room for an averaged action: its numbers (54,); statuses, chunks and ages (3, 2)."""
    return np.empty(NUMBERS * HANDS), np.empty((3, HANDS), dtype=np.int64)
