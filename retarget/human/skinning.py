"""Linear blend skinning of chosen points of a hand, and its exact Jacobian, in numpy or torch.

The formula is MANO's (Romero, Tzionas and Black 2017), for the root at identity: joint k carries
the rotation ``G_k``, the product of the rotations from the root down to it, and lands on ``t_k``; a
point ``v``, displaced by the shape and pose blend shapes, lands on
``sum_k w_k (G_k (v - J_k) + t_k)``.

Every function takes the array namespace `xp` (the module numpy or torch) and uses what both share,
so that there is one implementation. Batch axes lead; torch arrays keep their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

from retarget.core.arrays import Array
from retarget.core.types import BoolArray, IntArray
from retarget.human.hand_model import HandModel
from retarget.human.mano_format import FEATURES, JOINTS

CHAINS, SEGMENTS = 5, 3  # the tree below the root: five chains of three joints, in MANO's order

# sin(x)/x, (1 - cos x)/x^2 and (x - sin x)/x^3 as series in -x^2
_SERIES = [[1.0 / factorial(2 * n + k) for n in range(9)] for k in (1, 2, 3)]


def rotation_factors(xp: Any, angle2: Array) -> tuple[Array, Array, Array]:
    """``sin(x)/x``, ``(1 - cos x)/x^2``, ``(x - sin x)/x^3`` of ``x^2``; smooth at zero."""
    small = angle2 < 1.0
    one = xp.ones_like(angle2)
    series = []
    for coefficients in _SERIES:
        total = coefficients[-1] * one
        for coefficient in reversed(coefficients[:-1]):
            total = coefficient - angle2 * total
        series.append(total)
    # the branch not taken must stay finite, or its gradient would be nan
    s = xp.where(small, one, angle2)
    x = xp.sqrt(s)
    sinc = xp.sin(x) / x
    half = xp.sin(0.5 * x)
    closed = (sinc, 2.0 * half * half / s, (1.0 - sinc) / s)
    a, b, c = (xp.where(small, near, far) for near, far in zip(series, closed, strict=True))
    return a, b, c


def about(xp: Any, w: Array, p: Array, q: Array) -> Array:
    """``p [w]x + q [w]x^2``, (..., 3, 3): a rotation or a left Jacobian, less the identity."""
    x, y, z = w[..., 0], w[..., 1], w[..., 2]
    px, py, pz, qx, qy, qz = p * x, p * y, p * z, q * x, q * y, q * z
    xy, yz, zx = qx * y, qy * z, qz * x
    # written out: [w]x^2 has no part that cancels
    rows = [-qy * y - qz * z, xy - pz, zx + py, xy + pz, -qz * z - qx * x, yz - px]
    rows += [zx - py, yz + px, -qx * x - qy * y]
    return xp.stack(rows, -1).reshape(*w.shape, 3)


def rotation_minus_identity(xp: Any, rotvec: Array) -> Array:
    """Rodrigues' formula less the identity, (..., 3) [rad] -> (..., 3, 3), without cancellation."""
    angle2 = (rotvec * rotvec).sum(-1)
    a, b, _ = rotation_factors(xp, angle2)
    return about(xp, rotvec, a, b)


@dataclass(frozen=True)
class Constants:
    """What skinning needs to know of P points, as arrays of one backend.

    Attributes:
        template: (P, 3) rest positions [m].
        shapedirs: (P, 3, S) displacement per shape coefficient [m].
        posedirs: (P * 3, 135) displacement per rotation feature [m], or None if all are zero.
        weights: (P, 15) weights of joints 1..15.
        root_weight: (P, 1, 1) weight of the root.
        joints: (16, 3) rest joints [m]; joint_shapedirs: (16, 3, S).
        movers: (P, n) the joints, less one, that carry each point; filled up with idle ones.
        below: (P * n, 15) weight that a point gives to each joint at or below its mover.
        above: (P, 3 n, 3 n) one where the row's mover is strictly above the column's, else zero.
        benders: (P, m) the joints, less one, whose rotation displaces each point at rest.
        swing: (P * m, 9, 9) from a bender's rotation to the torque of that displacement.
        eye: (3, 3) identity.
    """

    template: Array
    shapedirs: Array
    posedirs: Array | None
    weights: Array
    root_weight: Array
    joints: Array
    joint_shapedirs: Array
    movers: Any
    below: Array
    above: Array
    benders: Any
    swing: Array
    eye: Array


