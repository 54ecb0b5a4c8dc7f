"""A hand network of HandMLP's size in plain torch, both hands as a batched product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retarget.mapping.network import Network


def torch_network(network: Network) -> Callable[[Any], Any]:
    """The same function of (2, N, 15) float32 fingertips, as a torch user would write it."""
    import torch

    weights = [torch.as_tensor(w).float() for w in network.weights]
    biases = [torch.as_tensor(b)[:, None].float() for b in network.biases]
    scaling = (network.center, network.spread, network.lower, network.upper)
    center, spread, lower, upper = (torch.as_tensor(a)[:, None].float() for a in scaling)

    @torch.no_grad()
    def joints(fingertips: Any) -> Any:
        x = (fingertips - center) / spread
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = torch.nn.functional.silu(torch.baddbmm(bias, x, weight))
        x = torch.baddbmm(biases[-1], x, weights[-1])
        return torch.clamp(lower + 0.5 * (x + 1.0) * (upper - lower), lower, upper)

    return joints
