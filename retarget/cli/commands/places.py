"""Where commands read and write: folders searched, outputs planned and checked before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retarget.core.errors import FileError, InputError

SUFFIXES = (".hdf5", ".h5")


@dataclass(frozen=True)
class Source:
    """One file to read.

    Attributes:
        path: as it will be named in messages.
        name: its place within the folder it was found in; its file name where it was named itself.
        error: why it is not even worth opening, "" where it is.
    """

    path: Path
    name: Path
    error: str = ""


def find_sources(paths: Sequence[Path], *, without: Path | None = None) -> list[Source]:
    """Files as named, and all HDF5 files in and below folders, sorted; each file once.

    Args:
        paths: files and folders.
        without: a folder whose files are left out: the one that results are written to.
    """
    found: list[Source] = []
    for path in paths:
        if not path.is_dir():
            found.append(Source(path, Path(path.name)))
            continue
        inside = [file for file in _files_below(path) if not _within(file, without, path)]
        found += [Source(file, file.relative_to(path)) for file in inside]
        if not inside:
            found.append(Source(path, Path(), f"{path}: no {' or '.join(SUFFIXES)} file in it"))
    once: dict[str, Source] = {}
    for source in found:
        once.setdefault(os.path.realpath(source.path), source)
    return list(once.values())


def plan_outputs(
    sources: Sequence[Source], paths: Sequence[Path], out: Path | None
) -> list[Path | None]:
    """Where the result of each source goes, every place checked to be writable.

    One file goes to the file ``out``; several, or those of a folder, into the folder ``out`` under
    their own names. A single file goes into ``out`` too where that is a folder.

    Raises:
        InputError: an input would be written over, or two results would go to one place.
        FileError: a place cannot be written.
    """
    if out is None:
        return [None] * len(sources)
    alone = len(paths) == 1 and not paths[0].is_dir()
    as_folder = not alone or out.is_dir() or str(out).endswith(("/", os.sep))
    if as_folder and out.exists() and not out.is_dir():
        raise FileError(out, "is a file, expected a folder for the results of several files")
    places = [out / source.name if as_folder else out for source in sources]
    inputs = {os.path.realpath(source.path): source.path for source in sources}
    taken: dict[str, Path] = {}
    for source, place in zip(sources, places, strict=True):
        if source.error:
            continue
        real = os.path.realpath(place)
        if real in inputs:
            raise InputError(f"{place}: is an input and will not be written over")
        if real in taken:
            raise InputError(
                f"{place}: {taken[real]} and {source.path} would both be written there"
            )
        taken[real] = source.path
        require_writable(place)
    return [*places]


def require_writable(place: Path, inputs: Sequence[Path] = ()) -> None:
    """Check that a file could be written, without writing anything.

    Args:
        place: the file.
        inputs: files that must not be written over.

    Raises:
        InputError: it is one of the inputs.
        FileError: it is a folder, or its folder is not writable and cannot be made.
    """
    if os.path.realpath(place) in {os.path.realpath(path) for path in inputs}:
        raise InputError(f"{place}: is an input and will not be written over")
    if place.is_dir():
        raise FileError(place, "is a folder, expected a file to write")
    folder = Path(os.path.realpath(place)).parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise FileError(place, f"cannot be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(place, f"cannot be written: no permission to write in {folder}")


def require_distinct(*outputs: tuple[str, Path | None]) -> None:
    """Check that no two of the files to be written are one.

    Args:
        outputs: options with what they name; None where they were not given.

    Raises:
        InputError: two options name one file.
    """
    taken: dict[str, str] = {}
    for option, place in outputs:
        if place is None:
            continue
        other = taken.setdefault(os.path.realpath(place), option)
        if other != option:
            raise InputError(f"{place}: {other} and {option} would both be written there")


def make_folder(place: Path) -> None:
    """Make the folder a file is to be written in.

    Raises:
        FileError: it cannot be made.
    """
    try:
        Path(os.path.realpath(place)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(place, f"cannot be written: {error.strerror}") from error


def _files_below(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _within(file: Path, without: Path | None, searched: Path) -> bool:
    """Whether a file lies in the results' folder, where that is a folder below the one searched."""
    if without is None:
        return False
    out, top = os.path.realpath(without), os.path.realpath(searched)
    return out != top and Path(os.path.realpath(file)).is_relative_to(out)
