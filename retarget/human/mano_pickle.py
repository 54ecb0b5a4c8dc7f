"""Reads MANO's pickle files without chumpy and without running anything they name.

The arrays wanted are put together by this module from what the inert stand-ins of
`retarget.core.inert_pickle` kept; chumpy's expressions and scipy's matrices among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import ModelError
from retarget.core.inert_pickle import ARRAYS, Inert, inert_tree
from retarget.core.pickled_arrays import DEEPEST, array_of, kind_of, named
from retarget.core.reading import read_bytes
from retarget.human.mano_format import SHAPES, SPREADS

# far above the official 4 MB files; bounds what a hostile one can make us allocate
LARGEST_FILE = 64 * 2**20  # [bytes]
LARGEST_ARRAY = 2**24  # [entries] of a sparse matrix written out

MOST_STEPS = 200_000  # [opcodes]; official files have a few hundred

_KINDS: Mapping[str, str] = {
    **ARRAYS,
    r"scipy\.sparse\._?(csc|csr|coo)\.\1_(matrix|array)": "sparse",
    r"chumpy\.\w+\.\w+": "chumpy",
}


def load_mano_pickle(path: str | Path) -> dict[str, Any]:
    """The arrays of a ``MANO_RIGHT.pkl`` or ``MANO_LEFT.pkl``, by their MANO names.

    Entries that the hand model does not need are left alone. chumpy's ``Ch``, ``Select`` and
    ``Reshape`` and scipy's csc, csr and coo matrices become plain arrays.

    Raises:
        ModelError: the file cannot be read, is no pickle, is cut short, names anything other than
            arrays, or holds an array whose bytes and shape disagree. Nothing it names has run.
    """
    data = read_bytes(path, LARGEST_FILE, "a hand model", ModelError)
    content = inert_tree(path, data, _KINDS, MOST_STEPS, "no hand model", ModelError)
    if not isinstance(content, dict):
        raise ModelError(path, f"not a MANO hand: holds {named(content)}, not a dictionary")
    arrays = {}
    for key in (key for key in (*SHAPES, *SPREADS) if key in content):
        try:
            arrays[key] = _array(content[key])
        except Exception as error:  # numpy, too, raises many types on nonsense
            raise ModelError(path, f"{key} cannot be read: {error}", key=key) from error
    return arrays


def _array(node: Any, depth: int = 0) -> Any:
    """The array that a node of the inert tree stands for."""
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(node, Inert):
        kind, name = kind_of(node)
        if kind == "sparse":
            return _dense(name.rpartition(".")[2][:3], _state(node), depth + 1)
        if kind == "chumpy":
            return _chumpy(name, _state(node), depth + 1)
    return array_of(node)


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


def _whole(node: Any, depth: int) -> Any:
    values = np.atleast_1d(_array(node, depth))
    whole = values.astype(np.int64)
    if (whole != values).any():
        raise ValueError("indices that are not whole numbers")
    return whole


def _state(node: Inert) -> dict[str, Any]:
    if not isinstance(node.state, dict):
        raise ValueError(f"{node.name} without its content")
    return node.state
