"""The native core as seen from Python: every argument checked, every array named.

Hand fits and arm solutions run in C++, many frames at once: each lane of the machine's widest
registers works on a frame of its own. Results are the same to the last bit for any number of
threads, any batch and any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget import _native
from retarget.errors import InputError
from retarget.hand_model import HandModel
from retarget.types import BoolArray, FloatArray

DTYPES = ("float64", "float32")
Result = TypeVar("Result")


def build_info() -> dict[str, Any]:
    """What the native core was built with and what it runs on.

    Returns:
        ``isa`` the instruction set in use, ``available`` all that this machine can run,
        ``lanes`` frames at once in float64 and float32, ``cores``, ``compiler``.
    """
    available = _native.isas()
    return {
        "isa": available[0],
        "available": available,
        "lanes": _native.lanes(available[0]),
        "cores": _native.cores(),
        "compiler": _native.compiler(),
    }


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


class NativeHand:
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
        start: a `QuadraticStart` (center, spread, weights) over the same points; None starts at the
            mean pose.

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
        start: Any = None,
    ) -> None:
        if not isinstance(hand, HandModel):
            raise InputError(f"hand must be a HandModel, got {type(hand).__name__}")
        v = _indices("vertices", vertices, len(hand.template))
        j = _indices("joints", joints, len(hand.parents))
        components = _whole("components", components, 1)
        if components > len(hand.components):
            raise InputError(f"components must be 1 to {len(hand.components)}, got {components}")
        if len(j) + len(v) == 0:
            raise InputError("there must be at least one vertex or joint to fit")
        shape = np.zeros(0) if betas is None else _numbers(betas, "betas")
        rest = hand.joints(shape)
        template = hand.template
        if betas is not None:
            template = template + hand.shapedirs[:, :, : len(shape)] @ shape
        parents = np.maximum(hand.parents, 0)
        # a joint is a point that hangs on its parent alone and has no pose blend shapes
        weights = np.concatenate([np.eye(len(parents))[parents[j]], hand.weights[v]])
        blend = np.concatenate([np.zeros((len(j), *hand.posedirs.shape[1:])), hand.posedirs[v]])
        scale = (0.0, 0.0) if wrist_scale is None else _pair("wrist_scale", wrist_scale)
        first = (None,) * 3 if start is None else (start.center, start.spread, start.weights)
        self._solver = _call(
            _native.HandSolver,
            _numbers(rest, "joints at rest"),
            np.ascontiguousarray(parents, dtype=np.int64),
            _numbers(np.concatenate([rest[j], template[v]]), "template"),
            _numbers(blend, "posedirs"),
            _numbers(weights, "weights"),
            _numbers(hand.mean, "mean"),
            _numbers(hand.components[:components], "components"),
            _numbers(hand.sigma[:components], "sigma"),
            *(_real("wrist_scale", s) for s in scale),
            *(None if a is None else _numbers(a, "start") for a in first),
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
        low, high = (None, None) if soft_limits is None else _pair("soft_limits", soft_limits)
        wanted = _numbers(targets, "targets")
        n = len(wanted) if wanted.ndim else 0
        unknowns, residual = np.empty((n, self.unknowns)), np.empty((n, self.points))
        cost, iterations = np.empty(n), np.empty(n, dtype=np.int32)
        converged = np.empty(n, dtype=np.bool_)
        _call(
            self._solver.fit,
            wanted,
            _optional(weights, "weights"),
            _optional(start, "start"),
            _optional(restarts, "restarts"),
            _real("retry_above", retry_above),
            _real("beta", beta),
            _real("prior", prior),
            _optional(low, "soft_limits"),
            _optional(high, "soft_limits"),
            _real("soft_weight", soft_weight),
            _real("damping", damping),
            _real("tolerance", tolerance),
            _whole("max_iterations", max_iterations, 1),
            _is_single(dtype),
            _whole("threads", threads, 0),
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

    def evaluate(
        self,
        unknowns: ArrayLike,
        targets: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        beta: float = 1.0,
        prior: float = 1e-6,
        soft_limits: tuple[ArrayLike, ArrayLike] | None = None,
        soft_weight: float = 1e-4,
        isa: str = "",
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Points (n, P, 3) [m], cost (n,), half its gradient (n, U) and its Gauss-Newton Hessian.

        Derivatives are by the standardised unknowns: coefficients over sigma, wrist over its scale.
        """
        low, high = (None, None) if soft_limits is None else _pair("soft_limits", soft_limits)
        at, wanted = _numbers(unknowns, "unknowns"), _numbers(targets, "targets")
        n, u = len(wanted) if wanted.ndim else 0, self.unknowns
        out = np.empty((n, self.points, 3)), np.empty(n), np.empty((n, u)), np.empty((n, u, u))
        _call(
            self._solver.evaluate,
            at,
            wanted,
            _optional(weights, "weights"),
            _real("beta", beta),
            _real("prior", prior),
            _optional(low, "soft_limits"),
            _optional(high, "soft_limits"),
            _real("soft_weight", soft_weight),
            isa,
            *out,
        )
        return out


def _call(function: Callable[..., Result], *args: Any) -> Result:
    """Call into the core; what it refuses is the caller's input."""
    try:
        return function(*args)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(str(error)) from None


def _numbers(values: ArrayLike, name: str) -> FloatArray:
    """As contiguous float64, untouched where it is that already."""
    if type(values) is np.ndarray and values.dtype == np.float64 and values.flags.c_contiguous:
        return values
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} must be an array of numbers: {error}") from None
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float64)


def _pair(name: str, values: Any) -> tuple[Any, Any]:
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise InputError(f"{name} must be two values, got {values!r}")
    return values[0], values[1]


def _is_single(dtype: str) -> bool:
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    return dtype == "float32"


def _optional(values: ArrayLike | None, name: str) -> FloatArray | None:
    return None if values is None else _numbers(values, name)


def _real(name: str, value: float) -> float:
    if type(value) is float:
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise InputError(f"{name} must be a number, got {value!r}")
    return float(value)


def _whole(name: str, value: int, least: int) -> int:
    if type(value) is not int and (
        isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer))
    ):
        raise InputError(f"{name} must be a whole number, got {value!r}")
    if not least <= value < 2**31:
        raise InputError(f"{name} must be at least {least} and less than 2**31, got {value}")
    return int(value)


def _indices(name: str, values: Sequence[int], count: int) -> NDArray[np.intp]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} must be whole numbers: {error}") from None
    if array.shape == (0,):
        array = array.astype(np.intp)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{name} must be whole numbers, got {values!r}")
    if np.any((array < 0) | (array >= count)):
        raise InputError(f"{name} must be 0 to {count - 1}, got {array.tolist()}")
    return array.astype(np.intp)
