"""People's motion as actions: moving cameras, labels on the canonical hand, frames, errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import people_files as files
import pytest

from benchmarks.synthetic_people import person
from retarget import Retargeter
from retarget.core.errors import FileError, InputError
from retarget.core.geometry import rotation_from_rotvec, transform, transform_inverse
from retarget.core.types import FloatArray, HumanMotion, Status
from retarget.data.action_file import load_actions
from retarget.data.convert import to_actions
from retarget.data.human_file import HumanFileInfo, HumanReader, HumanWriter
from retarget.data.people.convert import PeopleOptions, people_to_human
from retarget.data.people.readers import read_people
from retarget.human.hand_model import load_hands
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoints import KEYPOINT_TIPS, tip_gaps
from retarget.human.user import User
from retarget.human.user_calibration import calibrate_user
from retarget.mapping.hand_map import HandMap, person_tips
from retarget.mapping.people_labels import PeopleLabels

FRAMES = 40


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    return Retargeter("h1_inspire")


@pytest.fixture(scope="module")
def fitted() -> tuple[HumanMotion, User]:
    points = person(FRAMES, 11, pinching=True).keypoints
    user = calibrate_user(points)
    return KeypointFitter(user=user).fit(points), user


def camera_path(seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    turns = np.cumsum(rng.normal(scale=0.05, size=(FRAMES, 3)), axis=0)
    return transform(rotation_from_rotvec(turns), np.cumsum(turns, axis=0))


def write(
    path: Path, fitted: tuple[HumanMotion, User], camera: FloatArray | None, frame: str = "world"
) -> Path:
    motion, user = fitted
    info = HumanFileInfo(
        rate=30.0, hand=motion.hand, components=15, camera="camera", user=user, frame=frame
    )
    with HumanWriter(path, info) as writer:
        for start in (0, 25):
            rows = slice(start, 25 if start == 0 else FRAMES)
            part = replace(
                motion,
                **{
                    name: value[rows]
                    for name, value in vars(motion).items()
                    if isinstance(value, np.ndarray)
                },
            )
            writer.append(part, T_world_camera=None if camera is None else camera[rows])
    return path


def poses(action: object) -> FloatArray:
    return transform(action.rotation, action.translation)  # type: ignore[attr-defined]


def test_chunks_are_in_the_frame_of_their_first_camera(
    tmp_path: Path, fitted: tuple[HumanMotion, User], retargeter: Retargeter
) -> None:
    T = camera_path()
    human = write(tmp_path / "h.hdf5", fitted, T)
    to_actions(
        human, tmp_path / "a.hdf5", retargeter, camera="main", own_camera=True, horizon=7, stride=3
    )
    chunks, info = load_actions(tmp_path / "a.hdf5")
    assert (info.camera, info.T_camera_world, info.stride) == ("camera", None, 3)
    world = fitted[0].T_world_mano
    for n, t in enumerate(range(0, FRAMES, 3)):
        for k in range(7):
            at = min(t + 1 + k, FRAMES - 1)
            expected = transform_inverse(T[t]) @ world[at]
            np.testing.assert_allclose(poses(chunks)[n, k], expected, atol=1e-6)


def test_steps_are_in_the_frame_of_their_own_camera(
    tmp_path: Path, fitted: tuple[HumanMotion, User], retargeter: Retargeter
) -> None:
    T = camera_path()
    human = write(tmp_path / "h.hdf5", fitted, T)
    to_actions(human, tmp_path / "a.hdf5", retargeter, camera="main", own_camera=True)
    steps, _ = load_actions(tmp_path / "a.hdf5")
    expected = transform_inverse(T)[:, None] @ fitted[0].T_world_mano
    np.testing.assert_allclose(poses(steps), expected, atol=1e-6)
    with h5py.File(human) as file:
        np.testing.assert_allclose(file["T_camera_mano"][:], expected, atol=1e-9)
        np.testing.assert_array_equal(file["T_world_camera"][:], T)
    to_actions(human, tmp_path / "w.hdf5", retargeter, camera=None)
    world, info = load_actions(tmp_path / "w.hdf5")
    assert info.camera == ""
    np.testing.assert_allclose(poses(world), fitted[0].T_world_mano, atol=1e-6)


def test_where_the_world_is_does_not_matter(
    tmp_path: Path, fitted: tuple[HumanMotion, User], retargeter: Retargeter
) -> None:
    motion, user = fitted
    moved = transform(rotation_from_rotvec([0.3, -1.0, 2.0]), np.array([3.0, 1.0, -2.0]))
    there = replace(motion, T_world_mano=moved @ motion.T_world_mano)
    found = []
    for name, of, camera in (
        ("a", motion, camera_path()),
        ("b", there, moved @ camera_path()),
    ):
        human = write(tmp_path / f"{name}.hdf5", (of, user), camera)
        out = tmp_path / f"{name}_actions.hdf5"
        to_actions(human, out, retargeter, own_camera=True, horizon=5)
        found.append(load_actions(out)[0])
    np.testing.assert_allclose(poses(found[0]), poses(found[1]), atol=1e-6)
    np.testing.assert_array_equal(found[0].pca, found[1].pca)


def test_hands_are_missing_where_the_camera_is(
    tmp_path: Path, fitted: tuple[HumanMotion, User], retargeter: Retargeter
) -> None:
    T = camera_path()
    T[10:13] = np.nan
    human = write(tmp_path / "h.hdf5", fitted, T)
    to_actions(human, tmp_path / "a.hdf5", retargeter, own_camera=True)
    steps, _ = load_actions(tmp_path / "a.hdf5")
    assert (steps.status[10:13] == Status.MISSING_INPUT).all()
    assert (np.delete(steps.status, range(10, 13), axis=0) != Status.MISSING_INPUT).all()


def test_cameras_come_from_recordings(tmp_path: Path) -> None:
    t = files.truth(3)
    for name, camera in (("egodex", "camera"), ("vitra", "camera"), ("hot3d", "head")):
        path = {**files.MANO, **files.JOINTS}[name](tmp_path, t)
        out = tmp_path / f"{name}.human.hdf5"
        people_to_human(path, out, PeopleOptions(hands=load_hands("open"), rate=30.0))
        recording = read_people(path)
        wanted = recording.T_world_head if camera == "head" else recording.T_world_camera
        with HumanReader(out) as reader:
            assert reader.info.camera == camera
            np.testing.assert_allclose(reader.read_camera(), wanted, atol=1e-12)
            np.testing.assert_allclose(reader.read_camera(2, 4), wanted[2:4], atol=1e-12)


def test_files_in_a_cameras_frame_say_so(
    tmp_path: Path, fitted: tuple[HumanMotion, User], retargeter: Retargeter
) -> None:
    human = write(tmp_path / "h.hdf5", fitted, None, frame="camera")
    with HumanReader(human) as reader:
        assert reader.info.frame == "camera"
        assert not reader.camera_moves
        with pytest.raises(FileError, match="no camera moves"):
            reader.read_camera()
    to_actions(human, tmp_path / "a.hdf5", retargeter, camera="main", own_camera=True)
    steps, info = load_actions(tmp_path / "a.hdf5")
    assert info.T_camera_world is None
    np.testing.assert_allclose(poses(steps), fitted[0].T_world_mano, atol=1e-6)


def test_wrong_cameras_are_refused(tmp_path: Path, fitted: tuple[HumanMotion, User]) -> None:
    T = camera_path()
    T[5, 0, 0] = 7.0
    with pytest.raises(InputError, match="T_world_camera"):
        write(tmp_path / "h.hdf5", fitted, T)
    human = write(tmp_path / "h.hdf5", fitted, camera_path())
    with h5py.File(human, "r+") as file:
        file["T_world_camera"][6, 0, 0] = 7.0
    with HumanReader(human) as reader, pytest.raises(FileError, match="frame 6 is not a rigid"):
        reader.read_camera()


@pytest.mark.parametrize("components", [15, 45])
def test_labels_keep_pinches_better_than_copies(retargeter: Retargeter, components: int) -> None:
    """Of a person with a long thumb and short fingers."""
    stretch = np.full((5, 3), 0.85)
    stretch[0] = 1.2
    user = User(size=1.1, stretch=stretch)
    people = KeypointFitter(user=user, components=45)
    points = people.keypoints(people.fit(person(200, 12, pinching=True).keypoints))
    motion = KeypointFitter(user=user, components=components).fit(points)
    labels = PeopleLabels(retargeter.fitter, user).of(motion)
    assert labels.pca.shape == (200, 2, 15)
    np.testing.assert_array_equal(labels.T_world_mano, motion.T_world_mano)
    canonical = KeypointFitter()
    near = tip_gaps(points[..., list(KEYPOINT_TIPS), :]) < 0.015

    def gap(pca: FloatArray) -> float:
        tips = canonical.placed(pca, motion.T_world_mano)[..., list(KEYPOINT_TIPS), :]
        return float(np.median(tip_gaps(tips)[near]))

    assert gap(labels.pca) < 0.8 * gap(motion.pca[..., :15])
    assert np.median(labels.fit_residual) < 0.004


def test_labels_are_a_function_of_the_frame(
    retargeter: Retargeter, fitted: tuple[HumanMotion, User]
) -> None:
    motion, user = fitted
    labels = PeopleLabels(retargeter.fitter, user)
    whole = labels.of(motion)
    lost = motion.pca.copy()
    lost[7, 1] = np.nan
    status = motion.status.copy()
    status[7, 1] = Status.MISSING_INPUT
    found = labels.of(replace(motion, pca=lost, status=status))
    assert found.status[7, 1] == Status.MISSING_INPUT
    assert np.isnan(found.pca[7, 1]).all()
    known = np.isfinite(found.pca)
    np.testing.assert_array_equal(found.pca[known], whole.pca[known])
    with pytest.raises(InputError, match="of hand model other"):
        labels.of(replace(motion, hand="other"))


def test_seen_fingertips_are_kept_and_followed(tmp_path: Path, retargeter: Retargeter) -> None:
    points = person(30, 13, pinching=True).keypoints
    points[4, 1], points[7, 0, KEYPOINT_TIPS[2]] = np.nan, np.nan
    np.savez(tmp_path / "x.npz", keypoints=points, rate=30.0)
    human, smooth = tmp_path / "h.hdf5", tmp_path / "s.hdf5"
    hands = load_hands("open")
    people_to_human(tmp_path / "x.npz", human, PeopleOptions(hands=hands))
    people_to_human(tmp_path / "x.npz", smooth, PeopleOptions(hands=hands, smooth=True))
    with HumanReader(smooth) as reader:
        assert reader.read_seen() is None
    with HumanReader(human) as reader:
        seen, motion, user = reader.read_seen(), reader.read(), reader.info.user
    assert seen is not None
    assert user is not None
    np.testing.assert_array_equal(seen, points)
    hand_map = HandMap("h1_inspire", user)
    fitted, tips = hand_map.tips_of(motion), hand_map.tips_of(motion, seen)
    expected = person_tips(points, motion.T_world_mano, hand_map.robot)
    known = np.isfinite(expected)
    np.testing.assert_array_equal(tips[known], expected[known])
    np.testing.assert_array_equal(tips[7, 0, 2], fitted[7, 0, 2])
    assert np.isnan(tips[4, 1]).all()
    labels = PeopleLabels(retargeter.fitter, user)
    one, other = labels.of(motion), labels.of(motion, seen)
    assert np.nanmax(np.abs(one.pca - other.pca)) > 1e-3
    to_actions(human, tmp_path / "a.hdf5", retargeter, own_camera=True)
    steps, _ = load_actions(tmp_path / "a.hdf5")
    fine = np.isfinite(other.pca)
    np.testing.assert_allclose(steps.pca[fine], other.pca[fine], atol=1e-6)
    with h5py.File(human, "r+") as file:
        file["seen"][3, 0, 2, 1] = np.inf
    with HumanReader(human) as reader, pytest.raises(FileError, match="frame 3, left hand"):
        reader.read_seen()
