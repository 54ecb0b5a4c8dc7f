"""What a chunk ensembler reports of chunks, gives for a step and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from retarget.actions.layout import Action
from retarget.types import FloatArray, IntArray


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


@dataclass
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
