"""The mistakes of the released EgoVLA code that must not come back, each with its own test."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from action_values import SEEDS, close, random_action, random_rotations, random_transforms
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from retarget import Retargeter
from retarget.actions import (
    Action,
    Normalization,
    action,
    action_from_motion,
    make_chunks,
    make_label,
    motion_from_action,
    pack,
    to_camera,
    unpack,
)
from retarget.actions.ensembler import ChunkEnsembler
from retarget.control.action_feed import standing
from retarget.core.errors import InputError
from retarget.core.geometry import (
    pose_wxyz_from_transform,
    rotation_angle,
    rotation_from_rotvec,
    transform,
    transform_from_pose_wxyz,
)
from retarget.core.types import HumanMotion
from retarget.learn.losses import action_loss
from retarget.mapping.hand_frame import human_wrists, robot_wrists
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

PUBLISHED_AXES = np.array([[[0, 1, 0], [-1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0], [0, 0, -1]]])


def motion_of(wrists: np.ndarray) -> HumanMotion:
    frames = len(wrists)
    return HumanMotion(
        pca=np.zeros((frames, 2, 15)),
        T_world_mano=wrists,
        residual=np.zeros((frames, 2, 5)),
        iterations=np.zeros((frames, 2), dtype=np.int64),
        status=np.zeros((frames, 2), dtype=np.int64),
        hand="",
    )


def test_1_the_left_wrist_has_its_own_axes(robot: Robot) -> None:
    """R_mano = R_ee A, A of its own side, all the way from robot wrists to actions and back."""
    robot_side = random_transforms(np.random.default_rng(0), (6, 2))
    T = robot.cameras["main"].T_camera_world
    vectors = pack(action_from_motion(motion_of(human_wrists(robot, robot_side)), T))
    seen = unpack(vectors)
    want = T[:3, :3] @ robot_side[..., :3, :3] @ PUBLISHED_AXES
    np.testing.assert_allclose(seen.rotation, want, atol=1e-12)
    # with the right hand's axes the left wrist would be half a turn off
    wrong = T[:3, :3] @ robot_side[:, 0, :3, :3] @ PUBLISHED_AXES[1]
    np.testing.assert_allclose(rotation_angle(seen.rotation[:, 0], wrong), np.pi, atol=1e-6)
    back = robot_wrists(robot, motion_from_action(seen, "", T).T_world_mano)
    np.testing.assert_allclose(back, robot_side, atol=1e-12)


def test_2_hands_are_not_normalised_twice() -> None:
    rule = Normalization.egovla()
    once = rule.apply(random_action(0, (4,)))
    with pytest.raises(InputError, match="normalised already"):
        rule.apply(once)
    with pytest.raises(InputError, match="normalised"):
        motion_from_action(once, "")
    with pytest.raises(InputError, match="normalised"):
        ChunkEnsembler().push(once, 0)


def changed(one: Action, hand: int) -> Action:
    """The same action with another pose and other coefficients of one hand."""
    other = random_action(99, one.shape)
    pick = (np.arange(2) == hand)[:, None]
    return action(
        np.where(pick, other.translation, one.translation),
        np.where(pick, other.pca, one.pca),
        np.where(pick[..., None], other.rotation, one.rotation),
    )


@pytest.mark.parametrize("hand", [0, 1])
def test_3_left_is_left_and_right_is_right(robot: Robot, hand: int) -> None:
    """What happens to one hand shows in that hand's numbers, and in no other's."""
    one = random_action(0, (4,))
    two = changed(one, hand)
    rule = Normalization.from_data(random_action(5, (30,)), fields=("pca", "translation"))

    def ensembled(given: Action) -> Action:
        ensembler = ChunkEnsembler(4)
        ensembler.push(given, 0)
        return ensembler.at(0).action

    for stage in (
        lambda x: x,
        lambda x: unpack(pack(x)),
        lambda x: to_camera(x, robot.cameras["main"].T_camera_world),
        lambda x: make_chunks(x, 3),
        lambda x: make_label(x, robot.cameras["main"]).action,
        rule.apply,
        ensembled,
    ):
        a, b = stage(one), stage(two)
        for name in ("translation", "pca", "rotation"):
            x, y = (getattr(part, name) for part in (a, b))
            axis = -3 if name == "rotation" else -2
            same = np.take(x, 1 - hand, axis=axis), np.take(y, 1 - hand, axis=axis)
            np.testing.assert_array_equal(*same)
            assert not np.array_equal(np.take(x, hand, axis=axis), np.take(y, hand, axis=axis))


def test_3_a_side_is_a_known_name_or_an_error(robot: Robot) -> None:
    for name in ("Left", "LEFT", "l", "", "both"):
        with pytest.raises(InputError):
            ArmIK(robot, name)
    left, right = ArmIK(robot, "left"), ArmIK(robot, "right")
    q = np.zeros(7)
    assert not np.allclose(left.forward(q), right.forward(q))


def test_4_no_hand_goes_unsupervised() -> None:
    label = unpack(torch.from_numpy(pack(random_action(1, (3,)))))
    for hand in range(2):
        rotation = label.rotation.clone()
        rotation[:, hand] = torch.from_numpy(random_rotations(np.random.default_rng(9), (3,)))
        wrong = action(label.translation, label.pca, rotation)
        assert float(action_loss(wrong, label).rotation) > 0
        mask = torch.zeros(3, 2)
        mask[:, 1 - hand] = 1
        assert float(action_loss(wrong, label, mask).rotation) == 0


def test_5_rotations_move_as_rotations() -> None:
    """A camera that turns by 10 degrees: 14 degrees of error where rows are taken for points."""
    turn = rotation_from_rotvec(np.radians([10.0, 0.0, 0.0]))
    wrist = rotation_from_rotvec(np.radians([0.0, 0.0, 90.0]))
    still = action(np.zeros((3, 2, 3)), np.zeros((3, 2, 15)), np.broadcast_to(wrist, (3, 2, 3, 3)))
    cameras = transform(np.stack([np.eye(3), turn, turn @ turn]), np.zeros(3))  # world from camera
    label = make_chunks(still, 1, T_world_camera=cameras)
    for t in range(3):
        back = cameras[t, :3, :3] @ label.rotation[t, 0]
        np.testing.assert_allclose(rotation_angle(back, wrist), 0.0, atol=1e-12)
    as_points = wrist @ turn  # each row of the wrist's matrix turned by the camera's inverse
    error = np.degrees(rotation_angle(label.rotation[1, 0, 0], as_points))
    assert error == pytest.approx(14.1, abs=0.1)


def test_6_quaternion_signs_do_not_matter() -> None:
    """Two chunks that agree but for the sign of their quaternions agree."""
    quat = Rotation.from_rotvec([0.0, 3.0, 0.0]).as_quat()
    ensembler = ChunkEnsembler(4)
    for step, sign in enumerate((1.0, -1.0)):
        R = Rotation.from_quat(sign * quat).as_matrix()
        rows = np.broadcast_to(R, (4, 2, 3, 3))
        ensembler.push(action(np.zeros((4, 2, 3)), np.zeros((4, 2, 15)), rows), step)
    found = ensembler.at(1).rotation
    np.testing.assert_allclose(found, [Rotation.from_quat(quat).as_matrix()] * 2, atol=1e-12)


def test_7_quaternions_are_scalar_first() -> None:
    """The recorded order w x y z, against scipy's x y z w."""
    rng = np.random.default_rng(0)
    T = random_transforms(rng, (20,))
    rows = pose_wxyz_from_transform(T)
    x, y, z, w = Rotation.from_matrix(T[:, :3, :3]).as_quat().T
    same = np.abs((rows[:, 3:] * np.stack([w, x, y, z], axis=-1)).sum(axis=-1))
    np.testing.assert_allclose(same, 1.0, atol=1e-12)
    close_to = transform_from_pose_wxyz(rows)
    np.testing.assert_allclose(close_to, T, atol=1e-9)
    np.testing.assert_array_equal(pose_wxyz_from_transform(np.eye(4)), [0, 0, 0, 1, 0, 0, 0])


