"""inspect_people: mistakes are named on every layout and format, sound files are left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import people_files as files
import pytest

from benchmarks.synthetic_people import person
from retarget.core.errors import FileError
from retarget.core.types import FloatArray
from retarget.data.people.inspection import Inspection, inspect_people
from retarget.human.hand_model import MIRROR, load_hands
from retarget.human.keypoint_layouts import from_mano21, to_mano21

HANDS = load_hands("open")
LAYOUTS = ("mano21", "hot3d21", "smplx21", "openxr26", "webxr25", "visionpro27", "manus26")
FRAMES = 48


def people(seed: int = 0) -> FloatArray:
    """Both hands of a person who moves: (T, 2, 21, 3) with a tracker's noise."""
    points = person(FRAMES, seed).keypoints
    points += np.random.default_rng(seed).normal(scale=0.001, size=points.shape)
    points -= points[:, :, :1]
    way = 0.01 * np.arange(FRAMES)[:, None]
    points += (np.array([[-0.2, 0.3, 1.0], [0.2, 0.3, 1.0]]) + way[:, None])[:, :, None]
    return points


def inspected(folder: Path, points: FloatArray, layout: str, **beside: Any) -> Inspection:
    path = folder / "session.npz"
    np.savez(path, keypoints=from_mano21(points, layout), **{"rate": 30.0, **beside})
    return inspect_people(path, HANDS, layout=layout)


def kinds(found: Inspection) -> set[str]:
    return {finding.kind for finding in found.findings}


Change = Callable[[FloatArray], FloatArray]


def frozen(points: FloatArray) -> FloatArray:
    points = points.copy()
    points[20:30, 1] = points[20, 1]
    return points


def ordered(order: tuple[int, ...]) -> Change:
    def change(points: FloatArray) -> FloatArray:
        fingers = points[:, :, 1:].reshape(len(points), 2, 5, 4, 3)[:, :, list(order)]
        return np.concatenate([points[:, :, :1], fingers.reshape(len(points), 2, 20, 3)], axis=2)

    return change


def zero(points: FloatArray) -> FloatArray:
    points = points.copy()
    points[5:8, 0, 11] = 0.0
    return points


def lost(points: FloatArray) -> FloatArray:
    points = points.copy()
    points[10:14, 1] = 0.0
    return points


def jump(points: FloatArray) -> FloatArray:
    points = points.copy()
    points[30:, 0] += 0.9
    return points


