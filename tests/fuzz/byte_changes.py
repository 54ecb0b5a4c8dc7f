"""Changes of a file's bytes: flipped, inserted, cut, copied about, numbers made extreme."""

from __future__ import annotations

from random import Random

from fuzz.bases import Base

# where HDF5 keeps structure: what stands behind these words is what its library walks along
_SIGNATURES = (b"\x89HDF", b"TREE", b"SNOD", b"HEAP", b"OHDR", b"OCHK", b"GCOL", b"FRHP", b"BTHD")
_SIGNATURES = (*_SIGNATURES, b"FADB", b"FAHD", b"EAHD", b"BTLF", b"FHDB", b"OFHD", b"PK\x03\x04")
_EXTREMES = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1)
_EXTREMES = (*_EXTREMES, 2**40, 2**48, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 8)


def change_bytes(base: Base, random: Random) -> bytes:
    """The bytes of a base, changed in one to a few places."""
    data = bytearray(base.data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = _place(base, data, random)
        _CHANGES[random.randrange(len(_CHANGES))](data, at, random)
    return bytes(data)


def _place(base: Base, data: bytearray, random: Random) -> int:
    """Where to change: for the most part in the structure, often just behind a signature."""
    if not data:
        return 0
    if base.regions and random.random() < 0.8:
        if random.random() < 0.6:
            start = random.randrange(len(data))
            for word in random.sample(_SIGNATURES, len(_SIGNATURES)):
                found = data.find(word, start)
                found = data.find(word) if found < 0 else found
                if found >= 0:
                    return min(found + random.randrange(96), len(data) - 1)
        region, until = random.choice(base.regions)
        return min(random.randrange(region, until), len(data) - 1)
    if random.random() < 0.2:  # headers stand at the ends
        return random.choice((0, len(data) - 1)) ^ random.randrange(min(len(data), 64))
    return random.randrange(len(data))


def _flip(data: bytearray, at: int, random: Random) -> None:
    if at < len(data):
        data[at] ^= 1 << random.randrange(8)


def _replace(data: bytearray, at: int, random: Random) -> None:
    if at < len(data):
        data[at] = random.randrange(256)


def _extreme(data: bytearray, at: int, random: Random) -> None:
    width = random.choice((1, 2, 4, 8))
    at -= at % random.choice((1, width))
    value = random.choice((*_EXTREMES, len(data), len(data) - 1, len(data) + 8, at))
    written = (value % (1 << 8 * width)).to_bytes(width, "little")
    data[at : at + width] = written[: len(data) - at]


def _insert(data: bytearray, at: int, random: Random) -> None:
    count = random.choice((1, 1, 2, 4, 8, 64))
    data[at:at] = random.choice((bytes(count), random.randbytes(count)))


def _delete(data: bytearray, at: int, random: Random) -> None:
    del data[at : at + random.choice((1, 1, 2, 4, 8, 64, 4096))]


def _truncate(data: bytearray, at: int, random: Random) -> None:
    if random.random() < 0.5:
        del data[at:]


def _zeros(data: bytearray, at: int, random: Random) -> None:
    count = min(random.choice((2, 8, 16, 64, 512, 4096)), len(data) - at)
    data[at : at + count] = bytes([random.choice((0, 0, 255))]) * count


def _splice(data: bytearray, at: int, random: Random) -> None:
    if data:
        start, count = random.randrange(len(data)), random.choice((4, 8, 40, 256, 1024))
        part = data[start : start + count]
        data[at : at + len(part)] = part


def _repeat(data: bytearray, at: int, random: Random) -> None:
    part = data[at : at + random.choice((8, 24, 40, 512))]
    data[at:at] = part * random.choice((1, 1, 3))


def _swap(data: bytearray, at: int, random: Random) -> None:
    count, other = random.choice((1, 4, 8)), random.randrange(len(data)) if data else 0
    first, second = bytes(data[at : at + count]), bytes(data[other : other + count])
    if len(first) == len(second):
        data[at : at + count], data[other : other + count] = second, first


_CHANGES = (
    _flip,
    _flip,
    _flip,
    _replace,
    _replace,
    _extreme,
    _extreme,
    _extreme,
    _insert,
    _delete,
    _truncate,
    _zeros,
    _splice,
    _repeat,
    _swap,
)
