"""Random actions and cameras for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from retarget.actions import Action, action
from retarget.core.geometry import rotation_from_rotvec, transform
from retarget.core.types import FloatArray

SHAPES = st.sampled_from([(), (1,), (5,), (3, 4), (2, 1, 3)])
SEEDS = st.integers(0, 2**32 - 1)


def random_rotations(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Rotations of all angles up to 180 degrees, both ends included."""
    axis = rng.normal(size=(*shape, 3))
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = rng.choice([0.0, 1e-9, 1e-4, 1.0, 2.0, 3.0, np.pi - 1e-7, np.pi], size=(*shape, 1))
    return rotation_from_rotvec(axis * angle)


def random_transforms(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return transform(random_rotations(rng, shape), rng.uniform(-2.0, 2.0, (*shape, 3)))


def random_action(seed: int, shape: tuple[int, ...] = (), *, torch: bool = False) -> Action:
    rng = np.random.default_rng(seed)
    values: list[Any] = [
        rng.uniform(-2.0, 2.0, (*shape, 2, 3)),
        rng.normal(size=(*shape, 2, 15)),
        random_rotations(rng, (*shape, 2)),
    ]
    if torch:
        import torch as module

        values = [module.from_numpy(value) for value in values]
    return action(*values)


def without(one: Action, hand: int, index: Any = ...) -> Action:
    """The same action with one hand missing at an index of the batch axes."""
    translation = np.array(one.translation)
    translation[(*np.atleast_1d(index), hand) if index is not ... else (..., hand, 0)] = np.nan
    return action(translation, one.pca, one.rotation)


def close(a: Action, b: Action, tolerance: float = 1e-12) -> None:
    """Same shapes, statuses and numbers."""
    assert a.shape == b.shape
    assert a.normalization == b.normalization
    for name in ("translation", "pca", "rotation", "status"):
        x, y = np.asarray(getattr(a, name)), np.asarray(getattr(b, name))
        assert x.shape == y.shape, name
        np.testing.assert_allclose(x, y, rtol=0.0, atol=tolerance, err_msg=name)
