"""What an HDF5 file holds: a demonstration, human motion, actions, or something else."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from retarget.core.hdf5 import attribute, open_hdf5, whole_number
from retarget.core.hdf5_file import HDF5File


class FileKind(Enum):
    """What a file holds; human motion and actions say so in their attribute ``format``."""

    DEMO = "demonstration"
    HUMAN = "retarget-human"
    ACTIONS = "retarget-actions"
    OTHER = "something else"


_NAMES = {
    FileKind.DEMO: "a demonstration",
    FileKind.HUMAN: "a human motion file",
    FileKind.ACTIONS: "an action file",
}
_READ_BY = {
    FileKind.HUMAN: "`retarget to-robot` and `to-actions` read those",
    FileKind.ACTIONS: "`retarget run` reads those",
}


def file_kind(path: str | Path) -> FileKind:
    """What a file holds.

    Raises:
        FileError: the file cannot be read.
    """
    with open_hdf5(path) as file:
        return kind_of(file)


def kind_of(file: HDF5File) -> FileKind:
    """What an open file holds."""
    format_ = file.attribute("format")
    if isinstance(format_, bytes):
        format_ = format_.decode(errors="replace")
    for kind in _READ_BY:
        if isinstance(format_, str) and format_ == kind.value:
            return kind
    return FileKind.DEMO if "observations" in file else FileKind.OTHER


def refuse_other_kind(file: HDF5File, wanted: FileKind) -> None:
    """Refuse an open file that says it holds something else.

    Raises:
        FileError (or its child): it does, and what reads such files.
    """
    kind = kind_of(file)
    if kind in _READ_BY and kind is not wanted:
        raise file.error(
            file.path,
            f"is {_NAMES[kind]} ({_READ_BY[kind]}), expected {_NAMES[wanted]}",
            key="format",
        )


def require_format(file: HDF5File, wanted: FileKind, versions: tuple[int, ...]) -> int:
    """Check the attributes ``format`` and ``version`` of an open file of this library.

    Args:
        file: an open file.
        wanted: what it should hold.
        versions: those of its format that this library reads, ascending.

    Returns:
        The version.

    Raises:
        FileError: another kind of file, or another version.
    """
    refuse_other_kind(file, wanted)
    kind = kind_of(file)
    if kind is not wanted:
        hint = " (is this a robot demonstration?)" if kind is FileKind.DEMO else ""
        raise file.error(
            file.path,
            f"is not {_NAMES[wanted]}: attribute 'format' is not {wanted.value!r}{hint}",
            key="format",
        )
    version: int = attribute(file, "version", whole_number)
    if version not in versions:
        known = "s " if len(versions) > 1 else " "
        known += " and ".join(map(str, versions))
        raise file.error(
            file.path,
            f"is of version {version} of its format, this library reads version{known}",
            key="version",
            value=version,
        )
    return version
