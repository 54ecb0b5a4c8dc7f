"""Demonstrations made of a robot's joints, and written: whole or streamed, over a copied file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.checks import missing_poses
from retarget.core.errors import DemoError, InputError
from retarget.core.geometry import pose_wxyz_from_transform
from retarget.core.hdf5 import open_hdf5
from retarget.core.hdf5_copy import copy_rest, library_version, storage_of
from retarget.core.hdf5_streams import HDF5Writer
from retarget.core.types import FINGERS, SIDES, BoolArray, Demo, FloatArray
from retarget.data.demo.layout import (
    ACTION,
    QPOS,
    QVEL,
    RATE_ATTRIBUTES,
    DemoLayout,
    find_layout,
    pose_keys,
    tips_key,
)
from retarget.data.file_attributes import require_rate
from retarget.robot.robot import Robot

_BLOCK = 4096  # frames held at once while velocities are computed


def save_demo(
    path: str | Path,
    demo: Demo,
    *,
    robot: Robot | str | Path | None = None,
    copy_from: str | Path | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> None:
    """Write a demonstration file (docs/formats.md), whole or not at all; see `DemoWriter`.

    Raises:
        InputError: the demonstration's arrays do not fit together, or, with ``copy_from``, its
            frames are not within that file.
        FileError: the file cannot be written there.
        DemoError: ``copy_from`` is not a sound demonstration file.
    """
    with DemoWriter(path, robot=robot, copy_from=copy_from, attrs=attrs) as writer:
        writer.append(demo)


def demo_from_joints(
    robot: Robot,
    qpos: FloatArray,
    *,
    valid: BoolArray | None = None,
    action: FloatArray | None = None,
    rate: float = 30.0,
    start: int = 0,
) -> Demo:
    """A demonstration whose wrists and fingertips are forward kinematics of its joints.

    Args:
        robot: the robot that moves.
        qpos: (T, n) joint positions [rad].
        valid: (T, 2) False where a hand's joints are only held; everywhere True where None.
        action: (T, n) commanded joint positions [rad], or None.
        rate: frames per second [Hz].
        start: index of the first frame within its file.
    """
    T_world_wrist, fingertips = robot.forward(qpos)
    seen = np.ones((len(qpos), len(SIDES)), dtype=np.bool_)
    return Demo(
        qpos=qpos,
        T_world_wrist=T_world_wrist,
        fingertips=fingertips,
        valid=seen if valid is None else valid,
        rate=rate,
        action=action,
        start=start,
    )


class DemoWriter(HDF5Writer):
    """A demonstration file being written, block by block, in memory that does not grow.

    Use it as a context manager: the file appears at ``path`` when the block ends well, and nothing
    does when it raises. Velocities are central differences of the positions (one-sided at both
    ends), as in ``numpy.gradient``.

    Args:
        path: the file to write; one that is there is replaced at the end.
        robot: the robot it is of, or its name or folder; checks the number of joints, and is named
            in the attribute ``robot``. Any robot where None.
        copy_from: a demonstration file whose other datasets (images, labels, anything unknown),
            attributes and compression are copied, without being held in memory. Where the frames
            written are only a part of that file's, datasets with one row a frame are cut to the
            same part.
        attrs: attributes to set, over those copied. ``sim`` is True where nobody says otherwise.

    Raises:
        FileError: the file cannot be written there.
        DemoError: ``copy_from`` is not a sound demonstration file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        robot: Robot | str | Path | None = None,
        copy_from: str | Path | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(path)
        self._robot = None if robot is None else Robot.of(robot)
        self._copy_from = copy_from
        self._attrs = dict(attrs or {})
        self._source: Any = None
        self._layout: DemoLayout | None = None
        self._start = 0
        self._rate = 0.0
        self._joints = 0

    def _open_sources(self, stack: ExitStack) -> None:
        if self._copy_from is not None:
            source = stack.enter_context(open_hdf5(self._copy_from, DemoError))
            self._layout = find_layout(source)
            self._source = source.whole()

    def _library_version(self) -> Any:
        return None if self._source is None else library_version(self._source)

    def append(self, demo: Demo) -> None:
        """Write the next frames; where a hand is not valid its rows are NaN.

        Raises:
            InputError: shapes, rate or number of joints do not fit together or do not fit what
                was written before, a valid wrist is no rigid transform, or the frames are not those
                that follow in ``copy_from``.
        """
        _check_shapes(demo, self._robot)
        if self._frames == 0:
            self._rate, self._joints, self._start = demo.rate, demo.qpos.shape[1], demo.start
        if demo.qpos.shape[1] != self._joints or demo.rate != self._rate:
            raise InputError(
                f"blocks of one file must agree: {self._joints} joints at {self._rate} Hz so far, "
                f"got {demo.qpos.shape[1]} at {demo.rate} Hz"
            )
        if self._layout is not None:
            self._check_place(demo, self._layout.frames)
        rows = pose_wxyz_from_transform(demo.T_world_wrist)
        rows[~demo.valid] = np.nan
        tips = np.where(demo.valid[:, :, None, None], demo.fingertips, np.nan)
        self._store(QPOS, demo.qpos)
        self._store(ACTION, demo.qpos if demo.action is None else demo.action)
        for h, side in enumerate(SIDES):
            self._store(self._pose_key(h), rows[:, h])
            self._store(tips_key(side), tips[:, h])
        self._frames += demo.frames

    def _pose_key(self, h: int) -> str:
        """The name the source gives a hand's poses, so that its readers find them."""
        named = None if self._layout is None else self._layout.poses[h]
        return named or pose_keys(SIDES[h])[0]

    def _check_place(self, demo: Demo, frames: int) -> None:
        expected = self._start + self._frames
        if demo.start != expected or demo.start + demo.frames > frames:
            raise InputError(
                f"frames {demo.start} to {demo.start + demo.frames} do not follow: expected frame "
                f"{expected} next, of the {frames} in {self._copy_from}"
            )

    def _store(self, key: str, rows: FloatArray, start: int | None = None) -> None:
        tail = rows.shape[1:]
        storage = {} if self._source is None else storage_of(self._source, key, tail)
        self._extend(key, np.asarray(rows, dtype=np.float64), start, **storage)

    def _finish(self) -> None:
        self._write_velocities()
        if self._source is not None and self._layout is not None:
            keep = slice(self._start, self._start + self._frames)
            copy_rest(self._source, self._file, frames=self._layout.frames, keep=keep)
        attrs = self._file.attrs
        for name in RATE_ATTRIBUTES:
            if name == RATE_ATTRIBUTES[0] or name in attrs:
                attrs[name] = self._rate
        if self._robot is not None:
            attrs["robot"] = self._robot.name
        attrs.update(self._attrs)
        if "sim" not in attrs:
            attrs["sim"] = True

    def _write_velocities(self) -> None:
        qpos = self._file[QPOS]
        for start in range(0, self._frames, _BLOCK):
            stop = min(start + _BLOCK, self._frames)
            before, after = max(start - 1, 0), min(stop + 1, self._frames)
            around = qpos[before:after]
            if self._frames == 1:
                velocity = np.zeros_like(around)
            else:
                velocity = np.gradient(around, 1.0 / self._rate, axis=0)
            self._store(QVEL, velocity[start - before : stop - before], start)


def _check_shapes(demo: Demo, robot: Robot | None) -> None:
    if demo.qpos.ndim != 2 or demo.frames == 0:
        raise InputError(f"qpos must have shape (T, n) with T > 0, got {demo.qpos.shape}")
    frames, n = demo.qpos.shape
    if robot is not None and n != len(robot.joint_names):
        raise InputError(f"{robot.name} has {len(robot.joint_names)} joints, got qpos of {n}")
    hands = len(SIDES)
    expected: dict[str, tuple[Any, tuple[int, ...]]] = {
        "T_world_wrist": (demo.T_world_wrist, (frames, hands, 4, 4)),
        "fingertips": (demo.fingertips, (frames, hands, len(FINGERS), 3)),
        "valid": (demo.valid, (frames, hands)),
        "action": (demo.qpos if demo.action is None else demo.action, (frames, n)),
    }
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise InputError(f"{name} must have shape {shape}, got {array.shape}")
    missing_poses(demo.T_world_wrist, "T_world_wrist", demo.valid)
    require_rate(demo.rate)
