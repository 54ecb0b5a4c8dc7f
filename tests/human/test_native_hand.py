"""The native hand fit against the keypoint layer, smplx, finite differences and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from native_cases import TIPS, blended_hand, hand_evaluation, hand_targets
from scipy.optimize import least_squares, minimize

from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import FloatArray
from retarget.human.hand_model import HandModel, load_hand
from retarget.human.keypoints import HandKeypoints
from retarget.human.native import NativeHand

JOINTS = tuple(range(16))


def points_of(hand: HandModel, joints: tuple[int, ...], c: FloatArray) -> FloatArray:
    layer = HandKeypoints(hand, vertices=TIPS, joints=joints)
    return np.asarray(layer.points(layer.pose(c)))


def huber(r: FloatArray, beta: float) -> FloatArray:
    size = np.abs(r)
    return np.where(size < beta, r * r, 2.0 * beta * size - beta * beta)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("joints", [(), (0,), JOINTS])
@pytest.mark.parametrize("components", [1, 6, 15, 45])
def test_points_are_the_keypoint_layers(
    side: str, joints: tuple[int, ...], components: int
) -> None:
    hand = blended_hand(side)
    c = np.random.default_rng(1).normal(size=(20, components)) * hand.sigma[:components] * 2.0
    native = NativeHand(hand, TIPS, joints, components=components)
    targets = np.zeros((20, len(joints) + 5, 3))
    points = hand_evaluation(native, c, targets)[0]
    np.testing.assert_allclose(points, points_of(hand, joints, c), atol=1e-12)


def test_points_are_smplx_s() -> None:
    smplx = pytest.importorskip("smplx")
    torch = pytest.importorskip("torch")
    hand = load_hand("right")
    layer = HandKeypoints(hand)
    c = np.random.default_rng(2).normal(size=(10, 15)) * hand.sigma[:15]
    f64 = {"dtype": torch.float64}
    pose = torch.tensor(np.concatenate([np.zeros((10, 3)), layer.pose(c)], axis=1), **f64)
    vertices, _ = smplx.lbs.lbs(
        torch.zeros((10, 1), **f64),
        pose,
        torch.tensor(hand.template, **f64),
        torch.zeros((778, 3, 1), **f64),
        torch.tensor(hand.posedirs.reshape(-1, 135).T.copy(), **f64),
        torch.tensor(hand.regressor, **f64),
        torch.tensor(np.array(hand.parents)),
        torch.tensor(hand.weights, **f64),
    )
    native = NativeHand(hand, TIPS)
    points = hand_evaluation(native, c, np.zeros((10, 5, 3)))[0]
    np.testing.assert_allclose(points, vertices.numpy()[:, list(TIPS)], atol=1e-7)


@pytest.mark.parametrize("beta", [1.0, 5e-3])
@pytest.mark.parametrize("wrist", [None, (0.1, 0.01)])
def test_derivatives_are_finite_differences(beta: float, wrist: tuple[float, float] | None) -> None:
    hand = blended_hand()
    native = NativeHand(hand, TIPS, (0, 2), components=7, wrist_scale=wrist)
    rng = np.random.default_rng(3)
    scale = np.concatenate([hand.sigma[:7], np.repeat(wrist, 3) if wrist else []])
    z = rng.normal(size=len(scale)) * 0.7
    targets = points_of(hand, (0, 2), rng.normal(size=(1, 7)) * hand.sigma[:7])
    weights = rng.uniform(0.0, 2.0, size=(1, 7))
    limits = -0.2 * hand.sigma[:7], 0.2 * hand.sigma[:7]

    def at(z: FloatArray) -> tuple[FloatArray, float, FloatArray, FloatArray]:
        out = hand_evaluation(
            native, (z * scale)[None], targets, weights, beta=beta, prior=1e-3, soft_limits=limits
        )
        return out[0][0].ravel(), float(out[1][0]), out[2][0], out[3][0]

    points, _, gradient, hessian = at(z)
    eps, eye = 1e-5, np.eye(len(z))
    slope = np.array([(at(z + eps * e)[1] - at(z - eps * e)[1]) / (2 * eps) for e in eye])
    np.testing.assert_allclose(2.0 * gradient, slope, atol=1e-9)
    J = np.stack([(at(z + eps * e)[0] - at(z - eps * e)[0]) / (2 * eps) for e in eye], axis=1)
    miss = points - targets.ravel()
    irls = np.repeat(weights.ravel(), 3) * beta / np.maximum(beta, np.abs(miss))
    expected = J.T @ (irls[:, None] * J) + 1e-3 * np.eye(len(z))
    over = (np.abs(z[:7]) > 0.2) * 1e-4
    expected[:7, :7] += np.diag(over)
    np.testing.assert_allclose(hessian, expected, atol=1e-9)


@pytest.mark.parametrize("components", [1, 4, 6, 15, 30, 45])
def test_optimum_is_scipys(components: int) -> None:
    hand = blended_hand()
    native = NativeHand(hand, TIPS, components=components)
    sigma = hand.sigma[:components]
    targets = hand_targets(hand, 8, seed=components, spread=0.5)
    fits = native.fit(targets)
    assert fits.converged.all()
    for k, target in enumerate(targets):

        def residual(z: FloatArray, target: FloatArray = target) -> FloatArray:
            miss = points_of(hand, (), z * sigma) - target
            return np.concatenate([miss.ravel(), 1e-3 * z])

        near = least_squares(residual, fits.pca[k] / sigma, xtol=1e-15, ftol=1e-15, gtol=1e-15)
        assert fits.cost[k] <= 2.0 * near.cost * (1 + 1e-9)
        np.testing.assert_allclose(
            fits.cost[k], np.sum(residual(fits.pca[k] / sigma) ** 2), rtol=1e-9
        )
        miss = points_of(hand, (), fits.pca[k]) - target
        np.testing.assert_allclose(fits.residual[k], np.linalg.norm(miss, axis=1), atol=1e-12)


@pytest.mark.parametrize("beta", [3e-3, 3e-4])
def test_robust_optimum_is_scipys(beta: float) -> None:
    hand = blended_hand()
    native = NativeHand(hand, TIPS, components=6)
    sigma = hand.sigma[:6]
    targets = hand_targets(hand, 6, seed=4, spread=0.4)
    fits = native.fit(targets, beta=beta, prior=1e-5, max_iterations=500)

    def cost(z: FloatArray, target: FloatArray) -> float:
        miss = points_of(hand, (), z * sigma) - target
        return float(np.sum(huber(miss, beta)) + 1e-5 * z @ z)

    for k, target in enumerate(targets):
        z = fits.pca[k] / sigma
        np.testing.assert_allclose(fits.cost[k], cost(z, target), rtol=1e-9)
        near = minimize(
            lambda z, t=target: 1e6 * cost(z, t), z, method="BFGS", options={"gtol": 1e-6}
        )
        assert fits.cost[k] <= near.fun * 1e-6 * (1 + 1e-7)


def test_the_wrist_is_found() -> None:
    hand = blended_hand()
    rng = np.random.default_rng(5)
    c = rng.normal(size=(10, 8)) * hand.sigma[:8] * 0.5
    joints = tuple(range(16))
    points = points_of(hand, joints, c)
    rotation, shift = 0.1 * rng.normal(size=(10, 3)), 0.01 * rng.normal(size=(10, 3))
    root = hand.root
    moved = (
        (points - root) @ np.swapaxes(rotation_from_rotvec(rotation), 1, 2) + root + shift[:, None]
    )
    fits = NativeHand(hand, TIPS, joints, components=8, wrist_scale=(0.3, 0.03)).fit(
        moved, prior=1e-14
    )
    assert fits.converged.all()
    np.testing.assert_allclose(fits.wrist, np.concatenate([rotation, shift], axis=1), atol=1e-6)
    np.testing.assert_allclose(fits.pca, c, atol=1e-6)
    fixed = NativeHand(hand, TIPS, joints, components=8).fit(moved)
    assert not fixed.wrist.any()


def test_points_without_weight_do_not_matter() -> None:
    hand = blended_hand()
    targets = hand_targets(hand, 5)
    weights = np.ones((5, 5))
    weights[:, 2] = 0.0
    spoiled = targets.copy()
    spoiled[:, 2] = np.nan
    native = NativeHand(hand, TIPS)
    np.testing.assert_array_equal(
        native.fit(targets, weights).pca, native.fit(spoiled, weights).pca
    )
    kept = NativeHand(hand, [v for k, v in enumerate(TIPS) if k != 2])
    np.testing.assert_allclose(
        native.fit(targets, weights).cost, kept.fit(np.delete(targets, 2, axis=1)).cost, rtol=1e-9
    )


def test_soft_limits_hold_back() -> None:
    hand = blended_hand()
    targets = hand_targets(hand, 20, spread=1.5)
    native = NativeHand(hand, TIPS)
    limit = hand.sigma[:15]
    free, held = (
        np.abs(native.fit(targets, soft_limits=(-limit, limit), soft_weight=w).pca / limit).max()
        for w in (0.0, 1.0)
    )
    assert free > 1.3
    assert held < 1.05


def test_single_precision_is_polished() -> None:
    hand = blended_hand()
    targets = hand_targets(hand, 300)
    for components in (6, 15):
        native = NativeHand(hand, TIPS, components=components)
        double = native.fit(targets)
        single = native.fit(targets, dtype="float32")
        same = np.abs(single.cost - double.cost) < 1e-3 * double.cost  # the same minimum
        assert same.mean() > 0.98
        np.testing.assert_allclose(single.residual[same], double.residual[same], atol=1e-6)


def test_a_fit_starts_again_where_it_failed() -> None:
    hand = load_hand("right")
    targets = hand_targets(hand, 400, spread=1.2)
    native = NativeHand(hand, TIPS)
    far = np.full((400, 15), 3.0) * hand.sigma[:15]
    restarts = np.zeros((3, 15))
    restarts[1:] = np.random.default_rng(0).normal(size=(2, 15)) * hand.sigma[:15]
    once = native.fit(targets, start=far)
    again = native.fit(targets, start=far, restarts=restarts, retry_above=3e-3)
    failed = once.residual.max(axis=1) > 3e-3
    assert failed.any()
    assert np.all(again.cost <= once.cost)
    assert np.all(again.cost[failed].mean() < 0.5 * once.cost[failed].mean())
    np.testing.assert_array_equal(again.pca[~failed], once.pca[~failed])
