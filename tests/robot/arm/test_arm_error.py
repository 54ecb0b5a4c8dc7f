"""Chains and the reference's kinematics: against Pinocchio, geometry, finite differences."""

from __future__ import annotations

import numpy as np
import pinocchio as pin
import pytest
from arm_reference import WantedPoses, rotation_error
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import InputError
from retarget.core.geometry import rotation_angle, rotation_from_rotvec
from retarget.core.types import SIDES
from retarget.robot.arm.chain import Chain
from retarget.robot.kinematics import Kinematics
from retarget.robot.robot import Robot

SIDE = pytest.mark.parametrize("side", SIDES)
WEIGHT = 0.15


def chain_of(robot: Robot, side: str) -> Chain:
    rows = robot.indices(robot.side(side).arm_joints)
    return Chain.from_kinematics(robot.arm_kinematics(side), robot.lower[rows], robot.upper[rows])


def uniform(chain: Chain, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(chain.lower, chain.upper, (count, chain.size))


@SIDE
def test_wrist_and_its_motion_are_pinocchios(robot: Robot, side: str):
    chain, arm = chain_of(robot, side), robot.side(side)
    data, frame = robot.model.createData(), robot.model.getFrameId(arm.wrist_frame)
    ids = [robot.model.joints[robot.model.getJointId(name)] for name in arm.arm_joints]
    joints = uniform(chain, 100)
    error = WantedPoses(chain, np.tile(np.eye(4), (100, 1, 1)), WEIGHT).at(
        joints / chain.half_range
    )
    motion = error.jacobian / chain.half_range[:, None] / np.repeat([1.0, WEIGHT], 3)
    for k, q in enumerate(joints):
        whole = pin.neutral(robot.model)
        whole[[joint.idx_q for joint in ids]] = q
        pin.computeJointJacobians(robot.model, data, whole)
        pin.updateFramePlacements(robot.model, data)
        placement = data.oMf[frame].homogeneous
        wanted = pin.getFrameJacobian(robot.model, data, frame, pin.LOCAL_WORLD_ALIGNED)
        np.testing.assert_allclose(chain.forward(q), placement, atol=1e-12)
        np.testing.assert_allclose(motion[k].T, wanted[:, [j.idx_v for j in ids]], atol=1e-12)


def test_gradient_and_hessian_are_those_of_the_error(robot: Robot):
    chain = chain_of(robot, "right")
    poses = WantedPoses(chain, chain.forward(uniform(chain, 100, 1)), WEIGHT)
    u, h = uniform(chain, 100, 2) / chain.half_range, 1e-6
    here = poses.at(u)
    steps = h * np.eye(chain.size)
    gradient = [(poses.at(u + d).cost - poses.at(u - d).cost) / (4 * h) for d in steps]
    hessian = [(poses.at(u + d).gradient - poses.at(u - d).gradient) / (2 * h) for d in steps]
    assert here.sizes[1].max() > 2.5  # the large angles are among them
    np.testing.assert_allclose(here.gradient, np.stack(gradient, -1), atol=1e-8)
    np.testing.assert_allclose(here.hessian, np.stack(hessian, -1), atol=1e-7)


def test_gauss_newton_is_the_hessian_where_the_pose_is_reached(robot: Robot):
    chain = chain_of(robot, "left")
    q = uniform(chain, 50)
    here = WantedPoses(chain, chain.forward(q), WEIGHT).at(q / chain.half_range)
    assert here.cost.max() < 1e-28
    np.testing.assert_allclose(here.normal, here.hessian, atol=1e-13)


axis = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(axis, st.one_of(st.floats(0, np.pi), st.floats(0, 1e-6).map(lambda x: np.pi - x)), axis)
def test_rotation_error_is_the_logarithm_up_to_180_degrees(direction, angle, base):
    turn = angle * np.array(direction) / np.linalg.norm(direction)
    target = rotation_from_rotvec(3.0 * np.array(base))
    rotation = rotation_from_rotvec(turn) @ target
    error = rotation_error(rotation, target)
    assert np.linalg.norm(error) == pytest.approx(rotation_angle(rotation, target), abs=1e-7)
    # at 180 degrees both signs of the axis are right
    np.testing.assert_allclose(rotation_from_rotvec(error) @ target, rotation, atol=1e-9)


def limits(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(n, -1.0), np.full(n, 1.0)


class TestChains:
    def test_order_must_be_from_base_to_wrist(self, robot: Robot):
        arm = robot.side("left")
        swapped = (arm.arm_joints[1], arm.arm_joints[0], *arm.arm_joints[2:])
        kinematics = Kinematics(robot.model, swapped, (arm.wrist_frame,))
        with pytest.raises(
            InputError, match="not in the order from the base to 'L_hand_base_link'"
        ):
            Chain.from_kinematics(kinematics, *limits(7))

    def test_a_joint_that_does_not_move_the_frame_is_named(self, robot: Robot):
        kinematics = Kinematics(robot.model, ("left_knee_joint",), ("R_hand_base_link",))
        with pytest.raises(InputError, match="'left_knee_joint' does not move 'R_hand_base_link'"):
            Chain.from_kinematics(kinematics, *limits(1))

    def test_prismatic_joints_are_refused(self):
        model = pin.Model()
        lift = model.addJoint(0, pin.JointModelPZ(), pin.SE3.Identity(), "lift")
        model.addFrame(pin.Frame("tip", lift, pin.SE3.Random(), pin.FrameType.OP_FRAME))
        with pytest.raises(InputError, match="'lift' is not revolute"):
            Chain.from_kinematics(Kinematics(model, ("lift",), ("tip",)), *limits(1))

    def test_a_joint_needs_a_range(self, robot: Robot):
        arm = robot.side("left")
        kinematics = Kinematics(robot.model, arm.arm_joints, (arm.wrist_frame,))
        with pytest.raises(InputError, match="'left_shoulder_pitch_joint' has no range"):
            Chain.from_kinematics(kinematics, np.ones(7), np.ones(7))

    def test_the_number_of_joints_is_limited(self, robot: Robot):
        kinematics = Kinematics(robot.model, robot.joint_names[:13], ("R_hand_base_link",))
        with pytest.raises(InputError, match="1 to 12 joints, got 13"):
            Chain.from_kinematics(kinematics, *limits(13))
