"""`retarget run`: what it prints, writes and returns; faults; how little it loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command_line import run as run_command
from typer.testing import CliRunner

from retarget import Controller, Retargeter
from retarget.cli.main import app
from retarget.control.action_feed import read_feed
from retarget.control.limited_motion import LimitedMotion
from retarget.data.convert import to_actions
from retarget.data.demo.reader import load_demo
from retarget.data.generate.make_demo import make_demo
from retarget.replay.replay import replay_file

KEYS = {"steps", "step_seconds", "limit_violations", "nan_commands", "holds", "lag_m", "sides"}
FRAMES = 60


def run(*args: Any) -> Any:
    return CliRunner().invoke(app, ["run", *(str(arg) for arg in args)])


@pytest.fixture(scope="module")
def rt() -> Retargeter:
    return Retargeter()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "demo.hdf5"
    make_demo(path, frames=FRAMES, seed=2)
    return path


def test_a_demonstration_runs_within_its_limits(demo: Path, tmp_path: Path) -> None:
    figures, out = tmp_path / "run.json", tmp_path / "new" / "commands.hdf5"
    result = run(demo, "--fast", "--hand-velocity", 10, "--json", figures, "--out", out)
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_text())
    assert set(found) == KEYS
    assert found["steps"] == FRAMES
    assert list(found["step_seconds"]) == ["p50", "p99", "p999", "max"]
    assert 0.0 < found["step_seconds"]["p50"] <= found["step_seconds"]["max"]
    assert found["limit_violations"] == {"position": 0, "velocity": 0, "acceleration": 0}
    assert found["nan_commands"] == 0
    assert found["holds"] == []
    for side in ("left", "right"):
        for part in ("hand_status", "arm_status"):
            assert sum(found["sides"][side][part].values()) == FRAMES
    assert set(found["lag_m"]) == {"mean", "p99", "max"}
    assert found["lag_m"]["max"] < 1e-9
    for words in (f"{FRAMES} steps", "wrist behind", "step time: median", "#", "VALID"):
        assert words in result.output, words


def test_the_commands_are_a_demonstration(demo: Path, rt: Retargeter, tmp_path: Path) -> None:
    out = tmp_path / "commands.hdf5"
    assert run(demo, "--fast", "--hand-velocity", 10, "--out", out).exit_code == 0
    given, written = load_demo(demo), load_demo(out)
    assert written.frames == given.frames
    assert written.rate == given.rate
    # frame by frame beside what it was made from
    np.testing.assert_allclose(written.qpos, given.qpos, atol=2e-3)
    assert written.action is not None
    np.testing.assert_array_equal(written.action[:-1], written.qpos[1:])
    assert replay_file(out, rt).passed


def test_actions_run_step_by_step_and_by_chunks(demo: Path, rt: Retargeter, tmp_path: Path) -> None:
    states = []
    for name, settings in (
        ("steps", {"camera": "main"}),
        ("chunks", {"camera": "main", "horizon": 30}),
        ("world", {}),
    ):
        path, out = tmp_path / f"{name}.hdf5", tmp_path / f"{name}_out.hdf5"
        to_actions(demo, path, rt, **settings)  # type: ignore[arg-type]
        result = run(path, "--fast", "--hand-velocity", 10, "--out", out)
        assert result.exit_code == 0, result.output
        states.append(load_demo(out).qpos)
    np.testing.assert_allclose(states[1], states[0], atol=1e-9)
    np.testing.assert_allclose(states[2], states[0], atol=1e-9)
    # the robot starts in its posture and ends where the demonstration ends
    wrists = rt.robot.forward(states[0][-1])[0][:, :3, 3]
    wanted = load_demo(demo).T_world_wrist[-1, :, :3, 3]
    np.testing.assert_allclose(wrists, wanted, atol=1e-3)


def test_chunks_with_a_stride_leave_steps_in_between(
    demo: Path, rt: Retargeter, tmp_path: Path
) -> None:
    path = tmp_path / "chunks.hdf5"
    to_actions(demo, path, rt, camera="main", horizon=30, stride=5)
    feed = read_feed(path, rt)
    assert feed.steps == FRAMES
    said = [step for step in range(FRAMES) if feed.chunk(step) is not None]
    assert said == list(range(0, FRAMES, 5))
    assert run(path, "--fast").exit_code == 0


def test_faults_are_reported(demo: Path, tmp_path: Path) -> None:
    figures = tmp_path / "run.json"
    faults = ("--drop", 0.1, "--nan", 0.05, "--delay", "40ms", "--seed", 1)
    result = run(demo, "--fast", "--horizon", 3, *faults, "--json", figures)
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_text())
    assert {"step": 0, "steps": 2, "reason": "left: no action"} in found["holds"]
    assert {"step": 0, "steps": 2, "reason": "right: no action"} in found["holds"]
    assert all(hold["steps"] >= 1 for hold in found["holds"])
    assert "chunks lost" in result.output
    assert "holds" in result.output
    again = tmp_path / "again.json"
    run(demo, "--fast", "--horizon", 3, *faults, "--json", again)
    assert json.loads(again.read_text())["holds"] == found["holds"]


def test_nothing_at_all_is_a_hold_from_beginning_to_end(demo: Path, tmp_path: Path) -> None:
    figures = tmp_path / "run.json"
    assert run(demo, "--fast", "--drop", 1, "--json", figures).exit_code == 0
    found = json.loads(figures.read_text())
    assert [hold["steps"] for hold in found["holds"]] == [FRAMES, FRAMES]
    assert found["lag_m"] == {"mean": None, "p99": None, "max": None}


def test_every_option_of_the_controller_can_be_set(demo: Path) -> None:
    options = ("--filter", "critical", "--collision-margin", 5, "--hold-timeout", 0.2)
    result = run(demo, "--fast", *options, "--after-timeout", "posture", "--camera", "main")
    assert result.exit_code == 0, result.output
    assert "nearest links" in result.output


def test_a_terminal_sees_a_live_line(demo: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    words = [
        "-m",
        "retarget.cli",
        "run",
        str(demo),
        "--fast",
        "--drop",
        "0.3",
        "--horizon",
        "2",
    ]
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    done = subprocess.Popen(
        [sys.executable, *words], env=env, stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert done.wait() == 0
    lines = re.findall(
        r"step +(\d+)/60  (left \w+ .*? (?:mm|--)) +(right \w+ .*?) us", seen.decode()
    )
    assert [int(step) for step, *_ in lines][:3] == [1, 6, 11]
    assert int(lines[-1][0]) == FRAMES
    assert "nan" not in seen.decode()


def test_real_time_takes_its_time(demo: Path, rt: Retargeter) -> None:
    import time

    from retarget.control.run_loop import run_feed

    feed = read_feed(demo, rt)
    began = time.perf_counter()
    found = run_feed(Controller(rt), feed, real_time=True)
    assert time.perf_counter() - began >= (FRAMES - 1) / feed.rate
    assert found.steps == FRAMES


@pytest.mark.parametrize("wrong", ["limit", "nan"])
def test_a_broken_limit_or_no_number_is_exit_code_1(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """The limits are counted from outside: a controller that forgets them is found out."""

    def unlimited(self: LimitedMotion, target: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(target)) == 3, np.nan, target) if wrong == "nan" else target

    monkeypatch.setattr(LimitedMotion, "propose", unlimited)
    figures = tmp_path / "run.json"
    result = run(demo, "--fast", "--json", figures)
    assert result.exit_code == 1
    assert "NOT VALID" in result.output
    found = json.loads(figures.read_text())
    if wrong == "nan":
        assert found["nan_commands"] > 0
    else:
        assert found["limit_violations"]["velocity"] > 0
        assert found["limit_violations"]["acceleration"] > 0


def test_abrupt_recordings_run_and_say_how_far_they_fall_behind(
    shared: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "run.json"
    path = shared / "teleop" / "demos" / "Stack-Single-Cube_episode_0.hdf5"
    result = run(path, "--fast", "--json", figures)
    assert result.exit_code == 0, result.output
    assert 1e-3 < json.loads(figures.read_text())["lag_m"]["max"] < 0.5
    assert " mm " in result.output


def test_bad_input_is_one_line_and_exit_code_2(demo: Path, rt: Retargeter, tmp_path: Path) -> None:
    import h5py

    other, none = tmp_path / "other.hdf5", tmp_path / "none.hdf5"
    with h5py.File(other, "w") as file:
        file["x"] = 1.0
    moving = tmp_path / "moving.hdf5"
    to_actions(demo, moving, rt, camera="main")
    with h5py.File(moving, "a") as file:
        del file.attrs["T_camera_world"]
    for arguments, said in (
        ((other,), "neither a demonstration nor an action file"),
        ((none,), "no such file"),
        ((moving,), "camera 'main', which moves"),
        ((demo, "--delay", "soon"), "such as 40ms or 0.04s"),
        ((demo, "--drop", 2), "drop must be a share"),
        ((demo, "--filter", "kalman"), "filter must be one of"),
        ((demo, "--camera", "left"), "no camera 'left'"),
        ((demo, "--hand-velocity", 0), "hand_velocity"),
        ((demo, "--out", demo), "will not be written over"),
        ((demo, "--out", tmp_path / "a", "--json", tmp_path / "a"), "would both be written there"),
    ):
        result = run(*arguments, "--fast")
        assert result.exit_code == 2, (arguments, result.output)
        assert said in result.output, (said, result.output)
    assert not (tmp_path / "a").exists()


def test_options_of_demonstrations_are_refused_beside_actions(
    demo: Path, rt: Retargeter, tmp_path: Path
) -> None:
    steps, chunks = tmp_path / "steps.hdf5", tmp_path / "chunks.hdf5"
    to_actions(demo, steps, rt)
    to_actions(demo, chunks, rt, horizon=7)
    for source, *option in (
        (steps, "--camera", "main"),
        (chunks, "--allow-mismatch"),
        (chunks, "--horizon", 30),
    ):
        result = run(source, *option, "--fast", "--json", tmp_path / "run.json")
        assert result.exit_code == 2, result.output
        assert f"{option[0]} would do nothing" in result.output
    assert not (tmp_path / "run.json").exists()
    # of single actions the horizon says how far the policy sees ahead
    assert read_feed(steps, rt, horizon=7).horizon == read_feed(chunks, rt).horizon == 7
    np.testing.assert_allclose(
        read_feed(steps, rt, horizon=7).chunk(3), read_feed(chunks, rt).chunk(3), atol=1e-6
    )
    assert run(steps, "--horizon", 7, "--fast").exit_code == 0


def test_the_loop_needs_no_torch(demo: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from retarget.cli.main import app; "
        f"r = CliRunner().invoke(app, ['run', {str(demo)!r}, '--fast']); "
        "assert r.exit_code == 0, r.output; "
        "print(*(m for m in ('torch', 'scipy', 'smplx') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_more_steps_than_a_run_can_hold(tmp_path: Path, demo: Path) -> None:
    steps, chunks = tmp_path / "steps.hdf5", tmp_path / "chunks.hdf5"
    assert run_command("to-actions", demo, "--out", steps).exit_code == 0
    with h5py.File(steps, "r+") as file:  # which claims what it does not hold
        del file["actions"]
        file.create_dataset("actions", (2**31, 48), "f4", chunks=(4096, 48), compression="gzip")
    assert steps.stat().st_size < 100_000
    refused = run(steps, "--fast")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert "never written" in refused.stderr
    assert run_command("to-actions", demo, "--out", chunks, "--chunks").exit_code == 0
    with h5py.File(chunks, "r+") as file:
        file.attrs["stride"] = 10_000
        values = file["chunks"][:1].repeat(101, axis=0)
        del file["chunks"], file["mask"]
        file["chunks"] = values
    refused = run(chunks, "--fast")
    assert refused.exit_code == 2
    assert "steps, a run at most 1000000" in refused.stderr
