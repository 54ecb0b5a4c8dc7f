"""The fit's engine: damped Newton on each frame's pose coefficients, a batch of frames at once.

One code for numpy and torch (any device). In coordinates ``z = c / sigma`` it minimises
``sum w rho(tips(z) - target) + prior |z|^2``. Gauss-Newton alone crawls where the weak prior meets
a residual, so near the minimum the residual's curvature is kept; the damping is absolute in z, a
step is at most `STEP_CAP` long, and a frame ends when its step is below rounding. What a frame
gives does not depend on its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retarget.core.arrays import Array, as_numpy
from retarget.core.errors import InputError
from retarget.core.frozen import Remade
from retarget.core.types import BoolArray, FloatArray, IntArray
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import HandKeypoints
from retarget.human.mano_format import POSE
from retarget.human.regression_start import quadratic_start

STEP_CAP = 2.0  # [standard deviations]
STEP_NEAR = 1.0  # steps below it take the curvature; farther out Gauss-Newton finds its way better
STEP_DONE = 1e-9  # the step after which a frame has ended; Newton squares it
STEP_SURE = 1e-5  # below it the cost cannot tell steps apart, and Newton needs no telling
DAMPING, DAMPING_FLOOR, DAMPING_END = 1e-6, 1e-8, 1e3
FAILED = 0.035  # a frame with a fingertip this far off gets more starts [m]
RESTARTS = 3
RESTART_SPREAD = 3.0  # [standard deviations] starts near the mean end where the first one did
BLOCK = 4096  # frames at once: bounded memory, warm caches


@dataclass(frozen=True)
class FitSettings:
    """What the fit minimises.

    Attributes:
        components: number of pose coefficients K, 1 to 45.
        prior: weight of the squared standardised coefficients [m^2].
        beta: where the loss of a coordinate turns from quadratic to linear [m].
        max_iterations: steps before a frame is given up as not converged.
    """

    components: int = 15
    prior: float = 1e-6
    beta: float = 1.0
    max_iterations: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        if not 1 <= self.components <= POSE:
            raise InputError(f"components must be 1 to {POSE}, got {self.components}")
        if not self.prior > 0.0:
            raise InputError(f"prior must be positive [m^2], got {self.prior}")
        if not self.beta > 0.0:
            raise InputError(f"beta must be positive [m], got {self.beta}")
        if self.max_iterations < 1:
            raise InputError(f"max_iterations must be at least 1, got {self.max_iterations}")


class NewtonFit(Remade):
    """Fits one hand's coefficients to fingertips.

    Args:
        hand: the hand model.
        settings: what is minimised.
        device: None computes in numpy, else the torch device, e.g. "cpu" or "cuda".
    """

    def __init__(self, hand: HandModel, settings: FitSettings, device: str | None = None) -> None:
        self.settings = settings
        backend = "numpy" if device is None else "torch"
        self._layer = HandKeypoints(hand, backend=backend, device=device)
        self._xp = self._layer.namespace
        sigma = hand.sigma[: settings.components]
        tips = HandKeypoints(hand).fingertips
        self._start = quadratic_start(tips, hand.sigma, settings.components)
        self._sigma = self._layer.array(sigma)

    def fit(
        self, target: FloatArray, weights: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray, IntArray, BoolArray]:
        """See `retarget.human.fit_engines.FitEngine.fit`."""
        counts = np.ones(target.shape[:2]) if weights is None else weights
        wanted = np.where(counts[..., None] > 0.0, target, 0.0)  # without weight it may be anything
        blocks = [
            self._fit_block(wanted[at : at + BLOCK], counts[at : at + BLOCK])
            for at in range(0, len(target), BLOCK)
        ]
        z, iterations, converged = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return z * as_numpy(self._sigma), self._residual(z, wanted), iterations, converged

    def _fit_block(
        self, target: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, IntArray, BoolArray]:
        z, cost, iterations, converged = self._descend(
            target, weights, self._start(target, weights)
        )
        for further in restarts(z.shape[1]):
            miss = np.where(weights > 0.0, self._residual(z, target), 0.0)
            failed = ~converged | (miss.max(axis=-1) > FAILED)
            left = np.flatnonzero(failed)
            if not len(left):
                break
            starts = np.tile(further, (len(left), 1))
            again = self._descend(target[left], weights[left], starts)
            iterations[left] += again[2]
            better = again[1] < cost[left]
            for mine, new in ((z, again[0]), (cost, again[1]), (converged, again[3])):
                mine[left[better]] = new[better]
        return z, iterations, converged

    def _residual(self, z: FloatArray, target: FloatArray) -> FloatArray:
        """(N, 5) distance of each fingertip to its target [m]."""
        miss = as_numpy(self._layer.fingertips(z * as_numpy(self._sigma))) - target
        return np.asarray(np.linalg.norm(miss, axis=-1))

    def _evaluate(
        self, z: Array, target: Array, weights: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Cost (N,), gradient (N, K), Gauss-Newton matrix and curvature (N, K, K), halved, in z."""
        xp, beta, prior = self._xp, self.settings.beta, self.settings.prior

        def pull(tips: Array) -> Array:
            return weights * xp.clip(tips - target, -beta, beta)

        tips, jacobian, bent = self._layer.second_order(z * self._sigma, pull)
        n, k = z.shape
        miss = (tips - target).reshape(n, 15)
        clipped = pull(tips).reshape(n, 15)
        J = jacobian.reshape(n, 15, k) * self._sigma
        inside = ((abs(tips - target) < beta) * weights).reshape(n, 15)[..., None]
        # r^2 within beta, 2 beta |r| - beta^2 beyond
        squares = clipped * (2.0 * miss - xp.clip(miss, -beta, beta))
        cost = squares.sum(-1) + prior * (z * z).sum(-1)
        gradient = (clipped[:, None, :] @ J)[:, 0] + prior * z
        eye = self._layer.array(np.eye(k))
        scale = self._sigma[:, None] * self._sigma
        gauss = J.swapaxes(-1, -2) @ (J * inside) + prior * eye
        return cost, gradient, gauss, bent * scale

    def _descend(
        self, target: FloatArray, weights: FloatArray, start: FloatArray
    ) -> tuple[FloatArray, FloatArray, IntArray, BoolArray]:
        xp, array = self._xp, self._layer.array
        count, k = start.shape
        eye = array(np.eye(k))
        out_z, out_cost = start.copy(), np.zeros(count)
        iterations = np.zeros(count, dtype=np.int64)
        converged = np.zeros(count, dtype=np.bool_)
        frames = np.arange(count)  # those still on their way
        goal, counts, z = array(target), array(weights[..., None]), array(start)
        cost, gradient, gauss, bent = self._evaluate(z, goal, counts)
        near = xp.zeros_like(cost)
        damping = xp.zeros_like(cost) + DAMPING
        for _ in range(self.settings.max_iterations):
            hessian = gauss + near[:, None, None] * bent + damping[:, None, None] * eye
            step = xp.linalg.solve(hessian, gradient[..., None])
            step = step[..., 0]
            length = xp.sqrt((step * step).sum(-1))
            downhill = (step * gradient).sum(-1) > 0.0
            tried = z - step * xp.clip(STEP_CAP / (length + 1e-300), None, 1.0)[:, None]
            new_cost, new_gradient, new_gauss, new_bent = self._evaluate(tried, goal, counts)
            sure = downhill & (length < STEP_SURE)
            taken = sure | (downhill & (new_cost <= cost))
            z = xp.where(taken[:, None], tried, z)
            cost = xp.where(taken, new_cost, cost)
            gradient = xp.where(taken[:, None], new_gradient, gradient)
            gauss = xp.where(taken[:, None, None], new_gauss, gauss)
            bent = xp.where(taken[:, None, None], new_bent, bent)
            near = xp.where(taken, 1.0 * (length < STEP_NEAR), 0.0 * near)
            lower = xp.where(damping > DAMPING_FLOOR, 0.1 * damping, 0.0 * damping)
            damping = xp.where(taken, lower, xp.clip(8.0 * damping, DAMPING, None))
            ended = as_numpy(taken & (length < STEP_DONE))
            stuck = as_numpy(damping > DAMPING_END)
            iterations[frames] += 1
            leaving = ended | stuck
            if leaving.any():
                gone = frames[leaving]
                out_z[gone], out_cost[gone] = as_numpy(z)[leaving], as_numpy(cost)[leaving]
                converged[gone] = ended[leaving]
                stay = array(~leaving) > 0.5
                frames = frames[~leaving]
                z, cost, gradient, gauss, bent = (
                    values[stay] for values in (z, cost, gradient, gauss, bent)
                )
                near, damping, goal, counts = (
                    values[stay] for values in (near, damping, goal, counts)
                )
            if not len(frames):
                break
        out_z[frames], out_cost[frames] = as_numpy(z), as_numpy(cost)
        return out_z, out_cost, iterations, converged


def restarts(components: int) -> FloatArray:
    """(S, K) standardised coefficients to start from where a frame failed, the same for all."""
    dice = np.random.default_rng(1)
    return RESTART_SPREAD * dice.normal(size=(RESTARTS, components))
