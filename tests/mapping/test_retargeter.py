"""Demonstration -> human -> robot: exact on real recordings, honest about what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retarget import Demo, Retargeter, Robot, Status, load_demo
from retarget.core.errors import InputError, ModelError
from retarget.core.types import SIDES
from retarget.mapping.fitter import MANOFitter
from retarget.mapping.hand_mlp import HandMLP
from retarget.mapping.train import train_hands

UNREACHABLE = {  # frame, side: all in the first frames of three Flip-Mug episodes
    "Flip-Mug_episode_0": {(0, 0), (0, 1)},
    "Flip-Mug_episode_9": {(0, 0), (0, 1), (1, 1)},
    "Flip-Mug_episode_19": {(0, 0), (0, 1), (1, 1)},
}


@pytest.fixture(scope="module")
def rt() -> Retargeter:
    return Retargeter("h1_inspire")


@pytest.fixture(scope="module")
def demo(rt: Retargeter) -> Demo:
    """Hands that open and close while the arms sway around their posture."""
    robot, frames = rt.robot, 40
    phase = np.linspace(0.0, 2.0 * np.pi, frames)[:, None]
    qpos = np.zeros((frames, len(robot.joint_names)))
    qpos[:, 0] = 0.1  # a leg joint: copied
    for k, side in enumerate(robot.sides):
        qpos[:, robot.indices(side.arm_joints)] = side.arm_posture + 0.05 * np.sin(phase + k)
        lower, upper = robot.hand_limits(k)
        share = 0.5 - 0.5 * np.cos(phase + np.arange(6))
        qpos[:, robot.indices(side.hand_joints)] = robot.expand_hand(
            k, lower + share * (upper - lower)
        )
    T, tips = robot.forward(qpos)
    return Demo(qpos, T, tips, np.ones((frames, 2), dtype=np.bool_))


def test_what_comes_back_is_what_was_recorded(rt: Retargeter, demo: Demo) -> None:
    trip = rt.round_trip(demo)
    assert np.mean(trip.fingertip_error_m) <= 2.5e-5
    assert np.percentile(trip.fingertip_error_m, 99) <= 1e-4
    assert trip.wrist_position_error_m.max() <= 1e-5
    assert trip.wrist_rotation_error_rad.max() <= 1e-4
    assert trip.hand_joint_error_rad.max() < 5e-3
    assert not trip.label_jump.any()
    assert (trip.hand_status == int(Status.OK)).all()
    assert set(np.unique(trip.arm_status)) <= {int(Status.OK), int(Status.AT_LIMIT)}
    np.testing.assert_array_equal(trip.robot.qpos[:, 0], demo.qpos[:, 0])
    refined = Retargeter(rt.robot, fitter=rt.fitter, hand_mlp=rt.hand_mlp, refine=1)
    assert np.mean(refined.round_trip(demo).fingertip_error_m) <= 2e-7


def test_errors_are_those_of_the_robot_that_comes_back(rt: Retargeter, demo: Demo) -> None:
    """Every reported error is recomputed from the returned joints by whole-robot kinematics."""
    trip = rt.round_trip(demo)
    T, tips = rt.robot.forward(trip.robot.qpos)
    np.testing.assert_allclose(
        np.linalg.norm(T[..., :3, 3] - demo.T_world_wrist[..., :3, 3], axis=-1),
        trip.wrist_position_error_m,
        atol=1e-9,
    )
    # the wrists agree to rounding, so the world fingertips show the same error
    np.testing.assert_allclose(
        np.linalg.norm(tips - demo.fingertips, axis=-1), trip.fingertip_error_m, atol=1e-8
    )


def test_the_calls_are_the_round_trip(rt: Retargeter, demo: Demo) -> None:
    trip = rt.round_trip(demo)
    human = rt.to_human(demo)
    np.testing.assert_array_equal(human.pca, trip.human.pca)
    robot = rt.to_robot(human, body=demo.qpos)
    np.testing.assert_array_equal(robot.qpos, trip.robot.qpos)
    np.testing.assert_array_equal(
        robot.joint("L_index_proximal_joint"),
        robot.qpos[:, rt.robot.indices(["L_index_proximal_joint"])[0]],
    )
    with pytest.raises(InputError, match="no joint named 'elbow'"):
        robot.joint("elbow")


def test_calls_leave_no_trace(rt: Retargeter, demo: Demo) -> None:
    first = rt.round_trip(demo)
    again = rt.round_trip(demo)
    np.testing.assert_array_equal(first.robot.qpos, again.robot.qpos)
    np.testing.assert_array_equal(first.human.pca, again.human.pca)


def test_parts_join_where_the_whole_was(rt: Retargeter, demo: Demo) -> None:
    """A long demonstration replayed in blocks, each starting where the last one ended."""
    whole = rt.round_trip(demo).robot.qpos
    q0, parts = None, []
    for start in range(0, demo.frames, 15):
        cut = slice(start, start + 15)
        part = Demo(demo.qpos[cut], demo.T_world_wrist[cut], demo.fingertips[cut], demo.valid[cut])
        parts.append(rt.round_trip(part, q0=q0).robot.qpos)
        q0 = parts[-1][-1]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-9)


def test_a_lost_hand_holds_and_says_so(rt: Retargeter, demo: Demo) -> None:
    valid = demo.valid.copy()
    valid[:3, 0] = False  # before the first good frame
    valid[10:14, 1] = False
    lost = replace(
        demo,
        valid=valid,
        fingertips=np.where(valid[..., None, None], demo.fingertips, np.nan),
        T_world_wrist=np.where(valid[..., None, None], demo.T_world_wrist, np.nan),
    )
    trip = rt.round_trip(lost)
    for status in (trip.hand_status, trip.arm_status):
        np.testing.assert_array_equal(status == int(Status.MISSING_INPUT), ~valid)
    assert np.isnan(trip.fingertip_error_m[~valid]).all()
    assert np.isfinite(trip.fingertip_error_m[valid]).all()
    assert np.isfinite(trip.robot.qpos).all()
    right = rt.robot.sides[1]
    rows = rt.robot.indices([*right.arm_joints, *right.hand_joints])
    for frame in range(10, 14):
        np.testing.assert_array_equal(trip.robot.qpos[frame, rows], trip.robot.qpos[9, rows])
    assert not trip.label_jump[~valid].any()


def test_real_demonstrations_come_back(rt: Retargeter, shared: Path) -> None:
    paths = sorted((shared / "teleop" / "demos").glob("*.hdf5"))
    assert len(paths) == 40
    refined = Retargeter(rt.robot, fitter=rt.fitter, hand_mlp=rt.hand_mlp, refine=1)
    for path in paths:
        demo = load_demo(path)
        trip, fine = rt.round_trip(demo), refined.round_trip(demo)
        for side in range(len(SIDES)):
            assert trip.fingertip_error_m[:, side].mean() <= 2.5e-5, path.name
            assert np.percentile(trip.fingertip_error_m[:, side], 99) <= 1e-4, path.name
            assert fine.fingertip_error_m[:, side].mean() <= 2e-7, path.name
        far = trip.arm_status == int(Status.UNREACHABLE)
        expected = UNREACHABLE.get(path.stem, set())
        assert {tuple(map(int, at)) for at in np.argwhere(far)} == expected, path.name
        distance = trip.wrist_position_error_m[far]
        assert ((distance > 5e-3) & (distance < 4e-2)).all()
        assert trip.wrist_position_error_m[~far].max() <= 1e-5
        assert trip.wrist_rotation_error_rad[~far].max() <= 1e-4
        assert not trip.label_jump.any()
        arms = rt.robot.lower, rt.robot.upper
        moved = [*rt.robot.sides[0].arm_joints, *rt.robot.sides[1].arm_joints]
        moved += [*rt.robot.sides[0].hand_joints, *rt.robot.sides[1].hand_joints]
        rows = rt.robot.indices(moved)
        assert (trip.robot.qpos[:, rows] >= arms[0][rows] - 1e-12).all()
        assert (trip.robot.qpos[:, rows] <= arms[1][rows] + 1e-12).all()


def test_refuses_what_does_not_fit(rt: Retargeter, demo: Demo) -> None:
    human = rt.to_human(demo)
    with pytest.raises(InputError, match="the same numbers would be another pose"):
        rt.to_robot(replace(human, hand="0" * 16))
    with pytest.raises(InputError, match=r"body must have shape \(40, 50\)"):
        rt.to_robot(human, body=np.zeros((3, 50)))
    with pytest.raises(InputError, match=r"q0 must have shape \(50,\)"):
        rt.to_robot(human, q0=np.zeros(7))
    with pytest.raises(InputError, match="to_robot takes T frames"):
        rt.to_robot(replace(human, pca=human.pca[0]))
    with pytest.raises(InputError, match="refine must not be negative"):
        Retargeter(refine=-1)
    with pytest.raises(InputError, match="made with the fitter"):
        Retargeter(fitter=MANOFitter(), hand_mlp=HandMLP.load())
    other = replace(rt.robot, hash="0")
    for wrong in (
        lambda: Retargeter(other, fitter=rt.fitter),
        lambda: Retargeter(other, hand_mlp=rt.hand_mlp),
        lambda: Retargeter("h1_inspire", fitter=MANOFitter(other)),
        lambda: HandMLP.load(robot=other, fitter=rt.fitter),
        lambda: train_hands(rt.fitter, robot=other),
    ):
        with pytest.raises(InputError, match="fitter is for another robot"):
            wrong()


def test_a_robot_may_be_named(rt: Retargeter) -> None:
    """By name, folder or file, wherever one is taken."""
    folder = rt.robot.path
    for robot in ("h1_inspire", folder, str(folder), folder / "robot.toml", rt.robot):
        found = [
            Robot.of(robot),
            MANOFitter(robot).robot,
            HandMLP.load(robot=robot).fitter.robot,
            Retargeter(robot, fitter=rt.fitter).robot,
        ]
        assert {one.hash for one in found} == {rt.robot.hash}
    assert Robot.of(rt.robot) is rt.robot
    with pytest.raises(ModelError, match="no robot of that name"):
        Retargeter("h2")
