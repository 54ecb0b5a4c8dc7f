"""Reads MANO's pickle files without chumpy and without running anything they name.

A pickle is a program that may import and call what it likes. Here every name it may use resolves to
an inert stand-in that keeps what it is given; any other name is refused, by name. Nothing that the
file says is called, not even numpy: the arrays wanted are put together afterwards, by this module,
from the bytes and shapes that the stand-ins kept.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import ModelError
from retarget.core.reading import read_bytes
from retarget.human.mano_format import SHAPES, SPREADS

# far above the official 4 MB files; bounds what a hostile one can make us allocate
LARGEST_FILE = 64 * 2**20  # [bytes]
LARGEST_ARRAY = 2**24  # [entries] of a sparse matrix written out

MOST_STEPS = 200_000  # [opcodes]; official files have a few hundred

# what a hand model is made of, under its old and its new names (Python 2's, too)
_KINDS = {
    r"numpy\._?core\.multiarray\._reconstruct": "array",
    r"numpy\._?core\.multiarray\.scalar": "scalar",
    r"numpy\._?core\.numeric\._frombuffer": "buffer",
    r"numpy\.dtype": "dtype",
    r"numpy\.ndarray|numpy\.matrixlib\.defmatrix\.matrix": "class",
    r"(__builtin__|builtins)\.(object|set)": "class",
    r"scipy\.sparse\._?(csc|csr|coo)\.\1_(matrix|array)": "sparse",
    r"chumpy\.\w+\.\w+": "chumpy",
    r"copy_?reg\._reconstructor": "reconstructor",
    r"_codecs\.encode": "text",
}
_FORBIDDEN = {
    "PERSID": "a persistent id",
    "BINPERSID": "a persistent id",
    "EXT1": "an extension code",
    "EXT2": "an extension code",
    "EXT4": "an extension code",
    "NEXT_BUFFER": "a buffer outside of the file",
}


class _RefusedName(pickle.UnpicklingError):
    pass


class _Inert:
    """Keeps the arguments and the state that a pickle gives to an object called `name`."""

    kind = ""
    name = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> _Inert:
        self = super().__new__(cls)
        self.args = args
        self.state = None
        return self

    # found on the class, too, where it fails: a pickle cannot give a state to the class itself
    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Inert]:
        full = f"{module}.{name}"
        for pattern, kind in _KINDS.items():
            if re.fullmatch(pattern, full):
                return type("_Inert", (_Inert,), {"kind": kind, "name": full})
        raise _RefusedName(full)


def load_mano_pickle(path: str | Path) -> dict[str, Any]:
    """The arrays of a ``MANO_RIGHT.pkl`` or ``MANO_LEFT.pkl``, by their MANO names.

    Entries that the hand model does not need are left alone. chumpy's ``Ch``, ``Select`` and
    ``Reshape`` and scipy's csc, csr and coo matrices become plain arrays.

    Raises:
        ModelError: the file cannot be read, is no pickle, is cut short, names anything other than
            arrays, or holds an array whose bytes and shape disagree. Nothing it names has run.
    """
    data = _bytes(path)
    _check_program(path, data)
    try:
        content = _Unpickler(io.BytesIO(data), encoding="latin-1").load()
    except _RefusedName as error:
        raise ModelError(
            path,
            f"refused: it names {error}, which no hand model needs; nothing was run",
            refused=str(error),
        ) from None
    except Exception as error:  # a broken pickle raises whatever its broken program leads to
        raise ModelError(path, f"is not a readable pickle: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(path, f"not a MANO hand: holds {_named(content)}, not a dictionary")
    arrays = {}
    for key in (key for key in (*SHAPES, *SPREADS) if key in content):
        try:
            arrays[key] = _array(content[key])
        except Exception as error:  # numpy, too, raises many types on nonsense
            raise ModelError(path, f"{key} cannot be read: {error}", key=key) from error
    return arrays


def _bytes(path: str | Path) -> bytes:
    return read_bytes(path, LARGEST_FILE, "a hand model", ModelError)


def _check_program(path: str | Path, data: bytes) -> None:
    """Read through the program before it is run: whole, and free of what a hand model never has."""
    count = 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            count += 1
            what = _FORBIDDEN.get(opcode.name)
            # the reader's memory is as long as its highest index, which picklers count up from 0
            if "PUT" in opcode.name and isinstance(argument, int) and argument > count:
                what = f"memory index {argument}"
            if count > MOST_STEPS:
                what = f"more than {MOST_STEPS} steps"
            if what is not None:
                raise ModelError(path, f"refused: it uses {what} (byte {position})", refused=what)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(path, f"is not a pickle, or is cut short: {error}") from error


def _array(node: Any, depth: int = 0) -> Any:
    """The array that a node of the inert tree stands for."""
    if depth > 8:
        raise ValueError("nested too deeply")
    if not isinstance(node, _Inert):
        if isinstance(node, int | float | list | tuple):
            return np.asarray(node, dtype=np.float64)
        raise ValueError(f"{_named(node)} is not an array")
    kind, name = node.kind, node.name
    if kind == "reconstructor":
        kind, name = node.args[0].kind, node.args[0].name
    if kind == "array":
        _, shape, dtype, fortran, raw = node.state
        return _from_bytes(raw, dtype, shape, "F" if fortran else "C")
    if kind == "buffer":
        raw, dtype, shape, order = node.args
        return _from_bytes(raw, dtype, shape, order)
    if kind == "scalar":
        return _from_bytes(node.args[1], node.args[0], (), "C")
    if kind == "sparse":
        return _dense(name.rpartition(".")[2][:3], _state(node), depth + 1)
    if kind == "chumpy":
        return _chumpy(name, _state(node), depth + 1)
    raise ValueError(f"{name} is not an array")


def _chumpy(name: str, state: dict[str, Any], depth: int) -> Any:
    """The value of a chumpy expression: Ch holds x; Select picks from the flattened a."""
    if name == "chumpy.ch.Ch":
        return _array(state["x"], depth)
    if name == "chumpy.reordering.Select":
        picked = _array(state["a"], depth).ravel()[_whole(state["idxs"], depth)]
        shape = state.get("preferred_shape")
        return picked if shape is None else picked.reshape(_whole(shape, depth))
    if name == "chumpy.reordering.Reshape":
        return _array(state["a"], depth).reshape(_whole(state["newshape"], depth))
    raise ValueError(f"{name} is a computation that is not known here")


def _dense(layout: str, state: dict[str, Any], depth: int) -> Any:
    """A scipy matrix written out; numpy checks every index that scipy would trust."""
    shape = _whole(state.get("_shape", state.get("shape")), depth)
    if shape.shape != (2,) or (shape < 0).any() or np.prod(shape.astype(float)) > LARGEST_ARRAY:
        raise ValueError(f"a sparse matrix of shape {shape.tolist()}")
    values = _array(state["data"], depth)
    if layout == "coo":
        coordinates = state.get("coords") or (state["row"], state["col"])
        row, column = (_whole(axis, depth) for axis in coordinates)
    else:
        starts, minor = _whole(state["indptr"], depth), _whole(state["indices"], depth)
        counts = np.diff(starts)
        majors = shape[1] if layout == "csc" else shape[0]
        if len(counts) != majors or (counts < 0).any() or counts.sum() != len(minor):
            raise ValueError("a sparse matrix whose index arrays disagree")
        major = np.repeat(np.arange(majors), counts)
        row, column = (minor, major) if layout == "csc" else (major, minor)
    if not len(row) == len(column) == len(values) or (row < 0).any() or (column < 0).any():
        raise ValueError("a sparse matrix whose index arrays disagree")
    dense = np.zeros(tuple(shape))
    np.add.at(dense, (row, column), values)
    return dense


def _from_bytes(raw: Any, dtype: Any, shape: Any, order: str) -> Any:
    if isinstance(raw, _Inert) and raw.kind == "text":
        raw = raw.args[0]
    if isinstance(raw, str):  # bytes of Python 2, read as latin-1
        raw = raw.encode("latin-1")
    return np.frombuffer(raw, dtype=_dtype(dtype)).reshape(shape, order=order)  # type: ignore[call-overload]


def _dtype(node: Any) -> np.dtype[Any]:
    """Plain numbers only: a dtype of objects would bring code back in."""
    if not isinstance(node, _Inert) or node.kind != "dtype":
        raise ValueError(f"{_named(node)} is not a number type")
    code, order = node.args[0], (node.state or (3, "="))[1]
    if not re.fullmatch(r"[biuf][1248]", str(code)) or order not in ("<", ">", "|", "="):
        raise ValueError(f"numbers of type {order}{code}")
    return np.dtype(f"{order}{code}")


def _whole(node: Any, depth: int) -> Any:
    values = np.atleast_1d(_array(node, depth))
    whole = values.astype(np.int64)
    if (whole != values).any():
        raise ValueError("indices that are not whole numbers")
    return whole


def _state(node: _Inert) -> dict[str, Any]:
    if not isinstance(node.state, dict):
        raise ValueError(f"{node.name} without its content")
    return node.state


def _named(node: Any) -> str:
    return node.name if isinstance(node, _Inert) else type(node).__name__
