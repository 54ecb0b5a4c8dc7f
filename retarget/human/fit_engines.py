"""The ways MANOFitter runs: the native core, or damped Newton in numpy or torch; same minimum."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from retarget.core.checks import DTYPES
from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray, IntArray
from retarget.human.fit_newton import FAILED, FitSettings, NewtonFit, restarts
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import TIP_VERTICES, HandKeypoints
from retarget.human.native import NativeHand
from retarget.human.regression_start import quadratic_start

ENGINES = ("native", "numpy", "torch")


class FitEngine(Protocol):
    """Fits one hand's coefficients to fingertips."""

    def fit(
        self, target: FloatArray, weights: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray, IntArray, BoolArray]:
        """Fit every frame.

        Args:
            target: (N, 5, 3) fingertips in the hand model's frame [m], N at least 1; finite where
                their weight is not 0.
            weights: (N, 5) what each fingertip counts, 1 or 0, the prior placing it then; 1 where
                None.

        Returns:
            Coefficients (N, K) [rad], distance of each fingertip to its target (N, 5) [m],
            iterations (N,), and whether each frame converged (N,). The distance of a fingertip
            without weight has no meaning.
        """
        ...


class NativeFit:
    """The C++ core: a frame in each SIMD lane."""

    def __init__(self, hand: HandModel, settings: FitSettings, dtype: str, threads: int) -> None:
        sigma = hand.sigma[: settings.components]
        start = quadratic_start(HandKeypoints(hand).fingertips, hand.sigma, settings.components)
        self._hand = NativeHand(
            hand, tuple(TIP_VERTICES.values()), components=settings.components, start=start
        )
        self._restarts = restarts(settings.components) * sigma
        self._settings, self._dtype, self._threads = settings, dtype, threads

    def fit(
        self, target: FloatArray, weights: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray, IntArray, BoolArray]:
        """See `FitEngine.fit`."""
        fits = self._hand.fit(
            target,
            weights,
            beta=self._settings.beta,
            prior=self._settings.prior,
            restarts=self._restarts,
            retry_above=FAILED,
            dtype=self._dtype,
            threads=self._threads,
        )
        return fits.pca, fits.residual, fits.iterations.astype(np.int64), fits.converged


def engine_maker(
    engine: str, *, device: str, dtype: str, threads: int
) -> Callable[[HandModel, FitSettings], FitEngine]:
    """What makes the engine of each hand.

    Raises:
        InputError: there is no such engine or precision, or `threads` is negative.
    """
    if engine not in ENGINES:
        raise InputError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    if dtype not in DTYPES or (dtype != "float64" and engine != "native"):
        raise InputError(
            f"dtype must be one of {', '.join(DTYPES)}, and float64 but for the native engine, "
            f"got {dtype!r}"
        )
    if threads < 0:
        raise InputError(f"threads must not be negative, got {threads}")
    if engine == "native":
        return partial(NativeFit, dtype=dtype, threads=threads)
    return partial(NewtonFit, device=None if engine == "numpy" else device)
