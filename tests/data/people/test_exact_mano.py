"""MANO parameters of others with the model that made them: exact, whatever their convention."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import people_files as files
import pytest
from hand_files import rough_pair, write_npz
from people_files import FRAMES, MANO, truth
from typer.testing import CliRunner

from retarget.cli.main import app
from retarget.core.errors import FileError
from retarget.core.geometry import rotation_angle, rotation_from_rotvec
from retarget.data.human_file import HumanReader
from retarget.data.people.convert import PeopleOptions, people_to_human
from retarget.data.people.frames import to_world
from retarget.data.people.readers import read_people
from retarget.human.hand_model import HandModel, load_hands
from retarget.human.keypoints import HandKeypoints

MIRRORED = ("vitra", "hamer", "wilor")  # both hands of the right one's model
SINGLE = ("dexycb",)  # numbers of 32 bits


def models(name: str) -> tuple[HandModel, HandModel]:
    """The models that a format's numbers are of."""
    left, right = rough_pair()
    return (right.mirrored(), right) if name in MIRRORED else (left, right)


def converted(path: Path, out: Path, **options: Any) -> tuple[Any, list[str]]:
    settings = PeopleOptions(hands=rough_pair(), rate=30.0, **options)
    found = people_to_human(path, out, settings)
    with HumanReader(out) as reader:
        return reader.read(), list(found.notes)


@pytest.mark.parametrize("name", list(MANO))
def test_pose_and_wrists_are_the_files_own(tmp_path: Path, name: str) -> None:
    t = truth(3, hands=models(name))
    path = MANO[name](tmp_path, t)
    recording = read_people(path)
    motion, notes = converted(path, tmp_path / "out.hdf5", components=45)
    assert "pose and wrists are the file's own, exactly; shape is kept as the user's bones" in notes
    small = 1e-5 if name in SINGLE else 1e-9
    valid = recording.valid
    angles = np.stack(
        [HandKeypoints(hand).pose(motion.pca[:, side]) for side, hand in enumerate(rough_pair())],
        axis=1,
    )
    turns = rotation_from_rotvec(angles[valid].reshape(-1, 15, 3))
    assert rotation_angle(turns, t.fingers[valid]).max() <= max(small, 1e-7)
    wrist = motion.T_world_mano
    world = to_world(recording, t.camera) if recording.frame == "camera" else recording
    assert world.pose is not None
    if recording.frame == "camera":
        wrist = t.camera[:, None] @ wrist
    np.testing.assert_allclose(wrist[valid][:, :3, 3], t.root[valid], atol=small)
    np.testing.assert_allclose(wrist[valid][:, :3, :3], t.rotation[valid], atol=small)
    points = world.pose.keypoints(rough_pair())
    np.testing.assert_allclose(points[valid], t.keypoints[valid], atol=small)


def test_vitras_joints_and_its_mano_agree(tmp_path: Path) -> None:
    t = truth(5, hands=models("vitra"))
    found = read_people(files.vitra(tmp_path, t))
    assert found.pose is not None
    assert found.keypoints is not None
    np.testing.assert_allclose(found.pose.keypoints(rough_pair()), found.keypoints, atol=1e-12)


def test_coefficients_of_the_same_components_need_no_more(tmp_path: Path) -> None:
    """HOT3D's 15 are the file's 15."""
    t = truth(6, hands=models("hot3d"))
    motion, _ = converted(files.hot3d(tmp_path, t), tmp_path / "out.hdf5")
    np.testing.assert_allclose(motion.pca, t.pca[..., :15], atol=1e-12)


def test_what_cannot_be_kept_is_fitted_and_said(tmp_path: Path) -> None:
    """Rotations of no 15 components are fitted; so is everything with the open hand."""
    t = truth(7, hands=models("arctic"))
    rng = np.random.default_rng(0)
    pose = t.pose + 0.1 * rng.normal(size=t.pose.shape)
    path = files.arctic(tmp_path, dataclasses.replace(t, pose=pose))
    _, notes = converted(path, tmp_path / "a.hdf5")
    assert any("15 coefficients lose up to" in note for note in notes)
    _, notes = converted(path, tmp_path / "b.hdf5", components=45)
    assert not any("lose" in note for note in notes)
    options = PeopleOptions(hands=load_hands("open"), rate=30.0)
    notes = list(people_to_human(path, tmp_path / "c.hdf5", options).notes)
    assert any("MANO parameters are of another model" in note for note in notes)
    assert any("those of the open hand" in note for note in notes)


def test_left_shapes_as_they_first_came(tmp_path: Path) -> None:
    left, right = rough_pair()
    first = dataclasses.replace(
        left, shapedirs=left.shapedirs * np.array([-1.0, 1.0, 1.0])[:, None]
    )
    t = truth(8, hands=(first, right))
    path = files.arctic(tmp_path, t)
    off = []
    for unmended in (False, True):
        out = tmp_path / f"{unmended}.hdf5"
        converted(path, out, components=45, unmended_left=unmended)
        with h5py.File(out) as file:
            off.append(np.abs(file["seen"][:] - t.keypoints).max(axis=(0, 2, 3)))
    assert off[0][0] > 1e-3
    assert off[0][1] <= 1e-12
    assert off[1].max() <= 1e-12
    with pytest.raises(FileError, match="no MANO parameters of a left hand's model"):
        converted(files.vitra(tmp_path, t), tmp_path / "v.hdf5", unmended_left=True)


def test_the_command_takes_a_folder_of_models(tmp_path: Path) -> None:
    models_folder = tmp_path / "models"
    models_folder.mkdir()
    for hand in rough_pair():
        write_npz(models_folder, hand)
    t = truth(9, hands=models("taco"))
    path = files.taco(tmp_path, t)
    command = ["from-human", path, "--out", tmp_path / "out.hdf5", "--hands", models_folder]
    command += ["--components", 45, "--rate", 30]
    result = CliRunner().invoke(app, list(map(str, command)))
    assert result.exit_code == 0, result.output
    assert "the file's own, exactly" in " ".join(result.output.split())
    with HumanReader(tmp_path / "out.hdf5") as reader:
        assert reader.frames == FRAMES
