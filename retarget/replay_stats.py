"""Figures of a replay: errors of all frames, extremes of a motion kept as it passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retarget.hand_check import ErrorStats
from retarget.quantiles import ErrorSketch
from retarget.types import FloatArray


@dataclass(frozen=True)
class FrameStats(ErrorStats):
    """Mean, 50th and 99th percentile and maximum of an error over the frames where it is known.

    Attributes:
        worst_frame: the file's frame of the maximum, -1 where the error is nowhere known.
    """

    worst_frame: int = -1

    @classmethod
    def over_frames(cls, errors: FloatArray, start: int = 0) -> FrameStats:
        """Sum up errors (T, ...) of frames from ``start`` on; all entries count alike."""
        sketch = ErrorSketch()
        sketch.add(errors, start)
        return cls.of_sketch(sketch)

    @classmethod
    def of_sketch(cls, sketch: ErrorSketch) -> FrameStats:
        """The figures of errors that came in blocks."""
        p50, p99 = sketch.quantile(0.5), sketch.quantile(0.99)
        return cls(sketch.mean, p50, p99, sketch.max, sketch.worst_frame)


@dataclass(frozen=True)
class Extreme:
    """An extreme value, and the joint and the file's frame of it; NaN, "" and -1 before any."""

    value: float = float("nan")
    joint: str = ""
    frame: int = -1


class MotionExtremes:
    """Limit margin, peak velocity and peak jerk of some joints of a motion that comes in blocks.

    Velocity and jerk are the first and third difference of successive frames times the rate's
    first and third power; the frame told is the last of those that enter.

    Args:
        names: the joints.
        lower: (n,) position limits [rad].
        upper: (n,) position limits [rad].
        fastest: (n,) velocity limits [rad/s].
        rate: frames per second [Hz].

    Attributes:
        margin: smallest distance to a limit, negative beyond it [rad].
        velocity: largest magnitude [rad/s].
        jerk: largest magnitude [rad/s^3].
        violations: number of joint positions beyond a limit.
    """

    # what rounding may put a clamped joint beyond its limit [rad]
    ROUNDING = 1e-9

    def __init__(
        self,
        names: tuple[str, ...],
        lower: FloatArray,
        upper: FloatArray,
        fastest: FloatArray,
        rate: float,
    ) -> None:
        self.margin, self.velocity, self.jerk = Extreme(), Extreme(), Extreme()
        self.violations = 0
        self._names, self._lower, self._upper = names, lower, upper
        self._fastest, self._rate = fastest, rate
        self._before = np.zeros((0, len(names)))

    def add(self, q: FloatArray, start: int) -> FloatArray:
        """Take in the next frames (T, n) [rad], the first of them the file's frame ``start``.

        Returns:
            (T,) how fast the joints move into each frame, as a share of the velocity limit of that
            joint for which it is most; NaN into the first frame of all.
        """
        margin = np.minimum(q - self._lower, self._upper - q)
        self.violations += int((margin < -self.ROUNDING).sum())
        self.margin = self._farther(self.margin, -margin, start, sign=-1.0)
        path = np.concatenate([self._before, q])
        first = start - len(self._before)
        self.velocity = self._peak(self.velocity, path, 1, first)
        self.jerk = self._peak(self.jerk, path, 3, first)
        share = (np.abs(np.diff(path, axis=0)) * self._rate / self._fastest).max(axis=1)
        self._before = path[-3:]
        return np.concatenate([[np.nan], share])[-len(q) :]

    def _peak(self, best: Extreme, path: FloatArray, order: int, first: int) -> Extreme:
        difference = np.abs(np.diff(path, order, axis=0)) * self._rate**order
        return self._farther(best, difference, first + order)

    def _farther(self, best: Extreme, values: FloatArray, start: int, sign: float = 1.0) -> Extreme:
        """The larger of ``sign * best`` and of values (T, n)."""
        if not values.size:
            return best
        frame, joint = np.unravel_index(int(np.argmax(values)), values.shape)
        value = float(values[frame, joint])
        if best.frame >= 0 and value <= sign * best.value:
            return best
        return Extreme(sign * value + 0.0, self._names[joint], start + int(frame))
