"""Demonstration files read: whole, in part, or streamed in blocks; images are never touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from retarget.core.errors import DemoError
from retarget.core.hdf5 import attribute, text
from retarget.core.hdf5_streams import HDF5Reader
from retarget.core.types import FEWEST_FINGERS, FINGERS, SIDES, BoolArray, Demo, FloatArray
from retarget.data.demo.layout import (
    FARTHEST,
    LARGEST_ANGLE,
    QPOS,
    RATE_ATTRIBUTES,
    DemoLayout,
    check_joints,
    check_lengths,
    find_layout,
    transforms_from_rows,
)
from retarget.data.file_attributes import FrameRate, frame_rate, task_rate
from retarget.robot.robot import Robot


def load_demo(
    path: str | Path,
    *,
    robot: Robot | str | Path | None = None,
    start: int = 0,
    stop: int | None = None,
    rate: float | None = None,
) -> Demo:
    """Read a demonstration file (docs/formats.md), or frames ``start`` to ``stop`` of it.

    Args:
        path: the HDF5 file.
        robot: the robot it should be of, or its name or folder; checks the number of joints. Any
            robot where None.
        start: first frame.
        stop: end of the frames (excluded); the end of the file where None.
        rate: frames per second [Hz]; found in the file where None, see `DemoReader`.

    Raises:
        DemoError: the file is unreadable or not a sound demonstration; one sentence names the
            dataset, the frame, what was expected and what came.
        InputError: an argument is out of range.
    """
    with DemoReader(path, robot=robot, rate=rate) as reader:
        demo = reader.read(start, stop)
    if not demo.valid.any():
        raise DemoError(path, "no frame has a finite wrist pose and fingertips of either hand")
    return demo


class DemoReader(HDF5Reader):
    """A demonstration file open for reading, in memory that does not grow with its length.

    Use it as a context manager. The structure is checked on opening, the values of each block when
    it is read, so that a file of any length can be refused on its first bad frame.

    Args:
        path: an HDF5 file in the layout of docs/formats.md.
        robot: the robot it should be of, or its name or folder; checks the number of joints. Any
            robot where None.
        rate: frames per second [Hz], where the file's own knowledge is to be overruled.

    Attributes:
        path: the file.
        frames: number of frames T.
        sim: the file says that it was recorded in simulation; True where it says nothing.
        rate: frames per second [Hz]: the argument, else the file's attribute ``rate``, ``hz`` or
            ``fps``, which must agree, else the rate of the robot's task that the attribute
            ``task`` or the file's folder names (``Flip-Mug/episode_0.hdf5``), else the robot's.
        frame_rate: the same, with its source.
        layout: names of the datasets in use.

    Raises:
        DemoError: the file cannot be read or is not a demonstration; one sentence says why.
        InputError: ``rate`` is not positive.
    """

    sim: bool
    rate: float
    frame_rate: FrameRate
    layout: DemoLayout
    _error = DemoError
    _largest_angle, _farthest = LARGEST_ANGLE, FARTHEST

    def __init__(
        self,
        path: str | Path,
        *,
        robot: Robot | str | Path | None = None,
        rate: float | None = None,
    ) -> None:
        self._robot = None if robot is None else Robot.of(robot)
        self._given_rate = rate
        super().__init__(path)

    def read(self, start: int = 0, stop: int | None = None) -> Demo:
        """Frames ``start`` to ``stop`` (excluded; the end where None).

        A fingertip with a NaN is missing: all of it is NaN. A hand that the file lacks, whose pose
        has a NaN or is seven zeros, or with fewer than `FEWEST_FINGERS` fingertips, is not valid
        there and all its numbers are NaN. Quaternions within 1e-3 of unit length are normalised.

        Raises:
            InputError: the range is empty or leaves the file.
            DemoError: NaN joints, impossible lengths, zero or unnormalised quaternions.
        """
        start, stop = self._range(start, stop)
        qpos = self._rows(QPOS, start, stop)
        check_joints(str(self.path), QPOS, qpos, start, self._largest_angle)
        action = None
        if self.layout.action is not None:
            action = self._rows(self.layout.action, start, stop)
            check_joints(str(self.path), self.layout.action, action, start, self._largest_angle)
        hands = [self._hand(h, start, stop) for h in range(len(SIDES))]
        T_world_wrist = np.stack([pose for pose, _ in hands], axis=1)
        tips = np.stack([tips for _, tips in hands], axis=1)
        return Demo(
            qpos=qpos,
            T_world_wrist=T_world_wrist,
            fingertips=tips,
            valid=np.asarray(np.isfinite(T_world_wrist[..., 0, 0])),
            rate=self.rate,
            action=action,
            path=self.path,
            start=start,
        )

    def blocks(
        self, size: int = 4096, *, start: int = 0, stop: int | None = None
    ) -> Iterator[Demo]:
        """The frames from ``start`` to ``stop`` in consecutive blocks of at most ``size`` frames.

        Raises:
            InputError: ``size`` is not positive, or the range is empty or leaves the file.
            DemoError: see `read`.
        """
        for first, last in self._block_ranges(size, start, stop):
            yield self.read(first, last)

    def _open(self) -> None:
        joints = None if self._robot is None else len(self._robot.joint_names)
        name = "the robot" if self._robot is None else self._robot.name
        self.layout = find_layout(self._file, joints, name)
        self.frames = self.layout.frames
        self.sim = attribute(self._file, "sim", bool, True)
        task = attribute(self._file, "task", text, "")
        self.frame_rate = frame_rate(
            self._file,
            self._given_rate,
            names=RATE_ATTRIBUTES,
            otherwise=lambda: task_rate(self.path, task, self._robot),
        )
        self.rate = self.frame_rate.hz

    def _rows(self, key: str, start: int, stop: int) -> FloatArray:
        return self._file.rows(key, start, stop)

    def _hand(self, h: int, start: int, stop: int) -> tuple[FloatArray, FloatArray]:
        """Poses (T, 4, 4) and tips (T, 5, 3) of hand h, NaN where they are missing."""
        pose_key, tips_key = self.layout.poses[h], self.layout.tips[h]
        frames = stop - start
        if pose_key is None or tips_key is None:
            return np.full((frames, 4, 4), np.nan), np.full((frames, len(FINGERS), 3), np.nan)
        rows, tips = self._rows(pose_key, start, stop), self._rows(tips_key, start, stop)
        check_lengths(str(self.path), pose_key, rows[:, :3], start, self._farthest)
        check_lengths(str(self.path), tips_key, tips, start, self._farthest)
        gone = np.isnan(tips).any(axis=-1)
        lost = np.isnan(rows).any(axis=-1) | (rows == 0.0).all(axis=-1)
        lost |= (~gone).sum(axis=-1) < FEWEST_FINGERS
        valid: BoolArray = np.asarray(~lost)
        poses = transforms_from_rows(str(self.path), pose_key, rows, valid, start)
        return poses, np.where((lost[:, None] | gone)[..., None], np.nan, tips)
