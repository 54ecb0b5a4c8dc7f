"""Rotations and rigid transforms, batched over any leading axes (float64, radians, metres).

Rotations are 3x3 matrices acting on columns. Quaternions are named by their order. ``rot6d`` is the
first column, then the second column of the matrix (Zhou et al. 2019, "On the Continuity of Rotation
Representations in Neural Networks"). Functions that say so take torch tensors too and keep them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.arrays import Array, as_array, like, namespace
from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray

# of the two columns of a rot6d, which should be of length 1 and perpendicular
_SHORTEST, _LONGEST = 1e-6, 1e6
_PARALLEL = 1e-3  # least sine of the angle between them
_IDENTITY_6D = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
_NEXT, _AFTER = [1, 2, 0], [2, 0, 1]  # of a cross product


def _last_axes(values: ArrayLike, shape: tuple[int, ...], name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape[array.ndim - len(shape) :] != shape or array.ndim < len(shape):
        wanted = ", ".join(map(str, shape))
        raise InputError(f"{name} must have shape (..., {wanted}), got {array.shape}")
    return array


def lengths(vectors: FloatArray) -> FloatArray:
    """Euclidean lengths (...) of vectors (..., D), short ones in several times norm()'s pace."""
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)))


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
    """(..., 3, 3) -> (..., 3) rotation vectors of angle 0 to pi [rad], numpy or torch."""
    if namespace(rotation) is not np:
        vectors: FloatArray = _torch_rotvec(rotation)
        return vectors
    q = quat_wxyz_from_rotation(rotation)
    vector = q[..., 1:]
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    small = sine < 1e-10
    factor = np.where(small, 2.0, angle / np.where(small, 1.0, sine))
    return np.asarray(factor * vector)


def _torch_rotvec(rotation: Array) -> Array:
    """`rotvec_from_rotation` with gradients that are finite at every angle."""
    xp = namespace(rotation)
    q = _quaternion(rotation)
    q = q * xp.where(q[..., :1] < 0, -1.0, 1.0)
    vector = q[..., 1:]
    square = (vector * vector).sum(-1, keepdims=True)
    small = square < 1e-20 * q[..., :1] ** 2
    sine = xp.where(small, 1.0, square) ** 0.5
    factor = xp.where(
        small, 2.0 / xp.where(small, q[..., :1], 1.0), 2.0 * xp.arctan2(sine, q[..., :1]) / sine
    )
    return factor * vector


def rotation_from_quat_wxyz(quat_wxyz: ArrayLike) -> FloatArray:
    """Quaternions (..., 4), scalar first, of any non-zero length -> (..., 3, 3).

    Raises:
        InputError: a quaternion has zero length or is not finite.
    """
    q = _last_axes(quat_wxyz, (4,), "quat_wxyz")
    norm = lengths(q)
    if not np.all(np.isfinite(norm) & (norm > 0.0)):
        raise InputError("quat_wxyz must be finite and non-zero")
    w, x, y, z = np.moveaxis(q, -1, 0) / norm
    rotation = np.empty((*norm.shape, 3, 3))
    # I + 2 w [v] + 2 [v]^2, entry by entry
    for row, entries in enumerate(
        (
            (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)),
            (2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)),
            (2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)),
        )
    ):
        for column, entry in enumerate(entries):
            rotation[..., row, column] = entry
    return rotation


def quat_wxyz_from_rotation(rotation: ArrayLike) -> FloatArray:
    """(..., 3, 3) -> unit quaternions (..., 4), scalar first, scalar >= 0."""
    q = _quaternion(_last_axes(rotation, (3, 3), "rotation"))
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.asarray(np.where(q[..., :1] < 0.0, -q, q))


def _quaternion(r: Array) -> Array:
    """Quaternions (..., 4) of some length and sign, scalar first, numpy or torch.

    Of the four equivalent formulas the one with the largest pivot is taken (Shepperd 1978).
    """
    xp = namespace(r)
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    xy, yx, xz = r[..., 0, 1], r[..., 1, 0], r[..., 0, 2]
    zx, yz, zy = r[..., 2, 0], r[..., 1, 2], r[..., 2, 1]
    rows = (
        [1 + xx + yy + zz, zy - yz, xz - zx, yx - xy],
        [zy - yz, 1 + xx - yy - zz, xy + yx, xz + zx],
        [xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy],
        [yx - xy, xz + zx, yz + zy, 1 - xx - yy + zz],
    )
    candidates = xp.stack([xp.stack(row, -1) for row in rows], -2)
    pivots = xp.stack([xx + yy + zz, xx - yy - zz, yy - xx - zz, zz - xx - yy], -1)
    pick = pivots.argmax(-1)[..., None, None]
    take = np.take_along_axis if xp is np else xp.take_along_dim
    return take(candidates, pick, -2)[..., 0, :]


