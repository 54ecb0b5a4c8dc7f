"""Whether a replayed demonstration is valid, and why not, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from retarget.errors import InputError
from retarget.types import SIDES, BoolArray, IntArray, Status
from retarget.units import angle_text, length_text

if TYPE_CHECKING:
    from retarget.replay_record import ReplayRecord

JUMP = 3.0  # how many times as fast as ever recorded an arm moves that jumps
_FRAMES_TOLD = 6


@dataclass(frozen=True)
class Tolerances:
    """What a valid demonstration may lose.

    Attributes:
        fingertip_m: mean fingertip round-trip error [m]; the published networks state this much.
        fingertip_p99_m: its 99th percentile [m].
        wrist_m: wrist position error of any frame [m].
        wrist_rad: wrist rotation error of any frame [rad].
        missing: share of the frames in which a hand may be missing [-].
    """

    fingertip_m: float = 5e-5
    fingertip_p99_m: float = 2e-4
    wrist_m: float = 1e-5
    wrist_rad: float = math.radians(0.005)
    missing: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no tolerance."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0.0:
                raise InputError(f"tolerance {field.name} must not be negative, got {value}")


@dataclass(frozen=True)
class Reason:
    """Why a demonstration is not valid.

    Attributes:
        text: a sentence.
        severity: how bad, 1 or more: how many times the tolerance, or how many frames.
    """

    text: str
    severity: float


def reasons(record: ReplayRecord, tolerances: Tolerances) -> list[Reason]:
    """Every rule of docs/replay.md that a record breaks, left side first; none if it is valid."""
    found: list[Reason] = []
    for h, side in enumerate(SIDES):
        status = record.status[:, h]
        found += _missing(status, side, tolerances)
        found += _wrists(record, h, tolerances)
        found += _fingertips(record, h, tolerances)
        found += _flags(record, h)
    return found


def _missing(status: IntArray, side: str, tolerances: Tolerances) -> Iterator[Reason]:
    frames = len(status)
    missing = int((status == Status.MISSING_INPUT).sum())
    if missing == frames:
        yield Reason(f"the {side} hand is missing in all {frames} frames", frames)
    elif missing > tolerances.missing * frames:
        share, most = 100.0 * missing / frames, 100.0 * tolerances.missing
        yield Reason(
            f"the {side} hand is missing in {missing} of {frames} frames ({share:.3g} %); "
            f"tolerated are {most:.3g} %",
            missing,
        )


def _wrists(record: ReplayRecord, h: int, tolerances: Tolerances) -> Iterator[Reason]:
    position = record.wrist_position_error_m[:, h]
    rotation = record.wrist_rotation_error_rad[:, h]
    off = (position > tolerances.wrist_m) | (rotation > tolerances.wrist_rad)
    unreachable = record.status[:, h] == Status.UNREACHABLE
    for frames, said in (
        (off & unreachable, "cannot be reached by the arm; the nearest pose is off by up to"),
        (off & ~unreachable, "is missed by up to"),
    ):
        if frames.any():
            far, turned = position[frames].max(), rotation[frames].max()
            ratio = max(_ratio(far, tolerances.wrist_m), _ratio(turned, tolerances.wrist_rad))
            yield Reason(
                f"the {SIDES[h]} wrist's pose {said} {length_text(far)} and {angle_text(turned)} "
                f"({_frames(frames, record.start)})",
                ratio,
            )


def _fingertips(record: ReplayRecord, h: int, tolerances: Tolerances) -> Iterator[Reason]:
    errors = record.fingertip_error_m[:, h]
    errors = errors[np.isfinite(errors)]
    if not errors.size:
        return
    for value, most, said in (
        (float(errors.mean()), tolerances.fingertip_m, "on average"),
        (float(np.percentile(errors, 99.0)), tolerances.fingertip_p99_m, "in 1 % of cases"),
    ):
        if value > most:
            yield Reason(
                f"the {SIDES[h]} fingertips come back {length_text(value)} off {said}; "
                f"tolerated are {length_text(most)}",
                _ratio(value, most),
            )


def _flags(record: ReplayRecord, h: int) -> Iterator[Reason]:
    side = SIDES[h]
    lost = record.status[:, h] == Status.NOT_CONVERGED
    if lost.any():
        where = _frames(lost, record.start)
        yield Reason(f"the {side} hand or arm did not converge ({where})", int(lost.sum()))
    jumps = record.label_jump[:, h]
    if jumps.any():
        yield Reason(
            f"the {side} hand's labels jump: a tiny change of the joints is a large one of the "
            f"coefficients ({_frames(jumps, record.start)})",
            int(jumps.sum()),
        )
    jumps = arm_jumps(record, h)
    if jumps.any():
        speed = record.arm_speed[jumps, h].max()
        yield Reason(
            f"the {side} arm jumps from one posture to another, at up to {speed:.3g} times a "
            f"joint's velocity limit, where the recorded arm moved smoothly "
            f"({_frames(jumps, record.start)})",
            int(jumps.sum()),
        )
    for what, extremes in (("arm", record.arms[h]), ("hand", record.hands[h])):
        if extremes.violations:
            margin = extremes.margin
            yield Reason(
                f"the {side} {what} leaves its joint limits {extremes.violations} times, by up to "
                f"{angle_text(-margin.value)} ({margin.joint}, frame {margin.frame})",
                extremes.violations,
            )


def arm_jumps(record: ReplayRecord, h: int) -> BoolArray:
    """Frames (T,) into which an arm moves faster than its limit and thrice all that was recorded.

    Where the wrist is missing or out of reach, in the frame or the one before, it does not count:
    the wrist did not come from where the arm was.
    """
    known = ~np.isin(record.status[:, h], (Status.MISSING_INPUT, Status.UNREACHABLE))
    known[1:] &= known[:-1].copy()
    speed = np.where(known, np.nan_to_num(record.arm_speed[:, h]), 0.0)
    recorded = float(np.nan_to_num(record.recorded_arm_speed[:, h]).max())
    return np.asarray(speed > max(1.0, JUMP * recorded))


def _ratio(value: float, tolerance: float) -> float:
    return float(value / tolerance) if tolerance > 0.0 else float("inf")


def _frames(mask: BoolArray, start: int) -> str:
    """The frames of a mask in words, runs joined: ``frames 0-4, 9``."""
    return frames_text(start + np.flatnonzero(mask))


def frames_text(frames: Iterable[int]) -> str:
    """Ascending frames in words, runs joined, at most six runs told: ``4 frames: 0-2, 9``."""
    runs: list[list[int]] = []
    count = 0
    for frame in map(int, frames):
        count += 1
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    if count == 1:
        return f"frame {runs[0][0]}"
    told = [f"{a}" if a == b else f"{a}-{b}" for a, b in runs[:_FRAMES_TOLD]]
    more = ", ..." if len(runs) > _FRAMES_TOLD else ""
    return f"{count} frames: {', '.join(told)}{more}"
