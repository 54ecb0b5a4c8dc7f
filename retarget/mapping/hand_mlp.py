"""HandMLP: fingertips of predicted human hands -> active joints of the robot's hands.

One small network a hand (15-64-128-64-m, SiLU, for m active joints), both hands in one call of the
native core; an optional Gauss-Newton step through one more fit removes what the network leaves.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.checks import numbers
from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray
from retarget.mapping.native_mlp import NativeMLP
from retarget.mapping.network import Network

if TYPE_CHECKING:
    from retarget.mapping.fitter import MANOFitter

# noise on the human fingertips larger than this says nothing about the robot's pose [m]
_DAMPING = 1e-4


class HandMLP:
    """Maps predicted human hands to the robot's active hand joints, within their limits.

    Args:
        network: weights and scaling of both hands.
        fitter: the fit the network was trained on; gives hands, robot and calibration.
        errors: accuracy measured after training, by name [m].

    Attributes:
        evaluate: the networks in the native core.
    """

    def __init__(
        self, network: Network, fitter: MANOFitter, errors: dict[str, float] | None = None
    ) -> None:
        self.network = network
        self.fitter = fitter
        self.errors = dict(errors or {})
        self.evaluate = NativeMLP(
            network.weights,
            network.biases,
            network.center,
            network.spread,
            network.lower,
            network.upper,
        )

    @classmethod
    def load(cls, path: str | Path | None = None, *, fitter: MANOFitter | None = None) -> HandMLP:
        """Read a checkpoint; None is the one shipped for the fitter's robot and hands.

        Raises:
            ModelError: the file is unreadable, or was trained for another hand model, robot,
                calibration or number of components; the message names both.
        """
        from retarget.mapping.checkpoint import load_network
        from retarget.mapping.fitter import MANOFitter

        fitter = fitter or MANOFitter()
        network, errors = load_network(path, fitter)
        return cls(network, fitter, errors)

    def save(self, path: str | Path) -> None:
        """Write a safetensors checkpoint with all that it depends on in its metadata."""
        from retarget.mapping.checkpoint import save_network

        save_network(path, self.network, self.fitter, self.errors)

    def joints(self, pca: ArrayLike, *, refine: int = 0) -> FloatArray:
        """Active joints for pose coefficients.

        Args:
            pca: (..., 2, K) coefficients of both hands [rad].
            refine: number of Gauss-Newton steps through the fit (1 is enough).

        Returns:
            (..., 2, m) active joints [rad], within the limits; NaN where the input is NaN.

        Raises:
            InputError: wrong shape, nothing in it, or a negative `refine`.
        """
        c = numbers(pca, "pca")
        if c.ndim < 2 or c.shape[-2] != 2 or c.size == 0:
            raise InputError(f"pca must have shape (..., 2, K), not empty, got {c.shape}")
        return self.joints_from_fingertips(self.fitter.fingertips(c), refine=refine)

    def joints_from_fingertips(self, fingertips: ArrayLike, *, refine: int = 0) -> FloatArray:
        """Active joints for human fingertips (..., 2, 5, 3) in the hand model's frame [m].

        Returns:
            (..., 2, m) active joints [rad], within the limits; NaN where the input is NaN.

        Raises:
            InputError: wrong shape or type, nothing in it, or a negative `refine`.
        """
        tips = numbers(fingertips, "fingertips")
        shape = tips.shape
        if shape[-3:] != (2, 5, 3) or tips.size == 0:
            raise InputError(f"fingertips must have shape (..., 2, 5, 3), not empty, got {shape}")
        if refine < 0:
            raise InputError(f"refine must not be negative, got {refine}")
        lead = shape[:-3]
        flat = tips.reshape(*lead, 2, 15)
        q = self.evaluate(flat)
        if refine == 0:
            return q
        q, flat = q.reshape(-1, *q.shape[-2:]), flat.reshape(-1, 2, 15)
        for _ in range(refine):
            q = self._refined(q, flat)
        return q.reshape(*lead, *q.shape[-2:])

    def _refined(self, q: FloatArray, wanted: FloatArray) -> FloatArray:
        """One Gauss-Newton step on ``wanted - fit(robot tips of q)``, both hands (N, 2, ...).

        The fit of the robot's own tips, not the tips themselves, is compared with what is wanted:
        the network was asked for the fit, whose residual must not be chased.
        """
        robot, frames = self.fitter.robot, self.fitter.frames
        out = np.full_like(q, np.nan)
        known = np.isfinite(np.concatenate([q, wanted], axis=-1)).all(axis=-1)
        for side, frame in enumerate(frames):
            rows = known[:, side]
            if not rows.any():
                continue
            joints = q[rows, side]
            tips = frame.human(robot.hand_tips(SIDES[side], joints))
            pca = self.fitter.fit_human(side, tips).pca
            miss = wanted[rows, side] - self.fitter.tips_of(side, pca).reshape(-1, 15)
            J = robot.hand_tips_jacobian(SIDES[side], joints)
            J = np.einsum("ij,nfjk->nfik", frame.linear, J).reshape(-1, 15, joints.shape[-1])
            H = np.swapaxes(J, -1, -2) @ J + _DAMPING**2 * np.eye(J.shape[-1])
            step = np.linalg.solve(H, np.swapaxes(J, -1, -2) @ miss[..., None])[..., 0]
            out[rows, side] = joints + step
        return np.asarray(np.clip(out, self.network.lower[:, 0], self.network.upper[:, 0]))
