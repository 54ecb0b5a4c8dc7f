"""Hands in the native core: fits of a posed hand to points, and the points of a posed hand.

Many frames are worked on at once, one in each SIMD lane. Results are the same to the last bit for
any number of threads, any batch and any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.core import _native
from retarget.core.checks import call, indices, is_single, numbers, optional, pair, real, whole
from retarget.core.errors import InputError
from retarget.core.frozen import Remade
from retarget.core.types import BoolArray, FloatArray
from retarget.human.hand_model import HandModel
from retarget.human.regression_start import QuadraticStart


class NativeFits(NamedTuple):
    """Fits of n frames.

    Attributes:
        pca: (n, K) pose coefficients [rad].
        wrist: (n, 6) rotation vector [rad] and translation [m] of the root; zeros where fixed.
        residual: (n, P) distance of each point to its target [m].
        cost: (n,) the minimum that was found [m^2].
        iterations: (n,) evaluations after the first.
        converged: (n,) whether the step fell below the tolerance.
    """

    pca: FloatArray
    wrist: FloatArray
    residual: FloatArray
    cost: FloatArray
    iterations: NDArray[np.int32]
    converged: BoolArray


class NativeHand(Remade):
    """Fits a hand's pose coefficients c to keypoints.

    Minimises ``sum w rho(x - target) + prior |z|^2 + soft_weight |z beyond soft limits|^2`` over
    z = c / sigma, with ``rho = 2 beta SmoothL1_beta`` of each coordinate. With a free wrist, its
    rotation vector and translation are six more unknowns, each over its scale in `wrist_scale`, and
    take part in the prior.

    Args:
        hand: the hand model.
        vertices: vertices to fit, any number.
        joints: joints to fit; points are the joints, then the vertices.
        components: number of coefficients K, 1 to 45.
        betas: shape coefficients, zero by default.
        wrist_scale: how far the wrist may be off, rotation [rad] and translation [m]; None: fixed.
        start: a `QuadraticStart` over all points; None starts at the mean pose.

    Raises:
        InputError: there is no such vertex or joint, or a number is out of range.
    """

    def __init__(
        self,
        hand: HandModel,
        vertices: Sequence[int],
        joints: Sequence[int] = (),
        *,
        components: int = 15,
        betas: ArrayLike | None = None,
        wrist_scale: tuple[float, float] | None = None,
        start: QuadraticStart | None = None,
    ) -> None:
        if not isinstance(hand, HandModel):
            raise InputError(f"hand must be a HandModel, got {type(hand).__name__}")
        v = indices("vertices", vertices, len(hand.template))
        j = indices("joints", joints, len(hand.parents))
        components = whole("components", components, 1)
        if components > len(hand.components):
            raise InputError(f"components must be 1 to {len(hand.components)}, got {components}")
        if len(j) + len(v) == 0:
            raise InputError("there must be at least one vertex or joint to fit")
        shape = np.zeros(0) if betas is None else numbers(betas, "betas")
        rest = hand.joints(shape)
        template = hand.template
        if betas is not None:
            template = template + hand.shapedirs[:, :, : len(shape)] @ shape
        scale = (0.0, 0.0) if wrist_scale is None else pair("wrist_scale", wrist_scale)
        weights, blend = skinning_of(hand, j, v)
        self._solver = hand_solver(
            hand,
            rest,
            np.concatenate([rest[j], template[v]]),
            weights,
            blend,
            hand.sigma[:components],
            wrist_scale=(real("wrist_scale", scale[0]), real("wrist_scale", scale[1])),
            start=start,
        )
        self.components, self.points = components, len(j) + len(v)
        self.unknowns = components + (0 if wrist_scale is None else 6)

    def fit(
        self,
        targets: ArrayLike,
        weights: ArrayLike | None = None,
        start: ArrayLike | None = None,
        *,
        beta: float = 1.0,
        prior: float = 1e-6,
        soft_limits: tuple[ArrayLike, ArrayLike] | None = None,
        soft_weight: float = 1e-4,
        restarts: ArrayLike | None = None,
        retry_above: float = np.inf,
        damping: float = 1e-3,
        tolerance: float = 1e-10,
        max_iterations: int = 200,
        threads: int = 0,
        dtype: str = "float64",
        isa: str = "",
    ) -> NativeFits:
        """Fit n frames, each by itself.

        Args:
            targets: (n, P, 3) wanted points in the hand model's frame [m], n at least 1.
            weights: (n, P) what each point counts, 0 for one to leave out; 1 by default.
            start: (n, K) coefficients to start from, (n, K + 6) with a free wrist.
            beta: where the loss of a coordinate turns from quadratic to linear [m].
            prior: weight of the squared standardised unknowns [m^2].
            soft_limits: lower and upper coefficients (K,), beyond which `soft_weight` [m^2] counts.
            soft_weight: weight of the squared standardised excess [m^2].
            restarts: (S, K) further starts for frames that do not converge or whose largest
                residual stays above `retry_above` [m]; the best is kept.
            retry_above: see `restarts`.
            damping: largest first damping [m^2].
            tolerance: length of a step in z that ends a frame.
            max_iterations: evaluations after which a frame is given up.
            threads: 0 for as many as are useful.
            dtype: "float32" iterates in single precision and polishes in double.
            isa: instruction set, "" for the best.

        Raises:
            InputError: an argument has another shape or type, is not finite or out of range.
        """
        low, high = (None, None) if soft_limits is None else pair("soft_limits", soft_limits)
        wanted = numbers(targets, "targets")
        n = len(wanted) if wanted.ndim else 0
        unknowns, residual = np.empty((n, self.unknowns)), np.empty((n, self.points))
        cost, iterations = np.empty(n), np.empty(n, dtype=np.int32)
        converged = np.empty(n, dtype=np.bool_)
        call(
            self._solver.fit,
            wanted,
            optional(weights, "weights"),
            optional(start, "start"),
            optional(restarts, "restarts"),
            real("retry_above", retry_above),
            real("beta", beta),
            real("prior", prior),
            optional(low, "soft_limits"),
            optional(high, "soft_limits"),
            real("soft_weight", soft_weight),
            real("damping", damping),
            real("tolerance", tolerance),
            whole("max_iterations", max_iterations, 1),
            is_single(dtype),
            whole("threads", threads, 0),
            isa,
            unknowns,
            residual,
            cost,
            iterations,
            converged,
        )
        k = self.components
        wrist = unknowns[:, k:] if self.unknowns > k else np.zeros((n, 6))
        return NativeFits(unknowns[:, :k], wrist, residual, cost, iterations, converged)


def skinning_of(
    hand: HandModel,
    joints: Sequence[int] | NDArray[np.intp],
    vertices: Sequence[int] | NDArray[np.intp],
) -> tuple[FloatArray, FloatArray]:
    """Weights (P, 16) and pose blend shapes (P, 3, 135) of joints, then vertices.

    A joint is a point that hangs on its parent alone and has no pose blend shapes.
    """
    j, v = list(joints), list(vertices)
    parents = np.maximum(hand.parents, 0)
    weights = np.concatenate([np.eye(len(parents))[parents[j]], hand.weights[v]])
    blend = np.concatenate([np.zeros((len(j), *hand.posedirs.shape[1:])), hand.posedirs[v]])
    return weights, blend


def hand_solver(
    hand: HandModel,
    rest: FloatArray,
    points: FloatArray,
    weights: FloatArray,
    blend: FloatArray,
    sigma: FloatArray,
    *,
    wrist_scale: tuple[float, float] = (0.0, 0.0),
    start: QuadraticStart | None = None,
    started: Sequence[int] | None = None,
) -> Any:
    """The core's own solver of a hand.

    Args:
        hand: gives tree, mean pose and components.
        rest: (16, 3) joints at rest [m].
        points: (P, 3) points at rest [m].
        weights: (P, 16) their skinning weights.
        blend: (P, 3, 135) their pose blend shapes [m].
        sigma: (K,) standard deviations of the K coefficients [rad].
        wrist_scale: see `NativeHand`; 0 for a fixed wrist.
        start: where fits begin, by the points `started`.
        started: all points where None.
    """
    first: tuple[Any, ...] = (None,) * 4
    if start is not None:
        arrays = (numbers(a, "start") for a in (start.center, start.spread, start.weights))
        chosen = range(len(points)) if started is None else started
        first = np.array(list(chosen), dtype=np.int64), *arrays
    return call(
        _native.HandSolver,
        numbers(rest, "joints at rest"),
        np.maximum(hand.parents, 0).astype(np.int64),
        numbers(points, "template"),
        numbers(blend, "posedirs"),
        numbers(weights, "weights"),
        numbers(hand.mean, "mean"),
        numbers(hand.components[: len(sigma)], "components"),
        numbers(sigma, "sigma"),
        *wrist_scale,
        *first,
    )


class NativePoints(Remade):
    """Places the points of H hands by their pose coefficients.

    Args:
        hands: the hand models, H of them.
        vertices: vertices to place, the same ones of every hand.
        joints: joints to place; points are the joints, then the vertices.
        components: number of coefficients K, 1 to 45.

    Attributes:
        solvers: the core's own, one a hand.

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
        self.solvers = [native._solver for native in natives]
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
        hands = len(self.solvers)
        if c.shape[-2:] != (hands, self.components) or c.size == 0:
            wanted = f"(..., {hands}, {self.components})"
            raise InputError(f"pca must have shape {wanted}, not empty, got {c.shape}")
        out = np.empty((*c.shape[:-1], self.points, 3))
        rows = -1, hands, self.components
        call(
            _native.hand_points,
            self.solvers,
            c.reshape(rows),
            whole("threads", threads, 0),
            isa,
            out.reshape(-1, hands, self.points, 3),
        )
        return out
