"""HandMLP: exact where a robot made the pose, within limits, calm, refused where foreign."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from retarget.core.errors import InputError, ModelError, TrainingError
from retarget.core.types import SIDES
from retarget.mapping.fitter import MANOFitter
from retarget.mapping.hand_accuracy import GATE, check_hands, require_accurate
from retarget.mapping.hand_mlp import HandMLP, shipped_path
from retarget.mapping.train import TrainSettings, sample_hand, train_hands, train_network
from retarget.robot.robot import Robot


@pytest.fixture(scope="module")
def fitter() -> MANOFitter:
    return MANOFitter()


@pytest.fixture(scope="module")
def mlp(fitter: MANOFitter) -> HandMLP:
    return HandMLP.load(fitter=fitter)


def recorded_hands(robot: Robot, shared: Path) -> np.ndarray:
    """Active joints (N, 2, 6) of all recorded frames [rad]."""
    data = np.load(shared / "teleop" / "h1_inspire_teleop.npz")
    return np.stack(
        [
            data[f"{side.side}_hand_qpos"].astype(np.float64)[
                :, [side.hand_joints.index(name) for name in side.active_joints]
            ]
            for side in robot.sides
        ],
        axis=1,
    )


def assert_exact(check) -> None:  # type: ignore[no-untyped-def]
    for plain, refined, noise in zip(check.plain, check.refined, check.noise, strict=True):
        assert plain.mean <= 2.5e-5
        assert plain.p99 <= 1e-4
        assert refined.mean <= 2e-7
        assert noise.mean <= 8e-4


def test_shipped_weights_are_exact_on_random_poses(mlp: HandMLP) -> None:
    assert_exact(check_hands(mlp, samples=4_000, seed=7))


def test_shipped_weights_are_exact_on_recorded_hands(mlp: HandMLP, shared: Path) -> None:
    active = recorded_hands(mlp.fitter.robot, shared)
    assert_exact(check_hands(mlp, active=active[::3]))


def test_joints_stay_within_limits_and_mimic_is_exact(mlp: HandMLP) -> None:
    rng = np.random.default_rng(0)
    wild = 3.0 * rng.normal(size=(500, 2, 15)) * mlp.fitter.hands[0].sigma[:15]
    for refine in (0, 1):
        joints = mlp.joints(wild, refine=refine)
        for k, side in enumerate(mlp.fitter.robot.sides):
            lower, upper = mlp.fitter.robot.hand_limits(k)
            assert (joints[:, k] >= lower).all()
            assert (joints[:, k] <= upper).all()
            full = mlp.fitter.robot.expand_hand(k, joints[:, k])
            of = {name: full[:, i] for i, name in enumerate(side.hand_joints)}
            s = side.side[0].upper()
            bend = of[f"{s}_thumb_proximal_pitch_joint"]
            np.testing.assert_array_equal(of[f"{s}_thumb_intermediate_joint"], 1.6 * bend)
            np.testing.assert_array_equal(of[f"{s}_thumb_distal_joint"], 2.4 * bend)
            for finger in ("index", "middle", "ring", "pinky"):
                np.testing.assert_array_equal(
                    of[f"{s}_{finger}_intermediate_joint"], of[f"{s}_{finger}_proximal_joint"]
                )


def test_batch_equals_single(mlp: HandMLP) -> None:
    rng = np.random.default_rng(1)
    pca = rng.normal(size=(40, 2, 15)) * mlp.fitter.hands[0].sigma[:15]
    for refine in (0, 1):
        whole = mlp.joints(pca, refine=refine)
        alone = np.stack([mlp.joints(one, refine=refine) for one in pca])
        np.testing.assert_allclose(alone, whole, atol=1e-9)
        np.testing.assert_allclose(
            mlp.joints(pca.reshape(4, 10, 2, 15), refine=refine).reshape(40, 2, 6), whole, atol=1e-9
        )


def test_a_humans_hand_gives_the_nearest_pose(mlp: HandMLP) -> None:
    """Hands that no robot pose makes come within a few millimetres of what the joints allow."""
    from scipy.optimize import least_squares

    robot, frame = mlp.fitter.robot, mlp.fitter.frames[1]
    rng = np.random.default_rng(2)
    pca = rng.normal(size=(20, 2, 15)) * mlp.fitter.hands[0].sigma[:15]
    goals = frame.robot_from_human(mlp.fitter.fingertips(pca)[:, 1])
    lower, upper = robot.hand_limits(1)

    def distance(q: np.ndarray, goal: np.ndarray) -> float:
        return float(np.linalg.norm(robot.hand_tips(1, q) - goal, axis=-1).mean())

    extra = {0: [], 1: []}
    for k, goal in enumerate(goals):
        found = least_squares(
            lambda q, goal=goal: (robot.hand_tips(1, q) - goal).ravel(),
            0.5 * (lower + upper),
            bounds=(lower, upper),
        )
        for refine, losses in extra.items():
            q = mlp.joints(pca[k], refine=refine)[1]
            losses.append(distance(q, goal) - distance(found.x, goal))
    assert np.mean(extra[0]) < 6e-3
    assert np.mean(extra[1]) < 1e-3


def test_a_missing_hand_stays_missing_and_leaves_the_other_alone(mlp: HandMLP) -> None:
    rng = np.random.default_rng(3)
    pca = rng.normal(size=(5, 2, 15)) * mlp.fitter.hands[0].sigma[:15]
    whole = mlp.joints(pca, refine=1)
    pca[2, 0] = np.nan
    joints = mlp.joints(pca, refine=1)
    assert np.isnan(joints[2, 0]).all()
    joints[2, 0] = whole[2, 0]
    np.testing.assert_allclose(joints, whole, atol=1e-12)


def test_saved_weights_come_back(mlp: HandMLP, tmp_path: Path) -> None:
    path = tmp_path / "hand.safetensors"
    mlp.save(path)
    again = HandMLP.load(path, fitter=mlp.fitter)
    pca = 0.3 * np.ones((2, 15))
    np.testing.assert_array_equal(again.joints(pca), mlp.joints(pca))
    assert again.errors == mlp.errors
    assert again.errors["left.plain.mean"] < GATE
    assert [p.name for p in tmp_path.iterdir()] == ["hand.safetensors"]


def test_foreign_weights_are_refused(fitter: MANOFitter, mlp: HandMLP, tmp_path: Path) -> None:
    path = tmp_path / "hand.safetensors"
    mlp.save(path)
    c = fitter.calibrations
    moved = (replace(c[0], scale=c[0].scale + 1e-4), c[1])
    hands = tuple(replace(hand, mean=0.99 * hand.mean) for hand in fitter.hands)
    left, right = fitter.robot.sides
    bent = replace(left, mimic_offset=left.mimic_offset + 1e-3)
    robot = replace(fitter.robot, sides=(bent, right))
    for other, key in (
        (MANOFitter(fitter.robot, fitter.hands, components=14), "components"),
        (MANOFitter(fitter.robot, fitter.hands, calibrations=moved), "calibration"),
        (MANOFitter(fitter.robot, hands, calibrations=c), "hand"),  # type: ignore[arg-type]
        (MANOFitter(robot, fitter.hands, calibrations=c), "robot_hand"),
    ):
        with pytest.raises(ModelError, match=f"trained for another {key}: .*, here"):
            HandMLP.load(path, fitter=other)
    arms = replace(fitter.robot, hash="0" * 16)  # the same hands on another robot
    assert HandMLP.load(path, fitter=MANOFitter(arms, fitter.hands)).errors == mlp.errors


def test_unreadable_weights_are_refused(fitter: MANOFitter, mlp: HandMLP, tmp_path: Path) -> None:
    path = tmp_path / "hand.safetensors"
    with pytest.raises(ModelError, match=r"no hand network for hand model .*train-hand"):
        HandMLP.load(path, fitter=fitter)
    path.write_bytes(b"not tensors")
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        HandMLP.load(path, fitter=fitter)
    whole = shipped_path(fitter).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        HandMLP.load(path, fitter=fitter)


def test_a_robots_own_folder_comes_before_the_librarys(fitter: MANOFitter, tmp_path: Path) -> None:
    folder = tmp_path / "robot"
    shutil.copytree(fitter.robot.path, folder)
    other = MANOFitter(Robot.load(folder), fitter.hands)
    assert shipped_path(other).parent == folder
    HandMLP.load(fitter=other)
    shipped_path(other).unlink()
    assert shipped_path(other) == shipped_path(fitter)  # of the same name
    with pytest.raises(ModelError, match=f"{folder}.*no hand network"):
        HandMLP.load(fitter=MANOFitter(replace(other.robot, name="other"), fitter.hands))


def test_training_is_deterministic_and_its_gate_real(fitter: MANOFitter, tmp_path: Path) -> None:
    """A minute run in seconds: same seed, same weights; far too short to pass the gate."""
    short = TrainSettings(seed=5, samples=2_000, steps=60, batch=256)
    one, two = (train_network(fitter, short, progress=False) for _ in range(2))
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    other = train_network(fitter, replace(short, seed=6), progress=False)
    assert (other.weights[0] != one.weights[0]).any()
    check = check_hands(HandMLP(one, fitter), samples=200)
    with pytest.raises(TrainingError, match=r"mean fingertip error is .* um .* above the gate"):
        require_accurate(check)
    with pytest.raises(TrainingError, match="above the gate"):
        train_hands(fitter, samples=2_000, steps=60, progress=False)
    assert check.plain[0].mean < 0.02  # it has learned something


def test_training_loss_is_the_fingertip_error(fitter: MANOFitter) -> None:
    """``|L e|`` of the training is the distance that forward kinematics sees, to first order."""
    samples = sample_hand(fitter, 0, TrainSettings(samples=200))
    e = 1e-5 * np.random.default_rng(0).normal(size=samples.joints.shape)
    there = fitter.robot.hand_tips(SIDES[0], samples.joints + e)
    moved = (there - fitter.robot.hand_tips(SIDES[0], samples.joints)).reshape(200, 15)
    seen = np.linalg.norm(np.einsum("nij,nj->ni", samples.metric, e), axis=1)
    np.testing.assert_allclose(seen, np.linalg.norm(moved, axis=1), rtol=2e-3)


@pytest.mark.parametrize("refine", [0, 1])
def test_a_hand_may_have_another_number_of_joints(tmp_path: Path, refine: int) -> None:
    """The pinky follows the ring finger: five active joints a hand."""
    source = Robot.load().path
    for name in ("h1_inspire.urdf", "calibration.toml"):
        shutil.copy(source / name, tmp_path / name)
    text = (source / "robot.toml").read_text(encoding="utf-8")
    text = re.sub(r"\[sides\.\w+\.command\]\n(?:(?!\n\[).)*", "", text, flags=re.DOTALL)
    for x in "LR":
        driven = f'"{x}_middle_proximal_joint", "{x}_pinky_proximal_joint",\n'
        assert text.count(driven) == 1
        text = text.replace(driven, f'"{x}_middle_proximal_joint",\n')
        relation = f'{x}_pinky_intermediate_joint = {{ joint = "{x}_pinky_proximal_joint"'
        both = relation.replace("pinky_proximal", "ring_proximal")
        first = both.replace("intermediate", "proximal", 1)
        text = text.replace(relation, f"{first}, multiplier = 1.0 }}\n{both}")
    (tmp_path / "robot.toml").write_text(text, encoding="utf-8")
    urdf = (tmp_path / "h1_inspire.urdf").read_text(encoding="utf-8")
    (tmp_path / "h1_inspire.urdf").write_text(re.sub(r"<mimic[^>]*/>", "", urdf), encoding="utf-8")
    own = MANOFitter(Robot.load(tmp_path))
    small = TrainSettings(samples=64, steps=2, batch=16, hidden=(8,))
    mlp = HandMLP(train_network(own, small, progress=False), own)
    joints = mlp.joints(np.zeros((2, 3, 2, 15)), refine=refine)
    assert joints.shape == (2, 3, 2, 5)
    assert np.isfinite(joints).all()
    with pytest.raises(InputError, match=r"not empty, got \(0, 2, 15\)"):
        mlp.joints(np.zeros((0, 2, 15)), refine=refine)


def test_network_is_smooth(mlp: HandMLP) -> None:
    """Finite differences at two scales agree: no kink inside the limits."""
    network = mlp.network
    x = network.center + 0.3 * network.spread * np.random.default_rng(4).normal(size=(50, 2, 15))
    d = np.random.default_rng(5).normal(size=x.shape)

    def slope(h: float) -> np.ndarray:
        return (network(x + h * d, clamp=False) - network(x - h * d, clamp=False)) / (2 * h)

    slopes = [slope(h) for h in (1e-5, 1e-4)]
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-3, atol=1e-3)


def test_refuses_wrong_input(mlp: HandMLP) -> None:
    with pytest.raises(InputError, match=r"fingertips must have shape \(\.\.\., 2, 5, 3\)"):
        mlp.joints_from_fingertips(np.zeros((3, 5, 3)))
    with pytest.raises(InputError, match="refine must not be negative"):
        mlp.joints_from_fingertips(np.zeros((2, 5, 3)), refine=-1)
    with pytest.raises(InputError, match="N > 0"):
        check_hands(mlp, active=np.zeros((0, 2, 6)))


def test_saved_networks_are_the_loaded_ones(mlp: HandMLP, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    HandMLP(mlp.network, mlp.fitter, {"x": 1.0}).save(path)
    loaded = HandMLP.load(path, fitter=mlp.fitter)
    assert loaded.errors == {"x": 1.0}
    for a, b in zip(loaded.network.weights, mlp.network.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    ours, shipped = load_file(path), load_file(shipped_path(mlp.fitter))
    assert ours.keys() == shipped.keys()
    for name, array in ours.items():  # the layout that files of before have
        assert array.dtype == shipped[name].dtype
        np.testing.assert_array_equal(array, shipped[name])
