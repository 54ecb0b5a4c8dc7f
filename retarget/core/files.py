"""Files that appear whole or not at all, and the base of what must be closed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from retarget.core.errors import FileError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Self = TypeVar("Self", bound="Closing")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path to write to that becomes ``path`` when the block ends well, and is deleted when not.

    The temporary file lies in the same folder, so the renaming is atomic, and a file that was at
    ``path`` stays whole until then. A link is followed: its target is replaced.

    Raises:
        FileError: the folder is missing or not writable, ``path`` is a folder, or the disk is full.
    """
    shown = Path(path)
    place = Path(os.path.realpath(shown))
    if place.is_dir():
        raise FileError(shown, "is a folder, expected a file to write")
    if not place.parent.is_dir():
        raise FileError(shown, f"cannot be written: there is no folder {place.parent}")
    part = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    try:
        part.open("xb").close()
    except PermissionError as error:
        raise FileError(
            shown, f"cannot be written: no permission to write in {place.parent}"
        ) from error
    except OSError as error:
        raise FileError(shown, f"cannot be written: {error.strerror}") from error
    try:
        yield part
        with part.open("r+b") as written:
            os.fsync(written.fileno())
        os.replace(part, place)
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise FileError(shown, "cannot be written: the disk is full") from error
        raise
    finally:
        with suppress(OSError):
            part.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Raises:
        FileError: see `replacing`.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


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
