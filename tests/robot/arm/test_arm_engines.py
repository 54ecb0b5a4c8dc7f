"""The native arm solver against the numpy reference, and its own settings."""

from __future__ import annotations

import numpy as np
import pytest
from arm_reference import ArmReference

from retarget import ArmIK, Status
from retarget.core.errors import InputError
from retarget.core.types import SIDES


def near_poses(arm: ArmIK, count: int, seed: int = 0) -> np.ndarray:
    """Poses (count, 4, 4) of joints around the posture, within the limits."""
    half = 0.5 * (arm.upper - arm.lower)
    q = arm.posture + 0.3 * half * np.random.default_rng(seed).uniform(-1, 1, (count, len(half)))
    return arm.forward(np.clip(q, arm.lower, arm.upper))


@pytest.mark.parametrize("side", SIDES)
def test_the_reference_agrees_on_poses_near_the_posture(side: str) -> None:
    native = ArmIK(side=side)
    reference = ArmReference(native)
    T = near_poses(native, 300)
    ours, theirs = native.solve(T), reference.solve(T)
    np.testing.assert_array_equal(ours.status <= Status.AT_LIMIT, theirs.status <= Status.AT_LIMIT)
    same = np.abs(ours.q - theirs.q).max(axis=1) < 1e-5
    assert same.mean() > 0.97  # elsewhere another way of the elbow is as near
    np.testing.assert_allclose(native.forward(ours.q), T, atol=1e-9)


def test_the_reference_agrees_along_a_trajectory() -> None:
    native = ArmIK(side="left")
    reference = ArmReference(native)
    phase = np.linspace(0.0, 1.0, 60)[:, None]
    ends = np.random.default_rng(1).uniform(-0.2, 0.2, (2, 7))
    T = native.forward(native.posture + ends[0] * phase + ends[1] * np.sin(3.0 * phase))
    ours, theirs = native.solve_trajectory(T), reference.solve_trajectory(T)
    np.testing.assert_array_equal(ours.status, theirs.status)
    np.testing.assert_allclose(ours.q, theirs.q, atol=1e-3)


def test_looser_accuracy_and_no_leaning_keep_the_tolerances() -> None:
    arm = ArmIK(
        position_tolerance=1e-4, rotation_tolerance=2e-3, accuracy=1e-4, lean=False, starts=4
    )
    exact = ArmIK()
    T = near_poses(arm, 500)
    for solution in (arm.solve(T), ArmIK(lean=False, dtype="float32").solve(T)):
        assert (solution.status <= Status.AT_LIMIT).all()
        assert solution.position_error.max() <= 1e-4
        assert solution.rotation_error.max() <= 2e-3
        assert ((solution.q >= arm.lower) & (solution.q <= arm.upper)).all()
    leant = exact.solve(T)
    free = ArmIK(lean=False).solve(T)
    half = 0.5 * (arm.upper - arm.lower)

    def away(q: np.ndarray) -> np.ndarray:
        return np.linalg.norm((q - arm.posture) / half, axis=1)

    assert (away(leant.q) <= away(free.q) + 1e-6).all()
    assert away(leant.q).mean() < away(free.q).mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "half"}, "dtype must be one of float64, float32, got 'half'"),
        ({"starts": 1.5}, "starts must be a whole number, got 1.5"),
        ({"starts": 2049}, "starts must be 0 to 2048, got 2049"),
        ({"threads": -1}, "threads must be at least 0"),
        ({"posture_gain": "much"}, "posture_gain must be a number, got 'much'"),
        ({"accuracy": 1e-3}, "accuracy must be above 0 and at most 1e-06 m, got 0.001"),
        ({"accuracy": 0.0}, "accuracy must be above 0"),
        ({"starts": -1}, "starts must be at least 0"),
    ],
)
def test_refuses_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ArmIK(**settings)  # type: ignore[arg-type]
