"""Readers of people's hands: for every format a file goes in, and the hands it is of come out."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path

import numpy as np
import people_files as files
import pytest
from people_files import FRAMES, HANDS, JOINTS, MANO, truth

from retarget.core.errors import FileError, InputError
from retarget.core.geometry import rotation_angle, rotation_from_rotvec, transform_points
from retarget.core.types import SIDES
from retarget.data.people.frames import T_ZUP_YUP, Z_UP_NOTE, to_world, z_up
from retarget.data.people.hands import MIRROR_NOTE
from retarget.data.people.readers import READERS, read_people
from retarget.data.people.recording import PeopleRecording
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoint_layouts import from_mano21
from retarget.human.keypoints import KEYPOINT_ORDER
from retarget.human.mano_format import PARENTS

TENTH_MM = 1e-4


def largest(a: np.ndarray, b: np.ndarray) -> float:
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()
    return float(np.abs(a - b).max())


def world(found: PeopleRecording, t: files.Truth) -> PeopleRecording:
    return to_world(found, t.camera) if found.frame == "camera" else found


@pytest.mark.parametrize("name", list(MANO))
@pytest.mark.parametrize("seed", [0, 1])
def test_poses_come_back(tmp_path: Path, name: str, seed: int) -> None:
    t = truth(seed)
    path = MANO[name](tmp_path, t)
    found = world(read_people(path), t)
    assert found.frame == "world"
    assert found.pose is not None
    assert found.path == path
    valid = np.ones((FRAMES, 2), dtype=bool)
    if name in ("hoi4d", "dexycb"):  # of one hand, with a frame missing
        valid[:, 0] = False
        valid[4 if name == "hoi4d" else 2] = False
    np.testing.assert_array_equal(found.valid, valid)
    points = found.pose.keypoints(HANDS)
    assert largest(points[valid], t.keypoints[valid]) <= TENTH_MM
    assert np.isnan(points[~valid]).all()
    if found.keypoints is not None:
        assert largest(found.keypoints[valid], t.keypoints[valid]) <= TENTH_MM
    pose = rotation_from_rotvec(found.pose.pose(HANDS).reshape(FRAMES, 2, 15, 3)[valid])
    assert rotation_angle(pose, t.fingers[valid]).max() <= 1e-4
    assert rotation_angle(found.pose.rotation[valid], t.rotation[valid]).max() <= 1e-4
    assert largest(found.pose.T_root(HANDS)[..., :3, 3][valid], t.root[valid]) <= TENTH_MM


@pytest.mark.parametrize("name", list(JOINTS))
@pytest.mark.parametrize("seed", [2, 3])
def test_keypoints_come_back(tmp_path: Path, name: str, seed: int) -> None:
    t = truth(seed)
    found = read_people(JOINTS[name](tmp_path, t))
    assert found.keypoints is not None
    assert found.pose is None
    assert found.frame == "world"
    known = np.ones((FRAMES, 2, 21), dtype=bool)
    if name == "holoassist":
        known[3, 0], known[5, 1, 8] = False, False
    if name == "npy":
        known[:, :, 1] = False  # HOT3D's layout has no base of the thumb
    np.testing.assert_array_equal(np.isfinite(found.keypoints).all(axis=-1), known)
    assert largest(found.keypoints[known], t.keypoints[known]) <= TENTH_MM
    np.testing.assert_array_equal(found.valid, known.any(axis=-1))


def test_every_format_is_told_by_its_content(tmp_path: Path) -> None:
    t = truth()
    told = {}
    for name, write in {**MANO, **JOINTS}.items():
        folder = tmp_path / name
        folder.mkdir()
        told[name] = read_people(write(folder, t)).format
    expected = {name: name for name in (*MANO, *JOINTS)}
    expected.update(wilor="hamer", hawor_torch="hawor", csv_named="csv", csv_plain="csv")
    expected.update(dict.fromkeys(("npz", "npy", "pkl", "json", "hdf5"), "arrays"))
    assert told == expected
    assert set(told.values()) | {"hrdt48", "egovla48"} == set(READERS)


@pytest.mark.parametrize("name", ["vitra", "taco", "hamer", "hawor", "npz", "pkl", "egodex"])
def test_names_of_files_do_not_matter(tmp_path: Path, name: str) -> None:
    t = truth()
    path = {**MANO, **JOINTS}[name](tmp_path, t)
    other = path.with_name("recording.bin")
    path.rename(other)
    side = "right" if name == "taco" else None
    found = read_people(other, side=side)
    assert found.format == (name if name in MANO or name == "egodex" else "arrays")


class TestSaid:
    """What is said of a recording beside its numbers."""

    def test_hot3d(self, tmp_path: Path) -> None:
        t = truth()
        found = read_people(files.hot3d(tmp_path, t, copies=3))
        assert "27 rows less than 5 ms apart are 9 frames" in found.notes
        assert found.rate == pytest.approx(30.0)
        assert found.time is not None
        np.testing.assert_allclose(found.time, np.arange(FRAMES) / 30.0, atol=1e-6)
        assert found.T_world_head is not None
        assert largest(found.T_world_head, t.camera) <= 1e-9
        (tmp_path / "headset_trajectory.csv").unlink()
        assert read_people(found.path).T_world_head is None

    def test_hot3d_hands_that_come_and_go(self, tmp_path: Path) -> None:
        path = files.hot3d(tmp_path, truth(), copies=1)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        del rows[2]["hand_poses"]["0"]
        rows[3]["hand_poses"]["1"] = {}
        path.write_text("\n".join(map(json.dumps, rows[::-1])))  # and in another order
        valid = np.ones((FRAMES, 2), dtype=bool)
        valid[2, 0], valid[3, 1] = False, False
        np.testing.assert_array_equal(read_people(path).valid, valid)

    def test_vitra_frames_that_are_not_kept(self, tmp_path: Path) -> None:
        t, kept = truth(), np.ones((FRAMES, 2), np.int64)
        kept[2:4, 0], kept[:, 1] = 0, 0
        found = read_people(files.vitra(tmp_path, t, kept=kept))
        np.testing.assert_array_equal(found.valid, kept == 1)
        assert found.keypoints is not None
        assert np.isnan(found.keypoints[kept == 0]).all()
        said = "\n".join(found.notes)
        assert "the left hand in 2 of 9 frames (2 frames: 2-3) is flagged as not seen" in said
        assert MIRROR_NOTE in said
        assert found.text == "Pick it up."
        assert found.T_world_camera is not None
        assert largest(found.T_world_camera, t.camera) <= 1e-9

    def test_vitra_without_joints(self, tmp_path: Path) -> None:
        assert read_people(files.vitra(tmp_path, truth(), joints=False)).keypoints is None

    def test_egodex(self, tmp_path: Path) -> None:
        t = truth()
        found = read_people(files.egodex(tmp_path, t))
        assert (found.rate, found.text) == (30.0, "put it in")
        assert Z_UP_NOTE in found.notes
        assert found.T_world_camera is not None
        assert largest(found.T_world_camera, t.camera) <= 1e-6
        assert found.joint_confidence is not None
        np.testing.assert_allclose(
            found.joint_confidence[0, 1, [0, 4, 5, 20]], [0, 0.04, 0.06, 0.24]
        )
        found = read_people(files.egodex(tmp_path, t, confidences=False, second=True))
        assert (found.joint_confidence, found.text) == (None, "take it out")

    def test_holoassist(self, tmp_path: Path) -> None:
        path = files.holoassist(tmp_path, truth())
        found = read_people(path)
        assert found.rate == pytest.approx(30.0, rel=1e-4)
        (tmp_path / "Left_sync.txt").unlink()
        np.testing.assert_array_equal(read_people(path).valid, [[False, True]] * FRAMES)

    def test_dexycb_left(self, tmp_path: Path) -> None:
        t = truth()
        found = read_people(files.dexycb(tmp_path, t, side=0))
        assert any("wrong sign in x" in note for note in found.notes)
        np.testing.assert_array_equal(found.valid[:, 1], False)
        one = read_people(sorted(found.path.iterdir())[3])
        assert one.frames == 1

    def test_taco_of_one_hand(self, tmp_path: Path) -> None:
        path = files.taco(tmp_path, truth())
        (tmp_path / "left_hand.pkl").unlink()
        found = read_people(path)
        np.testing.assert_array_equal(found.valid, [[False, True]] * FRAMES)
        assert "there is no left hand beside right_hand.pkl" in found.notes

    def test_hamer_without_a_camera(self, tmp_path: Path) -> None:
        path = files.hamer(tmp_path, truth())
        frames = pickle.loads(path.read_bytes())
        for frame in frames:
            del frame["pred_cam_t_full"]
        path.write_bytes(pickle.dumps(frames))
        found = read_people(path)
        assert found.frame == "wrist"
        with pytest.raises(InputError, match="has no way to the world"):
            to_world(found)

    def test_hamer_as_arrays_and_second_hands(self, tmp_path: Path) -> None:
        t = truth()
        R, place = files.in_camera(t)
        content = {
            "right": np.ones(FRAMES + 1),
            "frame": [*range(FRAMES), 0],
            "global_orient": np.concatenate([R[:, 1], R[:1, 1]]),
            "hand_pose": np.concatenate([t.fingers[:, 1], t.fingers[1:2, 1]]),
            "betas": np.tile(t.betas[1], (FRAMES + 1, 1)),
            "cam_t": np.concatenate([place[:, 1], place[:1, 1]]),
        }
        np.savez(tmp_path / "x.npz", **content)
        found = to_world(read_people(tmp_path / "x.npz"), t.camera)
        assert found.pose is not None
        assert largest(found.pose.keypoints(HANDS)[:, 1], t.keypoints[:, 1]) <= TENTH_MM
        assert "1 hands are second ones of their side in a frame: left out" in found.notes
        assert not found.valid[:, 0].any()

    def test_lost_hands_of_arrays(self, tmp_path: Path) -> None:
        points = truth().keypoints.copy()
        points[1, 0], points[2, 1] = 0.0, np.nan
        valid = np.ones((FRAMES, 2), dtype=bool)
        np.savez(tmp_path / "x.npz", keypoints=points, valid=valid, fps=25)
        found = read_people(tmp_path / "x.npz")
        valid[1, 0], valid[2, 1] = False, False
        np.testing.assert_array_equal(found.valid, valid)
        assert "has all its keypoints in one point: missing" in found.notes[-1]
        assert found.rate == 25.0
        valid[5] = False
        np.savez(tmp_path / "x.npz", keypoints=points, valid=valid)
        np.testing.assert_array_equal(read_people(tmp_path / "x.npz").valid, valid)

    def test_what_is_relative_to_the_wrist(self, tmp_path: Path) -> None:
        points = truth().keypoints
        np.save(tmp_path / "right.npy", (points - points[:, :, :1])[:, 1])
        found = read_people(tmp_path / "right.npy")
        assert found.frame == "wrist"
        np.testing.assert_array_equal(found.valid, [[False, True]] * FRAMES)


class TestVectors:
    def test_hrdt(self, tmp_path: Path) -> None:
        t = truth()
        path = files.hrdt(tmp_path, t)
        for found in (read_people(path, "hrdt48"), read_people(path, key="actions_48d")):
            assert found.format == "hrdt48"
            assert found.keypoints is not None
            places = [0, 4, 8, 12, 16, 20]
            assert largest(found.keypoints[:, :, places], t.keypoints[:, :, places]) <= TENTH_MM
            assert np.isnan(np.delete(found.keypoints, places, axis=2)).all()

    def test_egovla(self, tmp_path: Path) -> None:
        t = truth(betas=False)
        path = files.egovla(tmp_path, t)
        found = to_world(read_people(path, "egovla48"), t.camera)
        assert found.pose is not None
        assert largest(found.pose.keypoints(HANDS), t.keypoints) <= TENTH_MM
        with pytest.raises(FileError, match="are 'hrdt48' or 'egovla48': name the layout"):
            read_people(path)
        np.save(path, np.zeros((3, 47)))
        with pytest.raises(FileError, match=r"has shape \(3, 47\), expected \(T, 48\)"):
            read_people(path, "egovla48")


class TestArrays:
    @pytest.mark.parametrize(
        "layout", ["mano21", "hot3d21", "smplx21", "openxr26", "webxr25", "visionpro27", "manus26"]
    )
    def test_named_layouts(self, tmp_path: Path, layout: str) -> None:
        t = truth()
        np.save(tmp_path / "left_hand.npy", from_mano21(t.keypoints[:, 0], layout))
        found = read_people(tmp_path / "left_hand.npy", layout)
        assert found.keypoints is not None
        known = np.isfinite(found.keypoints)
        assert largest(found.keypoints[known], t.keypoints[known]) == 0.0

    def test_a_key_is_taken_for_what_is_meant(self, tmp_path: Path) -> None:
        t = truth()
        path = tmp_path / "x.npz"
        np.savez(path, first=t.keypoints, second=t.keypoints + 1.0)
        with pytest.raises(FileError, match=r"several arrays .* name the key: 'first', 'second'"):
            read_people(path)
        found = read_people(path, key="second")
        assert found.keypoints is not None
        assert largest(found.keypoints, t.keypoints + 1.0) == 0.0
        with pytest.raises(FileError, match="has no key 'third'; it has 'first', 'second'"):
            read_people(path, key="third")
        with pytest.raises(FileError, match=r"no dataset 'x'; it has 'image'"):
            read_people(files.hdf5(tmp_path, t), key="x")

    def test_one_hand_needs_a_side(self, tmp_path: Path) -> None:
        t = truth()
        path = tmp_path / "hand.npy"
        np.save(path, t.keypoints[:, 1])
        with pytest.raises(FileError, match="has one hand and does not say which"):
            read_people(path)
        for side in ("right", 1):
            assert read_people(path, side=side).valid[:, 1].all()
        with pytest.raises(InputError, match="side must be"):
            read_people(path, side="both")

    def test_poses_are_points(self, tmp_path: Path) -> None:
        points = from_mano21(truth().keypoints[:, 1], "visionpro25")
        T = np.tile(np.eye(4), (FRAMES, 25, 1, 1))
        T[..., :3, 3] = points
        (tmp_path / "x.pkl").write_bytes(pickle.dumps({"right_fingers": T, "head": np.eye(4)}))
        found = read_people(tmp_path / "x.pkl")
        assert found.keypoints is not None
        assert largest(found.keypoints[:, 1], truth().keypoints[:, 1]) == 0.0

    def test_millimetres_are_told(self, tmp_path: Path) -> None:
        for scale, hint in ((1e3, "millimetres"), (1e2, "centimetres")):
            np.save(tmp_path / "x.npy", (truth().keypoints - truth().root[:, :, None]) * scale)
            with pytest.raises(FileError, match=rf"hands reach .* \(are these {hint}\?\)"):
                read_people(tmp_path / "x.npy")

    def test_numbers_that_cannot_be(self, tmp_path: Path) -> None:
        points = truth().keypoints.copy()
        points[4, 1, 3, 2] = np.inf
        np.save(tmp_path / "x.npy", points)
        with pytest.raises(FileError, match=r"frame 4, right hand, .* coordinate inf \(z\)") as e:
            read_people(tmp_path / "x.npy")
        assert (e.value.evidence["frame"], e.value.evidence["side"]) == (4, "right")
        np.savez(tmp_path / "x.npz", keypoints=truth().keypoints, time=[0, 1, 2, 2, 4, 5, 6, 7, 8])
        with pytest.raises(FileError, match=r"time does not go on in frame 3: 2\.0"):
            read_people(tmp_path / "x.npz")
        np.save(tmp_path / "x.npy", np.zeros((0, 2, 21, 3)))
        with pytest.raises(FileError, match=r"holds no frames|bones do not tell"):
            read_people(tmp_path / "x.npy")

    def test_csv_of_one_hand(self, tmp_path: Path) -> None:
        t = truth()
        path = tmp_path / "right.csv"
        joints = [f"joint{k}" for k in range(21)]
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["frame", *(f"{j}.{a}" for j in joints for a in "xyz"), "note"])
            for k, row in enumerate(t.keypoints[:, 1].reshape(FRAMES, -1)):
                writer.writerow([k, *row, "text"])
        found = read_people(path)
        assert found.keypoints is not None
        assert largest(found.keypoints[:, 1], t.keypoints[:, 1]) <= 1e-12
        text = path.read_text().splitlines()
        text[3] = text[3].replace(text[3].split(",")[5], "oops")
        path.write_text("\n".join(text))
        with pytest.raises(FileError, match="line 4, column 6 is 'oops', expected a number"):
            read_people(path)
        path.write_text("\n".join([*text[:2], "1,2"]))
        with pytest.raises(FileError, match="line 3 has 2 columns, expected 65"):
            read_people(path)


class TestFrames:
    def test_a_still_camera_is_one_transform(self, tmp_path: Path) -> None:
        t = truth()
        found = read_people(files.hamer(tmp_path, t))
        moved = to_world(found, t.camera[0])
        assert found.keypoints is not None
        assert moved.keypoints is not None
        expected = transform_points(t.camera[0], found.keypoints)
        assert largest(moved.keypoints, expected) <= 1e-12
        assert to_world(moved) is moved

    def test_hands_are_missing_where_the_camera_is(self, tmp_path: Path) -> None:
        t = truth()
        camera = t.camera.copy()
        camera[3] = np.nan
        moved = to_world(read_people(files.hamer(tmp_path, t)), camera)
        assert not moved.valid[3].any()
        assert moved.valid[4].all()

    def test_wrong_cameras(self, tmp_path: Path) -> None:
        found = read_people(files.hamer(tmp_path, truth()))
        with pytest.raises(InputError, match="does not say where its camera is"):
            to_world(found)
        with pytest.raises(InputError, match=r"must have shape \(9, 4, 4\) or \(4, 4\)"):
            to_world(found, np.tile(np.eye(4), (3, 1, 1)))

    def test_y_up_and_z_up(self, tmp_path: Path) -> None:
        found = read_people(files.vitra(tmp_path, truth()))
        up = z_up(found)
        assert up.pose is not None
        assert up.keypoints is not None
        assert largest(up.pose.keypoints(HANDS), up.keypoints) <= TENTH_MM
        np.testing.assert_allclose(T_ZUP_YUP[:3, :3] @ [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
        assert np.linalg.det(T_ZUP_YUP) == pytest.approx(1.0)


class TestRealFiles:
    def test_vitra(self, shared: Path) -> None:
        path = shared / "human" / "vitra" / "ego4d_example.npy"
        found = read_people(path)
        assert (found.format, found.frames) == ("vitra", 25)
        np.testing.assert_array_equal(found.valid, [[False, True]] * 25)
        assert found.text == "Pick up the spray bottle."
        assert found.pose is not None
        assert found.keypoints is not None
        # its own joints against its own rotations: bones that are turned back stand still
        assert found.pose.rotations is not None
        turns = found.pose.rotations[:, 1]
        joints = found.keypoints[:, 1][:, [KEYPOINT_ORDER.index(k) for k in range(16)]]
        R = [found.pose.rotation[:, 1]]
        for k in range(1, 16):
            above = PARENTS[k]
            bone = np.einsum("tji,tj->ti", R[above], joints[:, k] - joints[:, above])
            assert np.ptp(bone, axis=0).max() <= 1e-6
            R.append(R[above] @ turns[:, k - 1])
        # and with a hand model that is not theirs
        points = found.pose.keypoints(HANDS)
        assert largest(points[:, 1, 0], found.keypoints[:, 1, 0]) <= 1e-6
        error = np.linalg.norm(points - found.keypoints, axis=-1)[:, 1]
        assert np.median(error) <= 0.03
        motion = KeypointFitter("right").fit(found.keypoints[:, 1])
        turn = rotation_angle(motion.T_world_mano[:, 1, :3, :3], found.pose.rotation[:, 1])
        assert np.degrees(np.median(turn)) <= 12.0

    def test_hot3d(self, shared: Path) -> None:
        folder = shared / "human" / "hot3d"
        found = read_people(folder / "mano_hand_pose_trajectory.jsonl")
        lines = [json.loads(line) for line in found.path.read_text().splitlines()]
        assert (len(lines), found.frames) == (68, 34)
        assert all(set(line["hand_poses"]) == {"0", "1"} for line in lines)
        assert found.valid.all()
        assert found.rate == pytest.approx(30.0, rel=1e-3)
        assert found.pose is not None
        assert found.pose.pca is not None
        assert found.pose.pca.shape == (34, 2, 15)
        assert found.T_world_head is not None
        assert np.isfinite(found.T_world_head).all()
        points = found.pose.keypoints(HANDS)
        assert np.isfinite(points).all()
        reach = np.linalg.norm(points - found.T_world_head[:, None, None, :3, 3], axis=-1)
        assert reach.min() > 0.1
        assert reach.max() < 1.2  # within arm's reach of the head
        with pytest.raises(FileError, match="UmeTrack's joint angles"):
            read_people(folder / "umetrack_hand_pose_trajectory.jsonl")

    def test_keypoints(self, shared: Path) -> None:
        path = shared / "human" / "right_hand_keypoints.npz"
        found = read_people(path)
        assert found.keypoints is not None
        np.testing.assert_array_equal(found.keypoints[:, 1], np.load(path)["keypoints"])
        np.testing.assert_array_equal(found.valid, [[False, True]] * 621)
        assert found.frame == "wrist"

    @pytest.mark.parametrize("name", ["headset_trajectory.csv", "metadata.json", "LICENSE"])
    def test_what_is_something_else(self, shared: Path, name: str) -> None:
        with pytest.raises(FileError, match=rf"{name}: "):
            read_people(shared / "human" / "hot3d" / name)


def test_layouts_are_checked(tmp_path: Path) -> None:
    path = files.npz(tmp_path, truth())
    with pytest.raises(InputError, match=r"must be 'auto', 'mano21', .*got 'mediapipe'"):
        read_people(path, "mediapipe")
    with pytest.raises(FileError, match="'openxr26' has 26 joints, got 21"):
        read_people(path, "openxr26")
    assert SIDES == ("left", "right")
