"""The 46-number label: packed and unpacked without loss, projected as the camera sees it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from action_values import SEEDS, SHAPES, close, random_action
from hypothesis import given

from retarget.actions import (
    Label,
    Normalization,
    action,
    make_label,
    pack_label,
    project,
    unpack_label,
)
from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec, rotvec_from_rotation
from retarget.core.types import Status
from retarget.robot.robot import Robot
from retarget.robot.spec import Camera


@pytest.fixture(scope="module")
def camera() -> Camera:
    return Robot.load("h1_inspire").cameras["main"]


@given(SEEDS, SHAPES)
def test_unpack_undoes_pack(seed: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    label = Label(rng.uniform(size=(*shape, 2, 2)), random_action(seed, shape))
    vector = pack_label(label)
    assert vector.shape == (*shape, 46)
    back = unpack_label(vector)
    np.testing.assert_array_equal(back.image, label.image)
    # half a turn has two rotation vectors, and the last digit of a matrix decides between them
    close(back.action, label.action)
    np.testing.assert_allclose(pack_label(back)[..., :40], vector[..., :40], atol=1e-12)


@given(SEEDS, SHAPES)
def test_torch_gives_the_same(seed: int, shape: tuple[int, ...]) -> None:
    one, theirs = (random_action(seed, shape, torch=kind) for kind in (False, True))
    image = np.random.default_rng(seed).uniform(size=(*shape, 2, 2))
    ours = pack_label(Label(image, one))
    packed = pack_label(Label(torch.from_numpy(image), theirs))
    assert isinstance(packed, torch.Tensor)
    close(unpack_label(ours).action, unpack_label(packed).action)


def test_every_number_stands_where_it_should() -> None:
    vector = np.arange(46.0)
    label = unpack_label(vector)
    np.testing.assert_array_equal(label.image, [[0, 1], [2, 3]])
    np.testing.assert_array_equal(label.action.translation, [[4, 5, 6], [7, 8, 9]])
    np.testing.assert_array_equal(label.action.pca, [np.arange(10, 25), np.arange(25, 40)])
    want = rotation_from_rotvec(np.array([[40.0, 41, 42], [43, 44, 45]]))
    np.testing.assert_allclose(label.action.rotation, want, atol=1e-12)


@given(SEEDS)
def test_torch_rotation_vectors_are_those_of_geometry(seed: int) -> None:
    rotation = random_action(seed, (8,)).rotation
    found = rotvec_from_rotation(torch.from_numpy(rotation)).numpy()
    np.testing.assert_allclose(found, rotvec_from_rotation(rotation), rtol=0, atol=1e-12)


def test_torch_rotation_vectors_have_gradients() -> None:
    rotvec = torch.tensor(
        [[0.3, -0.2, 0.5], [2.0, 1.5, -1.0], [1e-3, 0.0, 2e-3]], dtype=torch.float64
    ).requires_grad_()

    def there_and_back(w: torch.Tensor) -> torch.Tensor:
        from retarget.human.skinning import rotation_minus_identity

        return rotvec_from_rotation(rotation_minus_identity(torch, w) + torch.eye(3, dtype=w.dtype))

    assert torch.autograd.gradcheck(there_and_back, rotvec)


def test_projection_is_the_pinhole(camera: Camera) -> None:
    points = np.array([[0.1, -0.2, 0.5], [0.0, 0.0, 2.0]])
    found = project(camera, points) * [camera.width, camera.height]
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    image = points @ K.T
    np.testing.assert_allclose(found, image[:, :2] / image[:, 2:], rtol=1e-14)
    np.testing.assert_allclose(project(camera, points[1]), [0.5, 0.5])
    np.testing.assert_allclose(
        project(camera, torch.from_numpy(points)).numpy() * [1280, 720], found
    )


def test_what_is_behind_or_missing_has_no_image(camera: Camera) -> None:
    one = random_action(0, (3,))
    translation = np.array(one.translation)
    translation[..., 2] = 1.0
    translation[0, 0, 2], translation[1, 1, 2], translation[2, 0] = -1.0, 0.0, np.nan
    label = make_label(action(translation, one.pca, one.rotation), camera)
    blind = np.array([[True, False], [False, True], [True, False]])
    np.testing.assert_array_equal(np.isnan(label.image).all(axis=-1), blind)
    back = unpack_label(pack_label(label))
    np.testing.assert_array_equal(back.action.status, label.action.status)
    assert back.action.status[2, 0] == Status.MISSING_INPUT
    assert back.action.status.sum() == Status.MISSING_INPUT


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_rotation_vector_that_is_none_loses_its_hand(bad: float) -> None:
    vector = np.zeros((2, 46))
    vector[0, 43] = bad
    for found in (unpack_label(vector), unpack_label(torch.from_numpy(vector))):
        assert found.action.status.tolist() == [[0, int(Status.MISSING_INPUT)], [0, 0]]
        assert np.isfinite(np.asarray(found.action.rotation)).all()


def test_wrong_arguments_are_refused(camera: Camera) -> None:
    data = random_action(0, (50,))
    rule = Normalization.from_data(data, fields=("pca", "translation"))
    with pytest.raises(InputError, match="undo that before projecting"):
        make_label(rule.apply(data), camera)
    with pytest.raises(InputError, match=r"\(\.\.\., 46\), got \(48,\)"):
        unpack_label(np.zeros(48))
    with pytest.raises(InputError, match="image must have shape"):
        pack_label(Label(np.zeros((50, 2, 3)), data))
