"""One HDF5 file's datasets and attributes copied into another, without holding them in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retarget.core.errors import DemoError

_BYTES_AT_ONCE = 16 * 2**20


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
    old = source.get(key)
    if old is None or old.chunks is None or old.shape[1:] != tail:
        return {}
    return {
        "chunks": old.chunks,
        "compression": old.compression,
        "compression_opts": old.compression_opts,
        "shuffle": old.shuffle,
        "fletcher32": old.fletcher32,
    }


def copy_rest(source: Any, target: Any, *, frames: int, keep: slice) -> None:
    """Copy into ``target`` everything of ``source`` that it does not have yet.

    Datasets are copied as stored, still compressed. Where ``keep`` is only a part of the frames,
    datasets with ``frames`` rows are cut to it, a few rows at a time.

    Args:
        source: an open ``h5py`` file or group.
        target: the one to copy into.
        frames: the number of frames of the source.
        keep: the frames wanted.

    Raises:
        DemoError: the source's stored bytes cannot be read.
    """
    import h5py

    _copy_attributes(source, target)
    for name in source:
        link = source.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            if name not in target:
                target[name] = h5py.SoftLink(link.path)
            continue
        if isinstance(link, h5py.ExternalLink):
            if name not in target:
                place = Path(source.file.filename).resolve().parent / link.filename
                target[name] = h5py.ExternalLink(str(place), link.path)
            continue
        item = source[name]
        if isinstance(item, h5py.Group):
            copy_rest(item, target.require_group(name), frames=frames, keep=keep)
        elif name in target:
            _copy_attributes(item, target[name])
        elif _is_cut(item, frames, keep):
            _copy_rows(item, target, name, keep)
        else:
            try:
                source.copy(item, target, name)
            except (OSError, RuntimeError) as cause:
                raise _damaged(item, cause) from cause


def _is_cut(item: Any, frames: int, keep: slice) -> bool:
    if not hasattr(item, "shape") or not item.shape or item.shape[0] != frames:
        return False
    return (keep.start, keep.stop) != (0, frames)


def _copy_rows(item: Any, target: Any, name: str, keep: slice) -> None:
    rows = keep.stop - keep.start
    grows = (None, *item.shape[1:]) if item.chunks else None
    copy = target.create_dataset_like(name, item, shape=(rows, *item.shape[1:]), maxshape=grows)
    _copy_attributes(item, copy)
    row_bytes = max(1, item.nbytes // item.shape[0])
    step = max(1, _BYTES_AT_ONCE // row_bytes)
    for first in range(0, rows, step):
        last = min(first + step, rows)
        try:
            copy[first:last] = item[keep.start + first : keep.start + last]
        except (OSError, RuntimeError) as cause:
            raise _damaged(item, cause) from cause


def _copy_attributes(source: Any, target: Any) -> None:
    target.attrs.update(source.attrs)


def _damaged(item: Any, cause: Exception) -> DemoError:
    key = item.name.lstrip("/")
    return DemoError(
        item.file.filename, f"{key!r} cannot be copied: {cause}", key=key, cause=str(cause)
    )
