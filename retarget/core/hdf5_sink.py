"""What HDF5 writes into: a part file whose errors do not reach the HDF5 library."""

from __future__ import annotations

import os
from typing import Any

from retarget.core.part_file import PartFile


class HDF5Sink:
    """A Python file for ``h5py.File(sink, "w")`` that fails only when it is asked.

    The HDF5 library cannot close a file it cannot write, and ends the process with it. So the first
    error (a full disk; a signal's exception, too) is kept in the part's ``failure``; from then on
    nothing is written, and HDF5 told that all is well. What was never written reads as zeros. Who
    writes asks `PartFile.require_whole`.

    Args:
        part: the file to write.
    """

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self._at = self._end = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to ``offset`` [bytes], and tell where that is."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        """Where it stands [bytes]."""
        return self._at

    def read(self, size: int) -> bytes:
        """``size`` bytes, zeros where nothing was written."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, with zeros where nothing was written."""
        view = memoryview(buffer)
        size, got = len(view), 0
        try:
            self._part.seek(self._at)
            while got < size:
                count = self._part.readinto(view[got:])
                if not count:
                    break
                got += count
        except BaseException as error:  # HDF5 must not see it
            self._part.failure = self._part.failure or error
        if got < size:
            view[got:] = bytes(size - got)
        self._at += size
        return size

    def write(self, data: Any) -> int:
        """Write all of the bytes, or keep why not."""
        size = len(data)
        part = self._part
        if part.failure is None:
            try:
                part.seek(self._at)
                part.write(data)
            except BaseException as error:  # HDF5 must not see it
                part.failure = part.failure or error
        self._at += size
        self._end = max(self._end, self._at)
        return size

    def truncate(self, size: int) -> int:
        """Make the file ``size`` bytes long, or keep why not."""
        part = self._part
        if part.failure is None:
            try:
                part.truncate(size)
            except BaseException as error:  # HDF5 must not see it
                part.failure = part.failure or error
        self._end = size
        return size

    def flush(self) -> None:
        """Nothing is held back."""
