"""inspect_people: each mistake is put in and named, in every layout and format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people_files import HANDS, JOINTS, MANO, Truth, truth

from benchmarks.synthetic_people import person
from retarget.core.errors import FileError
from retarget.data.people.inspection import Inspection, inspect_people
from retarget.human.hand_model import MIRROR
from retarget.human.keypoint_layouts import LAYOUTS, from_mano21

FRAMES = 24
FORMATS = {**MANO, **JOINTS}
ONE_HAND = ("hoi4d", "dexycb")
Values = dict[str, Any]


def named(found: Inspection) -> set[str]:
    return {finding.mistake for finding in found.findings}


def wrong(found: Inspection) -> set[str]:
    return {finding.mistake for finding in found.findings if finding.wrong}


def points(seed: int = 3) -> np.ndarray:
    """Both hands (24, 2, 21, 3) with 1 mm of noise."""
    rng = np.random.default_rng(seed)
    seen = person(FRAMES, seed).keypoints
    return seen + rng.normal(scale=1e-3, size=seen.shape)


def in_layout(keypoints: np.ndarray, name: str) -> np.ndarray:
    """All joints of a layout: those that are no keypoints lie in the palm or beyond the wrist."""
    joints = from_mano21(keypoints, name)
    palm = 0.5 * (keypoints[..., :1, :] + keypoints[..., 9:10, :])
    return np.where(np.isnan(joints), palm, joints)


def write(path: Path, values: Values) -> Path:
    np.savez(path, **values)
    return path


def mended(values: Values, **changed: Any) -> Values:
    return {**values, **changed}


def fingers(values: Values, order: tuple[int, ...]) -> Values:
    places = [0, *(1 + 4 * f + k for f in order for k in range(4))]
    return mended(values, keypoints=values["keypoints"][:, :, places])


def still(values: Values, frames: range) -> Values:
    keypoints = values["keypoints"].copy()
    keypoints[frames.start : frames.stop] = keypoints[frames.start - 1]
    return mended(values, keypoints=keypoints)


def flagged(values: Values) -> Values:
    return mended(values, valid=np.arange(FRAMES)[:, None] >= [4, 0])


def zeros(values: Values) -> Values:
    keypoints = values["keypoints"].copy()
    keypoints[3:6, 1] = 0.0
    return mended(values, keypoints=keypoints)


def some_zeros(values: Values) -> Values:
    keypoints = values["keypoints"].copy()
    keypoints[3:6, 1, 7] = 0.0
    return mended(values, keypoints=keypoints)


def timed(values: Values, frame: int, step: float) -> Values:
    time = values["time"].copy()
    time[frame] = time[frame - 1] + step
    return mended(values, time=time)


def wrist_only(values: Values) -> Values:
    keypoints = values["keypoints"].copy()
    keypoints[:, :, 1:] = np.nan
    return mended(values, keypoints=keypoints)


def scaled(values: Values, by: float) -> Values:
    return mended(values, keypoints=values["keypoints"] * by)


KEYPOINT_MISTAKES: dict[str, tuple[Callable[[Values], Values], str, bool]] = {
    "millimetres": (lambda v: scaled(v, 1e3), "millimetres", True),
    "far millimetres": (
        lambda v: mended(v, keypoints=1e3 * (v["keypoints"] + [1.5, 0.0, 0.0])),
        "millimetres",
        True,
    ),
    "centimetres": (lambda v: scaled(v, 1e2), "centimetres", True),
    "decimetres": (lambda v: scaled(v, 2.2), "size", True),
    "little finger first": (lambda v: fingers(v, (4, 3, 2, 1, 0)), "finger_order", True),
    "thumb last": (lambda v: fingers(v, (1, 2, 3, 4, 0)), "finger_order", True),
    "MANO's order": (lambda v: fingers(v, (1, 2, 4, 3, 0)), "finger_order", True),
    "index and middle": (lambda v: fingers(v, (0, 2, 1, 3, 4)), "finger_order", True),
    "mirrored": (lambda v: mended(v, keypoints=v["keypoints"] * MIRROR), "swapped", True),
    "swapped": (lambda v: mended(v, keypoints=v["keypoints"][:, ::-1]), "swapped", True),
    "one hand mirrored": (
        lambda v: mended(v, keypoints=v["keypoints"] * np.stack([MIRROR, np.ones(3)])[:, None]),
        "handedness",
        True,
    ),
    "frozen": (lambda v: still(v, range(5, 11)), "frozen", False),
    "frozen for good": (lambda v: still(v, range(6, FRAMES)), "frozen", True),
    "zeros": (zeros, "zeros", False),
    "some zeros": (some_zeros, "zeros", True),
    "flagged": (flagged, "ignored", False),
    "duplicate time": (lambda v: timed(v, 7, 0.0), "duplicate_time", True),
    "backward time": (lambda v: timed(v, 7, -0.01), "backward_time", True),
    "near time": (lambda v: timed(v, 7, 1e-4), "near_time", True),
    "wrist only": (wrist_only, "wrist_only", True),
    "nothing": (lambda v: mended(v, keypoints=v["keypoints"] * np.nan), "all_missing", True),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_layouts_are_quiet(tmp_path: Path, layout: str) -> None:
    for seed in (3, 4, 5):
        values = {"keypoints": in_layout(points(seed), layout), "time": np.arange(FRAMES) / 30.0}
        found = inspect_people(write(tmp_path / "both.npz", values), HANDS, layout=layout)
        assert found.findings == ()
        assert (found.frames, found.layout) == (FRAMES, layout)
        assert found.rate == pytest.approx(30.0)
        assert [hand.seen for hand in found.hands] == [FRAMES, FRAMES]


@pytest.mark.parametrize("name", list(KEYPOINT_MISTAKES))
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_mistakes_are_named_in_every_layout(tmp_path: Path, layout: str, name: str) -> None:
    harm, mistake, is_wrong = KEYPOINT_MISTAKES[name]
    values = harm({"keypoints": points(), "time": np.arange(FRAMES) / 30.0})
    keypoints = in_layout(values["keypoints"], layout)
    if name == "wrist only":
        keypoints = from_mano21(values["keypoints"], layout)
    if name == "some zeros":
        keypoints = np.where((in_layout(values["keypoints"], layout) == 0.0), 0.0, keypoints)
    path = write(tmp_path / "both.npz", mended(values, keypoints=keypoints))
    found = inspect_people(path, HANDS, layout=layout)
    assert named(found) == {mistake}
    assert wrong(found) == ({mistake} if is_wrong else set())
    assert found.passed is not is_wrong


@pytest.mark.parametrize(
    ("true", "read"), [("smplx21", "mano21"), ("mano21", "smplx21"), ("hot3d21", "mano21")]
)
def test_a_layout_in_place_of_another_is_named(tmp_path: Path, true: str, read: str) -> None:
    path = write(tmp_path / "both.npz", {"keypoints": in_layout(points(), true)})
    found = inspect_people(path, HANDS, layout=read)
    assert "finger_order" in wrong(found)
    texts = [finding.text for finding in found.findings if finding.mistake == "finger_order"]
    assert len(texts) == 2
    assert all(f"in the order of {true}, read as {read}" in text for text in texts)


def test_what_is_said(tmp_path: Path) -> None:
    values = {"keypoints": points(), "time": np.arange(FRAMES) / 30.0}
    found = inspect_people(
        write(tmp_path / "both.npz", still(fingers(values, (0, 2, 1, 3, 4)), range(5, 11))), HANDS
    )
    said = "\n".join(finding.text for finding in found.findings)
    assert "the left hand: the fingers are in the order thumb, middle, index, ring, pinky" in said
    assert "stands still to the last bit in 6 of 24 frames (6 frames: 5-10)" in said
    path = write(tmp_path / "both.npz", timed(values, 7, -0.01))
    (finding,) = inspect_people(path, HANDS).findings
    assert "time goes backwards: time does not go on in frame 7" in finding.text


def test_sizes_and_noise_are_those_of_the_person(tmp_path: Path) -> None:
    one = points()
    path, bigger = tmp_path / "both.npz", tmp_path / "bigger.npz"
    found = inspect_people(write(path, {"keypoints": one}), HANDS)
    more = inspect_people(write(bigger, {"keypoints": 1.2 * one}), HANDS)
    for hand, larger in zip(found.hands, more.hands, strict=True):
        assert larger.size == pytest.approx(1.2 * hand.size, rel=1e-6)
        assert larger.reach == pytest.approx(1.2 * hand.reach, rel=0.02)
        assert 0.5e-3 <= hand.noise <= 2e-3  # 1 mm was put in


def test_what_cannot_be_read_is_no_finding(tmp_path: Path) -> None:
    path = tmp_path / "both.npz"
    path.write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(FileError, match="is of no known format"):
        inspect_people(path, HANDS)


# --- formats


def changed(t: Truth, change: Callable[[np.ndarray], np.ndarray], *names: str) -> Truth:
    """Truth with some of what is of both hands and all frames changed."""
    every = [f.name for f in fields(t) if f.name not in ("betas", "camera", "hands")]
    return replace(t, **{name: change(getattr(t, name)) for name in names or every})


def stopped(values: np.ndarray) -> np.ndarray:
    out = values.copy()
    out[6:9] = out[5]
    return out


def swap(t: Truth) -> Truth:
    return replace(changed(t, lambda v: v[:, ::-1].copy()), betas=t.betas[::-1].copy())


def unit(t: Truth, by: float) -> Truth:
    t = changed(t, lambda v: v * by, "translation", "root", "keypoints")
    camera = t.camera.copy()
    camera[:, :3, 3] *= by
    return replace(t, camera=camera)


@pytest.mark.parametrize("name", list(FORMATS))
def test_formats_are_quiet(tmp_path: Path, name: str) -> None:
    for seed in (0, 1, 2, 3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found = inspect_people(FORMATS[name](folder, truth(seed)), HANDS)
        assert found.passed, found.findings
        # holoassist's writer leaves a hand with numbers where it is not active
        assert named(found) <= ({"ignored"} if name in ("holoassist", "dexycb") else set())


@pytest.mark.parametrize("name", list(FORMATS))
def test_frozen_frames_in_every_format(tmp_path: Path, name: str) -> None:
    t = changed(truth(), stopped)
    camera = t.camera.copy()
    camera[6:9] = camera[5]  # in its frame, too
    found = inspect_people(FORMATS[name](tmp_path, replace(t, camera=camera)), HANDS)
    assert "frozen" in named(found)
    assert found.passed


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "hot3d"])
def test_swapped_hands_in_every_format(tmp_path: Path, name: str) -> None:
    """But for HOT3D's: coefficients are of the side that they are read for."""
    found = inspect_people(FORMATS[name](tmp_path, swap(truth())), HANDS)
    assert wrong(found) == {"handedness" if name in ONE_HAND else "swapped"}


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in ("hamer", "wilor")])
@pytest.mark.parametrize(("mistake", "by"), [("millimetres", 1e3), ("centimetres", 1e2)])
def test_units_in_every_format(tmp_path: Path, name: str, mistake: str, by: float) -> None:
    """But for HaMeR's, whose distances are guesses of its own."""
    found = inspect_people(FORMATS[name](tmp_path, unit(truth(), by)), HANDS)
    assert wrong(found) & {mistake, "range"}
    if "range" not in wrong(found):
        assert wrong(found) == {mistake}


class TestRealFiles:
    @pytest.mark.parametrize(
        "name",
        [
            "right_hand_keypoints.npz",
            "hot3d/mano_hand_pose_trajectory.jsonl",
            "vitra/ego4d_example.npy",
        ],
    )
    def test_no_false_alarm(self, shared: Path, name: str) -> None:
        found = inspect_people(shared / "human" / name, HANDS)
        assert wrong(found) == set()
        assert named(found) == ({"ignored"} if name.startswith("vitra") else set())

    def test_mistakes_in_real_keypoints(self, shared: Path, tmp_path: Path) -> None:
        seen = np.load(shared / "human" / "right_hand_keypoints.npz")["keypoints"]
        path = tmp_path / "keypoints.npz"
        for order in ((4, 3, 2, 1, 0), (1, 2, 3, 4, 0), (0, 2, 1, 3, 4), (0, 1, 2, 4, 3)):
            places = [0, *(1 + 4 * f + k for f in order for k in range(4))]
            write(path, {"keypoints": seen[:, places]})
            assert wrong(inspect_people(path, HANDS, side="right")) == {"finger_order"}
        write(path, {"keypoints": seen})
        assert wrong(inspect_people(path, HANDS, side="left")) == {"handedness"}
