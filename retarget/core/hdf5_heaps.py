"""Global heaps of HDF5 files, where texts of any length lie: checked before HDF5 walks through.

A heap is a row of objects, each with its length. HDF5 goes from one to the next, stands still for
ever at one of no length, and turns back at one so long that the sum overflows (HDF5 file format
specification, III.E "Global Heap").
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_SIGNATURE, _VERSION = b"GCOL", 1
_HEADER = struct.Struct("<4sB3xQ")  # signature, version, bytes of the whole heap
_OBJECT = struct.Struct("<HHIQ")  # index, references, nothing, bytes of what it holds
_NEGATIVE = 2**63  # lengths from here on lead backwards
# heaps are made with the first and the last texts: of long files only the ends are looked through
_SEARCHED = 2**22  # [byte]


def endless_heap(path: Path) -> int | None:
    """Where the first heap is that HDF5 would not come to an end of, None where there is none.

    Args:
        path: a regular file; heaps in its first and last 4 MiB are found.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        ends = (0, min(_SEARCHED, len(data))), (max(_SEARCHED, len(data) - _SEARCHED), len(data))
        for start, stop in ends:
            place = start - 1
            while (place := data.find(_SIGNATURE, place + 1, stop)) >= 0:
                if _is_endless(data, place):
                    return place
    return None


def _is_endless(data: mmap.mmap, place: int) -> bool:
    if place + _HEADER.size > len(data):
        return False
    _, version, size = _HEADER.unpack_from(data, place)
    if version != _VERSION:
        return False
    at, stop = place + _HEADER.size, min(place + size, len(data))
    while at + _OBJECT.size <= stop:
        index, _, _, length = _OBJECT.unpack_from(data, at)
        # the free space, of index 0, counts its header in
        step = length if index == 0 else _OBJECT.size + -(-length // 8) * 8
        if step == 0 or length >= _NEGATIVE:
            return True
        at += step
    return False
