"""Out of reach the nearest pose is followed continuously, however the wrist moves there."""

from __future__ import annotations

import numpy as np
import pytest

from retarget import ArmIK, Robot, Status
from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import SIDES, FloatArray

RATE = 30.0
FRAMES, PATHS = 150, 20
FASTEST = 0.15  # of the wrists [m/s]
# what an arm may do then [rad/s]: a wrist 0.3 m from an axis turns that axis at 0.5 rad/s
SPEED = 10.0


def paths(arm: ArmIK, seed: int) -> FloatArray:
    """Smooth wrist paths (PATHS, FRAMES, 4, 4) about places beyond reach."""
    rng = np.random.default_rng(seed)
    t = np.arange(FRAMES) / RATE
    found = []
    for q in rng.uniform(arm.lower, arm.upper, (PATHS, len(arm.joints))):
        T = arm.forward(q)
        away = T[:3, 3] - arm.T_world_base[:3, 3]
        T[:3, 3] += rng.uniform(0.05, 0.25) * away / np.linalg.norm(away)
        size, pace, phase = (
            rng.uniform(0.02, 0.08, 3),
            rng.uniform(0.3, 0.8, 3),
            rng.uniform(0, 6, 3),
        )
        turn = 0.3 * rng.normal(size=3) * np.sin(0.5 * t + rng.uniform(0, 6))[:, None]
        path = np.tile(T, (FRAMES, 1, 1))
        path[:, :3, :3] = rotation_from_rotvec(turn) @ T[:3, :3]
        path[:, :3, 3] += size * np.sin(pace * t[:, None] + phase)
        found.append(path)
    moved = np.linalg.norm(np.diff(np.array(found)[..., :3, 3], axis=1), axis=-1) * RATE
    assert moved.max() < FASTEST
    return np.array(found)


@pytest.fixture(scope="module", params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("settings", [{}, {"lean": False}])
def test_the_arm_does_not_jump(robot: Robot, side: str, settings: dict[str, bool]) -> None:
    arm = ArmIK(robot, side, **settings)
    wrists = paths(arm, seed=5)
    solved = arm.solve_trajectory(wrists)
    far = solved.status == Status.UNREACHABLE
    assert far.mean() > 0.3
    both = far[:, 1:] & far[:, :-1]
    speed = np.abs(np.diff(solved.q, axis=1)).max(axis=-1) * RATE
    assert speed[both].max() < SPEED
    # and stays about as near as if every frame had been solved by itself
    alone = ArmIK(robot, side).solve(wrists)
    assert solved.position_error[far].mean() < 1.4 * alone.position_error[far].mean()


def test_frames_of_a_path_are_solved_one_after_the_other(robot: Robot, side: str) -> None:
    arm = ArmIK(robot, side)
    wrists = paths(arm, seed=6)[:3]
    whole = arm.solve_trajectory(wrists)
    before = None
    for k in range(FRAMES):
        one = arm.solve(wrists[:, k], q0=before)
        np.testing.assert_array_equal(one.q, whole.q[:, k])
        before = one.q


def test_an_arm_comes_to_rest_out_of_reach(robot: Robot, side: str) -> None:
    arm = ArmIK(robot, side)
    for T in paths(arm, seed=7)[:, 0]:
        still = arm.solve_trajectory(np.tile(T, (200, 1, 1)), q0=arm.posture)
        if still.status[-1] != Status.UNREACHABLE:
            continue
        steps = np.abs(np.diff(still.q, axis=0)).max(axis=-1)
        assert steps[-20:].max() < 1e-4
        assert still.position_error[-1] <= still.position_error[1] + 0.02


def test_a_pose_far_away_is_approached_at_once(robot: Robot, side: str) -> None:
    """The bound follows the wrist's way: it is none for an arm that comes from elsewhere."""
    arm = ArmIK(robot, side)
    far = arm.forward(arm.posture)
    far[:3, 3] += [2.0, 0.0, 0.0]
    alone, coming = arm.solve(far), arm.solve(far, q0=arm.posture)
    assert alone.status == coming.status == Status.UNREACHABLE
    assert coming.position_error < alone.position_error + 0.05
