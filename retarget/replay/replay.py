"""The round trip of a demonstration file, streamed: checked, measured, judged and written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.core.types import FloatArray
from retarget.data.demo.check import DemoCheck
from retarget.data.demo.findings import Finding
from retarget.data.demo.recording import Recording
from retarget.data.demo.writer import DemoWriter, demo_from_joints
from retarget.replay.record import ReplayRecord, SideReplay
from retarget.replay.tolerances import Tolerances
from retarget.replay.verdict import Reason, reasons

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter, RoundTrip


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A motion that came back to the robot, measured and judged.

    Attributes:
        path: the file it was read from.
        frames: number of frames.
        rate: frames per second [Hz].
        sides: left, right.
        reasons: why it is not valid; none where it is.
        findings: of lost tracking and of time, those that are reasons among them.
    """

    path: Path
    frames: int
    rate: float
    sides: tuple[SideReplay, SideReplay]
    reasons: tuple[Reason, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth saying, valid or not, and is not a reason."""
        return tuple(finding.text for finding in self.findings if finding.note)

    @property
    def passed(self) -> bool:
        """Valid: no rule is broken."""
        return not self.reasons

    @property
    def seconds(self) -> float:
        """Length of the motion [s]."""
        return self.frames / self.rate


@dataclass(frozen=True, kw_only=True)
class Replay(Judged):
    """A replayed demonstration.

    Attributes:
        check: the file against forward kinematics of its own joints.
    """

    check: DemoCheck


def replay_file(
    path: str | Path,
    retargeter: Retargeter,
    *,
    out: str | Path | None = None,
    rate: float | None = None,
    strict: bool = True,
    tolerances: Tolerances | None = None,
    progress: Progress = no_progress,
    keep: Callable[[RoundTrip], None] | None = None,
    block: int = BLOCK,
) -> Replay:
    """Replay a demonstration file: `Retargeter.round_trip` in blocks, measured and judged.

    The whole file is read and checked before anything is computed. Memory holds one block and
    statistics, whatever the file's length.

    Args:
        path: the demonstration.
        retargeter: takes it there and back.
        out: where to write what comes back, in the same layout, or None.
        rate: frames per second [Hz], where the file's own knowledge is to be overruled.
        strict: refuse a file that disagrees with its own joints.
        tolerances: of the verdict.
        progress: called after every block.
        keep: called with every block's round trip; what it keeps grows with the file's length.
        block: frames a block.

    Raises:
        DemoError: the file cannot be read, is unsound, or disagrees with its own joints.
        FileError: ``out`` cannot be written.
    """
    robot = retargeter.robot
    with Recording(path, robot, rate=rate, strict=strict) as reader:
        record = ReplayRecord(robot, reader.rate, tolerances)
        # Nothing is computed or written before the last frame is known to be sound. A file of one
        # block, which memory holds anyway, waits for that; a longer one is read again, at some 4 %
        # of the time that its round trip takes.
        check = reader.check(progress=progress, watch=record.watch)
        with nullcontext() if out is None else DemoWriter(out, copy_from=path) as returned:
            q0: FloatArray | None = None
            for demo in reader.blocks(block):
                trip = retargeter.round_trip(demo, q0=q0)
                q0 = trip.robot.qpos[-1]
                record.add(trip)
                if keep is not None:
                    keep(trip)
                if returned is not None:
                    returned.append(
                        demo_from_joints(
                            robot,
                            trip.robot.qpos,
                            valid=demo.valid,
                            rate=demo.rate,
                            start=demo.start,
                        )
                    )
                progress("replaying", record.done, reader.frames)
        left, right = (side.result() for side in record.sides)
        return Replay(
            path=Path(path),
            frames=reader.frames,
            rate=reader.rate,
            check=check,
            sides=(left, right),
            reasons=tuple(reasons(record, reader.findings)),
            findings=reader.findings,
        )
