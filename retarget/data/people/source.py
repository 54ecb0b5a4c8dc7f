"""A file of people's hands open for reading, whatever it is: what it begins with, what it holds."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import FileError
from retarget.core.hdf5_file import HDF5File
from retarget.core.plain_pickle import plain_values
from retarget.core.reading import read_bytes, read_text, require_file
from retarget.core.types import FloatArray

LARGEST = 2**30  # [byte] of a file that is read whole, and of what an archive unpacks to
_EXPECTED = "a recording of people's hands"
_HDF5, _NUMPY, _ZIP = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PK\x03\x04"
_HEAD = 2**16  # [byte]


class Source:
    """A file, or a folder with a file a frame, that a reader may be for.

    Args:
        path: the file or folder.
        key: the part of it that is wanted, or None.
        side: the hand that it is of, where it does not tell; None.
        layout: name of the order of its keypoints, or "auto".

    Raises:
        FileError: it cannot be read, or is empty.
    """

    def __init__(
        self,
        path: str | Path,
        key: str | None = None,
        side: str | None = None,
        layout: str = "auto",
    ) -> None:
        self.path, self.key, self.side, self.layout = Path(path), key, side, layout
        self.is_folder = self.path.is_dir()
        if not self.is_folder and require_file(self.path, _EXPECTED) == 0:
            raise FileError(self.path, f"is empty (0 bytes), expected {_EXPECTED}")

    def error(self, message: str, **evidence: Any) -> FileError:
        """A fault of this file."""
        return FileError(self.path, message, **evidence)

    @cached_property
    def head(self) -> bytes:
        """What the file begins with; nothing of a folder."""
        if self.is_folder:
            return b""
        try:
            with self.path.open("rb") as file:
                return file.read(_HEAD)
        except OSError as cause:
            raise self.error(f"cannot be read: {cause.strerror or cause}") from cause

    @property
    def is_hdf5(self) -> bool:
        """It begins as HDF5 files do."""
        return self.head.startswith(_HDF5)

    @cached_property
    def is_text(self) -> bool:
        """It begins with text."""
        if not self.head or self.head[:1] in (b"\x80", b"\x89", b"\x93") or b"\0" in self.head:
            return False
        try:
            self.head[: len(self.head) - 4 if len(self.head) == _HEAD else None].decode("utf-8-sig")
        except UnicodeDecodeError as cause:
            return len(self.head) - cause.start < 4 and len(self.head) == _HEAD
        return True

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return read_text(self.path, LARGEST, _EXPECTED)

    @property
    def lines(self) -> Iterator[tuple[int, str]]:
        """Its lines that are not empty, numbered from 1."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.strip():
                yield number, line

    def first_line(self) -> str:
        """The first line of a text, "" of anything else."""
        if not self.is_text:
            return ""
        return self.head.decode("utf-8-sig", "replace").split("\n", 1)[0].strip()

    @cached_property
    def hdf5(self) -> HDF5File:
        """The open HDF5 file."""
        return HDF5File(self.path)

    def close(self) -> None:
        """Close what was opened."""
        if "hdf5" in self.__dict__:
            self.hdf5.close()

    @cached_property
    def values(self) -> Any:
        """Plain values of an npz, npy, pickle or JSON file; None of anything else."""
        if self.is_folder or self.is_hdf5:
            return None
        if self.is_text:
            return self._json()
        return values_of_bytes(self.path, read_bytes(self.path, LARGEST, _EXPECTED))

    @property
    def table(self) -> Mapping[str, Any]:
        """`values` where they are a dictionary with names, else an empty one."""
        values = self.values
        if isinstance(values, dict) and values and all(isinstance(key, str) for key in values):
            return values
        return {}

    def sibling(self, name: str) -> Path | None:
        """A file of that name beside this one, None where there is none."""
        path = self.path.parent / name
        return path if path.is_file() else None

    def _json(self) -> Any:
        if self.head.lstrip()[:1] not in (b"{", b"["):
            return None
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None


def values_of_bytes(path: str | Path, data: bytes) -> Any:
    """Plain values of the content of an npz, npy or pickle file.

    Raises:
        FileError: it is damaged, holds something else, or claims more than it has.
    """
    if data.startswith(_NUMPY):
        return _npy(path, data)
    if data.startswith(_ZIP):
        return _archive(path, data)
    return plain_values(path, data)


def _npy(path: str | Path, data: bytes) -> Any:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    except Exception as cause:  # numpy evaluates the header, and raises what that raises
        raise FileError(path, f"is damaged: its npy header cannot be read: {cause}") from cause
    start = stream.tell()
    if dtype.hasobject:
        return plain_values(path, data[start:])
    if dtype.kind not in "biufUS":
        raise FileError(path, f"holds {dtype}, expected numbers")
    size = math.prod(shape) * dtype.itemsize
    if len(data) - start < size:
        raise FileError(
            path, f"is cut short: shape {shape} needs {size} bytes, it has {len(data) - start}"
        )
    flat = np.frombuffer(data[start : start + size], dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _archive(path: str | Path, data: bytes) -> Any:
    """The arrays of an npz file by name, or what `torch.save` wrote."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            claimed = sum(member.file_size for member in archive.infolist())
            if claimed > LARGEST:
                raise ValueError(f"it unpacks to {claimed} bytes, expected at most {LARGEST}")
            program = next((name for name in names if name.endswith("/data.pkl")), None)
            if program is not None:
                return _torch(path, archive, program)
            if not names or not all(name.endswith(".npy") for name in names):
                raise ValueError(f"it is an archive of {', '.join(names[:3]) or 'nothing'}")
            return {name[: -len(".npy")]: _npy(path, archive.read(name)) for name in names}
    except FileError:
        raise
    except Exception as cause:  # a damaged archive raises many types, zlib's and struct's too
        raise FileError(path, f"cannot be read as npz: {cause}") from cause


def _torch(path: str | Path, archive: zipfile.ZipFile, program: str) -> Any:
    folder = program[: -len("data.pkl")]

    def storage(id_: tuple[np.dtype[Any], str, int]) -> Any:
        dtype, key, length = id_
        raw = archive.read(f"{folder}data/{key}")
        if len(raw) < length * dtype.itemsize:
            raise ValueError(f"storage {key} of {length} numbers has {len(raw)} bytes")
        return np.frombuffer(raw[: length * dtype.itemsize], dtype=dtype.newbyteorder("<"))

    return plain_values(path, archive.read(program), storage=storage)


def number_array(
    source: Source, name: str, values: Any, *shapes: tuple[int | None, ...]
) -> FloatArray:
    """Numbers as float64 in one of some shapes, None where any length will do.

    Raises:
        FileError: they are no numbers, or have another shape.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise source.error(f"{name!r} does not hold numbers: {cause}", key=name) from cause
    for shape in shapes:
        if array.ndim == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        ):
            return array
    wanted = " or ".join(
        "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")" for shape in shapes
    )
    raise source.error(
        f"{name!r} must have shape {wanted}, got {array.shape}", key=name, shape=array.shape
    )
