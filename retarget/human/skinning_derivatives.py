"""First and second derivatives of skinned points by the pose, in numpy or torch alike.

Turning joint j by ``dw`` turns all at or below it about ``t_j`` by ``G_above J_left(w_j) dw``: with
the axes ``w_ja`` (its columns) and the weighted arm ``s_j`` from t_j to the point,
``d x / d theta_ja = w_ja x s_j``. Turning a joint i above j turns that derivative too:
``d2 x / d theta_ia d theta_jb = w_ia x (w_jb x s_j)``; for i = j the axis itself turns, by the
derivative of the left Jacobian of SO(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

from retarget.core.arrays import Array
from retarget.human.mano_format import JOINTS
from retarget.human.skinning import (
    CHAINS,
    SEGMENTS,
    Constants,
    Posed,
    about,
    apply,
    mix,
    posed,
    rotation_factors,
)

# derivatives by x^2 of (1 - cos x)/x^2 and (x - sin x)/x^3, as series in x^2
_SLOPES = [[(-1.0) ** n * n / factorial(2 * n + k) for n in range(1, 10)] for k in (2, 3)]


@dataclass(frozen=True)
class JointMotion:
    """How each mover of each point turns, and moves the point with it.

    Attributes:
        rotvec: (..., 15, 3) rotation vectors of joints 1..15 [rad].
        before: (..., 15, 3, 3) orientation of the joint above each joint.
        axes: (..., P * n, 3, 3) columns: axes of the mover's turn per change of its rotvec.
        arm: (..., P * n, 3) weighted arm from the mover to the point [m].
        columns: (..., P * n, 3, 3) each axis crossed with the arm [m/rad].
    """

    rotvec: Array
    before: Array
    axes: Array
    arm: Array
    columns: Array


def along(c: Constants, movers: Any, basis: Array) -> Array:
    """(P, 3 n, K) derivative of the movers' rotation vectors by the K rows of `basis` (K, 45)."""
    (points, width), components = movers.shape, basis.shape[0]
    steps = basis.reshape(components, JOINTS - 1, 3)[:, movers.reshape(-1)]
    return steps.reshape(components, points, width * 3).swapaxes(0, 1).swapaxes(1, 2)


def points_and_jacobian(
    xp: Any, c: Constants, pose: Array, basis: Array
) -> tuple[Array, Array, JointMotion]:
    """Points (..., P, 3) [m] at pose (..., 45) and their derivatives (..., P, 3, K) [m/unit].

    The derivative is along the K rows of `basis` (K, 45), and exact: the pose blend shapes add
    ``blend @ d(rest)``. The motion of the joints comes along, for second derivatives.
    """
    p = posed(xp, c, pose, None)
    _, first, second = rotation_factors(xp, (p.rotvec * p.rotvec).sum(-1))
    left = about(xp, p.rotvec, first, second) + c.eye
    motion = _joint_motion(xp, c, p, left)
    jacobian = _summed(motion.columns, c, c.movers, basis)
    if c.posedirs is not None:
        lead, joint = pose.shape[:-1], c.benders.reshape(-1)
        rotation = p.rotation.reshape(*lead, JOINTS - 1, 9)[..., joint, :]
        torque = (c.swing @ rotation[..., None]).reshape(*lead, len(joint), 3, 3)
        columns = torque @ left[..., joint, :, :]
        jacobian = jacobian + p.blend @ _summed(columns, c, c.benders, basis)
    return p.points, jacobian, motion


