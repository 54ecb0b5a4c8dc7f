"""A demonstration checked against itself: its poses against forward kinematics of its joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retarget.demo_causes import Cause, likely_cause
from retarget.demo_errors import DemoErrors, demo_errors, typical
from retarget.errors import DemoError, InputError
from retarget.types import SIDES, Demo, FloatArray

if TYPE_CHECKING:
    from retarget.robot import Robot

TOLERANCE = 5e-3  # [m] twice what encoders and the mounting of a hand cost a real robot
_ROTATION_PER_METRE = 20.0  # [rad/m]; 5 mm go with 0.1 rad


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
        ok: both sides agree with the file's own joints.
    """

    sides: tuple[SideCheck, SideCheck]
    cause: Cause | None
    ok: bool

    def describe(self) -> str:
        """The disagreement in millimetres and degrees, and its likely cause."""
        parts = []
        for side, check in zip(SIDES, self.sides, strict=True):
            if check.frames == 0:
                parts.append(f"{side} no valid frame")
            else:
                parts.append(
                    f"{side} wrist {_mm(check.wrist_position.typical)} and "
                    f"{np.degrees(check.wrist_rotation.typical):.3g} degrees, "
                    f"fingertips {_mm(check.fingertip.typical)}"
                )
        text = f"{'; '.join(parts)} from the forward kinematics of its own joints"
        return text if self.cause is None else f"{text}. Likely cause: {self.cause}"


def check_demo(
    demo: Demo, robot: Robot, *, tolerance: float = TOLERANCE, strict: bool = True
) -> DemoCheck:
    """Compare recorded wrist poses and fingertips with forward kinematics of the recorded joints.

    The verdict goes by what three quarters of a hand's frames keep, so that a few poses which the
    arm could not follow do not condemn a file; they show in ``max``. Where a file disagrees,
    the usual mistakes are tried one by one (see `retarget.demo_causes`).

    Args:
        demo: the demonstration; frames that are not valid do not count.
        robot: the robot it should be of.
        tolerance: how far wrists and fingertips may typically be off [m]; rotations may be off by
            20 rad for each metre of it.
        strict: refuse a demonstration that disagrees. Where False, only one whose hands are swapped
            or whose lengths are not metres is refused.

    Raises:
        DemoError: the demonstration disagrees with itself; in millimetres, with the likely cause.
        InputError: the number of joints is not the robot's, or ``tolerance`` is not positive.
    """
    if not tolerance > 0.0:
        raise InputError(f"tolerance must be positive [m], got {tolerance}")
    errors = demo_errors(demo, robot)
    sides = tuple(_side(errors, demo, h, tolerance) for h in range(len(SIDES)))
    ok = all(side.ok for side in sides)
    cause = None if ok else likely_cause(demo, robot)
    check = DemoCheck((sides[0], sides[1]), cause, ok)
    if cause is not None and (strict or cause.fatal):
        raise DemoError(
            demo.path or "demonstration",
            f"disagrees with itself: typically {check.describe()}",
            cause=cause.text,
            check=check,
            frame=max(sides, key=lambda s: np.nan_to_num(s.fingertip.max)).fingertip.worst_frame,
        )
    return check


def _side(errors: DemoErrors, demo: Demo, h: int, tolerance: float) -> SideCheck:
    valid = demo.valid[:, h]
    position, rotation, fingertip = (
        _disagreement(values[:, h], demo.start)
        for values in (errors.wrist_position, errors.wrist_rotation, errors.fingertip)
    )
    ok = not (
        position.typical > tolerance
        or fingertip.typical > tolerance
        or rotation.typical > tolerance * _ROTATION_PER_METRE
    )
    return SideCheck(int(valid.sum()), position, rotation, fingertip, ok)


def _disagreement(values: FloatArray, start: int) -> Disagreement:
    seen = np.flatnonzero(np.isfinite(values))
    if not seen.size:
        return Disagreement(np.nan, np.nan, np.nan, -1)
    worst = int(seen[np.argmax(values[seen])])
    return Disagreement(
        float(values[seen].mean()), typical(values), float(values[worst]), start + worst
    )


def _mm(length: float) -> str:
    return f"{length * 1000.0:.4g} mm"
