"""Chunks of future steps: clamped at the end, strided, seen by moving cameras, put back exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from action_values import SEEDS, close, random_action, random_transforms
from hypothesis import given
from hypothesis import strategies as st

from retarget.actions import chunk_frames, from_chunks, make_chunks, pack, transform_action
from retarget.core.errors import InputError
from retarget.core.geometry import transform, transform_inverse


@given(SEEDS, st.integers(1, 40), st.integers(1, 30), st.integers(1, 30))
def test_from_chunks_undoes_make_chunks(seed: int, frames: int, horizon: int, stride: int) -> None:
    motion = random_action(seed, (frames,))
    stride = min(stride, horizon)
    chunks = make_chunks(motion, horizon, stride=stride)
    assert chunks.shape == (-(-frames // stride), horizon)
    close(from_chunks(chunks, frames, stride=stride), motion[1:], 0.0)


@given(SEEDS, st.integers(2, 20), st.integers(1, 5))
def test_moving_cameras_and_back(seed: int, frames: int, stride: int) -> None:
    motion = random_action(seed, (2, frames))
    cameras = random_transforms(np.random.default_rng(seed), (2, frames))
    chunks = make_chunks(motion, 6, stride=stride, T_world_camera=cameras)
    close(from_chunks(chunks, frames, stride=stride, T_world_camera=cameras), motion[:, 1:])


@given(SEEDS, st.integers(1, 12), st.integers(1, 4), st.integers(1, 3))
def test_equals_a_loop(seed: int, frames: int, stride: int, spacing: int) -> None:
    """inverse(T_world_camera[t]) T_world_mano[t + 1 ... t + L], clamped at the end."""
    motion = random_action(seed, (frames,))
    cameras = random_transforms(np.random.default_rng(seed), (frames,))
    chunks = make_chunks(motion, 5, stride=stride, spacing=spacing, T_world_camera=cameras)
    wrists = transform(motion.rotation, motion.translation)
    for n, t in enumerate(range(0, frames, stride)):
        for j in range(5):
            future = min(t + (j + 1) * spacing, frames - 1)
            for hand in range(2):
                want = transform_inverse(cameras[t]) @ wrists[future, hand]
                np.testing.assert_allclose(chunks.rotation[n, j, hand], want[:3, :3], atol=1e-12)
                np.testing.assert_allclose(chunks.translation[n, j, hand], want[:3, 3], atol=1e-12)
            np.testing.assert_array_equal(chunks.pca[n, j], motion.pca[future])


def test_published_defaults() -> None:
    motion = random_action(0, (100,))
    chunks = make_chunks(motion)
    assert chunks.shape == (100, 30)
    close(chunks[10, 0], motion[11], 0.0)
    close(chunks[10, 29], motion[40], 0.0)
    close(chunks[80, 29], motion[99], 0.0)
    close(chunks[99, 0], motion[99], 0.0)


def test_frames_beyond_the_end_are_told() -> None:
    index, inside = chunk_frames(5, 3)
    np.testing.assert_array_equal(index, [[1, 2, 3], [2, 3, 4], [3, 4, 4], [4, 4, 4], [4, 4, 4]])
    np.testing.assert_array_equal(inside, np.arange(5)[:, None] + [1, 2, 3] < 5)


def test_a_standing_camera_is_a_moving_one_that_stands() -> None:
    motion = random_action(0, (8,))
    T = random_transforms(np.random.default_rng(0), ())
    moving = make_chunks(motion, 4, T_world_camera=np.broadcast_to(T, (8, 4, 4)))
    close(moving, make_chunks(transform_action(transform_inverse(T), motion), 4))


def test_torch_gives_the_same() -> None:
    cameras = random_transforms(np.random.default_rng(0), (9,))
    ours = make_chunks(random_action(0, (9,)), 4, stride=2, T_world_camera=cameras)
    theirs = make_chunks(
        random_action(0, (9,), torch=True), 4, stride=2, T_world_camera=torch.from_numpy(cameras)
    )
    assert isinstance(theirs.rotation, torch.Tensor)
    close(ours, theirs, 1e-14)
    back = from_chunks(theirs, 9, stride=2, T_world_camera=torch.from_numpy(cameras))
    close(random_action(0, (9,))[1:], back)
    assert pack(back).shape == (8, 48)


def test_wrong_numbers_are_refused() -> None:
    motion = random_action(0, (9,))
    for bad in ({"horizon": 0}, {"stride": 0}, {"spacing": 0}):
        with pytest.raises(InputError, match="must be at least 1, got 0"):
            make_chunks(motion, **bad)
    with pytest.raises(InputError, match="expected a motion"):
        make_chunks(random_action(0))
    with pytest.raises(InputError, match=r"\(\.\.\., 9, 4, 4\), got \(8, 4, 4\)"):
        make_chunks(motion, T_world_camera=np.broadcast_to(np.eye(4), (8, 4, 4)))
    with pytest.raises(InputError, match="give 10 chunks, got 9"):
        from_chunks(make_chunks(motion), 10)
    with pytest.raises(InputError, match="leave frames out"):
        from_chunks(make_chunks(motion, 2, stride=4), 9, stride=4)
    with pytest.raises(InputError, match="frames must be at least 1"):
        make_chunks(motion[:0])
