"""Action files and ``retarget to-actions``: what is written is read; faults have one message."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from action_values import close, random_action
from demo_files import robot_demo, write_raw
from typer.testing import CliRunner

from retarget.actions import (
    Action,
    Normalization,
    action,
    action_from_motion,
    chunk_frames,
    make_chunks,
    pack,
    to_camera,
    unpack,
)
from retarget.cli.main import app
from retarget.core.errors import FileError, InputError
from retarget.core.types import Demo, Status
from retarget.data.action_file import (
    ActionFileInfo,
    ActionReader,
    ActionWriter,
    load_actions,
    save_actions,
)
from retarget.data.demo.writer import save_demo
from retarget.data.human_file import load_human
from retarget.mapping.retargeter import Retargeter
from retarget.robot.robot import Robot

HAND = "0123456789abcdef"
CAMERA = np.array([[0.0, -1, 0, 0], [0, 0, -1, 1], [1, 0, 0, 0.5], [0, 0, 0, 1]])
INFO = ActionFileInfo(
    rate=15.0,
    hand=HAND,
    camera="main",
    T_camera_world=CAMERA,
    normalization=Normalization.egovla(),
    stride=2,
    source="demo.hdf5",
    versions={"retarget": "0"},
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate": -1.0}, "rate must be a positive number"),
        ({"rate": np.nan}, "rate must be a positive number"),
        ({"stride": 0}, "stride must be 1 to 10000"),
        ({"stride": 1.5}, "stride must be a whole number"),
        ({"hand": None}, "hand must be text, got None"),
        ({"camera": 3}, "camera must be text, got 3"),
        ({"T_camera_world": np.eye(3)}, "T_camera_world: expected a finite 4x4"),
        ({"T_camera_world": 2.0 * np.eye(4)}, "T_camera_world.* rigid"),
    ],
)
def test_what_could_not_be_read_is_not_written(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = tmp_path / "actions.hdf5"
    with pytest.raises(InputError, match=said):
        save_actions(
            path, random_action(0, (3,)), ActionFileInfo(**{"rate": 30.0, "hand": HAND} | changes)
        )
    assert not list(tmp_path.iterdir())


def test_what_is_no_action_is_not_written(tmp_path: Path) -> None:
    path, info = tmp_path / "actions.hdf5", ActionFileInfo(rate=30.0, hand=HAND)
    vectors: Any = pack(random_action(0, (3,)))
    with pytest.raises(InputError, match="expected an Action, got ndarray"):
        save_actions(path, vectors, info)
    with pytest.raises(InputError, match="no frames were written"):
        save_actions(path, random_action(0, (3,))[:0], info)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(11,), (4, 6)])
def test_what_is_written_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert INFO.normalization is not None
    one = INFO.normalization.apply(random_action(0, shape))
    path = tmp_path / "actions.hdf5"
    save_actions(path, one, INFO)
    back, info = load_actions(path, hand=HAND)
    close(back, one)
    for name in ("rate", "hand", "camera", "normalization", "stride", "source", "versions"):
        assert getattr(info, name) == getattr(INFO, name), name
    np.testing.assert_array_equal(info.T_camera_world, CAMERA)
    with ActionReader(path) as reader:
        assert (reader.frames, reader.chunked) == (shape[0], len(shape) == 2)
        assert reader.horizon == (shape[1] if len(shape) == 2 else 1)
        parts = list(reader.blocks(3))
        assert sum(len(part) for part in parts) == shape[0]
        close(parts[1], one[3:6])
        close(reader.read(1, 2), one[1:2])


def test_only_what_must_be_there_must_be(tmp_path: Path) -> None:
    """A policy's log needs numbers, a rate and a hand."""
    path = tmp_path / "log.hdf5"
    rows = pack(random_action(0, (5, 30))).astype("f4")
    with h5py.File(path, "w") as file:
        file["chunks"] = rows
        file.attrs.update(format="retarget-actions", version=1, rate=30.0, hand=HAND)
    found, info = load_actions(path)
    close(found, unpack(rows.astype(float)))
    assert (info.camera, info.T_camera_world, info.normalization, info.stride) == (
        "",
        None,
        None,
        1,
    )


