"""Human motion in an HDF5 file: what `retarget to-human` writes and `retarget to-robot` reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from retarget.errors import FileError, InputError
from retarget.hdf5 import damage_told, first_frame, open_hdf5, read_rows, require_dataset
from retarget.human_info import HANDS, HumanFileInfo, human_info, read_info
from retarget.human_writer import HumanWriter, write_human
from retarget.open_file import OpenFile, check_hand
from retarget.types import FINGERS, SIDES, BoolArray, FloatArray, HumanMotion, IntArray, Status

__all__ = [
    "HumanFileInfo",
    "HumanReader",
    "HumanWriter",
    "human_info",
    "read_human",
    "write_human",
]

_OPTIONAL = ("residual", "iterations", "status")
_INTEGERS = ("iterations", "status")
_FARTHEST = 20.0  # [m] from the origin
_RIGID = 1e-3  # what a rotation read from a file may lack to be orthonormal


class HumanReader(OpenFile):
    """A human motion file open for reading, in memory that does not grow with its length.

    Only ``pca`` and ``T_world_wrist`` must be there, so that a policy's output can be written with
    little. Use it as a context manager.

    Args:
        path: an HDF5 file in the layout of docs/formats.md.
        hand: hash of the hand model the coefficients should be of; any where None.

    Attributes:
        path: the file.
        frames: number of frames T.
        info: what the numbers mean and where they come from.

    Raises:
        FileError: the file cannot be read, is not of this format or of a version this library does
            not know, or is of another hand model.
    """

    path: Path
    frames: int
    info: HumanFileInfo

    def __init__(self, path: str | Path, *, hand: str | None = None) -> None:
        self.path = Path(path)
        self._file = open_hdf5(self.path)
        try:
            with damage_told(self.path):
                self.info = read_info(self._file)
                self.frames = self._check_structure()
            check_hand(self.path, self.info.hand, hand)
        except BaseException:
            self.close()
            raise

    def read(self, start: int = 0, stop: int | None = None) -> HumanMotion:
        """Frames ``start`` to ``stop`` (excluded; the end where None).

        Where a hand's coefficients or pose are NaN its status is MISSING_INPUT. Residuals that the
        file lacks are NaN, iterations 0, statuses OK.

        Raises:
            InputError: the range is empty or leaves the file.
            FileError: a number is infinite, a pose is not rigid or too far away, a status unknown.
        """
        start, stop = self._range(start, stop)
        pca = read_rows(self._file["pca"], start, stop)
        poses = read_rows(self._file["T_world_wrist"], start, stop)
        lost: BoolArray = np.asarray(
            np.isnan(pca).any(axis=-1) | np.isnan(poses).any(axis=(-2, -1))
        )
        infinite = np.asarray(np.isinf(pca).any(axis=-1))
        self._refuse(infinite, "pca", start, "has an infinite coefficient")
        self._check_poses(poses, lost, start)
        iterations = self._optional("iterations", start, stop, np.zeros((stop - start, HANDS)))
        no_residual = np.full((stop - start, HANDS, len(FINGERS)), np.nan)
        return HumanMotion(
            pca=np.where(lost[..., None], np.nan, pca),
            T_world_wrist=np.where(lost[..., None, None], np.nan, poses),
            residual=self._optional("residual", start, stop, no_residual),
            iterations=iterations.astype(np.int64),
            status=self._status(start, stop, lost),
            hand=self.info.hand,
        )

    def read_body(self, start: int = 0, stop: int | None = None) -> FloatArray:
        """Positions of ``info.body_joints`` in frames ``start`` to ``stop``, (T, m) [rad].

        Raises:
            InputError: the range is empty or leaves the file.
            FileError: a position is not finite.
        """
        start, stop = self._range(start, stop)
        if not self.info.body_joints:
            return np.zeros((stop - start, 0))
        body = read_rows(self._file["body_qpos"], start, stop)
        frame = first_frame(~np.isfinite(body))
        if frame is not None:
            joint = self.info.body_joints[int(np.argmax(~np.isfinite(body[frame])))]
            raise FileError(
                self.path,
                f"'body_qpos' frame {start + frame}, joint {joint!r} is not finite",
                key="body_qpos",
                frame=start + frame,
            )
        return body

    def blocks(self, size: int = 4096) -> Iterator[tuple[HumanMotion, FloatArray]]:
        """Motion and body positions of all frames, in consecutive blocks of at most ``size``.

        Raises:
            InputError: ``size`` is not positive.
            FileError: see `read`.
        """
        if size < 1:
            raise InputError(f"size must be at least 1 frame, got {size}")
        for start in range(0, self.frames, size):
            stop = min(start + size, self.frames)
            yield self.read(start, stop), self.read_body(start, stop)

    def _range(self, start: int, stop: int | None) -> tuple[int, int]:
        stop = self.frames if stop is None else stop
        if not 0 <= start < stop <= self.frames:
            raise InputError(
                f"{self.path}: frames {start} to {stop} are not within its {self.frames} frames"
            )
        return start, stop

    def _check_structure(self) -> int:
        """Shapes, types and lengths of the datasets that are there; the number of frames."""
        frames = len(require_dataset(self._file, "pca", (None, HANDS, self.info.components)))
        if frames == 0:
            raise FileError(self.path, "holds no frames", key="pca")
        shapes: dict[str, tuple[int | None, ...]] = {
            "T_world_wrist": (None, HANDS, 4, 4),
            "residual": (None, HANDS, len(FINGERS)),
            "iterations": (None, HANDS),
            "status": (None, HANDS),
        }
        if self.info.body_joints:
            shapes["body_qpos"] = (None, len(self.info.body_joints))
        for key, shape in shapes.items():
            if key in _OPTIONAL and key not in self._file:
                continue
            data = require_dataset(self._file, key, shape, integer=key in _INTEGERS)
            if len(data) != frames:
                raise FileError(
                    self.path,
                    f"{key!r} has {len(data)} frames, but 'pca' has {frames}",
                    key=key,
                    frames=len(data),
                    expected=frames,
                )
        return frames

    def _check_poses(self, poses: FloatArray, lost: BoolArray, start: int) -> None:
        known = np.where(lost[..., None, None], np.eye(4), poses)
        rotation = known[..., :3, :3]
        gap = np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max(axis=(-2, -1))
        gap = np.maximum(gap, np.abs(known[..., 3, :] - [0.0, 0.0, 0.0, 1.0]).max(axis=-1))
        rigid = (gap <= _RIGID) & (np.linalg.det(rotation) > 0.0)
        self._refuse(~rigid, "T_world_wrist", start, "is not a rigid transform")
        far = ~(np.abs(known[..., :3, 3]).max(axis=-1) <= _FARTHEST)
        said = f"lies farther than {_FARTHEST:g} m from the origin (are these millimetres?)"
        self._refuse(far, "T_world_wrist", start, said)

    def _status(self, start: int, stop: int, lost: BoolArray) -> IntArray:
        stored = self._optional("status", start, stop, np.zeros(lost.shape)).astype(np.int64)
        known = np.isin(stored, [int(status) for status in Status])
        self._refuse(~known, "status", start, "holds a number that is no status")
        return np.where(lost, int(Status.MISSING_INPUT), stored)

    def _optional(self, key: str, start: int, stop: int, default: FloatArray) -> FloatArray:
        return read_rows(self._file[key], start, stop) if key in self._file else default

    def _refuse(self, bad: BoolArray, key: str, start: int, said: str) -> None:
        """Raise where anything of a mask (T, 2) is set."""
        frame = first_frame(bad)
        if frame is not None:
            side = SIDES[int(np.argmax(bad[frame]))]
            raise FileError(
                self.path,
                f"{key!r} frame {start + frame}, {side} hand, {said}",
                key=key,
                frame=start + frame,
            )


def read_human(
    path: str | Path, *, hand: str | None = None, start: int = 0, stop: int | None = None
) -> tuple[HumanMotion, HumanFileInfo]:
    """Read a human motion file (docs/formats.md), or frames ``start`` to ``stop`` of it.

    Args:
        path: the HDF5 file.
        hand: hash of the hand model the coefficients should be of; any where None.
        start: first frame.
        stop: end of the frames (excluded); the end of the file where None.

    Raises:
        FileError: see `HumanReader`.
        InputError: the range is empty or leaves the file.
    """
    with HumanReader(path, hand=hand) as reader:
        return reader.read(start, stop), reader.info
