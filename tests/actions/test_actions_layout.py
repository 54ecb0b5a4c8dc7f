"""The 48-number step: packed and unpacked without loss, in numpy and torch; faults are statuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from action_values import SEEDS, SHAPES, close, random_action
from hypothesis import assume, given
from hypothesis import strategies as st

from retarget.actions import ACTION_FIELDS, ACTION_SIZE, action, pack, unpack
from retarget.core.errors import InputError
from retarget.core.geometry import rot6d_from_rotation, rotation_from_rot6d, rotation_from_rotvec
from retarget.core.types import Status

OK, MISSING = int(Status.OK), int(Status.MISSING_INPUT)


def rot6d_place(hand: int) -> slice:
    """Where a hand's rot6d stands in the vector."""
    field = ACTION_FIELDS["rot6d"]
    start = field.start + hand * field.size
    return slice(start, start + field.size)


# --- laws


@given(SEEDS, SHAPES)
def test_unpack_undoes_pack(seed: int, shape: tuple[int, ...]) -> None:
    given_ = random_action(seed, shape)
    vector = pack(given_)
    assert vector.shape == (*shape, 48)
    assert vector.dtype == np.float64
    close(unpack(vector), given_)
    np.testing.assert_allclose(pack(unpack(vector)), vector, rtol=0, atol=1e-12)


@given(SEEDS, SHAPES)
def test_torch_gives_the_same_numbers(seed: int, shape: tuple[int, ...]) -> None:
    vector = np.random.default_rng(seed).normal(size=(*shape, 48))
    ours, theirs = unpack(vector), unpack(torch.from_numpy(vector))
    assert isinstance(theirs.rotation, torch.Tensor)
    close(ours, theirs, 1e-14)
    packed = pack(theirs)
    assert isinstance(packed, torch.Tensor)
    np.testing.assert_allclose(pack(ours), packed.numpy(), rtol=0, atol=1e-14)


@given(SEEDS, st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(-10.0, 10.0))
def test_rot6d_is_orthonormalised_by_columns(seed: int, a: float, b: float, lean: float) -> None:
    """Any columns that span the same plane the same way are the same rotation."""
    assume(b > 2e-3 * abs(lean))  # nearer to parallel is degenerate
    one = random_action(seed)
    vector = pack(one)
    for hand in range(2):
        place = rot6d_place(hand)
        x, y = vector[place][:3].copy(), vector[place][3:].copy()
        vector[place] = np.concatenate([a * x, b * y + lean * x])
    close(unpack(vector), one, 1e-10)


@given(SEEDS)
def test_rotations_are_those_of_geometry(seed: int) -> None:
    vector = np.random.default_rng(seed).normal(size=(20, 48))
    found = unpack(vector)
    want, sound = rotation_from_rot6d(vector[:, 36:].reshape(20, 2, 6))
    assert sound.all()
    np.testing.assert_allclose(found.rotation, want, rtol=0, atol=1e-12)
    gram = found.rotation @ np.swapaxes(found.rotation, -1, -2)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=1e-12)
    assert (np.linalg.det(found.rotation) > 0).all()


@given(SEEDS)
def test_batch_is_a_loop(seed: int) -> None:
    vector = np.random.default_rng(seed).normal(size=(6, 48))
    together = unpack(vector)
    for k in range(6):
        close(unpack(vector[k]), together[k], 1e-15)


# --- the layout


def test_every_number_stands_where_it_should() -> None:
    vector = np.arange(48.0)
    found = unpack(vector)
    np.testing.assert_array_equal(found.translation, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found.pca, [np.arange(6, 21), np.arange(21, 36)])
    columns = rot6d_from_rotation(found.rotation)
    assert rot6d_place(0) == slice(36, 42)
    assert rot6d_place(1) == slice(42, 48)
    # the first column is kept in direction: numbers 36 to 38, and 42 to 44
    np.testing.assert_allclose(columns[0, :3], vector[36:39] / np.linalg.norm(vector[36:39]))
    np.testing.assert_allclose(columns[1, :3], vector[42:45] / np.linalg.norm(vector[42:45]))
    assert sum(2 * field.size for field in ACTION_FIELDS.values()) == ACTION_SIZE


def test_rot6d_is_columns_not_rows() -> None:
    turn = rotation_from_rotvec(np.array([[0.3, -1.0, 0.7], [1.0, 0.2, 0.4]]))
    one = action(np.zeros((2, 3)), np.zeros((2, 15)), turn)
    vector = pack(one)
    np.testing.assert_array_equal(vector[36:39], one.rotation[0, :, 0])
    np.testing.assert_array_equal(vector[39:42], one.rotation[0, :, 1])
    assert not np.allclose(vector[36:39], one.rotation[0, 0])


def test_fewer_components_are_filled_with_zeros() -> None:
    one = random_action(0, (4,))
    short = action(one.translation, one.pca[..., :6], one.rotation)
    np.testing.assert_array_equal(short.pca[..., :6], one.pca[..., :6])
    assert not short.pca[..., 6:].any()


