"""An HDF5 file open for reading: the one way in, every fault reported in one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from retarget.core.errors import FileError, RetargetError
from retarget.core.files import Closing
from retarget.core.hdf5_heaps import endless_heap
from retarget.core.hdf5_storage import StorageError, StoredRows
from retarget.core.reading import require_file, unreadable
from retarget.core.types import FloatArray

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_LINKS = 16  # that lead from one file or place to the next
_LARGEST_ATTRIBUTE = 2**20  # [byte]


class Item(NamedTuple):
    """What a name of a file leads to.

    Attributes:
        shape: of a dataset; None of one without numbers, and of a group.
        dtype: of a dataset; None of a group.
    """

    shape: tuple[int, ...] | None
    dtype: np.dtype[Any] | None


@contextmanager
def damage_reported(path: str | Path, error: type[FileError] = FileError) -> Iterator[None]:
    """Whatever h5py raises over a damaged file becomes one error.

    Raises:
        FileError (or its child ``error``): the structure, an attribute or numbers cannot be read.
    """
    try:
        yield
    except RetargetError:
        raise
    except MemoryError as cause:
        raise error(path, "cannot be read: it claims more than memory holds") from cause
    except Exception as cause:  # h5py has many types for one damaged byte
        raise error(path, f"is damaged; reading it failed: {cause}") from cause


class HDF5File(Closing):
    """An HDF5 file open for reading; nothing of it is read but what is asked for.

    Args:
        path: the file.
        error: the class to raise.

    Raises:
        FileError (or its child ``error``): no such file, no regular file, no permission, empty, not
            HDF5, truncated or damaged, or still being written. So does every method where what it
            needs of the file is damaged.
    """

    def __init__(
        self, path: str | Path, error: type[FileError] = FileError, *, links: int = 0
    ) -> None:
        self.path, self.error, self._links = Path(path), error, links
        self._size = require_file(self.path, "an HDF5 file", error)
        self._file = _open(self.path, error)
        self._others: dict[Path, HDF5File] = {}
        self._stored: dict[str, StoredRows] = {}
        self._heaps_are_sound = False

    def close(self) -> None:
        """Close it and the files that its links lead to; closing twice does nothing."""
        for other in self._others.values():
            other.close()
        with damage_reported(self.path, self.error):
            self._file.close()

    def names(self) -> list[str]:
        """Full names of all datasets, see `dataset_names`."""
        with damage_reported(self.path, self.error):
            return dataset_names(self._file)

    def item(self, key: str) -> Item | None:
        """What a name leads to, None where nowhere."""
        import h5py

        with damage_reported(self.path, self.error):
            found = self._find(key)
            if found is None or not isinstance(found, (h5py.Group, h5py.Dataset)):
                return None
            if isinstance(found, h5py.Group):
                return Item(None, None)
            return Item(found.shape, found.dtype)

    def __contains__(self, key: str) -> bool:
        return self.item(key) is not None

    def check(self, key: str) -> None:
        """Check that the file holds the numbers that a dataset claims; reads none."""
        self._rows(key)

    def rows(self, key: str, start: int, stop: int) -> FloatArray:
        """Rows ``start`` to ``stop`` of a dataset, fresh."""
        stored = self._rows(key)
        with damage_reported(self.path, self.error):
            try:
                return np.array(stored.read(start, stop), dtype=np.float64)
            except StorageError as cause:
                raise self.error(
                    self.path, f"{key!r} {cause}: the file is damaged", key=key
                ) from cause
            except (OSError, RuntimeError) as cause:
                raise self.error(
                    self.path,
                    f"{key!r} cannot be read, frames {start} to {stop - 1}: the file is damaged "
                    f"({cause})",
                    key=key,
                    frame=start,
                ) from cause

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute of the file: text, number, array or list of texts; the default if missing.

        No other is read: what nobody asks for may be damaged.
        """
        import h5py

        plain = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING, h5py.h5t.ENUM)
        with damage_reported(self.path, self.error):
            root = self._file["/"].id
            if not h5py.h5a.exists(root, name.encode()):
                return default
            opened = h5py.h5a.open(root, name.encode())
            if opened.get_type().get_class() not in plain:
                said = "holds neither text nor numbers"
                raise self.error(self.path, f"attribute {name!r} {said}", key=name)
            if opened.get_type().get_class() == h5py.h5t.STRING and (
                opened.get_type().is_variable_str()
            ):
                self._require_heaps()
            size = math.prod(opened.shape or ()) * opened.get_type().get_size()
            if size > _LARGEST_ATTRIBUTE:
                said = f"has {size} bytes, expected at most"
                raise self.error(
                    self.path, f"attribute {name!r} {said} {_LARGEST_ATTRIBUTE}", key=name
                )
            value = self._file.attrs[name]
            if isinstance(value, h5py.Empty):
                return default
            texts = isinstance(value, np.ndarray) and value.dtype.kind == "O"
            return value.tolist() if texts else value

    def whole(self) -> Any:
        """The ``h5py.File`` itself, for who copies it as it is."""
        self._require_heaps()
        return self._file

    def _require_heaps(self) -> None:
        """Refuse a file whose texts HDF5 would read without end."""
        if not self._heaps_are_sound:
            place = endless_heap(self.path)
            if place is not None:
                raise self.error(
                    self.path, f"is damaged: the heap of texts at byte {place} has no end"
                )
            self._heaps_are_sound = True

    def _rows(self, key: str) -> StoredRows:
        if key not in self._stored:
            with damage_reported(self.path, self.error):
                try:
                    self._stored[key] = self._open_rows(key, self._source)
                except StorageError as cause:
                    raise self.error(self.path, f"{key!r} {cause}", key=key) from cause
        return self._stored[key]

    def _open_rows(self, key: str, source: Any) -> StoredRows:
        import h5py

        found = self._find(key)
        if not isinstance(found, h5py.Dataset):
            raise StorageError("is no dataset")
        name = Path(found.file.filename)
        size = self._size if name == self.path else require_file(name, error=self.error)
        return StoredRows(found, size, source)

    def _source(self, file: str, name: str) -> StoredRows:
        """A dataset that another is a view of; itself no view."""
        return (self if file == "." else self._other(file))._open_rows(name, None)

    def _find(self, key: str) -> Any:
        """The object of a name, links followed one by one; None where they lead nowhere."""
        import h5py

        group, parts, followed = self._file["/"], _parts(key), self._links
        while parts:
            if not isinstance(group, h5py.Group):
                return None
            name, parts = parts[0], parts[1:]
            if not group.id.links.exists(name.encode()):
                return None
            kind = group.id.links.get_info(name.encode()).type
            if kind == h5py.h5l.TYPE_HARD:
                group = group[name]
                continue
            followed += 1
            if followed > _MOST_LINKS:
                raise self.error(self.path, f"{key!r} leads through more than {_MOST_LINKS} links")
            if kind == h5py.h5l.TYPE_SOFT:
                target = group.id.links.get_val(name.encode()).decode()
                if target.startswith("/"):
                    group = self._file["/"]
                parts = _parts(target) + parts
            elif kind == h5py.h5l.TYPE_EXTERNAL:
                file, target = (part.decode() for part in group.id.links.get_val(name.encode()))
                other = self._other(file, followed)
                return other._find("/".join(_parts(target) + parts))
            else:
                return None
        return group

    def _other(self, file: str, links: int = _MOST_LINKS) -> HDF5File:
        """Another file that this one leads to, in its folder or at an absolute path."""
        place = self.path.resolve().parent / file
        if place not in self._others:
            try:
                self._others[place] = HDF5File(place, self.error, links=links)
            except FileError as cause:
                said = f"its numbers lie in another file: {cause}"
                raise self.error(self.path, said) from cause
        return self._others[place]


