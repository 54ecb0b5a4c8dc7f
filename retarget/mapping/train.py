"""Trains the hand networks: robot poses -> fit -> fingertips -> joints, loss at the fingertips.

The loss of a joint error e at a pose is ``|L e|^2`` with ``L^T L = J^T J`` of the robot's
fingertips there, so it measures metres without forward kinematics in the loop. SOAP (Vyas et al.
2024, "SOAP: Improving and Stabilizing Shampoo using Adam") reaches in a minute what Adam does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.errors import TrainingError
from retarget.core.types import SIDES, FloatArray
from retarget.mapping.fitter import MANOFitter, fitter_for
from retarget.mapping.hand_accuracy import check_hands, require_accurate
from retarget.mapping.hand_mlp import HandMLP
from retarget.mapping.network import Network
from retarget.robot.robot import Robot

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TrainSettings:
    """How the networks are trained; the defaults are measured, not guessed.

    Attributes:
        seed: of poses, weights, batches and noise.
        samples: robot poses per hand.
        steps: optimiser steps.
        batch: poses per step.
        hidden: widths of the hidden layers.
        learning_rate: peak, after `warmup` of the steps, then a cosine to zero.
        warmup: share of the steps.
        overshoot: how far beyond the joint limits poses are sampled, as a share of the range.
        at_limit: share of the joints that stand on a limit in half of the poses, as the fingers
            of real hands, fully open or closed, so often do.
        noise: smallest and largest standard deviation of the noise on half of each batch [m].
        noise_scale: noise that halves a sample's weight [m].
    """

    seed: int = 0
    samples: int = 50_000
    steps: int = 7_000
    batch: int = 4_096
    hidden: tuple[int, ...] = (64, 128, 64)
    learning_rate: float = 5e-3
    warmup: float = 0.05
    overshoot: float = 0.02
    at_limit: float = 0.4
    noise: tuple[float, float] = (3e-5, 3e-3)
    noise_scale: float = 5e-5


@dataclass(frozen=True)
class HandSamples:
    """Training pairs of one hand.

    Attributes:
        tips: (N, 15) fingertips of the fitted human hand [m].
        joints: (N, m) active joints that made them [rad].
        metric: (N, m, m) L with ``L^T L = J^T J`` [m/rad].
    """

    tips: FloatArray
    joints: FloatArray
    metric: FloatArray


def sample_hand(fitter: MANOFitter, side: int, settings: TrainSettings) -> HandSamples:
    """Robot poses over the joint limits, and the human fingertips the fit gives them."""
    lower, upper = fitter.robot.hand_limits(side)
    margin = settings.overshoot * (upper - lower)
    rng = np.random.default_rng((settings.seed, side))
    joints = rng.uniform(lower - margin, upper + margin, size=(settings.samples, len(lower)))
    half = joints[: settings.samples // 2]
    limit = np.where(rng.random(half.shape) < 0.5, lower, upper)
    limit += rng.uniform(-margin, margin, size=half.shape)
    half[...] = np.where(rng.random(half.shape) < settings.at_limit, limit, half)
    target = fitter.frames[side].human_from_robot(fitter.robot.hand_tips(side, joints))
    pca = fitter.fit_hand(side, target).pca
    J = fitter.robot.hand_tips_jacobian(side, joints).reshape(len(joints), 15, -1)
    gram = np.swapaxes(J, -1, -2) @ J
    # a whiff of damping keeps a joint that moves no tip from breaking the factor
    metric = np.linalg.cholesky(gram + 1e-10 * np.eye(len(lower)))
    tips = fitter.tips_of(side, pca).reshape(len(joints), 15)
    return HandSamples(tips, joints, np.swapaxes(metric, -1, -2).copy())


def train_hands(
    fitter: MANOFitter | None = None,
    *,
    robot: Robot | str | Path | None = None,
    seed: int = 0,
    samples: int | None = None,
    steps: int | None = None,
    progress: bool = True,
) -> HandMLP:
    """Train both hands on poses sampled over the joint ranges, then measure the result.

    Args:
        fitter: the fit to train on; by default the robot's with the open hand.
        robot: a `Robot`, or the name or folder of one; h1_inspire by default.
        seed: of poses, weights, batches and noise.
        samples: robot poses per hand; what trains best by default.
        steps: optimiser steps; what trains best by default.
        progress: whether to show bars on stderr.

    Raises:
        InputError: the fitter is for another robot.
        TrainingError: the measured fingertip error misses the 5e-5 m gate.
    """
    fitter = fitter_for(robot, fitter)
    defaults = TrainSettings()
    settings = TrainSettings(
        seed=seed, samples=samples or defaults.samples, steps=steps or defaults.steps
    )
    mlp = HandMLP(train_network(fitter, settings, progress=progress), fitter)
    errors = require_accurate(check_hands(mlp, seed=seed + 1))
    return HandMLP(mlp.network, fitter, errors)


def train_network(fitter: MANOFitter, settings: TrainSettings, *, progress: bool) -> Network:
    """Train both hands, each on its own thread; the result depends on the seed alone.

    Raises:
        TrainingError: the optimiser's package is not installed, or the loss is not finite.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[error]}"))
    with (
        _single_threaded_torch(),
        Progress(
            *columns,
            TimeRemainingColumn(),
            console=Console(stderr=True),  # stdout is for results
            disable=not progress,
        ) as bar,
    ):
        tasks = [bar.add_task(f"{s} hand", total=settings.steps, error="sampling") for s in SIDES]

        def train_side(side: int) -> _Trained:
            def report(step: int, error: float) -> None:
                bar.update(tasks[side], completed=step, error=f"{error * 1e6:7.1f} um")

            return _train_side(fitter, side, settings, report)

        with ThreadPoolExecutor(len(SIDES)) as pool:
            left, right = pool.map(train_side, range(len(SIDES)))
    return _joined(fitter, left, right)


