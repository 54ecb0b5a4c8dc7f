"""Generated demonstrations: within reach and limits, smooth, self-consistent, deterministic."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import FileError, InputError
from retarget.core.geometry import rotation_angle, rotation_from_rotvec, transform
from retarget.core.minimum_jerk import Move, progress, transforms_at, vectors_at
from retarget.core.types import SIDES, Demo, Status
from retarget.data.demo.check import check_demo
from retarget.data.demo.reader import load_demo
from retarget.data.generate.grasps import GRASPS, GraspingHand
from retarget.data.generate.make_demo import make_demo
from retarget.data.generate.tasks import TASKS
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot


@pytest.fixture(scope="module", params=TASKS)
def demo(request: pytest.FixtureRequest, robot: Robot) -> Demo:
    return make_demo(robot=robot, task=request.param)


# --- minimum jerk -------------------------------------------------------------------------------


def test_a_move_starts_and_ends_at_rest() -> None:
    x = np.linspace(-0.5, 1.5, 2001)
    s = progress(x)
    assert (s[x <= 0] == 0).all()
    assert (s[x >= 1] == 1).all()
    assert (np.diff(s) >= 0).all()
    np.testing.assert_allclose(s + s[::-1], 1.0, atol=1e-12)
    h = x[1] - x[0]
    speed, acceleration = np.gradient(s, h), np.gradient(np.gradient(s, h), h)
    assert abs(speed.max() - 15 / 8) < 1e-4
    for end in (0.0, 1.0):
        at = np.argmin(np.abs(x - end))
        assert abs(speed[at]) < 1e-4
        assert abs(acceleration[at]) < 0.1


@given(seed=st.integers(0, 2**32 - 1))
def test_targets_are_reached_one_after_the_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    poses = transform(
        rotation_from_rotvec(rng.uniform(-1.5, 1.5, (4, 3))), rng.uniform(-1, 1, (4, 3))
    )
    moves = [Move(k, k + 1.0, pose) for k, pose in enumerate(poses[1:])]
    times = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 9.0])
    at = transforms_at(times, poses[0], moves)
    np.testing.assert_allclose(at, poses[[0, 0, 1, 2, 3, 3]], atol=1e-12)
    between = transforms_at(np.linspace(0, 1, 50), poses[0], moves)
    angle = rotation_angle(between[:, :3, :3], poses[0, :3, :3])
    assert (np.diff(angle) > -1e-12).all()  # about one axis, never back
    overlap = [Move(0.0, 1.0, np.array([1.0])), Move(0.5, 1.5, np.array([3.0]))]
    values = vectors_at(np.array([0.0, 0.75, 2.0]), np.array([0.0]), overlap)
    np.testing.assert_allclose(
        values[:, 0], [0.0, progress(0.75) + 2 * progress(0.25), 3.0], atol=1e-12
    )


# --- grasps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [0, 1])
def test_hand_directions(robot: Robot, side: int) -> None:
    """Thumb up, fingers ahead: the left palm then looks to the right, the right to the left."""
    hand = GraspingHand(robot, side)
    inward = np.array([0.0, -1.0 if side == 0 else 1.0, 0.0])
    R = hand.rotation(np.array([1.0, 0.0, 0.0]), inward)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    tips = robot.hand_tips(side, np.zeros(6)) @ R.T
    assert (tips[1:, 0] > 0.15).all()  # fingers ahead
    assert tips[0, 2] > 0.08  # thumb above
    curled = robot.hand_tips(side, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]) @ R.T
    assert ((curled - tips)[1:] @ inward > 0.02).all()


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("kind", GRASPS)
def test_a_wider_object_leaves_the_hand_more_open(robot: Robot, side: int, kind: str) -> None:
    hand = GraspingHand(robot, side)
    lower, upper = robot.hand_limits(side)
    bends = []
    for width in (0.03, 0.045, 0.06):
        grasp = hand.grasp(kind, width)
        for active in (grasp.ready, grasp.closed, hand.rest):
            assert ((active >= lower) & (active <= upper)).all()
        bends.append(grasp.closed[:4].sum())
        tips = robot.hand_tips(side, grasp.closed)
        if kind == "pinch":
            assert np.linalg.norm(tips[0] - tips[1]) == pytest.approx(width, abs=1e-3)
    assert bends[0] > bends[1] > bends[2]


# --- the demonstration --------------------------------------------------------------------------


def test_joints_stay_within_limits_and_mimic_exactly(robot: Robot, demo: Demo) -> None:
    assert ((demo.qpos >= robot.lower) & (demo.qpos <= robot.upper)).all()
    for side in robot.sides:
        active = demo.qpos[:, robot.indices(side.active_joints)]
        hand = demo.qpos[:, robot.indices(side.hand_joints)]
        np.testing.assert_array_equal(hand, robot.expand_hand(side.index, active))
        arms = robot.indices(side.arm_joints)
        speed = np.abs(np.diff(demo.qpos[:, arms], axis=0)) * demo.rate
        assert (speed < 0.4 * robot.velocity_limits[arms]).all()
    legs = [n for n in robot.joint_names if "hip" in n or "knee" in n or "ankle" in n]
    assert (demo.qpos[:, robot.indices(legs)] == 0.0).all()


def test_it_agrees_with_itself(robot: Robot, demo: Demo) -> None:
    check = check_demo(demo, robot, tolerance=1e-9)
    assert check.ok
    assert max(side.fingertip.max for side in check.sides) < 1e-12


def test_both_arms_reach_every_frame(robot: Robot, demo: Demo) -> None:
    for h, side in enumerate(SIDES):
        solution = ArmIK(robot, side).solve(demo.T_world_wrist[::10, h])
        assert (solution.status == Status.OK).all()
        assert solution.position_error.max() < 1e-9


def test_it_moves_like_an_episode(robot: Robot, demo: Demo) -> None:
    """Reach, grasp, lift, place and return: seen in heights, speeds and fingers."""
    position = demo.T_world_wrist[..., :3, 3]
    speed = np.linalg.norm(np.diff(position, axis=0), axis=-1) * demo.rate
    assert 0.05 < speed.max() < 1.0
    assert speed[[0, -1]].max() < 0.05
    jerk = np.diff(demo.qpos, n=3, axis=0) * demo.rate**3
    assert np.abs(jerk).max() < 500.0
    np.testing.assert_allclose(position[-1], position[0], atol=1e-3)
    for side in robot.sides:
        fingers = demo.qpos[:, robot.indices(side.active_joints[:4])].sum(axis=1)
        ready, held, released = (fingers[int(share * demo.frames)] for share in (0.27, 0.6, 0.88))
        assert held > ready + 0.25
        assert held > released + 0.25
        still = slice(int(0.34 * demo.frames), int(0.39 * demo.frames))  # while the hand closes
        assert speed[still, side.index].max() < 2e-3
        during = slice(int(0.42 * demo.frames), int(0.76 * demo.frames))
        assert np.ptp(fingers[during]) < 1e-9
        height = position[:, side.index, 2]
        assert height[during].max() > height[int(0.38 * demo.frames)] + 0.005
    palms = [GraspingHand(robot, h).palm for h in range(2)]
    looks = [demo.T_world_wrist[:, h, :3, :3] @ palm for h, palm in enumerate(palms)]
    assert (looks[0][:, 1] < 0.0).all()  # the left palm never turns out
    assert (looks[1][:, 1] > 0.0).all()


def test_a_box_is_carried_rigidly(robot: Robot) -> None:
    demo = make_demo(robot=robot, task="grasp", seed=4)
    held = slice(int(0.41 * 300), int(0.77 * 300))
    left, right = demo.T_world_wrist[held, 0], demo.T_world_wrist[held, 1]
    between = np.linalg.inv(left) @ right
    np.testing.assert_allclose(between, np.broadcast_to(between[0], between.shape), atol=1e-9)


def test_actions_are_the_next_joints(demo: Demo) -> None:
    assert demo.action is not None
    np.testing.assert_array_equal(demo.action[:-1], demo.qpos[1:])
    np.testing.assert_array_equal(demo.action[-1], demo.qpos[-1])


def test_the_seed_decides(robot: Robot) -> None:
    one, same, other = (make_demo(robot=robot, frames=80, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.qpos, same.qpos)
    assert np.abs(one.T_world_wrist[-1, :, :3, 3] - other.T_world_wrist[-1, :, :3, 3]).max() > 1e-3


@pytest.mark.parametrize(("frames", "task"), [(2, "grasp"), (181, "pour"), (620, "tripod")])
def test_any_length(robot: Robot, frames: int, task: str) -> None:
    demo = make_demo(robot=robot, frames=frames, seed=7, task=task)
    assert demo.frames == frames
    assert ((demo.qpos >= robot.lower) & (demo.qpos <= robot.upper)).all()
    step = np.abs(np.diff(demo.qpos, axis=0)).max()
    assert step * demo.rate < 8.0  # cycles join without a jump
    assert check_demo(demo, robot).ok


def test_short_is_the_beginning_of_an_episode(robot: Robot) -> None:
    long, short = make_demo(robot=robot, frames=180), make_demo(robot=robot, frames=21)
    np.testing.assert_array_equal(short.qpos, long.qpos[:21])


def test_noise_is_on_the_record_only(robot: Robot) -> None:
    clean, noisy = (make_demo(robot=robot, frames=200, noise=n) for n in (0.0, 1e-3))
    np.testing.assert_array_equal(clean.qpos, noisy.qpos)
    gap = noisy.T_world_wrist - clean.T_world_wrist
    assert 0.9e-3 < gap[..., :3, 3].std() < 1.1e-3
    turn = rotation_angle(noisy.T_world_wrist[..., :3, :3], clean.T_world_wrist[..., :3, :3])
    assert 0.012 < turn.mean() < 0.020  # 0.01 rad an axis
    assert 0.9e-3 < (noisy.fingertips - clean.fingertips).std() < 1.1e-3
    assert check_demo(noisy, robot).ok
    again = make_demo(robot=robot, frames=200, noise=1e-3)
    np.testing.assert_array_equal(again.fingertips, noisy.fingertips)


def test_it_is_written_and_loads(robot: Robot, tmp_path: Path) -> None:
    path = tmp_path / "demo.hdf5"
    demo = make_demo(path, robot=robot, frames=30, seed=5, task="pour", rate=20.0)
    assert demo.path == path
    again = load_demo(path, robot=robot)
    np.testing.assert_array_equal(again.qpos, demo.qpos)
    np.testing.assert_allclose(again.T_world_wrist, demo.T_world_wrist, atol=1e-14)
    assert again.rate == 20.0
    with h5py.File(path) as file:
        assert file.attrs["sim"]
        assert (file.attrs["task"], file.attrs["seed"]) == ("pour", 5)


def test_what_is_refused(robot: Robot, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="task must be one of grasp, pinch, tripod, pour, got 'j"):
        make_demo(robot=robot, task="juggle")
    for frames in (1, 0, -5):
        with pytest.raises(InputError, match=f"frames must be at least 2, got {frames}"):
            make_demo(robot=robot, frames=frames)
    with pytest.raises(InputError, match="seed must not be negative"):
        make_demo(robot=robot, seed=-1)
    for noise in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="noise must be finite and at least 0"):
            make_demo(robot=robot, noise=noise)
    with pytest.raises(InputError, match="rate must be finite and at least 1"):
        make_demo(robot=robot, rate=0.0)
    with pytest.raises(FileError, match="there is no folder"):
        make_demo(tmp_path / "nowhere" / "demo.hdf5", robot=robot, frames=2)
