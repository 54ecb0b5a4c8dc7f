"""The native arm solver against pinocchio, finite differences and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from native_cases import Arm, arm
from scipy.optimize import least_squares, minimize

from retarget.core.geometry import rotation_from_rotvec, rotvec_from_rotation
from retarget.core.types import FloatArray

WEIGHT = 0.15


def still(chain: Arm, count: int) -> tuple[FloatArray, np.ndarray]:
    return np.tile(chain.posture, (count, 1)), np.zeros(count, dtype=bool)


def error(chain: Arm, q: FloatArray, T: FloatArray) -> FloatArray:
    """(m, 6) position error and weighted rotation error, by pinocchio."""
    here = chain.forward(q)
    turn = rotvec_from_rotation(here[:, :3, :3] @ np.swapaxes(T[:, :3, :3], 1, 2))
    return np.concatenate([here[:, :3, 3] - T[:, :3, 3], WEIGHT * turn], axis=1)


@pytest.mark.parametrize("joints", [1, 2, 6, 7, 12])
def test_forward_kinematics_and_jacobian_are_pinocchios(joints: int) -> None:
    chain = arm(joints)
    q = chain.draw(50)
    targets = chain.forward(chain.draw(50, seed=1))
    pose, jacobian, cost, gradient, hessian = chain.native().evaluate(targets, q)
    np.testing.assert_allclose(pose, chain.forward(q), atol=1e-12)
    half = np.minimum(0.5 * (chain.upper - chain.lower), np.pi)
    for k in range(50):
        J = chain.jacobian(q[k])
        np.testing.assert_allclose(jacobian[k], J, atol=1e-12)
        scaled = np.concatenate([J[:3], WEIGHT * J[3:]]) * half
        np.testing.assert_allclose(hessian[k], scaled.T @ scaled, atol=1e-12)
    r = error(chain, q, targets)
    np.testing.assert_allclose(cost, np.sum(r**2, axis=1), rtol=1e-9)
    eps = 1e-6
    for k, e in enumerate(np.eye(joints)):
        up, down = (np.sum(error(chain, q + s * eps * e, targets) ** 2, axis=1) for s in (1, -1))
        np.testing.assert_allclose(
            gradient[:, k], 0.5 * half[k] * (up - down) / (2 * eps), atol=1e-7
        )


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, 3.1, np.pi - 1e-9, np.pi])
def test_the_rotation_error_has_no_false_zero(angle: float) -> None:
    chain = arm(7)
    q = chain.draw(30, seed=2)
    axis = np.random.default_rng(3).normal(size=(30, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    targets = chain.forward(q)
    targets[:, :3, :3] = rotation_from_rotvec(angle * axis) @ targets[:, :3, :3]
    cost = chain.native().evaluate(targets, q)[2]
    np.testing.assert_allclose(np.sqrt(cost) / WEIGHT, angle, atol=1e-8)


@pytest.mark.parametrize("joints", [6, 7, 9, 12])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_reachable_poses_are_reached_within_the_limits(joints: int, dtype: str) -> None:
    chain = arm(joints)
    targets = chain.forward(chain.draw(300, seed=4))
    found = chain.native().solve(targets, *still(chain, 300), dtype=dtype)
    assert found.reached.mean() > 0.97
    assert np.all((found.q >= chain.lower) & (found.q <= chain.upper))
    r = error(chain, found.q, targets)
    np.testing.assert_allclose(found.position_error, np.linalg.norm(r[:, :3], axis=1), atol=1e-12)
    np.testing.assert_allclose(
        found.rotation_error, np.linalg.norm(r[:, 3:], axis=1) / WEIGHT, atol=1e-12
    )
    assert found.position_error[found.reached].max() < 1e-10
    assert found.rotation_error[found.reached].max() < 1e-9


def test_joints_on_a_limit_are_on_it_exactly() -> None:
    chain = arm(7)
    q = chain.draw(100, seed=5)
    q[:, 1], q[:, 4] = chain.upper[1], chain.lower[4]
    targets = chain.forward(q)
    found = chain.native().solve(targets, *still(chain, 100))
    assert np.all((found.q >= chain.lower) & (found.q <= chain.upper))
    assert np.any(found.q == chain.upper)
    assert np.any(found.q == chain.lower)


def test_unreachable_poses_end_at_a_minimum() -> None:
    chain = arm(7)
    targets = chain.forward(chain.draw(12, seed=6))
    targets[:, :3, 3] *= 2.5
    found = chain.native().solve(targets, *still(chain, 12))
    assert found.settled.all()
    assert not found.reached.any()
    for q, T in zip(found.q, targets, strict=True):
        near = least_squares(
            lambda x, T=T: error(chain, x[None], T[None])[0],
            np.clip(q, chain.lower + 1e-9, chain.upper - 1e-9),
            bounds=(chain.lower, chain.upper),
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-14,
        )
        here = np.sum(error(chain, q[None], T[None]) ** 2)
        assert here <= 2.0 * near.cost * (1 + 1e-7)


@pytest.mark.parametrize("joints", [7, 8, 10])
def test_what_freedom_is_left_leans_to_the_posture(joints: int) -> None:
    chain = arm(joints)
    targets = chain.forward(chain.draw(20, seed=7))
    half = np.minimum(0.5 * (chain.upper - chain.lower), np.pi)
    found = chain.native().solve(targets, *still(chain, 20))
    straight = chain.native().solve(targets, *still(chain, 20), lean=False)
    both = found.reached & straight.reached

    def away(q: FloatArray) -> FloatArray:
        return np.sum(((q - chain.posture) / half) ** 2, axis=-1)

    assert np.all(away(found.q[both]) <= away(straight.q[both]) + 1e-12)
    for q, T in list(zip(found.q[both], targets[both], strict=True))[:8]:
        near = minimize(
            lambda x: away(x),
            q,
            method="SLSQP",
            bounds=list(zip(chain.lower, chain.upper, strict=True)),
            constraints={"type": "eq", "fun": lambda x, T=T: error(chain, x[None], T[None])[0]},
            options={"ftol": 1e-14, "maxiter": 200},
        )
        if np.linalg.norm(near.x - q) < 0.3:  # the same branch
            np.testing.assert_allclose(away(q), away(near.x), atol=1e-6)


def test_a_moving_arm_leans_no_further_than_the_wrist_moves() -> None:
    chain = arm(7)
    q = chain.draw(50, seed=8)
    targets = chain.forward(q)
    found = chain.native().solve(targets, q, np.ones(50, dtype=bool))
    np.testing.assert_allclose(found.q, q, atol=1e-9)  # a standing wrist keeps the arm still
    near = targets.copy()
    near[:, 0, 3] += 1e-3
    half = np.minimum(0.5 * (chain.upper - chain.lower), np.pi)
    moved = chain.native().solve(near, q, np.ones(50, dtype=bool), posture_gain=10.0)
    straight = chain.native().solve(near, q, np.ones(50, dtype=bool), lean=False)
    lean = np.linalg.norm((moved.q - straight.q) / half, axis=1)
    assert lean[moved.reached & straight.reached].max() < 0.011


def test_a_trajectory_is_a_chain_of_solves() -> None:
    chain = arm(7)
    rng = np.random.default_rng(9)
    q = chain.posture + 0.5 * np.cumsum(0.05 * rng.normal(size=(5, 30, 7)), axis=1)
    targets = chain.forward(np.clip(q, chain.lower, chain.upper).reshape(-1, 7)).reshape(
        5, 30, 4, 4
    )
    targets[1, 10:12] = np.nan
    native = chain.native()
    whole = native.solve(targets, *still(chain, 5))
    assert whole.missing.sum() == 2
    for s in range(5):
        last, moving = chain.posture[None].copy(), np.zeros(1, dtype=bool)
        for t in range(30):
            one = native.solve(targets[s, t][None], last, moving)
            np.testing.assert_array_equal(one.q[0], whole.q[s, t])
            np.testing.assert_array_equal(one.position_error[0], whole.position_error[s, t])
            last, moving = one.q, moving | ~one.missing
    np.testing.assert_array_equal(whole.q[1, 10:12], whole.q[1, [9, 9]])


def test_the_base_and_rough_rotations() -> None:
    chain = arm(7)
    base = np.eye(4)
    base[:3, :3] = rotation_from_rotvec([0.3, -0.2, 1.0])
    base[:3, 3] = 0.1, 0.2, 1.0
    targets = chain.forward(chain.draw(20, seed=10))
    plain = chain.native().solve(targets, *still(chain, 20))
    rough = base @ targets
    rough[:, :3, :3] *= 1 + 1e-6
    placed = chain.native(T_world_base=base).solve(rough, *still(chain, 20))
    np.testing.assert_allclose(placed.q, plain.q, atol=1e-6)
