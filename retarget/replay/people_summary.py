"""What tables say of a person's hands on the robot: pinches, finger by finger, and jitter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from retarget.core.text import angle_text, length_text
from retarget.core.types import FINGERS, SIDES
from retarget.replay.people_record import APART, FALSE, OPENED, PINCH
from retarget.replay.summary import Cell

if TYPE_CHECKING:
    from retarget.replay.people_record import HandReplay

PINCH_COLUMNS = ("pinches", "person's gap", "robot's gap", "p90", "least possible")
PINCH_CAPTION = (
    f"Frames in which the person's tips are nearer than {length_text(PINCH)}, the median distance "
    "of the tips in them, and how near the robot's can come at all."
)


def pinch_rows(
    hands: tuple[HandReplay, HandReplay],
) -> Iterator[tuple[str, str, tuple[Cell, ...]]]:
    """A finger's name once, a side, and the cells of `PINCH_COLUMNS`."""
    for k, finger in enumerate(FINGERS[1:]):
        for h, (side, hand) in enumerate(zip(SIDES, hands, strict=True)):
            pinch = hand.pinches[k]
            yield (
                finger if h == 0 else "",
                side,
                (
                    Cell(f"{pinch.frames} frames"),
                    Cell(length_text(pinch.human_p50_m)),
                    Cell(length_text(pinch.robot_p50_m), bad=pinch.opened_m > OPENED),
                    Cell(length_text(pinch.robot_p90_m)),
                    Cell(length_text(pinch.least_m)),
                ),
            )


def _false(hand: HandReplay) -> Cell:
    found = len(hand.false_pinches)
    return Cell(f"{found} frames", bad=found > FALSE * max(hand.known, 1))


def _jitter(hand: HandReplay) -> Cell:
    return Cell(angle_text(hand.jitter_rad) if hand.known else "-")


def _speed(hand: HandReplay) -> Cell:
    return Cell(f"{hand.speed_share:.2g}" if hand.known else "-", bad=hand.speed_share > 1.0)


HAND_ROWS: tuple[tuple[str, Callable[[HandReplay], Cell]], ...] = (
    (f"pinches where the person's tips are {1e3 * APART:g} mm apart", _false),
    ("jitter of the joints, frame to frame", _jitter),
    ("fastest joint over its velocity limit", _speed),
)
