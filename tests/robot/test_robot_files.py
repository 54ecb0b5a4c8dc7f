"""Robots from other files: a user's own URDF, spoilt facts, calibrations."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retarget.core.errors import FileError, ModelError
from retarget.core.geometry import rotation_angle
from retarget.core.resources import resource
from retarget.core.types import SIDES, Calibration
from retarget.robot.robot import Robot
from retarget.robot.spec import load_calibration, save_calibration

FOLDER = resource("robots", "h1_inspire")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the robot to spoil."""
    for name in ("robot.toml", "calibration.toml", "h1_inspire.urdf"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


class TestOtherUrdfs:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        """A URDF whose shapes are meshes that are not there, under package://."""
        text = (FOLDER / "h1_inspire.urdf").read_text(encoding="utf-8")
        mesh = '<geometry><mesh filename="package://gone/meshes/part.STL"/></geometry>'
        head, *rest = text.split("<geometry>")
        text = head + "".join(mesh + part.split("</geometry>", 1)[1] for part in rest)
        assert text.count("package://") > 100
        path = tmp_path / "own robot" / "robot.urdf"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        return path

    def test_missing_meshes_and_package_paths_do_not_matter(self, robot: Robot, own: Path):
        other = Robot.load("h1_inspire", urdf=own)
        assert other.urdf_path == own
        assert other.hash == robot.hash
        qpos = np.random.default_rng(4).uniform(robot.lower, robot.upper, (3, 50))
        np.testing.assert_array_equal(other.forward(qpos)[1], robot.forward(qpos)[1])

    def test_the_public_file_is_the_same_robot(self, robot: Robot, shared: Path):
        path = shared / "robots" / "h1_inspire" / "urdf" / "h1_inspire.urdf"
        assert Robot.load(urdf=str(path)).hash == robot.hash

    def test_the_public_file_without_fingertips_says_what_it_lacks(self, shared: Path):
        path = shared / "robots" / "h1_inspire" / "urdf" / "h1_inspire_fixed_torso.urdf"
        with pytest.raises(ModelError, match="has no link 'L_thumb_tip'"):
            Robot.load(urdf=path)

    @pytest.mark.parametrize(
        ("old", "new", "same"),
        [
            ('<mass value="5.39"/>', '<mass value="6"/>', True),
            ('xyz="0 0 -0.1343"', 'xyz="0 0 -0.13430000000001"', True),
            ('xyz="0 0 -0.1343"', 'xyz="0 0 -0.1344"', False),
            ('xyz="0.015 -0.013 -0.004"', 'xyz="0.015 -0.013 -0.005"', False),
            ('lower="-0.17" upper="3.11"', 'lower="-0.34" upper="3.11"', False),
        ],
    )
    def test_hash_follows_kinematics_alone(
        self, robot: Robot, folder: Path, old: str, new: str, same: bool
    ):
        edit(folder / "h1_inspire.urdf", old, new)
        assert (Robot.load(folder).hash == robot.hash) == same

    def test_hash_follows_joint_order(self, robot: Robot, folder: Path):
        pair = (
            '"left_hip_yaw_joint", "right_hip_yaw_joint"',
            '"right_hip_yaw_joint", "left_hip_yaw_joint"',
        )
        edit(folder / "robot.toml", *pair)
        assert Robot.load(folder).hash != robot.hash

    def test_joints_that_nobody_names_are_held(self, robot: Robot, folder: Path):
        edit(
            folder / "h1_inspire.urdf",
            '<joint name="logo_joint" type="fixed">',
            '<joint name="logo_joint" type="continuous"><axis xyz="0 0 1"/>',
        )
        assert Robot.load(folder).hash == robot.hash

    def test_a_joint_can_be_held_elsewhere(self, robot: Robot, folder: Path):
        edit(folder / "robot.toml", "torso_joint = 0.0", "torso_joint = 0.5")
        qpos = np.zeros(50)
        turned, straight = Robot.load(folder).forward(qpos)[0], robot.forward(qpos)[0]
        np.testing.assert_allclose(rotation_angle(turned[:, :3, :3], straight[:, :3, :3]), 0.5)

    def test_a_urdf_without_mimic_tags_will_do(self, robot: Robot, folder: Path):
        path = folder / "h1_inspire.urdf"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(x for x in lines if "<mimic" not in x), encoding="utf-8")
        assert Robot.load(folder).hash == robot.hash

    def test_a_missing_joint_limit_is_endless(self, robot: Robot, folder: Path):
        edit(
            folder / "h1_inspire.urdf",
            '<joint name="left_knee_joint" type="revolute">',
            '<joint name="left_knee_joint" type="continuous">',
        )
        other, k = Robot.load(folder), robot.indices(["left_knee_joint"])[0]
        assert (other.lower[k], other.upper[k]) == (-np.inf, np.inf)
        qpos = np.random.default_rng(6).uniform(robot.lower, robot.upper)
        np.testing.assert_allclose(other.forward(qpos)[1], robot.forward(qpos)[1], atol=1e-15)


