"""The error of a wrist's pose and its exact first and second derivatives, many poses at once.

Joints are *scaled*, ``u = q / half_range``, so that a joint with little room counts as much as one
with a lot. The error is ``r = (p - p*, w log(R R*^T))`` [m], in base axes, with w the rotation
weight [m/rad]. The logarithm has no false zero at 180 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from retarget.core.geometry import rotvec_from_rotation
from retarget.core.types import BoolArray, FloatArray, IntArray
from retarget.robot.arm.chain import Chain, cross


@dataclass(frozen=True)
class Lanes:
    """Wrist poses to reach with one arm; each of the L lanes is a problem of its own.

    Attributes:
        chain: the arm, n joints.
        target: (L, 4, 4) wanted ``T_base_wrist`` [m].
        weight: rotation weight w [m/rad].
    """

    chain: Chain
    target: FloatArray
    weight: float

    def take(self, lanes: IntArray | BoolArray) -> Lanes:
        """Some of the lanes, by number or by mask."""
        return replace(self, target=self.target[lanes])

    @cached_property
    def limits(self) -> tuple[FloatArray, FloatArray]:
        """(n,) lower and upper limits of the scaled joints."""
        scale = self.chain.half_range
        return self.chain.lower / scale, self.chain.upper / scale

    def at(self, u: FloatArray) -> WristError:
        """The error and its derivatives at scaled joints (L, n)."""
        scale = self.chain.half_range
        T, axes, origins = self.chain.frames(u * scale)
        axes = axes * scale[:, None]
        levers = cross(axes, T[:, None, :3, 3] - origins)
        turn = rotation_error(T[:, :3, :3], self.target[:, :3, :3])
        residual = np.concatenate(
            [T[:, :3, 3] - self.target[:, :3, 3], self.weight * turn], axis=-1
        )
        jacobian = np.concatenate([levers, self.weight * axes], axis=-1)
        return WristError(residual, jacobian, np.sum(residual**2, axis=-1), self.weight)


@dataclass(frozen=True)
class WristError:
    """Pose errors of L lanes and how the n scaled joints move the wrist.

    Attributes:
        residual: (L, 6) position error, then w times the rotation error [m].
        jacobian: (L, n, 6) for each joint its linear, then w times its angular velocity [m].
        cost: (L,) squared length of the residual [m^2].
        weight: rotation weight w [m/rad].
    """

    residual: FloatArray
    jacobian: FloatArray
    cost: FloatArray
    weight: float

    def take(self, lanes: IntArray | BoolArray) -> WristError:
        """Some of the lanes, by number or by mask."""
        return WristError(self.residual[lanes], self.jacobian[lanes], self.cost[lanes], self.weight)

    def where(self, replaced: BoolArray, other: WristError) -> WristError:
        """This error with the lanes of a mask taken from another."""
        return WristError(
            np.where(replaced[:, None], other.residual, self.residual),
            np.where(replaced[:, None, None], other.jacobian, self.jacobian),
            np.where(replaced, other.cost, self.cost),
            self.weight,
        )

    @property
    def sizes(self) -> tuple[FloatArray, FloatArray]:
        """Position error [m] and rotation error [rad], (L,) each."""
        position, rotation = self.residual[:, :3], self.residual[:, 3:] / self.weight
        return np.sqrt(np.sum(position**2, axis=1)), np.sqrt(np.sum(rotation**2, axis=1))

    @property
    def gradient(self) -> FloatArray:
        """(L, n) gradient of cost / 2 [m^2].

        Exact with the angular velocity in place of the logarithm's derivative, as the logarithm's
        left Jacobian leaves the logarithm itself unchanged.
        """
        return np.asarray((self.jacobian @ self.residual[..., None])[..., 0])

    @property
    def normal(self) -> FloatArray:
        """(L, n, n) Gauss-Newton's Hessian of cost / 2 [m^2]."""
        return np.asarray(self.jacobian @ np.swapaxes(self.jacobian, -1, -2))

    @property
    def hessian(self) -> FloatArray:
        """(L, n, n) exact Hessian of cost / 2 [m^2].

        The derivative of the logarithm phi is ``I - [phi] / 2 + c [phi]^2`` with
        ``c = (1 - (a / 2) cot(a / 2)) / a^2`` and a = |phi| (Chirikjian 2012, "Stochastic Models,
        Information Theory, and Lie Groups", vol. 2); its antisymmetric term is in `curvature`.
        """
        turn = self.residual[..., 3:] / self.weight
        angle2 = np.sum(turn**2, axis=-1)
        small = angle2 < 1e-6
        half = 0.5 * np.sqrt(np.where(small, 1.0, angle2))
        c = np.where(small, 1.0 / 12.0, (1.0 - half / np.tan(half)) / (4.0 * half**2))
        spin = self.jacobian[..., 3:]
        along = (spin @ turn[..., None])[..., 0]
        square = along[:, :, None] * along[:, None, :] - angle2[:, None, None] * (
            spin @ np.swapaxes(spin, -1, -2)
        )
        return np.asarray(self.normal + c[:, None, None] * square + self.curvature(self.residual))

    def curvature(self, force: FloatArray) -> FloatArray:
        """Second derivative of ``force . residual`` (L, n, n) at zero rotation error [m^2].

        For joints i at or before j it is ``f . (z_i x l_j) + w m . (z_i x z_j) / 2``, with z the
        axes, l the levers ``z x (p - o)`` and (f, m) = ``force`` (L, 6).
        """
        axes = self.jacobian[..., 3:] / self.weight
        swept = np.concatenate(
            [cross(force[:, None, :3], axes), 0.5 * cross(force[:, None, 3:], axes)], axis=-1
        )
        upper = np.triu(swept @ np.swapaxes(self.jacobian, -1, -2))
        return np.asarray(upper + np.swapaxes(np.triu(upper, 1), -1, -2))


def rotation_error(rotation: FloatArray, target: FloatArray) -> FloatArray:
    """log(R R*^T): (..., 3, 3) twice -> rotation vectors (..., 3) of angle 0 to pi [rad]."""
    error = rotation @ np.swapaxes(target, -1, -2)
    double = error[..., [2, 0, 1], [1, 2, 0]] - error[..., [1, 2, 0], [2, 0, 1]]
    sine = 0.5 * np.sqrt(np.sum(double**2, axis=-1))
    cosine = 0.5 * (np.trace(error, axis1=-2, axis2=-1) - 1.0)
    some = sine > 1e-12
    factor = np.where(some, np.arctan2(sine, cosine) / np.where(some, sine, 1.0), 1.0)
    turn = 0.5 * factor[..., None] * double
    far = cosine < -0.9  # towards pi the antisymmetric part loses the axis
    if np.any(far):
        turn[far] = rotvec_from_rotation(error[far])
    return np.asarray(turn)
