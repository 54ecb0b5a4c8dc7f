"""What becomes of a person's pinches, and how quietly the robot's hands move, in growing motion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.statistics import ErrorSketch, FrameRuns, MotionExtremes
from retarget.core.text import length_text
from retarget.core.types import FINGERS, SIDES, FloatArray
from retarget.replay.verdict import Reason

if TYPE_CHECKING:
    from retarget.mapping.people_retargeter import MappedMotion
    from retarget.robot.robot import Robot

PINCH = 0.015  # [m] two tips nearer than this pinch
APART = 0.040  # [m] tips farther apart than this do not
OPENED = 0.005  # [m] a pinch's median gap on the robot beyond what was asked for or can be done
FALSE = 0.01  # share of a hand's frames that may pinch on the robot alone


@dataclass(frozen=True)
class FingerPinch:
    """What becomes of the pinches of thumb and one finger.

    Attributes:
        finger: its name.
        frames: in which the person's tips are nearer than `PINCH`.
        human_p50_m: median distance of the person's tips in them [m], NaN of none.
        robot_p50_m: the same of the robot's [m].
        robot_p90_m: its 90th percentile [m].
        least_m: how near the robot's tips can come at all [m].
    """

    finger: str
    frames: int
    human_p50_m: float
    robot_p50_m: float
    robot_p90_m: float
    least_m: float

    @property
    def opened_m(self) -> float:
        """How much wider than asked for, or than the hand can do, it is [m]; NaN of none."""
        return self.robot_p50_m - max(self.human_p50_m, self.least_m)


@dataclass(frozen=True)
class HandReplay:
    """What becomes of a person's hand on the robot.

    Attributes:
        pinches: index to pinky.
        known: frames in which the hand is known.
        false_pinches: the file's frames in which the robot's tips are nearer than `PINCH` while the
            person's are farther apart than `APART`, ascending.
        jitter_rad: of the active hand joints, frame to frame [rad]: root mean square of second
            differences over sqrt(6): the standard deviation of white noise that has them.
        speed_share: fastest active hand joint as a share of its velocity limit [-].
    """

    pinches: tuple[FingerPinch, ...]
    known: int
    false_pinches: FrameRuns
    jitter_rad: float
    speed_share: float


class PeopleRecord:
    """The record of both hands, in memory that the motion's length does not change.

    Args:
        robot: the robot.
        least: (2, 4) how near its tips can come, `HandMap.smallest_gaps` [m].
        rate: frames per second [Hz].
    """

    def __init__(self, robot: Robot, least: FloatArray, rate: float) -> None:
        self._hands = [_HandRecord(robot, h, least[h], rate) for h in range(len(SIDES))]
        self._done = 0

    def add(self, mapped: MappedMotion) -> None:
        """Take in the next frames."""
        for h, hand in enumerate(self._hands):
            hand.add(mapped, h, self._done)
        self._done += len(mapped.hand_status)

    def hands(self) -> tuple[HandReplay, HandReplay]:
        """The figures, left and right."""
        left, right = (hand.result() for hand in self._hands)
        return left, right


class _HandRecord:
    def __init__(self, robot: Robot, h: int, least: FloatArray, rate: float) -> None:
        side = robot.sides[h]
        self._rows = robot.indices(side.active_joints)
        rows = self._rows
        limits = robot.lower[rows], robot.upper[rows], robot.velocity_limits[rows]
        self._motion = MotionExtremes(side.active_joints, *limits, rate)
        self._human = [ErrorSketch() for _ in least]
        self._robot = [ErrorSketch() for _ in least]
        self._least, self._known, self._false = least, 0, FrameRuns()
        self._last = np.zeros((0, len(self._rows)))
        self._squares, self._count, self._share = 0.0, 0, 0.0

    def add(self, mapped: MappedMotion, h: int, first: int) -> None:
        human, robot = mapped.human_gap_m[:, h], mapped.robot_gap_m[:, h]
        self._known += int(np.isfinite(robot).all(axis=-1).sum())
        for k in range(len(self._least)):
            near = human[:, k] < PINCH
            self._human[k].add(human[near, k])
            self._robot[k].add(robot[near, k])
        self._false.add(first + np.flatnonzero(((robot < PINCH) & (human > APART)).any(axis=-1)))
        q = mapped.robot.qpos[:, self._rows]
        share = self._motion.add(q, first).share
        self._share = max(self._share, float(np.nan_to_num(share).max()))
        path = np.concatenate([self._last, q])
        second = np.diff(path, 2, axis=0)
        self._squares += float((second**2).sum())
        self._count += second.size
        self._last = path[-2:]

    def result(self) -> HandReplay:
        pinches = tuple(
            FingerPinch(
                finger,
                human.count,
                human.quantile(0.5),
                robot.quantile(0.5),
                robot.quantile(0.9),
                float(least),
            )
            for finger, human, robot, least in zip(
                FINGERS[1:], self._human, self._robot, self._least, strict=True
            )
        )
        jitter = math.sqrt(self._squares / 6.0 / self._count) if self._count else float("nan")
        return HandReplay(pinches, self._known, self._false, jitter, self._share)


def people_reasons(hands: tuple[HandReplay, HandReplay]) -> Iterator[Reason]:
    """What speaks against the robot's hands, left side first."""
    for name, hand in zip(SIDES, hands, strict=True):
        for pinch in hand.pinches:
            if pinch.opened_m > OPENED:
                yield Reason(
                    f"the {name} hand's {pinch.finger} pinches open to "
                    f"{length_text(pinch.robot_p50_m)} (median of {pinch.frames} frames), the "
                    f"person's are at {length_text(pinch.human_p50_m)} and the hand can do "
                    f"{length_text(pinch.least_m)}",
                    pinch.opened_m / OPENED,
                )
        found = len(hand.false_pinches)
        if found > FALSE * hand.known:
            yield Reason(
                f"the {name} hand pinches where the person does not in {found} of {hand.known} "
                f"frames ({100.0 * found / hand.known:.3g} %; {hand.false_pinches.text()}); "
                f"tolerated are {100.0 * FALSE:.3g} %",
                found / (FALSE * hand.known),
            )


def people_notes(hands: tuple[HandReplay, HandReplay]) -> Iterator[str]:
    """What is worth saying of the robot's hands all the same, left side first."""
    for name, hand in zip(SIDES, hands, strict=True):
        if hand.speed_share > 1.0:
            yield (
                f"the {name} hand's joints move at up to {hand.speed_share:.3g} times their "
                "velocity limits: a controller follows more slowly"
            )