# --- bad numbers are statuses


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("hand", [0, 1])
@pytest.mark.parametrize(
    "bad",
    [
        np.zeros(6),
        [0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 2.0, 3.0, -2.0, -4.0, -6.0],
        [1.0, 0.0, 0.0, 1.0, 1e-4, 0.0],
        [1e-7, 0.0, 0.0, 0.0, 1.0, 0.0],
        [1e200, 0.0, 0.0, 0.0, 1.0, 0.0],
        [np.nan, 0.0, 0.0, 0.0, 1.0, 0.0],
        [1.0, 0.0, 0.0, 0.0, np.inf, 0.0],
    ],
)
def test_degenerate_rot6d_is_a_status(bad: list[float], hand: int, backend: str) -> None:
    vector = pack(random_action(1, (3,)))
    vector[1, rot6d_place(hand)] = bad
    found = unpack(vector if backend == "numpy" else torch.from_numpy(vector))
    want = np.zeros((3, 2))
    want[1, hand] = MISSING
    np.testing.assert_array_equal(found.status, want)
    for values in (found.translation, found.pca, found.rotation):
        assert np.isfinite(np.asarray(values)).all()
    np.testing.assert_array_equal(found.rotation[1, hand], np.eye(3))
    np.testing.assert_array_equal(found.known, want == OK)


@pytest.mark.parametrize("place", [0, 5, 6, 35])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_loses_its_hand_alone(place: int, bad: float) -> None:
    vector = pack(random_action(1, (3,)))
    whole = unpack(vector)
    vector[2, place] = bad
    found = unpack(vector)
    hand = 0 if place in (0, 6) else 1
    assert found.status[2, hand] == MISSING
    assert found.status.sum() == MISSING
    np.testing.assert_array_equal(found.rotation[2, 1 - hand], whole.rotation[2, 1 - hand])


def test_a_missing_hand_survives_packing() -> None:
    vector = pack(random_action(1, (3,)))
    vector[0, 1] = np.nan
    once = unpack(vector)
    again = pack(once)
    assert np.isnan(again[0, [0, 1, 2, *range(6, 21), *range(36, 42)]]).all()
    assert np.isfinite(np.delete(again, [0, 1, 2, *range(6, 21), *range(36, 42)], axis=1)).all()
    close(unpack(again), once, 1e-15)


def test_gradients_are_finite_whatever_is_fed() -> None:
    vector = torch.randn(6, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    vector[0, 36:42] = 0.0
    vector[1, 42:48] = torch.tensor([1.0, 2.0, 3.0, 2.0, 4.0, 6.0])
    vector[2, 3] = float("nan")
    vector[3, 40] = float("inf")
    vector.requires_grad_()
    found = unpack(vector)
    (found.rotation.sum() + found.translation.sum() + found.pca.sum()).backward()
    assert vector.grad is not None
    assert torch.isfinite(vector.grad).all()
    assert vector.grad[4].abs().sum() > 0


def test_float32_tensors_stay_float32() -> None:
    found = unpack(torch.randn(4, 48))
    assert found.rotation.dtype == torch.float32
    assert pack(found).dtype == torch.float32


# --- wrong arguments


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_nothing_is_packed_to_nothing(shape: tuple[int, ...]) -> None:
    for empty in (np.zeros((*shape, 48)), torch.zeros(*shape, 48)):
        assert pack(unpack(empty)).shape == (*shape, 48)


def test_wrong_shapes_are_refused() -> None:
    one = random_action(0, (4,))
    with pytest.raises(InputError, match=r"\(\.\.\., 48\), got \(4, 46\)"):
        unpack(np.zeros((4, 46)))
    with pytest.raises(InputError, match="must be numbers"):
        unpack("text")
    with pytest.raises(InputError, match="floating"):
        unpack(torch.zeros(48, dtype=torch.int64))
    with pytest.raises(InputError, match="same batch axes"):
        action(one.translation[:3], one.pca, one.rotation)
    with pytest.raises(InputError, match="numpy arrays or all be torch"):
        action(torch.zeros(4, 2, 3), one.pca, one.rotation)
    with pytest.raises(InputError, match="K from 1 to 15, got"):
        action(one.translation, np.zeros((4, 2, 16)), one.rotation)
    with pytest.raises(InputError, match="status must have shape"):
        action(one.translation, one.pca, one.rotation, np.zeros(4))


def test_the_callers_arrays_are_left_alone() -> None:
    vector = pack(random_action(0, (4,)))
    vector[0, 0], vector[1, 36:42] = np.nan, 0.0
    before = vector.copy()
    found = unpack(vector)
    pack(found)
    np.testing.assert_array_equal(vector, before)


def test_index_and_length() -> None:
    one = random_action(0, (4, 3))
    assert len(one) == 4
    assert one[1].shape == (3,)
    assert one[1:3].shape == (2, 3)
    assert one[..., np.array([0, 2])].shape == (4, 2)
    np.testing.assert_array_equal(one[2, 1].pca, one.pca[2, 1])
    with pytest.raises(TypeError, match="no batch axis"):
        len(random_action(0))
