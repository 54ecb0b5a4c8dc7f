"""A demonstration file that is checked from its first frame to its last before any is given out.

All commands that read recordings read them here: what was found is the same everywhere, and frames
without tracking are marked as missing everywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from retarget.core.errors import DemoError
from retarget.core.geometry import lengths
from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.core.statistics import FrameRuns
from retarget.core.types import BoolArray, Demo, FloatArray, IntArray
from retarget.data.demo.check import DemoCheck, check_blocks
from retarget.data.demo.diagnose import DemoErrors, demo_errors
from retarget.data.demo.findings import Finding
from retarget.data.demo.joint_watch import JointWatch
from retarget.data.demo.layout import QPOS, QVEL, check_joints, check_lengths
from retarget.data.demo.pauses import Pauses
from retarget.data.demo.reader import DemoReader
from retarget.data.demo.timing import TimingWatch
from retarget.data.demo.tracking import Geometry, LostTracking, TrackingWatch
from retarget.robot.robot import Robot

_VELOCITIES = 8  # blocks whose recorded velocities are looked at


class Recording(DemoReader):
    """A demonstration file whose frames are checked, and marked where tracking was lost.

    Use it as a context manager. Everything is read once to check it, by `check` or before the first
    frames are given out; a file of one block is not read again.

    Args:
        path: an HDF5 file in the layout of docs/formats.md.
        robot: the robot it should be of, or its name or folder.
        rate: frames per second [Hz], where the file's own knowledge is to be overruled.
        strict: refuse a file that disagrees with its own joints.

    Raises:
        DemoError: the file cannot be read, is unsound, or disagrees with its own joints.
        InputError: ``rate`` is not positive.
    """

    # larger ones are refused once the check had its say, which knows what unit they are in
    _largest_angle, _farthest = 1e4, 1e5

    def __init__(
        self,
        path: str | Path,
        robot: Robot | str | Path,
        *,
        rate: float | None = None,
        strict: bool = True,
    ) -> None:
        self.robot = Robot.of(robot)
        self._strict = strict
        self._result: tuple[DemoCheck, LostTracking, tuple[Finding, ...]] | None = None
        self._short: Demo | None = None
        super().__init__(path, robot=self.robot, rate=rate)

    @property
    def self_check(self) -> DemoCheck:
        """The file against forward kinematics of its own joints."""
        return self._checked()[0]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was lost and what is wrong with the time, notes among it."""
        return self._checked()[2]

    def check(
        self,
        *,
        progress: Progress = no_progress,
        watch: Callable[[Demo], None] | None = None,
    ) -> DemoCheck:
        """Read all frames and check them, one by one, against the joints, and in their order.

        Args:
            progress: called after every block.
            watch: called with every block that is sound, as it was recorded.

        Raises:
            DemoError: a frame is unsound, no frame has a hand, or the file disagrees with itself.
        """
        tracking, pauses = TrackingWatch(self.robot), Pauses()
        arms = np.concatenate([self.robot.indices(side.arm_joints) for side in self.robot.sides])
        timing = TimingWatch(self.robot.velocity_limits[arms])
        fingers = self.robot.indices([j for side in self.robot.sides for j in side.active_joints])
        joints = JointWatch(self.robot)
        seen, large = False, None
        last: tuple[FloatArray, FloatArray] | None = None  # joints and points before a block

        def blocks() -> Iterator[tuple[Demo, DemoErrors, BoolArray]]:
            nonlocal seen, last, large
            for first, stop in self._block_ranges(BLOCK):
                demo = super(Recording, self).read(first, stop)
                large = large or self._too_large(demo)
                seen = seen or bool(demo.valid.any())
                forward = self.robot.forward(demo.qpos)
                lost, still = tracking.add(demo, Geometry.of(demo, forward))
                wrists = forward[0][..., :3, 3]
                points = np.concatenate([wrists[:, :, None], forward[1]], axis=2)
                qpos_before, points_before = last or (demo.qpos[:1] + np.nan, points[:1])
                path = np.concatenate([points_before, points])
                step = lengths(np.diff(path, axis=0))
                same = np.concatenate([qpos_before, demo.qpos])
                whole: BoolArray = np.asarray(still.all(axis=-1))
                rows = np.flatnonzero(whole)
                whole[rows] = (same[rows + 1] == same[rows]).all(axis=-1)
                pauses.add(still, step[..., 0], whole, step.max(axis=(1, 2)), first)
                last = demo.qpos[-1:], points[-1:]
                action = None if demo.action is None else demo.action[:, arms]
                velocities = self._velocities(arms, first, stop)
                timing.add(
                    demo.qpos[:, arms], demo.qpos[:, fingers], wrists, velocities, action, first
                )
                joints.add(demo)
                yield demo, demo_errors(demo, self.robot, forward), lost
                if watch is not None:
                    watch(demo)
                if demo.frames == self.frames:
                    self._short = demo
                progress("checking", demo.start + demo.frames, self.frames)

        check = check_blocks(blocks(), self.robot, strict=self._strict)
        if large is not None:
            raise large
        if not seen:
            raise DemoError(
                self.path, "no frame has a finite wrist pose and fingertips of either hand"
            )
        dropouts, repeats = pauses.result()
        marks = tracking.result(dropouts)
        lost = FrameRuns.of_runs([run for hand in marks.hands for run in hand.runs])
        repeated = FrameRuns.of_runs(repeats)
        times = timing.result(self.frame_rate, self.frames, repeated, lost)
        slight = () if check.slight is None else (Finding("slight", str(check.slight)),)
        self._result = check, marks, (*marks.findings, *times, *slight, *joints.result())
        if self._short is not None:
            self._short = _marked(self._short, marks)
        return check

    def read(self, start: int = 0, stop: int | None = None) -> Demo:
        """Frames ``start`` to ``stop``, see `DemoReader.read`, those that were lost marked."""
        marks = self._checked()[1]
        start, stop = self._range(start, stop)
        if self._short is not None and stop - start == self._short.frames:
            return self._short
        return _marked(super().read(start, stop), marks)

    def _checked(self) -> tuple[DemoCheck, LostTracking, tuple[Finding, ...]]:
        if self._result is None:
            self.check()
        if self._result is None:
            raise AssertionError
        return self._result

    def _too_large(self, demo: Demo) -> DemoError | None:
        """What is wrong with a block's joints or lengths that no robot has."""
        path, start = str(self.path), demo.start
        try:
            check_joints(path, QPOS, demo.qpos, start)
            if demo.action is not None:
                check_joints(path, self.layout.action or "", demo.action, start)
            for h, keys in enumerate(zip(self.layout.poses, self.layout.tips, strict=True)):
                for key, points in zip(
                    keys, (demo.T_world_wrist[:, h, :3, 3], demo.fingertips[:, h]), strict=True
                ):
                    check_lengths(path, key or "", points, start)
        except DemoError as error:
            return error
        return None

    def _velocities(self, columns: IntArray, start: int, stop: int) -> FloatArray | None:
        """Recorded joint velocities (T, n) [rad/s], None where there are none or enough is known.

        The rate and the direction of time are the same all through.
        """
        if start >= _VELOCITIES * BLOCK or QVEL not in self._file:
            return None
        return self._rows(QVEL, start, stop)[:, columns]


def _marked(demo: Demo, lost: LostTracking) -> Demo:
    poses, tips, valid = lost.mark(demo)
    return dataclasses.replace(demo, T_world_wrist=poses, fingertips=tips, valid=valid)
