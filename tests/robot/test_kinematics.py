"""Batched kinematics: laws, Pinocchio as the reference, finite differences, other joint kinds."""

from __future__ import annotations

import numpy as np
import pinocchio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import InputError
from retarget.core.geometry import transform_inverse
from retarget.robot.kinematics import Kinematics
from retarget.robot.robot import Robot

FRAMES = ("L_thumb_tip", "R_middle_tip", "R_hand_base_link", "left_ankle_roll_link", "pelvis")
BASES = (None, "L_hand_base_link", "right_elbow_roll_link")

# a slide, a turn without limits, a skew turn and a skew slide, branching, behind a held joint
MIXED = """
<robot name="mixed">
  <link name="root"/><link name="cart"/><link name="wheel"/><link name="arm"/><link name="rod"/>
  <link name="tool"/>
  <joint name="slide" type="prismatic"><parent link="root"/><child link="cart"/>
    <origin xyz="0.1 0.2 0.3" rpy="0.3 -0.2 0.1"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
  <joint name="spin" type="continuous"><parent link="cart"/><child link="wheel"/>
    <origin xyz="0 0 0.1" rpy="0 0.4 0"/><axis xyz="0 0 1"/>
    <limit effort="1" velocity="1"/></joint>
  <joint name="skew" type="revolute"><parent link="cart"/><child link="arm"/>
    <origin xyz="0.3 0 0" rpy="1 0.5 0"/><axis xyz="0.6 0 0.8"/>
    <limit lower="-2" upper="2" effort="1" velocity="1"/></joint>
  <joint name="reach" type="prismatic"><parent link="arm"/><child link="rod"/>
    <origin xyz="0 0.2 0" rpy="0 0 0.7"/><axis xyz="0.36 0.48 0.8"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
  <joint name="flange" type="fixed"><parent link="rod"/><child link="tool"/>
    <origin xyz="0.05 0 0.1" rpy="0.1 0.2 0.3"/></joint>
</robot>
"""


@pytest.fixture(scope="module")
def model():
    return Robot.load().model


@pytest.fixture(scope="module")
def joints(model):
    """All joints, in an order that is not the model's."""
    return tuple(np.random.default_rng(5).permutation(list(model.names)[1:]))


def sample(model, joints, count, seed=0):
    columns = [model.joints[model.getJointId(name)].idx_q for name in joints]
    lower, upper = model.lowerPositionLimit[columns], model.upperPositionLimit[columns]
    return np.random.default_rng(seed).uniform(lower, upper, (count, len(columns)))


def reference(model, joints, frames, base, q):
    """Pinocchio's poses (F, 4, 4) and Jacobians (F, 6, n) for one q, in the base frame."""
    data, full = model.createData(), pinocchio.neutral(model)
    for name, value in zip(joints, q, strict=True):
        joint = model.joints[model.getJointId(name)]
        full[joint.idx_q : joint.idx_q + joint.nq] = (
            value if joint.nq == 1 else (np.cos(value), np.sin(value))
        )
    pinocchio.computeJointJacobians(model, data, full)
    pinocchio.updateFramePlacements(model, data)
    columns = [model.joints[model.getJointId(name)].idx_v for name in joints]

    def at(name):
        i = model.getFrameId(name)
        world = pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED
        return data.oMf[i], pinocchio.getFrameJacobian(model, data, i, world)[:, columns]

    T_base, J_base = (pinocchio.SE3.Identity(), np.zeros((6, len(q)))) if not base else at(base)
    poses, jacobians = [], []
    for name in frames:
        T, J = at(name)
        lever = pinocchio.skew(T.translation - T_base.translation)
        linear = J[:3] - J_base[:3] + lever @ J_base[3:]  # v - v_b - w_b x (p - p_b)
        turn = T_base.rotation.T
        jacobians.append(np.vstack([turn @ linear, turn @ (J[3:] - J_base[3:])]))
        poses.append((T_base.inverse() * T).homogeneous)
    return np.array(poses), np.array(jacobians)


@pytest.mark.parametrize("base", BASES)
def test_poses_and_jacobians_are_pinocchios(model, joints, base):
    kinematics = Kinematics(model, joints, FRAMES, base)
    q = sample(model, joints, 20)
    poses, jacobians = kinematics.forward(q), kinematics.jacobian(q)
    assert poses.shape == (20, 5, 4, 4)
    assert jacobians.shape == (20, 5, 6, 50)
    for k in range(20):
        wanted = reference(model, joints, FRAMES, base, q[k])
        np.testing.assert_allclose(poses[k], wanted[0], atol=1e-13)
        np.testing.assert_allclose(jacobians[k], wanted[1], atol=1e-13)
    np.testing.assert_array_equal(kinematics.positions(q), poses[..., :3, 3])


@pytest.mark.parametrize("base", [None, "wheel", "tool"])
def test_slides_and_endless_joints_are_taken_too(base):
    mixed = pinocchio.buildModelFromXML(MIXED)
    joints, frames = ("reach", "spin", "slide", "skew"), ("tool", "wheel", "cart", "root")
    kinematics = Kinematics(mixed, joints, frames, base)
    q = np.random.default_rng(1).uniform(-1, 1, (10, 4)) * [1, 9, 1, 2]
    for k in range(10):
        wanted = reference(mixed, joints, frames, base, q[k])
        np.testing.assert_allclose(kinematics.forward(q[k]), wanted[0], atol=1e-13)
        np.testing.assert_allclose(kinematics.jacobian(q[k]), wanted[1], atol=1e-13)


