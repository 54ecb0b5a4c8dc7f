"""What is read of an open HDF5 file: datasets and attributes, checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.checks import are_rigid
from retarget.core.errors import FileError
from retarget.core.hdf5_file import HDF5File
from retarget.core.types import FloatArray

_REQUIRED = object()
_MOST_SHOWN = 200  # characters of a wrong value


def open_hdf5(path: str | Path, error: type[FileError] = FileError) -> HDF5File:
    """An HDF5 file open for reading, see `HDF5File`."""
    return HDF5File(path, error)


def close_name(key: str, names: Iterable[str]) -> str | None:
    """The name most like ``key``: its last part the same in another group, or spelt nearly so."""
    candidates = list(names)
    last = key.rsplit("/", 1)[-1]
    for name in candidates:
        if name.rsplit("/", 1)[-1].lower() == last.lower():
            return name
    # of last parts alone: the group they share would make strangers alike
    by_last = {name.rsplit("/", 1)[-1]: name for name in candidates}
    found = difflib.get_close_matches(last, by_last, n=1, cutoff=0.75)
    return by_last[found[0]] if found else None


def require_dataset(
    file: HDF5File,
    key: str,
    shape: Sequence[int | None],
    *,
    names: Iterable[str] | None = None,
    integer: bool = False,
    used: bool = True,
) -> tuple[int, ...]:
    """Check the dataset ``key`` of an open file, its shape, its type and that the file can hold it.

    Args:
        file: an open file; nothing of the dataset is read.
        key: the dataset's full name.
        shape: expected length of each axis, None where any length will do.
        names: datasets that may be meant where ``key`` is missing; all of the file by default.
        integer: integers or booleans are expected, instead of float32 or float64.
        used: its numbers will be read, so that they must be there.

    Returns:
        Its shape.

    Raises:
        FileError (or its child): missing or misnamed, not a dataset, wrong shape or type, or the
            file cannot hold what it claims.
    """
    path, error = file.path, file.error
    wanted = "(" + ", ".join(str(n or "Tn"[axis > 0]) for axis, n in enumerate(shape)) + ")"
    item = file.item(key)
    if item is None:
        near = close_name(key, file.names() if names is None else names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise error(
            path, f"dataset {key!r} is missing, expected shape {wanted}{hint}", key=key, close=near
        )
    if item.dtype is None:
        raise error(path, f"{key!r} is a group, expected a dataset of shape {wanted}", key=key)
    got = item.shape
    if (
        got is None
        or len(got) != len(shape)
        or any(n is not None and n != m for n, m in zip(shape, got, strict=True))
    ):
        raise error(path, f"{key!r} must have shape {wanted}, got {got}", key=key, shape=got)
    kinds, sizes = ("iub", (1, 2, 4, 8)) if integer else ("f", (4, 8))
    if item.dtype.kind not in kinds or item.dtype.itemsize not in sizes:
        said = "integers" if integer else "float32 or float64"
        raise error(path, f"{key!r} must hold {said}, got {item.dtype}", key=key, dtype=item.dtype)
    if used and 0 not in got:
        file.check(key)
    return got


def first_frame(bad: np.ndarray[Any, Any]) -> int | None:
    """Index along the first axis of the first True of a mask, or None."""
    if not bad.any():
        return None
    return int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))


def attribute(file: HDF5File, name: str, convert: Any, default: Any = _REQUIRED) -> Any:
    """An attribute, converted; the default where it is missing.

    Raises:
        FileError (or its child): it is missing and there is no default, or cannot be converted.
    """
    value = file.attribute(name, _REQUIRED)
    if value is _REQUIRED:
        if default is _REQUIRED:
            raise file.error(file.path, f"attribute {name!r} is missing", key=name)
        return default
    try:
        return convert(single(value))
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as cause:
        said = " ".join(repr(value).split())
        raise file.error(
            file.path,
            f"attribute {name!r} is not what it should be: {said[:_MOST_SHOWN]}",
            key=name,
        ) from cause


def single(value: Any) -> Any:
    """A value on its own, also where it comes as a list of one, as MATLAB writes it."""
    array = np.asarray(value)
    return array.reshape(-1)[0] if array.ndim and array.size == 1 else value


def text(value: Any) -> str:
    """Text as h5py gives it."""
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def names(value: Any) -> tuple[str, ...]:
    """A list of texts, or one."""
    return tuple(text(name) for name in np.asarray(value).reshape(-1).tolist())


def whole_number(value: Any) -> int:
    """A number without a fraction."""
    if float(value) != int(value):
        raise ValueError("expected a whole number")
    return int(value)


def matrix(value: Any) -> FloatArray:
    """A rigid transform (4, 4)."""
    found = np.asarray(value, dtype=np.float64)
    if found.shape != (4, 4) or not np.isfinite(found).all():
        raise ValueError("expected a finite 4x4 matrix")
    if not are_rigid(found):
        raise ValueError("expected a rigid transform")
    return found
