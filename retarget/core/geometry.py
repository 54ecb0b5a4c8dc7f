"""Rotations and rigid transforms, batched over any leading axes (float64, radians, metres).

Rotations are 3x3 matrices acting on columns. Quaternions are named by their order. ``rot6d`` is the
first column, then the second column of the matrix (Zhou et al. 2019, "On the Continuity of Rotation
Representations in Neural Networks").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.types import FloatArray


def _last_axes(values: ArrayLike, shape: tuple[int, ...], name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape[array.ndim - len(shape) :] != shape or array.ndim < len(shape):
        wanted = ", ".join(map(str, shape))
        raise InputError(f"{name} must have shape (..., {wanted}), got {array.shape}")
    return array


def skew(v: ArrayLike) -> FloatArray:
    """Cross-product matrices: (..., 3) -> (..., 3, 3) with ``skew(a) @ b == cross(a, b)``."""
    v = _last_axes(v, (3,), "v")
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    o = np.zeros_like(x)
    return np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*v.shape[:-1], 3, 3)


def rotation_from_rotvec(rotvec: ArrayLike) -> FloatArray:
    """Rodrigues' formula: (..., 3) rotation vectors [rad] -> (..., 3, 3)."""
    w = _last_axes(rotvec, (3,), "rotvec")
    angle2 = np.sum(w * w, axis=-1)[..., None, None]
    angle = np.sqrt(angle2)
    small = angle2 < 1e-8
    safe = np.where(small, 1.0, angle)
    a = np.where(small, 1.0 - angle2 / 6.0, np.sin(safe) / safe)
    # sin(x/2)^2 keeps full precision where 1 - cos(x) cancels
    b = np.where(small, 0.5 - angle2 / 24.0, 2.0 * np.sin(safe / 2.0) ** 2 / safe**2)
    k = skew(w)
    return np.asarray(np.eye(3) + a * k + b * (k @ k))


def rotation_from_rpy(rpy: ArrayLike) -> FloatArray:
    """Roll, pitch, yaw (..., 3) [rad] -> (..., 3, 3): ``Rz(yaw) Ry(pitch) Rx(roll)``, as URDF."""
    angles = _last_axes(rpy, (3,), "rpy")
    roll, pitch, yaw = (rotation_from_rotvec(angles[..., k, None] * np.eye(3)[k]) for k in range(3))
    return np.asarray(yaw @ pitch @ roll)


def rotvec_from_rotation(rotation: ArrayLike) -> FloatArray:
    """(..., 3, 3) -> (..., 3) rotation vectors of angle in [0, pi]."""
    q = quat_wxyz_from_rotation(rotation)
    vector = q[..., 1:]
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    small = sine < 1e-10
    factor = np.where(small, 2.0, angle / np.where(small, 1.0, sine))
    return np.asarray(factor * vector)


def rotation_from_quat_wxyz(quat_wxyz: ArrayLike) -> FloatArray:
    """Quaternions (..., 4), scalar first, of any non-zero length -> (..., 3, 3).

    Raises:
        InputError: a quaternion has zero length or is not finite.
    """
    q = _last_axes(quat_wxyz, (4,), "quat_wxyz")
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    if not np.all(np.isfinite(norm) & (norm > 0.0)):
        raise InputError("quat_wxyz must be finite and non-zero")
    q = q / norm
    w, v = q[..., :1, None], q[..., 1:]
    k = skew(v)
    return np.asarray(np.eye(3) + 2.0 * w * k + 2.0 * (k @ k))