def test_missing_hands_come_back_missing(tmp_path: Path) -> None:
    one = random_action(0, (6,))
    translation = one.translation.copy()
    translation[2, 1] = np.nan
    lost = action(translation, one.pca, one.rotation)
    info = dataclasses.replace(INFO, normalization=None)
    save_actions(tmp_path / "a.hdf5", lost, info)
    back, _ = load_actions(tmp_path / "a.hdf5")
    close(back, lost)
    assert back.status[2, 1] == Status.MISSING_INPUT


def test_blocks_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    one = random_action(0, (100,))
    info = dataclasses.replace(INFO, normalization=None)
    save_actions(tmp_path / "whole.hdf5", one, info)
    with ActionWriter(tmp_path / "parts.hdf5", info) as writer:
        for start in range(0, 100, 7):
            writer.append(one[start : start + 7])
    whole, parts = ((tmp_path / f"{name}.hdf5").read_bytes() for name in ("whole", "parts"))
    assert len(whole) == len(parts)
    close(load_actions(tmp_path / "parts.hdf5")[0], one)


def write_both(path: Path, info: ActionFileInfo, *parts: Action) -> None:
    with ActionWriter(path, info) as writer:
        for part in parts:
            writer.append(part)


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    info = dataclasses.replace(INFO, normalization=None)
    one = random_action(0, (4, 6))
    for second, said in (
        (random_action(0, (4,)), "other axes"),
        (random_action(0, (4, 5)), "other axes"),
        (random_action(0, (2, 2, 2)), "expected actions"),
        (Normalization.egovla().apply(one), "normalised otherwise"),
        (random_action(0, (4,), torch=True), "torch"),
    ):
        with pytest.raises(InputError, match=said):
            write_both(tmp_path / "a.hdf5", info, one, second)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.attrs.__setitem__("format", "other"), "is not an action file"),
        (lambda f: f.attrs.__setitem__("version", 9), "version 9 of its format"),
        (lambda f: f.attrs.__setitem__("rate", 0.0), "'rate' is "),
        (lambda f: f.attrs.__delitem__("rate"), "attribute 'rate' is missing"),
        (lambda f: f.attrs.__delitem__("hand"), "attribute 'hand' is missing"),
        (lambda f: f.attrs.__setitem__("stride", 0), "'stride' must be 1 to 10000, got 0"),
        (lambda f: f.attrs.__setitem__("stride", 1e300), "'stride' must be 1 to 10000"),
        (lambda f: f.attrs.__setitem__("T_camera_world", np.eye(3)), "'T_camera_world' is not"),
        (lambda f: f.attrs.__setitem__("T_camera_world", 2 * np.eye(4)), "'T_camera_world' is not"),
        (lambda f: f.attrs.__setitem__("normalization", "{}"), "attribute 'normalization': is no"),
        (lambda f: f.__delitem__("actions"), "dataset 'actions' is missing"),
        (lambda f: f.__setitem__("chunks", np.zeros((2, 3, 48))), "holds both"),
    ],
)
def test_a_faulty_file_is_refused_in_one_sentence(
    tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    path = tmp_path / "a.hdf5"
    save_actions(path, random_action(0, (4,)), dataclasses.replace(INFO, normalization=None))
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FileError) as error:
        load_actions(path)
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [np.zeros((3, 46)), np.zeros((0, 48)), np.zeros((3, 48), int)])
def test_a_faulty_dataset_is_refused(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file["actions"] = data
        file.attrs.update(format="retarget-actions", version=1, rate=30.0, hand=HAND)
    with pytest.raises(FileError, match=r"'actions' must|holds no actions"):
        load_actions(path)


def test_another_hand_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    save_actions(path, random_action(0, (4,)), dataclasses.replace(INFO, normalization=None))
    with pytest.raises(FileError, match=f"of hand model {HAND}, expected abc"):
        load_actions(path, hand="abc")
    with pytest.raises(InputError, match="steps 3 to 9 are not within its 4 steps"):
        load_actions(path, start=3, stop=9)
    with pytest.raises(FileError, match="is this a robot demonstration"):
        load_actions(write_raw(tmp_path / "demo.hdf5"))
    with pytest.raises(FileError, match="no such file"):
        load_actions(tmp_path / "none.hdf5")


def test_names_of_before_still_work() -> None:
    import retarget

    assert (retarget.read_actions, retarget.write_actions) == (load_actions, save_actions)
    assert (retarget.load_actions, retarget.save_actions) == (load_actions, save_actions)


# --- the command


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    return Retargeter("h1_inspire")


@pytest.fixture(scope="module")
def demo(retargeter: Retargeter, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Demo]:
    path = tmp_path_factory.mktemp("demo") / "demo.hdf5"
    made = robot_demo(retargeter.robot, 40)
    valid = made.valid.copy()
    valid[5, 0] = False
    made = dataclasses.replace(made, valid=valid)
    save_demo(path, made)
    return path, made


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, ["to-actions", *map(str, words)])


