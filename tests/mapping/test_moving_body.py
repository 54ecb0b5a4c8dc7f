"""A waist that moves: arms are solved from where their base is, and judged by the whole robot."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget.actions import Action
from retarget.core.errors import InputError
from retarget.core.geometry import lengths, rotation_angle
from retarget.core.resources import resource
from retarget.core.types import Demo, FloatArray, Status
from retarget.data.demo.writer import demo_from_joints
from retarget.data.generate.make_demo import make_demo
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.live.teleop import Teleop
from retarget.mapping.hand_frame import human_wrists
from retarget.mapping.retargeter import Retargeter
from retarget.robot.robot import Robot

WAIST = "torso_joint"
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def retargeter(tmp_path_factory: pytest.TempPathFactory) -> Retargeter:
    """H1 with its torso among the joints that recordings have."""
    folder = tmp_path_factory.mktemp("waist") / "h1_waist"
    shutil.copytree(resource("robots", "h1_inspire"), folder)
    toml = folder / "robot.toml"
    text = toml.read_text(encoding="utf-8").replace(f"{WAIST} = 0.0", "")
    start = text.index("joint_names = [") + len("joint_names = [")
    end = text.index("]", start)
    toml.write_text(f'{text[:end]}"{WAIST}",\n{text[end:]}', encoding="utf-8")
    return Retargeter(Robot.load(folder))


@pytest.fixture(scope="module")
def still(retargeter: Retargeter) -> Demo:
    return make_demo(frames=60, robot=retargeter.robot)


def turned(robot: Robot, demo: Demo, waist: FloatArray) -> Demo:
    """The same arms on a body that turns."""
    qpos = demo.qpos.copy()
    qpos[:, robot.indices([WAIST])[0]] = waist
    return demo_from_joints(robot, qpos, valid=demo.valid, rate=demo.rate)


def standing(robot: Robot, angle: float) -> FloatArray:
    """Joints (n,) with the arms at their postures and the waist turned [rad]."""
    qpos = np.zeros(len(robot.joint_names))
    for side in robot.sides:
        qpos[robot.indices(side.arm_joints)] = side.arm_posture
    qpos = np.clip(qpos, robot.lower, robot.upper)
    qpos[robot.indices([WAIST])[0]] = angle
    return qpos


def test_a_turned_waist_takes_the_wrists_along(retargeter: Retargeter, still: Demo) -> None:
    robot = retargeter.robot
    waist = 0.3 * np.sin(np.linspace(0.0, 6.0, still.frames))
    demo = turned(robot, still, waist)
    assert lengths(demo.T_world_wrist[..., :3, 3] - still.T_world_wrist[..., :3, 3]).max() > 0.05
    trip = retargeter.round_trip(demo)
    np.testing.assert_array_equal(trip.robot.joint(WAIST), waist)
    reached = robot.forward(trip.robot.qpos)[0]
    off = lengths(reached[..., :3, 3] - demo.T_world_wrist[..., :3, 3])
    turn = rotation_angle(reached[..., :3, :3], demo.T_world_wrist[..., :3, :3])
    assert off.max() <= 1e-9
    assert turn.max() <= 1e-9
    np.testing.assert_allclose(trip.wrist_position_error_m, off, atol=1e-15)
    np.testing.assert_allclose(trip.wrist_rotation_error_rad, turn, atol=1e-15)


@given(seed=seeds)
def test_errors_are_those_of_the_joints_returned(
    retargeter: Retargeter, still: Demo, seed: int
) -> None:
    """Wherever the body is, reached or not, no error is smaller than what the joints do."""
    robot, rng = retargeter.robot, np.random.default_rng(seed)
    demo = turned(robot, still, rng.uniform(-1.5, 1.5) * rng.random(still.frames))
    wrists = demo.T_world_wrist.copy()
    wrists[::7, :, :3, 3] += rng.normal(scale=0.3, size=(len(wrists[::7]), 2, 3))
    demo = Demo(
        qpos=demo.qpos,
        T_world_wrist=wrists,
        fingertips=demo.fingertips + (wrists - demo.T_world_wrist)[..., None, :3, 3],
        valid=demo.valid,
        rate=demo.rate,
    )
    trip = retargeter.round_trip(demo)
    reached = robot.forward(trip.robot.qpos)[0]
    off = lengths(reached[..., :3, 3] - wrists[..., :3, 3])
    np.testing.assert_allclose(trip.wrist_position_error_m, off, atol=1e-9)
    fine = trip.arm_status <= int(Status.AT_LIMIT)
    assert off[fine].max(initial=0.0) <= 1e-6


def test_a_body_at_rest_changes_nothing(retargeter: Retargeter, still: Demo) -> None:
    trip = retargeter.round_trip(still)
    assert retargeter.robot.arm_bases_moved(still.qpos) is None
    assert trip.wrist_position_error_m.max() <= 1e-9


def test_a_body_of_another_shape_is_refused(retargeter: Retargeter, still: Demo) -> None:
    human = retargeter.to_human(still)
    with pytest.raises(InputError, match="body must have shape"):
        retargeter.to_robot(human, body=still.qpos[:3])


@pytest.mark.parametrize("angle", [0.0, 0.3, -0.3])
def test_commands_know_where_the_waist_stands(retargeter: Retargeter, angle: float) -> None:
    """A policy's wrist in the world is reached from any measured waist."""
    robot = retargeter.robot
    qpos = standing(robot, angle)
    start = robot.forward(qpos)[0]
    wanted = start.copy()
    wanted[:, :3, 3] += [0.03, 0.0, 0.04]
    human = human_wrists(robot, wanted)
    action = Action(
        human[:, :3, 3], np.zeros((2, 15)), human[:, :3, :3], np.full(2, int(Status.OK))
    )
    controller = retargeter.controller(camera=None, rate=30.0)
    for _ in range(120):
        command = controller.step(action, qpos)
    reached = robot.forward(command.qpos)[0]
    assert command.qpos[robot.indices([WAIST])[0]] == angle
    assert lengths(reached[:, :3, 3] - wanted[:, :3, 3]).max() <= 1e-4
    assert max(command.lag_m) <= 1e-4


@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_live_hands_begin_where_the_waist_stands(retargeter: Retargeter, angle: float) -> None:
    robot = retargeter.robot
    qpos = standing(robot, angle)
    start = human_wrists(robot, robot.forward(qpos)[0])
    points = KeypointFitter().placed(np.zeros((2, 15)), start)
    live = Teleop(robot)
    for _ in range(90):
        command = live.step(points, qpos)
    moved = robot.forward(command.qpos)[0][:, :3, 3] - robot.forward(qpos)[0][:, :3, 3]
    assert lengths(moved).max() <= 0.01  # the wrists turn to the person's, and stay where they are
