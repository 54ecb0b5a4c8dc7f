"""The hand networks: small perceptrons, those of both hands in one call of the native core."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from retarget.core import _native
from retarget.core.checks import call, numbers, whole
from retarget.core.errors import InputError
from retarget.core.frozen import Remade
from retarget.core.types import FloatArray


class Network(Remade):
    """H networks of one shape, one a hand: ``lower + (1 + f((x - center) / spread)) / 2 range``.

    f has SiLU between its layers. In float64 throughout; a frame's result is the same to the last
    bit for any number of threads, any batch and any order.

    Args:
        weights: per layer (H, inputs, outputs).
        biases: per layer (H, outputs), or with an axis of length 1 between.
        center: (H, inputs), subtracted from the inputs.
        spread: (H, inputs), the centred inputs' unit, above 0.
        lower: (H, outputs), where the last layer gives -1, and the lower limit.
        upper: (H, outputs), where it gives 1, and the upper limit.
        isa: instruction set, "" for the best.

    Attributes:
        weights: as given; the others too, without the axis of length 1.
        native: the core's own.

    Raises:
        InputError: shapes do not agree, or a number is not finite or out of range.
    """

    def __init__(
        self,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike],
        center: ArrayLike,
        spread: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        *,
        isa: str = "",
    ) -> None:
        for name, values in (("weights", weights), ("biases", biases)):
            if not isinstance(values, (tuple, list)) or not values:
                raise InputError(f"{name} must be a list of arrays, one a layer, got {values!r}")
        self.weights = tuple(numbers(w, "weights") for w in weights)
        self.biases = tuple(_rows(values, "biases") for values in biases)
        W, b = list(self.weights), list(self.biases)
        for w in (W[0], W[-1]):
            if w.ndim != 3:
                raise InputError(f"weights must have shape (H, inputs, outputs), got {w.shape}")
        inputs, outputs = W[0].shape[:2], (len(W[0]), W[-1].shape[2])
        self.center = _sized(center, "center", inputs)
        self.spread = _sized(spread, "spread", inputs)
        self.lower = _sized(lower, "lower", outputs)
        self.upper = _sized(upper, "upper", outputs)
        if not (self.spread > 0.0).all():
            raise InputError(f"spread must be positive, got {self.spread.min()}")
        if b[0].shape != (len(W[0]), W[0].shape[2]) or b[-1].shape != outputs:
            raise InputError(
                f"biases must have shape (H, outputs) beside weights {W[0].shape} ... "
                f"{W[-1].shape}, got {b[0].shape} ... {b[-1].shape}"
            )
        # the scalings around the network become part of its first and last layer
        W[0] = W[0] / self.spread[:, :, None]
        b[0] = b[0] - np.einsum("hi,hij->hj", self.center, W[0])
        half = 0.5 * (self.upper - self.lower)
        W[-1] = W[-1] * half[:, None]
        b[-1] = b[-1] * half + self.lower + half
        self.native = call(_native.Mlp, W, b, self.lower, self.upper, isa)

    def __call__(self, inputs: ArrayLike, *, clamp: bool = True, threads: int = 0) -> FloatArray:
        """Outputs (..., H, outputs) of inputs (..., H, inputs).

        A network that gets a number that is not finite gives NaN for that frame.

        Args:
            inputs: (..., H, inputs), at least one frame.
            clamp: whether outputs are brought within the limits.
            threads: 0 for as many as are useful.

        Raises:
            InputError: another shape or type, no frame, or a negative number of threads.
        """
        x = numbers(inputs, "inputs")
        if x.shape[-2:] != self.center.shape or x.size == 0:
            wanted = "(..., {}, {})".format(*self.center.shape)
            raise InputError(f"inputs must have shape {wanted}, not empty, got {x.shape}")
        if type(clamp) is not bool:
            raise InputError(f"clamp must be True or False, got {clamp!r}")
        out = np.empty((*x.shape[:-1], self.lower.shape[1]))
        call(self.native.run, x, clamp, whole("threads", threads, 0), out)
        return out


def _rows(values: ArrayLike, name: str) -> FloatArray:
    """(H, n) of (H, n) or (H, 1, n)."""
    array = numbers(values, name)
    return array[:, 0] if array.ndim == 3 and array.shape[1] == 1 else array


def _sized(values: ArrayLike, name: str, shape: tuple[int, ...]) -> FloatArray:
    array = np.ascontiguousarray(_rows(values, name))
    if array.shape != shape or not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, of shape {shape}, got shape {array.shape}")
    return array