def test_to_actions_writes_the_labels(
    retargeter: Retargeter, demo: tuple[Path, Demo], tmp_path: Path
) -> None:
    path, made = demo
    done = run(path, "--out", tmp_path / "a.hdf5")
    assert done.exit_code == 0, done.output
    found, info = load_actions(tmp_path / "a.hdf5", hand=retargeter.fitter.hand_hash)
    T = retargeter.robot.cameras["main"].T_camera_world
    close(found, action_from_motion(retargeter.to_human(made), T))
    assert (info.rate, info.camera, info.source) == (30.0, "main", "demo.hdf5")
    np.testing.assert_array_equal(info.T_camera_world, T)
    assert found.status[5].tolist() == [int(Status.MISSING_INPUT), 0]


def test_to_actions_writes_chunks(
    retargeter: Retargeter, demo: tuple[Path, Demo], tmp_path: Path
) -> None:
    path, made = demo
    rule = Normalization.from_data(random_action(0, (50,)))
    rule.save(tmp_path / "rule.json")
    done = run(
        path,
        "--out",
        tmp_path / "c.hdf5",
        "--chunks",
        "--horizon",
        8,
        "--stride",
        3,
        "--camera",
        "world",
        "--normalize",
        tmp_path / "rule.json",
    )
    assert done.exit_code == 0, done.output
    found, info = load_actions(tmp_path / "c.hdf5")
    assert (info.camera, info.T_camera_world, info.stride) == ("", None, 3)
    assert info.normalization == rule
    want = make_chunks(action_from_motion(retargeter.to_human(made)), 8, stride=3)
    close(rule.undo(found), want)


def test_to_actions_takes_human_motion(demo: tuple[Path, Demo], tmp_path: Path) -> None:
    path, _ = demo
    human = tmp_path / "human.hdf5"
    assert CliRunner().invoke(app, ["to-human", str(path), "--out", str(human)]).exit_code == 0
    assert run(human, "--out", tmp_path / "a.hdf5").exit_code == 0
    motion, info = load_human(human)
    found, _ = load_actions(tmp_path / "a.hdf5", hand=info.hand)
    close(found, to_camera(action_from_motion(motion), info.T_camera_world))
    assert run(human, "--out", tmp_path / "slow.hdf5", "--rate", 7).exit_code == 0
    assert load_actions(tmp_path / "slow.hdf5")[1].rate == 7.0


def test_to_actions_refuses_options_of_chunks_without_chunks(
    demo: tuple[Path, Demo], tmp_path: Path
) -> None:
    out = tmp_path / "actions.hdf5"
    for option in ("--horizon", "--stride"):
        result = run(demo[0], "--out", out, option, 3)
        assert result.exit_code == 2
        assert f"{option} would do nothing" in result.output
        assert not out.exists()


def test_to_actions_refuses_in_one_line(demo: tuple[Path, Demo], tmp_path: Path) -> None:
    path, _ = demo
    out = tmp_path / "a.hdf5"
    (tmp_path / "wrong.json").write_text("{}", "utf-8")
    for words, said in (
        (["--camera", "side"], "h1_inspire has no camera 'side'; it has: main"),
        (["--normalize", str(tmp_path / "none.json")], "none.json"),
        (["--normalize", str(tmp_path / "wrong.json")], "key 'format'"),
    ):
        done = run(path, "--out", out, *words)
        assert done.exit_code == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not out.exists()
    assert run(path, "--out", path).exit_code == 2
    assert run(tmp_path / "none.hdf5", "--out", out).exit_code == 2


