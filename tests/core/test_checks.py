"""Tests of `retarget.core.checks`: what counts as rigid, in numpy, torch and the native core."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from retarget import ArmIK
from retarget.core.checks import (
    RIGID,
    RIGID_COMPUTED,
    are_rigid,
    nearest_rotations,
    read_poses,
    rigid_faults,
)
from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec, transform


def poses(count: int) -> np.ndarray:
    dice = np.random.default_rng(0)
    turns = rotation_from_rotvec(dice.normal(size=(count, 3)))
    return transform(turns, dice.normal(size=(count, 3)))


LAST_ROW = np.eye(4)
LAST_ROW[3, 0] = 0.002
FAULTS = {
    "has no orthonormal rotation": np.diag([1.0, 1.001, 1.0, 1.0]),
    "is a reflection": np.diag([1.0, 1.0, -1.0, 1.0]),
    "has a last row other than 0 0 0 1": LAST_ROW,
}


def spoilt(T: np.ndarray, what: str, share: float = 1.0) -> np.ndarray:
    """A pose with a share of a fault; a reflection is one or is none."""
    if what == "is a reflection":
        return T @ FAULTS[what] if share == 1.0 else T
    change = np.eye(4) + share * (FAULTS[what] - np.eye(4))
    if what == "has no orthonormal rotation":
        return T @ change
    T = T.copy()
    T[3] = change[3]
    return T


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_each_fault_is_found_where_it_is(what, make):
    T = poses(5)
    T[3] = spoilt(T[3], what)
    masks = rigid_faults(make(T))
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        name: [False, False, False, name == what, False] for name in FAULTS
    }
    assert are_rigid(make(T)).tolist() == [True, True, True, False, True]
    with pytest.raises(InputError, match=rf"T_a_b {what} at index \(3,\)"):
        read_poses(T, "T_a_b")


@pytest.mark.parametrize("what", FAULTS)
def test_the_native_core_draws_the_same_line(arm, what):
    for share, good in ((0.4, True), (1.0, False)):
        T = spoilt(poses(1)[0], what, share)
        assert are_rigid(T) == good
        if good:
            arm.solve(T)
        else:
            with pytest.raises(InputError, match=what):
                arm.solve(T)


@pytest.fixture(scope="module")
def arm() -> ArmIK:
    return ArmIK(starts=0)


def test_what_half_precision_stores_is_rigid():
    T = poses(2000)
    assert are_rigid(T.astype(np.float16).astype(np.float64)).all()
    R = torch.as_tensor(T[:, :3, :3]).bfloat16()
    assert are_rigid((R @ R).double(), RIGID_COMPUTED).all()


def test_what_is_not_finite_is_at_fault():
    for bad in (np.nan, np.inf, 1e200):
        assert not are_rigid(np.full((2, 4, 4), bad)).any()


def test_the_nearest_rotation_is_exact_and_near():
    R = poses(200)[:, :3, :3]
    near = R + np.random.default_rng(1).uniform(-0.25, 0.25, R.shape) * RIGID
    found = nearest_rotations(near)
    np.testing.assert_allclose(found @ np.swapaxes(found, 1, 2) - np.eye(3), 0.0, atol=1e-14)
    np.testing.assert_allclose(found, R, atol=RIGID)
    U, _, Vt = np.linalg.svd(near)
    np.testing.assert_allclose(found, U @ Vt, atol=1e-14)
