"""Actions between frames: exact both ways, rotations as rotations, cameras still and moving."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from action_values import SEEDS, SHAPES, close, random_action, random_transforms
from hypothesis import given

from retarget.actions import (
    Normalization,
    action,
    action_from_motion,
    make_chunks,
    motion_from_action,
    pack,
    to_camera,
    to_world,
    transform_action,
    unpack,
)
from retarget.core.errors import InputError
from retarget.core.geometry import transform, transform_inverse
from retarget.core.types import HumanMotion, Status
from retarget.robot.robot import Robot


@given(SEEDS, SHAPES)
def test_to_world_undoes_to_camera(seed: int, shape: tuple[int, ...]) -> None:
    one = random_action(seed, shape)
    T = random_transforms(np.random.default_rng(seed), shape)  # a camera for every step
    close(to_world(to_camera(one, T), T), one)


@given(SEEDS)
def test_poses_move_as_poses(seed: int) -> None:
    one = random_action(seed, (5,))
    T = random_transforms(np.random.default_rng(seed + 1), ())
    moved = to_camera(one, T)
    want = T @ transform(one.rotation, one.translation)
    np.testing.assert_allclose(transform(moved.rotation, moved.translation), want, atol=1e-12)
    np.testing.assert_array_equal(moved.pca, one.pca)


@given(SEEDS)
def test_transforms_compose(seed: int) -> None:
    one = random_action(seed, (3,))
    a, b = random_transforms(np.random.default_rng(seed + 1), (2,))
    close(transform_action(a, transform_action(b, one)), transform_action(a @ b, one))


@given(SEEDS)
def test_torch_gives_the_same(seed: int) -> None:
    T = random_transforms(np.random.default_rng(seed), (4,))
    ours = to_camera(random_action(seed, (4,)), T)
    theirs = random_action(seed, (4,), torch=True)
    close(ours, to_camera(theirs, torch.from_numpy(T)), 1e-14)
    close(ours, to_camera(theirs, T), 1e-14)


def test_one_step_seen_by_many_cameras() -> None:
    one = random_action(0)
    T = random_transforms(np.random.default_rng(0), (6,))
    seen = to_camera(one, T)
    assert seen.shape == (6,)
    assert seen.pca.shape == (6, 2, 15)
    close(seen[3], to_camera(one, T[3]), 1e-15)


def test_a_missing_hand_stays_missing() -> None:
    one = random_action(0, (4,))
    lost = action(
        np.where(np.arange(4)[:, None, None] == 2, np.nan, 1.0) * one.translation,
        one.pca,
        one.rotation,
    )
    T = random_transforms(np.random.default_rng(0), ())
    seen = to_camera(lost, T)
    assert (seen.status[2] == Status.MISSING_INPUT).all()
    np.testing.assert_array_equal(seen.rotation[2], [np.eye(3)] * 2)
    np.testing.assert_array_equal(seen.translation[2], 0.0)
    close(seen[:2], to_camera(one, T)[:2], 1e-15)


# --- cameras of the robot


def test_the_camera_is_the_published_matrix(robot: Robot) -> None:
    """EgoVLA prints its rotation with three digits: 0.643 for sin 40 deg = 0.64279 (2.1e-4 off).

    So the rotation is compared in two ways: rounded to the digits printed, with what is printed,
    and as it is, to 1e-4, with the cosine and sine of 40 degrees. The translation is printed with
    four digits and compared with those to 1e-4.
    """
    published = np.array(
        [[0, -1, 0, 0], [-0.766, 0, -0.643, 1.1617], [0.643, 0, -0.766, 1.2444], [0, 0, 0, 1]]
    )
    T = robot.camera("main").T_camera_world
    assert np.abs(T[:3, 3] - published[:3, 3]).max() <= 1e-4
    np.testing.assert_allclose(np.round(T[:3, :3], 3), published[:3, :3], atol=1e-12)
    c, s = np.cos(np.radians(40.0)), np.sin(np.radians(40.0))
    exact = np.array([[0, -1, 0], [-c, 0, -s], [s, 0, -c]])
    np.testing.assert_allclose(T[:3, :3], exact, atol=1e-4)


def test_what_is_ahead_of_the_camera_is_in_front(robot: Robot) -> None:
    """The camera looks 50 degrees down along +x: the robot's left is the image's left."""
    wrists = np.array([[0.4, 0.2, 1.2], [0.4, -0.2, 1.2]])
    seen = to_camera(
        action(wrists, np.zeros((2, 15)), np.broadcast_to(np.eye(3), (2, 3, 3))),
        robot.cameras["main"].T_camera_world,
    )
    assert (seen.translation[:, 2] > 0).all()
    assert seen.translation[0, 0] < 0 < seen.translation[1, 0]


def test_an_unknown_camera_is_refused(robot: Robot) -> None:
    with pytest.raises(InputError, match="no camera 'side'; it has: main"):
        robot.camera("side")


def test_what_is_not_rigid_is_refused() -> None:
    one = random_action(0, (4,))
    for bad, said in (
        (2.0 * np.eye(4), "has no orthonormal rotation"),
        (np.diag([1.0, 1.0, -1.0, 1.0]), "is a reflection"),
        (np.full((4, 4), np.nan), "has no orthonormal rotation"),
    ):
        with pytest.raises(InputError, match=f"T_a_b {said}"):
            to_camera(one, bad)
    with pytest.raises(InputError, match=r"\(\.\.\., 4, 4\), got \(3, 3\)"):
        to_camera(one, np.eye(3))
    with pytest.raises(InputError, match="does not fit an action of batch axes"):
        to_camera(one, np.broadcast_to(np.eye(4), (3, 4, 4)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_frames_of_half_precision(robot: Robot, dtype: torch.dtype) -> None:
    """A policy under autocast speaks in half precision; its camera need not."""
    T = robot.cameras["main"].T_camera_world
    vectors = np.random.default_rng(0).normal(size=(4, 48))
    seen = to_world(unpack(torch.as_tensor(vectors, dtype=dtype)), T)
    assert seen.translation.dtype == seen.rotation.dtype == dtype
    exact = to_world(unpack(vectors), T)
    for name in ("translation", "rotation"):
        off = np.abs(getattr(seen, name).double().numpy() - getattr(exact, name))
        assert off.max() < 20 * torch.finfo(dtype).eps
    T_world_camera = np.broadcast_to(transform_inverse(T), (4, 4, 4))
    chunks = make_chunks(seen, 3, T_world_camera=T_world_camera)
    assert chunks.rotation.dtype == dtype


def test_a_camera_may_be_a_tensor() -> None:
    T = random_transforms(np.random.default_rng(0), ())
    pose = torch.from_numpy(T).requires_grad_()
    ours, theirs = (random_action(0, (3,), torch=kind) for kind in (False, True))
    seen = to_world(theirs, pose)
    close(unpack(pack(seen).detach()), to_world(ours, T))
    seen.translation.sum().backward()
    assert torch.isfinite(pose.grad).all()
    assert pose.grad[:3].abs().sum() > 0


def test_normalised_positions_cannot_change_frames() -> None:
    one = random_action(0, (40,))
    both = Normalization.from_data(one, "mean_std", fields=("pca", "translation"))
    with pytest.raises(InputError, match="undo that before"):
        to_camera(both.apply(one), np.eye(4))
    hands_only = Normalization.egovla().apply(one)
    assert to_camera(hands_only, np.eye(4)).normalization == Normalization.egovla()


# --- human motion


def human(seed: int, frames: int = 6, components: int = 15) -> HumanMotion:
    one = random_action(seed, (frames,))
    return HumanMotion(
        pca=one.pca[..., :components],
        T_world_mano=transform(one.rotation, one.translation),
        residual=np.full((frames, 2, 5), np.nan),
        iterations=np.zeros((frames, 2), dtype=np.int64),
        status=np.zeros((frames, 2), dtype=np.int64),
        hand="0123",
    )


@given(SEEDS)
def test_human_motion_and_back(seed: int) -> None:
    motion = human(seed)
    T = random_transforms(np.random.default_rng(seed), ())
    for camera in (None, T):
        back = motion_from_action(action_from_motion(motion, camera), motion.hand, camera)
        np.testing.assert_allclose(back.T_world_mano, motion.T_world_mano, atol=1e-12)
        np.testing.assert_allclose(back.pca, motion.pca, atol=1e-12)
        np.testing.assert_array_equal(back.status, motion.status)


def test_missing_and_unconverged_hands_keep_their_status() -> None:
    motion = human(0)
    motion.status[2, 0] = Status.MISSING_INPUT
    motion.status[3, 1] = Status.NOT_CONVERGED
    motion.pca[4, 1] = np.nan
    one = action_from_motion(motion)
    assert one.status[3, 1] == Status.NOT_CONVERGED
    assert one.status[2, 0] == one.status[4, 1] == Status.MISSING_INPUT
    back = motion_from_action(one, "0123")
    assert np.isnan(back.pca[2, 0]).all()
    assert np.isnan(back.T_world_mano[4, 1]).all()
    assert np.isfinite(back.T_world_mano[3, 1]).all()


def test_too_many_components_and_normalised_actions_are_refused() -> None:
    motion = human(0)
    wide = HumanMotion(
        np.zeros((6, 2, 20)),
        motion.T_world_mano,
        motion.residual,
        motion.iterations,
        motion.status,
        motion.hand,
    )
    with pytest.raises(InputError, match="K from 1 to 15"):
        action_from_motion(wide)
    with pytest.raises(InputError, match=r"normalised \(egovla\)"):
        motion_from_action(Normalization.egovla().apply(action_from_motion(motion)), "0123")


def test_presets_are_inverses(robot: Robot) -> None:
    T = robot.cameras["main"].T_camera_world
    one = random_action(1, (5,))
    close(transform_action(transform_inverse(T), to_camera(one, T)), one)
