"""An HDF5 file that grows by rows and appears whole, or not at all: the base of both writers."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from numpy.typing import NDArray

from retarget.core.errors import InputError
from retarget.core.files import replacing

_ROWS_A_CHUNK = 64
Self = TypeVar("Self", bound="GrowingFile")


class GrowingFile:
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
        self._frames = 0

    @property
    def frames(self) -> int:
        """Number of frames written so far."""
        return self._frames

    def __enter__(self: Self) -> Self:
        import h5py

        with ExitStack() as stack:
            # what is entered first ends last: the renaming, after all files are closed
            part = stack.enter_context(replacing(self._path))
            self._open_sources(stack)
            self._file = stack.enter_context(h5py.File(part, "w"))
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
