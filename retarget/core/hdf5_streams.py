"""Bases of the readers and writers of HDF5 files: frames in blocks, memory that does not grow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from numpy.typing import NDArray

from retarget.core.errors import FileError, InputError
from retarget.core.files import Closing, replacing
from retarget.core.hdf5 import open_hdf5
from retarget.core.hdf5_sink import HDF5Sink
from retarget.core.part_file import PartFile

_ROWS_A_CHUNK = 64
Self = TypeVar("Self", bound="HDF5Writer")


class HDF5Reader(Closing):
    """Base of readers used as context managers.

    A child finds its way in `_open`, where it sets `frames`, and may name its own error and what it
    counts. It reads `_file` alone, which reports every fault of the file.

    Args:
        path: the file to read.

    Attributes:
        path: the file.
        frames: number of frames T.

    Raises:
        FileError (or its child `_error`): the file cannot be read, or not by this reader.
    """

    path: Path
    frames: int
    _error: type[FileError] = FileError
    _unit = "frames"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open_hdf5(self.path, self._error)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._file.close()

    def _open(self) -> None:
        """Check the structure of `_file` and set `frames`."""
        raise NotImplementedError

    def _range(self, start: int, stop: int | None) -> tuple[int, int]:
        """A range of frames within the file; its end where ``stop`` is None."""
        stop = self.frames if stop is None else stop
        if not 0 <= start < stop <= self.frames:
            raise InputError(
                f"{self.path}: {self._unit} {start} to {stop} are not within its {self.frames} "
                f"{self._unit}"
            )
        return start, stop

    def _block_ranges(
        self, size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Consecutive ranges of at most ``size`` frames."""
        if size < 1:
            raise InputError(f"size must be at least 1, got {size}")
        start, stop = self._range(start, stop)
        for first in range(start, stop, size):
            yield first, min(first + size, stop)


class HDF5Writer:
    """Base of writers used as context managers: the file appears when the block ends well.

    A child writes rows with `_extend`, counts them in `_frames`, and adds what comes last in
    `_finish`.

    Args:
        path: the file to write; one that is there is replaced at the end.

    Raises:
        FileError: the file cannot be written there.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._stack = ExitStack()
        self._file: Any = None
        self._part: PartFile | None = None
        self._frames = 0

    @property
    def frames(self) -> int:
        """Number of frames written so far."""
        return self._frames

    def __enter__(self: Self) -> Self:
        import h5py

        with ExitStack() as stack:
            # what is entered first ends last: the renaming, after all files are closed
            self._part = stack.enter_context(replacing(self._path))
            self._open_sources(stack)
            self._file = stack.enter_context(
                h5py.File(HDF5Sink(self._part), "w", libver=self._library_version())
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                if self._frames == 0:
                    raise InputError(f"{self._path}: no frames were written")
                self._finish()
            except BaseException:
                self._stack.__exit__(*sys.exc_info())
                raise
        self._stack.__exit__(kind, error, trace)

    def _open_sources(self, stack: ExitStack) -> None:
        """Open other files that are needed until the end."""

    def _library_version(self) -> Any:
        """``libver`` of the file, see h5py; the oldest that does where None."""
        return None

    def _finish(self) -> None:
        """Write what comes after the last row."""

    def _extend(
        self, key: str, rows: NDArray[Any], start: int | None = None, **storage: Any
    ) -> None:
        """Write rows of a dataset from ``start`` on, by default after those counted so far."""
        start = self._frames if start is None else start
        if key not in self._file:
            tail = rows.shape[1:]
            options = {"chunks": (_ROWS_A_CHUNK, *tail), **storage}
            # no time stamps: the same rows give the same bytes
            self._file.create_dataset(
                key, (0, *tail), rows.dtype, maxshape=(None, *tail), track_times=False, **options
            )
        dataset = self._file[key]
        dataset.resize(start + len(rows), axis=0)
        dataset[start:] = rows
        if self._part is not None:
            self._part.require_whole()
