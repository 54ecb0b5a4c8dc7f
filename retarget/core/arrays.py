"""Numpy arrays and torch tensors behind one interface; torch is never imported for numpy arrays."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from retarget.core.errors import InputError

Array = Any  # a numpy array or a torch tensor


def namespace(array: Array) -> Any:
    """The module, numpy or torch, whose functions take this array."""
    torch = sys.modules.get("torch")  # whoever made a tensor has imported it
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


def as_array(values: Any, name: str, *last: int) -> Array:
    """A floating tensor as it is, anything else as a float64 numpy array; its last axes checked.

    Raises:
        InputError: not numbers, an integer tensor, or other last axes.
    """
    if namespace(values) is not np:
        if not values.is_floating_point():
            raise InputError(f"{name} must be a floating tensor, got {values.dtype}")
        array = values
    else:
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as cause:
            raise InputError(f"{name} must be numbers of shape {_shape(last)}: {cause}") from None
    if array.ndim < len(last) or tuple(array.shape[array.ndim - len(last) :]) != last:
        raise InputError(f"{name} must have shape {_shape(last)}, got {tuple(array.shape)}")
    return array


def like(values: Any, array: Array) -> Array:
    """Values as an array of the same kind, dtype and device as another."""
    xp = namespace(array)
    if xp is np:
        return np.asarray(values, dtype=array.dtype)
    if isinstance(values, np.ndarray):
        values = values.copy()  # torch shares memory, and warns about what it cannot write
    return xp.as_tensor(values, dtype=array.dtype, device=array.device)


def integers_like(values: Any, array: Array) -> Array:
    """Values as int64, of the same kind and device as an array."""
    xp = namespace(array)
    if xp is np:
        return np.asarray(values, dtype=np.int64)
    return xp.as_tensor(values, dtype=xp.int64, device=array.device)


def as_numpy(array: Array) -> Any:
    """The array itself, or a tensor's numbers without its gradient."""
    return array if namespace(array) is np else array.detach().cpu().numpy()


def same_kind(names: str, *arrays: Array) -> Any:
    """The one namespace of several arrays.

    Raises:
        InputError: numpy and torch are mixed.
    """
    found = {namespace(array) for array in arrays}
    if len(found) != 1:
        raise InputError(f"{names} must all be numpy arrays or all be torch tensors")
    return found.pop()


def _shape(last: tuple[int, ...]) -> str:
    return "(..., " + ", ".join(map(str, last)) + ")"
