"""How a dataset's numbers lie in its file: looked through before any is read, and read.

HDF5 believes what a file says of itself. It fills what was never written with zeros, reads past the
end of a chunk that unpacks to too few bytes, and follows a dataset that is a view of itself until
the process dies; none of that may come back as numbers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_PACKED_MOST = 1032  # bytes that one byte of a gzip stream can stand for
_CHECKSUM = 4  # [byte]
_LARGEST_CHUNK = 2**30  # [byte]
_Chunk = tuple[int, int, int]  # mask of filters left out, place and size in the file


class StorageError(ValueError):
    """What is wrong with a dataset's storage, in words that follow its name."""


class StoredRows:
    """The rows of one dataset, its storage checked.

    Args:
        dataset: an open ``h5py.Dataset`` of numbers.
        size: of its file [byte].
        source: opens a virtual dataset's source by file name and dataset name.

    Raises:
        StorageError: the file cannot hold what the dataset claims, or parts were never written.
    """

    def __init__(
        self, dataset: Any, size: int, source: Callable[[str, str], StoredRows] | None = None
    ) -> None:
        import h5py

        self.dataset = dataset
        self._size = size
        self._chunks: dict[tuple[int, ...], _Chunk] = {}
        self._filters: list[tuple[int, tuple[int, ...]]] = []
        self._decoded: tuple[tuple[int, ...], NDArray[Any]] | None = None
        self.virtual = False
        settings = dataset.id.get_create_plist()
        if settings.get_external_count():
            name = settings.get_external(0)[0].decode(errors="backslashreplace")
            raise StorageError(f"keeps its numbers in another file ({name!r}), which is not read")
        layout = settings.get_layout()
        if layout == h5py.h5d.CHUNKED:
            self._check_chunks(settings)
        elif layout == h5py.h5d.CONTIGUOUS:
            self._check_contiguous()
        elif layout == h5py.h5d.VIRTUAL:
            self.virtual = True
            self._check_virtual(settings, source)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start`` to ``stop`` as they are stored.

        Raises:
            StorageError: the stored bytes are damaged.
        """
        if not self._filters:
            return np.asarray(self.dataset[start:stop])
        shape, chunk = self.dataset.shape, self.dataset.chunks
        rows = np.empty((stop - start, *shape[1:]), dtype=self.dataset.dtype)
        first = start // chunk[0] * chunk[0]
        grid = [range(first, stop, chunk[0])]
        grid += [range(0, n, step) for n, step in zip(shape[1:], chunk[1:], strict=True)]
        for place in _product(grid):
            values = self._chunk(place)
            low, high = max(place[0], start), min(place[0] + chunk[0], stop)
            tail = tuple(
                slice(at, min(at + step, n))
                for at, step, n in zip(place[1:], chunk[1:], shape[1:], strict=True)
            )
            inner = tuple(slice(0, part.stop - part.start) for part in tail)
            rows[(slice(low - start, high - start), *tail)] = values[
                (slice(low - place[0], high - place[0]), *inner)
            ]
        return rows

    def check_all(self) -> None:
        """Unpack every chunk once, for who reads them through HDF5.

        Raises:
            StorageError: see `read`.
        """
        if self._filters:
            for place in self._chunks:
                self._chunk(place)

    def _check_contiguous(self) -> None:
        claimed = self.dataset.size * self.dataset.dtype.itemsize
        place = self.dataset.id.get_offset()
        if claimed and place is None:
            raise StorageError(f"was never written: it has shape {self.dataset.shape} and no bytes")
        if place is not None and place + claimed > self._size:
            raise StorageError(
                f"claims {claimed} bytes from byte {place} on, but the file has {self._size}"
            )

    def _check_chunks(self, settings: Any) -> None:
        import h5py

        shape, chunk = self.dataset.shape, self.dataset.chunks
        if self._chunk_bytes() > _LARGEST_CHUNK:
            raise StorageError(
                f"has chunks of {self._chunk_bytes()} bytes, expected at most {_LARGEST_CHUNK}"
            )
        wanted = math.prod(-(-n // step) for n, step in zip(shape, chunk, strict=True))
        found = {
            place: stored
            for place, stored in _chunks(self.dataset.id)
            if all(
                at < n and at % step == 0 for at, n, step in zip(place, shape, chunk, strict=True)
            )
        }
        if len(found) != wanted:
            raise StorageError(
                f"has shape {shape} in {wanted} chunks, of which {wanted - len(found)} were never "
                f"written{self._gap(found)}"
            )
        filters = [settings.get_filter(k) for k in range(settings.get_nfilters())]
        for code, _, _, name in filters:
            if not h5py.h5z.filter_avail(code):
                known = name.decode(errors="backslashreplace") or f"number {code}"
                raise StorageError(f"is packed with a filter that is missing here: {known}")
        least = self._least([code for code, *_ in filters])
        for place, (mask, at, bytes_) in found.items():
            if at + bytes_ > self._size or bytes_ < (1 if mask else least):
                raise StorageError(
                    f"has a chunk of {self._chunk_bytes()} bytes{self._frames(place)} in {bytes_} "
                    f"bytes from byte {at} on of a file of {self._size}"
                )
        plain = self.dataset.id.get_type() == h5py.h5t.py_create(self.dataset.dtype, logical=True)
        if plain and {code for code, *_ in filters} <= {_DEFLATE, _SHUFFLE, _FLETCHER32}:
            self._chunks = found
            self._filters = [(code, tuple(values)) for code, _, values, _ in filters]

    def _least(self, codes: list[int]) -> int:
        """The fewest bytes that a chunk can lie in."""
        if not set(codes) <= {_DEFLATE, _SHUFFLE, _FLETCHER32}:
            return 1
        packed = self._chunk_bytes()
        if _DEFLATE in codes:
            packed = packed // _PACKED_MOST
        return max(1, packed + _CHECKSUM * codes.count(_FLETCHER32))

    def _check_virtual(
        self, settings: Any, source: Callable[[str, str], StoredRows] | None
    ) -> None:
        covered = 0
        for k in range(settings.get_virtual_count()):
            file, name = settings.get_virtual_filename(k), settings.get_virtual_dsetname(k)
            view = settings.get_virtual_vspace(k)
            if source is None:
                raise StorageError(f"is a view of {name!r}, which is itself a view of others")
            if "%" in file or "%" in name:
                raise StorageError(f"is a view of any number of datasets ({file!r}, {name!r})")
            stored = source(file, name)
            wanted = view.get_select_npoints()
            if wanted > stored.dataset.size:
                raise StorageError(
                    f"is a view of {wanted} numbers of {name!r} in {file!r}, which has "
                    f"{stored.dataset.size}"
                )
            stored.check_all()
            covered += wanted
        if covered < self.dataset.size:
            raise StorageError(
                f"is a view with {covered} of its {self.dataset.size} numbers; the others are "
                "nowhere"
            )

    def _chunk(self, place: tuple[int, ...]) -> NDArray[Any]:
        """A chunk unpacked; the last one is kept, for blocks that end within it."""
        if self._decoded is not None and self._decoded[0] == place:
            return self._decoded[1]
        mask, raw = self.dataset.id.read_direct_chunk(place)
        data, claimed = bytes(raw), self._chunk_bytes()
        try:
            for k in reversed(range(len(self._filters))):
                if not mask >> k & 1:
                    code, values = self._filters[k]
                    data = _UNDO[code](data, values, claimed + _CHECKSUM)
            if len(data) != claimed:
                raise StorageError(f"unpacks to {len(data)} bytes, expected {claimed}")
        except (StorageError, zlib.error) as cause:
            said = f"its chunk {cause}" if isinstance(cause, StorageError) else str(cause)
            raise StorageError(f"cannot be read{self._frames(place)}: {said}") from cause
        values_ = np.frombuffer(data, dtype=self.dataset.dtype).reshape(self.dataset.chunks)
        self._decoded = place, values_
        return values_

    def _chunk_bytes(self) -> int:
        return int(math.prod(self.dataset.chunks) * self.dataset.dtype.itemsize)

    def _gap(self, found: dict[tuple[int, ...], _Chunk]) -> str:
        """Where the first rows are missing."""
        chunk = self.dataset.chunks
        rows = {place[0] for place in found}
        first = 0
        while first in rows:
            first += chunk[0]
        return self._frames((first,)) if first < self.dataset.shape[0] else ""

    def _frames(self, place: tuple[int, ...]) -> str:
        last = min(place[0] + self.dataset.chunks[0], self.dataset.shape[0]) - 1
        return f", frames {place[0]} to {last}"


def _chunks(dataset: Any) -> list[tuple[tuple[int, ...], _Chunk]]:
    """Place within the dataset, and what is stored there, of every chunk."""
    found: list[tuple[tuple[int, ...], _Chunk]] = []

    def add(info: Any) -> None:
        found.append((info.chunk_offset, (info.filter_mask, info.byte_offset or 0, info.size)))

    if hasattr(dataset, "chunk_iter"):
        dataset.chunk_iter(add)
    else:
        for k in range(dataset.get_num_chunks()):
            add(dataset.get_chunk_info(k))
    return found


def _product(ranges: list[range]) -> list[tuple[int, ...]]:
    places: list[tuple[int, ...]] = [()]
    for one in ranges:
        places = [(*place, at) for place in places for at in one]
    return places


def _inflate(data: bytes, values: tuple[int, ...], most: int) -> bytes:
    stream = zlib.decompressobj()
    found = stream.decompress(data, most + 1)
    if len(found) <= most and not stream.eof:
        raise StorageError("is a gzip stream that is cut short")
    return found


def _unshuffle(data: bytes, values: tuple[int, ...], most: int) -> bytes:
    width = values[0] if values else 1
    count = len(data) // width
    if width <= 1 or count <= 1:
        return data
    whole = np.frombuffer(data, dtype=np.uint8, count=count * width)
    return whole.reshape(width, count).T.tobytes() + data[count * width :]


def _checked(data: bytes, values: tuple[int, ...], most: int) -> bytes:
    """What comes before a Fletcher checksum that agrees."""
    if len(data) < _CHECKSUM:
        raise StorageError(f"has {len(data)} bytes, fewer than its checksum")
    body, said = data[:-_CHECKSUM], int.from_bytes(data[-_CHECKSUM:], "little")
    words = np.frombuffer(body + b"\0" * (len(body) % 2), dtype=">u2").astype(np.int64)
    weights = np.arange(len(words), 0, -1, dtype=np.int64) % 65535
    low, high = (int(total) for total in (words.sum(), (words * weights).sum()))
    # the sums are folded, which never makes 0 of a positive one
    low, high = (total and (total - 1) % 65535 + 1 for total in (low, high))
    if (high << 16 | low) != said:
        raise StorageError("disagrees with its checksum")
    return body


_UNDO: dict[int, Callable[[bytes, tuple[int, ...], int], bytes]] = {
    _DEFLATE: _inflate,
    _SHUFFLE: _unshuffle,
    _FLETCHER32: _checked,
}