def rot6d_from_rotation(rotation: ArrayLike) -> FloatArray:
    """(..., 3, 3) -> (..., 6): first column, then second column, numpy or torch."""
    r = as_array(rotation, "rotation", 3, 3)
    both: FloatArray = namespace(r).concatenate([r[..., :, 0], r[..., :, 1]], -1)
    return both


def rotation_from_rot6d(rot6d: ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Rotations (..., 3, 3) of (..., 6) by Gram-Schmidt on the columns, numpy or torch.

    Degenerate is what has a column shorter than 1e-6 or longer than 1e6, or the two within 1e-3 rad
    of parallel, or a number that is not finite. With torch, gradients are finite everywhere.

    Returns:
        The rotations, the identity where degenerate; and where they are not (...).
    """
    d = as_array(rot6d, "rot6d", 6)
    xp = namespace(d)
    if xp is np:
        with np.errstate(all="ignore"):
            rotation, sound = _gram_schmidt(d)
        if not sound.all():
            rotation = np.where(sound[..., None, None], rotation, np.eye(3))
        return rotation, sound
    with xp.no_grad():
        sound = _gram_schmidt(d)[1]
    return _gram_schmidt(xp.where(sound[..., None], d, like(_IDENTITY_6D, d)))[0], sound


def _gram_schmidt(rot6d: Array) -> tuple[Array, Array]:
    """Rotations, and where they are sound; anything where not."""
    a, b = rot6d[..., :3], rot6d[..., 3:]
    length2, other2 = _dot(a, a), _dot(b, b)
    x = a / length2[..., None] ** 0.5
    across = b - _dot(x, b)[..., None] * x
    across2 = _dot(across, across)
    y = across / across2[..., None] ** 0.5
    z = x[..., _NEXT] * y[..., _AFTER] - x[..., _AFTER] * y[..., _NEXT]
    sound = (
        (length2 > _SHORTEST**2)
        & (length2 < _LONGEST**2)
        & (other2 > _SHORTEST**2)
        & (other2 < _LONGEST**2)
        & (across2 > _PARALLEL**2 * other2)
    )
    return namespace(rot6d).stack([x, y, z], -1), sound


def _dot(a: Array, b: Array) -> Array:
    return namespace(a).einsum("...i,...i->...", a, b)


def rotation_angle(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Angle between rotations (..., 3, 3) and (..., 3, 3), 0 to pi [rad].

    ``2 asin(|A - B|_F / sqrt 8)`` is accurate near zero, where acos of the trace is not.
    """
    a, b = _last_axes(a, (3, 3), "a"), _last_axes(b, (3, 3), "b")
    chord = np.sqrt(np.sum((a - b) ** 2, axis=(-2, -1)) / 8.0)
    return np.asarray(2.0 * np.arcsin(np.minimum(chord, 1.0)))


def angle_between(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Angle between vectors (..., 3) and (..., 3), 0 to pi [rad]; NaN where one has no length.

    ``2 atan2(|a' - b'|, |a' + b'|)`` of the unit vectors, accurate at every angle (Kahan 2006).
    """
    a, b = _last_axes(a, (3,), "a"), _last_axes(b, (3,), "b")
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = a / lengths(a)[..., None], b / lengths(b)[..., None]
    return np.asarray(2.0 * np.arctan2(lengths(a - b), lengths(a + b)))


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
    """(..., 4, 4) ``T_a_b`` -> ``T_b_a``, numpy or torch."""
    T = as_array(T_a_b, "T_a_b", 4, 4)
    xp = namespace(T)
    rotation = T[..., :3, :3].swapaxes(-1, -2)
    top = xp.concatenate([rotation, -(rotation @ T[..., :3, 3:])], -1)
    inverse: FloatArray = xp.concatenate([top, T[..., 3:, :]], -2)
    return np.ascontiguousarray(inverse) if xp is np else inverse  # not transposed as `top` is


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
