"""Keypoint layouts: the table is a permutation with gaps, there and back; wrong ones are named."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.synthetic_people import person
from retarget.core.errors import InputError
from retarget.human.hand_model import load_hands
from retarget.human.keypoint_layouts import (
    ABSENT,
    LAYOUTS,
    find_layout,
    from_mano21,
    guess_layout,
    layouts_of,
    to_mano21,
)
from retarget.human.keypoints import KEYPOINT_NAMES, KEYPOINT_ORDER, HandKeypoints

NAMES = list(LAYOUTS)


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name: str) -> None:
    layout = LAYOUTS[name]
    points = np.random.default_rng(0).normal(size=(4, 2, 21, 3))
    there = from_mano21(points, name)
    assert there.shape == (4, 2, len(layout.joints), 3)
    back = to_mano21(there, layout)
    known = np.array(layout.mano21) != ABSENT
    np.testing.assert_array_equal(back[..., known, :], points[..., known, :])
    assert np.isnan(back[..., ~known, :]).all()
    assert [n for n, k in zip(KEYPOINT_NAMES, known, strict=True) if not k] == list(layout.missing)


def test_the_places_that_the_sources_state() -> None:
    rays = [0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24]
    stated = {
        "mano21": list(range(21)),
        "mediapipe21": list(range(21)),
        "openxr26": [place + 1 for place in rays],
        "webxr25": rays,
        "visionpro25": rays,
        "visionpro27": rays,
        "manus25": rays,
        "manus26": rays,
        "hot3d21": [5, -1, 6, 7, 0, 8, 9, 10, 1, 11, 12, 13, 2, 14, 15, 16, 3, 17, 18, 19, 4],
        "smplx21": list(KEYPOINT_ORDER),
        "smplx16": [place if place < 16 else -1 for place in KEYPOINT_ORDER],
    }
    assert {name: list(layout.mano21) for name, layout in LAYOUTS.items()} == stated
    assert LAYOUTS["hot3d21"].missing == ("thumb_cmc",)
    assert all(len(set(layout.joints)) == len(layout.joints) for layout in LAYOUTS.values())


def test_smplx21_is_the_models_own_order() -> None:
    hand = load_hands()[1]
    layer = HandKeypoints(hand)
    pose = layer.pose(np.random.default_rng(1).normal(size=15) * hand.sigma[:15])
    np.testing.assert_array_equal(
        to_mano21(layer.points(pose), "smplx21"), layer.keypoints(pose=pose)
    )


def tracked(points: np.ndarray, name: str) -> np.ndarray:
    """Keypoints in a layout, with palm and metacarpals roughly where hands have them."""
    given = from_mano21(points, name)
    for k, joint in enumerate(LAYOUTS[name].joints):
        finger, _, part = joint.partition("_")
        if part == "metacarpal":
            knuckle = points[..., KEYPOINT_NAMES.index(f"{finger}_mcp"), :]
            given[..., k, :] = 0.75 * points[..., 0, :] + 0.25 * knuckle
        if joint == "palm":
            given[..., k, :] = points[..., [0, 9], :].mean(axis=-2)
    return given


def test_bones_that_do_not_tell() -> None:
    with pytest.raises(InputError, match="openxr26 or manus26, and their bones do not tell"):
        guess_layout(np.zeros((3, 26, 3)))


@pytest.mark.parametrize(
    "name", ["mano21", "hot3d21", "smplx21", "openxr26", "manus26", "visionpro27"]
)
@pytest.mark.parametrize("side", [0, 1])
def test_the_bones_tell_the_order(name: str, side: int) -> None:
    points = person(20, 5).keypoints[:, side]
    found, said = guess_layout(tracked(points, name))
    assert found.name == name
    assert name in said


def test_layouts_that_are_alike_need_no_guess() -> None:
    points = from_mano21(person(3, 6).keypoints[:, 1], "visionpro25")
    assert guess_layout(points)[0].mano21 == LAYOUTS["visionpro25"].mano21
    assert {layout.name for layout in layouts_of(25)} == {"webxr25", "visionpro25", "manus25"}


def test_wrong_ones_are_named() -> None:
    with pytest.raises(InputError, match=r"no keypoint layout 'mediapipe'; 21 joints have mano21"):
        to_mano21(np.zeros((21, 3)), "mediapipe")
    with pytest.raises(InputError, match="'openxr26' has 26 joints, got 25; 25 joints have"):
        to_mano21(np.zeros((25, 3)), "openxr26")
    with pytest.raises(InputError, match=r"none has 22; there are mano21 \(21\)"):
        to_mano21(np.zeros((22, 3)), "mano21")
    with pytest.raises(InputError, match=r"must have shape \(\.\.\., J, 3\)"):
        to_mano21(np.zeros((21, 2)), "mano21")
    with pytest.raises(InputError, match=r"\(\.\.\., 21, 3\), got \(20, 3\)"):
        from_mano21(np.zeros((20, 3)), "openxr26")
    with pytest.raises(InputError, match="no keypoint layout has 19 joints"):
        guess_layout(np.zeros((2, 19, 3)))
    with pytest.raises(InputError, match="there are mano21"):
        find_layout("x")