def constants(
    model: HandModel,
    vertices: Sequence[int],
    joints: Sequence[int],
    to_array: Callable[[Any], Array],
    to_index: Callable[[Any], Any],
) -> Constants:
    """Constants of `joints`, as points that ride on the joint above each, then of `vertices`."""
    above = np.maximum(model.parents, 0)
    v, j = np.asarray(vertices, dtype=np.int64), np.asarray(joints, dtype=np.int64)
    rest, joint_dirs = model.joints(), np.einsum("jv,vcs->jcs", model.regressor, model.shapedirs)
    posedirs = np.concatenate([np.zeros((len(j), *model.posedirs.shape[1:])), model.posedirs[v]])
    weights = np.concatenate([np.eye(JOINTS)[above[j]], model.weights[v]])
    points = len(weights)

    # k is at or below j: same finger, no nearer to the root
    k = np.arange(JOINTS - 1)
    at_or_below = (k // SEGMENTS == k[:, None] // SEGMENTS) & (k >= k[:, None])
    below = weights[:, None, 1:] * at_or_below
    movers = _active((below != 0.0).any(axis=2))
    # with displacement D_b and rotation R_b, column by column, the torque is sum_b (R_b x D_b)
    dirs = posedirs.reshape(points, 3, JOINTS - 1, 3, 3)
    levi_civita = np.cross(np.eye(3)[:, None], np.eye(3)[None])
    swing = np.einsum("pijab,ead->pjideb", dirs, levi_civita).reshape(points, JOINTS - 1, 9, 9)
    benders = _active((swing != 0.0).any(axis=(2, 3)))
    row = np.arange(points)[:, None]
    strictly = (at_or_below & (k != k[:, None]))[movers[:, :, None], movers[:, None, :]]
    return Constants(
        template=to_array(np.concatenate([rest[j], model.template[v]])),
        shapedirs=to_array(np.concatenate([joint_dirs[j], model.shapedirs[v]])),
        posedirs=to_array(posedirs.reshape(points * 3, -1)) if posedirs.any() else None,
        weights=to_array(weights[:, 1:]),
        root_weight=to_array(weights[:, :1, None]),
        joints=to_array(rest),
        joint_shapedirs=to_array(joint_dirs),
        movers=to_index(movers),
        below=to_array(below[row, movers].reshape(-1, JOINTS - 1)),
        above=to_array(np.repeat(np.repeat(strictly, 3, axis=1), 3, axis=2)),
        benders=to_index(benders),
        swing=to_array(swing[row, benders].reshape(-1, 9, 9)),
        eye=to_array(np.eye(3)),
    )


def _active(mask: BoolArray) -> IntArray:
    """Indices of the true entries of each row; short rows are filled with some of the others."""
    width = int(mask.sum(axis=1).max(initial=0))
    return np.argsort(~mask, axis=1, kind="stable")[:, :width]


def rest_joints(c: Constants, betas: Array | None) -> Array:
    """Rest joints (..., 16, 3) [m] at shape coefficients (..., S')."""
    return c.joints if betas is None else c.joints + _shaped(c.joint_shapedirs, betas)


def _shaped(directions: Array, betas: Array) -> Array:
    count, size = directions.shape[0], betas.shape[-1]
    flat = directions[..., :size].reshape(3 * count, size)
    return (betas @ flat.T).reshape(*betas.shape[:-1], count, 3)


@dataclass(frozen=True)
class Posed:
    """A posed skeleton and the points on it; joints 1..15 only, the root being at rest."""

    rotvec: Array  # (..., 15, 3)
    rotation: Array  # (..., 15, 3, 3) of each joint, against the joint above
    turned: Array  # (..., 15, 3, 3) G_k, products from the root down
    placed: Array  # (..., 15, 3) t_k
    offset: Array  # (..., 15, 3) t_k - G_k J_k
    rest: Array  # (..., P, 3) points after the blend shapes, before skinning
    blend: Array  # (..., P, 3, 3) sum_k w_k G_k
    points: Array  # (..., P, 3)


def posed(xp: Any, c: Constants, pose: Array, betas: Array | None) -> Posed:
    """Skeleton and points at pose (..., 45) [rad] and shape coefficients (..., S')."""
    lead = pose.shape[:-1]
    rotvec = pose.reshape(*lead, JOINTS - 1, 3)
    feature = rotation_minus_identity(xp, rotvec)
    rotation = feature + c.eye
    joints = rest_joints(c, betas)

    chain = rotation.reshape(*lead, CHAINS, SEGMENTS, 3, 3)
    first = chain[..., 0, :, :]
    second = first @ chain[..., 1, :, :]
    third = second @ chain[..., 2, :, :]
    turned = xp.stack([first, second, third], -3).reshape(*lead, JOINTS - 1, 3, 3)

    rest_chain = joints[..., 1:, :].reshape(*joints.shape[:-2], CHAINS, SEGMENTS, 3)
    bone = rest_chain[..., 1:, :] - rest_chain[..., :-1, :]
    second_at = rest_chain[..., 0, :] + apply(first, bone[..., 0, :])
    third_at = second_at + apply(second, bone[..., 1, :])
    first_at = rest_chain[..., 0, :] + xp.zeros_like(second_at)
    placed = xp.stack([first_at, second_at, third_at], -2)
    placed = placed.reshape(*placed.shape[:-3], JOINTS - 1, 3)
    offset = placed - apply(turned, joints[..., 1:, :])

    rest = c.template if betas is None else c.template + _shaped(c.shapedirs, betas)
    if c.posedirs is not None:
        moved = feature.reshape(*lead, FEATURES) @ c.posedirs.T
        rest = rest + moved.reshape(*lead, c.template.shape[0], 3)
    blend = mix(c.weights, turned) + c.root_weight * c.eye
    points = apply(blend, rest) + c.weights @ offset
    return Posed(rotvec, rotation, turned, placed, offset, rest, blend, points)


def posed_points(xp: Any, c: Constants, pose: Array, betas: Array | None = None) -> Array:
    """Points (..., P, 3) [m] at pose (..., 45) [rad] and shape coefficients (..., S')."""
    return posed(xp, c, pose, betas).points


def apply(matrices: Array, vectors: Array) -> Array:
    """Matrices (..., 3, 3) times vectors (..., 3)."""
    return (matrices @ vectors[..., None])[..., 0]


def mix(weights: Array, matrices: Array) -> Array:
    """``sum_k weights[p, k] matrices[..., k, :, :]``, (..., P, 3, 3)."""
    lead, (points, joints) = matrices.shape[:-3], weights.shape
    mixed = weights @ matrices.reshape(*lead, joints, 9)
    return mixed.reshape(*lead, points, 3, 3)
