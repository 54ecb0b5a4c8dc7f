"""Wrist poses as users give them: checked, their rotations made exact, missing ones told apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from retarget.errors import InputError
from retarget.native_checks import real_array
from retarget.types import BoolArray, FloatArray

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
