"""Where commands read and write: folders searched, outputs planned and checked before any work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from retarget.core.errors import FileError, InputError
from retarget.core.files import is_stream, require_replaceable

SUFFIXES = (".hdf5", ".h5")
Reads = list[tuple[str, Path]]


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


def is_hdf5(path: Path) -> bool:
    """Whether a file found in a folder is HDF5, by its suffix in any case."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def find_sources(
    paths: Sequence[Path],
    *,
    without: Path | None = None,
    accepts: Callable[[Path], bool] = is_hdf5,
    what: str = f"{' or '.join(SUFFIXES)} file",
) -> list[Source]:
    """Files as named, and all that are wanted in and below folders, sorted; each file once.

    Args:
        paths: files and folders.
        without: a folder whose files are left out: the one that results are written to.
        accepts: which files of a folder are wanted, and which folders are one source themselves.
        what: to call what is wanted.
    """
    found: list[Source] = []
    for path in paths:
        if not path.is_dir() or accepts(path):
            found.append(Source(path, Path(path.name)))
            continue
        try:
            inside = [
                file
                for file in _files_below(path)
                if not _within(file, without, path) and accepts(file)
            ]
        except FileError as error:
            found.append(Source(path, Path(), str(error)))
            continue
        found += [Source(file, file.relative_to(path)) for file in inside]
        if not inside:
            found.append(Source(path, Path(), f"{path}: no {what} in it"))
    once: dict[str, Source] = {}
    for source in found:
        once.setdefault(os.path.realpath(source.path), source)
    return list(once.values())


@dataclass(frozen=True)
class Output:
    """One file to write.

    Attributes:
        option: what names it on the command line.
        place: the file; None where it was not asked for.
        text: it is text, which can be written through to a device or FIFO, too.
    """

    option: str
    place: Path | None
    text: bool = False


def plan_outputs(
    sources: Sequence[Source], paths: Sequence[Path], out: Path | None, suffix: str | None = None
) -> list[Path | None]:
    """Where the result of each source goes; `check_places` says whether it can.

    One file goes to the file ``out``; several, or those of a folder, into the folder ``out`` under
    their own names, with another suffix where one is given. A single file goes into ``out`` too
    where that is a folder.

    Raises:
        InputError: two results would go to one place.
        FileError: results of several files cannot go to one.
    """
    if out is None:
        return [None] * len(sources)
    alone = len(paths) == 1 and not paths[0].is_dir()
    as_folder = not alone or out.is_dir() or str(out).endswith(("/", os.sep))
    if as_folder and out.exists() and not out.is_dir():
        raise FileError(out, "is a file, expected a folder for the results of several files")
    names = [s.name if suffix is None or s.error else s.name.with_suffix(suffix) for s in sources]
    places = [
        None if source.error else out / name if as_folder else out
        for source, name in zip(sources, names, strict=True)
    ]
    taken: dict[str, Path] = {}
    for source, place in zip(sources, places, strict=True):
        if place is None:
            continue
        other = taken.setdefault(os.path.realpath(place), source.path)
        if other != source.path:
            raise InputError(f"{place}: {other} and {source.path} would both be written there")
    return [*places]


def inputs(sources: Sequence[Source]) -> Reads:
    """What a command reads of its arguments, for `check_places`."""
    return [("", source.path) for source in sources]


def check_places(reads: Iterable[tuple[str, Path]], writes: Sequence[Output]) -> None:
    """Check that all a command writes can be written, and is nothing that it reads.

    One file under two names, by symbolic or hard links, is one file. Nothing is written.

    Args:
        reads: options, "" for arguments, with the files that they name.
        writes: what is to be written.

    Raises:
        InputError: an input would be written over, or two outputs are one file.
        FileError: a place cannot be written.
    """
    taken: dict[object, Output] = {}
    for output in writes:
        if output.place is None:
            continue
        require_writable(output.place, text=output.text)
        if is_stream(output.place):
            continue
        for key in _identities(output.place):
            other = taken.setdefault(key, output)
            if other.option != output.option:
                both = f"{other.option} and {output.option}"
                raise InputError(f"{output.place}: {both} would both be written there")
    if not taken:
        return
    for option, path in reads:
        for key in _identities(path):
            if key in taken:
                which = f"is an input{f' ({option})' if option else ''}"
                raise InputError(f"{taken[key].place}: {which} and will not be written over")


def require_writable(place: Path, *, text: bool = False) -> None:
    """Check that a file could be written, without writing anything.

    Args:
        place: the file.
        text: whether a device or FIFO will do, too.

    Raises:
        FileError: it is a folder or no regular file, or its folder is not writable and cannot be
            made.
    """
    if place.exists():
        require_replaceable(place, streams=text)
        if is_stream(place):
            return
    folder = Path(os.path.realpath(place)).parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise FileError(place, f"cannot be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(place, f"cannot be written: no permission to write in {folder}")


def make_folder(place: Path) -> None:
    """Make the folder a file is to be written in.

    Raises:
        FileError: it cannot be made.
    """
    if is_stream(place):
        return
    try:
        Path(os.path.realpath(place)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(place, f"cannot be written: {error.strerror}") from error


def _identities(path: Path) -> Iterator[object]:
    """What a file is known by: its name with all links followed, and its inode."""
    yield os.path.realpath(path)
    with suppress(OSError, ValueError):
        found = os.stat(path)
        yield found.st_dev, found.st_ino


def _files_below(folder: Path) -> list[Path]:
    """Files in and below a folder, sorted, without hidden ones.

    Raises:
        FileError: a folder cannot be looked into.
    """

    def refuse(error: OSError) -> None:
        raise FileError(error.filename, f"cannot be looked into: {error.strerror}") from error

    return sorted(
        Path(inside, name)
        for inside, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if not name.startswith(".")
    )


def _within(file: Path, without: Path | None, searched: Path) -> bool:
    """Whether a file lies in the results' folder, where that is a folder below the one searched."""
    if without is None:
        return False
    out, top = os.path.realpath(without), os.path.realpath(searched)
    return out != top and Path(os.path.realpath(file)).is_relative_to(out)
