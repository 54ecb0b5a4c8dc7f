"""The command line: what it prints, writes and returns, and how little it loads."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command_line import run
from demo_files import robot_demo
from places import ROOT

from retarget import __version__
from retarget.core.errors import TrainingError
from retarget.core.types import Demo
from retarget.data.demo.reader import load_demo
from retarget.data.demo.writer import save_demo
from retarget.data.human_file import load_human
from retarget.robot.robot import Robot

COMMANDS = (
    "replay",
    "view",
    "to-human",
    "to-actions",
    "to-robot",
    "run",
    "make-demo",
    "train-hand",
    "check-hand",
    "calibrate",
    "mano check",
    "mano convert",
)
STATS = {"mean", "p50", "p99", "max", "worst_frame"}
FRAMES = 8


@pytest.fixture(scope="module")
def demo() -> Demo:
    return robot_demo(Robot.load(), FRAMES)


@pytest.fixture
def path(tmp_path: Path, demo: Demo) -> Path:
    save_demo(tmp_path / "demo.hdf5", demo)
    return tmp_path / "demo.hdf5"


@pytest.fixture
def unreachable(tmp_path: Path, demo: Demo) -> Path:
    """A demonstration with one wrist pose two metres away."""
    save_demo(tmp_path / "far.hdf5", demo)
    with h5py.File(tmp_path / "far.hdf5", "r+") as file:
        file["observations/left_ee_pose"][2, 2] += 2.0
        file["observations/left_finger_tip_pos"][2, :, 2] += 2.0
    return tmp_path / "far.hdf5"


# --- help and loading ---------------------------------------------------------------------------


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"retarget {__version__}\n")


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f"\n  {command.split()[0]} " in result.stdout
    assert "Exit codes: 0 valid, 1 not valid, 2 bad input" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_examples(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"\n    retarget {command}" in result.stdout


def test_usage_errors_are_bad_input() -> None:
    for args in (["replay"], ["fly"], ["replay", "a", "--refine", "-1"], ["to-human", "a"]):
        result = run(*args)
        assert result.exit_code == 2, args
        assert result.stdout == ""
    result = run("replay", "a.hdf5", "--rate", "0")
    assert result.exit_code == 2
    assert "must be a positive number" in result.stderr


def in_new_process(code: str, *args: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, atexit\n"
        "heavy = 'numpy scipy h5py torch pinocchio trimesh meshcat safetensors'.split()\n"
        "atexit.register(lambda: print('loaded', [m for m in heavy if m in sys.modules]))\n"
        "from retarget.cli.__main__ import main\n"
        "main()"
    )
    for args in (["--help"], ["replay", "--help"], ["--version"]):
        assert in_new_process(code, *args).endswith("loaded []\n")


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, retarget\n"
        "heavy = 'numpy scipy h5py torch pinocchio trimesh rich typer'.split()\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    assert in_new_process(code) == "[]\n"


# --- replay -------------------------------------------------------------------------------------


def test_a_valid_demonstration(path: Path) -> None:
    result = run("replay", path)
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in (
        str(path),
        "8 frames, 0.267 s at 30 Hz; agrees with its own joints",
        "fit residual",
        "fingertips",
        "hand joints",
        "wrist position",
        "wrist rotation",
        "8 ok",
        "label jumps",
        "limit margin, arm",
        "peak arm velocity",
        "peak arm jerk",
        "VALID",
    ):
        assert words in result.stdout, words
    assert "NOT VALID" not in result.stdout
    assert max(map(len, result.stdout.replace(str(path), "").splitlines())) <= 100


def test_a_demonstration_that_is_not_valid(unreachable: Path, tmp_path: Path) -> None:
    result = run("replay", unreachable, "--out", tmp_path / "out.hdf5")
    assert result.exit_code == 1
    assert "NOT VALID\n - the left wrist's pose cannot be reached by the arm" in result.stdout
    assert "(frame 2)" in result.stdout
    assert "1 unreachable" in result.stdout
    assert (tmp_path / "out.hdf5").is_file()


def test_tolerances_are_options(path: Path, unreachable: Path) -> None:
    assert run("replay", path, "--fingertip-tolerance", "0.000001").exit_code == 1
    assert run("replay", path, "--fingertip-p99-tolerance", "0.000001").exit_code == 1
    assert run("replay", path, "--wrist-tolerance", "0").exit_code == 1
    generous = ("--wrist-tolerance", "3000", "--rotation-tolerance", "180")
    far = run("replay", unreachable, *generous)
    assert "cannot be reached" not in far.stdout
    # no tolerance lets the arm follow two metres in a frame
    assert "the left arm jumps from one posture to another, at up to" in far.stdout


def test_the_json_is_as_documented(path: Path, unreachable: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.hdf5"
    bad.write_text("nothing")
    with h5py.File(path, "r+") as file:
        file["observations/right_ee_pose"][:] = np.nan
    result = run("replay", path, unreachable, bad, "--json", tmp_path / "new/report.json")
    assert result.exit_code == 2

    def refuse(value: str) -> float:
        raise AssertionError(f"{value} is no JSON")

    text = (tmp_path / "new/report.json").read_text()
    report = json.loads(text, parse_constant=refuse)
    assert set(report) == {"demos", "summary"}
    assert [found["path"] for found in report["demos"]] == [str(path), str(unreachable), str(bad)]
    lost, far, refused = report["demos"]
    assert (
        set(lost)
        == set(refused)
        == {
            "path",
            "frames",
            "seconds",
            "rate_hz",
            "passed",
            "reasons",
            "notes",
            "findings",
            "error",
            "self_check",
            "sides",
        }
    )
    assert (lost["frames"], lost["rate_hz"], lost["error"]) == (FRAMES, 30.0, None)
    assert lost["seconds"] == pytest.approx(FRAMES / 30.0)
    assert refused["error"].startswith(f"{bad}: is not an HDF5 file")
    assert [d["passed"] for d in report["demos"]] == [False, False, False]
    for name in (
        "fit_residual_m",
        "fingertip_error_m",
        "hand_joint_error_rad",
        "wrist_position_error_m",
        "wrist_rotation_error_rad",
    ):
        assert set(far["sides"]["left"][name]) == STATS
        assert lost["sides"]["right"][name] == dict.fromkeys(STATS)
    assert lost["sides"]["right"]["hand_status"]["missing_input"] == FRAMES
    left = far["sides"]["left"]
    assert left["wrist_position_error_m"]["worst_frame"] == 2
    assert left["unreachable"]["frames"] == [2]
    assert left["unreachable"]["position_m"] == left["wrist_position_error_m"]["max"]
    assert left["reached_wrist_position_error_m"]["max"] < 1e-5
    assert left["hand_status"]["ok"] == FRAMES
    assert left["arm_status"] == {
        "ok": FRAMES - 1,
        "at_limit": 0,
        "unreachable": 1,
        "not_converged": 0,
        "missing_input": 0,
        "held": 0,
    }
    assert (left["label_jumps"], left["limit_violations"]) == (0, 0)
    for name in ("peak_velocity_rad_s", "peak_jerk_rad_s3", "arm_limit_margin_rad"):
        assert set(left[name]) == {"value", "joint", "frame"}
    assert left["limit_margin_rad"] >= 0.0
    summary = report["summary"]
    assert (summary["demos"], summary["valid"], summary["not_valid"], summary["bad_input"]) == (
        3,
        0,
        2,
        1,
    )
    assert summary["exit_code"] == 2
    assert summary["worst_first"][0] == str(unreachable)
    assert math.isclose(summary["settings"]["tolerances"]["fingertip_m"], 5e-5)


def test_the_json_is_stable(path: Path, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        assert run("replay", path, "--json", tmp_path / name).exit_code == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_several_demonstrations_the_worst_first(
    path: Path, unreachable: Path, tmp_path: Path, demo: Demo
) -> None:
    (tmp_path / "more").mkdir()
    save_demo(tmp_path / "more/[third].hdf5", demo)
    (tmp_path / "more/.hidden.hdf5").write_text("not looked at")
    (tmp_path / "more/notes.txt").write_text("not looked at")
    result = run("replay", path, unreachable, tmp_path / "more", "--out", tmp_path / "out")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    rows = [k for k, text in enumerate(lines) if " VALID " in text]
    assert len(rows) == 3
    assert lines[rows[0]].startswith("far.hdf5")
    assert "NOT VALID" in lines[rows[0]]
    assert " far.hdf5: NOT VALID" in lines
    assert lines[-2] == " 3 demonstrations: 2 valid, 1 not valid, 0 bad input"
    assert lines[-1] == f"wrote 3 demonstrations in {tmp_path / 'out'}"
    assert "peak arm jerk" not in result.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "[third].hdf5",
        "demo.hdf5",
        "far.hdf5",
    ]
    assert "more/[third].hdf5" in result.stdout
    assert "peak arm jerk" in run("replay", path, tmp_path / "more", path, "-v").stdout


def test_a_folder_of_folders_keeps_its_form(tmp_path: Path, demo: Demo) -> None:
    for name in ("Push-Box/one.hdf5", "Stack-Can/one.h5"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        save_demo(tmp_path / "in" / name, demo)
    out = tmp_path / "in/out"
    for _ in range(2):  # what was written before is not taken for input
        result = run("replay", tmp_path / "in", "--out", out)
        assert result.exit_code == 0
        assert "2 demonstrations: 2 valid" in result.stdout
    found = sorted(str(p.relative_to(out)) for p in out.rglob("*.h*5"))
    assert found == ["Push-Box/one.hdf5", "Stack-Can/one.h5"]


def test_options_reach_what_they_name(path: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    robot = Robot.load()
    shipped = next(robot.path.glob("hand_mlp_*.safetensors"))
    result = run(
        *("replay", path, "--json", report, "--refine", 1, "--rate", 60, "--hands", "open"),
        *("--urdf", robot.urdf_path, "--robot", robot.path, "--weights", shipped),
        *("--calibration", robot.path / "calibration.toml"),
    )
    assert result.exit_code == 0, result.stderr
    found = json.loads(report.read_text())
    assert found["demos"][0]["rate_hz"] == 60.0
    assert found["demos"][0]["sides"]["right"]["fingertip_error_m"]["mean"] < 2e-7
    assert found["summary"]["settings"]["refine"] == 1


def test_an_interruption_leaves_nothing(path: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from retarget.data.demo.writer import DemoWriter

    def interrupt(self: DemoWriter, demo: Demo) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DemoWriter, "append", interrupt)
    before = sorted(tmp_path.rglob("*"))
    result = run("replay", path, "--out", tmp_path / "out.hdf5", "--json", tmp_path / "r.json")
    assert result.exit_code == 130
    assert result.stderr == "error: interrupted\n"
    assert sorted(tmp_path.rglob("*")) == before


# --- one way ------------------------------------------------------------------------------------


def test_to_human_and_back(path: Path, tmp_path: Path) -> None:
    result = run("to-human", path, "--out", tmp_path / "human.hdf5")
    assert result.exit_code == 0, result.stderr
    assert f"{path} -> {tmp_path / 'human.hdf5'}" in result.stdout
    motion, info = load_human(tmp_path / "human.hdf5")
    assert motion.pca.shape == (FRAMES, 2, 15)
    assert (info.camera, info.source, info.versions["retarget"]) == ("main", path.name, __version__)
    result = run("to-robot", tmp_path / "human.hdf5", "--out", tmp_path / "back.hdf5")
    assert result.exit_code == 0, result.stderr
    for row in ("fingertips ", "wrist position ", "arm frames ", "peak arm velocity "):
        assert row in result.stdout
    one, other = load_demo(path), load_demo(tmp_path / "back.hdf5")
    np.testing.assert_allclose(one.fingertips, other.fingertips, rtol=0, atol=5e-4)


def test_to_human_of_folders(path: Path, unreachable: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    assert run("to-human", path, unreachable, "--out", out).exit_code == 0
    result = run("to-robot", out, "--out", tmp_path / "back")
    assert result.exit_code == 1
    assert "the left wrist's pose cannot be reached" in result.stdout
    assert sorted(p.name for p in (tmp_path / "back").iterdir()) == ["demo.hdf5", "far.hdf5"]


# --- the rest -----------------------------------------------------------------------------------


def test_make_demo(tmp_path: Path) -> None:
    pytest.importorskip("retarget.data.generate.make_demo")
    out = tmp_path / "new/demo.hdf5"
    result = run("make-demo", out, "--frames", 5, "--seed", 1)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"wrote {out}: grasp, 5 frames, 0.167 s at 30 Hz\n"
    assert load_demo(out).frames == 5
    result = run("make-demo", tmp_path / "x.hdf5", "--task", "dance")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: task must be one of grasp")
    assert not (tmp_path / "x.hdf5").exists()


def test_check_hand() -> None:
    result = run("check-hand", "--samples", 200)
    assert result.exit_code == 0, result.stderr
    for words in ("200 random poses", "fingertip error, refined once", "left", "right", "p99"):
        assert words in result.stdout


def test_training_that_misses_the_gate_saves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    from retarget.mapping.hand_mlp import HandMLP

    figures = {
        f"{side}.{kind}.{name}": 1e-4
        for side in ("left", "right")
        for kind in ("plain", "refined", "noise")
        for name in ("mean", "p50", "p99", "max")
    }

    def train(*args: Any, **options: Any) -> HandMLP:
        assert (options["seed"], options["steps"], options["samples"]) == (3, 10, 100)
        raise TrainingError("the left hand's mean fingertip error is 100 um", **figures)

    monkeypatch.setattr("retarget.mapping.train.train_hands", train)
    out = tmp_path / "w.safetensors"
    result = run("train-hand", "--out", out, "--seed", 3, "--steps", 10, "--samples", 100)
    assert result.exit_code == 1
    assert "100 um" in result.stdout
    assert result.stderr == (
        "error: the left hand's mean fingertip error is 100 um; nothing was saved\n"
    )
    assert not out.exists()


def test_training_saves_what_meets_the_gate(tmp_path: Path, monkeypatch: Any) -> None:
    from retarget.mapping.hand_mlp import HandMLP

    monkeypatch.setattr(
        "retarget.mapping.train.train_hands",
        lambda fitter, **options: HandMLP.load(fitter=fitter),
    )
    out = tmp_path / "deep/w.safetensors"
    result = run("train-hand", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert f"saved {out}" in result.stdout
    assert run("check-hand", "--weights", out, "--samples", 50).exit_code == 0


def test_calibrate(tmp_path: Path, monkeypatch: Any) -> None:
    import retarget.mapping.calibration
    from retarget.core.types import Calibration

    found = (Calibration(1.5), Calibration(1.25))
    monkeypatch.setattr(retarget.mapping.calibration, "calibrate", lambda robot, hands: found)
    out = tmp_path / "calibration.toml"
    result = run("calibrate", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "1.5000" in result.stdout
    assert "1.2500" in result.stdout
    assert "translation, mm" in result.stdout
    assert "scale = 1.25" in out.read_text()


def test_calibrate_warns_where_the_hand_had_to_be_turned(monkeypatch: Any) -> None:
    import retarget.mapping.calibration
    from retarget.core.types import Calibration

    def warnings(*degrees: float) -> str:
        left, right = (Calibration(1.0, np.radians([0.0, 0.0, d])) for d in degrees)
        monkeypatch.setattr(
            retarget.mapping.calibration, "calibrate", lambda robot, hands: (left, right)
        )
        result = run("calibrate")
        assert result.exit_code == 0, result.stderr
        return result.stderr

    assert warnings(44.0, -44.0) == ""
    lines = warnings(44.0, -91.0).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: the right hand is turned by 91 degrees")
    # A = [[0, 1, 0], [1, 0, 0], [0, 0, -1]] less a quarter turn about the hand model's z
    assert "sides.right.wrist_to_mano" in lines[0]
    assert lines[0].endswith("[[1, 0, 0], [0, -1, 0], [0, 0, -1]]")
    assert len(warnings(91.0, 180.0).splitlines()) == 2


def test_mano_check_and_convert(tmp_path: Path) -> None:
    from retarget.core.resources import resource

    result = run("mano", "check", resource("mano_models"))
    assert result.exit_code == 0, result.stderr
    assert "a left hand in MANO's format" in result.stdout
    assert "a right hand in MANO's format" in result.stdout
    right = resource("mano_models", "OPEN_HAND_RIGHT.npz")
    result = run("mano", "convert", right, "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{right} -> {tmp_path / 'MANO_RIGHT.npz'}\n"
    result = run("mano", "convert", right, "--out", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {tmp_path / 'MANO_RIGHT.npz'}: already exists\n"


def test_the_script_ends_as_promised(path: Path, tmp_path: Path) -> None:
    """The whole program, as a shell sees it."""

    def shell(*args: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "retarget.cli", *map(str, args)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "80"},
        )

    done = shell("replay", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "VALID" in done.stdout
    done = shell("replay", tmp_path / "none.hdf5")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path / 'none.hdf5'}: no such file\n"
