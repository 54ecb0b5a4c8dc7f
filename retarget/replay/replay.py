"""The round trip of a demonstration file, streamed: checked, measured, judged and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.core.statistics import Extreme, FrameStats
from retarget.core.types import FloatArray, Status
from retarget.data.demo.check import DemoCheck, check_recording
from retarget.data.demo.reader import DemoReader
from retarget.data.demo.writer import DemoWriter, demo_from_joints
from retarget.replay.record import ReplayRecord, SideRecord
from retarget.replay.tolerances import Tolerances
from retarget.replay.verdict import Reason, reasons

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter, RoundTrip


@dataclass(frozen=True)
class SideReplay:
    """Figures of one hand and arm over a demonstration.

    Attributes:
        fit_residual_m: distance of the fitted human fingertips to the robot's, mean of five [m].
        fingertip_error_m: distance between each recorded fingertip and that of the joints that come
            back, at the recorded wrist [m].
        hand_joint_error_rad: of each hand joint [rad].
        wrist_position_error_m: after arm IK, unreachable poses included [m].
        wrist_rotation_error_rad: after arm IK, unreachable poses included [rad].
        reached_wrist_position_error_m: the same without the poses that are out of reach [m].
        reached_wrist_rotation_error_rad: the same without the poses that are out of reach [rad].
        status: frames per status, by its label; all labels.
        label_jumps: frames in which the labels are discontinuous.
        label_jump_frames: the file's frames of them, ascending.
        arm_jumps: frames into which the arm moves faster than its limits and than ever recorded.
        arm_jump_frames: the file's frames of them, ascending.
        unreachable: the poses that are out of reach.
        arm_limit_margin_rad: smallest distance of a returned arm joint to its limit [rad].
        hand_limit_margin_rad: the same of the hand joints; 0 where a finger is fully open.
        limit_violations: returned joint positions beyond a limit.
        peak_velocity_rad_s: of the returned arm joints [rad/s].
        peak_jerk_rad_s3: of the returned arm joints [rad/s^3].
        recorded_peak_velocity_rad_s: of the recorded arm joints [rad/s].
        recorded_peak_jerk_rad_s3: of the recorded arm joints [rad/s^3].
    """

    fit_residual_m: FrameStats
    fingertip_error_m: FrameStats
    hand_joint_error_rad: FrameStats
    wrist_position_error_m: FrameStats
    wrist_rotation_error_rad: FrameStats
    reached_wrist_position_error_m: FrameStats
    reached_wrist_rotation_error_rad: FrameStats
    status: dict[str, int]
    label_jumps: int
    label_jump_frames: Sequence[int]
    arm_jumps: int
    arm_jump_frames: Sequence[int]
    unreachable: Unreachable
    arm_limit_margin_rad: Extreme
    hand_limit_margin_rad: Extreme
    limit_violations: int
    peak_velocity_rad_s: Extreme
    peak_jerk_rad_s3: Extreme
    recorded_peak_velocity_rad_s: Extreme
    recorded_peak_jerk_rad_s3: Extreme

    @property
    def limit_margin_rad(self) -> float:
        """Smallest distance of any returned joint of arm or hand to its limit [rad]."""
        return min(self.arm_limit_margin_rad.value, self.hand_limit_margin_rad.value)


@dataclass(frozen=True)
class Unreachable:
    """Wrist poses the arm cannot reach.

    Attributes:
        frames: the file's frames, ascending.
        position_m: largest distance of the nearest reachable pose [m], 0 where there is none.
        rotation_rad: largest angle of it [rad].
    """

    frames: Sequence[int]
    position_m: float
    rotation_rad: float


@dataclass(frozen=True)
class Replay:
    """A replayed demonstration.

    Attributes:
        path: the demonstration.
        frames: number of frames.
        rate: frames per second [Hz].
        check: the file against forward kinematics of its own joints.
        sides: left, right.
        reasons: why it is not valid; none where it is.
    """

    path: Path
    frames: int
    rate: float
    check: DemoCheck
    sides: tuple[SideReplay, SideReplay]
    reasons: tuple[Reason, ...]

    @property
    def passed(self) -> bool:
        """Valid: no rule is broken."""
        return not self.reasons

    @property
    def seconds(self) -> float:
        """Length of the recording [s]."""
        return self.frames / self.rate


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
        retargeter: carries it over.
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
    with DemoReader(path, robot=robot, rate=rate) as reader:
        record = ReplayRecord(robot, reader.frames, reader.rate, tolerances)
        check = check_recording(reader, robot, strict=strict, progress=progress, watch=record.watch)
        writer = nullcontext() if out is None else DemoWriter(out, copy_from=path)
        with writer as returned:
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
                progress("replaying", record.done, record.frames)
    return Replay(
        path=Path(path),
        frames=record.frames,
        rate=record.rate,
        check=check,
        sides=(_side(record.sides[0]), _side(record.sides[1])),
        reasons=tuple(reasons(record)),
    )


def _side(side: SideRecord) -> SideReplay:
    stats = FrameStats.of_sketch
    return SideReplay(
        fit_residual_m=stats(side.fit_residual),
        fingertip_error_m=stats(side.fingertip_error),
        hand_joint_error_rad=stats(side.hand_joint_error),
        wrist_position_error_m=stats(side.wrist_position_error),
        wrist_rotation_error_rad=stats(side.wrist_rotation_error),
        reached_wrist_position_error_m=stats(side.reached_wrist_position_error),
        reached_wrist_rotation_error_rad=stats(side.reached_wrist_rotation_error),
        status={status.label: int(side.status[status]) for status in Status},
        label_jumps=len(side.label_jumps),
        label_jump_frames=side.label_jumps,
        arm_jumps=len(side.arm_jumps),
        arm_jump_frames=side.arm_jumps,
        unreachable=Unreachable(
            side.unreachable.frames, side.unreachable.position, side.unreachable.rotation
        ),
        arm_limit_margin_rad=side.arm.margin,
        hand_limit_margin_rad=side.hand.margin,
        limit_violations=side.arm.violations + side.hand.violations,
        peak_velocity_rad_s=side.arm.velocity,
        peak_jerk_rad_s3=side.arm.jerk,
        recorded_peak_velocity_rad_s=side.recorded_arm.velocity,
        recorded_peak_jerk_rad_s3=side.recorded_arm.jerk,
    )
