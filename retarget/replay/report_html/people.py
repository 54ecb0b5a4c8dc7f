"""The page of `retarget to-robot` for people: pinches, fingers, wrists and joints over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from retarget.core.text import length_text
from retarget.core.types import FINGERS, SIDES
from retarget.core.values import joined
from retarget.replay.people_record import APART, PINCH
from retarget.replay.people_summary import PINCH_CAPTION
from retarget.replay.report_html.figure import POINTS, Grid, from_zero
from retarget.replay.report_html.page import Section, document, plots_html
from retarget.replay.report_html.plots import (
    Plot,
    joint_angles,
    motion,
    stats_text,
    statuses,
    wrists,
)
from retarget.replay.report_html.report import worst_frame
from retarget.replay.report_html.settings import mapping_terms
from retarget.replay.summary import common_folder, worst_first

if TYPE_CHECKING:
    from retarget.mapping.people_retargeter import MappedMotion
    from retarget.replay.people_to_demo import PeopleMapping, PeopleReplay

_FULL = 8  # replays shown with plots, the worst of them


class PeoplePage:
    """A report of one or several people's motions as one self-contained HTML file.

    Args:
        mapping: how they became the robot's.
    """

    def __init__(self, mapping: PeopleMapping) -> None:
        self._mapping = mapping
        self._replays: list[PeopleReplay] = []
        self._refused: list[tuple[str, str]] = []
        self._plots: dict[int, str] = {}

    def refuse(self, path: str, message: str) -> None:
        """Add a file that could not be read, and why."""
        self._refused.append((path, message))

    def add(self, replay: PeopleReplay, blocks: Sequence[MappedMotion]) -> None:
        """Add a replay and its motion, as `people_to_demo` gave it to ``keep``."""
        self._replays.append(replay)
        self._plots[id(replay)] = plots_html(people_plots(joined(blocks), replay, self._mapping))
        for left_out in worst_first(self._replays)[_FULL:]:
            self._plots.pop(id(left_out), None)

    def html(self) -> str:
        """The document."""
        paths = [*(str(replay.path) for replay in self._replays), *(p for p, _ in self._refused)]
        return document(
            [self._section(replay) for replay in worst_first(self._replays)],
            self._refused,
            mapping_terms(self._mapping),
            folder=common_folder(paths),
            title="People to robot",
            about="A person's hands as the robot's: fingers, pinches, wrists, and what that lost.",
        )

    def _section(self, replay: PeopleReplay) -> Section:
        plots, notes = self._plots.get(id(replay), ""), []
        if not plots:
            notes.append("To keep the file small it has tables only; convert it by itself.")
        elif replay.frames > POINTS:
            notes.append("In plots a point is the largest value of several frames.")
        frame = worst_frame(replay, self._mapping.tolerances)
        return Section(replay, plots, worst_frame=frame, notes=tuple(notes))


def people_plots(
    mapped: MappedMotion, replay: PeopleReplay, mapping: PeopleMapping
) -> Iterable[Plot]:
    """All plots of a person's motion, in the order to show them."""
    yield _gaps(mapped, replay)
    yield statuses(mapped, replay)
    yield _directions(mapped, replay)
    yield wrists(mapped, replay, mapping.tolerances)
    yield motion(mapped, replay, mapping.robot)
    for group in ("hand", "arm"):
        for h in range(len(SIDES)):
            yield joint_angles(mapped, mapping.robot, h, group)


def _gaps(mapped: MappedMotion, replay: PeopleReplay) -> Plot:
    """How far each finger's tip is from the thumb's, of the person and of the robot."""
    fingers = FINGERS[1:]
    grid = Grid(len(fingers), 2, replay.frames, SIDES, row_height=96)
    human, robot = 1e3 * mapped.human_gap_m, 1e3 * mapped.robot_gap_m
    for k, finger in enumerate(fingers):
        for h in range(len(SIDES)):
            grid.line(k, h, human[:, h, k], "person", 0, unit=" mm", lows=True)
            grid.line(k, h, robot[:, h, k], "robot", 1, unit=" mm", lows=True)
            grid.level(k, h, 1e3 * PINCH)
        grid.same_y(k, f"{finger}, mm", range=from_zero([human[..., k], robot[..., k]]))
    said = (
        f"{side} {pinch.finger}: {pinch.frames} frames, robot {length_text(pinch.robot_p50_m)}"
        for side, hand in zip(SIDES, replay.hands, strict=True)
        for pinch in hand.pinches
        if pinch.frames
    )
    return Plot(
        "gaps",
        "Thumb to fingertip",
        f"Distance of each finger's tip from the thumb's. Under the dashed line they pinch; the "
        f"robot alone may not do so while the person's are {length_text(APART)} apart.",
        f"{PINCH_CAPTION} {'; '.join(said) or 'Nowhere'}.",
        grid.figure(),
    )


def _directions(mapped: MappedMotion, replay: PeopleReplay) -> Plot:
    """How far each finger points elsewhere than the person's."""
    errors = mapped.direction_error_rad
    grid = Grid(1, 2, replay.frames, SIDES, row_height=150)
    for h in range(len(SIDES)):
        for k, finger in enumerate(FINGERS):
            grid.line(0, h, errors[:, h, k], finger, k, unit=" rad")
    grid.same_y(0, "angle, rad", range=from_zero([errors]))
    return Plot(
        "directions",
        "Fingertip direction",
        "Angle between the person's vector from wrist to fingertip and the robot's.",
        stats_text(replay, "direction_error_rad"),
        grid.figure(),
    )