def quat_wxyz_from_rotation(rotation: ArrayLike) -> FloatArray:
    """(..., 3, 3) -> unit quaternions (..., 4), scalar first, scalar >= 0.

    Of the four equivalent formulas the one with the largest pivot is taken (Shepperd 1978).
    """
    r = _last_axes(rotation, (3, 3), "rotation")
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    xy, yx, xz = r[..., 0, 1], r[..., 1, 0], r[..., 0, 2]
    zx, yz, zy = r[..., 2, 0], r[..., 1, 2], r[..., 2, 1]
    candidates = np.stack(
        [
            np.stack([1 + xx + yy + zz, zy - yz, xz - zx, yx - xy], axis=-1),
            np.stack([zy - yz, 1 + xx - yy - zz, xy + yx, xz + zx], axis=-1),
            np.stack([xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy], axis=-1),
            np.stack([yx - xy, xz + zx, yz + zy, 1 - xx - yy + zz], axis=-1),
        ],
        axis=-2,
    )
    pivots = np.stack([xx + yy + zz, xx - yy - zz, yy - xx - zz, zz - xx - yy], axis=-1)
    pick = np.argmax(pivots, axis=-1)[..., None, None]
    q = np.take_along_axis(candidates, pick, axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.asarray(np.where(q[..., :1] < 0.0, -q, q))


def rot6d_from_rotation(rotation: ArrayLike) -> FloatArray:
    """(..., 3, 3) -> (..., 6): first column, then second column."""
    r = _last_axes(rotation, (3, 3), "rotation")
    return np.concatenate([r[..., :, 0], r[..., :, 1]], axis=-1)


def rotation_from_rot6d(rot6d: ArrayLike) -> FloatArray:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt on the two columns.

    Raises:
        InputError: a column is zero, or the two are parallel.
    """
    d = _last_axes(rot6d, (6,), "rot6d")
    a, b = d[..., :3], d[..., 3:]
    x_norm = np.linalg.norm(a, axis=-1, keepdims=True)
    if not np.all(x_norm > 1e-12):
        raise InputError("rot6d: the first column is zero or not finite")
    x = a / x_norm
    y = b - np.sum(x * b, axis=-1, keepdims=True) * x
    y_norm = np.linalg.norm(y, axis=-1, keepdims=True)
    if not np.all(y_norm > 1e-12 * np.linalg.norm(b, axis=-1, keepdims=True)):
        raise InputError("rot6d: the two columns are parallel, zero or not finite")
    y = y / y_norm
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def rotation_angle(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Angle between rotations (..., 3, 3) and (..., 3, 3), 0 to pi [rad].

    ``2 asin(|A - B|_F / sqrt 8)`` is accurate near zero, where acos of the trace is not.
    """
    a, b = _last_axes(a, (3, 3), "a"), _last_axes(b, (3, 3), "b")
    chord = np.sqrt(np.sum((a - b) ** 2, axis=(-2, -1)) / 8.0)
    return np.asarray(2.0 * np.arcsin(np.minimum(chord, 1.0)))


def transform(rotation: ArrayLike, translation: ArrayLike) -> FloatArray:
    """Rotation (..., 3, 3) and translation (..., 3) [m] -> (..., 4, 4); leading axes broadcast."""
    r = _last_axes(rotation, (3, 3), "rotation")
    t = _last_axes(translation, (3,), "translation")
    lead = np.broadcast_shapes(r.shape[:-2], t.shape[:-1])
    out = np.zeros((*lead, 4, 4))
    out[..., :3, :3] = r
    out[..., :3, 3] = t
    out[..., 3, 3] = 1.0
    return out


def transform_inverse(T_a_b: ArrayLike) -> FloatArray:
    """(..., 4, 4) ``T_a_b`` -> ``T_b_a``."""
    T = _last_axes(T_a_b, (4, 4), "T_a_b")
    rotation = np.swapaxes(T[..., :3, :3], -1, -2)
    return transform(rotation, -(rotation @ T[..., :3, 3:])[..., 0])


def transform_points(T_a_b: ArrayLike, points: ArrayLike) -> FloatArray:
    """Points (..., P, 3) of frame b [m] into frame a, a transform (..., 4, 4) for each set of P."""
    T = _last_axes(T_a_b, (4, 4), "T_a_b")
    p = _last_axes(points, (3,), "points")
    return np.asarray(p @ np.swapaxes(T[..., :3, :3], -1, -2) + T[..., None, :3, 3])


def transform_from_pose_wxyz(pose: ArrayLike) -> FloatArray:
    """Rows ``x y z qw qx qy qz`` (..., 7) [m] -> (..., 4, 4)."""
    p = _last_axes(pose, (7,), "pose")
    return transform(rotation_from_quat_wxyz(p[..., 3:]), p[..., :3])


def pose_wxyz_from_transform(T_a_b: ArrayLike) -> FloatArray:
    """(..., 4, 4) -> rows ``x y z qw qx qy qz`` (..., 7) [m]."""
    T = _last_axes(T_a_b, (4, 4), "T_a_b")
    return np.concatenate([T[..., :3, 3], quat_wxyz_from_rotation(T[..., :3, :3])], axis=-1)
