"""The time of a recording: its frame rate against its own motion, and the order of its frames."""

from __future__ import annotations

import numpy as np

from retarget.core.geometry import lengths
from retarget.core.statistics import ErrorSketch, FrameRuns
from retarget.core.types import FloatArray, IntArray
from retarget.data.demo.findings import Finding
from retarget.data.file_attributes import USUAL_RATES, FrameRate

_RATES = (5, 10, 12, 15, 20, 24, 25, 30, 40, 50, 60, 90, 100, 120, 125, 200, 240, 250)  # [Hz]
_NEAR = 0.05  # a rate so close to a usual one is meant to be it
_OFF = 1.5  # times the true rate, or as much less: what recorded velocities may differ by
_ALIGNED = 0.9  # cosine between recorded velocities and differences of the joints
_SHARE = 0.5  # of the moving frames that must be aligned
_SLOWEST = 0.02  # [rad/s] of all arm joints together, from which on a frame counts as moving
_FEWEST = 8  # frames that say something of a rate or an order

_FAST = 1.0  # share of the URDF's velocity limits that the 90th percentile of speeds may reach
_SANE = 0.5  # the same at a rate that is suggested instead; real teleoperation reaches 0.4
_SLOW = 0.02  # [m/s] slower than this at their 90th percentile, hands hardly move
_RANGE = 0.1  # [m] a wrist that goes less far says nothing

_DISORDER = 1.0  # von Neumann's ratio: 2 of a random order; real, abrupt motion stays below 0.5
_SPREAD = 0.05  # [rad] of arm joints that move at all
_ZIGZAG = -0.2  # correlation of a step with the next; real motion stays above 0.2
_ZIGZAG_STEP = 0.03  # [rad] root mean square of such steps
_GAP = (1.7, 0.3, 0.6)  # steps too long, off the neighbours' direction, differing neighbours
_BACK = (-0.3, 0.3, 0.5)  # the same of a step that goes back
_LEAST_STEP = 0.02  # [rad]
_LEAST_HAND_JUMP = 0.3  # [rad] of the fingers' active joints together
_JUMP, _UNUSUAL, _LEAST_JUMP = 6.0, 3.0, 0.05  # times neighbours, times the 90th percentile, [rad]
_TOLERATED = 0.05  # of the frames that may be repeated, missing or jump, in a valid recording
_WINDOW = 5  # frames kept of the block before


