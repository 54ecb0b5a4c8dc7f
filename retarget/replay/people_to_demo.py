"""People's motion files as demonstrations of the robot, streamed: mapped, measured, judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.errors import FileError, InputError
from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.core.types import BoolArray, FloatArray
from retarget.data.human_file import HumanReader
from retarget.human.hand_model import hands_hash
from retarget.mapping.people_retargeter import PeopleRetargeter
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

AT_REST = "rest"  # the arms, where wrists are known only relative to themselves
# of a file in a camera's frame, whose y is down: its world is taken to be level with the camera
_LEVEL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)


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
    with HumanReader(path, hand=hands_hash(mapping.hands)) as reader:
        info = reader.info
        people = PeopleRetargeter(robot, info.user, hands=mapping.hands)
        first, frame = _first_wrists(reader, block)
        camera = reader.read_camera(frame, frame + 1)[0] if reader.camera_moves else None
        level = _LEVEL if info.frame == "camera" else np.eye(4)
        try:
            place = people.workspace(
                level @ first, mapping.align, T_world_camera=camera, scale=mapping.scale
            )
        except InputError as error:
            raise FileError(path, str(error)) from error
        rests = info.frame == "wrist"
        record = ReplayRecord(robot, info.rate, mapping.tolerances)
        hands = PeopleRecord(robot, people.hand_map.smallest_gaps(), info.rate)
        q0: FloatArray | None = None
        with RobotWriter(out, robot, info, Path(path).name) as writer:
            for human, _ in reader.blocks(block):
                there = replace(human, T_world_mano=level @ human.T_world_mano)
                seen = reader.read_seen(writer.frames, writer.frames + len(human.pca))
                if seen is not None:
                    seen = seen @ level[:3, :3].T
                motion = people.to_robot(there, None if rests else place, seen=seen, q0=q0)
                q0 = motion.qpos[-1]
                mapped = people.measure(there, motion, seen=seen)
                record.add(mapped)
                hands.add(mapped)
                if keep is not None:
                    keep(mapped)
                writer.add(motion)
                progress("converting", writer.frames, reader.frames)
    left, right = (side.result() for side in record.sides)
    found = hands.hands()
    return PeopleReplay(
        path=Path(path),
        frames=record.done,
        rate=info.rate,
        sides=(left, right),
        reasons=(*reasons(record, one_hand=True), *people_reasons(found)),
        out=Path(out),
        hands=found,
        align=AT_REST if rests else mapping.align,
    )


def _first_wrists(reader: HumanReader, block: int) -> tuple[FloatArray, int]:
    """Wrists (2, 4, 4) of the first frame with a hand, NaN where none is, and that frame.

    Reads every frame.
    """
    first, done, at = np.full((2, 4, 4), np.nan), 0, 0
    for human, _ in reader.blocks(block):  # every frame is sound before any is computed
        known: BoolArray = np.asarray(np.isfinite(human.T_world_mano).all(axis=(-2, -1)))
        if not np.isfinite(first).any() and known.any():
            frame = int(np.argmax(known.any(axis=1)))
            first = np.where(known[frame, :, None, None], human.T_world_mano[frame], np.nan)
            at = done + frame
        done += len(known)
    return first, at
