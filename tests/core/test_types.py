"""Tests of `retarget.core.types`: sides by name and by number."""

from __future__ import annotations

import numpy as np
import pytest

from retarget import Robot
from retarget.core.errors import InputError
from retarget.core.types import side_index
from retarget.human.hand_model import load_hand


@pytest.mark.parametrize(("side", "index"), [("left", 0), ("right", 1), (0, 0), (np.int64(1), 1)])
def test_a_side_goes_by_name_or_number(robot: Robot, side: str | int, index: int) -> None:
    assert side_index(side) == index
    assert robot.side(side) is robot.sides[index]
    assert load_hand(side).side == robot.sides[index].side
    low, high = robot.hand_limits(side)
    active = np.linspace(low, high, 3)
    np.testing.assert_array_equal(robot.hand_tips(side, active), robot.hand_tips(index, active))


@pytest.mark.parametrize("side", [-1, 2, True, 0.0, "Left", None])
def test_what_is_no_side_is_refused(robot: Robot, side: object) -> None:
    said = "side must be 'left', 'right', 0 or 1, got"
    for call in (
        side_index,
        robot.side,
        robot.hand_limits,
        robot.hand_kinematics,
        robot.arm_kinematics,
        load_hand,
        lambda s: robot.hand_tips(s, np.zeros(6)),
    ):
        with pytest.raises(InputError, match=said):
            call(side)  # type: ignore[arg-type]