@pytest.mark.parametrize("base", BASES)
def test_jacobian_is_the_derivative_of_forward(model, joints, base):
    kinematics = Kinematics(model, joints, FRAMES, base)
    q, step = sample(model, joints, 1)[0], 1e-6
    steps = step * np.eye(50)
    ahead, behind = kinematics.forward(q + steps), kinematics.forward(q - steps)
    slope = (ahead - behind) / (2 * step)  # (n, F, 4, 4)
    jacobian = kinematics.jacobian(q)
    np.testing.assert_allclose(jacobian[:, :3], np.moveaxis(slope[..., :3, 3], 0, -1), atol=1e-8)
    spin = slope[..., :3, :3] @ np.swapaxes(kinematics.forward(q)[..., :3, :3], -1, -2)
    angular = np.stack([spin[..., 2, 1], spin[..., 0, 2], spin[..., 1, 0]])  # (3, n, F)
    np.testing.assert_allclose(jacobian[:, 3:], np.moveaxis(angular, -1, 0), atol=1e-8)


def test_batch_is_the_loop_in_any_shape(model, joints):
    kinematics = Kinematics(model, joints, FRAMES, base="L_hand_base_link")
    q = sample(model, joints, 6)
    kept = q.copy()
    for function in (kinematics.forward, kinematics.positions, kinematics.jacobian):
        whole = function(q)
        loop = np.stack([function(row) for row in q])
        np.testing.assert_allclose(whole, loop, atol=1e-14)
        np.testing.assert_array_equal(function(q.reshape(2, 3, 50)).reshape(whole.shape), whole)
        assert function(q[:0]).shape == (0, *whole.shape[1:])
    np.testing.assert_array_equal(q, kept)


def test_large_batches_are_cut_in_blocks_without_a_seam(model):
    joints = [f"left_{name}_joint" for name in ("shoulder_pitch", "shoulder_roll", "elbow_pitch")]
    kinematics = Kinematics(model, joints, ("L_hand_base_link",))
    q = sample(model, joints, 10_000)
    pick = [0, 4095, 4096, 8191, 8192, 9999]
    np.testing.assert_allclose(kinematics.positions(q)[pick], kinematics.positions(q[pick]))
    np.testing.assert_allclose(kinematics.jacobian(q)[pick], kinematics.jacobian(q[pick]))


def test_joints_left_out_stay_at_zero(model):
    q = np.array([[0.3, -0.8]])
    some = Kinematics(model, ("left_shoulder_roll_joint", "left_elbow_pitch_joint"), FRAMES)
    every = Kinematics(model, list(model.names)[1:], FRAMES)
    full = np.zeros((1, every.dof))
    full[0, [every.joints.index(name) for name in some.joints]] = q
    np.testing.assert_allclose(some.forward(q), every.forward(full), atol=1e-15)


@given(seed=st.integers(0, 2**32 - 1), base=st.sampled_from(FRAMES))
def test_a_base_is_a_change_of_frame(model, joints, seed, base):
    q = sample(model, joints, 1, seed)[0]
    T_root_frame = Kinematics(model, joints, FRAMES).forward(q)
    T_base_frame = Kinematics(model, joints, FRAMES, base).forward(q)
    here = FRAMES.index(base)
    wanted = transform_inverse(T_root_frame[here]) @ T_root_frame
    np.testing.assert_allclose(T_base_frame, wanted, atol=1e-14)
    np.testing.assert_allclose(T_base_frame[here], np.eye(4), atol=1e-14)


def test_a_frame_does_not_move_in_its_own_base_nor_by_joints_below_it(model, joints):
    kinematics = Kinematics(model, joints, ("L_hand_base_link", "L_thumb_tip"), "L_hand_base_link")
    jacobian = kinematics.jacobian(sample(model, joints, 3))
    assert not jacobian[:, 0].any()
    moving = {joints[k] for k in np.flatnonzero(jacobian[:, 1].any(axis=(0, 1)))}
    assert moving == {name for name in joints if name.startswith("L_thumb")}


def test_mistakes_are_named(model):
    with pytest.raises(InputError, match="no joint named 'left_knee'"):
        Kinematics(model, ["left_knee"], FRAMES)
    with pytest.raises(InputError, match="no joint named 'universe'"):
        Kinematics(model, ["universe"], FRAMES)
    with pytest.raises(InputError, match="no frame named 'palm'"):
        Kinematics(model, ["left_knee_joint"], ["palm"])
    with pytest.raises(InputError, match="no frame named 'palm'"):
        Kinematics(model, ["left_knee_joint"], FRAMES, base="palm")
    with pytest.raises(InputError, match="joint named twice: left_knee_joint"):
        Kinematics(model, ["left_knee_joint", "left_knee_joint"], FRAMES)
    one = Kinematics(model, ["left_knee_joint"], FRAMES)
    for bad in (0.5, np.zeros(2), np.zeros((3, 2))):
        with pytest.raises(InputError, match=r"q must have shape \(\.\.\., 1\)"):
            one.forward(bad)


def test_a_joint_of_many_degrees_of_freedom_is_refused():
    floating = MIXED.replace('type="prismatic"', 'type="floating"', 1)
    with pytest.raises(InputError, match="'slide' has 6 degrees of freedom"):
        Kinematics(pinocchio.buildModelFromXML(floating), ["slide"], ["tool"])
