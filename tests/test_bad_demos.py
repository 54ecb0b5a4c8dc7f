"""Bad demonstration files: each has its one clear message, naming file, key and frame."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from demo_files import write_raw

from retarget.demo import DemoReader, load_demo, save_demo
from retarget.errors import DemoError, FileError

Change = Callable[[Any], None]


def replace(key: str, change: Callable[[np.ndarray], Any]) -> Change:
    def apply(file: Any) -> None:
        values = file[key][:]
        del file[key]
        file[key] = change(values)

    return apply


def put(key: str, index: Any, value: float) -> Change:
    def apply(file: Any) -> None:
        file[key][index] = value

    return apply


def scale(key: str, index: Any, factor: float) -> Change:
    def apply(file: Any) -> None:
        file[key][index] = file[key][index] * factor

    return apply


def rename(old: str, new: str) -> Change:
    return lambda file: file.move(old, new)


def both(*changes: Change) -> Change:
    def apply(file: Any) -> None:
        for change in changes:
            change(file)

    return apply


def remove(*keys: str) -> Change:
    def apply(file: Any) -> None:
        for key in keys:
            del file[key]

    return apply


def group_instead(key: str) -> Change:
    def apply(file: Any) -> None:
        del file[key]
        file.create_group(key)

    return apply


def attribute(name: str, value: Any) -> Change:
    def apply(file: Any) -> None:
        file.attrs[name] = value

    return apply


def empty_episode(file: Any) -> None:
    for key in [f"observations/{name}" for name in file["observations"]] + ["action"]:
        values = file[key][:]
        del file[key]
        file[key] = values[:0]


LEFT, RIGHT = "observations/left_ee_pose", "observations/right_ee_pose"
TIPS = "observations/left_finger_tip_pos"
QPOS = "observations/qpos"

# what is wrong with the file, what the message must say, the evidence the error must carry
BAD: dict[str, tuple[Change, str, dict[str, Any]]] = {
    "no joints": (
        remove(QPOS),
        r"dataset 'observations/qpos' is missing, expected shape \(T, n\)",
        {"key": QPOS, "close": None},
    ),
    "joints misspelt": (
        rename(QPOS, "observations/q_pos"),
        r"'observations/qpos' is missing.*did you mean 'observations/q_pos'\?",
        {"key": QPOS, "close": "observations/q_pos"},
    ),
    "joints elsewhere": (
        rename(QPOS, "obs/qpos"),
        r"did you mean 'obs/qpos'\?",
        {"key": QPOS, "close": "obs/qpos"},
    ),
    "one pose dataset missing": (
        remove(LEFT),
        r"dataset 'observations/left_ee_pose' is missing, expected shape \(T, 7\)$",
        {"key": LEFT, "close": None},
    ),
    "one tips dataset missing": (
        remove(TIPS),
        r"dataset 'observations/left_finger_tip_pos' is missing, expected shape \(T, 5, 3\)$",
        {"key": TIPS},
    ),
    "tips misspelt": (
        rename(TIPS, "observations/left_fingertip_pos"),
        r"did you mean 'observations/left_fingertip_pos'\?",
        {"key": TIPS, "close": "observations/left_fingertip_pos"},
    ),
    "a hand misspelt": (
        both(
            rename(LEFT, "observations/left_eef_pose"),
            rename(TIPS, "observations/left_fingers_tip_pos"),
        ),
        r"'observations/left_ee_pose' is missing.*did you mean 'observations/left_eef_pose'\?",
        {"key": LEFT, "close": "observations/left_eef_pose"},
    ),
    "both hands missing": (
        remove(LEFT, RIGHT, TIPS, "observations/right_finger_tip_pos"),
        "both hands are missing, expected 'observations/left_ee_pose' and "
        "'observations/left_finger_tip_pos', or the right hand's",
        {},
    ),
    "a group in a dataset's place": (
        group_instead(LEFT),
        r"'observations/left_ee_pose' is a group, expected a dataset of shape \(T, 7\)",
        {"key": LEFT},
    ),
    "poses as matrices": (
        replace(LEFT, lambda v: np.broadcast_to(np.eye(4), (len(v), 4, 4))),
        r"'observations/left_ee_pose' must have shape \(T, 7\), got \(7, 4, 4\)",
        {"key": LEFT, "shape": (7, 4, 4)},
    ),
    "tips flattened": (
        replace(TIPS, lambda v: v.reshape(len(v), 15)),
        r"must have shape \(T, 5, 3\), got \(7, 15\)",
        {"key": TIPS, "shape": (7, 15)},
    ),
    "joints a single row": (
        replace(QPOS, lambda v: v[0]),
        r"must have shape \(T, n\), got \(50,\)",
        {"key": QPOS, "shape": (50,)},
    ),
    "a scalar": (replace(QPOS, lambda v: 1.0), r"must have shape \(T, n\), got \(\)", {}),
    "integers": (
        replace(QPOS, lambda v: v.astype(int)),
        "'observations/qpos' must hold float32 or float64, got int64",
        {"key": QPOS, "dtype": np.dtype(int)},
    ),
    "half precision": (
        replace(LEFT, lambda v: v.astype("f2")),
        "'observations/left_ee_pose' must hold float32 or float64, got float16",
        {"key": LEFT},
    ),
    "text": (
        replace(QPOS, lambda v: np.full(v.shape, "0.1", dtype=h5py.string_dtype())),
        "'observations/qpos' must hold float32 or float64, got object",
        {"key": QPOS},
    ),
    "one frame short": (
        replace(TIPS, lambda v: v[:-1]),
        "'observations/left_finger_tip_pos' has 6 frames, but 'observations/qpos' has 7",
        {"key": TIPS, "frames": 6, "expected": 7},
    ),
    "one action too many": (
        replace("action", lambda v: np.concatenate([v, v[-1:]])),
        "'action' has 8 frames, but 'observations/qpos' has 7",
        {"key": "action", "frames": 8},
    ),
    "velocities of another length": (
        replace("observations/qvel", lambda v: v[1:]),
        "'observations/qvel' has 6 frames",
        {"key": "observations/qvel"},
    ),
    "actions of another robot": (
        replace("action", lambda v: v[:, :26]),
        r"'action' must have shape \(T, 50\), got \(7, 26\)",
        {"key": "action"},
    ),
    "empty episode": (empty_episode, r"the episode is empty: 'observations/qpos' has shape", {}),
    "NaN joint": (
        put(QPOS, (4, 11), np.nan),
        "'observations/qpos' frame 4, joint 11 is nan, expected finite radians",
        {"key": QPOS, "frame": 4, "joint": 11},
    ),
    "NaN action": (
        put("action", (2, 3), np.nan),
        "'action' frame 2, joint 3 is nan, expected finite radians",
        {"key": "action", "frame": 2},
    ),
    "degrees": (
        scale(QPOS, slice(None), 180 / np.pi),
        r"'observations/qpos' frame 0, joint \d+ is .*expected radians \(are these degrees\?\)",
        {"key": QPOS, "frame": 0},
    ),
    "infinite pose": (
        put(LEFT, (3, 1), np.inf),
        "'observations/left_ee_pose' frame 3 has the coordinate inf, expected metres within 20 m",
        {"key": LEFT, "frame": 3},
    ),
    "zero quaternion": (
        put(RIGHT, (5, slice(3, 7)), 0.0),
        "'observations/right_ee_pose' frame 5 has a zero quaternion of length 0, expected columns "
        "x y z qw qx qy qz with a quaternion of length 1 .NaN marks a frame",
        {"key": RIGHT, "frame": 5, "value": 0.0},
    ),
    "unnormalised quaternion": (
        scale(RIGHT, (2, slice(3, 7)), 1.0011),
        "'observations/right_ee_pose' frame 2 has an unnormalised quaternion of length 1.001",
        {"key": RIGHT, "frame": 2},
    ),
    "infinite quaternion": (
        put(RIGHT, (2, 3), np.inf),
        "frame 2 has an unnormalised quaternion of length inf",
        {"key": RIGHT, "frame": 2},
    ),
    "poses in millimetres": (
        scale(LEFT, (slice(None), slice(0, 3)), 1000.0),
        r"'observations/left_ee_pose' frame 0 has the coordinate .*\(are these millimetres\?",
        {"key": LEFT, "frame": 0},
    ),
    "tips in millimetres": (
        scale(TIPS, slice(None), 1000.0),
        r"'observations/left_finger_tip_pos' frame 0 .*expected metres.*are these millimetres\?",
        {"key": TIPS, "frame": 0},
    ),
    "tips in centimetres": (
        scale(TIPS, slice(None), 100.0),
        r"are these centimetres\?",
        {"key": TIPS, "frame": 0},
    ),
    "one wild value": (
        put(TIPS, (6, 2, 0), 1e6),
        r"'observations/left_finger_tip_pos' frame 6 has the coordinate 1e\+06, "
        r"expected metres within 20 m of the origin$",
        {"key": TIPS, "frame": 6, "value": 1e6},
    ),
    "rate as a word": (
        attribute("rate", "fast"),
        "attribute 'rate' is 'fast', expected a positive number of Hz",
        {"key": "rate"},
    ),
    "rate zero": (attribute("fps", 0), "attribute 'fps' is .*expected a positive", {"key": "fps"}),
}


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
    robot: Any = SimpleNamespace(name="g1", joint_names=["joint"] * 43)
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
        save_demo(tmp_path / "out.hdf5", good, carry_from=bad)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.hdf5", "good.hdf5"]
