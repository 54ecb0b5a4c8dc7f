"""A file that stays open until its reader is closed: the base of readers of long files."""

from __future__ import annotations

from typing import Any

from retarget.closing import Closing
from retarget.errors import FileError


class OpenFile(Closing):
    """Base of readers used as context managers; a child opens `_file` when it is made."""

    _file: Any

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._file.close()


def check_hand(path: Any, found: str, expected: str | None) -> None:
    """Check that coefficients are of the hand model they should be; any will do where None.

    Raises:
        FileError: they are of another.
    """
    if expected is not None and found != expected:
        raise FileError(
            path,
            f"its coefficients are of hand model {found}, expected {expected}; "
            "the same numbers would be another pose",
            key="hand",
            value=found,
        )
