"""Frames in which tracking was lost: zeros and values that stand still, against the joints.

A recorded pose and the forward kinematics of the recorded joints should tell the same. Where one of
them stands still to the bit, or is zeros, and the other one is elsewhere, it is not a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from retarget.core.geometry import lengths
from retarget.core.statistics import ErrorSketch, FrameRuns
from retarget.core.types import FEWEST_FINGERS, FINGERS, SIDES, BoolArray, Demo, FloatArray
from retarget.data.demo.findings import Finding
from retarget.robot.robot import Robot

MOVED = 2e-3  # [m] what must have gone while the other stood still; float32 resolves 1e-7
NOISE = 6.0  # times the median disagreement: what poses may move while the joints stand still
_ARM = 0.1  # [m] a turn of the wrist counts as the way of points this far from it
_SLIGHTLY = 1e-4  # [m] from which on a stretch that went `MOVED` counts
_STILL = 1e-9  # [m] of forward kinematics: rounding
_SURELY = 20e-3  # [m] the same as `NOISE` before the noise is known
_SIGNALS = 6  # of recorded values a side: the wrist, five fingertips

Runs = list[tuple[int, int]]


@dataclass(frozen=True)
class Geometry:
    """Recorded values of a block beside those of its joints, as points.

    Attributes:
        wrist: (T, 2, 9) three points of each recorded wrist [m].
        tips: (T, 2, 5, 3) recorded fingertips [m].
        hand: (T, 2, 15) recorded fingertips in the wrist's frame [m].
        joints_wrist: (T, 2, 9) as `wrist`, by forward kinematics of the joints.
        joints_tips: (T, 2, 5, 3) as `tips`.
        joints_hand: (T, 2, 15) as `hand`.
    """

    wrist: FloatArray
    tips: FloatArray
    hand: FloatArray
    joints_wrist: FloatArray
    joints_tips: FloatArray
    joints_hand: FloatArray

    @classmethod
    def of(cls, demo: Demo, forward: tuple[FloatArray, FloatArray]) -> Geometry:
        """Of a block and ``robot.forward`` of its joints."""
        recorded = (demo.T_world_wrist, demo.fingertips)
        parts = ((_wrist_points(T), tips, _in_wrist(tips, T)) for T, tips in (recorded, forward))
        return cls(*(value for part in parts for value in part))


@dataclass(frozen=True)
class LostTracking:
    """Frames that are no measurement.

    Attributes:
        hands: of left and right, frames in which the hand counts as missing.
        fingers: of left and right, of each finger, frames in which it alone is missing.
        findings: what was lost, where.
    """

    hands: tuple[FrameRuns, FrameRuns]
    fingers: tuple[tuple[FrameRuns, ...], tuple[FrameRuns, ...]]
    findings: tuple[Finding, ...]

    def mark(self, demo: Demo) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Poses, fingertips and validity of some frames, with NaN and False where they are lost."""
        stop = demo.start + demo.frames
        valid = demo.valid.copy()
        tips = demo.fingertips.copy()
        for h in range(len(SIDES)):
            valid[:, h] &= ~self.hands[h].mask(demo.start, stop)
            for f, frames in enumerate(self.fingers[h]):
                tips[frames.mask(demo.start, stop), h, f] = np.nan
        poses = np.where(valid[..., None, None], demo.T_world_wrist, np.nan)
        return poses, np.where(valid[..., None, None], tips, np.nan), valid


