"""The fit is a function, exact, continuous, and the same for every engine, batch and side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from retarget.core.errors import InputError, ModelError
from retarget.core.geometry import rotation_from_rotvec, transform, transform_points
from retarget.core.types import SIDES, Calibration, Status, side_index
from retarget.human import fit_engines, fit_newton
from retarget.human.hand_model import HandModel, hand_from_arrays, load_hands
from retarget.human.mano_format import POSE
from retarget.mapping.fitter import HandFit, MANOFitter
from retarget.mapping.hand_frame import robot_wrists

JUMP, STEP = 0.05, 1e-3  # [standard deviations], [rad]


@pytest.fixture(scope="module")
def fitter() -> MANOFitter:
    return MANOFitter()


def robot_poses(fitter: MANOFitter, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    limits = [fitter.robot.hand_limits(side) for side in SIDES]
    return np.stack([rng.uniform(low, high, size=(count, 6)) for low, high in limits], axis=1)


def robot_tips(fitter: MANOFitter, active: np.ndarray) -> np.ndarray:
    return np.stack([fitter.robot.hand_tips(s, active[:, k]) for k, s in enumerate(SIDES)], axis=1)


def wrists(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    R = rotation_from_rotvec(rng.normal(size=(count, 2, 3)))
    return transform(R, rng.normal(size=(count, 2, 3)))


def sigmas(fitter: MANOFitter) -> np.ndarray:
    return np.stack([hand.sigma[: fitter.components] for hand in fitter.hands])


def test_batch_of_one_equals_any_batch_and_any_order(fitter: MANOFitter) -> None:
    T = wrists(300)
    tips = transform_points(T, robot_tips(fitter, robot_poses(fitter, 300, 1)))
    whole = fitter.fit(tips, T)
    order = np.random.default_rng(2).permutation(300)
    shuffled = fitter.fit(tips[order], T[order])
    np.testing.assert_allclose(shuffled.pca, whole.pca[order], atol=1e-9)
    for k in range(0, 300, 29):
        alone = fitter.fit(tips[k], T[k])
        np.testing.assert_allclose(alone.pca, whole.pca[k], atol=1e-9)
        np.testing.assert_allclose(alone.residual, whole.residual[k], atol=1e-9)
    folded = fitter.fit(tips.reshape(3, 100, 2, 5, 3), T.reshape(3, 100, 2, 4, 4))
    np.testing.assert_allclose(folded.pca.reshape(300, 2, -1), whole.pca, atol=1e-9)


def test_wrist_pose_does_not_matter(fitter: MANOFitter) -> None:
    local = robot_tips(fitter, robot_poses(fitter, 20, 3))
    still = np.broadcast_to(np.eye(4), (20, 2, 4, 4))
    T = wrists(20, 4)
    moved = fitter.fit(transform_points(T, local), T)
    np.testing.assert_allclose(moved.pca, fitter.fit(local, still).pca, atol=1e-8)
    np.testing.assert_allclose(robot_wrists(fitter.robot, moved.T_world_mano), T, atol=1e-14)


@pytest.mark.parametrize("components", [6, 15, 20])
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_every_engine_gives_the_same(
    fitter: MANOFitter, monkeypatch: pytest.MonkeyPatch, engine: str, components: int
) -> None:
    """From the first start; where further ones end depends on the way there."""
    for module in (fit_engines, fit_newton):
        monkeypatch.setattr(module, "FAILED", np.inf)
    tips = robot_tips(fitter, robot_poses(fitter, 200, 5))
    T = np.broadcast_to(np.eye(4), (200, 2, 4, 4))
    native, other = (
        MANOFitter(fitter.robot, fitter.hands, components=components, engine=name).fit(tips, T)
        for name in ("native", engine)
    )
    np.testing.assert_allclose(other.pca, native.pca, atol=1e-9)
    np.testing.assert_allclose(other.residual, native.residual, atol=1e-12)


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_frames_far_off_get_more_starts(
    fitter: MANOFitter, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """At a human scale of 1.5 six coefficients leave some fingertips centimetres away."""

    def fits() -> HandFit:
        big = (Calibration(1.5), Calibration(1.5))
        other = MANOFitter(fitter.robot, calibrations=big, components=6, prior=1e-9, engine=engine)
        target = other.frames[1].human_from_robot(
            robot_tips(other, robot_poses(other, 400, 6))[:, 1]
        )
        return other.fit_hand(1, target)

    more, failed = fits(), fit_newton.FAILED
    for module in (fit_engines, fit_newton):
        monkeypatch.setattr(module, "FAILED", np.inf)
    one = fits()
    near = one.residual.max(axis=-1) <= failed
    assert 0 < near.sum() < len(near)
    np.testing.assert_allclose(more.pca[near], one.pca[near], rtol=0.0, atol=1e-12)
    np.testing.assert_array_equal(more.iterations[near], one.iterations[near])
    ours, theirs = (np.sum(f.residual**2, axis=-1)[~near] for f in (more, one))
    assert (more.iterations[~near] > one.iterations[~near]).all()
    assert (ours <= theirs * (1 + 1e-6) + 1e-7).all()
    assert (ours < 0.7 * theirs).any()


def test_single_precision_has_the_same_residuals(fitter: MANOFitter) -> None:
    tips = robot_tips(fitter, robot_poses(fitter, 2_000, 5))
    T = np.broadcast_to(np.eye(4), (2_000, 2, 4, 4))
    single = MANOFitter(fitter.robot, fitter.hands, dtype="float32").fit(tips, T)
    np.testing.assert_allclose(single.residual, fitter.fit(tips, T).residual, atol=1e-6)


def test_threads_change_nothing(fitter: MANOFitter) -> None:
    tips = robot_tips(fitter, robot_poses(fitter, 500, 5))
    T = np.broadcast_to(np.eye(4), (500, 2, 4, 4))
    for threads in (1, 2, 3):
        other = MANOFitter(fitter.robot, fitter.hands, threads=threads).fit(tips, T)
        np.testing.assert_array_equal(other.pca, fitter.fit(tips, T).pca)


@pytest.mark.parametrize("beta", [1.0, 2e-3])
def test_reaches_the_optimum_scipy_reaches(fitter: MANOFitter, beta: float) -> None:
    robust = MANOFitter(fitter.robot, fitter.hands, beta=beta)
    rng = np.random.default_rng(6)
    targets = robust.frames[1].human_from_robot(robot_tips(robust, robot_poses(robust, 4, 7))[:, 1])
    targets[:, 0] += 5e-3 * rng.normal(size=(4, 3))  # an outlying thumb
    sigma, hand = robust.hands[1].sigma[:15], robust.layers[1]
    fits = robust.fit_hand(1, targets)
    for target, pca in zip(targets, fits.pca, strict=True):

        def cost(z: np.ndarray, goal: np.ndarray = target) -> float:
            r = np.abs(hand.fingertips(z * sigma) - goal)
            rho = np.where(r < beta, r * r, 2.0 * beta * r - beta * beta)
            return 1e6 * float(rho.sum() + 1e-6 * z @ z)

        best = minimize(cost, pca / sigma + 0.1, method="BFGS", options={"gtol": 1e-7})
        assert cost(pca / sigma) <= best.fun + 1e-7
        np.testing.assert_allclose(pca / sigma, best.x, atol=2e-3)


def jumps(fitter: MANOFitter, active: np.ndarray, seed: int) -> tuple[int, float]:
    """Frames whose coefficients move too far when the joints move a little, and the farthest."""
    push = np.random.default_rng(seed).normal(size=active.shape)
    push *= STEP / np.linalg.norm(push, axis=-1, keepdims=True)
    T = np.broadcast_to(np.eye(4), (len(active), 2, 4, 4))
    here = fitter.fit(robot_tips(fitter, active), T)
    there = fitter.fit(robot_tips(fitter, active + push), T)
    assert set(np.unique(here.status)) == {int(Status.OK)}
    moved = (np.abs(there.pca - here.pca) / sigmas(fitter)).max(axis=(1, 2))
    return int((moved > JUMP).sum()), float(moved.max())


def test_is_continuous_over_the_joint_ranges(fitter: MANOFitter) -> None:
    count, farthest = jumps(fitter, robot_poses(fitter, 4_000, 8), 9)
    assert count == 0, farthest


def test_is_continuous_on_recorded_hands(fitter: MANOFitter, shared: Path) -> None:
    data = np.load(shared / "teleop" / "h1_inspire_teleop.npz")
    active = []
    for side in fitter.robot.sides:
        columns = [side.hand_joints.index(name) for name in side.active_joints]
        active.append(data[f"{side.side}_hand_qpos"].astype(np.float64)[::5, columns])
    count, farthest = jumps(fitter, np.stack(active, axis=1), 10)
    assert count == 0, farthest


def test_human_hand_follows_every_robot_joint(fitter: MANOFitter) -> None:
    """Where a joint moves no keypoint, its pose cannot come back."""
    active = robot_poses(fitter, 300, 11)
    T = np.broadcast_to(np.eye(4), (300, 2, 4, 4))
    still = fitter.keypoints(fitter.fit(robot_tips(fitter, active), T))
    columns = []
    for joint in range(active.shape[-1]):
        moved = active + STEP * np.eye(active.shape[-1])[joint]
        there = fitter.keypoints(fitter.fit(robot_tips(fitter, moved), T))
        columns.append((there - still).reshape(300, 2, -1) / STEP)
    smallest = np.linalg.svd(np.stack(columns, axis=-1), compute_uv=False)[..., -1]
    assert smallest.min() >= 0.01  # [m/rad]


def mirrored_calibration(calibration: Calibration) -> Calibration:
    """The same similarity seen in the mirror ``x -> -x`` of the hand model's frame."""
    flip = np.array([-1.0, 1.0, 1.0])
    return Calibration(
        calibration.scale, -calibration.rotation * flip, calibration.translation * flip
    )


