"""Plain values of pickles: arrays, tensors, texts, lists and dictionaries; nothing runs.

Tensors of PyTorch are read as the bytes they are, torch itself is not loaded. joblib's files, which
have the bytes of their arrays between the parts of the pickle, are read too where they are not
compressed.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import FileError
from retarget.core.inert_pickle import ARRAYS, Inert, Persistent, end_of_pickle, inert_tree
from retarget.core.pickled_arrays import array_of, dtype_of, kind_of, named, objects_of

MOST_STEPS = 4_000_000  # [opcodes]
MOST_VALUES = 2**26  # [numbers and texts] in lists, each as often as it stands there
_DEEPEST = 32
_MOST_ARRAYS = 500  # of joblib, in one file

_STORAGES = {
    "Double": "f8",
    "Float": "f4",
    "Half": "f2",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}
_JOBLIB, _WRAPPER = b"joblib.numpy_pickle", "NumpyArrayWrapper"
_KINDS: Mapping[str, str] = {
    **ARRAYS,
    r"collections\.OrderedDict": "ordered",
    r"(__builtin__|builtins)\.bytes": "no bytes",  # how protocols 0 to 2 write none
    r"torch\._utils\._rebuild_tensor(_v2)?": "tensor",
    r"torch\._utils\._rebuild_parameter": "parameter",
    r"torch\.storage\._load_from_bytes": "storage bytes",
    r"torch\.(\w+)Storage|torch\.storage\.UntypedStorage": "storage class",
    r"joblib\.numpy_pickle\.NumpyArrayWrapper": "joblib",
}
Storage = Callable[[Any], Any]  # the flat array of a storage's persistent id


def plain_values(
    path: str | Path,
    data: bytes,
    error: type[FileError] = FileError,
    storage: Storage | None = None,
) -> Any:
    """What a pickle holds, as dictionaries, lists, tuples, texts, numbers and numpy arrays.

    Arrays of objects become lists, one without axes its object.

    Args:
        path: what to call the file.
        data: the pickle; what follows its end is left alone.
        error: the class to raise.
        storage: gives the numbers of storages that the pickle keeps outside of itself.

    Raises:
        FileError (or its child ``error``): see `inert_tree`; or it holds something that is none of
            these, too much of it, or nested too deeply.
    """
    raws: list[bytes] = []
    if _JOBLIB in data[: 2**16]:
        data, raws = _spliced(path, data, error)
    tree = inert_tree(
        path, data, _KINDS, MOST_STEPS, "no plain data", error, persistent=storage is not None
    )
    plain = _Plain(storage, iter(raws))
    try:
        return plain.value(tree, 0)[0]
    except Exception as cause:  # numpy, too, raises many types on nonsense
        raise error(path, f"is not a pickle of plain data: {cause}") from cause


class _Plain:
    """Turns an inert tree into plain values, what stands there twice only once."""

    def __init__(self, storage: Storage | None, raws: Any) -> None:
        self._storage, self._raws = storage, raws
        self._done: dict[int, tuple[Any, int]] = {}

    def value(self, node: Any, depth: int) -> tuple[Any, int]:
        """The value of a node, and how many values it would be written out."""
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        if node is None or isinstance(node, bool | int | float | str | bytes):
            return node, 1
        if id(node) not in self._done:
            made, size = self._made(node, depth)
            if size > MOST_VALUES:
                raise ValueError(f"it holds more than {MOST_VALUES} values")
            self._done[id(node)] = made, size
        return self._done[id(node)]

    def _made(self, node: Any, depth: int) -> tuple[Any, int]:
        if isinstance(node, list | tuple):
            parts = [self.value(part, depth + 1) for part in node]
            values = [part for part, _ in parts]
            size = 1 + sum(size for _, size in parts)
            return (values if isinstance(node, list) else tuple(values)), size
        if isinstance(node, dict):
            pairs = [(self._key(key), self.value(item, depth + 1)) for key, item in node.items()]
            return {key: item for key, (item, _) in pairs}, 1 + sum(s for _, (_, s) in pairs)
        if not isinstance(node, Inert):
            raise ValueError(f"{named(node)} is no plain data")
        kind, _ = kind_of(node)
        if kind == "ordered":
            return self._made(dict(node.items), depth)
        if kind in ("tensor", "parameter"):
            if kind == "parameter":
                return self.value(node.args[0], depth + 1)
            return self._tensor(node), 1
        if kind == "joblib":
            return self._joblib(node), 1
        if kind == "no bytes" and not node.args:
            return b"", 1
        if kind == "text":
            return str(node.args[0]).encode("latin-1"), 1
        objects = objects_of(node)
        if objects is not None:
            shape, items = objects
            values, size = self.value(items, depth + 1)
            if shape == () and len(values) == 1:
                return values[0], size
            if math.prod(shape) != len(values):
                raise ValueError(f"an array of objects of shape {shape} with {len(values)}")
            return values, size
        array = array_of(node)
        return (array[()] if kind == "scalar" else array), 1

    def _key(self, node: Any) -> Any:
        value = self.value(node, 1)[0]
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, str | int | float | bytes | tuple):
            raise ValueError(f"a key is {named(node)}")
        return value

    def _tensor(self, node: Inert) -> Any:
        flat = self._flat(node.args[0])
        offset, shape, strides = node.args[1], tuple(node.args[2]), tuple(node.args[3])
        numbers = (offset, *shape, *strides)
        if len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
            raise ValueError("a tensor without a shape")
        if 0 in shape:
            return np.zeros(shape, flat.dtype)
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if last >= len(flat) or math.prod(shape) > max(len(flat), 1):
            raise ValueError(f"a tensor of shape {shape} has {len(flat)} numbers")
        steps = tuple(step * flat.itemsize for step in strides)
        view = np.lib.stride_tricks.as_strided(flat[offset:], shape, steps)
        return view.copy()

    def _flat(self, node: Any) -> Any:
        if isinstance(node, Persistent):
            if self._storage is None:
                raise ValueError("a tensor's numbers lie elsewhere")
            return self._storage(_storage_id(node.id))
        if not isinstance(node, Inert) or node.kind != "storage bytes":
            raise ValueError("a tensor without numbers")
        raw = node.args[0]
        if isinstance(raw, Inert) and raw.kind == "text":
            raw = str(raw.args[0]).encode("latin-1")
        return _legacy_storage(raw)

    def _joblib(self, node: Inert) -> Any:
        dtype, shape, order, _ = _wrapper(node)
        return np.frombuffer(next(self._raws), dtype=dtype).reshape(shape, order=order)


def _storage_id(id_: Any) -> tuple[np.dtype[Any], str, int]:
    """Number type, key and length of a storage by its persistent id."""
    if not isinstance(id_, tuple) or len(id_) < 5 or id_[0] != "storage":
        raise ValueError("a storage of an unknown kind")
    name = str(getattr(id_[1], "name", ""))
    found = re.fullmatch(r"torch\.(\w+)Storage", name)
    if found is None or found[1] not in _STORAGES:
        raise ValueError(f"numbers of {name or 'an unknown type'}")
    return np.dtype(_STORAGES[found[1]]), str(id_[2]), int(id_[4])


def _legacy_storage(raw: bytes) -> Any:
    """The numbers of a storage that `torch.save` wrote in its format before 1.6.

    Five pickles (a number to know it by, a version, the machine, the storage, the keys of all
    storages), then for each its length in 8 bytes and its numbers.
    """
    places = [0]
    for _ in range(5):
        places.append(places[-1] + end_of_pickle(raw[places[-1] :]))
    tree = inert_tree(
        "storage", raw[places[3] :], _KINDS, 1000, "no tensor", FileError, persistent=True
    )
    if not isinstance(tree, Persistent):
        raise ValueError("a storage of an unknown kind")
    dtype, _, length = _storage_id(tree.id)
    numbers = raw[places[5] + 8 :]
    if length < 0 or len(numbers) < length * dtype.itemsize:
        raise ValueError(f"a storage of {length} numbers has {len(numbers)} bytes")
    return np.frombuffer(numbers[: length * dtype.itemsize], dtype=dtype.newbyteorder("<"))


def _spliced(path: str | Path, data: bytes, error: type[FileError]) -> tuple[bytes, list[bytes]]:
    """Joblib's pickle without the bytes of its arrays, and those."""
    stream, program, raws = io.BytesIO(data), bytearray(), []
    wrapped, built = False, 0
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
            if count > MOST_STEPS or position is None:
                raise ValueError(f"more than {MOST_STEPS} steps")
            if opcode.name != "FRAME":  # their lengths count what is left out here
                program += data[position : stream.tell()]
            wrapped |= argument is not None and _WRAPPER in str(argument)
            if opcode.name != "BUILD" or not wrapped:
                continue
            built += 1
            if built > 2 * _MOST_ARRAYS:  # each is looked at by reading all before it again
                raise ValueError(f"more than {_MOST_ARRAYS} arrays")
            so_far = bytes(program) + b"."
            top = inert_tree(path, so_far, _KINDS, MOST_STEPS, "no plain data", error)
            if not isinstance(top, Inert) or top.kind != "joblib":
                continue
            dtype, shape, _, aligned = _wrapper(top)
            if aligned:
                stream.read(stream.read(1)[0])
            size = math.prod(shape) * dtype.itemsize
            raws.append(stream.read(size))
            if len(raws[-1]) < size:
                raise ValueError(f"an array of shape {shape}")
    except FileError:
        raise
    except Exception as cause:
        raise error(path, f"is not a file of joblib, or is cut short: {cause}") from cause
    return bytes(program), raws


def _wrapper(node: Inert) -> tuple[np.dtype[Any], tuple[int, ...], Any, bool]:
    """Number type, shape, order and whether joblib's array is aligned."""
    state = node.state
    shape, dtype = state["shape"], dtype_of(state["dtype"])
    if not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError(f"an array of shape {shape}")
    order = "F" if state["order"] == "F" else "C"
    return dtype, tuple(shape), order, state.get("numpy_array_alignment_bytes") is not None
