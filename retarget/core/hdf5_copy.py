"""One HDF5 file's datasets and attributes copied into another, without holding them in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retarget.core.errors import DemoError
from retarget.core.hdf5_file import damage_reported

_BYTES_AT_ONCE = 16 * 2**20
_MOST_VIEWS = 8  # datasets that are views of the next


def storage_of(source: Any, key: str, tail: tuple[int, ...]) -> dict[str, Any]:
    """How to store a growing dataset: as ``source`` stores ``key`` where it has it so shaped.

    Args:
        source: an open ``h5py.File``.
        key: the dataset's full name.
        tail: shape of one row.

    Returns:
        Keyword arguments of ``h5py.Group.create_dataset``; none where the source has no such
        dataset, or one that is not stored in chunks.
    """
    import h5py

    with damage_reported(os.fsdecode(source.filename), DemoError):
        old = source.get(key)
    if not isinstance(old, h5py.Dataset) or old.chunks is None or old.shape[1:] != tail:
        return {}
    storage = {"chunks": (old.chunks[0], *map(min, old.chunks[1:], tail)), "shuffle": old.shuffle}
    storage["fletcher32"] = old.fletcher32
    if old.compression in ("gzip", "lzf", "szip"):
        number = {
            "gzip": h5py.h5z.FILTER_DEFLATE,
            "lzf": h5py.h5z.FILTER_LZF,
            "szip": h5py.h5z.FILTER_SZIP,
        }[old.compression]
        encodes = h5py.h5z.FILTER_CONFIG_ENCODE_ENABLED
        if h5py.h5z.filter_avail(number) and h5py.h5z.get_filter_info(number) & encodes:
            storage |= {"compression": old.compression, "compression_opts": old.compression_opts}
    return storage


def library_version(source: Any) -> Any:
    """The ``libver`` of a file that is to hold what ``source`` holds: large attributes need it."""
    superblock = source.id.get_create_plist().get_version()[0]
    return ("v108", "latest") if superblock >= 2 else None


def copy_rest(source: Any, target: Any, *, frames: int, keep: slice) -> None:
    """Copy into ``target`` everything of ``source`` that it does not have yet.

    Datasets are copied as stored, still compressed. Where ``keep`` is only a part of the frames,
    datasets with ``frames`` rows are cut to it, a few rows at a time. An object of several names is
    copied once and linked again; soft links and links to other files stay links, the latter with
    an absolute name. Of virtual datasets, and of those stored in other files, the content is
    copied.

    Args:
        source: an open ``h5py.File``.
        target: the one to copy into.
        frames: the number of frames of the source.
        keep: the frames wanted.

    Raises:
        DemoError: something cannot be copied as it is; file and name are said.
    """
    with damage_reported(os.fsdecode(source.filename), DemoError):
        _Copy(source, target, frames, keep).run()


class _Copy:
    """The copying of one file: what is already there, by the source's address."""

    def __init__(self, source: Any, target: Any, frames: int, keep: slice) -> None:
        self.path = Path(os.fsdecode(source.filename))
        self.source, self.target = source, target
        self.frames, self.keep = frames, keep
        self.done: dict[tuple[int, int], Any] = {}

    def run(self) -> None:
        import h5py

        self._find_written()
        todo = [(b"", h5py.h5g.open(self.source.id, b"/"), h5py.h5g.open(self.target.id, b"/"))]
        root = h5py.h5o.get_info(todo[0][1])
        self.done[root.fileno, root.addr] = todo[0][2]
        # not by recursion, which overflows in deep nests
        while todo:
            where, old, new = todo.pop()
            self._guarded(where or b"/", lambda: self._copy_attributes(old, new))  # noqa: B023
            for name in list(old):
                key = where + b"/" + name

                def copy() -> None:
                    inner = self._copy_link(key, name, old, new)  # noqa: B023
                    if inner is not None:
                        todo.append((key, *inner))  # noqa: B023

                self._guarded(key, copy)

    def _find_written(self) -> None:
        """Other names of what is written already lead to what is written."""
        import h5py

        names: list[str] = []
        self.target.visit(names.append)
        for name in names:
            found = self.source.get(name)
            if isinstance(found, h5py.Dataset):
                info = h5py.h5o.get_info(found.id)
                self.done[info.fileno, info.addr] = h5py.h5o.open(self.target.id, name.encode())

    def _guarded(self, key: bytes, copy: Any) -> None:
        try:
            copy()
        except DemoError:
            raise
        except (KeyError, OSError, RuntimeError, TypeError, ValueError) as cause:
            raise self._refused(key, str(cause)) from cause

    def _refused(self, key: bytes, why: str) -> DemoError:
        name = key.decode(errors="backslashreplace").lstrip("/")
        return DemoError(self.path, f"{name!r} cannot be copied: {why}", key=name, cause=why)

    def _copy_link(self, key: bytes, name: bytes, old: Any, new: Any) -> Any:
        """Copy what a name leads to; the two groups to go on with where it is one."""
        import h5py

        link = old.links.get_info(name).type
        if link in (h5py.h5l.TYPE_SOFT, h5py.h5l.TYPE_EXTERNAL):
            if not new.links.exists(name):
                value = old.links.get_val(name)
                if link == h5py.h5l.TYPE_SOFT:
                    if not value:
                        raise self._refused(key, "it is a soft link to nothing")
                    new.links.create_soft(name, value)
                else:
                    file, path = value
                    place = os.path.join(os.fsencode(self.path.resolve().parent), file)
                    new.links.create_external(name, place, path)
            return None
        if link != h5py.h5l.TYPE_HARD:
            raise self._refused(key, "it is a link of an unknown kind")
        info = h5py.h5o.get_info(old, name)
        known = self.done.get((info.fileno, info.addr))
        if info.type == h5py.h5o.TYPE_GROUP:
            if known is not None:
                if not new.links.exists(name):
                    h5py.h5o.link(known, new, name)
                return None
            group = (
                h5py.h5g.open(new, name) if new.links.exists(name) else h5py.h5g.create(new, name)
            )
            self.done[info.fileno, info.addr] = group
            return h5py.h5g.open(old, name), group
        if known is not None and not new.links.exists(name):
            h5py.h5o.link(known, new, name)
        elif new.links.exists(name):
            self._copy_attributes(h5py.h5o.open(old, name), h5py.h5o.open(new, name))
        else:
            self._copy_object(key, name, old, new, info.type == h5py.h5o.TYPE_DATASET)
        self.done[info.fileno, info.addr] = h5py.h5o.open(new, name)
        return None

    def _copy_object(self, key: bytes, name: bytes, old: Any, new: Any, dataset: bool) -> None:
        import h5py

        if not dataset:
            h5py.h5o.copy(old, name, new, name)
            return
        stored = h5py.h5d.open(old, name)
        self._require_no_references(key, stored.get_type(), "it holds references")
        for bare, attribute in _attributes(stored):
            what = f"its {_said(bare)} holds references"
            self._require_no_references(key, attribute.get_type(), what)
        layout = stored.get_create_plist()
        if layout.get_layout() == h5py.h5d.VIRTUAL:
            self._require_sources(key, h5py.Dataset(stored), self.path)
        elif layout.get_external_count():
            rows = self._beside(key, stored, layout)
            self._copy_rows(key, name, stored, new, rows)
            return
        elif not self._is_cut(stored):
            h5py.h5o.copy(old, name, new, name)
            return
        self._copy_rows(key, name, stored, new)

    def _require_no_references(self, key: bytes, kind: Any, why: str) -> None:
        import h5py

        if _holds(kind, h5py.h5t.REFERENCE):
            raise self._refused(key, f"{why}, which mean nothing in another file")

    def _require_sources(
        self, key: bytes, virtual: Any, path: Path, above: tuple[tuple[Path, int], ...] = ()
    ) -> None:
        """What a virtual dataset does not find it fills with zeros; one of itself ends HDF5."""
        import h5py

        here = (path.resolve(), h5py.h5o.get_info(virtual.id).addr)
        if here in above or len(above) >= _MOST_VIEWS:
            what = "itself" if here in above else f"more than {_MOST_VIEWS} views of views"
            raise self._refused(key, f"it is a view of {what}")
        for part in virtual.virtual_sources():
            if part.file_name == ".":
                name, file = part.dset_name, path
            else:
                name = part.dset_name.replace("%b", "0")
                given = Path(part.file_name.replace("%b", "0"))
                file = path.resolve().parent / given
                if not file.is_file() and not given.is_absolute():
                    file = given
                if not file.is_file():
                    raise self._refused(key, f"its source {part.file_name} is missing")
            with h5py.File(file, "r") as opened:
                found = opened.get(name)
                if not isinstance(found, h5py.Dataset):
                    said = f"its source {part.file_name} has no dataset {name!r}"
                    raise self._refused(key, said)
                if part.vspace.get_select_npoints() > found.size:
                    said = f"its source {part.file_name} is too short: {found.shape}"
                    raise self._refused(key, said)
                if found.is_virtual:
                    self._require_sources(key, found, file, (*above, here))

    def _beside(self, key: bytes, stored: Any, layout: Any) -> NDArray[Any]:
        """The rows of a dataset stored in other files, which must lie beside the recording."""
        folder = self.path.resolve().parent
        kind = stored.dtype
        if kind.hasobject:
            raise self._refused(key, "it is stored in other files, and its type is of any length")
        needed = int(np.prod(stored.shape, dtype=np.int64)) * kind.itemsize
        parts: list[bytes] = []
        held = 0
        for k in range(layout.get_external_count()):
            given, offset, size = layout.get_external(k)
            file = (folder / os.fsdecode(given)).resolve()
            said = f"it is stored in {os.fsdecode(given)}"
            if not file.is_relative_to(folder):
                raise self._refused(key, f"{said}, which does not lie beside the recording")
            if not file.is_file():
                raise self._refused(key, f"{said}, which is missing")
            wanted = min(size, needed - held)
            if file.stat().st_size < offset + wanted:
                raise self._refused(key, f"{said}, which is too short")
            with file.open("rb") as opened:
                opened.seek(offset)
                parts.append(opened.read(wanted))
            held += wanted
        if held < needed:
            raise self._refused(key, f"it is stored in files of {held} bytes, {needed} are needed")
        return np.frombuffer(b"".join(parts), dtype=kind).reshape(stored.shape)

    def _is_cut(self, stored: Any) -> bool:
        shape = stored.shape
        if not shape or shape[0] != self.frames:
            return False
        return (self.keep.start, self.keep.stop) != (0, self.frames)

    def _copy_rows(
        self, key: bytes, name: bytes, stored: Any, new: Any, given: NDArray[Any] | None = None
    ) -> None:
        import h5py

        first = self.keep.start if self._is_cut(stored) else 0
        rows = self.keep.stop - first if self._is_cut(stored) else stored.shape[0]
        shape = (rows, *stored.shape[1:])
        layout = stored.get_create_plist()
        limits = None
        if layout.get_layout() == h5py.h5d.CHUNKED:
            limits = (h5py.h5s.UNLIMITED, *shape[1:])
            layout = layout.copy()
        else:
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_obj_track_times(False)
        space = h5py.h5s.create_simple(shape, limits)
        kind = stored.get_type()
        made = h5py.h5d.create(new, name, kind.copy(), space, layout)
        self._copy_attributes(stored, made)
        source = h5py.Dataset(stored) if given is None else given
        copy = h5py.Dataset(made)
        row_bytes = max(1, kind.get_size() * int(np.prod(shape[1:], dtype=np.int64)))
        step = max(1, _BYTES_AT_ONCE // row_bytes)
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            copy[start:stop] = source[first + start : first + stop]

    def _copy_attributes(self, old: Any, new: Any) -> None:
        import h5py

        for bare, attribute in _attributes(old):
            kind = attribute.get_type()
            what = _said(bare)
            if _holds(kind, h5py.h5t.REFERENCE):
                why = f"{what} holds references, which mean nothing in another file"
                raise self._refused(h5py.h5i.get_name(old) or b"", why)
            if h5py.h5a.exists(new, bare):
                h5py.h5a.delete(new, bare)
            space = attribute.get_space()
            made = h5py.h5a.create(new, bare, kind.copy(), space)
            if space.get_simple_extent_type() == h5py.h5s.NULL:
                continue
            if _holds(kind, h5py.h5t.VLEN):
                value = np.empty(attribute.shape, dtype=attribute.dtype)
                attribute.read(value)
                made.write(value)
            else:  # as stored, whatever it means
                raw = np.empty(space.get_simple_extent_npoints() * kind.get_size(), np.uint8)
                if raw.size:
                    attribute.read(raw, kind)
                    made.write(raw, kind)


def _said(name: bytes) -> str:
    return f"attribute {name.decode(errors='backslashreplace')!r}"


def _attributes(item: Any) -> list[tuple[bytes, Any]]:
    """The attributes of an object with their names."""
    import h5py

    names: list[bytes] = []
    h5py.h5a.iterate(item, lambda name: names.append(name) or None)  # type: ignore[func-returns-value]
    return [(name, h5py.h5a.open(item, name)) for name in names]


def _holds(kind: Any, wanted: int) -> bool:
    """Whether a type is, or is made of, one of a class; a text of any length is VLEN."""
    import h5py

    found = kind.get_class()
    if found == h5py.h5t.STRING:
        return wanted == h5py.h5t.VLEN and bool(kind.is_variable_str())
    if found == wanted:
        return True
    if found == h5py.h5t.COMPOUND:
        members = (kind.get_member_type(k) for k in range(kind.get_nmembers()))
        return any(_holds(member, wanted) for member in members)
    if found in (h5py.h5t.ARRAY, h5py.h5t.VLEN):
        return _holds(kind.get_super(), wanted)
    return False
