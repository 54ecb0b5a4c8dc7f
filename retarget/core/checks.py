"""Checks of what goes into the native core: cheap where all is right, clear where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray

DTYPES = ("float64", "float32")
Result = TypeVar("Result")


def call(function: Callable[..., Result], *args: Any) -> Result:
    """Call into the core; what it refuses is the caller's input."""
    try:
        return function(*args)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(str(error)) from None


def numbers(values: ArrayLike, name: str) -> FloatArray:
    """As contiguous float64, untouched where it is that already."""
    if type(values) is np.ndarray and values.dtype == np.float64 and values.flags.c_contiguous:
        return values
    return np.ascontiguousarray(real_array(values, name))


def real_array(values: ArrayLike, name: str) -> FloatArray:
    """As float64, untouched where it is that; text, booleans and complex numbers are refused."""
    if type(values) is np.ndarray and values.dtype == np.float64:
        return values
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} must be an array of numbers: {error}") from None
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def pair(name: str, values: Any) -> tuple[Any, Any]:
    """Exactly two values."""
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise InputError(f"{name} must be two values, got {values!r}")
    return values[0], values[1]


def is_single(dtype: str) -> bool:
    """Whether a dtype's name, one of `DTYPES`, is that of single precision."""
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    return dtype == "float32"


def optional(values: ArrayLike | None, name: str) -> FloatArray | None:
    """`numbers`, or None as it is."""
    return None if values is None else numbers(values, name)


def real(name: str, value: float) -> float:
    """A number, as a float."""
    if type(value) is float:
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise InputError(f"{name} must be a number, got {value!r}")
    return float(value)


def whole(name: str, value: int, least: int) -> int:
    """A whole number, at least ``least``."""
    if type(value) is not int and (
        isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer))
    ):
        raise InputError(f"{name} must be a whole number, got {value!r}")
    if not least <= value < 2**31:
        raise InputError(f"{name} must be at least {least} and less than 2**31, got {value}")
    return int(value)


def indices(name: str, values: Sequence[int], count: int) -> NDArray[np.intp]:
    """Whole numbers from 0 to ``count`` - 1."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} must be whole numbers: {error}") from None
    if array.shape == (0,):
        array = array.astype(np.intp)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{name} must be whole numbers, got {values!r}")
    if np.any((array < 0) | (array >= count)):
        raise InputError(f"{name} must be 0 to {count - 1}, got {array.tolist()}")
    return array.astype(np.intp)


ORTHONORMAL = 1e-4  # largest entry of R^T R - I taken for rounding


def read_poses(values: ArrayLike, name: str) -> tuple[FloatArray, BoolArray]:
    """Read rigid transforms; the given array is not modified.

    Args:
        values: (..., 4, 4) transforms [m].
        name: what to call them in messages.

    Returns:
        The transforms (..., 4, 4) with the nearest exact rotations, the identity for missing ones,
        and which are missing (...), that is, have entries that are not finite.

    Raises:
        InputError: the shape is wrong, or a finite matrix is no rigid transform; its index is told.
    """
    T = np.array(real_array(values, name))
    if T.ndim < 2 or T.shape[-2:] != (4, 4):
        raise InputError(f"{name} must have shape (..., 4, 4), got {T.shape}")
    missing = ~np.all(np.isfinite(T), axis=(-2, -1))
    T[missing] = np.eye(4)
    R, last = T[..., :3, :3], np.array([0.0, 0.0, 0.0, 1.0])
    error = np.max(np.abs(np.swapaxes(R, -1, -2) @ R - np.eye(3)), axis=(-2, -1))
    for what, bad in (
        ("has no orthonormal rotation", error > ORTHONORMAL),
        ("is a reflection", np.linalg.det(R) < 0.0),
        ("has a last row other than 0 0 0 1", np.max(np.abs(T[..., 3, :] - last), axis=-1) > 1e-6),
    ):
        if np.any(bad):
            where = first_index(bad)
            raise InputError(
                f"{name} {what}" + (f" at index {where}" if where else ""),
                index=where,
                value=T[where],
            )
    for _ in range(2):  # Newton's iteration to the nearest rotation
        R = 1.5 * R - 0.5 * R @ np.swapaxes(R, -1, -2) @ R
    T[..., :3, :3], T[..., 3, :] = R, last
    return T, missing


def first_index(mask: BoolArray) -> tuple[int, ...]:
    """Index of the first true entry."""
    return tuple(int(i) for i in np.argwhere(mask)[0])
