"""Checks of what callers give: cheap where all is right, clear where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.core.arrays import Array, as_numpy, like
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


# What a matrix may lack to be rigid, in any entry of R^T R - I or of its last row: what rounding to
# half precision, the coarsest that poses are stored in, leaves of an exact one.
RIGID = 1e-3
# The same where a policy has computed the rotation itself in half precision, bfloat16 among it.
RIGID_COMPUTED = 0.05
_NO_ROTATION, _REFLECTION = "has no orthonormal rotation", "is a reflection"
_LAST_ROW = "has a last row other than 0 0 0 1"


def rigid_faults(T: Array, tolerance: float = RIGID) -> dict[str, Array]:
    """Which matrices are no rotations or no rigid transforms, and why.

    Args:
        T: (..., 3, 3) or (..., 4, 4), numpy or torch; what is not finite is at fault.
        tolerance: `RIGID` or `RIGID_COMPUTED`.

    Returns:
        Masks (...) by what is wrong, in words that follow a name.
    """
    R = T[..., :3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        gap = abs(R.swapaxes(-1, -2) @ R - like(np.eye(3), R))
        across = R[..., 0, [1, 2, 0]] * R[..., 1, [2, 0, 1]]
        across = across - R[..., 0, [2, 0, 1]] * R[..., 1, [1, 2, 0]]
        faults = {
            _NO_ROTATION: ~(gap <= tolerance).all(-1).all(-1),
            _REFLECTION: (across * R[..., 2, :]).sum(-1) < 0.0,
        }
        if T.shape[-1] == 4:
            last = abs(T[..., 3, :] - like([0.0, 0.0, 0.0, 1.0], T))
            faults[_LAST_ROW] = ~(last <= tolerance).all(-1)
    return faults


def are_rigid(T: Array, tolerance: float = RIGID) -> Array:
    """Mask (...) of the rotations or rigid transforms among matrices, see `rigid_faults`."""
    return ~reduce(or_, rigid_faults(T, tolerance).values())


def require_rigid(T: Array, name: str, where: BoolArray | None = None) -> None:
    """Refuse transforms (..., 4, 4), numpy or torch, that are not rigid.

    Args:
        T: the transforms; what is not finite is refused too.
        name: what to call them.
        where: (...) which ones are looked at; all where None.

    Raises:
        InputError: naming the first that is not rigid and what it lacks.
    """
    for what, found in rigid_faults(T).items():
        bad = np.asarray(as_numpy(found))
        bad = bad if where is None else bad & where
        if bad.any():
            at = first_index(bad)
            raise InputError(
                f"{name} {what}" + (f" at index {at}" if at else ""), index=at, value=T[at]
            )


def missing_poses(T: Array, name: str, where: BoolArray | None = None) -> BoolArray:
    """Which transforms (..., 4, 4), numpy, are missing, that is, have entries that are not finite.

    All others must be rigid; the arguments are those of `require_rigid`.

    Raises:
        InputError: one is not; its index is reported.
    """
    known = np.asarray(np.isfinite(T).all(axis=(-2, -1)))
    require_rigid(T, name, known if where is None else known & where)
    return ~known


def nearest_rotations(R: FloatArray) -> FloatArray:
    """The exact rotations (..., 3, 3) nearest to some within `RIGID`: Newton's iteration."""
    for _ in range(3):
        R = 1.5 * R - 0.5 * R @ np.swapaxes(R, -1, -2) @ R
    return R


def read_poses(values: ArrayLike, name: str) -> tuple[FloatArray, BoolArray]:
    """Read rigid transforms; the given array is not modified.

    Args:
        values: (..., 4, 4) transforms [m].
        name: what to call them in messages.

    Returns:
        The transforms (..., 4, 4) with the nearest exact rotations, the identity for missing ones,
        and which are missing (...), that is, have entries that are not finite.

    Raises:
        InputError: the shape is wrong, or a finite matrix is no rigid transform; its index is
            reported.
    """
    T = np.array(real_array(values, name))
    if T.ndim < 2 or T.shape[-2:] != (4, 4):
        raise InputError(f"{name} must have shape (..., 4, 4), got {T.shape}")
    missing = missing_poses(T, name)
    T[missing] = np.eye(4)
    T[..., :3, :3], T[..., 3, :] = nearest_rotations(T[..., :3, :3]), [0.0, 0.0, 0.0, 1.0]
    return T, missing


def first_index(mask: BoolArray) -> tuple[int, ...]:
    """Index of the first true entry."""
    return tuple(int(i) for i in np.argwhere(mask)[0])
