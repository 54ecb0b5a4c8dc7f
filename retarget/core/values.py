"""Frozen dataclasses that hold arrays: when they are equal, and how blocks of one are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from retarget.core.arrays import as_numpy, namespace

T = TypeVar("T")


class ArrayValue:
    """Base of dataclasses (``eq=False``) that are equal where all fields are.

    Arrays are equal where shapes and numbers are, NaN to NaN; a tensor equals no array. Such values
    have no hash.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )


def _same(a: Any, b: Any) -> bool:
    if not (hasattr(a, "dtype") and hasattr(a, "shape")):
        return type(a) is type(b) and bool(a == b)
    if not hasattr(b, "dtype") or namespace(a) is not namespace(b):
        return False
    one, other = np.asarray(as_numpy(a)), np.asarray(as_numpy(b))
    real = one.dtype.kind == other.dtype.kind == "f"
    return bool(np.array_equal(one, other, equal_nan=real))


def joined(blocks: Sequence[T]) -> T:
    """Successive blocks of one motion as one: a frozen dataclass whose arrays begin with frames.

    Fields that are dataclasses are joined likewise; what is no array is taken from the first.
    """
    first: Any = blocks[0]
    if len(blocks) == 1:
        return blocks[0]
    values = {}
    for field in fields(first):
        parts = [getattr(block, field.name) for block in blocks]
        if is_dataclass(parts[0]):
            values[field.name] = joined(parts)
        elif isinstance(parts[0], np.ndarray):
            values[field.name] = np.concatenate(parts)
        else:
            values[field.name] = parts[0]
    result: T = type(first)(**values)
    return result