def test_mirrored_hands_have_mirrored_parameters(fitter: MANOFitter) -> None:
    flip = np.array([-1.0, 1.0, 1.0])
    right = fitter.calibrations[1]
    pair = MANOFitter(fitter.robot, fitter.hands, calibrations=(mirrored_calibration(right), right))
    tips = fitter.frames[1].human_from_robot(robot_tips(fitter, robot_poses(fitter, 100, 12))[:, 1])
    ours, theirs = pair.fit_hand(1, tips), pair.fit_hand(0, tips * flip)
    np.testing.assert_allclose(theirs.pca, ours.pca, atol=1e-9)  # the same numbers, mirrored hand
    poses = [pair.layers[k].pose(f.pca) for k, f in ((1, ours), (0, theirs))]
    mirrored = poses[0].reshape(-1, 15, 3) * -flip
    np.testing.assert_allclose(poses[1].reshape(-1, 15, 3), mirrored, atol=1e-9)
    # a robot point reflected through the two axis changes meets the reflected human point
    p = np.random.default_rng(0).normal(size=(10, 3))
    through = p @ fitter.frames[1].axes * flip @ fitter.frames[0].axes.T
    np.testing.assert_allclose(
        pair.frames[0].human_from_robot(through),
        pair.frames[1].human_from_robot(p) * flip,
        atol=1e-12,
    )