class TimingWatch:
    """Looks at the time of a recording that comes in blocks.

    Args:
        limits: (n,) velocity limits of the arms' joints [rad/s].
    """

    def __init__(self, limits: FloatArray) -> None:
        self._limits = limits
        self._q: FloatArray = np.zeros((0, len(limits)))
        self._qvel: FloatArray | None = None
        self._action: FloatArray | None = None
        self._speed, self._wrist = ErrorSketch(), ErrorSketch()
        self._ratio = ErrorSketch()  # recorded velocity over the joints' change a frame [1/s]
        self._moving = self._forward = self._backward = 0
        self._low = self._high = np.zeros(0)
        self._origin = self._sum = self._squares = np.zeros(0)
        self._count, self._steps, self._products = 0, 0.0, 0.0
        self._last_step: FloatArray = np.zeros((0, len(limits)))
        self._lead = np.zeros(3)  # |action - joints| of the frame before, the same, the one after
        self._gaps: list[tuple[int, int]] = []  # frame, frames missing before it
        self._backs: list[int] = []
        self._jumps, self._finger_jumps = _Jumps(_LEAST_JUMP), _Jumps(_LEAST_HAND_JUMP)
        self._fingers: FloatArray | None = None

    def add(
        self,
        q: FloatArray,
        fingers: FloatArray,
        wrists: FloatArray,
        qvel: FloatArray | None,
        action: FloatArray | None,
        start: int,
    ) -> None:
        """Take in the next frames.

        Args:
            q: (T, n) arms' joints [rad].
            fingers: (T, m) active joints of the hands [rad].
            wrists: (T, 2, 3) wrists by the joints [m].
            qvel: (T, n) the joints' recorded velocities [rad/s], or None.
            action: (T, n) their commands [rad], or None.
            start: the first one's number within the file.
        """
        self._add_spread(q, wrists)
        before = min(len(self._q), _WINDOW)
        path = np.concatenate([self._q[-_WINDOW:], q])
        steps = np.diff(path, axis=0)
        length = lengths(steps)
        new = slice(max(before - 1, 0), None)  # steps into the new frames
        self._jumps.add(length, before, start)
        self._speed.add((np.abs(steps[new]) / self._limits).max(axis=-1, initial=0.0), start)
        self._add_order(steps[new])
        self._find_events(steps, length, start - before + 1)
        if qvel is not None:
            whole = qvel if self._qvel is None else np.concatenate([self._qvel[-_WINDOW:], qvel])
            self._add_velocities(path, whole, before, start)
            self._qvel = whole[-_WINDOW:]
        if action is not None:
            whole = action if self._action is None else np.concatenate([self._action, action])
            self._add_actions(path, whole, before)
            self._action = whole[-_WINDOW:]
        self._q = path[-_WINDOW:]
        closing = fingers if self._fingers is None else np.concatenate([self._fingers, fingers])
        self._finger_jumps.add(
            lengths(np.diff(closing, axis=0)), len(closing) - len(fingers), start
        )
        self._fingers = closing[-_WINDOW:]

    def result(
        self, rate: FrameRate, frames: int, repeats: FrameRuns, lost: FrameRuns
    ) -> tuple[Finding, ...]:
        """What is wrong with the time, the worst first.

        Args:
            rate: the frame rate.
            frames: number of frames.
            repeats: frames that repeat the one before.
            lost: frames without tracking; the jumps into and out of them are theirs.
        """
        order = self._order(frames)
        shuffled = order is not None and order.kind == "shuffled"
        found = [order, self._repeated(frames, repeats)]
        if not shuffled:  # whose speeds say nothing
            found += [self._rate(rate), *self._discontinuities(frames, lost)]
        if rate.assumed:
            text = f"the file does not say its frame rate; taken as {rate}"
            found.append(Finding("assumed_rate", text))
        if not any(f is not None and f.kind in ("dropped", "jump", "shuffled") for f in found):
            found.append(self._finger_jump(frames, lost))
        return tuple(finding for finding in found if finding is not None)

    # the rate

    def _rate(self, rate: FrameRate) -> Finding | None:
        """The frame rate, against recorded velocities, velocity limits and what is usual."""
        least = 0.0 if rate.given else 1.0  # what the caller says is not refused
        implied = self._implied()
        if implied is not None:
            if 1.0 / _OFF < rate.hz / implied < _OFF:
                return None
            return Finding(
                "rate",
                f"the frame rate looks like {_named(implied)} instead of {_named(rate.hz)} "
                f"({rate.source}): the recorded joint velocities are of that rate",
                severity=least * max(rate.hz / implied, implied / rate.hz),
            )
        fast = self._speed.quantile(0.9) * rate.hz
        slow = self._wrist.quantile(0.9) * rate.hz
        if fast > _FAST:
            likely = _sane_rate(rate.hz, _SANE / self._speed.quantile(0.9))
            return Finding(
                "rate",
                f"the frame rate looks like {_named(likely)} instead of {_named(rate.hz)} "
                f"({rate.source}): in one frame of ten an arm joint moves at {fast:.3g} times its "
                "velocity limit or faster",
                severity=least * fast,
            )
        moves = self._low.size and float((self._high - self._low).max()) > _RANGE
        if moves and self._count >= _FEWEST and slow < _SLOW:
            return Finding(
                "rate",
                f"the frame rate may be too low: at {_named(rate.hz)} ({rate.source}) the wrists "
                f"move at {1e3 * slow:.3g} mm/s or slower in nine frames of ten",
            )
        if not USUAL_RATES[0] <= rate.hz <= USUAL_RATES[1]:
            return Finding(
                "rate",
                f"a frame rate of {_named(rate.hz)} ({rate.source}) is unusual: demonstrations "
                f"have {USUAL_RATES[0]:g} to {USUAL_RATES[1]:g} Hz",
            )
        return None

    def _implied(self) -> float | None:
        """The rate that recorded velocities are of [Hz], or None where they do not say."""
        aligned = max(self._forward, self._backward)
        if aligned < _FEWEST or aligned < _SHARE * self._moving:
            return None
        return self._ratio.quantile(0.5)

    # the order

    def _order(self, frames: int) -> Finding | None:
        """Frames out of order, or backwards."""
        spread = float((self._squares - self._sum**2 / self._count).sum()) / self._count
        if frames >= _FEWEST and spread > _SPREAD**2:
            mean = self._steps / (self._count - 1)
            ratio, zigzag = mean / spread, self._products / self._steps
            if ratio > _DISORDER or (zigzag < _ZIGZAG and mean > _ZIGZAG_STEP**2):
                text = (
                    "the frames are out of order: from each to the next the joints go back and "
                    "forth, as shuffled frames would"
                )
                return Finding("shuffled", text, severity=max(1.0, ratio))
        if self._implied() is not None and self._backward > self._forward:
            text = (
                "the frames run backwards: the recorded joint velocities point the other way than "
                "the joints move"
            )
            return Finding("reversed", text, severity=float(frames))
        after, before = self._lead[2], self._lead[0]
        if frames >= _FEWEST and before < 0.5 * min(after, self._lead[1]):
            text = (
                "the actions follow the joints instead of leading them: the frames may run "
                "backwards, or the actions are those of the frame before"
            )
            return Finding("lagging_actions", text)
        return None

    def _repeated(self, frames: int, repeats: FrameRuns) -> Finding | None:
        if not repeats:
            return None
        text = f"frames repeat the one before them in the midst of the motion ({repeats.text()})"
        return Finding("repeated", text, frames=repeats, severity=_severity(len(repeats), frames))

    def _discontinuities(self, frames: int, lost: FrameRuns) -> list[Finding | None]:
        hidden = _about(lost)
        gaps = [(frame, gone) for frame, gone in self._gaps if frame not in hidden]
        known = {frame for frame, _ in gaps}
        jumps = [frame for frame in self._jumps.frames(hidden) if frame not in known]
        backs = [frame for frame in self._backs if frame not in hidden]
        found: list[Finding | None] = []
        total = len(gaps) + len(jumps) + len(backs)
        severity = _severity(total, frames)
        if gaps:
            gone = sum(count for _, count in gaps)
            before = FrameRuns([frame for frame, _ in gaps])
            text = (
                f"about {gone} frame{'' if gone == 1 else 's'} "
                f"{'is' if gone == 1 else 'are'} missing: the joints go on steadily, but too far "
                f"(before {before.text()})"
            )
            found.append(Finding("dropped", text, frames=before, severity=severity))
        if jumps:
            into = FrameRuns(jumps)
            text = f"the arms jump from one frame to the next (into {into.text()})"
            found.append(Finding("jump", text, frames=into, severity=severity))
        if backs:
            into = FrameRuns(backs)
            text = f"frames are out of order: the joints go back for one step (into {into.text()})"
            found.append(Finding("swapped", text, frames=into, severity=severity))
        return found

    def _finger_jump(self, frames: int, lost: FrameRuns) -> Finding | None:
        into = FrameRuns(self._finger_jumps.frames(_about(lost)))
        if not into:
            return None
        text = f"the fingers' joints jump from one frame to the next (into {into.text()})"
        return Finding("jump", text, frames=into, severity=_severity(len(into), frames))

    # what is kept

    def _add_spread(self, q: FloatArray, wrists: FloatArray) -> None:
        if not self._count:
            self._origin = q[0].copy()
            self._sum, self._squares = np.zeros_like(q[0]), np.zeros_like(q[0])
            self._low, self._high = wrists[0], wrists[0]
            self._wrist_before = wrists[:1]
        away = q - self._origin
        self._sum = self._sum + away.sum(axis=0)
        self._squares = self._squares + (away**2).sum(axis=0)
        self._count += len(q)
        self._low = np.minimum(self._low, wrists.min(axis=0))
        self._high = np.maximum(self._high, wrists.max(axis=0))
        path = np.concatenate([self._wrist_before, wrists])
        moved = lengths(np.diff(path, axis=0)).max(axis=-1)
        self._wrist.add(moved[moved > 1e-5])
        self._wrist_before = wrists[-1:]

    def _add_order(self, steps: FloatArray) -> None:
        path = np.concatenate([self._last_step, steps])
        self._steps += float((steps**2).sum())
        self._products += float((path[1:] * path[:-1]).sum())
        self._last_step = path[-1:]

    def _find_events(self, steps: FloatArray, length: FloatArray, start: int) -> None:
        """Steps unlike their neighbours; ``start`` is the frame that the first one goes into."""
        at = _inner(length)
        if not len(at):
            return
        here, size = steps[at], length[at]
        middle = 0.5 * (steps[at - 1] + steps[at + 1])
        square = (middle**2).sum(axis=-1)
        share = (here * middle).sum(axis=-1) / np.maximum(square, 1e-18)
        off = lengths(here - share[:, None] * middle) / np.maximum(size, 1e-12)
        differ = lengths(steps[at + 1] - steps[at - 1])
        differ /= np.maximum(np.sqrt(square), 1e-12)
        large = size > _LEAST_STEP
        gap = large & (share > _GAP[0]) & (off < _GAP[1]) & (differ < _GAP[2])
        gap &= size > 0.9 * _GAP[0] * _around(length, at)
        back = large & (share < _BACK[0]) & (off < _BACK[1]) & (differ < _BACK[2])
        self._gaps += [
            (start + int(at[k]), max(round(float(share[k])) - 1, 1)) for k in np.flatnonzero(gap)
        ]
        self._backs += [start + int(at[k]) for k in np.flatnonzero(back)]

    def _add_velocities(self, path: FloatArray, qvel: FloatArray, before: int, start: int) -> None:
        """Recorded velocities beside central differences of the joints."""
        n = len(path)
        rows = np.arange(max(before - 1, 1), n - 1)
        change, velocity = 0.5 * (path[rows + 1] - path[rows - 1]), qvel[rows]
        velocity = np.where(np.isfinite(velocity), velocity, 0.0)
        a, b = lengths(change), lengths(velocity)
        moving = (b > _SLOWEST) & (a > 1e-6)
        a, b = a[moving], b[moving]
        cosine = (change[moving] * velocity[moving]).sum(axis=-1) / (a * b)
        self._moving += int(moving.sum())
        self._forward += int((cosine > _ALIGNED).sum())
        self._backward += int((cosine < -_ALIGNED).sum())
        self._ratio.add((b / a)[np.abs(cosine) > _ALIGNED], start)

    def _add_actions(self, path: FloatArray, action: FloatArray, before: int) -> None:
        n = len(path)
        rows = np.arange(max(before - 1, 1), n - 1)
        for k in range(3):
            self._lead[k] += float(np.abs(action[rows] - path[rows + k - 1]).sum())