class TrackingWatch:
    """Looks for lost tracking in a recording that comes in blocks.

    Args:
        robot: the robot it is of.
    """

    def __init__(self, robot: Robot) -> None:
        self._arm = [robot.indices(side.arm_joints) for side in robot.sides]
        self._hand = [robot.indices(side.hand_joints) for side in robot.sides]
        self._before: Geometry | None = None
        self._wrist_error, self._hand_error = ([ErrorSketch(), ErrorSketch()] for _ in range(2))
        self._anchors = {name: _Anchor() for name in ("wrist", "tips", "arm", "hand")}
        pairs, signals = (len(SIDES),), (len(SIDES), _SIGNALS)
        self._still, self._zero = _Stretches(signals), _Stretches(signals)
        self._still_joints, self._zero_joints = _Stretches((*pairs, 2)), _Stretches((*pairs, 2))
        self._unseen, self._missing = _Stretches((*pairs, len(FINGERS))), _Stretches(pairs)
        self._frames = 0

    def add(self, demo: Demo, geometry: Geometry) -> tuple[BoolArray, BoolArray]:
        """Take in the next frames.

        Returns:
            (T, 2) hands that are lost for sure, as far as is known by now, and (T, 2) where nothing
            of a side moved to the bit, neither joints nor record.
        """
        g, start = geometry, demo.start
        before = self._before or _nowhere(g)
        still_wrist = _same(g.wrist, before.wrist)
        still_tips = _same(g.tips, before.tips)
        still_arm = _stands(g.joints_wrist, before.joints_wrist)
        still_hand = _stands(g.joints_hand, before.joints_hand)
        self._before = Geometry(*(value[-1:] for value in vars(g).values()))

        # how far the other one went, in metres, since a value began to stand still
        wrist = self._anchors["wrist"].since(still_wrist, g.joints_wrist) / np.sqrt(3.0)
        tips = self._anchors["tips"].since(still_tips, g.joints_tips)
        arm = self._anchors["arm"].since(still_arm, g.wrist) / np.sqrt(3.0)
        hand = self._anchors["hand"].since(still_hand, g.hand)
        still = np.concatenate([still_wrist[..., None], still_tips], axis=-1)
        gone = np.concatenate([wrist[..., None], tips], axis=-1)
        self._still.add(still & (gone > _SLIGHTLY), gone, start)
        joints = np.stack([still_arm, still_hand], axis=-1)
        moved = np.stack([arm, hand], axis=-1)
        self._still_joints.add(joints & (moved > _SLIGHTLY), moved, start)

        far_wrist = lengths(g.wrist - g.joints_wrist) / np.sqrt(3.0)
        far_tips = lengths(g.tips - g.joints_tips)
        far_hand = lengths(np.nan_to_num(g.hand - g.joints_hand))
        for h in range(len(SIDES)):
            self._wrist_error[h].add(far_wrist[:, h], start)
            self._hand_error[h].add(far_hand[demo.valid[:, h], h], start)
        far = np.concatenate([far_wrist[..., None], far_tips], axis=-1)
        origin = (demo.T_world_wrist == np.eye(4)).all(axis=(-2, -1))
        zero = np.concatenate([origin[..., None], (g.tips == 0.0).all(axis=-1)], axis=-1)
        zero &= far > MOVED
        self._zero.add(zero, far, start)
        at_zero = np.stack(
            [
                np.stack([(demo.qpos[:, rows] == 0.0).all(axis=-1) for rows in part], axis=-1)
                for part in (self._arm, self._hand)
            ],
            axis=-1,
        )
        off = np.stack([np.nan_to_num(far_wrist), far_hand], axis=-1)
        at_zero &= off > MOVED
        self._zero_joints.add(at_zero, off, start)
        unseen = np.isnan(g.tips).any(axis=-1) & demo.valid[..., None]
        self._unseen.add(unseen, unseen.astype(np.float64), start)
        self._missing.add(~demo.valid, np.ones(demo.valid.shape), start)
        self._frames += demo.frames

        bad = (still & (gone > MOVED)) | zero
        bad[..., 1:] |= unseen
        sure = (joints & (moved > _SURELY)) | (at_zero & (off > _SURELY))
        lost = bad[..., 0] | sure.any(axis=-1)
        lost |= bad[..., 1:].sum(axis=-1) > len(FINGERS) - FEWEST_FINGERS
        nothing = (still_wrist & still_tips.all(axis=-1)) | ~demo.valid
        return lost, nothing & still_arm & still_hand

    def result(self, dropouts: tuple[Runs, Runs]) -> LostTracking:
        """What was lost in all frames.

        Args:
            dropouts: of left and right, frames that nothing of the side tells, see `Pauses`.
        """
        findings: list[Finding] = []
        hands, fingers = [], []
        for h, side in enumerate(SIDES):
            noise = [
                max(MOVED, NOISE * float(np.nan_to_num(error[h].quantile(0.5))))
                for error in (self._wrist_error, self._hand_error)
            ]
            fingers_lost = range(len(FINGERS))
            unseen = [self._unseen.beyond((h, f), 0.5) for f in fingers_lost]
            zeros = [self._zero.beyond((h, 1 + f), MOVED) for f in fingers_lost]
            stills = [
                without(self._still.beyond((h, 1 + f), MOVED), FrameRuns.of_runs(zeros[f]))
                for f in fingers_lost
            ]
            each = [
                FrameRuns.of_runs([*a, *b, *c])
                for a, b, c in zip(zeros, stills, unseen, strict=True)
            ]
            several = at_least(each, len(FINGERS) - FEWEST_FINGERS + 1)
            found: dict[str, FrameRuns] = {}
            known = FrameRuns()
            for kind, runs in (
                ("zero_wrist", self._zero.beyond((h, 0), MOVED)),
                ("zero_arm_joints", self._zero_joints.beyond((h, 0), noise[0])),
                ("still_wrist", self._still.beyond((h, 0), MOVED)),
                ("still_arm_joints", self._still_joints.beyond((h, 0), noise[0])),
                ("dropout", dropouts[h]),
                ("zero_fingertips", within([run for some in zeros for run in some], several)),
                ("zero_hand_joints", self._zero_joints.beyond((h, 1), noise[1])),
                ("still_fingertips", within([run for some in stills for run in some], several)),
                ("still_hand_joints", self._still_joints.beyond((h, 1), noise[1])),
                ("missing_fingers", several),
            ):
                frames = FrameRuns.of_runs(without(runs, known))  # each frame has one kind
                if frames:
                    found[kind] = frames
                    known = FrameRuns.of_runs([*known.runs, *frames.runs])
            missing = FrameRuns.of_runs(self._missing.beyond((h,), 0.5))
            if missing and len(missing) < self._frames:
                findings.append(Finding(
                    "missing_hand", f"the {side} hand is missing in the file ({missing.text()})",
                    side, missing,
                ))  # fmt: skip
            lost = known
            findings += [
                Finding(kind, _TEXTS[kind].format(side=side, frames=frames.text()), side, frames)
                for kind, frames in found.items()
            ]
            hands.append(lost)
            fingers.append(tuple(each))
            for f, finger in enumerate(FINGERS):
                for kind, runs in (
                    ("zero_finger", zeros[f]), ("still_finger", stills[f]),
                    ("missing_finger", unseen[f]),
                ):  # fmt: skip
                    alone = FrameRuns.of_runs(without(runs, lost))
                    if alone:
                        text = _TEXTS[kind].format(side=side, finger=finger, frames=alone.text())
                        findings.append(Finding(kind, text, side, alone))
        return LostTracking(
            hands=(hands[0], hands[1]), fingers=(fingers[0], fingers[1]), findings=tuple(findings)
        )


