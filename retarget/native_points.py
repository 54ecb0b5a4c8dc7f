"""Points of several posed hands at once, without their derivatives: the forward half of a fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from retarget import _native
from retarget.errors import InputError
from retarget.hand_model import HandModel
from retarget.native import NativeHand
from retarget.native_checks import call, numbers, whole
from retarget.types import FloatArray


class NativePoints:
    """Places the points of H hands by their pose coefficients.

    Args:
        hands: the hand models, H of them.
        vertices: vertices to place, the same ones of every hand.
        joints: joints to place; points are the joints, then the vertices.
        components: number of coefficients K, 1 to 45.

    Raises:
        InputError: there is no hand, no such vertex or joint, or a number is out of range.
    """

    def __init__(
        self,
        hands: Sequence[HandModel],
        vertices: Sequence[int],
        joints: Sequence[int] = (),
        *,
        components: int = 15,
    ) -> None:
        natives = [NativeHand(hand, vertices, joints, components=components) for hand in hands]
        if not natives:
            raise InputError("there must be at least one hand")
        self._solvers = [native._solver for native in natives]
        self.components, self.points = components, natives[0].points

    def __call__(self, pca: ArrayLike, *, threads: int = 0, isa: str = "") -> FloatArray:
        """Points (..., H, P, 3) [m] of coefficients (..., H, K), in the hand models' frames.

        A hand with a coefficient that is not finite has points that are NaN.

        Args:
            pca: (..., H, K), at least one frame.
            threads: 0 for as many as are useful.
            isa: instruction set, "" for the best.

        Raises:
            InputError: another shape or type, no frame, or a number out of range.
        """
        c = numbers(pca, "pca")
        hands = len(self._solvers)
        if c.shape[-2:] != (hands, self.components) or c.size == 0:
            wanted = f"(..., {hands}, {self.components})"
            raise InputError(f"pca must have shape {wanted}, not empty, got {c.shape}")
        out = np.empty((*c.shape[:-1], self.points, 3))
        rows = -1, hands, self.components
        call(
            _native.hand_points,
            self._solvers,
            c.reshape(rows),
            whole("threads", threads, 0),
            isa,
            out.reshape(-1, hands, self.points, 3),
        )
        return out