def test_the_robot_frame_and_the_human_frame_are_inverse(fitter: MANOFitter) -> None:
    p = np.random.default_rng(13).normal(size=(7, 5, 3))
    for frame in fitter.frames:
        np.testing.assert_allclose(frame.robot_from_human(frame.human_from_robot(p)), p, atol=1e-12)
        moved = (frame.human_from_robot(p + 1e-3) - frame.human_from_robot(p)) / 1e-3
        np.testing.assert_allclose(moved, np.ones(3) @ frame.linear.T + 0.0 * moved, atol=1e-9)


def test_residuals_are_distances_at_the_robot(fitter: MANOFitter) -> None:
    tips = robot_tips(fitter, robot_poses(fitter, 50, 14))
    motion = fitter.fit(tips, np.broadcast_to(np.eye(4), (50, 2, 4, 4)))
    human = fitter.fingertips(motion.pca)
    back = np.stack(
        [frame.robot_from_human(human[:, k]) for k, frame in enumerate(fitter.frames)], axis=1
    )
    np.testing.assert_allclose(
        motion.residual, np.linalg.norm(back - tips, axis=-1), rtol=1e-9, atol=1e-12
    )
    assert np.median(motion.residual) < 5e-4


@pytest.mark.parametrize("components", [1, 6, 15, 30, 45])
def test_any_number_of_components(fitter: MANOFitter, components: int) -> None:
    other = MANOFitter(fitter.robot, fitter.hands, components=components)
    tips = robot_tips(other, robot_poses(other, 30, 15))
    motion = other.fit(tips, np.broadcast_to(np.eye(4), (30, 2, 4, 4)))
    assert motion.pca.shape == (30, 2, components)
    assert (motion.status == int(Status.OK)).all()


