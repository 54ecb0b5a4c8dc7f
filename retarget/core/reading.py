"""Files opened for reading: regular ones only, of bounded size, each fault one sentence."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from retarget.core.errors import FileError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_file(
    path: str | Path, expected: str = "a file", error: type[FileError] = FileError
) -> int:
    """Size in bytes of a regular file, links followed; nothing is opened.

    What is opened without this check may wait for ever, as a named pipe does.

    Raises:
        FileError (or its child ``error``): no such file, no permission, or no regular file.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as cause:
        raise error(path, unreadable(cause)) from cause
    if not stat.S_ISREG(found.st_mode):
        kind = next((said for test, said in _KINDS if test(found.st_mode)), "no regular file")
        raise error(path, f"is {kind}, expected {expected}")
    return found.st_size


def read_bytes(
    path: str | Path,
    most: int,
    expected: str = "a file",
    error: type[FileError] = FileError,
) -> bytes:
    """The whole content of a regular file of at most ``most`` bytes.

    Raises:
        FileError (or its child ``error``): see `require_file`; or it is larger, or unreadable.
    """
    size = require_file(path, expected, error)
    if size <= most:
        try:
            with Path(path).open("rb") as file:
                content = file.read(most + 1)
        except OSError as cause:
            raise error(path, unreadable(cause)) from cause
        size = len(content)
    if size > most:
        raise error(
            path, f"has more than {most} bytes, expected {expected} of at most that", size=size
        )
    return content


def read_text(
    path: str | Path,
    most: int,
    expected: str = "a text file",
    error: type[FileError] = FileError,
) -> str:
    """The same as UTF-8 text.

    Raises:
        FileError (or its child ``error``): see `read_bytes`; or it is not UTF-8.
    """
    try:
        return read_bytes(path, most, expected, error).decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        said = f"cannot be read: byte {cause.start} is not UTF-8, expected {expected}"
        raise error(path, said) from cause


def unreadable(cause: OSError | ValueError) -> str:
    """Why a file cannot be opened for reading, in words that follow its path."""
    if isinstance(cause, FileNotFoundError):
        return "no such file"
    if isinstance(cause, PermissionError):
        return "no permission to read it"
    said = cause.strerror if isinstance(cause, OSError) else None
    return f"cannot be read: {said or cause}"
