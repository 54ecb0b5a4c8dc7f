"""The published fit, for comparison only: Adam on 6 coefficients from a random start, no prior.

As facts of EgoVLA's public code: tips shrunk by 1.5 about the wrist, the first 6 of the components,
start ``0.1 rand``, Adam with learning rate 0.1 for 500 steps on SmoothL1 (beta 1 m) averaged over
wrist, tips and the whole batch.
"""

from __future__ import annotations

import numpy as np

from retarget.core.types import BoolArray, FloatArray, IntArray
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import HandKeypoints

FITTED = 6
STEPS = 500
LEARNING_RATE = 0.1


def fit_published(
    hand: HandModel, target: FloatArray, components: int, seed: int
) -> tuple[FloatArray, IntArray, BoolArray]:
    """Fit all frames as one batch.

    Args:
        hand: the hand model.
        target: (N, 5, 3) fingertips in the hand model's frame [m].
        components: width K of the result; coefficients after the first 6 are zero.
        seed: of the random start.

    Returns:
        Coefficients (N, K), iterations (N,), and True for each frame: the recipe has no criterion.
    """
    import torch

    layer = HandKeypoints(hand, backend="torch")
    dice = torch.Generator().manual_seed(seed)
    fitted = min(FITTED, components)
    start = torch.rand(len(target), fitted, generator=dice, dtype=torch.float64)
    c = (0.1 * start).requires_grad_()
    goal = torch.as_tensor(target)
    adam = torch.optim.Adam([c], lr=LEARNING_RATE)
    points = 1 + goal.shape[1]  # the wrist counts in the mean, though no coefficient moves it
    for _ in range(STEPS):
        adam.zero_grad()
        miss = torch.nn.functional.smooth_l1_loss(layer.fingertips(c), goal, reduction="sum")
        (miss / (len(target) * points * 3)).backward()  # type: ignore[no-untyped-call]
        adam.step()
    out = np.zeros((len(target), components))
    out[:, :fitted] = c.detach().numpy()
    frames = len(target)
    return out, np.full(frames, STEPS), np.ones(frames, dtype=np.bool_)
