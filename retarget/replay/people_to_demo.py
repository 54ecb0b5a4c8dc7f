"""People's motion files as demonstrations of the robot, streamed: mapped, measured, judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.data.people.mapped_file import AT_REST, MappedFile
from retarget.replay.human_to_demo import RobotWriter
from retarget.replay.people_record import HandReplay, PeopleRecord, people_notes, people_reasons
from retarget.replay.record import ReplayRecord
from retarget.replay.replay import Judged
from retarget.replay.tolerances import Tolerances
from retarget.replay.verdict import reasons

if TYPE_CHECKING:
    from retarget.human.hand_model import HandModel
    from retarget.mapping.people_retargeter import MappedMotion
    from retarget.robot.robot import Robot


@dataclass(frozen=True)
class PeopleMapping:
    """How people's motion becomes a robot's.

    Attributes:
        robot: the robot.
        hands: models of the left and the right human hand.
        align: where the wrists go, see `retarget.mapping.workspace`.
        scale: of their ways [-].
        tolerances: of the verdict.
    """

    robot: Robot
    hands: tuple[HandModel, HandModel]
    align: str = "start"
    scale: float = 1.0
    tolerances: Tolerances = Tolerances()  # noqa: RUF009, it is frozen


@dataclass(frozen=True, kw_only=True)
class PeopleReplay(Judged):
    """A person's motion as a demonstration of the robot.

    Attributes:
        out: the demonstration written.
        hands: what became of the hands, left and right.
        align: where the wrists went; "rest" where nothing says and the arms stay.
    """

    out: Path
    hands: tuple[HandReplay, HandReplay]
    align: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth saying, valid or not, and is not a reason."""
        at_rest = "the file's wrists are known only relative to themselves: the arms stay at rest"
        return (*[at_rest] * (self.align == AT_REST), *people_notes(self.hands))


def people_to_demo(
    path: str | Path,
    out: str | Path,
    mapping: PeopleMapping,
    *,
    progress: Progress = no_progress,
    keep: Callable[[MappedMotion], None] | None = None,
    block: int = BLOCK,
) -> PeopleReplay:
    """Write a human motion file of a person as a demonstration, in blocks, and judge it.

    Joints that are neither arm nor hand stand at zero.

    Args:
        path: the human motion file.
        out: the demonstration.
        mapping: how.
        progress: called after every block.
        keep: called with every block's motion; what it keeps grows with the file's length.
        block: frames a block.

    Raises:
        FileError: the file cannot be read or is of another hand model, has no hand at all or lacks
            what the alignment needs, or ``out`` cannot be written.
    """
    robot = mapping.robot
    with MappedFile(
        path, robot, mapping.hands, align=mapping.align, scale=mapping.scale, block=block
    ) as file:
        info = file.reader.info
        record = ReplayRecord(robot, info.rate, mapping.tolerances)
        hands = PeopleRecord(robot, file.people.hand_map.smallest_gaps(), info.rate)
        with RobotWriter(out, robot, info, Path(path).name) as writer:
            for found in file.blocks():
                record.add(found.mapped)
                hands.add(found.mapped)
                if keep is not None:
                    keep(found.mapped)
                writer.add(found.mapped.robot)
                progress("converting", writer.frames, file.reader.frames)
    left, right = (side.result() for side in record.sides)
    became = hands.hands()
    return PeopleReplay(
        path=Path(path),
        frames=record.done,
        rate=info.rate,
        sides=(left, right),
        reasons=(*reasons(record, one_hand=True), *people_reasons(became)),
        out=Path(out),
        hands=became,
        align=file.align,
    )