class TestOtherFacts:
    def test_base_pose_moves_everything(self, robot: Robot, folder: Path):
        edit(folder / "robot.toml", "quat_wxyz = [1.0, 0.0, 0.0, 0.0]", "quat_wxyz = [0, 0, 0, 1]")
        qpos = np.random.default_rng(3).uniform(robot.lower, robot.upper, (5, 50))
        for found, wanted in zip(
            Robot.load(folder).forward(qpos), robot.forward(qpos), strict=True
        ):
            points = (
                (found[..., :3, 3], wanted[..., :3, 3]) if found.shape[-1] == 4 else (found, wanted)
            )
            np.testing.assert_allclose(points[0], points[1] * [-1, -1, 1], atol=1e-14)

    def test_a_passive_joints_limit_narrows_the_active_one(self, folder: Path):
        edit(folder / "h1_inspire.urdf", 'upper="1.2"', 'upper="0.6"')  # the left thumb's end joint
        lower, upper = Robot.load(folder).hand_limits("left")
        assert upper[5] == 0.25
        assert lower[5] == 0.0


class TestBadFiles:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('name = "h1_inspire"', "", "key `name` is missing"),
            ('name = "h1_inspire"', "name = 3", "key `name` must be a non-empty string, got 3"),
            ('urdf = "h1_inspire.urdf"', 'urdf = "gone.urdf"', "gone.urdf: no such file"),
            ("joint_names = [", "joint_order = [", "key `joint_order` is not a known key"),
            ('"left_knee_joint"', '"left_nee_joint"', "has no movable joint 'left_nee_joint'"),
            ('"left_knee_joint"', '"right_knee_joint"', "twice: right_knee_joint"),
            ('"left_knee_joint"', '"torso_joint"', "key `held.torso_joint` is also in joint_names"),
            ("torso_joint = 0.0", "waist = 0.3", "has no movable joint 'waist' to hold at 0.3"),
            ("torso_joint = 0.0", 'torso_joint = "0"', "key `held.torso_joint` must be a number"),
            ('link = "pelvis"', 'link = "hips"', "has no link 'hips'"),
            ("position = [0.0, 0.0, 1.05]", "position = [0, 1.05]", "`base.position` must hold 3"),
            ("1.05]", "inf]", "key `base.position` must hold 3 finite numbers"),
            ("quat_wxyz = [1.0,", "quat_wxyz = [2.0,", "key `base.quat_wxyz` must have length 1"),
            ("default = 30.0", "default = -1", "key `rates.default` must be a positive number"),
            ("fx = 488.6662", "", "key `cameras.main.fx` is missing"),
            ("[sides.left]", "[sides.port]", "key `sides.port` is not a known key"),
            ('"L_hand_base_link"', '"L_palm"', "has no link 'L_palm'"),
            ('thumb = "L_thumb_tip"', "", "key `sides.left.fingertip_frames.thumb` is missing"),
            ('thumb = "L_thumb_tip"', 'big = "L_thumb_tip"', "frames.big` is not a known"),
            ('"left_wrist_pitch_joint", "left_wrist_yaw_joint",\n]',
             '"left_wrist_pitch_joint",\n]', "key `sides.left.arm_posture` must hold 6"),
            ("= [0.22, 0.06", "= [0.22, -0.5", "key `sides.left.arm_posture` leaves"),
            ('"L_thumb_intermediate_joint", "L_thumb_distal_joint",\n]',
             '"L_thumb_intermediate_joint",\n]', "`sides.left.mimic.L_thumb_distal_joint` is not"),
            ("L_ring_intermediate_joint = {", "# ", "'L_ring_intermediate_joint', which is nei"),
            ("L_ring_intermediate_joint = {", "L_ring_proximal_joint = {", "is both active and in"),
            ('"L_ring_proximal_joint", "L_thumb_proximal_yaw_joint", "L_thumb_p',
             '"L_thumb_proximal_yaw_joint", "L_thumb_p', "'L_ring_proximal_joint', which is nei"),
            ('{ joint = "L_ring_proximal_joint", multiplier = 1.0 }', "{ multiplier = 1.0 }",
             "key `sides.left.mimic.L_ring_intermediate_joint.joint` is missing"),
            ("multiplier = 1.6", "multiplier = 1.5", "mimics 1.6 * L_thumb_proximal_pitch_joint"),
            ("multiplier = 1.6", "multiplier = 0", "multiplier` must not be 0"),
            ("wrist_to_mano = [[0, 1", "wrist_to_mano = [[0, 2", "must be a rotation matrix"),
            ("[-1, 0, 0]", "[1, 0, 0]", "key `sides.left.wrist_to_mano` must be a rotation matrix"),
            ('"L_index_proximal_joint", "L_thumb_proximal_pitch_joint",',
             '"L_thumb_proximal_pitch_joint",', "key `sides.left.command.joints` must name"),
            ("closed = [1.7, 1.7,", "closed = [0.0, 1.7,", "`sides.left.command.closed` must dif"),
            ('index = "L_index_tip"', 'index = "L_thumb_tip"',
             "`sides.left.fingertip_frames.index` names 'L_thumb_tip', which is the thumb's"),
            ('"right_shoulder_pitch_joint", "right_shoulder_roll_joint",',
             '"left_shoulder_pitch_joint", "right_shoulder_roll_joint",',
             "right.arm_joints` names 'left_shoulder_pitch_joint', which is the left side's"),
            ('"left_wrist_pitch_joint", "left_wrist_yaw_joint",\n]',
             '"left_wrist_pitch_joint", "left_hip_yaw_joint",\n]',
             "names 'left_hip_yaw_joint', which does not move the wrist frame 'L_hand_base_link'"),
            ('"left_elbow_roll_joint",\n    "left_wrist_pitch_joint"', '"left_wrist_pitch_joint"',
             "`sides.left.arm_posture` must hold 6"),
        ],
    )  # fmt: skip
    def test_each_mistake_in_the_facts_is_named(self, folder: Path, old: str, new: str, says: str):
        edit(folder / "robot.toml", old, new)
        with pytest.raises(ModelError) as caught:
            Robot.load(folder)
        assert says in str(caught.value)
        assert str(folder) in str(caught.value)

    def test_an_arm_is_a_chain_of_its_joints(self, folder: Path):
        for side, posture in (("left", "0.12, -0.50, -0.71"), ("right", "0.12, -0.50, 0.71")):
            edit(folder / "robot.toml", f'"{side}_elbow_roll_joint",\n    ', "")
            edit(folder / "robot.toml", posture, "0.12, -0.50")
        with pytest.raises(ModelError, match=r"lacks 'left_elbow_roll_joint', which moves"):
            Robot.load(folder)

    def test_a_joint_of_an_arm_that_slides_is_refused(self, folder: Path):
        urdf = folder / "h1_inspire.urdf"
        text = urdf.read_text(encoding="utf-8")
        start = text.index('<joint name="left_elbow_roll_joint" type="revolute">')
        urdf.write_text(text[:start] + text[start:].replace("revolute", "prismatic", 1))
        with pytest.raises(ModelError, match="names 'left_elbow_roll_joint', which slides"):
            Robot.load(folder)

    def test_both_sides_must_have_as_many_joints(self, folder: Path):
        edit(
            folder / "robot.toml", '    "right_wrist_pitch_joint", "right_wrist_yaw_joint",\n]', "]"
        )
        edit(folder / "robot.toml", "0.22, -0.06, 0.12, -0.50, 0.71, -0.06, 0.0]", "0, 0, 0, 0, 0]")
        with pytest.raises(ModelError, match="as many names as the left's: 7, not 5"):
            Robot.load(folder)

    def test_passive_joints_need_a_common_range(self, folder: Path):
        edit(folder / "h1_inspire.urdf", 'lower="0" upper="1.2"', 'lower="1.3" upper="1.4"')
        with pytest.raises(ModelError, match="'L_thumb_proximal_pitch_joint' and those that mimic"):
            Robot.load(folder)

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"name = ", "is not valid TOML"),
            (b"\xff\xfe", "cannot be read"),
            (b"", "is missing"),
        ],
    )
    def test_a_file_that_is_no_toml(self, folder: Path, content: bytes, says: str):
        (folder / "robot.toml").write_bytes(content)
        with pytest.raises(ModelError, match=says):
            Robot.load(folder)

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"<robot", "is not valid XML"),
            (b"", "is not valid XML"),
            (b"<robot name='x'></robot>", "has no links|is no URDF"),
            (b"<html></html>", "has no links|is no URDF"),
        ],
    )
    def test_a_file_that_is_no_urdf(self, folder: Path, content: bytes, says: str):
        path = folder / "h1_inspire.urdf"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=says):
            Robot.load(folder)

    def test_a_mimic_tag_that_is_no_number(self, folder: Path):
        edit(folder / "h1_inspire.urdf", 'multiplier="1.6"', 'multiplier="x"')
        with pytest.raises(ModelError, match="'L_thumb_intermediate_joint' has a mimic tag"):
            Robot.load(folder)

    def test_the_file_stands_for_its_folder(self, robot: Robot, folder: Path):
        assert Robot.load(folder / "robot.toml").path == folder
        assert Robot.load(str(folder / "robot.toml")).hash == robot.hash

    def test_an_unknown_robot(self, tmp_path: Path):
        with pytest.raises(
            ModelError, match=r"no robot of that name; the library has: .*h1_inspire"
        ):
            Robot.load("h2")
        with pytest.raises(ModelError, match=r"no robot\.toml there"):
            Robot.load(tmp_path)


