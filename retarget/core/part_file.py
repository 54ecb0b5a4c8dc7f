"""A file being written under a name of its own beside its target, locked as long as it is."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import platform
import re
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_NAME = re.compile(r"\..*\.retarget-([0-9a-f]{8})[0-9a-f]{8}\.part", re.DOTALL)
_NAME_BYTES = 100  # of the target's name in the part's: file systems allow 143 to 255 in all
_STALE = 86_400.0  # [s] since its last change, after which another machine's part is given up
_TRIES = 8
_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


class PartFile(io.RawIOBase):
    """A binary file to write and read: it becomes ``place`` by `publish`, or is nothing by `close`.

    It holds a shared lock, so that the next write into the folder tells it from what a killed
    process left, and readers that lock files can open it as soon as it is published. The first
    error of writing is kept.

    Args:
        place: the file it becomes; its folder must exist.

    Attributes:
        failure: the first error that writing met, None where there was none.
    """

    failure: BaseException | None

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.failure = None
        self._place = place
        self._path: Path | None = None
        self._file: io.FileIO | None = None
        self._fd = -1
        self._at = 0

    def create(self) -> None:
        """Make the file, and delete what killed processes left in the folder.

        Raises:
            OSError: it cannot be made.
        """
        with suppress(OSError):
            remove_abandoned(self._place.parent)
        name = os.fsencode(self._place.name)[:_NAME_BYTES].decode("utf-8", "ignore")
        for _ in range(_TRIES):
            token = _machine() + secrets.token_hex(4)
            # kept before it exists: a signal may come right after it does
            self._path = self._place.with_name(f".{name}.retarget-{token}.part")
            try:
                self._file = self._path.open("x+b", buffering=0)
                self._fd = self._file.fileno()
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(self._fd, fcntl.LOCK_SH)
                if _is_at(self._fd, self._path):  # else taken for abandoned before it was locked
                    break
                self._file.close()
            except OSError as error:
                self.failure = error
                raise
        else:
            self.failure = OSError(errno.EBUSY, "a file beside it is deleted as soon as it is made")
            raise self.failure
        with suppress(OSError):
            mode = stat.S_IMODE(os.stat(self._place).st_mode) & 0o777
            os.fchmod(self._fd, mode)

    def require_whole(self) -> None:
        """Raise the first error that writing met, if it met one."""
        if self.failure is not None:
            raise self.failure

    def publish(self) -> None:
        """Put it on the disk and give it its name, in one step.

        Raises:
            OSError: that cannot be done, or writing met an error.
        """
        self.require_whole()
        if self._path is None:
            raise ValueError("there is no file: create() comes first, and publish() once")
        try:
            try:
                os.fsync(self._fd)
            except OSError as error:
                if error.errno not in _NO_FSYNC:
                    raise
            os.replace(self._path, self._place)
        except OSError as error:
            self.failure = error
            raise
        self._path = None

    def close(self) -> None:
        """Let go of it; it is deleted where it was not published. Once more does nothing."""
        if self._path is not None:
            with suppress(OSError):
                os.unlink(self._path)
            self._path = None
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        super().close()

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to ``offset`` [bytes], and tell where that is."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = offset + (os.fstat(self._fd).st_size if start is None else start)
        return self._at

    def tell(self) -> int:
        """Where it stands [bytes]."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read up to as many bytes as the buffer holds."""
        count = os.preadv(self._fd, [buffer], self._at)
        self._at += count
        return count

    def write(self, data: Any) -> int:
        """Write all of some bytes.

        Raises:
            OSError: they cannot be written; it is kept as `failure`.
        """
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                count = os.pwrite(self._fd, rest, self._at)
                self._at += count
                rest = rest[count:]
        except OSError as error:
            self.failure = self.failure or error
            raise
        return size

    def truncate(self, size: int | None = None) -> int:
        """Make it ``size`` bytes long, by default as long as it stands.

        Raises:
            OSError: the disk is full; it is kept as `failure`.
        """
        size = self._at if size is None else size
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            self.failure = self.failure or error
            raise
        return size


def remove_abandoned(folder: Path) -> None:
    """Delete the parts in a folder that no process is writing any more.

    A part that can be locked is abandoned; where the file system has no locks, nothing is deleted.
    One that another machine made, whose locks may not be seen here, must be a day old as well.

    Raises:
        OSError: the folder cannot be read.
    """
    for name in os.listdir(folder):
        found = _NAME.fullmatch(name) if name.endswith(".part") else None
        if found is not None:
            with suppress(OSError):
                _remove_if_abandoned(folder / name, ours=found[1] == _machine())


def _remove_if_abandoned(path: Path, *, ours: bool) -> None:
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or not (ours or time.time() - found.st_mtime > _STALE):
            return
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(fd, path):
            os.unlink(path)
    finally:
        os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), named)


def _machine() -> str:
    """What tells this machine's parts from others', 8 hexadecimal digits."""
    return hashlib.sha256(platform.node().encode(errors="replace")).hexdigest()[:8]
