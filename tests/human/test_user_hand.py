"""Hand models in a user's shape: keypoints as fits place them, mirror images, sound skin."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.synthetic_people import person
from retarget.core.types import SIDES
from retarget.human.hand_model import load_hands
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoints import HandKeypoints
from retarget.human.user import User
from retarget.human.user_calibration import calibrate_user
from retarget.human.user_hand import user_hand


def users() -> list[User]:
    rng = np.random.default_rng(3)
    random = User(
        size=0.9,
        stretch=1.0 + 0.25 * rng.uniform(-1.0, 1.0, size=(5, 3)),
        palm=0.008 * rng.uniform(-1.0, 1.0, size=(5, 3)),
    )
    return [User(), random, calibrate_user(person(60, 5).keypoints)]


@pytest.mark.parametrize("user", users())
def test_keypoints_are_those_that_fits_place(user: User) -> None:
    hands, fitter = load_hands("open"), KeypointFitter(user=user)
    pca = np.random.default_rng(0).normal(size=(20, 2, 15)) * fitter.sigma
    placed = fitter.placed(pca, np.broadcast_to(np.eye(4), (20, 2, 4, 4)))
    for side, hand in enumerate(hands):
        own = user_hand(hand, user)
        at = HandKeypoints(own).keypoints(pca[:, side]) - own.root
        np.testing.assert_allclose(at, placed[:, side], atol=1e-12)


@pytest.mark.parametrize("user", users())
def test_left_and_right_are_mirror_images(user: User) -> None:
    left, right = (user_hand(hand, user) for hand in load_hands("open"))
    np.testing.assert_allclose(left.template, right.mirrored().template, atol=1e-12)


def test_a_hand_of_the_models_size_is_the_model() -> None:
    for hand in load_hands("open"):
        own = user_hand(hand, User())
        np.testing.assert_allclose(own.template, hand.template, atol=1e-12)
        np.testing.assert_allclose(own.regressor, hand.regressor, atol=1e-12)


def test_skin_stays_skin() -> None:
    """No triangle of a real person's hand turns over, none grows out of proportion."""
    user = calibrate_user(person(60, 5).keypoints)
    for side, hand in zip(SIDES, load_hands("open"), strict=True):
        areas = []
        for model in (hand, user_hand(hand, user)):
            a, b, c = (model.template[model.faces[:, k]] for k in range(3))
            areas.append(np.cross(b - a, c - a))
        before, after = areas
        cosine = (before * after).sum(1) / np.linalg.norm(before, axis=1)
        cosine /= np.linalg.norm(after, axis=1)
        assert cosine.min() > 0.0, side
        ratio = np.linalg.norm(after, axis=1) / np.linalg.norm(before, axis=1)
        assert ratio.max() < 3.0 * user.size**2
