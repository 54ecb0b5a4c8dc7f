"""A demonstration checked against itself: its poses against forward kinematics of its joints."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retarget.core.errors import DemoError, InputError
from retarget.core.statistics import ErrorSketch
from retarget.core.types import SIDES, BoolArray, Demo
from retarget.data.demo.diagnose import (
    NOTABLE,
    Cause,
    DemoErrors,
    demo_errors,
    likely_cause,
    slight_cause,
)
from retarget.data.demo.evidence import ROTATION_PER_METRE, TYPICAL, typical
from retarget.robot.robot import Robot

TOLERANCE = 5e-3  # [m] twice what encoders and the mounting of a hand cost a real robot


@dataclass(frozen=True)
class Disagreement:
    """How far recorded values lie from forward kinematics, over the frames of one hand.

    NaN and frame -1 where the hand has no valid frame.

    Attributes:
        mean: mean.
        typical: three quarters of the frames are no farther off; the verdict goes by this.
        max: largest.
        worst_frame: the file's frame of the largest.
    """

    mean: float
    typical: float
    max: float
    worst_frame: int


@dataclass(frozen=True)
class SideCheck:
    """The check of one hand and arm.

    Attributes:
        frames: valid frames.
        wrist_position: [m].
        wrist_rotation: [rad].
        fingertip: of each frame's worst finger [m].
        ok: typically within tolerance, or no valid frame.
    """

    frames: int
    wrist_position: Disagreement
    wrist_rotation: Disagreement
    fingertip: Disagreement
    ok: bool


@dataclass(frozen=True)
class DemoCheck:
    """What `check_demo` found.

    Attributes:
        sides: left, right.
        cause: what is likely wrong with the file, or None where nothing is.
        ok: both sides agree with the file's own joints, within tolerance.
        slight: what is likely behind a difference within tolerance, where that is notable and
            there is an explanation; else None.
    """

    sides: tuple[SideCheck, SideCheck]
    cause: Cause | None
    ok: bool
    slight: Cause | None = None

    @property
    def exact(self) -> bool:
        """No hand is typically farther off than is worth a word: 1 mm, 1.15 degrees."""
        return all(
            side.wrist_position.typical <= NOTABLE
            and side.fingertip.typical <= NOTABLE
            and side.wrist_rotation.typical <= NOTABLE * ROTATION_PER_METRE
            for side in self.sides
            if side.frames
        )

    def describe(self) -> str:
        """The disagreement in millimetres and degrees, and its likely cause."""
        parts = []
        for side, check in zip(SIDES, self.sides, strict=True):
            if check.frames == 0:
                parts.append(f"{side} no valid frame")
            else:
                parts.append(
                    f"{side} wrist {_mm(check.wrist_position.typical)} and "
                    f"{round(float(np.degrees(check.wrist_rotation.typical)), 3):.3g} degrees, "
                    f"fingertips {_mm(check.fingertip.typical)}"
                )
        text = f"{'; '.join(parts)} from the forward kinematics of its own joints"
        return text if self.cause is None else f"{text}. Likely cause: {self.cause}"


def check_demo(
    demo: Demo, robot: Robot | str | Path, *, tolerance: float = TOLERANCE, strict: bool = True
) -> DemoCheck:
    """Compare recorded wrist poses and fingertips with forward kinematics of the recorded joints.

    The verdict goes by what three quarters of a hand's frames keep, so that a few poses which the
    arm could not follow do not condemn a file; they show in ``max``. Where a file disagrees,
    the usual mistakes are tried one by one (see `retarget.data.demo.diagnose`).

    Args:
        demo: the demonstration; frames that are not valid do not count.
        robot: the robot it should be of, or its name or folder.
        tolerance: how far wrists and fingertips may typically be off [m]; rotations may be off by
            20 rad for each metre of it.
        strict: refuse a demonstration that disagrees. Where False, only one whose hands are swapped
            or whose lengths are not metres is refused.

    Raises:
        DemoError: the demonstration disagrees with itself; in millimetres, with the likely cause.
        InputError: the number of joints is not the robot's, or ``tolerance`` is not positive.
    """
    robot = Robot.of(robot)
    tracked = np.zeros_like(demo.valid)
    blocks = [(demo, demo_errors(demo, robot), tracked)] if demo.frames else []
    return check_blocks(blocks, robot, tolerance=tolerance, strict=strict)


def check_blocks(
    blocks: Iterable[tuple[Demo, DemoErrors, BoolArray]],
    robot: Robot,
    *,
    tolerance: float = TOLERANCE,
    strict: bool = True,
) -> DemoCheck:
    """`check_demo` of a demonstration that comes in consecutive blocks, none of which is kept.

    Args:
        blocks: frames, their errors, and (T, 2) hands whose tracking is lost there. These do not
            count, unless they are more than half of a hand's frames: then it is no exception.
        robot: see `check_demo`.
        tolerance: see `check_demo`.
        strict: see `check_demo`.

    Raises:
        DemoError: see `check_demo`.
        InputError: there is no frame, or ``tolerance`` is not positive.
    """
    if not tolerance > 0.0:
        raise InputError(f"tolerance must be positive [m], got {tolerance}")
    tracked, all_ = _Checked(), _Checked()
    for block, errors, lost in blocks:
        all_.add(block, errors)
        if lost.any():
            sure = dataclasses.replace(block, valid=block.valid & ~lost)
            kept = (np.where(lost, np.nan, values) for values in vars(errors).values())
            tracked.add(sure, DemoErrors(*kept))
        else:
            tracked.add(block, errors)
    exceptions = all(
        2 * some.frames >= all_of.frames
        for some, all_of in zip(tracked.sides, all_.sides, strict=True)
    )
    return (tracked if exceptions else all_).result(robot, tolerance, strict)


class _Checked:
    """Errors of both sides, summed up as they come, and the block that is farthest off."""

    def __init__(self) -> None:
        self.sides = tuple(_Seen() for _ in SIDES)
        self._worst: Demo | None = None
        self._most = -1.0

    def add(self, block: Demo, errors: DemoErrors) -> None:
        for h, side in enumerate(self.sides):
            side.add(errors, h, block.start)
        off = max(_off(errors, h) for h in range(len(SIDES)))
        if off > self._most:
            self._worst, self._most = block, off

    def result(self, robot: Robot, tolerance: float, strict: bool) -> DemoCheck:
        worst = self._worst
        if worst is None:
            raise InputError("a demonstration to check must have at least one frame")
        left, right = (side.check(tolerance) for side in self.sides)
        check = DemoCheck((left, right), None, left.ok and right.ok)
        slight = slight_cause(worst, robot) if check.ok and not check.exact else None
        if slight is not None and not slight.mix_up:
            check = dataclasses.replace(check, slight=slight)
        elif slight is not None or not check.ok:
            likely = slight or likely_cause(worst, robot)
            check = dataclasses.replace(check, cause=likely, ok=False)
        cause, sides = check.cause, check.sides
        if cause is not None and (strict or cause.fatal):
            raise DemoError(
                worst.path or "demonstration",
                f"disagrees with itself: typically {check.describe()}",
                cause=cause.text,
                check=check,
                frame=max(
                    sides, key=lambda s: np.nan_to_num(s.fingertip.max)
                ).fingertip.worst_frame,
            )
        return check


def _off(errors: DemoErrors, h: int) -> float:
    """How far a hand typically is off [m], 0 where it is not seen."""
    lengths = (
        errors.wrist_position,
        errors.wrist_rotation / ROTATION_PER_METRE,
        errors.fingertip,
    )
    return float(max(np.nan_to_num(typical(values[:, h])) for values in lengths))


class _Seen:
    """Errors of one hand and arm, summed up as they come."""

    def __init__(self) -> None:
        self._position, self._rotation, self._fingertip = (ErrorSketch() for _ in range(3))

    @property
    def frames(self) -> int:
        """Number of frames seen."""
        return self._position.count

    def add(self, errors: DemoErrors, h: int, start: int) -> None:
        self._position.add(errors.wrist_position[:, h], start)
        self._rotation.add(errors.wrist_rotation[:, h], start)
        self._fingertip.add(errors.fingertip[:, h], start)

    def check(self, tolerance: float) -> SideCheck:
        position, rotation, fingertip = (
            _disagreement(sketch) for sketch in (self._position, self._rotation, self._fingertip)
        )
        ok = not (
            position.typical > tolerance
            or fingertip.typical > tolerance
            or rotation.typical > tolerance * ROTATION_PER_METRE
        )
        return SideCheck(self._fingertip.count, position, rotation, fingertip, ok)


def _disagreement(errors: ErrorSketch) -> Disagreement:
    usual = errors.quantile(TYPICAL, lower=True)
    return Disagreement(errors.mean, usual, errors.max, errors.worst_frame)


def _mm(length: float) -> str:
    millimetres = length * 1000.0
    return f"{round(millimetres, 1 if millimetres >= 100.0 else 3):.6g} mm"
