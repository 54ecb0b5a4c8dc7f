"""What a replay keeps of the frames it has seen, and the figures that this gives in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.statistics import (
    ErrorSketch,
    Extreme,
    FrameRuns,
    FrameStats,
    MotionExtremes,
    Speeds,
)
from retarget.core.types import SIDES, BoolArray, Demo, FloatArray, IntArray, Status
from retarget.replay.metrics import measured
from retarget.replay.tolerances import Tolerances, arm_speed_allowed

if TYPE_CHECKING:
    from retarget.replay.metrics import Measured
    from retarget.robot.robot import Robot
    from retarget.robot.spec import HandSide


@dataclass
class MissedPoses:
    """Wrist poses that are missed, and by how much.

    Attributes:
        frames: the file's frames, ascending.
        position_m: largest position error [m], 0 where there is none.
        rotation_rad: largest rotation error [rad].
    """

    frames: FrameRuns = field(default_factory=FrameRuns)
    position_m: float = 0.0
    rotation_rad: float = 0.0

    def add(self, mask: BoolArray, position: FloatArray, rotation: FloatArray, first: int) -> None:
        """Take in the frames of a mask (T,) and their errors (T,) [m], [rad]."""
        rows = np.flatnonzero(mask)
        self.frames.add(first + rows)
        self.position_m = max(self.position_m, float(position[rows].max(initial=0.0)))
        self.rotation_rad = max(self.rotation_rad, float(rotation[rows].max(initial=0.0)))


@dataclass(frozen=True)
class SideReplay:
    """Figures of one hand and arm over a demonstration.

    Every metric is an attribute by its key (``side.fingertip_error_m.mean``), an arm's also without
    the poses out of reach (``side.reached_wrist_position_error_m``); see `METRICS`.

    Attributes:
        errors: those metrics by key.
        hand_status: frames per status of the hand, by its label; all labels.
        arm_status: the same of the arm.
        label_jump_frames: the file's frames in which the labels are discontinuous, ascending; None
            where there are no labels.
        arm_jump_frames: the file's frames into which the arm moves faster than its limits and than
            ever recorded, ascending.
        arm_jump_rad_s: the fastest jump of an arm joint [rad/s].
        unreachable: the poses that are out of reach.
        limit_violations: returned joint positions beyond a limit.
        arm_limit_margin_rad: smallest distance of a returned arm joint to its limit [rad].
        hand_limit_margin_rad: the same of the hand joints; 0 where a finger is fully open.
        hand_peak_velocity_rad_s: of the returned hand joints [rad/s].
        peak_velocity_rad_s: of the returned arm joints [rad/s].
        peak_jerk_rad_s3: of the returned arm joints [rad/s^3].
        recorded_peak_velocity_rad_s: of the recorded arm joints [rad/s].
        recorded_peak_jerk_rad_s3: of the recorded arm joints [rad/s^3].
    """

    errors: Mapping[str, FrameStats]
    hand_status: dict[str, int]
    arm_status: dict[str, int]
    label_jump_frames: Sequence[int] | None
    arm_jump_frames: Sequence[int]
    arm_jump_rad_s: Extreme
    unreachable: MissedPoses
    limit_violations: int
    arm_limit_margin_rad: Extreme
    hand_limit_margin_rad: Extreme
    hand_peak_velocity_rad_s: Extreme
    peak_velocity_rad_s: Extreme
    peak_jerk_rad_s3: Extreme
    recorded_peak_velocity_rad_s: Extreme
    recorded_peak_jerk_rad_s3: Extreme

    def __getattr__(self, key: str) -> FrameStats:
        # asked of a copy that has no errors yet, too
        if key in self.__dict__.get("errors", ()):
            return self.errors[key]
        raise AttributeError(f"{type(self).__name__!r} has no figure {key!r}")

    @property
    def label_jumps(self) -> int | None:
        """Number of frames in which the labels are discontinuous; None where there are none."""
        return None if self.label_jump_frames is None else len(self.label_jump_frames)

    @property
    def arm_jumps(self) -> int:
        """Number of frames into which the arm jumps."""
        return len(self.arm_jump_frames)

    @property
    def limit_margin_rad(self) -> float:
        """Smallest distance of any returned joint of arm or hand to its limit [rad]."""
        return min(self.arm_limit_margin_rad.value, self.hand_limit_margin_rad.value)


class ReplayRecord:
    """Statistics of a demonstration's round trip, in memory that its length does not change.

    The recorded motion is watched to its end (`watch`) before the first frames that come back are
    taken in (`add`): how fast an arm may move depends on how fast it was recorded.

    Args:
        robot: the robot.
        rate: frames per second [Hz].
        tolerances: what counts as missed; by default those of `Tolerances`.

    Attributes:
        sides: left, right.
        done: frames taken in.
        watched: frames watched.
    """

    def __init__(self, robot: Robot, rate: float, tolerances: Tolerances | None = None) -> None:
        self.tolerances = tolerances or Tolerances()
        self.done = self.watched = 0
        left, right = (SideRecord(robot, side, rate, self.tolerances) for side in robot.sides)
        self.sides = left, right

    def watch(self, demo: Demo) -> None:
        """See the next frames as they were recorded."""
        for side in self.sides:
            side.watch(demo.qpos, self.watched)
        self.watched += demo.frames

    def add(self, trip: Measured) -> None:
        """Take in the round trip of the next frames."""
        errors = measured(trip)
        for h in range(len(SIDES)):
            self.sides[h].add(trip, h, errors, self.done)
        self.done += len(trip.arm_status)


class SideRecord:
    """The record of one hand and arm.

    Attributes:
        errors: by key, see `metrics.measured`.
        hand_status: frames of the hand per `Status`.
        arm_status: the same of the arm.
        unreachable: wrist poses the arm cannot reach.
        unreachable_missed: those of them beyond the tolerances.
        missed: other wrist poses beyond the tolerances.
        hand_lost: frames in which the hand did not converge.
        arm_lost: the same of the arm.
        label_jumps: frames in which the labels jump; None where there are no labels.
        arm_jumps: frames into which the arm jumps.
        arm_jump: the fastest of them [rad/s].
        arm_jump_share: the same as a share of that joint's velocity limit.
        recorded_speed: the fastest recorded arm motion, as such a share.
        arm: extremes of the arm joints that come back.
        hand: the same of the hand joints.
        recorded_arm: the same of the recorded arm joints.
    """

    def __init__(self, robot: Robot, side: HandSide, rate: float, tolerances: Tolerances) -> None:
        self.errors: defaultdict[str, ErrorSketch] = defaultdict(ErrorSketch)
        self.hand_status: IntArray = np.zeros(len(Status), dtype=np.int64)
        self.arm_status: IntArray = np.zeros(len(Status), dtype=np.int64)
        self.unreachable, self.unreachable_missed = MissedPoses(), MissedPoses()
        self.missed = MissedPoses()
        self.hand_lost, self.arm_lost = FrameRuns(), FrameRuns()
        self.label_jumps: FrameRuns | None = FrameRuns()
        self.arm_jumps = FrameRuns()
        self.arm_jump, self.arm_jump_share, self.recorded_speed = Extreme(), 0.0, 0.0
        self._tolerances = tolerances
        self._arm_rows, self._hand_rows = (
            robot.indices(joints) for joints in (side.arm_joints, side.hand_joints)
        )
        self._arm_names, self._arm_known = side.arm_joints, False

        def extremes(rows: IntArray) -> MotionExtremes:
            names = tuple(robot.joint_names[row] for row in rows)
            limits = robot.lower[rows], robot.upper[rows], robot.velocity_limits[rows]
            return MotionExtremes(names, *limits, rate)

        self.arm, self.recorded_arm = extremes(self._arm_rows), extremes(self._arm_rows)
        self.hand = extremes(self._hand_rows)

    def watch(self, qpos: FloatArray, first: int) -> None:
        """See recorded joints (T, n) [rad] from the file's frame ``first`` on."""
        share = self.recorded_arm.add(qpos[:, self._arm_rows], first).share
        self.recorded_speed = max(self.recorded_speed, float(np.nan_to_num(share).max()))

    def add(self, trip: Measured, h: int, errors: Mapping[str, FloatArray], first: int) -> None:
        """Take in hand ``h`` of a round trip and its errors from the file's frame ``first`` on."""
        for key, values in errors.items():
            self.errors[key].add(values[:, h], first)
        hand, arm = trip.hand_status[:, h], trip.arm_status[:, h]
        self.hand_status += np.bincount(hand, minlength=len(Status))
        self.arm_status += np.bincount(arm, minlength=len(Status))
        self._add_misses(
            trip.wrist_position_error_m[:, h], trip.wrist_rotation_error_rad[:, h], arm, first
        )
        self.hand_lost.add(first + np.flatnonzero(hand == Status.NOT_CONVERGED))
        self.arm_lost.add(first + np.flatnonzero(arm == Status.NOT_CONVERGED))
        jump = getattr(trip, "label_jump", None)
        if jump is None:
            self.label_jumps = None
        elif self.label_jumps is not None:
            self.label_jumps.add(first + np.flatnonzero(jump[:, h]))
        self._add_arm_jumps(self.arm.add(trip.robot.qpos[:, self._arm_rows], first), arm, first)
        self.hand.add(trip.robot.qpos[:, self._hand_rows], first)

    def result(self) -> SideReplay:
        """The figures."""
        return SideReplay(
            errors={key: FrameStats.of_sketch(sketch) for key, sketch in self.errors.items()},
            hand_status={s.label: int(self.hand_status[s]) for s in Status},
            arm_status={s.label: int(self.arm_status[s]) for s in Status},
            label_jump_frames=self.label_jumps,
            arm_jump_frames=self.arm_jumps,
            arm_jump_rad_s=self.arm_jump,
            unreachable=self.unreachable,
            limit_violations=self.arm.violations + self.hand.violations,
            arm_limit_margin_rad=self.arm.margin,
            hand_limit_margin_rad=self.hand.margin,
            hand_peak_velocity_rad_s=self.hand.velocity,
            peak_velocity_rad_s=self.arm.velocity,
            peak_jerk_rad_s3=self.arm.jerk,
            recorded_peak_velocity_rad_s=self.recorded_arm.velocity,
            recorded_peak_jerk_rad_s3=self.recorded_arm.jerk,
        )

    def _add_misses(
        self, position: FloatArray, rotation: FloatArray, status: IntArray, first: int
    ) -> None:
        far = status == Status.UNREACHABLE
        off = (position > self._tolerances.wrist_m) | (rotation > self._tolerances.wrist_rad)
        self.unreachable.add(far, position, rotation, first)
        self.unreachable_missed.add(off & far, position, rotation, first)
        self.missed.add(off & ~far, position, rotation, first)

    def _add_arm_jumps(self, speeds: Speeds, status: IntArray, first: int) -> None:
        # out of reach the nearest pose is followed, and jumps are jumps; a gap is none
        known = status != Status.MISSING_INPUT
        before = np.concatenate([[self._arm_known], known[:-1]])
        self._arm_known = bool(known[-1])
        share = np.where(known & before, np.nan_to_num(speeds.share), 0.0)
        jumps = np.flatnonzero(share > arm_speed_allowed(self.recorded_speed))
        self.arm_jumps.add(first + jumps)
        if jumps.size and share[jumps].max() > self.arm_jump_share:
            row = int(jumps[np.argmax(share[jumps])])
            self.arm_jump_share = float(share[row])
            self.arm_jump = Extreme(
                float(speeds.speed[row]), self._arm_names[speeds.joint[row]], first + row
            )
