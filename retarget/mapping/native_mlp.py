"""The native core's small perceptrons: every argument checked, networks of both hands in one call.

Neurons lie across the lanes of the machine's widest registers. In float64 throughout; a frame's
result is the same to the last bit for any number of threads, any batch and any order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from retarget.core import _native
from retarget.core.checks import call, numbers, whole
from retarget.core.errors import InputError
from retarget.core.types import FloatArray


class NativeMLP:
    """Evaluates H networks of one shape, ``lower + (1 + f((x - center) / spread)) / 2 range``.

    f has SiLU between its layers.

    Args:
        weights: per layer (H, inputs, outputs).
        biases: per layer (H, outputs), or with an axis of length 1 between.
        center: (H, inputs), subtracted from the inputs.
        spread: (H, inputs), the centred inputs' unit, above 0.
        lower: (H, outputs), where the last layer gives -1, and the lower limit.
        upper: (H, outputs), where it gives 1, and the upper limit.
        isa: instruction set, "" for the best.

    Attributes:
        network: the core's own.

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
        W = [numbers(w, "weights") for w in weights]
        b = [_rows(values, "biases") for values in biases]
        for w in (W[0], W[-1]):
            if w.ndim != 3:
                raise InputError(f"weights must have shape (H, inputs, outputs), got {w.shape}")
        self.networks, self.inputs = W[0].shape[:2]
        self.outputs = W[-1].shape[2]
        middle, unit = (
            _sized(values, name, (self.networks, self.inputs))
            for name, values in (("center", center), ("spread", spread))
        )
        low, high = (
            _sized(values, name, (self.networks, self.outputs))
            for name, values in (("lower", lower), ("upper", upper))
        )
        if not (unit > 0.0).all():
            raise InputError(f"spread must be positive, got {unit.min()}")
        if b[0].shape != (self.networks, W[0].shape[2]) or b[-1].shape != low.shape:
            raise InputError(
                f"biases must have shape (H, outputs) beside weights {W[0].shape} ... "
                f"{W[-1].shape}, got {b[0].shape} ... {b[-1].shape}"
            )
        # the scalings around the network become part of its first and last layer
        W[0] = W[0] / unit[:, :, None]
        b[0] = b[0] - np.einsum("hi,hij->hj", middle, W[0])
        half = 0.5 * (high - low)
        W[-1] = W[-1] * half[:, None]
        b[-1] = b[-1] * half + low + half
        self.network = call(_native.Mlp, W, b, low, high, isa)

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
        shape = x.shape
        if shape[-2:] != (self.networks, self.inputs) or x.size == 0:
            wanted = f"(..., {self.networks}, {self.inputs})"
            raise InputError(f"inputs must have shape {wanted}, not empty, got {shape}")
        if type(clamp) is not bool:
            raise InputError(f"clamp must be True or False, got {clamp!r}")
        out = np.empty((*shape[:-1], self.outputs))
        call(self.network.run, x, clamp, whole("threads", threads, 0), out)
        return out


def _rows(values: ArrayLike, name: str) -> FloatArray:
    """(H, n) of (H, n) or (H, 1, n)."""
    array = numbers(values, name)
    return array[:, 0] if array.ndim == 3 and array.shape[1] == 1 else array


def _sized(values: ArrayLike, name: str, shape: tuple[int, int]) -> FloatArray:
    array = np.ascontiguousarray(_rows(values, name))
    if array.shape != shape or not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, of shape {shape}, got shape {array.shape}")
    return array