def dataset_names(file: Any) -> list[str]:
    """Full names of all datasets of an open ``h5py.File``, without reading any.

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


def _open(path: Path, error: type[FileError]) -> Any:
    import h5py

    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as cause:
        raise error(path, unreadable(cause)) from cause
    if not head:
        raise error(path, "is empty (0 bytes), expected an HDF5 file")
    try:
        # without a cache of chunks: HDF5 corrupts its memory when it copies packed chunks that it
        # has in there, as those that a virtual dataset was read from
        return h5py.File(path, "r", rdcc_nbytes=0)
    except (OSError, RuntimeError, ValueError) as cause:
        reason = str(cause)
        if isinstance(cause, PermissionError):
            message = unreadable(cause)
        elif isinstance(cause, BlockingIOError):
            message = "is open for writing elsewhere; close it there first"
        elif head.startswith(_SIGNATURE):
            message = f"is truncated or damaged; its HDF5 structure cannot be read ({reason})"
        else:
            message = f"is not an HDF5 file; it begins with {head!r}"
        raise error(path, message, reason=reason) from cause


def _parts(key: str) -> list[str]:
    return [part for part in key.split("/") if part not in ("", ".")]


def _address(info: Any) -> tuple[int, int]:
    """What tells an object of a file from all others."""
    return info.fileno, info.addr
