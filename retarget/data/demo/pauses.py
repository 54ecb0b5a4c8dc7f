"""Stretches in which nothing moves to the bit: pauses, dropouts and repeated frames told apart.

A pause begins and ends at rest. Where the motion jumps at its ends, data were lost; where it goes
on at speed as if nothing had been, frames are there more than once.
"""

from __future__ import annotations

import numpy as np

from retarget.core.statistics import ErrorSketch, FrameRuns
from retarget.core.types import SIDES, BoolArray, FloatArray
from retarget.data.demo.tracking import Runs

_JUMP = 4.0  # times the steps around it
_LEAST_JUMP = 4e-3  # [m]
_UNUSUAL = 2.0  # times the 90th percentile of all steps
_AT_SPEED = 0.5  # of the steps around it, and of the median step
_MOVING = 1e-5  # [m] a frame
_AROUND = 3  # frames looked at before and after
_WHOLE = len(SIDES)  # the column of all that was recorded


class Pauses:
    """Looks for stretches without any motion in a recording that comes in blocks."""

    def __init__(self) -> None:
        self._still: BoolArray = np.zeros((0, len(SIDES) + 1), dtype=np.bool_)
        self._step: FloatArray = np.zeros((0, len(SIDES) + 1))
        self._start = 0
        self._steps = [ErrorSketch() for _ in range(len(SIDES) + 1)]
        self._open: list[tuple[int, float, float] | None] = [None] * (len(SIDES) + 1)
        # first, last, step into the first, step after the last, largest step around
        self._found: list[list[tuple[int, int, float, float, float]]] = [
            [] for _ in range(len(SIDES) + 1)
        ]

    def add(
        self,
        still: BoolArray,
        step: FloatArray,
        whole: BoolArray,
        whole_step: FloatArray,
        start: int,
    ) -> None:
        """Take in the next frames.

        Args:
            still: (T, 2) nothing of the side moved into the frame.
            step: (T, 2) how far the wrist moved into the frame, by the joints [m].
            whole: (T,) no value of the frame differs from the frame before.
            whole_step: (T,) how far anything moved into the frame, by the joints [m].
            start: the first one's number within the file.
        """
        still = np.concatenate([still, whole[:, None]], axis=-1)
        step = np.concatenate([step, whole_step[:, None]], axis=-1)
        for column, sketch in enumerate(self._steps):
            values = step[:, column]
            sketch.add(values[values > _MOVING], start)
        self._take(still, step)

    def result(self) -> tuple[tuple[Runs, Runs], Runs]:
        """Of left and right, frames that were lost; and frames that repeat the one before them."""
        end = self._start + len(self._still)
        last = np.zeros((_AROUND + 1, len(SIDES) + 1))
        self._take(np.zeros(last.shape, dtype=np.bool_), last, end)
        dropouts: tuple[Runs, Runs] = ([], [])
        for h in range(len(SIDES)):
            unusual = _UNUSUAL * float(np.nan_to_num(self._steps[h].quantile(0.9)))
            for first, last_, came, went, around in self._found[h]:
                least = max(_LEAST_JUMP, _JUMP * around, unusual)
                jumps_in, jumps_out = came > least, went > least
                to_the_end = last_ == end - 1 and last_ > first + 1
                if jumps_out or (jumps_in and to_the_end):
                    dropouts[h].append((first if jumps_in or first == 0 else first + 1, last_))
        usual = _AT_SPEED * float(np.nan_to_num(self._steps[_WHOLE].quantile(0.5)))
        repeats = [
            (first + 1, last_)
            for first, last_, came, went, around in self._found[_WHOLE]
            if min(came, went) > max(_AT_SPEED * around, usual)
        ]
        lost = FrameRuns.of_runs([run for runs in dropouts for run in runs])
        return dropouts, [run for run in repeats if run[0] not in lost and run[1] not in lost]

    def _take(self, still: BoolArray, step: FloatArray, end: int | None = None) -> None:
        """Go through the frames whose surroundings are known, and keep the others."""
        self._still = np.concatenate([self._still, still])
        self._step = np.concatenate([self._step, step])
        known = len(self._still) - _AROUND
        rows = np.arange(1 if self._start == 0 else _AROUND, max(known, 1))
        changed = self._still[rows] != self._still[rows - 1]
        for row, column in zip(*np.nonzero(changed), strict=True):
            k = int(rows[row])
            frame, steps = self._start + k, self._step[:, column]
            if self._still[k, column]:
                before = float(steps[max(k - _AROUND, 0) : k - 1].max(initial=0.0))
                self._open[column] = (frame - 1, float(steps[k - 1]), before)
                continue
            first, came, before = self._open[column] or (0, 0.0, 0.0)
            after = steps[k + 1 : k + 1 + _AROUND]
            went = float(steps[k]) if end is None or frame < end else 0.0
            around = max(before, float(after.max(initial=0.0)))
            self._found[column].append((first, frame - 1, came, went, around))
        drop = max(known - _AROUND, 0)
        self._start += drop
        self._still, self._step = self._still[drop:], self._step[drop:]
