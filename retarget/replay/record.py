"""What a replay keeps of the frames it has seen: statistics and runs, never the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retarget.core.statistics import ErrorSketch, MotionExtremes
from retarget.core.text import FrameRuns
from retarget.core.types import SIDES, BoolArray, Demo, FloatArray, IntArray, Status
from retarget.replay.tolerances import Tolerances, arm_speed_allowed

if TYPE_CHECKING:
    from retarget.mapping.retargeter import RoundTrip
    from retarget.robot.robot import Robot
    from retarget.robot.spec import HandSide

# a wrist that is missing or out of reach did not come from where the arm was
_ARM_LOST = (Status.MISSING_INPUT, Status.UNREACHABLE)


class ReplayRecord:
    """Statistics of a demonstration's round trip, in memory that its length does not change.

    The recorded motion is watched to its end (`watch`) before the first frames that come back are
    taken in (`add`): how fast an arm may move depends on how fast it was recorded.

    Args:
        robot: the robot.
        frames: number of frames T.
        rate: frames per second [Hz].
        tolerances: what counts as missed; by default those of `Tolerances`.
        start: the file's frame the record begins with.

    Attributes:
        sides: left, right.
        done: frames taken in.
        watched: frames watched.
    """

    def __init__(
        self,
        robot: Robot,
        frames: int,
        rate: float,
        tolerances: Tolerances | None = None,
        start: int = 0,
    ) -> None:
        self.frames, self.rate, self.start = frames, rate, start
        self.tolerances = tolerances or Tolerances()
        self.done = self.watched = 0
        left, right = (SideRecord(robot, side, rate, self.tolerances) for side in robot.sides)
        self.sides = left, right

    def watch(self, demo: Demo) -> None:
        """See the next frames as they were recorded."""
        for side in self.sides:
            side.watch(demo.qpos, self.start + self.watched)
        self.watched += demo.frames

    def add(self, trip: RoundTrip) -> None:
        """Take in the round trip of the next frames."""
        for h in range(len(SIDES)):
            self.sides[h].add(trip, h, self.start + self.done)
        self.done += trip.demo.frames


class SideRecord:
    """The record of one hand and arm.

    Attributes:
        fit_residual: see `RoundTrip`, as the sketches that follow.
        fingertip_error: [m].
        hand_joint_error: [rad].
        wrist_position_error: [m].
        wrist_rotation_error: [rad].
        status: frames per `Status`.
        unreachable: wrist poses the arm cannot reach.
        unreachable_missed: those of them beyond the tolerances.
        missed: other wrist poses beyond the tolerances.
        not_converged: frames in which the hand or arm did not converge.
        label_jumps: frames in which the labels jump.
        arm_jumps: frames into which the arm jumps.
        arm_jump_speed: the fastest of them, as a share of the velocity limit.
        recorded_speed: the fastest recorded arm motion, as such a share.
        arm: extremes of the arm joints that come back.
        hand: the same of the hand joints.
        recorded_arm: the same of the recorded arm joints.
    """

    def __init__(self, robot: Robot, side: HandSide, rate: float, tolerances: Tolerances) -> None:
        self.fit_residual, self.fingertip_error = ErrorSketch(), ErrorSketch()
        self.hand_joint_error = ErrorSketch()
        self.wrist_position_error, self.wrist_rotation_error = ErrorSketch(), ErrorSketch()
        self._reached: tuple[ErrorSketch, ErrorSketch] | None = None
        self.status: IntArray = np.zeros(len(Status), dtype=np.int64)
        self.unreachable, self.unreachable_missed = WristMisses(), WristMisses()
        self.missed = WristMisses()
        self.not_converged, self.label_jumps = FrameRuns(), FrameRuns()
        self.arm_jumps = FrameRuns()
        self.arm_jump_speed = self.recorded_speed = 0.0
        self._tolerances = tolerances
        self._arm_rows, self._hand_rows = (
            robot.indices(joints) for joints in (side.arm_joints, side.hand_joints)
        )
        self._arm_known = False

        def extremes(rows: IntArray) -> MotionExtremes:
            names = tuple(robot.joint_names[row] for row in rows)
            limits = robot.lower[rows], robot.upper[rows], robot.velocity_limits[rows]
            return MotionExtremes(names, *limits, rate)

        self.arm, self.recorded_arm = extremes(self._arm_rows), extremes(self._arm_rows)
        self.hand = extremes(self._hand_rows)

    @property
    def reached_wrist_position_error(self) -> ErrorSketch:
        """The wrist's position error without the poses that are out of reach [m]."""
        return self.wrist_position_error if self._reached is None else self._reached[0]

    @property
    def reached_wrist_rotation_error(self) -> ErrorSketch:
        """The wrist's rotation error without the poses that are out of reach [rad]."""
        return self.wrist_rotation_error if self._reached is None else self._reached[1]

    def watch(self, qpos: FloatArray, first: int) -> None:
        """See recorded joints (T, n) [rad] from the file's frame ``first`` on."""
        speed = self.recorded_arm.add(qpos[:, self._arm_rows], first)
        self.recorded_speed = max(self.recorded_speed, float(np.nan_to_num(speed).max()))

    def add(self, trip: RoundTrip, h: int, first: int) -> None:
        """Take in hand ``h`` of a round trip from the file's frame ``first`` on."""
        status = trip.status[:, h]
        self.status += np.bincount(status, minlength=len(Status))
        self.fit_residual.add(trip.fit_residual_m[:, h], first)
        self.fingertip_error.add(trip.fingertip_error_m[:, h], first)
        self.hand_joint_error.add(trip.hand_joint_error_rad[:, h], first)
        self._add_wrist(
            trip.wrist_position_error_m[:, h], trip.wrist_rotation_error_rad[:, h], status, first
        )
        self.not_converged.add(first + np.flatnonzero(status == Status.NOT_CONVERGED))
        self.label_jumps.add(first + np.flatnonzero(trip.label_jump[:, h]))
        self._add_arm_jumps(self.arm.add(trip.robot.qpos[:, self._arm_rows], first), status, first)
        self.hand.add(trip.robot.qpos[:, self._hand_rows], first)

    def _add_wrist(
        self, position: FloatArray, rotation: FloatArray, status: IntArray, first: int
    ) -> None:
        far = status == Status.UNREACHABLE
        if far.any() and self._reached is None:  # until here, all poses were reached
            self._reached = self.wrist_position_error.copy(), self.wrist_rotation_error.copy()
        self.wrist_position_error.add(position, first)
        self.wrist_rotation_error.add(rotation, first)
        if self._reached is not None:
            for sketch, errors in zip(self._reached, (position, rotation), strict=True):
                sketch.add(np.where(far, np.nan, errors), first)
        off = (position > self._tolerances.wrist_m) | (rotation > self._tolerances.wrist_rad)
        self.unreachable.add(far, position, rotation, first)
        self.unreachable_missed.add(off & far, position, rotation, first)
        self.missed.add(off & ~far, position, rotation, first)

    def _add_arm_jumps(self, speed: FloatArray, status: IntArray, first: int) -> None:
        known = ~np.isin(status, _ARM_LOST)
        before = np.concatenate([[self._arm_known], known[:-1]])
        self._arm_known = bool(known[-1])
        speed = np.where(known & before, np.nan_to_num(speed), 0.0)
        jumps = np.flatnonzero(speed > arm_speed_allowed(self.recorded_speed))
        self.arm_jumps.add(first + jumps)
        self.arm_jump_speed = max(self.arm_jump_speed, float(speed[jumps].max(initial=0.0)))


class WristMisses:
    """Wrist poses that are missed, and by how much.

    Attributes:
        frames: the file's frames.
        position: largest position error [m], 0 where there is none.
        rotation: largest rotation error [rad].
    """

    def __init__(self) -> None:
        self.frames = FrameRuns()
        self.position = self.rotation = 0.0

    def add(self, mask: BoolArray, position: FloatArray, rotation: FloatArray, first: int) -> None:
        """Take in the frames of a mask (T,) and their errors (T,) [m], [rad]."""
        rows = np.flatnonzero(mask)
        self.frames.add(first + rows)
        self.position = max(self.position, float(position[rows].max(initial=0.0)))
        self.rotation = max(self.rotation, float(rotation[rows].max(initial=0.0)))
