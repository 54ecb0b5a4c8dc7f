"""Hand commands: exact both ways, 1 is open, by name and in the controller's own order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import InputError
from retarget.robot.hand_command import HandCommands, from_hand_command, to_hand_command
from retarget.robot.robot import Robot


def ranges(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    limits = [robot.hand_limits(k) for k in range(2)]
    return np.stack([low for low, _ in limits]), np.stack([high for _, high in limits])


@given(st.integers(0, 2**32 - 1))
def test_joints_come_back_exactly(seed: int) -> None:
    robot = Robot.load()
    rng = np.random.default_rng(seed)
    lower, upper = ranges(robot)
    active = rng.uniform(lower, upper, (3, 2, 6))
    command = to_hand_command(robot, active)
    assert command.min() >= 0.0
    assert command.max() <= 1.0
    np.testing.assert_allclose(from_hand_command(robot, command), active, atol=1e-15)
    numbers = rng.uniform(0.0, 1.0, (2, 6))
    back = to_hand_command(robot, from_hand_command(robot, numbers))
    np.testing.assert_allclose(back, numbers, atol=1e-15)


def test_one_is_open_and_zero_is_closed_in_the_hands_own_order(robot: Robot) -> None:
    lower, upper = ranges(robot)
    np.testing.assert_array_equal(to_hand_command(robot, lower), np.ones((2, 6)))
    np.testing.assert_array_equal(to_hand_command(robot, upper), np.zeros((2, 6)))
    order = [name.split("_", 1)[1] for name in HandCommands(robot).joints[0]]
    assert order == [
        "pinky_proximal_joint",
        "ring_proximal_joint",
        "middle_proximal_joint",
        "index_proximal_joint",
        "thumb_proximal_pitch_joint",
        "thumb_proximal_yaw_joint",
    ]


def test_each_number_moves_its_joint_alone(robot: Robot) -> None:
    commands = HandCommands(robot)
    for h, side in enumerate(robot.sides):
        for k, joint in enumerate(commands.joints[h]):
            numbers = np.ones((2, 6))
            numbers[h, k] = 0.25
            moved = np.abs(commands.active(numbers) - commands.active(np.ones((2, 6)))) > 1e-9
            assert moved.sum() == 1
            assert moved[h, side.active_joints.index(joint)]


def test_qpos_gives_the_same_as_its_active_joints(robot: Robot) -> None:
    rng = np.random.default_rng(0)
    qpos = rng.uniform(robot.lower, robot.upper, (4, 50))
    active = np.stack([qpos[:, robot.indices(s.active_joints)] for s in robot.sides], axis=1)
    np.testing.assert_array_equal(to_hand_command(robot, qpos), to_hand_command(robot, active))


def test_what_is_no_command_is_refused(robot: Robot) -> None:
    assert np.isnan(to_hand_command(robot, np.full((2, 6), np.nan))).all()
    # a joint beyond its range counts as at its end
    assert to_hand_command(robot, np.full((2, 6), 9.0)).max() == 0.0
    for wrong in (np.full((2, 6), 1.1), np.full((2, 6), -0.1), np.zeros((2, 5)), np.zeros(6)):
        with pytest.raises(InputError, match="command"):
            from_hand_command(robot, wrong)
    with pytest.raises(InputError, match=r"active must have shape \(\.\.\., 2, 6\)"):
        to_hand_command(robot, np.zeros((3, 6)))


def test_a_robot_that_does_not_say_is_refused(robot: Robot) -> None:
    sides = tuple(replace(side, command=None) for side in robot.sides)
    with pytest.raises(InputError, match=r"sides\.left\.command"):
        HandCommands(replace(robot, sides=sides))  # type: ignore[arg-type]
