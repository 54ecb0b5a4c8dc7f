"""Bad demonstration files: each has its one clear message, naming file, key and frame."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bad_demos import BAD, LEFT, RIGHT
from demo_files import write_raw

from retarget.core.errors import DemoError, FileError
from retarget.data.demo.reader import DemoReader, load_demo
from retarget.data.demo.writer import save_demo
from retarget.robot.robot import Robot


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_has_its_one_message(tmp_path: Path, fault: str) -> None:
    change, message, evidence = BAD[fault]
    path = write_raw(tmp_path / "demo.hdf5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(DemoError, match=message) as caught:
        load_demo(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    for name, value in evidence.items():
        assert caught.value.evidence[name] == value


@pytest.mark.parametrize("fault", BAD)
def test_every_fault_is_found_when_streaming(tmp_path: Path, fault: str) -> None:
    change, message, _ = BAD[fault]
    path = write_raw(tmp_path / "demo.hdf5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(DemoError, match=message.rstrip("$")), DemoReader(path) as reader:
        list(reader.blocks(1))


def test_another_robots_file(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    robot = dataclasses.replace(Robot.load(), name="g1", joint_names=("joint",) * 43)
    message = "'observations/qpos' has 50 joints a frame, g1 has 43; is this another robot's file?"
    with pytest.raises(DemoError, match=message.replace("?", r"\?")):
        load_demo(path, robot=robot)


def test_neither_hand_ever_seen(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    with h5py.File(path, "r+") as file:
        for key in (LEFT, RIGHT):
            file[key][:] = np.nan
    with pytest.raises(DemoError, match="no frame has a finite wrist pose"):
        load_demo(path)


# --- files that are no files of ours ------------------------------------------------------------


def fails(path: Path, message: str) -> None:
    for opening in (lambda: load_demo(path), lambda: DemoReader(path)):
        with pytest.raises(DemoError, match=message) as caught:
            opening()
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    fails(tmp_path / "demo.hdf5", "no such file")


def test_a_folder(tmp_path: Path) -> None:
    fails(tmp_path, "is a folder, expected an HDF5 file")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (
            "retarget-human",
            r"is a human motion file \(`retarget to-robot` .*expected a demonstration",
        ),
        ("retarget-actions", r"is an action file \(`retarget run` .*expected a demonstration"),
        ("something else", "dataset 'observations/qpos' is missing"),
        (3, "dataset 'observations/qpos' is missing"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, kind: object, says: str) -> None:
    path = tmp_path / "demo.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["format"] = kind
    fails(path, says)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "demo.hdf5").touch()
    fails(tmp_path / "demo.hdf5", r"is empty \(0 bytes\)")


def test_not_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "demo.hdf5"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\n")
    fails(path, r"is not an HDF5 file; it begins with b'version https://")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_file(tmp_path: Path, kept: float) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    fails(path, "is truncated or damaged")


def test_a_file_being_written(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = write_raw(tmp_path / "demo.hdf5")
    code = (
        f"import h5py, sys; f = h5py.File({str(path)!r}, 'r+'); print('open', flush=True);"
        "sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        fails(path, "is open for writing elsewhere")
        assert writer.stdin is not None
        writer.stdin.close()


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="permissions do not bind root")
def test_no_permission(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    path.chmod(0)
    fails(path, "no permission to read it")


def test_no_permission_simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    fails(write_raw(tmp_path / "demo.hdf5"), "no permission to read it")


@pytest.mark.parametrize("lost", [64, 512])
def test_lost_sectors_are_a_demo_error_or_harmless(tmp_path: Path, lost: int) -> None:
    """Stretches of zeros anywhere never show as anything but a `DemoError`."""
    path = write_raw(tmp_path / "demo.hdf5")
    data = path.read_bytes()
    refused = 0
    for at in range(0, len(data), max(lost, len(data) // 150)):
        path.write_bytes(data[:at] + bytes(lost) + data[at + lost :])
        try:
            load_demo(path)
        except DemoError:
            refused += 1
    assert refused > 10


def test_a_bad_source_leaves_no_output(tmp_path: Path) -> None:
    good = load_demo(write_raw(tmp_path / "good.hdf5"))
    bad = tmp_path / "bad.hdf5"
    bad.write_bytes((tmp_path / "good.hdf5").read_bytes()[:3000])
    with pytest.raises(FileError, match="is truncated or damaged"):
        save_demo(tmp_path / "out.hdf5", good, copy_from=bad)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.hdf5", "good.hdf5"]