class TestCalibration:
    def test_none_without_the_file(self, folder: Path):
        (folder / "calibration.toml").unlink()
        for side in Robot.load(folder).sides:
            assert side.calibration is None
            assert side.calibration_hand is None

    def test_comes_back_exactly(self, folder: Path):
        rng = np.random.default_rng(7)
        made = [
            Calibration(rng.uniform(1, 2), rng.normal(size=3), rng.normal(size=3)) for _ in SIDES
        ]
        save_calibration(folder / "calibration.toml", "0123456789abcdef", made)
        for side, wanted in zip(Robot.load(folder).sides, made, strict=True):
            assert side.calibration is not None
            assert side.calibration_hand == "0123456789abcdef"
            assert side.calibration.scale == wanted.scale
            np.testing.assert_array_equal(side.calibration.rotation, wanted.rotation)
            np.testing.assert_array_equal(side.calibration.translation, wanted.translation)

    def test_what_ships_is_a_plausible_similarity(self):
        found = load_calibration(FOLDER / "calibration.toml")
        assert found is not None
        for _, calibration in found:
            assert 1.0 < calibration.scale < 1.6
            assert np.linalg.norm(calibration.rotation) < 0.3
            assert np.linalg.norm(calibration.translation) < 0.06

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("hand = ", "model = ", "key `left.model` is not a known key"),
            ("scale = 1", "scale = -1", "key `left.scale` must be a positive number"),
            ("rotation = [", "rotation = [0.1, ", "key `left.rotation` must hold 3 finite numbers"),
            ("[right]", "[write]", "key `write` is not a known key"),
        ],
    )
    def test_mistakes_are_named(self, folder: Path, old: str, new: str, says: str):
        edit(folder / "calibration.toml", old, new)
        with pytest.raises(ModelError) as caught:
            Robot.load(folder)
        assert says in str(caught.value)

    def test_a_place_that_cannot_be_written(self, tmp_path: Path):
        with pytest.raises(FileError, match="cannot be written"):
            save_calibration(tmp_path / "no" / "such" / "x.toml", "h", [Calibration(1.0)] * 2)


def test_importing_the_module_does_not_load_pinocchio():
    code = "import retarget.robot.robot, sys; print('pinocchio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
