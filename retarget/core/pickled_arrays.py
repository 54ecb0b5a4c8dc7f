"""Arrays put together from the bytes and shapes that a pickle's inert stand-ins kept."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from retarget.core.inert_pickle import Inert

DEEPEST = 8  # of arrays that are made of arrays


def array_of(node: Any) -> Any:
    """The array that a node of the inert tree stands for; a number or a list of numbers, too.

    Raises:
        ValueError, or what else numpy raises on nonsense: it is not an array of plain numbers, or
            its bytes and its shape disagree.
    """
    if not isinstance(node, Inert):
        if isinstance(node, int | float | list | tuple):
            return np.asarray(node, dtype=np.float64)
        raise ValueError(f"{named(node)} is not an array")
    kind, name = kind_of(node)
    if kind == "array":
        _, shape, dtype, fortran, raw = node.state
        return _from_bytes(raw, dtype, shape, "F" if fortran else "C")
    if kind == "buffer":
        raw, dtype, shape, order = node.args
        return _from_bytes(raw, dtype, shape, order)
    if kind == "scalar":
        return _from_bytes(node.args[1], node.args[0], (), "C")
    raise ValueError(f"{name} is not an array")


def kind_of(node: Inert) -> tuple[str, str]:
    """Kind and name of a stand-in, those of what it makes where it only makes something."""
    if node.kind == "reconstructor":
        return node.args[0].kind, node.args[0].name
    return node.kind, node.name


def named(node: Any) -> str:
    """What a node is, in a word."""
    return node.name if isinstance(node, Inert) else type(node).__name__


def objects_of(node: Inert) -> tuple[tuple[int, ...], list[Any]] | None:
    """Shape and nodes of an array of objects; None of any other."""
    if node.kind != "array" or not isinstance(node.state, tuple) or len(node.state) != 5:
        return None
    _, shape, dtype, _, items = node.state
    if not isinstance(dtype, Inert) or dtype.args[:1] not in (("O8",), ("O",)):
        return None
    if not isinstance(items, list) or not isinstance(shape, tuple):
        return None
    return shape, items


def _from_bytes(raw: Any, dtype: Any, shape: Any, order: str) -> Any:
    if isinstance(raw, Inert) and raw.kind == "text":
        raw = raw.args[0]
    if isinstance(raw, Inert) and raw.kind == "no bytes" and not raw.args:
        raw = b""
    if isinstance(raw, str):  # bytes of Python 2, read as latin-1
        raw = raw.encode("latin-1")
    return np.frombuffer(raw, dtype=dtype_of(dtype)).reshape(shape, order=order)  # type: ignore[call-overload]


def dtype_of(node: Any) -> np.dtype[Any]:
    """The number type of an inert dtype: a dtype of objects would bring code back in.

    Raises:
        ValueError: it is of anything but plain numbers.
    """
    if not isinstance(node, Inert) or node.kind != "dtype":
        raise ValueError(f"{named(node)} is not a number type")
    code, order = node.args[0], (node.state or (3, "="))[1]
    if not re.fullmatch(r"[biuf][1248]", str(code)) or order not in ("<", ">", "|", "="):
        raise ValueError(f"numbers of type {order}{code}")
    return np.dtype(f"{order}{code}")
