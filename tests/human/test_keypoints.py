"""The keypoint layer: equal to smplx, numpy equal to torch, exact Jacobians, mirrored hands."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_files import rough_hand, write_npz
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import FINGERS, SIDES
from retarget.human.hand_model import HandModel, load_hand
from retarget.human.keypoints import KEYPOINT_NAMES, TIP_VERTICES, HandKeypoints

MIRROR = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module", params=["rough", "open"])
def right(request: pytest.FixtureRequest) -> HandModel:
    return rough_hand() if request.param == "rough" else load_hand("right")


def random_input(seed: int, count: int, components: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "pca": rng.normal(size=(count, components)),
        "betas": rng.normal(size=(count, 10)),
        "orient": rng.normal(size=(count, 3)),
        "translation": rng.normal(size=(count, 3)),
    }


# --- the reference


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("components", [6, 15, 44, 45])
@pytest.mark.parametrize("use_mean", [True, False])
def test_equals_smplx(tmp_path: Path, side: str, components: int, use_mean: bool) -> None:
    smplx, torch = pytest.importorskip("smplx"), pytest.importorskip("torch")
    hand = rough_hand(side)
    write_npz(tmp_path, hand)
    reference = smplx.MANO(
        str(tmp_path),
        is_rhand=side == "right",
        ext="npz",
        num_pca_comps=components,
        flat_hand_mean=not use_mean,
        dtype=torch.float64,
    )
    given = random_input(1, 40, components)
    given["pca"][0] = 0.0
    # smplx takes 45 coefficients for rotation vectors, with the mean added to them
    posed = {"pca": given["pca"]}
    if components == 45:
        posed = {"pose": given["pca"] + (hand.mean if use_mean else 0.0)}
    # its rotations are off by 1e-8 rad near zero, and where it subtracts from 1
    out = reference(
        betas=torch.tensor(given["betas"]),
        global_orient=torch.tensor(given["orient"]),
        hand_pose=torch.tensor(given["pca"]),
        transl=torch.tensor(given["translation"]),
    )
    place = {name: given[name] for name in ("betas", "orient", "translation")}
    layer = HandKeypoints(hand)
    points = layer.keypoints(**posed, use_mean=use_mean, **place)

    joints, vertices = out.joints.detach().numpy(), out.vertices.detach().numpy()
    expected = np.concatenate([joints[:, :16], vertices[:, [744, 320, 443, 554, 671]]], axis=1)
    order = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
    np.testing.assert_allclose(points, expected[:, order], atol=1e-6, rtol=0.0)
    full = posed["pose"] if components == 45 else layer.pose(given["pca"], use_mean=use_mean)
    np.testing.assert_allclose(layer.mesh(full, **place), vertices, atol=1e-6, rtol=0.0)


# --- one implementation, two backends


@pytest.mark.parametrize("side", SIDES)
def test_numpy_equals_torch(side: str) -> None:
    pytest.importorskip("torch")
    hand = rough_hand(side)
    ours, theirs = HandKeypoints(hand), HandKeypoints(hand, backend="torch")
    given = random_input(2, 9, 15)
    pca, pose = given["pca"], ours.pose(given["pca"])
    place = {name: given[name] for name in ("betas", "orient", "translation")}
    for a, b in [
        (ours.keypoints(**given), theirs.keypoints(**given)),
        (ours.mesh(pose, **place), theirs.mesh(pose, **place)),
        (ours.points(pose, **place), theirs.points(pose, **place)),
        (ours.fingertips(pca), theirs.fingertips(pca)),
        *zip(ours.fingertips_and_jacobian(pca), theirs.fingertips_and_jacobian(pca), strict=True),
    ]:
        np.testing.assert_allclose(a, b.numpy(), atol=1e-12, rtol=0.0)


def test_single_precision_and_dtypes() -> None:
    torch = pytest.importorskip("torch")
    hand = rough_hand()
    exact = HandKeypoints(hand)
    given = random_input(3, 5, 15)
    for backend, dtype in (("numpy", np.float32), ("torch", torch.float32)):
        layer = HandKeypoints(hand, backend=backend, dtype=dtype)
        points = layer.keypoints(**given)
        jacobian = layer.fingertips_and_jacobian(given["pca"])[1]
        assert points.dtype == jacobian.dtype == dtype
        np.testing.assert_allclose(points, exact.keypoints(**given), atol=1e-5)
        np.testing.assert_allclose(
            jacobian, exact.fingertips_and_jacobian(given["pca"])[1], atol=1e-6
        )


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0])
def test_gradients_reach_every_input_and_are_right_at_zero(scale: float) -> None:
    torch = pytest.importorskip("torch")
    plain, layer = HandKeypoints(rough_hand()), HandKeypoints(rough_hand(), backend="torch")
    given = {name: scale * value[0] for name, value in random_input(1, 1, 15).items()}
    pull = np.random.default_rng(0).normal(size=(21, 3))
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in given.items()}
    (layer.keypoints(**inputs, use_mean=False) * torch.tensor(pull)).sum().backward()
    for name, value in given.items():
        steps = 1e-5 * np.concatenate([np.eye(len(value)), -np.eye(len(value))])
        moved = (plain.keypoints(**{**given, name: value + steps}, use_mean=False) * pull).sum(
            (1, 2)
        )
        slope = (moved[: len(value)] - moved[len(value) :]) / 2e-5
        np.testing.assert_allclose(inputs[name].grad, slope, atol=1e-8, rtol=0.0)


def test_numpy_alone_does_not_import_torch() -> None:
    code = (
        "import sys, numpy as np; from retarget.human.hand_model import load_hand;"
        "from retarget.human.keypoints import HandKeypoints;"
        "HandKeypoints(load_hand('left')).fingertips_and_jacobian(np.zeros((2, 15)));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- derivatives


@pytest.mark.parametrize("components", [1, 6, 15, 45])
def test_jacobian_is_the_slope(right: HandModel, components: int) -> None:
    layer = HandKeypoints(right)
    pca = random_input(4, 6, components)["pca"]
    pca[0] = 0.0
    pca[1] *= 3.0
    step = 1e-5
    points, jacobian = layer.fingertips_and_jacobian(pca)
    plain = layer.fingertips
    np.testing.assert_allclose(points, plain(pca), atol=1e-15)
    steps = step * np.eye(components)
    slope = [(plain(pca + d) - plain(pca - d)) / (2.0 * step) for d in steps]
    np.testing.assert_allclose(jacobian, np.stack(slope, axis=-1), atol=1e-9, rtol=0.0)


def test_jacobian_is_autograds(right: HandModel) -> None:
    torch = pytest.importorskip("torch")
    layer = HandKeypoints(right, backend="torch")
    for pca in (np.zeros(15), *random_input(5, 3, 15)["pca"]):
        expected = torch.autograd.functional.jacobian(layer.fingertips, torch.tensor(pca))
        points, jacobian = layer.fingertips_and_jacobian(pca)
        np.testing.assert_allclose(jacobian, expected, atol=1e-14, rtol=0.0)
        assert points.shape == (5, 3)


# --- laws


@given(seed=st.integers(0, 1000), components=st.integers(1, 45))
def test_left_is_right_mirrored(seed: int, components: int) -> None:
    layers = {side: HandKeypoints(rough_hand(side)) for side in ("left", "right")}
    given = random_input(seed, 2, components)
    there = {
        **given,
        "orient": given["orient"] * -MIRROR,
        "translation": given["translation"] * MIRROR,
    }
    left, right = layers["left"].keypoints(**there), layers["right"].keypoints(**given)
    np.testing.assert_allclose(left, right * MIRROR, atol=1e-14, rtol=0.0)
    left, right = (layers[side].fingertips_and_jacobian(given["pca"])[1] for side in SIDES)
    np.testing.assert_allclose(left, right * MIRROR[:, None], atol=1e-14, rtol=0.0)


def test_restricted_is_full(right: HandModel) -> None:
    given = random_input(6, 4, 15)
    place = {name: given[name] for name in ("betas", "orient", "translation")}
    vertices = [3, 3, 777, 120]
    some = HandKeypoints(right, vertices=vertices, joints=[7, 0])
    pose = some.pose(given["pca"])
    points = some.points(pose, **place)
    np.testing.assert_allclose(points[:, 2:], some.mesh(pose, **place)[:, vertices], atol=1e-15)
    every = HandKeypoints(right, vertices=()).points(pose, **place)
    np.testing.assert_allclose(points[:, :2], every[:, [7, 0]], atol=1e-15)


@given(seed=st.integers(0, 1000))
def test_orientation_turns_about_the_root_and_translation_comes_last(seed: int) -> None:
    layer = HandKeypoints(rough_hand())
    given = random_input(seed, 3, 15)
    still = layer.keypoints(given["pca"], betas=given["betas"])
    root = still[:, :1]
    turned = (still - root) @ np.swapaxes(rotation_from_rotvec(given["orient"]), -1, -2) + root
    placed = layer.keypoints(**given)
    np.testing.assert_allclose(placed, turned + given["translation"][:, None], atol=1e-14, rtol=0.0)


def test_rest_pose_is_the_template(right: HandModel) -> None:
    layer = HandKeypoints(right, vertices=range(778))
    rest = np.concatenate([right.joints(), right.template])
    np.testing.assert_allclose(layer.points(np.zeros(45)), rest, atol=1e-15)


def test_batch_is_loop(right: HandModel) -> None:
    layer = HandKeypoints(right)
    given = random_input(7, 12, 15)
    batched = layer.keypoints(**{name: v.reshape(3, 4, -1) for name, v in given.items()})
    jacobian = layer.fingertips_and_jacobian(given["pca"])[1]
    for row in range(12):
        one = layer.keypoints(**{name: value[row] for name, value in given.items()})
        np.testing.assert_allclose(one, batched[row // 4, row % 4], atol=1e-15, rtol=0.0)
        alone = layer.fingertips_and_jacobian(given["pca"][row])[1]
        np.testing.assert_allclose(alone, jacobian[row], atol=1e-15, rtol=0.0)


def test_one_pose_takes_many_shapes_and_none_takes_none() -> None:
    layer = HandKeypoints(rough_hand())
    shapes = np.random.default_rng(0).normal(size=(4, 7))
    points = layer.keypoints(np.zeros(15), betas=shapes)
    for shape, row in zip(shapes, points, strict=True):
        np.testing.assert_allclose(layer.keypoints(np.zeros(15), betas=shape), row, atol=1e-15)
    empty = np.zeros((0, 2, 15))
    assert layer.keypoints(empty).shape == (0, 2, 21, 3)
    assert layer.fingertips_and_jacobian(empty)[1].shape == (0, 2, 5, 3, 15)


def test_names_and_order() -> None:
    hand = load_hand("right")
    points = dict(zip(KEYPOINT_NAMES, HandKeypoints(hand).keypoints(np.zeros(15)), strict=True))
    tips = HandKeypoints(hand).fingertips(np.zeros(15))
    for finger, tip in zip(FINGERS, tips, strict=True):
        np.testing.assert_allclose(points[f"{finger}_tip"], tip, atol=1e-15)
        chain = [name for name in KEYPOINT_NAMES if name.startswith(finger)]
        lengths = [np.linalg.norm(points[b] - points[a]) for a, b in pairwise(chain)]
        assert len(chain) == 4
        assert all(0.01 < length < 0.07 for length in lengths), finger
    np.testing.assert_allclose(points["wrist"], hand.root, atol=1e-15)
    assert tuple(TIP_VERTICES) == FINGERS


def test_other_tips_make_other_keypoints() -> None:
    hand = load_hand("right")
    others = (745, 317, 445, 556, 673)
    layer = HandKeypoints(hand, vertices=others)
    pose = layer.pose(np.ones(15))
    tips = layer.keypoints(np.ones(15))[[4, 8, 12, 16, 20]]
    np.testing.assert_allclose(tips, layer.mesh(pose)[list(others)], atol=1e-15)
    np.testing.assert_allclose(tips, layer.fingertips(np.ones(15)), atol=1e-15)


def test_callers_arrays_stay_as_they_are(right: HandModel) -> None:
    layer = HandKeypoints(right)
    given = random_input(8, 3, 15)
    kept = {name: value.copy() for name, value in given.items()}
    layer.keypoints(**given)
    layer.fingertips_and_jacobian(given["pca"])
    for name, value in given.items():
        np.testing.assert_array_equal(value, kept[name])


def test_bad_arguments_are_named() -> None:
    hand = load_hand("right")
    layer = HandKeypoints(hand)
    for call, message in [
        (lambda: layer.fingertips(np.zeros(46)), r"K from 1 to 45, got \(46,\)"),
        (lambda: layer.fingertips(np.zeros((2, 0))), r"K from 1 to 45, got \(2, 0\)"),
        (lambda: layer.fingertips(1.0), r"K from 1 to 45, got \(\)"),
        (lambda: layer.points(np.zeros(15)), r"pose must have shape \(..., 45\), got \(15,\)"),
        (lambda: layer.keypoints(np.zeros(6), orient=np.zeros(4)), r"orient .* got \(4,\)"),
        (lambda: layer.keypoints(np.zeros(6), translation=np.zeros(2)), "translation must"),
        (lambda: layer.keypoints(np.zeros(6), betas=np.zeros(11)), "S <= 10, got"),
        (lambda: layer.keypoints(), "either pca or pose"),
        (lambda: layer.keypoints(np.zeros(6), pose=np.zeros(45)), "either pca or pose"),
        (lambda: HandKeypoints(hand, vertices=[778]), r"vertices must lie in 0..777"),
        (lambda: HandKeypoints(hand, joints=[-1]), r"joints must lie in 0..15"),
        (lambda: HandKeypoints(hand, vertices=[1]).fingertips(np.zeros(6)), "five tip vertices"),
        (lambda: HandKeypoints(hand, joints=[0]).keypoints(np.zeros(6)), "all 16 joints"),
        (lambda: HandKeypoints(hand, backend="jax"), "numpy or torch, got 'jax'"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
