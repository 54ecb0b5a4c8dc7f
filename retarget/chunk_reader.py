"""A policy's vectors as actions in the world frame, in a few array operations: for control loops.

The same as `retarget.actions.unpack` and `to_world`, which it leaves all unusual input to.
"""

from __future__ import annotations

import numpy as np

from retarget.actions import ACTION_FIELDS, ACTION_SIZE, Action, transform_action, unpack
from retarget.errors import InputError
from retarget.types import SIDES, FloatArray, Status

# squared lengths of rot6d columns, and least squared sine between them, that need no second look
_SQUARE_LEAST, _SQUARE_MOST, _SINE2_LEAST = 1e-4, 1e4, 1e-6

_TRANSLATION, _PCA, _ROT6D = (field.place for field in ACTION_FIELDS.values())


def read_chunk(vector: FloatArray, T_world_camera: FloatArray | None) -> Action:
    """Vectors (L, 48) in a camera's frame as an action in the world frame.

    Args:
        vector: (L, 48); anything may be wrong with the numbers.
        T_world_camera: (4, 4) rigid transform [m]; None where the vectors are in the world frame.

    Raises:
        InputError: another shape.
    """
    if vector.ndim != 2 or vector.shape[1] != ACTION_SIZE:
        raise InputError(f"a chunk must have shape (L, {ACTION_SIZE}), got {vector.shape}")
    length, hands = len(vector), len(SIDES)
    # [axis, (position, first column, second column), row, hand]
    points = np.empty((3, 3, length, hands))
    points[:, 0] = vector[:, _TRANSLATION].reshape(length, hands, 3).transpose(2, 0, 1)
    points[:, 1:] = vector[:, _ROT6D].reshape(length, hands, 2, 3).transpose(3, 2, 0, 1)
    if not np.isfinite(vector.sum()):
        return _unusual(vector, T_world_camera)
    if T_world_camera is not None:
        points = (T_world_camera[:3, :3] @ points.reshape(3, -1)).reshape(points.shape)
        points[:, 0] += T_world_camera[:3, 3, None, None]
    a, b = points[:, 1], points[:, 2]
    aa = np.einsum("ilh,ilh->lh", a, a)
    ab = np.einsum("ilh,ilh->lh", a, b)
    bb = np.einsum("ilh,ilh->lh", b, b)
    area = aa * bb
    if (
        min(aa.min(), bb.min()) < _SQUARE_LEAST
        or max(aa.max(), bb.max()) > _SQUARE_MOST
        or (area - ab * ab - _SINE2_LEAST * area).min() < 0.0
    ):
        return _unusual(vector, T_world_camera)
    rotation = np.empty((length, hands, 3, 3))
    x = a / np.sqrt(aa)
    y = b - (ab / aa) * a
    y /= np.sqrt(np.einsum("ilh,ilh->lh", y, y))
    rotation[..., 0], rotation[..., 1] = x.transpose(1, 2, 0), y.transpose(1, 2, 0)
    rotation[..., 0, 2] = x[1] * y[2] - x[2] * y[1]
    rotation[..., 1, 2] = x[2] * y[0] - x[0] * y[2]
    rotation[..., 2, 2] = x[0] * y[1] - x[1] * y[0]
    return Action(
        translation=points[:, 0].transpose(1, 2, 0),
        pca=vector[:, _PCA].reshape(length, hands, -1),
        rotation=rotation,
        status=np.full((length, hands), int(Status.OK)),
    )


def _unusual(vector: FloatArray, T_world_camera: FloatArray | None) -> Action:
    """Rows and hands that are not usable become MISSING_INPUT."""
    with np.errstate(over="ignore", invalid="ignore"):
        action = unpack(vector)
        return action if T_world_camera is None else transform_action(T_world_camera, action)
