"""HDF5 files opened, datasets and attributes checked, every fault reported in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.checks import are_rigid
from retarget.core.errors import FileError
from retarget.core.types import FloatArray

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_UNREADABLE: dict[type[OSError], str] = {
    FileNotFoundError: "no such file",
    IsADirectoryError: "is a folder, expected an HDF5 file",
    PermissionError: "no permission to read it",
}
_REQUIRED = object()


def open_hdf5(path: str | Path, error: type[FileError] = FileError) -> Any:
    """An ``h5py.File`` open for reading.

    Raises:
        FileError (or its child ``error``): no such file, a folder, no permission, empty, not HDF5,
            truncated or damaged, or still being written.
    """
    import h5py

    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as cause:
        message = _UNREADABLE.get(type(cause), f"cannot be read: {cause.strerror or cause}")
        raise error(path, message) from cause
    if not head:
        raise error(path, "is empty (0 bytes), expected an HDF5 file")
    try:
        return h5py.File(path, "r")
    except OSError as cause:
        reason = str(cause)
        if isinstance(cause, PermissionError):
            message = _UNREADABLE[PermissionError]
        elif isinstance(cause, BlockingIOError):
            message = "is open for writing elsewhere; close it there first"
        elif head.startswith(_SIGNATURE):
            message = f"is truncated or damaged; its HDF5 structure cannot be read ({reason})"
        else:
            message = f"is not an HDF5 file; it begins with {head!r}"
        raise error(path, message, reason=reason) from cause


@contextmanager
def damage_reported(path: str | Path, error: type[FileError] = FileError) -> Iterator[None]:
    """Whatever h5py raises over a damaged file becomes one error.

    Raises:
        FileError (or its child ``error``): the structure or an attribute cannot be read.
    """
    try:
        yield
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as cause:
        raise error(path, f"is damaged; reading it failed: {cause}") from cause


def dataset_names(file: Any) -> list[str]:
    """Full names of all datasets of an open file, without reading any.

    A dataset of several names is listed under each, soft links included; links to other files are
    not followed. A group is entered once however many names lead to it, even its own members'.
    """
    import h5py

    # not visititems: it tells one name of each object, and its recursion overflows in deep nests
    names: list[str] = []
    root = file["/"].id
    entered = {_address(h5py.h5o.get_info(root))}
    todo = [("", root)]
    while todo:
        path, group = todo.pop()
        inner = []
        for name in group:
            link = group.links.get_info(name).type
            if link == h5py.h5l.TYPE_EXTERNAL:
                continue
            try:
                info = h5py.h5o.get_info(group, name)
            except (KeyError, OSError, RuntimeError):
                if link == h5py.h5l.TYPE_HARD:
                    raise
                continue  # a soft link that leads nowhere
            full = path + name.decode(errors="replace")
            if info.type == h5py.h5o.TYPE_DATASET:
                names.append(full)
            elif info.type == h5py.h5o.TYPE_GROUP and _address(info) not in entered:
                entered.add(_address(info))
                inner.append((full + "/", h5py.h5o.open(group, name)))
        todo += reversed(inner)
    return names


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
    file: Any,
    key: str,
    shape: Sequence[int | None],
    error: type[FileError] = FileError,
    *,
    names: Iterable[str] | None = None,
    integer: bool = False,
) -> Any:
    """The dataset ``key`` of an open file, its shape and type checked and nothing of it read.

    Args:
        file: an open ``h5py.File``.
        key: the dataset's full name.
        shape: expected length of each axis, None where any length will do.
        error: the class to raise.
        names: datasets that may be meant where ``key`` is missing; all of the file by default.
        integer: integers or booleans are expected, instead of float32 or float64.

    Raises:
        FileError (or its child ``error``): missing or misnamed, not a dataset, wrong shape or type.
    """
    import h5py

    path = file.filename
    wanted = "(" + ", ".join(str(n or "Tn"[axis > 0]) for axis, n in enumerate(shape)) + ")"
    item = file.get(key)
    if item is None:
        near = close_name(key, dataset_names(file) if names is None else names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise error(
            path, f"dataset {key!r} is missing, expected shape {wanted}{hint}", key=key, close=near
        )
    if not isinstance(item, h5py.Dataset):
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
    return item


def read_rows(
    dataset: Any, start: int, stop: int, error: type[FileError] = FileError
) -> FloatArray:
    """Rows ``start:stop`` of a dataset as a fresh float64 array.

    Raises:
        FileError (or its child ``error``): the stored bytes cannot be read.
    """
    try:
        return np.asarray(dataset[start:stop], dtype=np.float64)
    except (OSError, RuntimeError) as cause:
        key = dataset.name.lstrip("/")
        raise error(
            dataset.file.filename,
            f"{key!r} cannot be read, frames {start} to {stop - 1}: the file is damaged ({cause})",
            key=key,
            frame=start,
        ) from cause


def first_frame(bad: np.ndarray[Any, Any]) -> int | None:
    """Index along the first axis of the first True of a mask, or None."""
    if not bad.any():
        return None
    return int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))


def attribute(file: Any, name: str, convert: Any, default: Any = _REQUIRED) -> Any:
    """An attribute, converted; the default where it is missing.

    Raises:
        FileError: it is missing and there is no default, or cannot be converted.
    """
    if name not in file.attrs:
        if default is _REQUIRED:
            raise FileError(file.filename, f"attribute {name!r} is missing", key=name)
        return default
    value = file.attrs[name]
    try:
        return convert(value)
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        said = " ".join(repr(value).split())
        raise FileError(
            file.filename, f"attribute {name!r} is not what it should be: {said}", key=name
        ) from cause


def text(value: Any) -> str:
    """Text as h5py gives it."""
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def names(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(text(name) for name in np.asarray(value).tolist())


def matrix(value: Any) -> FloatArray:
    """A rigid transform (4, 4)."""
    found = np.asarray(value, dtype=np.float64)
    if found.shape != (4, 4) or not np.isfinite(found).all():
        raise ValueError("expected a finite 4x4 matrix")
    if not are_rigid(found):
        raise ValueError("expected a rigid transform")
    return found


def _address(info: Any) -> tuple[int, int]:
    """What tells an object of a file from all others."""
    return info.fileno, info.addr
