"""``retarget from-human`` and ``calibrate-user``: recordings in, human motion and users out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run

from benchmarks.synthetic_people import person
from retarget.core.types import Status
from retarget.data.demo.reader import load_demo
from retarget.data.human_file import load_human
from retarget.human.hand_model import load_hands
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.user import User
from retarget.human.user_calibration import calibrate_user


@pytest.fixture
def points() -> np.ndarray:
    """Both hands (40, 2, 21, 3), the right one lost for five frames."""
    points = person(40, 31).keypoints
    points[10:15, 1] = np.nan
    return points


@pytest.fixture
def recording(tmp_path: Path, points: np.ndarray) -> Path:
    path = tmp_path / "keypoints.npz"
    np.savez(path, keypoints=points, rate=60.0)
    return path


def test_keypoints_become_motion(recording: Path, points: np.ndarray, tmp_path: Path) -> None:
    ended = run("from-human", recording, "--out", tmp_path / "human.hdf5")
    assert ended.exit_code == 0, ended
    for said in ("35 ok, 5 missing_input", "1, longest 5 frames", "VALID", "size over"):
        assert said in ended.stdout, said
    motion, info = load_human(tmp_path / "human.hdf5")
    user = calibrate_user(points)
    assert info.user == user
    assert (info.rate, info.robot, info.source) == (60.0, "", "keypoints.npz")
    expected = KeypointFitter(user=user).fit(points)
    np.testing.assert_allclose(motion.pca, expected.pca, atol=1e-12)
    np.testing.assert_array_equal(motion.status, expected.status)


def test_users_are_found_once_and_used(recording: Path, points: np.ndarray, tmp_path: Path) -> None:
    user, out = tmp_path / "user.toml", tmp_path / "human.hdf5"
    ended = run("calibrate-user", recording, "--out", user)
    assert ended.exit_code == 0, ended
    assert "times the size of the hand model, from 75 left and right hands" in ended.stdout
    assert User.load(user) == calibrate_user(points)
    ended = run("from-human", recording, "--user", user, "--out", out, "--components", "45")
    assert ended.exit_code == 0, ended
    motion, info = load_human(out)
    assert info.user == User.load(user)
    assert motion.pca.shape == (40, 2, 45)


def test_gaps_are_filled_where_asked(recording: Path, tmp_path: Path) -> None:
    for longest, held in ((4, 0), (5, 5)):
        out = tmp_path / f"human{longest}.hdf5"
        options = ("--fill", "linear", "--longest-gap", longest, "--smooth")
        ended = run("from-human", recording, "--out", out, *options)
        assert ended.exit_code == 0, ended
        motion, _ = load_human(out)
        assert (motion.status == Status.HELD).sum() == held


def test_motion_goes_on_to_actions(recording: Path, tmp_path: Path) -> None:
    human = tmp_path / "human.hdf5"
    assert run("from-human", recording, "--out", human, "--fill", "hold").exit_code == 0
    ended = run("to-actions", human, "--out", tmp_path / "actions.hdf5", "--camera", "world")
    assert ended.exit_code == 0, ended


def test_few_frames_have_the_models_size(points: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "few.npz"
    np.savez(path, keypoints=points[:6], rate=30.0)
    ended = run("from-human", path, "--out", tmp_path / "human.hdf5")
    assert ended.exit_code == 0, ended
    assert "too few to find the user" in ended.stdout
    ended = run("calibrate-user", path)
    assert ended.exit_code == 2
    assert "few.npz: a user is found from at least 20 frames of a hand, got 12" in ended.stderr


def test_several_files_and_one_that_is_none(recording: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"nothing")
    ended = run("from-human", recording, bad, "--out", tmp_path / "out")
    assert ended.exit_code == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "bad.npz" in ended.stderr
    assert (tmp_path / "out" / "keypoints.hdf5").is_file()


def test_folders_are_looked_through(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "session"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.npz", "inner/b.npz"):
        (folder / name).write_bytes(recording.read_bytes())
    (folder / "notes.txt").write_text("a good day", encoding="utf-8")
    (folder / "settings.json").write_text("{}", encoding="utf-8")
    ended = run("from-human", folder, "--out", tmp_path / "out")
    assert ended.exit_code == 0, ended
    found = sorted(
        str(path.relative_to(tmp_path / "out")) for path in tmp_path.rglob("out/**/*.hdf5")
    )
    assert found == ["a.hdf5", "inner/b.hdf5"]
    (tmp_path / "empty").mkdir()
    ended = run("from-human", tmp_path / "empty", "--out", tmp_path / "out")
    assert ended.exit_code == 2
    assert "empty: no recording of people's hands in it" in ended.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fill", "spline"), "fill must be one of none, hold, linear"),
        (("--layout", "mano22"), "layout must be 'auto'"),
        (("--side", "both"), "side must be 'left', 'right'"),
        (("--user", "gone.toml"), "gone.toml: no such file"),
        (("--hands", "gone"), "gone"),
    ],
)
def test_mistakes(recording: Path, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    out = tmp_path / "human.hdf5"
    ended = run("from-human", recording, "--out", out, *options)
    assert ended.exit_code == 2, ended
    assert said in ended.stderr
    assert not out.exists()


def test_a_rate_that_nobody_tells(points: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "still.npz"
    np.savez(path, keypoints=points)
    ended = run("from-human", path, "--out", tmp_path / "human.hdf5")
    assert ended.exit_code == 2
    assert "does not tell its frames per second; give them: --rate" in ended.stderr
    assert run("from-human", path, "--out", tmp_path / "human.hdf5", "--rate", "30").exit_code == 0


def test_the_recording_is_not_written_over(recording: Path, tmp_path: Path) -> None:
    user = tmp_path / "user.toml"
    User().save(user)
    for place, options in ((recording, ()), (user, ("--user", user))):
        before = place.read_bytes()
        ended = run("from-human", recording, "--out", place, *options)
        assert ended.exit_code == 2, ended
        assert place.read_bytes() == before


def test_real_recordings(shared: Path, tmp_path: Path) -> None:
    for name, options, frames in (
        ("hot3d/mano_hand_pose_trajectory.jsonl", (), 34),
        ("vitra/ego4d_example.npy", ("--rate", "30"), 25),
        ("right_hand_keypoints.npz", ("--rate", "30", "--side", "right"), 621),
    ):
        out = tmp_path / "human.hdf5"
        ended = run("from-human", shared / "human" / name, "--out", out, *options)
        assert ended.exit_code == 0, ended
        motion, info = load_human(out)
        assert len(motion.pca) == frames
        assert info.user is not None
        known = np.isfinite(motion.residual)
        assert np.median(motion.residual[known]) <= 4e-3
    assert info.hand == KeypointFitter(hands=load_hands()).hand_hash


def test_people_go_to_the_robot_by_their_own_map(recording: Path, tmp_path: Path) -> None:
    human, out = tmp_path / "human.hdf5", tmp_path / "robot.hdf5"
    run("from-human", recording, "--out", human)
    page, report = tmp_path / "page.html", tmp_path / "report.json"
    ended = run("to-robot", human, "--out", out, "--html", page, "--json", report)
    assert ended.exit_code in (0, 1), ended
    for said in ("thumb and", "least possible", "jitter", "wrists placed by 'start'"):
        assert said in ended.stdout, said
    assert "Thumb to fingertip" in page.read_text()
    settings = json.loads(report.read_text())["summary"]["settings"]
    assert (settings["align"], settings["map"]["scale"]) == ("start", 1.22)
    demo = load_demo(out)
    assert demo.frames == 40
    assert not demo.valid[10:15, 1].any()
    by_policy = tmp_path / "policy.hdf5"
    ended = run("to-robot", human, "--out", by_policy, "--map", "policy")
    assert "label jumps" in ended.stdout, ended
    assert np.abs(load_demo(by_policy).qpos - demo.qpos).max() > 0.1


def test_ways_that_do_not_fit_are_refused(recording: Path, tmp_path: Path) -> None:
    human, out = tmp_path / "human.hdf5", tmp_path / "robot.hdf5"
    run("from-human", recording, "--out", human)
    for options, said in (
        (("--map", "best"), "--map must be one of auto, people, policy, got 'best'"),
        (("--align", "feet"), "align must be one of start, shoulders, none, got 'feet'"),
        (("--align", "shoulders"), "needs the pose of the head"),
        (("--map", "policy", "--scale", "2"), "--scale would do nothing"),
        (("--map", "people", "--refine", "1"), "--refine would do nothing"),
        (("--map", "policy", "--html", str(tmp_path / "p.html")), "--html would do nothing"),
    ):
        ended = run("to-robot", human, "--out", out, *options)
        assert ended.exit_code == 2, (options, ended)
        assert said in ended.stderr, (options, ended.stderr)
        assert not out.exists()


@pytest.mark.parametrize("command", ["inspect", "calibrate-user", "from-human"])
def test_files_of_people_may_be_read_in_a_child(
    command: str, recording: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "human.hdf5") if command == "from-human" else ()
    alone = run(command, recording, *out)
    confined = run(command, recording, *out, "--untrusted", "60")
    assert confined.exit_code == alone.exit_code == 0, confined
    ended = run(command, recording, *out, "--untrusted", "0")
    assert ended.exit_code == 2
    assert "must be a positive number" in ended.stderr
