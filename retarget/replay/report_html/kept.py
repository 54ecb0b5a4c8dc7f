"""What the report keeps of a replay while it runs: every frame, joined at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


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