def _joint_motion(xp: Any, c: Constants, p: Posed, left: Array) -> JointMotion:
    lead, (count, width) = p.rotvec.shape[:-2], c.movers.shape
    joint, point = c.movers.reshape(-1), [i // width for i in range(count * width)]
    turned = p.turned.reshape(*lead, CHAINS, SEGMENTS, 3, 3)
    root = xp.zeros_like(turned[..., :1, :, :]) + c.eye
    before = xp.concatenate([root, turned[..., :-1, :, :]], -3).reshape(*lead, JOINTS - 1, 3, 3)
    axes = (before @ left)[..., joint, :, :]
    arm = apply(mix(c.below, p.turned), p.rest[..., point, :]) + c.below @ p.offset
    arm = arm - c.below.sum(-1)[:, None] * p.placed[..., joint, :]
    columns = _cross(xp, axes, arm[..., None] + xp.zeros_like(axes), -2)
    return JointMotion(p.rotvec, before, axes, arm, columns)


def _summed(columns: Array, c: Constants, movers: Any, basis: Array) -> Array:
    """Each mover's columns (..., P * n, 3, 3) summed along basis (K, 45), (..., P, 3, K)."""
    wide = _side_by_side(columns.reshape(*columns.shape[:-3], *movers.shape, 3, 3))
    return wide @ along(c, movers, basis)


def _side_by_side(columns: Array) -> Array:
    """(..., n, 3, 3) -> (..., 3, 3 n)."""
    moved = columns.swapaxes(-3, -2)
    return moved.reshape(*moved.shape[:-2], moved.shape[-2] * 3)


def factor_slopes(xp: Any, angle2: Array) -> tuple[Array, Array]:
    """Derivatives by ``x^2`` of ``(1 - cos x)/x^2`` and ``(x - sin x)/x^3``; smooth at zero."""
    small = angle2 < 1.0
    safe = xp.where(small, xp.ones_like(angle2), angle2)
    a, b, c = rotation_factors(xp, safe)
    closed = ((a - 2.0 * b) / (2.0 * safe), (b - 3.0 * c) / (2.0 * safe))
    series = []
    for coefficients in _SLOPES:
        total = coefficients[-1] * xp.ones_like(angle2)
        for coefficient in reversed(coefficients[:-1]):
            total = coefficient + angle2 * total
        series.append(total)
    first, second = (xp.where(small, near, far) for near, far in zip(series, closed, strict=True))
    return first, second


def curvature(xp: Any, c: Constants, motion: JointMotion, basis: Array, pull: Array) -> Array:
    """``sum_p pull_p . d2 x_p / dz dz'`` of posed points, along the K rows of `basis`.

    The second derivative of the pose blend shapes (millimetres per square radian) is left out: a
    fit's gradient stays exact, so its minimum does too; only its last steps get a little shorter.

    Args:
        xp: numpy or torch.
        c: constants of the P points.
        motion: how the points' movers turn and move them, from `points_and_jacobian`.
        basis: (K, 45) rows.
        pull: (..., P, 3) vectors, e.g. residuals.

    Returns:
        (..., K, K) symmetric.
    """
    lead, (points, width) = pull.shape[:-2], c.movers.shape
    shape = (*lead, points, width, 3, 3)
    axes = motion.axes.reshape(shape)
    moved = motion.columns.reshape(shape)
    r = pull[..., :, None, :, None] + xp.zeros_like(axes)
    pulled = _cross(xp, r, axes, -2)
    flat = (*lead, points, width * 3, 3)
    blocks = pulled.swapaxes(-1, -2).reshape(flat) @ _side_by_side(moved)
    # row (i, a), column (j, b): wanted where joint i is above j; mirrored below the diagonal
    above = blocks * c.above
    arm = motion.arm.reshape(*lead, points, width, 3)
    torque = _cross(xp, arm, pull[..., :, None, :] + xp.zeros_like(arm), -1)
    turn = _axis_turn(xp, c, motion, torque)
    same = blocks.reshape(*lead, points, width, 3, width, 3)
    diagonal = xp.stack([same[..., k, :, k, :] for k in range(width)], -3) + turn
    total = above + above.swapaxes(-1, -2) + _block_diagonal(xp, diagonal)
    steps = along(c, c.movers, basis)
    return (steps.swapaxes(-1, -2) @ total @ steps).sum(-3)


def _axis_turn(xp: Any, c: Constants, motion: JointMotion, torque: Array) -> Array:
    """``torque . d w_a / d theta_b`` for each mover, (..., P, n, 3, 3).

    ``u . J_left(w) e_a = u_a + B (u x w)_a + C ((u . w) w_a - w^2 u_a)``, differentiated by w.
    """
    lead, (points, width) = torque.shape[:-3], c.movers.shape
    flat = c.movers.reshape(-1)
    w = motion.rotvec[..., flat, :].reshape(*lead, points, width, 3)
    before = motion.before[..., flat, :, :].reshape(*lead, points, width, 3, 3)
    u = (torque[..., None, :] @ before)[..., 0, :]
    angle2 = (w * w).sum(-1)[..., None]
    _, b, d = rotation_factors(xp, angle2)
    db, dd = factor_slopes(xp, angle2)
    aligned = (u * w).sum(-1)[..., None]
    row = 2.0 * db * _cross(xp, u, w, -1) + 2.0 * dd * (aligned * w - angle2 * u) - 2.0 * d * u
    turned = row[..., :, None] * w[..., None, :] + (d * w)[..., :, None] * u[..., None, :]
    x, y, z = u[..., 0], u[..., 1], u[..., 2]
    o = xp.zeros_like(x)
    skew = xp.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*lead, points, width, 3, 3)
    return turned + b[..., None] * skew + (d * aligned)[..., None] * c.eye


def _block_diagonal(xp: Any, blocks: Array) -> Array:
    """(..., n, 3, 3) -> (..., 3 n, 3 n)."""
    lead, width = blocks.shape[:-3], blocks.shape[-3]
    zero = xp.zeros_like(blocks[..., 0, :, :])
    rows = [
        xp.concatenate([blocks[..., k, :, :] if k == j else zero for j in range(width)], -1)
        for k in range(width)
    ]
    return xp.concatenate(rows, -2).reshape(*lead, 3 * width, 3 * width)


def _cross(xp: Any, a: Array, b: Array, axis: int) -> Array:
    """Cross product of two arrays of one shape along `axis`."""
    x, y, z = _split(a, axis)
    p, q, r = _split(b, axis)
    return xp.stack([y * r - z * q, z * p - x * r, x * q - y * p], axis)


def _split(a: Array, axis: int) -> tuple[Array, Array, Array]:
    if axis == -1:
        return a[..., 0], a[..., 1], a[..., 2]
    return a[..., 0, :], a[..., 1, :], a[..., 2, :]
