"""People's motion to demonstrations: what is written, pinches and verdicts against plain numpy."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.synthetic_people import person
from retarget import Robot, load_demo
from retarget.core.errors import FileError
from retarget.core.types import FINGERS, SIDES
from retarget.data.people.convert import PeopleOptions, people_to_human
from retarget.human.hand_model import load_hands
from retarget.mapping.people_retargeter import MappedMotion
from retarget.replay.people_record import PINCH, PeopleRecord, people_reasons
from retarget.replay.people_to_demo import PeopleMapping, people_to_demo
from retarget.replay.report_html.people import PeoplePage
from retarget.replay.report_json import mapping_settings, replay_json


@pytest.fixture(scope="module")
def human(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both hands of a person who pinches, 80 frames, the right one lost for five of them."""
    folder = tmp_path_factory.mktemp("people")
    points = person(80, 7, pinching=True).keypoints
    points[30:35, 1] = np.nan
    np.savez(folder / "keypoints.npz", keypoints=points, rate=30.0)
    people_to_human(
        folder / "keypoints.npz", folder / "human.hdf5", PeopleOptions(hands=load_hands("open"))
    )
    return folder / "human.hdf5"


@pytest.fixture(scope="module")
def mapping() -> PeopleMapping:
    return PeopleMapping(Robot.load("h1_inspire"), load_hands("open"))


def test_what_is_written_is_what_is_judged(
    human: Path, mapping: PeopleMapping, tmp_path: Path
) -> None:
    blocks: list[MappedMotion] = []
    replay = people_to_demo(human, tmp_path / "out.hdf5", mapping, keep=blocks.append, block=17)
    demo = load_demo(tmp_path / "out.hdf5", robot=mapping.robot)
    assert replay.frames == demo.frames == 80
    assert (replay.rate, demo.rate) == (30.0, 30.0)
    assert not demo.valid[30:35, 1].any()
    assert demo.valid[:, 0].all()
    gaps = np.concatenate([block.robot_gap_m for block in blocks])
    asked = np.concatenate([block.human_gap_m for block in blocks])
    tips = demo.fingertips
    np.testing.assert_allclose(
        np.linalg.norm(tips[:, :, 1:] - tips[:, :, :1], axis=-1)[demo.valid],
        gaps[demo.valid],
        atol=1e-9,
    )
    for h in range(len(SIDES)):
        for k in range(len(FINGERS) - 1):
            near = asked[:, h, k] < PINCH
            pinch = replay.hands[h].pinches[k]
            assert pinch.frames == near.sum()
            if near.any():
                assert pinch.robot_p50_m == pytest.approx(np.median(gaps[near, h, k]))
                assert pinch.human_p50_m == pytest.approx(np.median(asked[near, h, k]))
        active = demo.qpos[:, mapping.robot.indices(mapping.robot.sides[h].active_joints)]
        second = np.diff(active, 2, axis=0)
        assert replay.hands[h].jitter_rad == pytest.approx(
            math.sqrt(np.mean(second**2) / 6.0), rel=1e-9
        )


def test_blocks_do_not_matter(human: Path, mapping: PeopleMapping, tmp_path: Path) -> None:
    whole = people_to_demo(human, tmp_path / "a.hdf5", mapping)
    parts = people_to_demo(human, tmp_path / "b.hdf5", mapping, block=9)
    for a, b in zip(whole.hands, parts.hands, strict=True):
        for one, other in zip(a.pinches, b.pinches, strict=True):
            assert one.frames == other.frames
            assert one.robot_p50_m == pytest.approx(other.robot_p50_m, abs=1e-9, nan_ok=True)
        assert a.jitter_rad == pytest.approx(b.jitter_rad)
    first, second = (load_demo(tmp_path / f"{n}.hdf5", robot=mapping.robot) for n in "ab")
    np.testing.assert_allclose(first.qpos, second.qpos, atol=1e-9)


def test_pinches_that_open_and_false_ones_are_reasons(
    human: Path, mapping: PeopleMapping, tmp_path: Path
) -> None:
    blocks: list[MappedMotion] = []
    people_to_demo(human, tmp_path / "out.hdf5", mapping, keep=blocks.append)
    [mapped] = blocks
    least = np.zeros((2, 4))

    def said(robot_gap: np.ndarray) -> str:
        record = PeopleRecord(mapping.robot, least, 30.0)
        record.add(replace(mapped, robot_gap_m=robot_gap))
        return " ".join(reason.text for reason in people_reasons(record.hands()))

    assert said(mapped.human_gap_m) == ""
    opened = mapped.human_gap_m.copy()
    opened[:, 0, 0] += 0.02
    assert "the left hand's index pinches open" in said(opened)
    false = mapped.human_gap_m.copy()
    far = np.flatnonzero((mapped.human_gap_m[:, 1] > 0.05).all(axis=-1))
    false[far, 1, 1] = 0.001
    assert f"the right hand pinches where the person does not in {len(far)} of 75" in said(false)


def test_one_hand_is_enough(mapping: PeopleMapping, tmp_path: Path) -> None:
    points = person(40, 8).keypoints
    points[:, 0] = np.nan
    np.savez(tmp_path / "one.npz", keypoints=points, rate=30.0)
    options = PeopleOptions(hands=mapping.hands)
    people_to_human(tmp_path / "one.npz", tmp_path / "one.hdf5", options)
    replay = people_to_demo(tmp_path / "one.hdf5", tmp_path / "out.hdf5", mapping)
    assert not any("missing" in reason.text for reason in replay.reasons)
    with h5py.File(tmp_path / "one.hdf5", "r+") as file:
        file["pca"][:] = np.nan
    with pytest.raises(FileError, match="no hand is known"):
        people_to_demo(tmp_path / "one.hdf5", tmp_path / "out2.hdf5", mapping)
    assert not (tmp_path / "out2.hdf5").exists()


def test_json_and_page_say_it_all(human: Path, mapping: PeopleMapping, tmp_path: Path) -> None:
    blocks: list[MappedMotion] = []
    replay = people_to_demo(human, tmp_path / "out.hdf5", mapping, keep=blocks.append)
    report = replay_json([("h", replay)], mapping_settings(mapping), mapping.tolerances, 1)
    side = report["demos"][0]["sides"]["right"]
    assert side["pinches"]["index"]["frames"] == replay.hands[1].pinches[0].frames > 0
    assert side["hand_jitter_rad"] == replay.hands[1].jitter_rad
    assert side["label_jumps"] is None
    assert report["summary"]["settings"]["align"] == "start"
    page = PeoplePage(mapping)
    page.add(replay, blocks)
    page.refuse("other.hdf5", "is <broken>")
    html = page.html()
    for text in ("Thumb to fingertip", "thumb and index", "is &lt;broken&gt;", "least possible"):
        assert text in html, text
    data = html.split('<script type="application/json" class="data">')[1].split("</script>")[0]
    assert {"gaps", "statuses", "directions", "wrists", "motion", "hand_left"} <= set(
        json.loads(data)
    )
