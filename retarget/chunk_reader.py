"""A policy's vectors as actions, in a few array operations: for control loops.

The same as `retarget.actions.unpack`, which all unusual numbers are left to.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.actions import ACTION_FIELDS, ACTION_SIZE, Action, transform_action, unpack
from retarget.errors import InputError
from retarget.types import SIDES, FloatArray, IntArray, Status

# squared lengths of rot6d columns, and squared sine between them, that need no second look
_SQUARE_LEAST, _SQUARE_MOST, _SINE2_LEAST = 1e-4, 1e4, 1e-6
_RIGID = 1e-6
_HANDS = len(SIDES)
_XYZXY = (0, 1, 2, 0, 1)  # with the first two repeated, neighbours are slices

_TRANSLATION, _PCA, _ROT6D = (field.place for field in ACTION_FIELDS.values())


def read_action(action: ArrayLike | Action, T_a_camera: FloatArray | None = None) -> Action:
    """Whatever a policy said as a chunk (L,).

    Args:
        action: a vector (48,), vectors (L, 48), or an `Action` of either; anything may be wrong
            with the numbers.
        T_a_camera: (4, 4) rigid transform [m], None to stay in the camera's frame.

    Raises:
        InputError: another shape, no numbers at all, or a normalised `Action`.
    """
    if isinstance(action, Action):
        moved = action if T_a_camera is None else transform_action(T_a_camera, action)
        return moved if moved.shape else moved[None]
    try:
        vector = np.asarray(action, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"an action must be numbers: {error}") from None
    return read_chunk(vector[None] if vector.ndim == 1 else vector, T_a_camera)


def rigid(T_a_b: ArrayLike) -> FloatArray:
    """A transform (4, 4) [m].

    Raises:
        InputError: another shape, numbers that are not finite, or it is not rigid.
    """
    T = np.asarray(T_a_b, dtype=np.float64)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise InputError(f"a camera's pose must be a finite (4, 4) transform, got {T.shape}")
    R = T[:3, :3]
    if np.abs(R @ R.T - np.eye(3)).max() > _RIGID or np.linalg.det(R) < 0.0:
        raise InputError("a camera's pose must be a rigid transform")
    return T


def read_chunk(vector: FloatArray, T_a_camera: FloatArray | None = None) -> Action:
    """Vectors (L, 48) in a camera's frame as an action in that frame, or in frame a.

    Args:
        vector: (L, 48); anything may be wrong with the numbers.
        T_a_camera: (4, 4) rigid transform [m], None to stay in the camera's frame.

    Raises:
        InputError: another shape.
    """
    if vector.ndim != 2 or vector.shape[1] != ACTION_SIZE or not len(vector):
        raise InputError(
            f"an action must have shape ({ACTION_SIZE},) or (L, {ACTION_SIZE}), got {vector.shape}"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # numbers of any size may come
        action = _usual(vector)
        if action is None:
            action = unpack(vector)
    return action if T_a_camera is None else transform_action(T_a_camera, action)


def _usual(vector: FloatArray) -> Action | None:
    """The action of numbers that leave no doubt, None of others."""
    length = len(vector)
    ones, places, status = _tables(length)
    # a NaN or an infinity reaches the sum
    if not math.isfinite(np.ravel(vector).dot(ones)):
        return None
    columns = vector.take(places)  # [x y z x y, column, row, hand]
    xyz = columns[:3]
    squares = np.add.reduce(xyz * xyz)
    if not (squares.min() > _SQUARE_LEAST and squares.max() < _SQUARE_MOST):
        return None
    columns /= np.sqrt(squares)
    x, y = columns[:, 0], columns[:, 1]
    y -= np.add.reduce(x[:3] * y[:3]) * x
    squares = np.add.reduce(y[:3] * y[:3])
    if not squares.min() > _SINE2_LEAST:
        return None
    y /= np.sqrt(squares)
    rotation = np.empty((length, _HANDS, 3, 3))
    rotation[..., 0], rotation[..., 1] = x[:3].transpose(1, 2, 0), y[:3].transpose(1, 2, 0)
    rotation[..., 2] = (x[1:4] * y[2:5] - x[2:5] * y[1:4]).transpose(1, 2, 0)
    return Action(
        translation=vector[:, _TRANSLATION].reshape(length, _HANDS, 3),
        pca=vector[:, _PCA].reshape(length, _HANDS, -1),
        rotation=rotation,
        status=status,
    )


@lru_cache(maxsize=64)
def _tables(length: int) -> tuple[FloatArray, NDArray[np.intp], IntArray]:
    """For chunks of so many rows: ones; places of rot6d in the flat vector; statuses, all OK."""
    rows = np.arange(length * ACTION_SIZE).reshape(length, ACTION_SIZE)[:, _ROT6D]
    places = rows.reshape(length, _HANDS, 2, 3).transpose(3, 2, 0, 1)[list(_XYZXY)]
    status = np.full((length, _HANDS), int(Status.OK))
    status.setflags(write=False)
    return np.ones(length * ACTION_SIZE), np.ascontiguousarray(places, dtype=np.intp), status