_MISSING = "the hand counts as missing there"
_TEXTS = {
    "zero_wrist": f"the {{side}} wrist's pose is zeros ({{frames}}); {_MISSING}",
    "still_wrist": "the {side} wrist's pose does not move while the arm's joints do ({frames}); "
    + _MISSING,
    "zero_arm_joints": "the {side} arm's joints are all zero while the wrist is elsewhere "
    f"({{frames}}); {_MISSING}",
    "still_arm_joints": "the {side} arm's joints do not move while the wrist's pose does "
    f"({{frames}}); {_MISSING}",
    "zero_hand_joints": "the {side} hand's joints are all zero while the fingertips are elsewhere "
    f"({{frames}}); {_MISSING}",
    "still_hand_joints": "the {side} hand's joints do not move while the fingertips do "
    f"({{frames}}); {_MISSING}",
    "dropout": "nothing of the {side} side moves, and then it jumps: its tracking was lost "
    f"({{frames}}); {_MISSING}",
    "zero_fingertips": f"the {{side}} fingertips are zeros ({{frames}}); {_MISSING}",
    "still_fingertips": "the {side} fingertips do not move while the joints do ({frames}); "
    + _MISSING,
    "missing_fingers": f"several {{side}} fingers are missing at once ({{frames}}); {_MISSING}",
    "zero_finger": "the {side} {finger} fingertip is zeros ({frames}); the finger counts as missing"
    " there",
    "still_finger": "the {side} {finger} fingertip does not move while its joints do ({frames}); "
    "the finger counts as missing there",
    "missing_finger": "the {side} {finger} finger is missing ({frames})",
}


class _Anchor:
    """Values where they were when others began to stand still."""

    def __init__(self) -> None:
        self._at: FloatArray | None = None

    def since(self, still: BoolArray, values: FloatArray) -> FloatArray:
        """How far values (T, ..., D) went since the frame before a stretch of ``still`` (T, ...).

        Coordinates that are NaN did not move.
        """
        if self._at is None:
            self._at = values[0]
        if not still.any():
            self._at = values[-1]
            return np.zeros(still.shape)
        rows = np.arange(len(still)).reshape(-1, *[1] * (still.ndim - 1))
        last = np.maximum.accumulate(np.where(still, -1, rows), axis=0)
        gone = np.zeros(still.shape)
        frame, *places = np.nonzero(still)
        before = last[(frame, *places)]
        at = np.where(
            (before < 0)[:, None],
            self._at[tuple(places)],
            values[(np.maximum(before, 0), *places)],
        )
        gone[(frame, *places)] = lengths(np.nan_to_num(values[(frame, *places)] - at))
        at_end = np.take_along_axis(values, np.maximum(last[-1:], 0)[..., None], axis=0)[0]
        self._at = np.where((last[-1] < 0)[..., None], self._at, at_end)
        return gone