class _Jumps:
    """Steps far longer than those around them, of a path that comes in blocks.

    Args:
        least: the shortest that counts [rad].
    """

    def __init__(self, least: float) -> None:
        self._least = least
        self._step = ErrorSketch()
        self._found: list[tuple[int, float]] = []

    def add(self, length: FloatArray, before: int, start: int) -> None:
        """Take in the lengths of steps, of which all but the last went into earlier blocks' frames.

        Args:
            length: (N,) from each frame to the next [rad].
            before: how many frames of the path were there already, `_WINDOW` at most.
            start: the first new frame's number within the file.
        """
        new = length[max(before - 1, 0) :]
        self._step.add(new[new > 1e-6], start)
        at = _inner(length)
        jump = (length[at] > self._least) & (length[at] > _JUMP * _around(length, at))
        self._found += [(start - before + 1 + int(k), float(length[k])) for k in at[jump]]

    def frames(self, hidden: FrameRuns) -> list[int]:
        """Frames that are jumped into, unusual in the whole path, but for hidden ones."""
        unusual = _UNUSUAL * float(np.nan_to_num(self._step.quantile(0.9)))
        return [frame for frame, size in self._found if size > unusual and frame not in hidden]


def _inner(length: FloatArray) -> IntArray:
    """The steps that have two neighbours on each side; others were, or will be, looked at."""
    return np.arange(2, len(length) - 2)


def _around(length: FloatArray, at: IntArray) -> FloatArray:
    """The longest of the four neighbours of steps ``at``."""
    most: FloatArray = np.max([length[at + k] for k in (-2, -1, 1, 2)], axis=0)
    return most


def _about(lost: FrameRuns) -> FrameRuns:
    """Frames without tracking, and those beside them: the jumps there are theirs."""
    return FrameRuns.of_runs((first - 2, last + 3) for first, last in lost.runs)


def _severity(count: int, frames: int) -> float:
    """0 of what is tolerated in a valid recording, else the number."""
    return float(count) if count > _TOLERATED * frames else 0.0


def _named(hz: float) -> str:
    """A rate in words: a usual one where it is near."""
    near = min(_RATES, key=lambda usual: abs(usual - hz))
    return f"{near} Hz" if abs(near - hz) < _NEAR * near else f"{hz:.3g} Hz"


def _sane_rate(hz: float, most: float) -> float:
    """A usual rate at which speeds are plausible: a tenth, else the highest that is."""
    tenth = hz / 10.0
    if tenth <= most and any(abs(usual - tenth) < _NEAR * usual for usual in _RATES):
        return tenth
    return max((usual for usual in _RATES if usual <= most), default=most)