@dataclass(frozen=True)
class _Trained:
    layers: list[tuple[FloatArray, FloatArray]]
    center: FloatArray
    spread: FloatArray


def _train_side(
    fitter: MANOFitter, side: int, settings: TrainSettings, report: Callable[[int, float], None]
) -> _Trained:
    import torch

    try:
        from pytorch_optimizer import SOAP
    except ImportError as error:
        raise TrainingError(
            "training needs the optimiser of the package pytorch_optimizer: "
            "pip install 'retarget[train]'"
        ) from error

    samples = sample_hand(fitter, side, settings)
    lower, upper = fitter.robot.hand_limits(side)
    center, spread = samples.tips.mean(axis=0), samples.tips.std(axis=0)
    tips = _tensor((samples.tips - center) / spread)
    goal = _tensor(2.0 * (samples.joints - lower) / (upper - lower) - 1.0)
    # outputs are scaled to [-1, 1]: the metric takes them back to radians, and to millimetres
    metric = _tensor(1e3 * samples.metric * (0.5 * (upper - lower)))
    inverse_spread = _tensor(1.0 / spread)

    dice = torch.Generator().manual_seed(2 * settings.seed + side)
    net = _network(len(tips[0]), settings.hidden, len(lower), dice)
    optimiser = SOAP(
        net.parameters(),
        lr=settings.learning_rate,
        betas=(0.95, 0.95),
        weight_decay=0.0,
        precondition_frequency=20,
    )
    half, (low, high) = settings.batch // 2, settings.noise
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings)
        pick = torch.randint(len(tips), (settings.batch,), generator=dice)
        sigma = low * (high / low) ** torch.rand(half, 1, generator=dice)
        noise = sigma * torch.randn(half, tips.shape[1], generator=dice) * inverse_spread
        weight = 1.0 / (1.0 + (sigma[:, 0] / settings.noise_scale) ** 2)
        x = tips[pick]
        miss = torch.einsum(
            "nij,nj->ni", metric[pick], net(torch.cat([x[:half] + noise, x[half:]])) - goal[pick]
        )
        squared = miss.square().sum(dim=1)
        loss = ((weight * squared[:half]).sum() + squared[half:].sum()) / settings.batch
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 50 == 49:
            miss_m = float(squared[half:].detach().div(5.0).sqrt().mean()) * 1e-3
            if not math.isfinite(miss_m):
                raise TrainingError(f"the loss is not finite at step {step}", step=step)
            report(step + 1, miss_m)
    linear = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    layers = [(_array(layer.weight.T), _array(layer.bias)) for layer in linear]
    return _Trained(layers, center, spread)


def _network(
    inputs: int, hidden: tuple[int, ...], outputs: int, dice: torch.Generator
) -> torch.nn.Sequential:
    import torch

    widths = (inputs, *hidden, outputs)
    layers: list[torch.nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layer = torch.nn.Linear(fan_in, fan_out)
        with torch.no_grad():
            for parameter in (layer.weight, layer.bias):
                parameter.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=dice)
        layers += [layer, torch.nn.SiLU()]
    return torch.nn.Sequential(*layers[:-1])


def _schedule(step: int, settings: TrainSettings) -> float:
    rise = settings.warmup * settings.steps
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * (step - rise) / (settings.steps - rise)))


def _joined(fitter: MANOFitter, left: _Trained, right: _Trained) -> Network:
    limits = [fitter.robot.hand_limits(side) for side in SIDES]
    layers = list(zip(left.layers, right.layers, strict=True))
    return Network(
        weights=tuple(np.stack([a[0], b[0]]) for a, b in layers),
        biases=tuple(np.stack([a[1], b[1]]) for a, b in layers),
        center=np.stack([left.center, right.center]),
        spread=np.stack([left.spread, right.spread]),
        lower=np.stack([low for low, _ in limits]),
        upper=np.stack([high for _, high in limits]),
    )


@contextmanager
def _single_threaded_torch() -> Iterator[None]:
    """One torch thread a hand: the two hands fill two cores, and sums keep their order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tensor(values: FloatArray) -> torch.Tensor:
    import torch

    return torch.as_tensor(values, dtype=torch.float32)


def _array(values: torch.Tensor) -> FloatArray:
    return np.asarray(values.detach().numpy(), dtype=np.float64)
