"""Bad input on the command line: exit code 2, one clear line each, and no output file."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bad_demos import BAD
from command_line import run
from demo_files import robot_demo

from retarget.core.resources import resource
from retarget.core.types import Demo
from retarget.data.demo.writer import save_demo
from retarget.human.hand_model import find_hand
from retarget.robot.robot import Robot

FRAMES = 7


@pytest.fixture(scope="module")
def demo() -> Demo:
    return robot_demo(Robot.load(), FRAMES)


@pytest.fixture
def path(tmp_path: Path, demo: Demo) -> Path:
    save_demo(tmp_path / "demo.hdf5", demo)
    return tmp_path / "demo.hdf5"


def swap_hands(demo: Demo) -> Demo:
    return replace(
        demo, T_world_wrist=demo.T_world_wrist[:, ::-1], fingertips=demo.fingertips[:, ::-1]
    )


def nearby_millimetres(demo: Demo) -> Demo:
    """Lengths so small that they could be metres, did they agree with the joints."""
    wrist = demo.T_world_wrist.copy()
    wrist[..., :3, 3] *= 10.0
    return replace(demo, T_world_wrist=wrist, fingertips=demo.fingertips * 10.0)


# demonstrations that are sound number by number, and no motion of this robot
DISAGREEING: dict[str, tuple[Callable[[Demo], Demo], str]] = {
    "hands swapped": (swap_hands, "swapped"),
    "another unit": (nearby_millimetres, "disagrees with itself"),
    "another joint order": (
        lambda demo: replace(demo, qpos=demo.qpos[:, ::-1]),
        "another joint order",
    ),
    "another frame": (
        lambda demo: replace(
            demo,
            T_world_wrist=demo.T_world_wrist + _shift(),
            fingertips=demo.fingertips + _shift()[:3, 3],
        ),
        "frame",
    ),
}


def _shift() -> np.ndarray[Any, Any]:
    shift = np.zeros((4, 4))
    shift[2, 3] = 0.3
    return shift


def another_robot(path: Path, demo: Demo) -> None:
    assert demo.action is not None
    save_demo(path, replace(demo, qpos=demo.qpos[:, :43], action=demo.action[:, :43]))


def bad_files(folder: Path, demo: Demo) -> dict[Path, str]:
    """One file of every fault, and what its message must say."""
    found: dict[Path, str] = {}
    for k, (fault, (change, _, _)) in enumerate(BAD.items()):
        path = folder / f"fault_{k:02d}.hdf5"
        save_demo(path, demo)
        with h5py.File(path, "r+") as file:
            change(file)
            if fault == "rate zero":
                del file.attrs["rate"]  # which comes before "fps"
        found[path] = ""
    for k, (make, message) in enumerate(DISAGREEING.values()):
        save_demo(folder / f"other_{k}.hdf5", make(demo))
        found[folder / f"other_{k}.hdf5"] = message
    another_robot(folder / "robot.hdf5", demo)
    found[folder / "robot.hdf5"] = "has 43 joints a frame, h1_inspire has 50"
    save_demo(folder / "truncated.hdf5", demo)
    whole = (folder / "truncated.hdf5").read_bytes()
    (folder / "truncated.hdf5").write_bytes(whole[: len(whole) // 2])
    found[folder / "truncated.hdf5"] = "is truncated or damaged"
    (folder / "text.hdf5").write_text("not HDF5")
    found[folder / "text.hdf5"] = "is not an HDF5 file"
    (folder / "empty.hdf5").touch()
    found[folder / "empty.hdf5"] = "is empty (0 bytes)"
    return found


def test_every_bad_file_has_its_line_and_the_rest_goes_on(
    tmp_path: Path, path: Path, demo: Demo
) -> None:
    (tmp_path / "bad").mkdir()
    bad = bad_files(tmp_path / "bad", demo)
    out = tmp_path / "out"
    result = run("replay", path, tmp_path / "bad", "--out", out, "--json", tmp_path / "r.json")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == len(bad)
    for file, line in zip(sorted(bad), lines, strict=True):
        assert line.startswith(f"error: {file}: "), line
        assert len(line) > len(f"error: {file}: ") + 10
        assert bad[file] in line
    assert "Traceback" not in result.output
    assert [p.name for p in out.iterdir()] == ["demo.hdf5"]
    assert result.stdout.count("BAD INPUT") == len(bad)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["summary"]["bad_input"] == len(bad)
    errors = {found["path"]: found["error"] for found in report["demos"]}
    assert errors.pop(str(path)) is None
    assert all(f"error: {message}" in lines for message in errors.values())


@pytest.mark.parametrize("fault", DISAGREEING)
def test_a_disagreement_is_reported_in_millimetres_with_its_cause(
    tmp_path: Path, demo: Demo, fault: str
) -> None:
    make, cause = DISAGREEING[fault]
    save_demo(tmp_path / "other.hdf5", make(demo))
    result = run("replay", tmp_path / "other.hdf5", "--out", tmp_path / "out.hdf5")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'other.hdf5'}: disagrees with itself: typically")
    assert " mm and " in line
    assert "Likely cause: " in line
    assert cause in line
    assert not (tmp_path / "out.hdf5").exists()


def test_a_mismatch_can_be_allowed_but_not_every_one(tmp_path: Path, demo: Demo) -> None:
    save_demo(tmp_path / "order.hdf5", replace(demo, qpos=demo.qpos[:, ::-1]))
    result = run("replay", tmp_path / "order.hdf5", "--allow-mismatch")
    assert result.exit_code == 0
    assert "it disagrees with itself: typically" in result.stdout
    save_demo(tmp_path / "swapped.hdf5", swap_hands(demo))
    result = run("replay", tmp_path / "swapped.hdf5", "--allow-mismatch")
    assert result.exit_code == 2


@pytest.mark.parametrize("command", ["replay", "to-human", "to-robot"])
def test_one_bad_file_among_good_paths(tmp_path: Path, command: str) -> None:
    bad, empty = tmp_path / "bad.hdf5", tmp_path / "nothing"
    bad.write_text("not HDF5")
    empty.mkdir()
    none = tmp_path / "none.hdf5"
    result = run(command, bad, none, empty, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"error: {bad}: is not an HDF5 file; it begins with b'not HDF5'",
        f"error: {none}: no such file",
        f"error: {empty}: no .hdf5 or .h5 file in it",
    ]
    assert not list(tmp_path.rglob("out/*"))


def test_a_demonstration_is_no_human_motion_and_the_reverse(path: Path, tmp_path: Path) -> None:
    result = run("to-robot", path, "--out", tmp_path / "out.hdf5")
    assert result.exit_code == 2
    assert "is not a human motion file" in result.stderr
    assert "(is this a robot demonstration?)" in result.stderr
    assert run("to-human", path, "--out", tmp_path / "human.hdf5").exit_code == 0
    result = run("replay", tmp_path / "human.hdf5", "--out", tmp_path / "out.hdf5")
    assert result.exit_code == 2
    assert "is a human motion file" in result.stderr
    assert not (tmp_path / "out.hdf5").exists()


def test_coefficients_of_another_hand_are_refused(path: Path, tmp_path: Path) -> None:
    assert run("to-human", path, "--out", tmp_path / "human.hdf5").exit_code == 0
    with h5py.File(tmp_path / "human.hdf5", "r+") as file:
        file.attrs["hand"] = "0123456789abcdef"
    result = run("to-robot", tmp_path / "human.hdf5", "--out", tmp_path / "out.hdf5")
    assert result.exit_code == 2
    assert "its coefficients are of hand model 0123456789abcdef" in result.stderr
    assert not (tmp_path / "out.hdf5").exists()


def test_a_report_of_nothing_but_bad_input_has_a_size(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run("replay", tmp_path / "none.hdf5", "--html", page)
    assert result.exit_code == 2
    assert f"wrote {page}: {page.stat().st_size / 1e3:.0f} kB\n" in result.stdout


def test_what_is_written_is_reported(path: Path, tmp_path: Path, demo: Demo) -> None:
    out, figures = tmp_path / "out.hdf5", tmp_path / "out.json"
    for command, *options in (("replay",), ("run", "--fast", "--hand-velocity", "10")):
        result = run(command, path, *options, "--out", out, "--json", figures)
        assert result.stdout.endswith(f"\nwrote {out}\nwrote {figures}\n"), result.output
    for name in ("a", "b", "c"):
        (tmp_path / "in").mkdir(exist_ok=True)
        save_demo(tmp_path / "in" / f"{name}.hdf5", demo)
    result = run("replay", tmp_path / "in", "--out", tmp_path / "all")
    assert result.stdout.endswith(f"\nwrote 3 demonstrations in {tmp_path / 'all'}\n")


# --- places to write ----------------------------------------------------------------------------


def refused(message: str, *args: Any) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line, line


def test_no_input_is_written_over(path: Path, tmp_path: Path, demo: Demo) -> None:
    before = path.read_bytes()
    said = "is an input and will not be written over"
    link = tmp_path / "link.hdf5"
    link.symlink_to(path)
    for out in (path, link, tmp_path):
        refused(said, "replay", path, "--out", out)
        refused(said, "to-human", path, "--out", out)
    refused(said, "replay", tmp_path, "--out", tmp_path)
    refused(said, "replay", path, "--json", path)
    assert path.read_bytes() == before


def inputs_of(path: Path, tmp_path: Path) -> tuple[dict[str, Path], tuple[Any, ...]]:
    """Copies of everything a command can be given to read, and the options that name them."""
    robot = tmp_path / "robot"
    shutil.copytree(resource("robots", "h1_inspire"), robot)
    (urdf,) = robot.glob("*.urdf")
    (weights,) = robot.glob("hand_mlp_*.safetensors")
    hands = tmp_path / "hands"
    hands.mkdir()
    for side in ("left", "right"):
        shutil.copy(find_hand(side), hands)
    own = {
        "--calibration": tmp_path / "calibration.toml",
        "--weights": tmp_path / "weights.safetensors",
        "--urdf": tmp_path / "robot.urdf",
    }
    for place, of in zip(own.values(), (robot / "calibration.toml", weights, urdf), strict=True):
        shutil.copy(of, place)
    read = {
        "robot.toml": robot / "robot.toml",
        "hand": hands / find_hand("left").name,
        "demo": path,
        **own,
    }
    options = [word for pair in own.items() for word in pair]
    return read, ("--robot", robot, "--hands", hands, *options)


@pytest.mark.parametrize("linked", ["itself", "symbolic", "hard"])
def test_nothing_that_is_read_is_written_over(path: Path, tmp_path: Path, linked: str) -> None:
    said = "will not be written over"
    read, options = inputs_of(path, tmp_path)
    fit = [word for word in options if word not in ("--weights", read["--weights"])]
    hand = [word for word in fit if word not in ("--calibration", read["--calibration"])]
    for name, file in read.items():
        before, place = file.read_bytes(), file
        if linked != "itself":
            place = tmp_path / f"{linked}{name}{file.suffix}"
            (place.symlink_to if linked == "symbolic" else place.hardlink_to)(file)
        for command in (
            ("replay", path, *options, "--out", place),
            ("replay", path, *options, "--json", place),
            ("replay", path, *options, "--html", place),
            ("view", path, *options, "--png", place),
            ("run", path, *options, "--json", place),
            ("to-robot", path, *options, "--out", place),
        ):
            refused(said, *command)
        if name == "--weights":
            continue
        for command in (
            ("to-human", path, *fit, "--out", place),
            ("to-actions", path, *fit, "--out", place),
        ):
            refused(said, *command)
        if name != "demo":
            refused(said, "train-hand", *fit, "--out", place)
        if name in ("robot.toml", "hand", "--urdf"):
            refused(said, "calibrate", *hand, "--out", place)
        if name == "robot.toml":
            refused(said, "make-demo", place, "--robot", tmp_path / "robot")
        assert file.read_bytes() == before


def test_a_robots_own_files_are_inputs(path: Path, tmp_path: Path) -> None:
    robot = tmp_path / "robot"
    shutil.copytree(resource("robots", "h1_inspire"), robot)
    for file in (*robot.glob("*.urdf"), *robot.glob("*.toml"), *robot.glob("*.safetensors")):
        refused("will not be written over", "replay", path, "--robot", robot, "--json", file)


def test_a_normalisation_and_a_hand_are_not_written_over(path: Path, tmp_path: Path) -> None:
    from retarget.actions import Normalization

    numbers = tmp_path / "numbers.json"
    Normalization.egovla().save(numbers)
    refused(
        f"{numbers}: is an input (--normalize) and will not be written over",
        *("to-actions", path, "--normalize", numbers, "--out", numbers),
    )
    hand = tmp_path / "MANO_LEFT.npz"
    shutil.copy(find_hand("left"), hand)
    before = hand.read_bytes()
    refused("will not be written over", "mano", "convert", hand, "--overwrite")
    refused("will not be written over", "mano", "convert", hand, "--out", hand, "--overwrite")
    assert hand.read_bytes() == before


def test_devices_and_fifos_are_refused_or_written_through(path: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    said = f"{fifo}: is a FIFO, expected a regular file or a new name"
    for command in ("replay", "to-human", "to-robot", "to-actions", "run"):
        refused(said, command, path, "--out", fifo)
    for other in (("view", path, "--png", fifo), ("make-demo", fifo), ("calibrate", "--out", fifo)):
        refused(said, *other)
    result = run("replay", path, "--json", fifo)
    assert result.exit_code == 2
    assert result.stderr == f"error: {fifo}: cannot be written: nobody reads it\n"
    result = run("replay", path, "--json", "/dev/fd/1")
    assert result.exit_code == 0
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.parametrize(
    ("command", "one", "other"),
    [
        ("replay", "--out", "--json"),
        ("replay", "--out", "--html"),
        ("replay", "--json", "--html"),
        ("run", "--out", "--json"),
        ("view", "--html", "--png"),
    ],
)
def test_two_options_do_not_write_one_file(
    path: Path, tmp_path: Path, command: str, one: str, other: str
) -> None:
    out, link = tmp_path / "out", tmp_path / "link"
    link.symlink_to(out)
    said = f"{one} and {other} would both be written there"
    refused(said, command, path, one, out, other, out)
    refused(said, command, path, one, out, other, link)
    assert not out.exists()


def test_two_results_do_not_go_to_one_place(tmp_path: Path, demo: Demo) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_demo(tmp_path / name / "demo.hdf5", demo)
    refused(
        "would both be written there",
        *("replay", tmp_path / "a/demo.hdf5", tmp_path / "b/demo.hdf5", "--out", tmp_path / "out"),
    )


def test_places_that_cannot_be_written(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = tmp_path / "file/out.hdf5"
    refused(f"{below}: cannot be written: {tmp_path / 'file'} is not a folder", *_out(path, below))
    folder = tmp_path / "folder"
    folder.mkdir()
    refused(f"{folder}: is a folder, expected a file", "replay", path, "--json", folder)
    refused("is a file, expected a folder", "replay", path, tmp_path / "x", *_out()[1:], path)
    for command in (["make-demo", folder], ["train-hand", "--out", folder]):
        refused("is a folder, expected a file", *command)


def _out(*args: Any) -> tuple[Any, ...]:
    return ("replay", args[0], "--out", args[1]) if args else ("replay", "--out")


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="permissions do not bind root")
def test_a_folder_without_permission(path: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    refused("no permission to write in", "replay", path, "--out", locked / "out.hdf5")


def test_a_folder_without_permission_simulated(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *args, **options: False)
    refused("no permission to write in", "replay", path, "--out", tmp_path / "out.hdf5")


def test_a_full_disk(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = run("replay", path, "--out", tmp_path / "out.hdf5")
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path / 'out.hdf5'}: cannot be written: the disk is full\n"
    assert [p.name for p in tmp_path.iterdir()] == ["demo.hdf5"]


# --- options ------------------------------------------------------------------------------------


def test_options_that_name_nothing(path: Path, tmp_path: Path) -> None:
    none = tmp_path / "none"
    refused("no robot.toml there, and no robot of that name", "replay", path, "--robot", "r2d2")
    refused(f"{none}", "replay", path, "--urdf", none)
    refused("no MANO_LEFT", "replay", path, "--hands", none)
    refused(f"{none}: no such file", "replay", path, "--calibration", none)
    refused(f"{none}: no hand network", "replay", path, "--weights", none)
    refused("has no camera 'attic'", "to-human", path, "--out", none, "--camera", "attic")
    refused(f"{none}", "mano", "check", none)
    assert not none.exists()


@pytest.mark.parametrize("kind", ["fingertip", "fingertip-p99", "wrist", "rotation", "missing"])
@pytest.mark.parametrize("value", ["-1", "nan"])
def test_tolerances_that_are_none_are_named_as_typed(path: Path, kind: str, value: str) -> None:
    result = run("replay", path, f"--{kind}-tolerance={value}")
    assert result.exit_code == 2
    assert f"'--{kind}-tolerance': must not be negative, got {float(value)}" in result.stderr


def test_a_calibration_of_another_hand(path: Path, tmp_path: Path) -> None:
    from retarget.core.types import Calibration
    from retarget.robot.spec import save_calibration

    other = tmp_path / "calibration.toml"
    save_calibration(other, "0123456789abcdef", (Calibration(1.0), Calibration(1.0)))
    refused("was found for hand model 0123456789abcdef", "replay", path, "--calibration", other)


def test_weights_of_another_calibration(path: Path, tmp_path: Path) -> None:
    from retarget.core.types import Calibration
    from retarget.human.hand_model import hands_hash, load_hands
    from retarget.robot.spec import save_calibration

    other = tmp_path / "calibration.toml"
    save_calibration(other, hands_hash(load_hands()), (Calibration(1.0), Calibration(1.0)))
    refused("trained for another calibration", "replay", path, "--calibration", other)
