"""Heaps of texts in HDF5 files that have no end, and what damaged names may hold beside them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from retarget.core.errors import FileError
from retarget.core.hdf5_file import HDF5File
from retarget.core.hdf5_heaps import endless_heap


def text_heap(path: Path) -> tuple[bytearray, int]:
    """The bytes of a file, and where its texts' heap begins."""
    data = bytearray(path.read_bytes())
    return data, data.index(b"GCOL")


def test_a_heap_without_end_is_refused_before_it_is_walked(tmp_path: Path) -> None:
    path = tmp_path / "texts.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["task"] = "stack the can"
        file["rows"] = np.zeros((3, 2))
    data, heap = text_heap(path)
    assert endless_heap(path) is None
    first, free = heap + 16, heap + 16 + 16 + 16
    # the third leads to its own text, the last turn HDF5 back
    lengths = ((free + 8, 0), (free + 8, 2**64 - 16), (first + 8, 0), (first + 8, 2**64 - 1))
    for place, length in lengths:
        spoilt = bytearray(data)
        spoilt[place : place + 8] = length.to_bytes(8, "little")
        if place == first + 8 and not length:
            spoilt[first + 16 : first + 32] = bytes(16)
        path.write_bytes(spoilt)
        assert endless_heap(path) == heap
        with HDF5File(path) as file:
            assert file.rows("rows", 0, 3).shape == (3, 2)  # which needs no text
            with pytest.raises(FileError, match=f"heap of texts at byte {heap} has no end"):
                file.attribute("task")
            with pytest.raises(FileError, match="has no end"):
                file.whole()
