"""Equality of frozen dataclasses that hold arrays."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

import numpy as np

from retarget.core.arrays import as_numpy, namespace


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
