"""A person's motion file read as the robot's motion, block by block: hands mapped, arms placed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.errors import FileError, InputError
from retarget.core.files import Closing
from retarget.core.progress import BLOCK
from retarget.core.types import BoolArray, FloatArray
from retarget.core.values import ArrayValue
from retarget.data.human_file import HumanReader
from retarget.human.hand_model import hands_hash
from retarget.mapping.hand_frame import human_wrists
from retarget.mapping.people_retargeter import MappedMotion, PeopleRetargeter
from retarget.mapping.workspace import Workspace

if TYPE_CHECKING:
    from retarget.human.hand_model import HandModel
    from retarget.robot.robot import Robot

AT_REST = "rest"  # the arms, where wrists are known only relative to themselves
# of a file in a camera's frame, whose y is down: its world is taken to be level with the camera
_LEVEL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)


@dataclass(frozen=True, eq=False)
class MappedBlock(ArrayValue):
    """Some frames of a file.

    Attributes:
        mapped: the person's motion and the robot's, in worlds with z up.
        seen: (T, 2, 21, 3) keypoints as they were seen, in the person's world [m], or None.
        T_robot_mano: (T, 2, 4, 4) the person's wrists where they lie in the robot's world, NaN of
            missing hands [m].
    """

    mapped: MappedMotion
    seen: FloatArray | None
    T_robot_mano: FloatArray


class MappedFile(Closing):
    """A human motion file of a person, open, and what takes it to a robot.

    Use it as a context manager.

    Args:
        path: the human motion file.
        robot: the robot.
        hands: models of the left and the right human hand.
        align: where the wrists go, see `retarget.mapping.workspace`.
        scale: of their ways [-].
        block: frames read at once.

    Attributes:
        reader: the file.
        people: what takes its motion to the robot.
        align: where the wrists go; "rest" where nothing says and the arms stay.

    Raises:
        FileError: the file cannot be read, is of another hand model or not of a person, has no
            hand at all, or lacks what the alignment needs.
        InputError: there is no such alignment, or the scale is not positive.
    """

    def __init__(
        self,
        path: str | Path,
        robot: Robot,
        hands: tuple[HandModel, HandModel],
        *,
        align: str = "start",
        scale: float = 1.0,
        block: int = BLOCK,
    ) -> None:
        self._block = block
        self.reader = HumanReader(path, hand=hands_hash(hands))
        try:
            info = self.reader.info
            self.people = PeopleRetargeter(robot, info.user, hands=hands)
            self._level = _LEVEL if info.frame == "camera" else np.eye(4)
            self._rests = info.frame == "wrist"
            self.align = AT_REST if self._rests else align
            self._place = self._workspace(align, scale)
        except BaseException:
            self.reader.close()
            raise

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self.reader.close()

    def blocks(self) -> Iterator[MappedBlock]:
        """All frames, in consecutive blocks.

        Raises:
            FileError: the file cannot be read.
        """
        done, q0 = 0, None
        place = None if self._rests else self._place
        for read, _ in self.reader.blocks(self._block):
            human = replace(read, T_world_mano=self._level @ read.T_world_mano)
            seen = self.reader.read_seen(done, done + len(read.pca))
            done += len(read.pca)
            if seen is not None:
                seen = seen @ self._level[:3, :3].T
            motion = self.people.to_robot(human, place, seen=seen, q0=q0)
            q0 = motion.qpos[-1]
            mapped = self.people.measure(human, motion, seen=seen)
            yield MappedBlock(mapped, seen, self._wrists(human.T_world_mano))

    def _wrists(self, T_world_mano: FloatArray) -> FloatArray:
        """The person's wrists (T, 2, 4, 4) in the robot's world; of arms at rest on the robot's."""
        if not self._rests:
            return self._place.moved(T_world_mano)
        rest = np.stack([arm.forward(arm.posture) for arm in self.people.arms])
        known = np.isfinite(T_world_mano).all(axis=(-2, -1), keepdims=True)
        return np.where(known, human_wrists(self.people.robot, rest), np.nan)

    def _workspace(self, align: str, scale: float) -> Workspace:
        first, frame = _first_wrists(self.reader, self._block)
        reader = self.reader
        camera = reader.read_camera(frame, frame + 1)[0] if reader.camera_moves else None
        try:
            return self.people.workspace(
                self._level @ first, align, T_world_camera=camera, scale=scale
            )
        except InputError as error:
            raise FileError(reader.path, str(error)) from error


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