def test_8_nothing_is_read_at_import() -> None:
    """Importing opens code and nothing else: no model, no robot, no weights."""
    code = """
import sys, numpy, h5py, torch, pinocchio, scipy.spatial
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import retarget.actions, retarget.actions.ensembler
import retarget.data.action_file, retarget.data.convert
import retarget.learn.losses, retarget.human.keypoints, retarget.mapping.retargeter
print("\\n".join(opened))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    read = [name for name in done.stdout.splitlines() if name and not name.isdigit()]
    assert any("losses" in name for name in read)
    strange = [name for name in read if not name.endswith((".py", ".pyc", ".so"))]
    assert not [name for name in strange if ".pyc" not in name], strange


@given(SEEDS, st.floats(0.0, 8.0))
def test_9_joints_are_within_their_limits(seed: int, decades: float) -> None:
    """Whatever coefficients are asked for, of hands alone and of commands, passive joints too."""
    rt, rng = retargeter(), np.random.default_rng(seed)
    pca = 10.0**decades * rng.normal(size=(4, 2, 15))
    joints = rt.hand_mlp.joints(pca)
    for side in range(2):
        lower, upper = rt.robot.hand_limits(side)
        assert ((lower <= joints[:, side]) & (joints[:, side] <= upper)).all()
    controller = rt.controller(camera=None, hand_velocity=100.0)
    qpos = standing(rt.robot)
    rows = np.concatenate(
        [rng.normal(size=(4, 6)), pca.reshape(4, -1), rng.normal(size=(4, 12))], axis=1
    )
    rows[0, 36:] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] * 2  # the first must be of the layout
    for row in rows:
        qpos = controller.step(row, qpos).qpos
        assert ((rt.robot.lower <= qpos) & (qpos <= rt.robot.upper)).all()


@cache
def retargeter() -> Retargeter:
    return Retargeter()


def test_actions_need_no_torch() -> None:
    code = (
        "import sys, numpy as np; from retarget.actions import pack, unpack; "
        "from retarget.actions.ensembler import ChunkEnsembler; e = ChunkEnsembler(); "
        "e.push(unpack(pack(unpack(np.random.rand(5, 48)))), 0); e.at(0); "
        "import retarget.data.action_file; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_helpers_tell_apart() -> None:
    """`close` can fail: the tests above lean on it."""
    with pytest.raises(AssertionError):
        close(random_action(0, (3,)), random_action(1, (3,)))