MISTAKES: dict[str, tuple[Change, str, str]] = {
    "millimetres": (lambda points: 1e3 * points, "lengths", "are these millimetres"),
    "centimetres": (lambda points: 1e2 * points, "lengths", "are these centimetres"),
    "ring and middle": (ordered((0, 1, 3, 2, 4)), "finger_order", "thumb, index, ring, middle"),
    "thumb last": (ordered((1, 2, 3, 4, 0)), "finger_order", "index, middle, ring, pinky, thumb"),
    "swapped": (lambda points: points[:, ::-1], "handedness", "left and right look swapped"),
    "mirrored": (lambda points: points * MIRROR, "handedness", "left and right look swapped"),
    "frozen": (frozen, "frozen", "10 of 48 frames"),
    "zero": (zero, "zeros", "keypoints that are zero in 3 of 48 frames"),
    "lost": (lost, "one_point", "the right hand in 4 of 48 frames"),
    "jump": (jump, "jump", "the left wrist goes at more than 15 m/s"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", list(MISTAKES))
def test_mistakes_are_named_on_every_layout(tmp_path: Path, name: str, layout: str) -> None:
    change, kind, said = MISTAKES[name]
    found = inspected(tmp_path, change(people()), layout)
    assert kinds(found) == {kind}, [finding.text for finding in found.findings]
    assert any(said in finding.text for finding in found.findings), found.findings
    assert found.passed == (kind in ("frozen", "one_point"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", range(3))
def test_sound_files_are_left_alone(tmp_path: Path, seed: int, layout: str) -> None:
    points = people(seed)
    found = inspected(tmp_path, points, layout)
    assert found.findings == ()
    assert found.passed
    assert found.recording is not None
    assert found.user is not None
    assert found.recording.rate == 30.0
    known = to_mano21(from_mano21(points, layout), layout)
    np.testing.assert_array_equal(found.recording.keypoints, known)


@pytest.mark.parametrize("reversed_fingers", [False, True])
def test_one_hand(tmp_path: Path, reversed_fingers: bool) -> None:
    points = people()[:, 1]
    if reversed_fingers:
        fingers = points[:, 1:].reshape(FRAMES, 5, 4, 3)[:, :, ::-1]
        points = np.concatenate([points[:, :1], fingers.reshape(FRAMES, 20, 3)], axis=1)
    np.savez(tmp_path / "x.npz", keypoints=points, rate=30.0)
    for side in ("left", "right"):
        found = inspect_people(tmp_path / "x.npz", HANDS, layout="mano21", side=side)
        if reversed_fingers:
            assert "from tip to base" in found.findings[0].text
        elif side == "right":
            assert found.findings == ()
        else:
            assert "looks like a right hand" in found.findings[0].text


def test_flags_and_time(tmp_path: Path) -> None:
    valid = np.ones((FRAMES, 2), dtype=bool)
    valid[7, 0] = False
    found = inspected(tmp_path, people(), "mano21", valid=valid)
    assert kinds(found) == {"flagged_numbers"}
    assert found.passed
    time = np.arange(FRAMES) / 30.0
    for change, kind, passed in (
        (lambda t: np.where(np.arange(FRAMES) == 9, t[8] + 1e-4, t), "close_times", False),
        (lambda t: t + (np.arange(FRAMES) > 20), "late_times", True),
        (lambda t: np.where(np.arange(FRAMES) == 9, t[8], t), "time", False),
        (lambda t: np.where(np.arange(FRAMES) == 9, t[3], t), "time", False),
    ):
        found = inspected(tmp_path, people(), "mano21", time=change(time))
        assert kind in kinds(found), found.findings
        assert found.passed == passed
    valid[:] = False
    found = inspected(tmp_path, people(), "mano21", valid=valid)
    assert "no_hand" in kinds(found)


def test_mostly_still_is_wrong(tmp_path: Path) -> None:
    points = people()
    points[10:40, 0] = points[10, 0]
    assert not inspected(tmp_path, points, "mano21").passed


@pytest.mark.parametrize("name", [*files.MANO, *files.JOINTS])
def test_no_format_has_a_false_alarm(tmp_path: Path, name: str) -> None:
    path = {**files.MANO, **files.JOINTS}[name](tmp_path, files.truth(4))
    found = inspect_people(path, HANDS)
    # the hands of these small files jump about from frame to frame
    assert all(f.note or f.kind == "jump" for f in found.findings), found.findings


def test_what_is_no_recording_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(FileError):
        inspect_people(tmp_path / "x.npz", HANDS)


class TestRealFiles:
    def test_keypoints(self, shared: Path) -> None:
        path = shared / "human" / "right_hand_keypoints.npz"
        found = inspect_people(path, HANDS, side="right")
        assert found.findings == ()
        assert found.recording is not None
        assert found.recording.frames == 621
        [wrong] = inspect_people(path, HANDS, side="left").findings
        assert wrong.kind == "handedness"

    def test_hot3d(self, shared: Path) -> None:
        path = shared / "human" / "hot3d" / "mano_hand_pose_trajectory.jsonl"
        assert inspect_people(path, HANDS).findings == ()

    def test_vitra(self, shared: Path) -> None:
        found = inspect_people(shared / "human" / "vitra" / "ego4d_example.npy", HANDS)
        assert [finding.kind for finding in found.findings] == ["flagged_numbers"]
        assert found.passed
