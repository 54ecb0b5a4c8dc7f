"""Chunks as they are averaged: whatever a policy said, checked, and the rows and hands of use."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from retarget.actions.frames import transform_action
from retarget.actions.layout import ACTION_SIZE, COMPONENTS, HANDS, Action, unpack
from retarget.actions.normalization import require_action
from retarget.core.arrays import namespace
from retarget.core.checks import RIGID_COMPUTED, are_rigid
from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray, Status

# of one hand in one row: position, rotation matrix row by row, coefficients
POSITION, ROTATION, HAND = slice(0, 3), slice(3, 12), slice(12, 12 + COMPONENTS)
NUMBERS = 12 + COMPONENTS
# what a usable number may be: metres, entries of a rotation, coefficients
_LARGEST = np.array([1e6] * 3 + [1.001] * 9 + [1e6] * COMPONENTS)


def as_chunk(said: ArrayLike | Action, T_a_camera: ArrayLike | None = None) -> Action:
    """Whatever a policy said, as a chunk (L,).

    Args:
        said: a vector (48,), vectors (L, 48), or an `Action` of either; anything may be wrong with
            the numbers.
        T_a_camera: (4, 4) rigid transform [m], None to stay in the camera's frame.

    Raises:
        InputError: another shape, no numbers at all, or wrist positions that are normalised where
            they are to be transformed.
    """
    if isinstance(said, Action):
        chunk = said if said.shape else said[None]
    else:
        vector = as_numbers(said, "an action")
        if vector.ndim not in (1, 2) or vector.shape[-1] != ACTION_SIZE or not vector.size:
            raise InputError(
                f"an action must have shape ({ACTION_SIZE},) or (L, {ACTION_SIZE}), got "
                f"{vector.shape}"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # numbers of any size may come
            chunk = unpack(vector.reshape(-1, ACTION_SIZE))
    return chunk if T_a_camera is None else transform_action(T_a_camera, chunk)


def as_numbers(said: ArrayLike, what: str) -> FloatArray:
    """Numbers as a float64 array.

    Raises:
        InputError: there are none, or they are a torch tensor with a gradient.
    """
    try:
        return np.asarray(said, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{what} must be numbers: {error}") from None


def usable_rows(chunk: Action, most: int) -> tuple[FloatArray, BoolArray]:
    """The rows of a chunk, and which hands of them can be used.

    Args:
        chunk: (L,) numpy action, not normalised.
        most: rows it may have.

    Returns:
        (L, 2, 27) numbers at the places `POSITION`, `ROTATION` and `HAND`, zeros where not usable;
        (L, 2) False where the status is MISSING_INPUT, a number is not finite or beyond 1e6, or
        there is no rotation.

    Raises:
        InputError: other batch axes, too many rows, normalised coefficients, or torch tensors.
    """
    require_action(chunk)
    if len(chunk.shape) != 1 or not 1 <= chunk.shape[0] <= most:
        raise InputError(f"a chunk must have 1 to {most} rows, got batch axes {chunk.shape}")
    if chunk.normalization is not None:
        raise InputError(f"the chunk is normalised ({chunk.normalization.kind}); undo it first")
    if namespace(chunk.translation) is not np:
        raise InputError("a chunk must be numpy arrays, got torch tensors")
    length = chunk.shape[0]
    rows = np.empty((length, HANDS, NUMBERS))
    try:
        rows[..., POSITION] = chunk.translation
        rows[..., ROTATION] = chunk.rotation.reshape(length, HANDS, 9)
        rows[..., HAND] = chunk.pca
    except ValueError:
        raise InputError(
            f"a chunk of {length} rows must have translation ({length}, 2, 3), pca ({length}, "
            f"2, {COMPONENTS}) and rotation ({length}, 2, 3, 3), got {chunk.translation.shape},"
            f" {chunk.pca.shape} and {chunk.rotation.shape}"
        ) from None
    rotation = rows[..., ROTATION].reshape(length, HANDS, 3, 3)
    within = (np.abs(rows) <= _LARGEST).all(axis=-1) & are_rigid(rotation, RIGID_COMPUTED)
    usable = np.asarray(within & (chunk.status != int(Status.MISSING_INPUT)))
    rows[~usable] = 0.0
    return rows, usable
