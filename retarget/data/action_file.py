"""Actions in an HDF5 file: a motion step by step, or the chunks a policy gave (docs/actions.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from retarget.actions.layout import ACTION_SIZE, Action, pack, unpack
from retarget.actions.layout_check import LAYOUT, require_layout
from retarget.actions.normalization import Normalization, require_action
from retarget.core.arrays import namespace
from retarget.core.errors import FileError, InputError
from retarget.core.hdf5 import attribute, matrix, require_dataset, text, whole_number
from retarget.core.hdf5_file import HDF5File
from retarget.core.hdf5_streams import HDF5Reader, HDF5Writer
from retarget.core.types import FloatArray
from retarget.data.file_attributes import (
    frame_rate,
    read_versions,
    require_camera,
    require_hand,
    require_rate,
)
from retarget.data.file_kind import FileKind, require_format

LONGEST_STRIDE = 10_000  # frames; minutes between two chunks
_VERSION = 1
_ACTIONS, _CHUNKS, _MASK = "actions", "chunks", "mask"


@dataclass(frozen=True)
class ActionFileInfo:
    """Attributes of an action file.

    Attributes:
        rate: steps per second [Hz].
        hand: hash of the hand model that gives the coefficients their meaning.
        camera: name of the camera whose frame the wrists are in, "" for the world frame.
        T_camera_world: (4, 4) world to that camera's OpenCV frame [m]; None for the world frame,
            or a camera that moves.
        normalization: what the numbers have gone through, None where nothing.
        stride: frames from one chunk to the next.
        source: the file it was made from, "" where unknown.
        versions: of the software that wrote the file, by package.
    """

    rate: float
    hand: str
    camera: str = ""
    T_camera_world: FloatArray | None = None
    normalization: Normalization | None = None
    stride: int = 1
    source: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def load_actions(
    path: str | Path, *, hand: str | None = None, start: int = 0, stop: int | None = None
) -> tuple[Action, ActionFileInfo]:
    """Read an action file, or steps or chunks ``start`` to ``stop`` of it.

    Raises:
        FileError: see `ActionReader`.
        InputError: the range is empty or leaves the file.
    """
    with ActionReader(path, hand=hand) as reader:
        return reader.read(start, stop), reader.info


def save_actions(path: str | Path, action: Action, info: ActionFileInfo) -> None:
    """Write steps (T,) or chunks (N, L) to an action file, whole or not at all.

    Raises:
        InputError: see `ActionWriter`.
        FileError: the file cannot be written there.
    """
    with ActionWriter(path, info) as writer:
        writer.append(action)


class ActionReader(HDF5Reader):
    """An action file open for reading; use it as a context manager.

    Args:
        path: an HDF5 file in the layout of docs/actions.md.
        hand: hash of the hand model the coefficients should be of; any where None.
        rate: steps per second [Hz], where the file's own is to be overruled.

    Attributes:
        path: the file.
        rate: steps per second [Hz].
        info: what the numbers mean and where they come from.
        chunked: it holds chunks, not single steps.
        frames: number of steps T, or of chunks N.
        horizon: rows L of a chunk; 1 for single steps.

    Raises:
        FileError: the file cannot be read, is not of this format or of a version this library does
            not know, or is of another hand model.
        InputError: ``rate`` is not positive.
    """

    info: ActionFileInfo

    def __init__(
        self, path: str | Path, *, hand: str | None = None, rate: float | None = None
    ) -> None:
        self._hand, self._given_rate = hand, rate
        super().__init__(path)

    def read(self, start: int = 0, stop: int | None = None) -> Action:
        """Steps (T,) or chunks (N, L) ``start`` to ``stop`` (excluded; the end where None).

        Hands with a number that is not finite, or a degenerate rotation, are MISSING_INPUT. Rows
        of chunks beyond the motion's end are marked (`Action.within`) where the file says which.

        Raises:
            InputError: the range is empty or leaves the file.
            FileError: the stored bytes cannot be read.
        """
        start, stop = self._range(start, stop)
        rows = self._file.rows(self._data, start, stop)
        within = None
        if self._masked:
            within = self._file.rows(_MASK, start, stop) > 0.0
        return unpack(rows, normalization=self.info.normalization, within=within)

    def blocks(self, size: int = 512) -> Iterator[Action]:
        """All steps or chunks, in consecutive blocks of at most ``size``.

        Raises:
            InputError: ``size`` is not positive.
            FileError: see `read`.
        """
        for start, stop in self._block_ranges(size):
            yield self.read(start, stop)

    def _open(self) -> None:
        require_format(self._file, FileKind.ACTIONS, (_VERSION,))
        self.info = _read_info(self._file, self._given_rate)
        self.rate = self.info.rate
        self._data, shape = self._dataset()
        require_hand(self._file, self.info.hand, self._hand)
        self.frames = shape[0]
        self.chunked = self._data == _CHUNKS
        self.horizon = shape[1] if self.chunked else 1
        self._masked = self.chunked and _MASK in self._file
        if self._masked:
            require_dataset(self._file, _MASK, shape[:2], integer=True)
        self._require_layout()
        self._unit = _CHUNKS if self.chunked else "steps"

    def _require_layout(self) -> None:
        """A file that does not say its layout is looked at."""
        said = attribute(self._file, "layout", text, "")
        if said and said != LAYOUT:
            raise FileError(
                self.path,
                f"attribute 'layout' is {said!r}, this library reads {LAYOUT!r}",
                key="layout",
                value=said,
            )
        if not said:
            try:
                require_layout(self._file.rows(self._data, 0, min(self.frames, 64)), "its actions")
            except InputError as error:
                raise FileError(self.path, str(error), key=self._data) from error

    def _dataset(self) -> tuple[str, tuple[int, ...]]:
        """Name and shape of the one that is there."""
        both = [name for name in (_ACTIONS, _CHUNKS) if name in self._file]
        if len(both) == 2:
            raise FileError(self.path, f"holds both {_ACTIONS!r} and {_CHUNKS!r}, expected one")
        name = _CHUNKS if both == [_CHUNKS] else _ACTIONS
        axes = (None, None) if name == _CHUNKS else (None,)
        shape = require_dataset(self._file, name, (*axes, ACTION_SIZE))
        if 0 in shape:
            raise FileError(self.path, f"holds no {name}")
        return name, shape


class ActionWriter(HDF5Writer):
    """An action file being written, block by block, in memory that does not grow.

    Use it as a context manager: the file appears at ``path`` when the block ends well, and nothing
    does when it raises.

    Args:
        path: the file to write; one that is there is replaced at the end.
        info: what the numbers mean and where they come from.

    Raises:
        InputError: info says what a reader would refuse.
        FileError: the file cannot be written there.
    """

    def __init__(self, path: str | Path, info: ActionFileInfo) -> None:
        _check_info(info)
        super().__init__(path)
        self._info = info

    def append(self, action: Action) -> None:
        """Write the next steps, (T,) numpy actions, or the next chunks, (N, L).

        Raises:
            InputError: other batch axes than those before, torch tensors, or numbers that are
                normalised otherwise than the file says.
        """
        require_action(action)
        if namespace(action.translation) is not np:
            raise InputError("an action file takes numpy arrays, got torch tensors")
        if action.normalization != self._info.normalization:
            raise InputError("the action is normalised otherwise than the file says")
        if len(action.shape) not in (1, 2) or 0 in action.shape[1:]:
            raise InputError(f"expected actions (T,) or chunks (N, L), got {action.shape}")
        key = _ACTIONS if len(action.shape) == 1 else _CHUNKS
        other = next((name for name in (_ACTIONS, _CHUNKS) if name in self._file), key)
        tail = (*action.shape[1:], ACTION_SIZE)
        if other != key or (key in self._file and self._file[key].shape[1:] != tail):
            raise InputError(f"this file holds {other} of other axes than {action.shape}")
        if key == _CHUNKS:
            within = np.ones(action.shape, bool) if action.within is None else action.within
            self._extend(_MASK, np.asarray(within))
        self._extend(key, pack(action))
        self._frames += len(action)

    def _finish(self) -> None:
        info, attrs = self._info, self._file.attrs
        attrs["format"], attrs["version"] = FileKind.ACTIONS.value, _VERSION
        attrs["layout"] = LAYOUT
        attrs["rate"], attrs["hand"] = info.rate, info.hand
        attrs["camera"] = info.camera
        if info.T_camera_world is not None:
            attrs["T_camera_world"] = info.T_camera_world
        if info.normalization is not None:
            attrs["normalization"] = info.normalization.to_json()
        attrs["stride"], attrs["source"] = info.stride, info.source
        attrs["versions"] = json.dumps(info.versions, sort_keys=True)


def _check_info(info: ActionFileInfo) -> None:
    """Refuse what `_read_info` would."""
    for name in ("hand", "camera", "source"):
        if not isinstance(getattr(info, name), str):
            raise InputError(f"{name} must be text, got {getattr(info, name)!r}")
    require_rate(info.rate)
    if info.stride != int(info.stride):
        raise InputError(f"stride must be a whole number, got {info.stride}")
    if not 1 <= info.stride <= LONGEST_STRIDE:
        raise InputError(f"stride must be 1 to {LONGEST_STRIDE}, got {info.stride}")
    require_camera(info.T_camera_world)


def _read_info(file: HDF5File, rate: float | None) -> ActionFileInfo:
    def normalization(value: Any) -> Normalization:
        return Normalization.from_json(text(value), f"{file.path}: attribute 'normalization'")

    stride = attribute(file, "stride", whole_number, 1)
    if not 1 <= stride <= LONGEST_STRIDE:
        raise FileError(
            file.path,
            f"attribute 'stride' must be 1 to {LONGEST_STRIDE}, got {stride:g}",
            key="stride",
        )
    return ActionFileInfo(
        rate=frame_rate(file, rate).hz,
        hand=attribute(file, "hand", text),
        camera=attribute(file, "camera", text, ""),
        T_camera_world=attribute(file, "T_camera_world", matrix, None),
        normalization=attribute(file, "normalization", normalization, None),
        stride=stride,
        source=attribute(file, "source", text, ""),
        versions=attribute(file, "versions", read_versions, {}),
    )
