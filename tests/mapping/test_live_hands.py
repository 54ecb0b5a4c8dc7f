"""LiveHands against the fit and the map of batches; the mirror, missing input, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic_people import person
from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import FloatArray, Status
from retarget.human.hand_model import MIRROR, HandModel, load_hands
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.user_calibration import calibrate_user
from retarget.mapping.hand_map import HandMap, person_tips
from retarget.mapping.live_hands import TOLERANCE, LiveHands

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def keypoints() -> FloatArray:
    points = person(60, 3, pinching=True).keypoints
    return points + np.random.default_rng(3).normal(scale=0.001, size=points.shape)


@pytest.fixture(scope="module")
def live(keypoints: FloatArray) -> LiveHands:
    return LiveHands("h1_inspire", calibrate_user(keypoints))


def unlike(hands: tuple[HandModel, HandModel]) -> tuple[HandModel, HandModel]:
    """Hands that are not mirror images to the last bit."""
    from dataclasses import replace

    return replace(hands[0], template=hands[0].template * (1.0 + 1e-9)), hands[1]


@pytest.mark.parametrize("mirrored", [True, False])
def test_it_is_the_fit_and_the_map(keypoints: FloatArray, mirrored: bool) -> None:
    user, hands = calibrate_user(keypoints), load_hands("open")
    hands = hands if mirrored else unlike(hands)
    live = LiveHands("h1_inspire", user, hands=hands)
    fitter = KeypointFitter(user=user, hands=hands, tolerance=TOLERANCE)
    hand_map = HandMap("h1_inspire", user, hands=hands)
    motion = fitter.fit(keypoints)
    joints = hand_map.joints(person_tips(keypoints, motion.T_world_mano, hand_map.robot))
    for k, frame in enumerate(keypoints):
        step = live.step(frame)
        np.testing.assert_allclose(step.pca, motion.pca[k], atol=1e-9)
        np.testing.assert_allclose(step.T_world_mano, motion.T_world_mano[k], atol=1e-9)
        np.testing.assert_allclose(step.residual, motion.residual[k], atol=1e-9)
        np.testing.assert_allclose(step.active, joints.active[k], atol=1e-7)
        assert (step.status == Status.OK).all()


def test_it_ends_early_but_near(live: LiveHands, keypoints: FloatArray) -> None:
    whole = KeypointFitter(user=live.fitter.user).fit(keypoints).pca
    off = np.stack([live.step(frame).pca for frame in keypoints]) - whole
    assert np.abs(off / live.fitter.sigma).max() < 0.05


@given(seeds)
def test_it_has_no_memory(live: LiveHands, keypoints: FloatArray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, len(keypoints), size=2)
    first = live.step(keypoints[one])
    live.step(keypoints[other])
    again = live.step(keypoints[one])
    np.testing.assert_array_equal(first.active, again.active)
    np.testing.assert_array_equal(first.pca, again.pca)


@given(seeds)
def test_moved_and_mirrored_people_move_the_same(
    live: LiveHands, keypoints: FloatArray, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    frame = keypoints[rng.integers(0, len(keypoints))]
    here = live.step(frame)
    moved = live.step(frame @ rotation_from_rotvec(rng.normal(size=3)).T + rng.normal(size=3))
    np.testing.assert_allclose(moved.pca, here.pca, atol=1e-6)
    np.testing.assert_allclose(moved.active, here.active, atol=1e-5)
    mirror = live.step(frame[::-1] * MIRROR)
    np.testing.assert_allclose(mirror.pca[::-1], here.pca, atol=1e-12)


def test_what_is_missing(live: LiveHands, keypoints: FloatArray) -> None:
    whole, frame = live.step(keypoints[0]), keypoints[0].copy()
    frame[1, 8] = np.nan  # the tip of the right index finger
    step = live.step(frame)
    assert (step.status == Status.OK).all()
    assert np.isnan(step.residual[1, 8])
    np.testing.assert_allclose(step.active[0], whole.active[0], atol=1e-12)
    # as the fitted finger has it, not in mid-range
    assert np.abs(step.active[1] - whole.active[1]).max() < 0.3
    frame[1] = np.nan
    for lost in (live.step(frame), live.step(keypoints[0], [True, False])):
        assert list(lost.status) == [Status.OK, Status.MISSING_INPUT]
        for values in (lost.active, lost.pca, lost.residual, lost.T_world_mano):
            assert np.isnan(values[1]).all()
            assert np.isfinite(values[0]).all()
    nothing = live.step(np.full((2, 21, 3), np.nan))
    assert (nothing.status == Status.MISSING_INPUT).all()


def test_wrong_input_is_refused(live: LiveHands, keypoints: FloatArray) -> None:
    for wrong, said in (
        (keypoints, r"\(2, 21, 3\), got \(60, 2, 21, 3\)"),
        (np.where(keypoints[0] > 0, np.inf, 0.0), "must not be infinite"),
        (keypoints[0] > 0, "real numbers"),
    ):
        with pytest.raises(InputError, match=said):
            live.step(wrong)
    with pytest.raises(InputError, match=r"valid must have shape \(2,\)"):
        live.step(keypoints[0], [True])


def test_copies_work_alike(live: LiveHands, keypoints: FloatArray) -> None:
    copy = pickle.loads(pickle.dumps(live))
    np.testing.assert_array_equal(copy.step(keypoints[0]).active, live.step(keypoints[0]).active)
