"""Files that appear whole or not at all, and the base of what must be closed."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from retarget.core.errors import FileError
from retarget.core.part_file import PartFile

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk is full: the quota is used up",
    errno.EFBIG: "it would be larger than files may be (ulimit -f, or the file system's limit)",
    errno.EPIPE: "its reader is gone",
    errno.ENXIO: "nobody reads it",
}
_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_EXPECTED = "expected a regular file or a new name"
_DESCRIPTORS = re.compile(r"/dev/fd|/proc/(\d+|self|thread-self)(/task/\d+)?/fd")
_LINKS = 40  # as many as the system follows
Self = TypeVar("Self", bound="Closing")


@contextmanager
def replacing(path: str | Path) -> Iterator[PartFile]:
    """A binary file to write that becomes ``path`` when the block ends well, and nothing when not.

    It lies in the same folder until then, so the renaming is atomic, and a file that was at
    ``path`` stays whole; its permissions are kept. A link is followed: its target is replaced. What
    killed processes left in the folder is deleted.

    Raises:
        FileError: the folder is missing or not writable, ``path`` is write-protected or neither a
            regular file nor a new name, or writing fails, as on a full disk.
    """
    shown = Path(path)
    place = require_replaceable(shown)
    part = PartFile(place)
    try:
        part.create()
        yield part
        require_replaceable(shown)
        part.publish()
    except BaseException as error:
        failure = part.failure
        if failure is None or not isinstance(error, Exception):
            raise
        if isinstance(failure, OSError):
            raise _unwritten(shown, failure) from error
        raise failure from None  # a signal's, that came while HDF5 wrote
    finally:
        part.close()


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a binary file atomically.

    Raises:
        FileError: see `replacing`.
    """
    with replacing(path) as part:
        part.write(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically; through to a stream where ``path`` is one.

    A stream is a character device, a FIFO that is being read, or a descriptor of a process such as
    ``/dev/stdout``, whatever that leads to.

    Raises:
        FileError: see `replacing`; or the stream cannot be written, or nobody reads it.
    """
    content = text.encode("utf-8", "backslashreplace")
    if is_stream(path):
        _write_through(Path(path), content)
    else:
        write_bytes(path, content)


def require_replaceable(path: str | Path, *, streams: bool = False) -> Path:
    """Where a file is to be written, links followed; nothing is written.

    Args:
        path: the file.
        streams: whether what `write_text` writes through to is fine, too.

    Raises:
        FileError: it is a folder, a device, FIFO, socket or a process's descriptor, or
            write-protected; or there is no such folder, or the path means nothing.
    """
    shown = Path(path)
    place = Path(os.path.realpath(shown))
    found = _status(shown)
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise FileError(shown, "is a folder, expected a file to write")
    if is_stream(shown):
        if streams:
            return place
        kind = _kind(found) if found is not None else ""
        raise FileError(shown, f"is {kind or 'an open descriptor'}, {_EXPECTED}")
    if found is None:
        if not place.parent.is_dir():
            raise FileError(shown, f"cannot be written: there is no folder {place.parent}")
    elif kind := _kind(found):
        raise FileError(shown, f"is {kind}, {_EXPECTED}")
    elif not os.access(place, os.W_OK):
        raise FileError(shown, "cannot be written: the file is write-protected")
    return place


def is_stream(path: str | Path) -> bool:
    """Whether a path is a character device, a FIFO or a process's open descriptor.

    Raises:
        FileError: the path means nothing: too long, a loop of links.
    """
    if _descriptor(Path(path)) is not None:
        return True
    found = _status(Path(path))
    return found is not None and (stat.S_ISCHR(found.st_mode) or stat.S_ISFIFO(found.st_mode))


class Closing:
    """A context manager that gives itself and ends with its own `close`."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is held; once more does nothing."""
        raise NotImplementedError


def _status(path: Path) -> os.stat_result | None:
    """What is at a path, None where there is nothing."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unwritten(path, error) from error


def _kind(found: os.stat_result) -> str:
    """What is neither a regular file nor a folder, in words."""
    return next((said for is_kind, said in _KINDS if is_kind(found.st_mode)), "")


def _descriptor(path: Path) -> Path | None:
    """The ``/dev/fd/N`` or ``/proc/.../fd/N`` that a path leads to, None where it does not."""
    at = os.path.abspath(path)
    for _ in range(_LINKS):
        folder = os.path.realpath(os.path.dirname(at))
        at = os.path.join(folder, os.path.basename(at))
        if _DESCRIPTORS.fullmatch(folder):
            return Path(at)
        try:
            at = os.path.join(folder, os.readlink(at))
        except (OSError, ValueError):
            return None
    return None


def _write_through(shown: Path, content: bytes) -> None:
    try:
        fd = _opened(shown)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(fd, rest) :]
        finally:
            os.close(fd)
    except OSError as error:
        raise _unwritten(shown, error) from error


def _opened(shown: Path) -> int:
    """A descriptor to write to a stream with."""
    found = _descriptor(shown)
    if found is not None and found.parent in (Path("/dev/fd"), Path(f"/proc/{os.getpid()}/fd")):
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError):  # none, or closed
                stream.flush()
        # opened anew, a regular file would be written from its beginning
        return os.dup(int(found.name))
    # a FIFO that nobody reads would wait for ever
    fd = os.open(shown, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    os.set_blocking(fd, True)
    return fd


def _unwritten(shown: Path, error: Exception) -> FileError:
    number = error.errno if isinstance(error, OSError) else None
    reason = _REASONS.get(number or 0) or getattr(error, "strerror", None) or str(error)
    if number in (errno.EACCES, errno.EPERM):
        folder = Path(os.path.realpath(shown)).parent
        reason = f"no permission to write in {folder}"
    return FileError(shown, f"cannot be written: {reason}")