def test_pose_blend_shapes_only_cost_iterations(fitter: MANOFitter) -> None:
    """Tips that the pose bends, as in MANO, and that ride on two joints, still fit to rounding."""
    rng = np.random.default_rng(16)

    def bent(hand: HandModel) -> HandModel:
        posedirs = hand.posedirs + 4e-4 * rng.normal(size=hand.posedirs.shape)
        weights = 0.9 * hand.weights + 0.1 * np.roll(hand.weights, -1, axis=1)
        arrays = {
            "v_template": hand.template,
            "shapedirs": hand.shapedirs,
            "posedirs": posedirs,
            "J_regressor": hand.regressor,
            "weights": weights,
            "f": hand.faces,
            "kintree_table": np.stack([np.maximum(hand.parents, 0), np.arange(16)]),
            "hands_components": hand.components,
            "hands_mean": hand.mean,
            "hands_variance": hand.sigma**2,
        }
        return hand_from_arrays(hand.side, arrays, "bent")

    hands = (bent(fitter.hands[0]), bent(fitter.hands[1]))
    other = MANOFitter(fitter.robot, hands, calibrations=fitter.calibrations)
    target = other.frames[1].human_from_robot(robot_tips(other, robot_poses(other, 60, 17))[:, 1])
    fit = other.fit_hand(1, target)
    assert (fit.status == int(Status.OK)).all()
    sigma = other.hands[1].sigma[:15]
    tips, J = other.layers[1].fingertips_and_jacobian(fit.pca)
    slope = np.einsum("nfik,nfi->nk", J * sigma, tips - target) + 1e-6 * fit.pca / sigma
    assert np.abs(slope).max() < 1e-13


def test_missing_hands_are_left_out_and_said(fitter: MANOFitter) -> None:
    tips = robot_tips(fitter, robot_poses(fitter, 6, 18))
    T = np.broadcast_to(np.eye(4), (6, 2, 4, 4)).copy()
    whole = fitter.fit(tips, T)
    before = tips.copy()
    before[1, 0, 2:4, 2] = np.nan
    T[2, 1, 0, 3] = np.inf
    valid = np.ones((6, 2), dtype=np.bool_)
    valid[4, 0] = False
    motion = fitter.fit(before, T, valid)
    lost = np.zeros((6, 2), dtype=np.bool_)
    lost[1, 0] = lost[2, 1] = lost[4, 0] = True
    np.testing.assert_array_equal(motion.status == int(Status.MISSING_INPUT), lost)
    assert np.isnan(motion.pca[lost]).all()
    assert np.isnan(motion.residual[lost]).all()
    np.testing.assert_allclose(motion.pca[~lost], whole.pca[~lost], atol=1e-9)


def test_empty_input_is_refused(fitter: MANOFitter) -> None:
    with pytest.raises(InputError, match=r"not empty, got \(0, 2, 5, 3\)"):
        fitter.fit(np.zeros((0, 2, 5, 3)), np.zeros((0, 2, 4, 4)))
    with pytest.raises(InputError, match=r"not empty, got \(0, 5, 3\)"):
        fitter.fit_hand(0, np.zeros((0, 5, 3)))


def test_input_is_not_modified(fitter: MANOFitter) -> None:
    tips = robot_tips(fitter, robot_poses(fitter, 3, 19))
    T = np.tile(np.eye(4), (3, 2, 1, 1))
    tips.setflags(write=False)
    T.setflags(write=False)
    fitter.fit(tips, T)


