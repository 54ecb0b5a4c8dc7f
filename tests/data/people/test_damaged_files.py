"""Files that are damaged or wrong: one error that names the file and what is wrong."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import people_files as files
import pytest
from people_files import FRAMES, JOINTS, MANO, truth

from retarget.core.errors import FileError
from retarget.core.plain_pickle import plain_values
from retarget.data.people.readers import read_people

FORMATS = {**MANO, **JOINTS}


def file_of(path: Path) -> Path:
    return sorted(path.iterdir())[0] if path.is_dir() else path


def outcome(path: Path) -> tuple[str, int]:
    """What the error says, "" of none, and the number of frames; any other error goes on."""
    try:
        return "", read_people(path, side="right").frames
    except FileError as error:
        return str(error), 0


@pytest.mark.parametrize("name", list(FORMATS))
def test_cut_short(tmp_path: Path, name: str) -> None:
    path = FORMATS[name](tmp_path, truth())
    part = file_of(path)
    data = part.read_bytes()
    text = part.suffix in (".csv", ".txt", ".jsonl")
    for share in (0.0, 0.01, 0.3, 0.6, 0.9, 0.99):
        part.write_bytes(data[: int(share * len(data))])
        said, frames = outcome(path)
        assert "\n" not in said
        assert str(tmp_path) in said or frames <= FRAMES
        # only whole lines can be missing without a trace, and what nobody asks for
        assert said or text or share >= 0.9, share


@pytest.mark.parametrize("name", list(FORMATS))
def test_changed_bytes(tmp_path: Path, name: str) -> None:
    path = FORMATS[name](tmp_path, truth())
    part = file_of(path)
    data, rng = part.read_bytes(), np.random.default_rng(0)
    for _ in range(25):
        changed = bytearray(data)
        for place in rng.integers(0, min(len(data), 4000), size=rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        part.write_bytes(bytes(changed))
        said, _ = outcome(path)
        assert not said or str(tmp_path) in said


@pytest.mark.parametrize(
    "data", [b"\x80\x04.", b"PK\x03\x04", b"\x93NUMPY", b"\x89HDF\r\n\x1a\n", b"x"]
)
def test_only_a_beginning(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"/x: "):
        read_people(path)


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_people(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(FileError, match=r"is empty \(0 bytes\)"):
        read_people(tmp_path / "empty")
    with pytest.raises(FileError, match="a folder is of no known format"):
        read_people(tmp_path)


def edited(path: Path, edit: Callable[[Any], None]) -> Path:
    """An npy file or pickle with something changed in its content."""
    if path.suffix == ".npy":
        content = np.load(path, allow_pickle=True).item()
        edit(content)
        np.save(path, np.array(content, dtype=object), allow_pickle=True)
    else:
        content = pickle.loads(path.read_bytes())
        edit(content)
        path.write_bytes(pickle.dumps(content))
    return path


WRONG: dict[str, tuple[Callable[..., Path], Callable[[Any], None], str]] = {
    "no pose": (files.vitra, lambda c: c["left"].pop("hand_pose"), "'left' lacks hand_pose"),
    "not rigid": (
        files.vitra,
        lambda c: c["extrinsics"].__setitem__((2, 0, 0), 3.0),
        "'extrinsics' frame 2 is not a rigid transform",
    ),
    "no rotation": (
        files.vitra,
        lambda c: c["right"]["hand_pose"].__setitem__((3, 4), 0.0),
        r"'right/hand_pose' frame 3 is \[\[0\.0, 0\.0, 0\.0\].* expected a rotation matrix",
    ),
    "short": (
        files.vitra,
        lambda c: c["right"].update(transl_worldspace=np.zeros((3, 3))),
        r"'right/transl_worldspace' must have shape \(9, 3\), got \(3, 3\)",
    ),
    "far": (
        files.arctic,
        lambda c: c["left"]["trans"].__setitem__((1, 2), 1e5),
        r"frame 1, left hand, has the coordinate 100000 \(z\), expected metres within 1000 m",
    ),
    "text": (
        files.arctic,
        lambda c: c["left"].update(pose="x"),
        "'left/pose' does not hold numbers",
    ),
    "other frames": (
        files.arctic,
        lambda c: c["left"].update(rot=np.zeros((4, 3))),
        "'left/rot' must hold 1 rotation matrices or rotation vectors for each of 9 frames",
    ),
    "a frame without": (
        files.taco,
        lambda c: c.update({"00003": {}}),
        "frame '00003' has no hand_pose and hand_trans",
    ),
    "fewer frames": (
        files.taco,
        lambda c: c.pop("00003"),
        "has 8 frames, the other hand 9",
    ),
    "half a pose": (
        files.hamer,
        lambda c: c[2]["pred_mano_params"].update(hand_pose=np.zeros((2, 7, 3, 3))),
        "'frame 2: hand_pose' must hold 15 rotation matrices",
    ),
    "an object": (files.hamer, lambda c: c.append(Path("x")), "refused: it names pathlib"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_content_is_named(tmp_path: Path, name: str) -> None:
    write, edit, said = WRONG[name]
    path = edited(write(tmp_path, truth()), edit)
    with pytest.raises(FileError, match=said) as caught:
        read_people(path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("hand_poses"), "line 3 is not an object with 'timestamp_ns' and"),
        (lambda row: row["hand_poses"].update({"2": {}}), "line 3 has the hand '2', expected '0'"),
        (lambda row: row["hand_poses"]["0"].pop("betas"), "line 3, left hand lacks 'betas'"),
        (
            lambda row: row["hand_poses"]["1"].update(pose=[0.0] * 14),
            "line 3, right hand: 'pose' is .* expected 15 finite numbers",
        ),
        (
            lambda row: row["hand_poses"]["1"]["wrist_xform"].update(q_wxyz=[1, 1, 0, 0]),
            r"line 3, right hand: 'q_wxyz' has length 1\.414, expected 1",
        ),
    ],
)
def test_wrong_lines_of_hot3d(tmp_path: Path, change: Callable[[Any], None], said: str) -> None:
    path = files.hot3d(tmp_path, truth(), copies=1)
    lines = path.read_text().splitlines()
    row = json.loads(lines[2])
    change(row)
    lines[2] = json.dumps(row)
    path.write_text("\n".join(lines))
    with pytest.raises(FileError, match=said) as caught:
        read_people(path)
    assert caught.value.evidence["line"] == 3


def test_wrong_headset_trajectory(tmp_path: Path) -> None:
    path = files.hot3d(tmp_path, truth())
    beside = tmp_path / "headset_trajectory.csv"
    text = beside.read_text()
    for old, new, said in (
        ("q_wo_z", "q_wo_q", "has no column q_wo_z"),
        ("1000000000000000,", "x,", "line 2 does not hold numbers"),
    ):
        beside.write_text(text.replace(old, new))
        with pytest.raises(FileError, match=rf"headset_trajectory\.csv: {said}"):
            read_people(path)


def test_wrong_datasets_of_egodex(tmp_path: Path) -> None:
    path = files.egodex(tmp_path, truth())
    with h5py.File(path, "a") as file:
        file.move("transforms/leftThumbTip", "transforms/leftThumTip")
    with pytest.raises(FileError, match=r"leftThumbTip' is missing, .* did you mean .*leftThumTip"):
        read_people(path)
    path = files.egodex(tmp_path, truth())
    with h5py.File(path, "a") as file:
        file["transforms/leftThumbTip"][3, :3, :3] = 2.0
    with pytest.raises(FileError, match=r"leftThumbTip' frame 3 is .* expected a rigid transform"):
        read_people(path)


def test_wrong_lines_of_holoassist(tmp_path: Path) -> None:
    path = files.holoassist(tmp_path, truth())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2].rsplit("\t", 1)[0]]))
    with pytest.raises(FileError, match="line 3 has 470 columns, expected 471"):
        read_people(path)
    path.write_text("\n".join([*lines[:2], lines[2].replace("\t", "\tx", 1)]))
    with pytest.raises(FileError, match="line 3 does not hold numbers"):
        read_people(path)
    path.write_text("\n".join(lines[:4]))
    with pytest.raises(FileError, match=r"Left_sync\.txt: has other frames than Right_sync\.txt"):
        read_people(path)


def test_dexycb_that_does_not_tell_the_hand(tmp_path: Path) -> None:
    path = files.dexycb(tmp_path, truth())
    meta = path.parent / "meta.yml"
    meta.write_text("mano_sides: [both]\n")
    with pytest.raises(FileError, match=r"mano_sides is \['both'\], expected \[left\]"):
        read_people(path)
    meta.unlink()
    with pytest.raises(FileError, match="does not say which; name the side"):
        read_people(path)
    assert read_people(path, side="right").valid[:, 1].any()


class TestPicklesThatHoldTooMuch:
    def test_lists_of_lists(self, tmp_path: Path) -> None:
        nest: list[Any] = [0.0] * 10
        for _ in range(25):
            nest = [nest] * 10
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(nest))
        with pytest.raises(FileError, match="holds more than"):
            read_people(tmp_path / "x.pkl")
        nest = []
        for _ in range(100):
            nest = [nest]
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(nest))
        with pytest.raises(FileError, match="nested too deeply"):
            read_people(tmp_path / "x.pkl")

    def test_tensors_that_claim_more_than_they_have(self) -> None:
        import torch

        data = pickle.dumps(torch.zeros(3, 4), 2)
        assert plain_values("x", data).shape == (3, 4)
        claimed = data.replace(b"K\x03K\x04\x86", b"K\xffK\xff\x86")
        assert claimed != data
        with pytest.raises(FileError, match=r"a tensor of shape \(255, 255\) has 12 numbers"):
            plain_values("x", claimed)
