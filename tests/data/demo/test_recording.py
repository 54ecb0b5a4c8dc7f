"""Recordings checked as a whole: lost tracking, frame rates and the order of frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command_line import run
from lost_recordings import LOST, LOST_KINDS, TIMES, write_spoilt

import retarget.data.demo.recording as module
from retarget.core.types import SIDES, Demo
from retarget.data.demo.recording import Recording
from retarget.data.demo.writer import save_demo
from retarget.data.generate.make_demo import TASKS, make_demo
from retarget.data.human_file import load_human
from retarget.robot.robot import Robot

ONE_AND_BOTH = pytest.mark.parametrize("hands", [(0,), (1,), (0, 1)], ids=["left", "right", "both"])
FULL = pytest.mark.parametrize("name", LOST_KINDS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "grasp.hdf5"
    make_demo(path, seed=1)
    return path


def _dropped_fingers(values: Any, at: int) -> Any:
    return np.delete(values, range(at - 4, at + 5), axis=0)


def _repeated_fingers(values: Any, at: int) -> Any:
    return np.insert(values, [at] * 5, values[at], axis=0)


def spoilt(path: Path, base: Path, name: str, hands: tuple[int, ...], robot: Robot) -> Path:
    def spoil(arrays: dict[str, Any], attrs: dict[str, Any]) -> None:
        for h in hands:
            LOST_KINDS[name].spoil(arrays, robot, h)

    return write_spoilt(path, base, spoil)


def marks(demo: Demo) -> np.ndarray:
    """(T, 2, 6) what of the wrist and of each finger is there."""
    seen = np.isfinite(demo.fingertips).all(axis=-1)
    return np.concatenate([demo.valid[..., None], seen], axis=-1)


@ONE_AND_BOTH
@FULL
def test_lost_tracking_is_found_and_marked(
    base: Path, tmp_path: Path, robot: Robot, name: str, hands: tuple[int, ...]
) -> None:
    lost = LOST_KINDS[name]
    with Recording(spoilt(tmp_path / "x.hdf5", base, name, hands, robot), robot) as recording:
        found, demo = recording.findings, recording.read()
    assert [finding.kind for finding in found] == [lost.kind] * len(hands)
    assert [finding.side for finding in found] == [SIDES[h] for h in hands]
    for finding in found:
        assert finding.note
        assert finding.frames == lost.frames
        assert f"{LOST[0]}-{LOST[-1]}" in finding.text
        assert finding.side in finding.text
    expected = np.ones((demo.frames, 2, 6), dtype=bool)
    for h in hands:
        expected[LOST, h, slice(None) if lost.hand else 4] = False
    np.testing.assert_array_equal(marks(demo), expected)
    assert np.isnan(demo.T_world_wrist[~demo.valid]).all()


@FULL
def test_marking_twice_marks_the_same(base: Path, tmp_path: Path, robot: Robot, name: str) -> None:
    with Recording(spoilt(tmp_path / "x.hdf5", base, name, (0,), robot), robot) as recording:
        once = recording.read()
    save_demo(tmp_path / "marked.hdf5", once, robot=robot)
    with Recording(tmp_path / "marked.hdf5", robot) as recording:
        np.testing.assert_array_equal(marks(recording.read()), marks(once))


@pytest.mark.parametrize("block", [1, 7, 50, 299])
def test_blocks_change_nothing(
    base: Path, tmp_path: Path, robot: Robot, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*LOST_KINDS, *TIMES] if block > 1 else ["everything frozen", "frames dropped"]
    for k, name in enumerate(names):
        path = tmp_path / f"{k}.hdf5"
        if name in LOST_KINDS:
            spoilt(path, base, name, (0, 1), robot)
        else:
            write_spoilt(path, base, TIMES[name].spoil)
        monkeypatch.undo()
        with Recording(path, robot) as recording:
            whole, there = recording.findings, marks(recording.read())
        monkeypatch.setattr(module, "BLOCK", block)
        with Recording(path, robot) as recording:
            parts = recording.findings
            pieces = np.concatenate([marks(demo) for demo in recording.blocks(block)])
        assert [(f.kind, f.side, f.frames, f.text) for f in parts] == [
            (f.kind, f.side, f.frames, f.text) for f in whole
        ]
        np.testing.assert_array_equal(pieces, there)


@pytest.mark.parametrize("name", TIMES)
def test_wrong_times_are_named(base: Path, tmp_path: Path, robot: Robot, name: str) -> None:
    wrong = TIMES[name]
    with Recording(write_spoilt(tmp_path / "x.hdf5", base, wrong.spoil), robot) as recording:
        found = [finding for finding in recording.findings if finding.kind == wrong.kind]
    assert len(found) == 1
    assert re.search(wrong.words, found[0].text)
    assert all(finding.note for finding in recording.findings) == wrong.valid


def test_a_rate_that_is_given_is_doubted_but_taken(base: Path, robot: Robot) -> None:
    with Recording(base, robot, rate=300.0) as recording:
        (finding,) = recording.findings
    assert finding.note
    assert "looks like 30 Hz instead of 300 Hz (as given)" in finding.text


def test_fast_real_motion_tells_a_rate_too_high(shared: Path, tmp_path: Path, robot: Robot) -> None:
    for source in sorted((shared / "teleop" / "demos").glob("*.hdf5"))[::5]:

        def faster(arrays: dict[str, Any], attrs: dict[str, Any]) -> None:
            attrs["rate"] = 300.0
            arrays["observations/qvel"][:] = 0.0

        with Recording(write_spoilt(tmp_path / "x.hdf5", source, faster), robot) as recording:
            found = [finding for finding in recording.findings if not finding.note]
        assert [finding.kind for finding in found] == ["rate"]
        assert "looks like 30 Hz instead of 300 Hz" in found[0].text


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("frames", "rate", "noise"), [(300, 30, 0.0), (90, 15, 1e-3), (700, 60, 1.5e-3)]
)
def test_no_false_alarm_of_generated_recordings(
    tmp_path: Path, robot: Robot, task: str, frames: int, rate: float, noise: float
) -> None:
    make_demo(tmp_path / "x.hdf5", task=task, frames=frames, rate=rate, noise=noise, seed=2)
    with Recording(tmp_path / "x.hdf5", robot) as recording:
        assert recording.findings == ()


def test_no_false_alarm_of_pauses(base: Path, tmp_path: Path, robot: Robot) -> None:
    def pausing(arrays: dict[str, Any], attrs: dict[str, Any]) -> None:
        rest = int(np.argmin(np.abs(np.diff(arrays["observations/qpos"], axis=0)).max(axis=1)))
        for key, values in arrays.items():
            arrays[key] = np.insert(values, [rest] * 200, values[rest], axis=0)

    with Recording(write_spoilt(tmp_path / "x.hdf5", base, pausing), robot) as recording:
        assert recording.findings == ()


def test_no_false_alarm_of_real_recordings(shared: Path, robot: Robot) -> None:
    for source in sorted((shared / "teleop" / "demos").glob("*.hdf5")):
        with Recording(source, robot) as recording:
            assert [finding.kind for finding in recording.findings] == ["assumed_rate"]
            assert recording.read().valid.all()


def test_a_mistake_of_all_frames_is_no_lost_tracking(
    base: Path, tmp_path: Path, robot: Robot
) -> None:
    def still(arrays: dict[str, Any], attrs: dict[str, Any]) -> None:
        arrays["observations/left_ee_pose"][:] = arrays["observations/left_ee_pose"][0]

    path = write_spoilt(tmp_path / "x.hdf5", base, still)
    result = run("replay", path)
    assert result.exit_code == 2
    assert "disagrees with itself" in result.stderr


@pytest.mark.parametrize("name", ["pose and fingertips at zero", "one finger NaN"])
def test_every_command_says_it(base: Path, tmp_path: Path, robot: Robot, name: str) -> None:
    path = spoilt(tmp_path / "x.hdf5", base, name, (0,), robot)
    lost = LOST_KINDS[name]
    with Recording(path, robot) as recording:
        (text,) = (finding.text for finding in recording.findings)
    for command in (
        ("replay", path, "--out", tmp_path / "back.hdf5"),
        ("to-human", path, "--out", tmp_path / "human.hdf5"),
        ("to-actions", path, "--out", tmp_path / "actions.hdf5"),
        ("run", path, "--fast"),
        ("view", path, "--html", tmp_path / "view.html"),
    ):
        result = run(*command)
        assert text in " ".join(result.output.split()), command[0]
    human, _ = load_human(tmp_path / "human.hdf5")
    with h5py.File(tmp_path / "human.hdf5") as file:
        missing = np.flatnonzero(~file["valid"][:, 0])
    assert list(missing) == (list(lost.frames) if lost.hand else [])
    assert np.isnan(human.pca[missing, 0]).all()
    assert np.isfinite(human.pca[:, 1]).all()


def test_replay_counts_and_reports_it(base: Path, tmp_path: Path, robot: Robot) -> None:
    import json

    path = spoilt(tmp_path / "x.hdf5", base, "pose and fingertips frozen", (1,), robot)
    result = run("replay", path, "--json", tmp_path / "x.json", "--html", tmp_path / "x.html")
    assert result.exit_code == 0
    (demo,) = json.loads((tmp_path / "x.json").read_text())["demos"]
    assert demo["passed"]
    assert demo["notes"] == [demo["findings"][0]["text"]]
    assert demo["findings"][0]["kind"] == "still_wrist"
    assert demo["findings"][0]["side"] == "right"
    assert demo["findings"][0]["runs"] == [[LOST[0], LOST[-1]]]
    assert demo["sides"]["right"]["hand_status"]["missing_input"] == len(LOST)
    assert "does not move" in (tmp_path / "x.html").read_text()


def test_wrong_times_are_not_valid(base: Path, tmp_path: Path) -> None:
    path = write_spoilt(tmp_path / "x.hdf5", base, TIMES["backwards"].spoil)
    for command in (
        ("replay", path),
        ("to-human", path, "--out", tmp_path / "human.hdf5"),
        ("to-actions", path, "--out", tmp_path / "actions.hdf5"),
    ):
        result = run(*command)
        assert result.exit_code == 1, command[0]
        assert "NOT VALID" in result.output
        assert "run backwards" in result.output


@pytest.mark.parametrize("spoil", [_dropped_fingers, _repeated_fingers])
def test_fingers_alone_tell_it_too(base: Path, tmp_path: Path, robot: Robot, spoil: Any) -> None:
    """Frames lost or repeated while a hand closes and the arms rest."""
    with h5py.File(base) as file:
        qpos = file["observations/qpos"][:]
    fingers = robot.indices([j for side in robot.sides for j in side.active_joints])
    arms = robot.indices([j for side in robot.sides for j in side.arm_joints])
    step = np.abs(np.diff(qpos, axis=0))
    speed = step[:, fingers].sum(axis=1) * (step[:, arms].sum(axis=1) < 1e-3)
    fastest = int(np.argmax(speed))
    assert speed[fastest] > 0.05

    def change(arrays: dict[str, Any], attrs: dict[str, Any]) -> None:
        for key, values in arrays.items():
            arrays[key] = spoil(values, fastest)

    with Recording(write_spoilt(tmp_path / "x.hdf5", base, change), robot) as recording:
        kinds = {finding.kind for finding in recording.findings}
    assert kinds & {"jump", "dropped", "repeated"}
