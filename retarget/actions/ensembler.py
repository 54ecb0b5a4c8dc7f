"""What a chunk ensembler reports of chunks, gives for a step and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from retarget.actions.chunk_check import HAND, NUMBERS, POSITION, ROTATION, usable_rows
from retarget.actions.layout import HANDS, Action
from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray, IntArray, Status


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


__all__ = ["ChunkCounts", "ChunkEnsembler", "ChunkReport", "Ensembled"]

_WRIST = slice(0, 12)
_MOST_ROWS = 1000  # memory grows with the square: 0.5 GB
_NEVER = -(2**62)
_AMBIGUOUS = 1e-9  # of the weighted sum of rotations: no one rotation is nearest to it
_LAST_SIGN = np.array([1.0, 1.0, -1.0])


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
        counts: what happened since the start.

    Raises:
        InputError: the horizon is not 1 to 1000, or a decay is negative or not finite.
    """

    def __init__(
        self, horizon: int = 30, *, wrist_decay: float = 0.2, hand_decay: float = 0.8
    ) -> None:
        if horizon not in range(1, _MOST_ROWS + 1):
            raise InputError(f"horizon must be 1 to {_MOST_ROWS} rows, got {horizon}")
        horizon = int(horizon)
        for name, decay in (("wrist_decay", wrist_decay), ("hand_decay", hand_decay)):
            if not 0.0 <= decay < float("inf"):
                raise InputError(f"{name} must be a number that is not negative, got {decay}")
        self.horizon = horizon
        ranks = np.arange(horizon)
        self._ages = ranks
        # [group, rank]: groups are wrist and hand
        self._decay = np.exp(-np.array([[wrist_decay], [hand_decay]]) * ranks)
        # [slot of the newest, group, slot]: weights where every chunk speaks
        turned = [self._decay[:, (slot - ranks) % horizon] for slot in range(horizon)]
        self._steady = np.stack(turned) / self._decay.sum(axis=1)[:, None]
        # A cell holds what the chunk of one slot says about one step, both modulo the horizon.
        # Rows wrap around, so nothing is ever shifted.
        self._rows = np.zeros((horizon, HANDS, horizon, NUMBERS))  # [step, hand, slot]
        self._usable = np.zeros((horizon, HANDS, horizon), dtype=np.int64)
        self._all_there = np.array([[int(Status.OK)] * HANDS, [horizon] * HANDS, [0] * HANDS])
        self._all = np.ones((horizon, HANDS), dtype=np.bool_)
        self.reset()

    def reset(self) -> None:
        """Forget every chunk and count."""
        self._usable[:] = 0
        self._chunk_step = np.full(self.horizon, _NEVER)  # [slot] the step the chunk was for
        self._newest = _NEVER
        self._now = _NEVER
        self._streak = 0  # newest chunks in a row, a step apart, that are whole
        self.counts = ChunkCounts()

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
        return self._take(rows, usable, bool(usable.all()), int(step))

    def push_rows(self, rows: FloatArray, step: int) -> ChunkReport:
        """`push` of numbers that the caller answers for: none is looked at.

        Args:
            rows: (L, 2, 27), L from 1 to the horizon: position, rotation matrix row by row, and
                coefficients, at the places `POSITION`, `ROTATION` and `HAND`; all of them usable.
            step: the step of row 0.
        """
        return self._take(rows, self._all[: len(rows)], True, int(step))

    def _take(self, rows: FloatArray, usable: BoolArray, finite: bool, step: int) -> ChunkReport:
        length = len(rows)
        late = step < self._newest
        useless = step + length <= self._now or step <= self._newest - self.horizon
        slot = step % self.horizon
        repeated = not useless and bool(self._chunk_step[slot] == step)
        gap = max(0, step - self._newest - 1) if self._newest != _NEVER else 0
        lost = () if finite else (length - usable.sum(axis=0)).tolist()
        report = ChunkReport(
            step=step,
            rows=length,
            late=late,
            repeated=repeated,
            short=length < self.horizon,
            useless=useless,
            gap=gap,
            unusable=(int(lost[0]), int(lost[1])) if lost else (0, 0),
        )
        self._count(report)
        whole = finite and length == self.horizon
        if not useless and not (repeated and whole):
            follows = step == self._newest + 1
            self._streak = whole * (self._streak + 1 if follows else step > self._newest)
        if not useless:
            # rows before and after the ring's end; one is empty where a chunk is short
            turn = min(length, self.horizon - slot)
            self._rows[slot : slot + turn, :, slot] = rows[:turn]
            self._rows[: length - turn, :, slot] = rows[turn:]
            if not whole:
                self._usable[:, :, slot] = 0
            self._usable[slot : slot + turn, :, slot] = usable[:turn]
            self._usable[: length - turn, :, slot] = usable[turn:]
            self._chunk_step[slot] = step
            self._newest = max(self._newest, step)
        return report

    def at(self, step: int) -> Ensembled:
        """The action of a step, from all chunks that speak about it.

        Raises:
            InputError: the step is older than the newest chunk by a horizon, and forgotten.
        """
        step = int(step)
        if step <= self._newest - self.horizon:
            raise InputError(f"step {step} is forgotten; the newest chunk is for {self._newest}")
        self._now = max(self._now, step)
        self.counts.steps += 1
        if step == self._newest and self._streak >= self.horizon:
            return self._at_steady(step)
        place, newest_first = step % self.horizon, (step - self._ages) % self.horizon
        speaks = self._chunk_step[newest_first] == step - self._ages
        usable = self._usable[place][:, newest_first] * speaks
        ranks = usable.cumsum(axis=1)
        chunks = ranks[:, -1]
        # decay has no entry for a rank no chunk can have: ranks of usable chunks begin at 0
        weights = self._decay[:, ranks - 1] * usable  # [group, hand, age]
        total = weights.sum(axis=-1, keepdims=True)
        rows = self._rows[place][:, newest_first]
        known = chunks > 0
        complete = bool(known.all())
        weights /= total if complete else np.where(total > 0.0, total, 1.0)
        wrist = (weights[0, :, None] @ rows[:, :, _WRIST])[:, 0]
        pca = (weights[1, :, None] @ rows[:, :, HAND])[:, 0]
        age = usable.argmax(axis=1)
        rotation = self._mean_rotation(wrist[:, ROTATION].reshape(HANDS, 3, 3), rows, age)
        status = np.zeros(HANDS, dtype=np.int64)
        if not complete:
            status[~known] = int(Status.MISSING_INPUT)
            rotation[~known] = np.eye(3)
            age = np.where(known, age, -1)
            self.counts.missing += HANDS - int(known.sum())
        return Ensembled(wrist[:, POSITION], pca, rotation, status, chunks, age)

    def _at_steady(self, step: int) -> Ensembled:
        """`at` of the newest chunk's step where all chunks of a horizon are whole."""
        slot = step % self.horizon
        weights, rows = self._steady[slot], self._rows[slot]
        mean = weights @ rows  # [hand, group]
        summed = mean[:, 0, ROTATION].reshape(HANDS, 3, 3)
        rotation = self._mean_rotation(summed, rows, (slot,) * HANDS)
        status, chunks, age = self._all_there.copy()
        return Ensembled(mean[:, 0, POSITION], mean[:, 1, HAND], rotation, status, chunks, age)

    def _mean_rotation(
        self, summed: FloatArray, rows: FloatArray, age: Sequence[int] | IntArray
    ) -> FloatArray:
        """(2, 3, 3) rotations nearest to weighted sums; the newest where no one is nearest."""
        U, s, Vt = np.linalg.svd(summed)
        R: FloatArray = U @ Vt
        x, y, z = R[:, 0], R[:, 1], R[:, 2]
        for k in range(HANDS):
            (a, b, c), (d, e, f), (g, h, i) = x[k].tolist(), y[k].tolist(), z[k].tolist()
            flipped = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0.0
            if flipped:
                R[k] = (U[k] * _LAST_SIGN) @ Vt[k]
            if s[k, 1] + (-s[k, 2] if flipped else s[k, 2]) < _AMBIGUOUS:
                R[k] = rows[k, age[k], ROTATION].reshape(3, 3)
        return R

    def _count(self, report: ChunkReport) -> None:
        counts = self.counts
        counts.chunks += 1
        counts.late += report.late
        counts.repeated += report.repeated
        counts.short += report.short
        counts.useless += report.useless
        counts.skipped += report.gap
        counts.unusable += sum(report.unusable)
