"""The hand networks as numbers: weights, scaling, and the formula that joins them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retarget.core.types import FloatArray


@dataclass(frozen=True)
class Network:
    """Weights of both hands' networks, left then right, and the scaling around them.

    Called, it is the formula in numpy, which `NativeMLP` must agree with.

    Attributes:
        weights: per layer (2, inputs, outputs).
        biases: per layer (2, 1, outputs).
        center: (2, 1, 15) mean of the input coordinates [m].
        spread: (2, 1, 15) standard deviation of the input coordinates [m].
        lower: (2, 1, m) lower joint limits, the output's -1 [rad].
        upper: (2, 1, m) upper joint limits, the output's +1 [rad].
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    center: FloatArray
    spread: FloatArray
    lower: FloatArray
    upper: FloatArray

    def __call__(self, fingertips: FloatArray) -> FloatArray:
        """(2, N, 15) tip coordinates [m] -> (2, N, m) joints [rad], not yet clamped."""
        x = (fingertips - self.center) / self.spread
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            if layer < last:
                x = x / (1.0 + np.exp(-x))  # SiLU
        return np.asarray(self.lower + 0.5 * (x + 1.0) * (self.upper - self.lower))
