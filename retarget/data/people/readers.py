"""`read_people`: files of trackers and human data sets, told by their content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from retarget.core.errors import FileError, InputError
from retarget.core.types import SIDES, side_index
from retarget.data.people import (
    arrays,
    axis_angle,
    dexycb,
    egodex,
    hamer,
    holoassist,
    hot3d,
    tables,
    vectors,
    vitra,
)
from retarget.data.people.frames import to_world
from retarget.data.people.recording import PeopleRecording
from retarget.data.people.source import Source
from retarget.human.keypoint_layouts import LAYOUTS

AUTO = "auto"
VECTORS = (vectors.HRDT, vectors.EGOVLA)


class Reader(NamedTuple):
    """How files of one format are told and read.

    Attributes:
        name: of the format.
        matches: whether a file is of it, by its content.
        read: reads it.
        holds: what it gives, in words.
    """

    name: str
    matches: Callable[[Source], bool]
    read: Callable[[Source], PeopleRecording]
    holds: str


_TABLE = (
    Reader(vectors.HRDT, vectors.matches_hrdt, vectors.read_hrdt, "H-RDT's 48 numbers"),
    Reader(vectors.EGOVLA, vectors.matches_egovla, vectors.read_egovla, "EgoVLA's 48 numbers"),
    Reader(hot3d.NAME, hot3d.matches, hot3d.read, "HOT3D's MANO hands (jsonl)"),
    Reader(holoassist.NAME, holoassist.matches, holoassist.read, "HoloAssist's 26 joints (txt)"),
    Reader(egodex.NAME, egodex.matches, egodex.read, "EgoDex's joints (HDF5)"),
    Reader(vitra.NAME, vitra.matches, vitra.read, "VITRA-1M's MANO hands (npy)"),
    Reader(dexycb.NAME, dexycb.matches, dexycb.read, "DexYCB's labels (npz, or their folder)"),
    Reader(axis_angle.ARCTIC, axis_angle.matches_arctic, axis_angle.read_arctic, "ARCTIC's MANO"),
    Reader(axis_angle.HOI4D, axis_angle.matches_hoi4d, axis_angle.read_hoi4d, "HOI4D's MANO"),
    Reader(axis_angle.TACO, axis_angle.matches_taco, axis_angle.read_taco, "TACO's MANO"),
    Reader(hamer.HAWOR, hamer.matches_hawor, hamer.read_hawor, "HaWoR's hands in the world"),
    Reader(hamer.HAMER, hamer.matches_hamer, hamer.read_hamer, "predictions of HaMeR or WiLoR"),
    Reader(tables.NAME, tables.matches, tables.read, "keypoints as CSV"),
    Reader(arrays.NAME, arrays.matches, arrays.read, "keypoints as npz, npy, pickle, JSON, HDF5"),
)
_DATA = {".hdf5", ".h5", ".npz", ".npy", ".jsonl", ".pkl", ".pickle", ".pt", ".pth"}
READERS = {reader.name: reader for reader in _TABLE}


def read_people(
    path: str | Path, layout: str = AUTO, key: str | None = None, side: str | int | None = None
) -> PeopleRecording:
    """Read a recording of a person's hands (docs/people.md has the formats).

    The format is told by the content, never by the file's name. What is in a camera's frame is
    moved to the world where the file has the camera's path.

    Args:
        path: a file, or a folder with a file a frame (DexYCB, HOI4D).
        layout: name of the order of its keypoints (`retarget.human.keypoint_layouts.LAYOUTS`), or
            "hrdt48" or "egovla48" for vectors; "auto" tells keypoints by their bones.
        key: name of the array within the file that is meant, where there are several.
        side: "left", "right", 0 or 1: the hand that a file of one hand is of, where it does not
            tell.

    Raises:
        FileError: the file cannot be read, is of none of these formats, or is damaged; one sentence
            with file, key, frame and value.
        InputError: there is no such layout or side.
    """
    found = read_as_recorded(path, layout, key, side)
    if found.frame == "camera" and found.T_world_camera is not None:
        return to_world(found)
    return found


def read_as_recorded(
    path: str | Path, layout: str = AUTO, key: str | None = None, side: str | int | None = None
) -> PeopleRecording:
    """The same as `read_people`, in the frame that the file has its hands in.

    Raises:
        FileError: see `read_people`.
        InputError: see `read_people`.
    """
    if layout != AUTO and layout not in LAYOUTS and layout not in VECTORS:
        raise InputError(
            f"layout must be {AUTO!r}, {', '.join(map(repr, (*LAYOUTS, *VECTORS)))}, got {layout!r}"
        )
    named = None if side is None else SIDES[side_index(side)]
    source = Source(path, key, named, layout)
    try:
        with _faults_reported(source.path):
            reader = _reader_of(source)
            return reader.read(source)
    finally:
        source.close()


def is_recording(path: Path) -> bool:
    """Whether a file of a folder, or a folder with a file a frame, is to be read.

    Files that hold data by their suffix are, so that one that is damaged is not passed over; of
    texts only those of a known format are.
    """
    if path.suffix.lower() in _DATA and path.is_file():
        return True
    try:
        source = Source(path)
        try:
            with _faults_reported(source.path):
                return any(r.matches(source) for r in _TABLE if r.name != arrays.NAME)
        finally:
            source.close()
    except FileError:
        return False


def _reader_of(source: Source) -> Reader:
    if source.key is not None and source.layout not in VECTORS and source.key != "actions_48d":
        return READERS[arrays.NAME]  # who names an array wants that one
    for reader in _TABLE:
        if reader.matches(source):
            return reader
    known = "; ".join(reader.holds for reader in _TABLE)
    what = "a folder" if source.is_folder else f"begins with {source.head[:16]!r} and"
    raise source.error(f"{what} is of no known format; there are {known}")


@contextmanager
def _faults_reported(path: Path) -> Iterator[None]:
    """Whatever a damaged file leads to becomes one error of that file.

    Raises:
        FileError: it does.
    """
    try:
        yield
    except FileError:
        raise
    except InputError as cause:
        raise FileError(path, str(cause), **cause.evidence) from cause
    except MemoryError as cause:
        raise FileError(path, "cannot be read: it claims more than memory holds") from cause
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        OSError,
    ) as cause:
        said = f"{type(cause).__name__}: {cause}"
        raise FileError(
            path, f"is damaged, or not what it seems; reading it failed: {said}"
        ) from cause
