"""Why a demonstration disagrees with its own joints: the usual mistakes, undone one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retarget import demo_guesses as guesses
from retarget.demo_errors import DemoErrors, demo_errors, errors_between, typical
from retarget.types import Demo

if TYPE_CHECKING:
    from retarget.robot import Robot

_EXPLAINED = 1e-3  # [m] and, times 20, [rad]: what may be left once the mistake is undone
_FRAMES = 512  # frames looked at; a mistake of layout shows in all of them


@dataclass(frozen=True)
class Cause:
    """A mistake that would make a file look as it does.

    Attributes:
        text: the mistake.
        left_over: what typically remains once it is undone [m], or None where none was found.
        fatal: certain damage if it were ignored: swapped hands, lengths that are not metres.
    """

    text: str
    left_over: float | None = None
    fatal: bool = False

    def __str__(self) -> str:
        if self.left_over is None:
            return self.text
        return f"{self.text} (undone, {max(self.left_over * 1000.0, 0.01):.2g} mm or less remain)"


def likely_cause(demo: Demo, robot: Robot) -> Cause:
    """The first usual mistake whose undoing leaves less than a millimetre, else a general answer.

    Tried, simplest first: hands swapped (poses, fingertips, joints), quaternions xyzw, millimetres
    or centimetres, fingertips in another finger order, poses in the robot's, a camera's or another
    frame, poses of another frame of the hand, joints in degrees, in URDF or alphabetical order,
    fingers' joints permuted, passive finger joints not filled in, poses that lag the joints.
    """
    demo = _first_frames(demo)
    T_world_wrist, fingertips = robot.forward(demo.qpos)
    before = errors_between(demo, T_world_wrist, fingertips)
    families: tuple[Callable[[], Iterator[guesses.Guess]], ...] = (
        lambda: guesses.swaps(demo, robot),
        lambda: guesses.quaternions(demo),
        lambda: guesses.units(demo),
        lambda: guesses.fingers(demo, fingertips),
        lambda: guesses.world_frames(demo, T_world_wrist, robot),
        lambda: guesses.wrist_frames(demo, T_world_wrist, robot),
        lambda: guesses.joint_orders(demo, robot),
        lambda: guesses.finger_joints(demo, robot),
        lambda: guesses.lags(demo),
    )
    for family in families:
        for guess in family():
            if guess.moved:
                after = demo_errors(guess.demo, robot)
            else:
                after = errors_between(guess.demo, T_world_wrist, fingertips)
            left_over = _left_over(after)
            if left_over is not None:
                return Cause(guess.text, left_over, guess.fatal)
    return Cause(_general(before))


def _first_frames(demo: Demo) -> Demo:
    kept = slice(0, _FRAMES)
    return dataclasses.replace(
        demo,
        qpos=demo.qpos[kept],
        T_world_wrist=demo.T_world_wrist[kept],
        fingertips=demo.fingertips[kept],
        valid=demo.valid[kept],
        action=None,
    )


def _left_over(errors: DemoErrors) -> float | None:
    """What typically remains [m], or None where that is too much to call it explained."""
    left_over = 0.0
    for h in range(errors.fingertip.shape[1]):
        for values in (errors.wrist_position[:, h], errors.fingertip[:, h]):
            left_over = max(left_over, np.nan_to_num(typical(values)))
        if typical(errors.wrist_rotation[:, h]) > 20.0 * _EXPLAINED:
            return None
    return left_over if left_over < _EXPLAINED else None


def _general(errors: DemoErrors) -> str:
    wrists = max(np.nan_to_num(typical(errors.wrist_position[:, h])) for h in (0, 1))
    if wrists < _EXPLAINED:
        return "another hand, or another order of the hands' joints; the arms agree"
    return "another joint order, robot or frame"
