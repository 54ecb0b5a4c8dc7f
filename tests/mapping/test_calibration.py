"""The calibration is a minimum, is stored exactly, and is the one the shipped file holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.geometry import rotation_angle, rotation_from_rotvec, rotvec_from_rotation
from retarget.core.types import SIDES, Calibration
from retarget.human.hand_model import hands_hash, load_hands
from retarget.mapping.calibration import _Objective, calibrate, nearest_axes, right_angle_rotations
from retarget.robot.robot import Robot
from retarget.robot.spec import load_calibration, save_calibration


def moved(c: Calibration, step: np.ndarray) -> Calibration:
    R = rotation_from_rotvec(step[1:4]) @ rotation_from_rotvec(c.rotation)
    return Calibration(c.scale * np.exp(step[0]), rotvec_from_rotation(R), c.translation + step[4:])


def objective(robot: Robot, side: int, count: int) -> _Objective:
    lower, upper = robot.hand_limits(side)
    q = np.random.default_rng(1).uniform(lower, upper, size=(count, 6))
    return _Objective(robot, load_hands(), side, robot.hand_tips(side, q), 15, 1e-6)


def test_gradient_is_that_of_the_cost(robot: Robot) -> None:
    """Finite differences through whole fits: the pose coefficients follow, and drop out."""
    cost = objective(robot, 1, 40)
    here = Calibration(1.2, np.array([0.1, -0.05, 0.02]), np.array([0.02, -0.01, 0.005]))
    steps = 1e-5 * np.eye(7)
    slope = [(cost(moved(here, s)).cost - cost(moved(here, -s)).cost) / 2e-5 for s in steps]
    # half the cost's slope is the residuals' times the Jacobian
    np.testing.assert_allclose(2.0 * cost(here).gradient, slope, rtol=1e-4, atol=1e-9)


def test_finds_a_minimum(robot: Robot) -> None:
    found = calibrate(robot.name, load_hands(), samples=60)
    rng = np.random.default_rng(0)
    tips = []
    for side in SIDES:
        lower, upper = robot.hand_limits(side)
        tips.append(robot.hand_tips(side, rng.uniform(lower, upper, size=(60, 6))))
    for side, calibration in enumerate(found):
        cost = _Objective(robot, load_hands(), side, tips[side], 15, 1e-6)
        best = cost(calibration).cost
        size = np.array([0.02, 0.02, 0.02, 0.02, 1e-3, 1e-3, 1e-3])
        for sign in (-1.0, 1.0):
            for step in sign * np.diag(size):
                assert cost(moved(calibration, step)).cost > best


@pytest.mark.parametrize("axis", [(0.5, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_a_wrong_wrist_to_mano_is_turned_back(robot: Robot, axis: tuple[float, ...]) -> None:
    """From its own start the search ends in a bad minimum after a half turn about y or z.

    Its small rotation would not have shown it, either.
    """
    turn = rotation_from_rotvec(np.pi * np.array(axis))
    sides = [replace(side, wrist_to_mano=side.wrist_to_mano @ turn) for side in robot.sides]
    wrong = replace(robot, sides=tuple(sides))
    found = calibrate(wrong, load_hands(), samples=30)
    right = calibrate(robot, load_hands(), samples=30)
    for side, ours, theirs in zip(SIDES, found, right, strict=True):
        assert ours.scale == pytest.approx(theirs.scale, rel=1e-3)
        angle = np.linalg.norm(ours.rotation)
        assert angle == pytest.approx(np.pi * np.linalg.norm(axis), abs=0.2)
        axes = nearest_axes(wrong.side(side).wrist_to_mano, ours)
        np.testing.assert_array_equal(axes, robot.side(side).wrist_to_mano)


@given(seed=st.integers(0, 2**32 - 1), turn=st.integers(0, 23))
def test_the_nearest_axes_leave_the_least_turn(seed: int, turn: int) -> None:
    """Whatever the rotation found, no other right-angled matrix leaves less of a turn."""
    rng = np.random.default_rng(seed)
    rotation = rotation_from_rotvec(rng.normal(size=3))
    axes = right_angle_rotations()[turn]
    found = Calibration(1.0, rotvec_from_rotation(rotation))
    nearest = nearest_axes(axes, found)

    def left(other: np.ndarray) -> float:
        return float(rotation_angle(other, axes @ rotation.T))

    assert left(nearest) <= min(left(other) for other in right_angle_rotations()) + 1e-9
    np.testing.assert_array_equal(nearest_axes(axes, Calibration(1.0)), axes)


def test_right_angle_rotations_are_a_group() -> None:
    rotations = right_angle_rotations()
    assert rotations.shape == (24, 3, 3)
    np.testing.assert_array_equal(rotations[0], np.eye(3))
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    members = {tuple(R.ravel()) for R in rotations}
    assert len(members) == 24
    assert {tuple((a @ b).ravel()) for a in rotations for b in rotations} == members


def test_shipped_calibration_is_for_the_shipped_hand_and_is_good(robot: Robot) -> None:
    hands = load_hands()
    for side in robot.sides:
        assert side.calibration_hand == hands_hash(hands)
        assert side.calibration is not None
        cost = objective(robot, side.index, 200)
        # nearly mirrored robot hands, nearly mirrored calibrations, a fit of a fraction of a mm
        assert 2.5e-5 > cost(side.calibration).cost > 0.0
    left, right = (side.calibration for side in robot.sides)
    assert left is not None
    assert right is not None
    assert abs(left.scale - right.scale) < 0.02
    np.testing.assert_allclose(left.translation * [-1, 1, 1], right.translation, atol=2e-3)


def test_file_keeps_every_digit(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pair = [Calibration(float(1 / 3 + k), rng.normal(size=3), rng.normal(size=3)) for k in (0, 1)]
    path = tmp_path / "calibration.toml"
    save_calibration(path, "cafe", pair)
    back = load_calibration(path)
    assert back is not None
    for (hand, c), wanted in zip(back, pair, strict=True):
        assert hand == "cafe"
        assert c.scale == wanted.scale
        np.testing.assert_array_equal(c.rotation, wanted.rotation)
        np.testing.assert_array_equal(c.translation, wanted.translation)
