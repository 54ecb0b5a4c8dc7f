"""Human motion files as demonstrations, streamed: computed, measured, judged and written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.core.types import FloatArray, RobotMotion, Status
from retarget.data.demo.writer import DemoWriter, demo_from_joints
from retarget.data.human_file import HumanFileInfo, HumanReader
from retarget.replay.human_check import HumanCheck
from retarget.replay.record import ReplayRecord
from retarget.replay.replay import Judged
from retarget.replay.tolerances import Tolerances
from retarget.replay.verdict import reasons

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter
    from retarget.robot.robot import Robot


@dataclass(frozen=True, kw_only=True)
class HumanReplay(Judged):
    """Human motion as a demonstration of the robot.

    Attributes:
        out: the demonstration written.
    """

    out: Path


class RobotWriter(DemoWriter):
    """Robot motion that was made of human motion, being written as a demonstration.

    Args:
        path: the demonstration.
        robot: the robot.
        info: of the human motion.
        source: the name of its file.
    """

    def __init__(self, path: str | Path, robot: Robot, info: HumanFileInfo, source: str) -> None:
        super().__init__(path, robot=robot, attrs={"sim": info.sim, "source": source})
        self._of, self._hz = robot, info.rate

    def add(self, motion: RobotMotion) -> None:
        """Write the next frames; hands whose input is missing are not valid."""
        self.append(
            demo_from_joints(
                self._of,
                motion.qpos,
                valid=motion.hand_status != Status.MISSING_INPUT,
                rate=self._hz,
                start=self.frames,
            )
        )


def human_to_demo(
    path: str | Path,
    out: str | Path,
    retargeter: Retargeter,
    *,
    tolerances: Tolerances | None = None,
    progress: Progress = no_progress,
    block: int = BLOCK,
) -> HumanReplay:
    """Write a human motion file as a demonstration, in blocks, and judge it as a replay is.

    Joints that are neither arm nor hand stand where the file has them, at zero where it does not.

    Args:
        path: the human motion file.
        out: the demonstration.
        retargeter: converts it.
        tolerances: of the verdict.
        progress: called after every block.
        block: frames a block.

    Raises:
        FileError: the file cannot be read or is of another hand model, or ``out`` cannot be
            written.
    """
    robot, fitter = retargeter.robot, retargeter.fitter
    with HumanReader(path, hand=fitter.hand_hash) as reader:
        info = reader.info
        known = [name for name in info.body_joints if name in robot.joint_names]
        stored, placed = [info.body_joints.index(name) for name in known], robot.indices(known)
        for _ in reader.blocks(block):  # every frame is sound before any is computed
            pass
        record = ReplayRecord(robot, info.rate, tolerances)
        check = HumanCheck(fitter, info.rate, info.speeds)
        if info.speeds is not None:
            for side, speeds in zip(record.sides, info.speeds, strict=True):
                side.recorded_speed = speeds.arm
        q0: FloatArray | None = None
        with RobotWriter(out, robot, info, Path(path).name) as writer:
            for human, body_qpos in reader.blocks(block):
                body = np.zeros((len(body_qpos), len(robot.joint_names)))
                body[:, placed] = body_qpos[:, stored]
                motion = retargeter.to_robot(human, body=body, q0=q0)
                q0 = motion.qpos[-1]
                returned = retargeter.measure(human, motion)
                record.add(returned)
                check.add(returned)
                writer.add(motion)
                progress("converting", writer.frames, reader.frames)
    left, right = (side.result() for side in record.sides)
    return HumanReplay(
        path=Path(path),
        frames=record.done,
        rate=info.rate,
        sides=(left, right),
        reasons=(*reasons(record), *check.reasons()),
        out=Path(out),
    )