def test_published_recipe_is_there_for_comparison(fitter: MANOFitter) -> None:
    """Six coefficients from a seeded random start: residuals many times the library's own."""
    published = MANOFitter(fitter.robot, fitter.hands, recipe="egovla", seed=3)
    tips = robot_tips(fitter, robot_poses(fitter, 8, 20))
    T = np.broadcast_to(np.eye(4), (8, 2, 4, 4))
    whole = published.fit(tips, T)
    assert not whole.pca[..., 6:].any()
    np.testing.assert_array_equal(whole.pca, published.fit(tips, T).pca)  # but for the seed
    other = MANOFitter(fitter.robot, fitter.hands, recipe="egovla", seed=4)
    assert (other.fit(tips, T).pca != whole.pca).any()
    assert whole.residual.mean() > 5.0 * fitter.fit(tips, T).residual.mean()
    assert published.calibrations[0].scale == 1.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"components": 0}, f"components must be 1 to {POSE}, got 0"),
        ({"components": 46}, "got 46"),
        ({"prior": 0.0}, "prior must be positive"),
        ({"beta": -1.0}, "beta must be positive"),
        ({"engine": "fpga"}, "engine must be one of native, numpy, torch, got 'fpga'"),
        ({"dtype": "float16"}, "dtype must be one of float64, float32"),
        ({"engine": "numpy", "dtype": "float32"}, "float64 but for the native engine"),
        ({"threads": -1}, "threads must not be negative, got -1"),
        ({"recipe": "egovla2"}, "recipe must be one of retarget, egovla, got 'egovla2'"),
        ({"calibrations": (Calibration(1.0),)}, "left and right, got 1"),
    ],
)
def test_refuses_settings(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MANOFitter(**change)  # type: ignore[arg-type]


def test_refuses_shapes(fitter: MANOFitter) -> None:
    T = np.tile(np.eye(4), (3, 2, 1, 1))
    with pytest.raises(InputError, match=r"fingertips must have shape .* got \(3, 5, 3\)"):
        fitter.fit(np.zeros((3, 5, 3)), T)
    with pytest.raises(InputError, match=r"T_world_wrist must have shape \(4, 2, 4, 4\)"):
        fitter.fit(np.zeros((4, 2, 5, 3)), T)
    with pytest.raises(InputError, match="valid must be boolean"):
        fitter.fit(np.zeros((3, 2, 5, 3)), T, np.ones((3, 2)))
    with pytest.raises(InputError, match=r"target must have shape \(\.\.\., 5, 3\)"):
        fitter.fit_hand(0, np.zeros((3, 4, 3)))
    with pytest.raises(InputError, match=r"pca must have shape \(\.\.\., 2, K\)"):
        fitter.fingertips(np.zeros(15))
    with pytest.raises(InputError, match="target must hold real numbers, got dtype complex128"):
        fitter.fit_hand(0, np.zeros((5, 3), dtype=complex))
    with pytest.raises(InputError, match="fingertips must hold real numbers, got dtype <U3"):
        fitter.fit(np.full((3, 2, 5, 3), "tip"), T)


def test_a_side_has_a_name_and_a_number(fitter: MANOFitter) -> None:
    target = np.stack([hand.fingertips(np.zeros(15)) for hand in fitter.layers])
    for k, name in enumerate(SIDES):
        pca = fitter.fit_hand(k, target[k]).pca
        np.testing.assert_array_equal(fitter.fit_hand(name, target[k]).pca, pca)
        np.testing.assert_array_equal(fitter.tips_of(name, pca), fitter.tips_of(k, pca))
        assert side_index(name) == side_index(np.int64(k)) == k
    for side in (-1, 2, "L", "", None, 1.0, np.zeros(2), [0]):
        with pytest.raises(InputError, match="side must be 'left', 'right', 0 or 1, got"):
            fitter.fit_hand(side, target[0])  # type: ignore[arg-type]
        with pytest.raises(InputError, match="side must be 'left', 'right', 0 or 1, got"):
            fitter.tips_of(side, np.zeros(15))  # type: ignore[arg-type]


def test_refuses_hands_without_a_calibration() -> None:
    left, right = (replace(hand, mean=0.99 * hand.mean) for hand in load_hands())
    with pytest.raises(ModelError, match="no calibration between this robot and hand model"):
        MANOFitter(hands=(left, right))