class _Stretches:
    """Stretches of frames in which something holds, and the most that a distance reaches there."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._found: dict[tuple[int, ...], list[list[float]]] = {}
        self._open = np.zeros(shape, dtype=np.bool_)

    def add(self, mask: BoolArray, distance: FloatArray, start: int) -> None:
        """Take in a mask (T, ...) and distances (T, ...) of frames from ``start`` on."""
        for place in zip(*np.nonzero(mask.any(axis=0)), strict=True):
            rows = np.flatnonzero(mask[(slice(None), *place)])
            values = distance[(rows, *place)]
            cuts = np.flatnonzero(np.diff(rows) != 1) + 1
            most = np.maximum.reduceat(values, np.concatenate([[0], cuts]))
            firsts = rows[np.concatenate([[0], cuts])]
            lasts = rows[np.concatenate([cuts - 1, [len(rows) - 1]])]
            kept = self._found.setdefault(tuple(int(k) for k in place), [])
            for first, last, far in zip(firsts, lasts, most, strict=True):
                if first == 0 and self._open[place]:
                    kept[-1][1] = start + int(last)
                    kept[-1][2] = max(kept[-1][2], float(far))
                else:
                    kept.append([start + int(first), start + int(last), float(far)])
        self._open = mask[-1].copy()

    def beyond(self, place: tuple[int, ...], least: float) -> Runs:
        """First and last frames of the stretches whose distance reaches beyond ``least``."""
        found = self._found.get(place, [])
        return [(int(first), int(last)) for first, last, far in found if far > least]


def at_least(frames: Iterable[FrameRuns], count: int) -> Runs:
    """Frames that are among so many of several."""
    ends = [end for some in frames for a, b in some.runs for end in ((a, 1), (b + 1, -1))]
    depth, first, found = 0, 0, []
    for frame, change in sorted(ends):
        if depth < count <= depth + change:
            first = frame
        if depth + change < count <= depth and frame > first:
            found.append((first, frame - 1))
        depth += change
    return found


def within(runs: Runs, others: Runs) -> Runs:
    """Frames of some runs that are also in others."""
    return at_least([FrameRuns.of_runs(runs), FrameRuns.of_runs(others)], 2)


def without(runs: Runs, others: FrameRuns) -> Runs:
    """Frames of some runs that are not among others."""
    found = []
    for first, last in FrameRuns.of_runs(runs).runs:
        for a, b in others.runs:
            if b >= first and a <= last:
                if a > first:
                    found.append((first, a - 1))
                first = b + 1
        if first <= last:
            found.append((first, last))
    return found


def _wrist_points(T: FloatArray) -> FloatArray:
    """(..., 9) a wrist's origin and points on its x and y axes [m]."""
    origin = T[..., :3, 3]
    ahead, left = (origin + _ARM * T[..., :3, k] for k in (0, 1))
    return np.concatenate([origin, ahead, left], axis=-1)


def _in_wrist(tips: FloatArray, T: FloatArray) -> FloatArray:
    """(..., 15) fingertips in the wrist's frame [m]."""
    away, rotation = tips - T[..., None, :3, 3], T[..., None, :3, :3]
    # by hand: products of so small matrices take twice the time
    local = away[..., :1] * rotation[..., 0, :]
    for k in (1, 2):
        local += away[..., k : k + 1] * rotation[..., k, :]
    return local.reshape(*local.shape[:-2], -1)


def _same(values: FloatArray, before: FloatArray) -> BoolArray:
    """(T, ...) where values (T, ..., D) are to the bit those of the frame before."""
    return _unmoved(values, before, lambda a, b: a == b)


def _stands(values: FloatArray, before: FloatArray) -> BoolArray:
    """The same of what comes of a computation."""
    return _unmoved(values, before, lambda a, b: np.abs(a - b) <= _STILL)


def _unmoved(
    values: FloatArray, before: FloatArray, same: Callable[[FloatArray, FloatArray], BoolArray]
) -> BoolArray:
    path = np.concatenate([before, values])
    found = np.asarray(same(path[1:, ..., 0], path[:-1, ..., 0]))
    places = np.nonzero(found)  # few, of which all coordinates are looked at
    found[places] = same(path[1:][places], path[:-1][places]).all(axis=-1)
    return found


def _nowhere(geometry: Geometry) -> Geometry:
    """What stands before the first frame: nothing equals it."""
    return Geometry(*(np.full_like(value[:1], np.nan) for value in vars(geometry).values()))