def test_many_chunks_are_written_as_one_would(tmp_path: Path) -> None:
    """More chunks than are cut at once."""
    from retarget.data import convert as convert_actions

    whole = random_action(0, (2000,))
    for stride in (1, 3):
        parts = list(convert_actions._parts(whole, 7, stride, None))
        assert len(parts) > 1
        want = make_chunks(whole, 7, stride=stride)
        np.testing.assert_array_equal(np.concatenate([part.pca for part in parts]), want.pca)


def test_real_demonstrations_become_actions(shared: Path, tmp_path: Path) -> None:
    path = sorted((shared / "teleop" / "demos").glob("*.hdf5"))[0]
    done = run(path, "--out", tmp_path / "a.hdf5", "--chunks")
    assert done.exit_code in (0, 1), done.output
    found, info = load_actions(tmp_path / "a.hdf5")
    assert found.shape == (21, 30)
    assert (found.status == 0).all()
    assert (found.translation[..., 2] > 0).all()  # ahead of the camera
    assert info.T_camera_world is not None
    assert Robot.load("h1_inspire").cameras["main"].T_camera_world.tolist() == (
        info.T_camera_world.tolist()
    )


def written(path: Path, rows: np.ndarray, **attrs: object) -> Path:
    """An action file as another program writes it."""
    with h5py.File(path, "w") as file:
        file["actions"] = rows
        file.attrs.update(format="retarget-actions", version=1, rate=30.0, hand=HAND, **attrs)
    return path


@pytest.mark.parametrize(
    ("place", "said"),
    [((3, 27), "look like wrist xyz, rot6d, five fingertips"), ((0, 24), "rot6d, wrist xyz")],
)
def test_other_layouts_of_48_numbers_are_refused(
    tmp_path: Path, place: tuple[int, int], said: str
) -> None:
    rng = np.random.default_rng(3)
    rows, rot6d = rng.normal(0.3, 0.3, (20, 48)), pack(random_action(0, (20,)))[:, 36:]
    for k, start in enumerate(place):
        rows[:, start : start + 6] = rot6d[:, 6 * k : 6 * k + 6]
    with pytest.raises(FileError, match=f"rot6d .* far from two unit columns: .*{said}"):
        load_actions(written(tmp_path / "other.hdf5", rows))
    with pytest.raises(FileError, match="attribute 'layout' is 'wrist-tips', this library reads"):
        load_actions(written(tmp_path / "said.hdf5", rot6d.repeat(4, 1), layout="wrist-tips"))


def test_a_policys_inexact_rotations_are_of_the_layout(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = pack(random_action(0, (50,)))
    rows[:, 36:] *= rng.uniform(0.8, 1.2, (50, 1))
    rows[:, 36:] += rng.normal(0.0, 0.08, (50, 12))
    found, _ = load_actions(written(tmp_path / "policy.hdf5", rows))
    close(found, unpack(rows))


def test_files_say_their_layout_and_which_rows_are_within(tmp_path: Path) -> None:
    motion = random_action(0, (9,))
    chunks = make_chunks(motion, 4)
    save_actions(tmp_path / "chunks.hdf5", chunks, dataclasses.replace(INFO, normalization=None))
    with h5py.File(tmp_path / "chunks.hdf5") as file:
        assert file.attrs["layout"] == "egovla-48"
        assert file["mask"].shape == (9, 4)
        np.testing.assert_array_equal(file["mask"][:], chunk_frames(9, 4)[1])
    found, _ = load_actions(tmp_path / "chunks.hdf5")
    close(found, chunks)
    with ActionReader(tmp_path / "chunks.hdf5") as reader:
        np.testing.assert_array_equal(reader.read(7, 9).within, chunks.within[7:9])
        blocks = list(reader.blocks(4))
    np.testing.assert_array_equal(np.concatenate([b.within for b in blocks]), chunks.within)
