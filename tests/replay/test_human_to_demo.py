"""Human motion as demonstrations: a replay's rules, and what speaks against the motion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import run

from retarget.data.convert import demo_to_human
from retarget.data.generate.make_demo import make_demo
from retarget.data.human_file import load_human
from retarget.mapping.retargeter import Retargeter
from retarget.replay.human_to_demo import HumanReplay, human_to_demo
from retarget.replay.replay import replay_file

FRAMES = 90
Edit = Callable[[h5py.File], None]


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    return Retargeter()


@pytest.fixture(scope="module")
def human(retargeter: Retargeter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("human")
    make_demo(folder / "demo.hdf5", frames=FRAMES, seed=3)
    demo_to_human(folder / "demo.hdf5", folder / "human.hdf5", retargeter)
    return folder / "human.hdf5"


def edited(human: Path, folder: Path, edit: Edit) -> Path:
    path = folder / "edited.hdf5"
    shutil.copy(human, path)
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


def judged(retargeter: Retargeter, path: Path, folder: Path, block: int = 4096) -> HumanReplay:
    return human_to_demo(path, folder / "out.hdf5", retargeter, block=block)


def times_three(file: h5py.File) -> None:
    file["pca"][:] = 3.0 * file["pca"][:]


def hand_outlier(file: h5py.File) -> None:
    file["pca"][40, 1, :2] += [2.0, -2.0]


def hand_of_another_time(file: h5py.File) -> None:  # a pose the robot's hand can take
    pca = file["pca"][:, 0]
    far = int(np.argmax(np.linalg.norm(pca - pca[40], axis=-1)))
    file["pca"][40, 0] = pca[far]


def wrist_outlier(file: h5py.File) -> None:
    file["T_world_mano"][40, 0, 0, 3] += 0.05


def turned_outlier(file: h5py.File) -> None:
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    file["T_world_mano"][40, 0, :3, :3] = turn @ file["T_world_mano"][40, 0, :3, :3]


def three_times_the_rate(file: h5py.File) -> None:
    file.attrs["rate"] = 3.0 * file.attrs["rate"]


def every_third_frame(file: h5py.File) -> None:
    for key, data in list(file.items()):
        attrs, rows = dict(data.attrs), data[::3]
        del file[key]
        file[key] = rows
        file[key].attrs.update(attrs)


def unknown_and_fast(file: h5py.File) -> None:  # a policy's, at ten times its speed
    del file.attrs["peak_speeds"]
    file.attrs["rate"] = 30.0 * file.attrs["rate"]


def beyond_any_hand(file: h5py.File) -> None:
    file["pca"][:, 0, 0] = 40.0


FAULTS: dict[str, tuple[Edit, str]] = {
    "times three": (times_three, "the left fingertips come back "),
    "hand outlier": (
        hand_outlier,
        "the right hand's coefficients jump away and back within a frame (frame 40)",
    ),
    "a sound pose, once": (
        hand_of_another_time,
        "the left hand's coefficients jump away and back within a frame (frame 40)",
    ),
    "wrist outlier": (
        wrist_outlier,
        "the left wrist jumps away and back within a frame (frame 40)",
    ),
    "wrist turned": (
        turned_outlier,
        "the left wrist turns away and back within a frame (frame 40)",
    ),
    "triple rate": (three_times_the_rate, "the left hand's joints move at up to "),
    "every third frame": (every_third_frame, "the left hand's joints move at up to "),
    "unknown and fast": (unknown_and_fast, "the left hand's joints move at up to "),
    "beyond any hand": (beyond_any_hand, "the left hand's coefficients reach "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_human_motion_is_said(
    retargeter: Retargeter, human: Path, tmp_path: Path, fault: str
) -> None:
    edit, sentence = FAULTS[fault]
    path = edited(human, tmp_path, edit)
    found = [reason.text for reason in judged(retargeter, path, tmp_path).reasons]
    assert any(text.startswith(sentence) for text in found), found
    parts = [reason.text for reason in judged(retargeter, path, tmp_path, block=7).reasons]
    assert parts == found


def test_sound_motion_is_valid_with_a_replays_figures(
    retargeter: Retargeter, human: Path, tmp_path: Path
) -> None:
    replay = replay_file(human.parent / "demo.hdf5", retargeter)
    for edit in (lambda file: None, lambda file: file.attrs.__delitem__("peak_speeds")):
        found = judged(retargeter, edited(human, tmp_path, edit), tmp_path)
        assert found.reasons == ()
        for side, wanted in zip(found.sides, replay.sides, strict=True):
            assert side.fingertip_error_m.mean < 5e-5
            assert side.fit_residual_m.mean == pytest.approx(wanted.fit_residual_m.mean, abs=5e-5)
            assert side.wrist_position_error_m.max < 1e-5
            assert side.arm_status == wanted.arm_status


def test_a_hand_missing_for_a_while_is_no_outlier(
    retargeter: Retargeter, human: Path, tmp_path: Path
) -> None:
    def lose(file: h5py.File) -> None:
        file["pca"][30:50, 1] = np.nan

    found = judged(retargeter, edited(human, tmp_path, lose), tmp_path)
    assert found.reasons == ()
    assert found.sides[1].hand_status["missing_input"] == 20


def test_labels_say_how_fast_the_recording_was(human: Path) -> None:
    motion, info = load_human(human)
    assert info.speeds is not None
    step = np.diff(motion.T_world_mano[..., :3, 3], axis=0)
    speed = info.rate * np.linalg.norm(step, axis=-1).max(axis=0)
    np.testing.assert_allclose([side.wrist_m_s for side in info.speeds], speed, rtol=1e-12)


def test_the_command_reports_and_tolerates(human: Path, tmp_path: Path) -> None:
    def move(file: h5py.File) -> None:
        file["pca"][40, 0, :3] += 0.5

    path = edited(human, tmp_path, move)
    report = tmp_path / "report.json"
    result = run("to-robot", path, "--out", tmp_path / "out.hdf5", "--json", report)
    assert result.exit_code == 1
    found = json.loads(report.read_text())
    assert found["summary"]["not_valid"] == found["summary"]["exit_code"] == 1
    (demo,) = found["demos"]
    assert demo["self_check"] is None
    assert any("fingertips come back" in text for text in demo["reasons"])
    assert demo["sides"]["left"]["fingertip_error_m"]["worst_frame"] == 40
    generous = ("--fingertip-tolerance", 50, "--fingertip-p99-tolerance", 50)
    result = run("to-robot", path, "--out", tmp_path / "out.hdf5", *generous)
    assert "fingertips come back" not in result.stdout


def test_real_recordings_are_judged_as_replay_judges_them(
    retargeter: Retargeter, shared: Path, tmp_path: Path
) -> None:
    paths = sorted((shared / "teleop/demos").glob("*.hdf5"))
    if not paths:
        pytest.skip("no recordings")
    for path in paths:
        demo_to_human(path, tmp_path / "human.hdf5", retargeter)
        found = judged(retargeter, tmp_path / "human.hdf5", tmp_path)
        assert found.passed == path_passes(retargeter, path), path.name
        for edit in (times_three, three_times_the_rate):
            wrong = edited(tmp_path / "human.hdf5", tmp_path, edit)
            assert not judged(retargeter, wrong, tmp_path).passed, (path.name, edit)


def path_passes(retargeter: Retargeter, path: Path) -> bool:
    return replay_file(path, retargeter).passed
