"""A demonstration against its own forward kinematics: sound ones pass, each mistake is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from demo_files import robot_demo
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import DemoError, InputError
from retarget.core.geometry import (
    quat_wxyz_from_rotation,
    rotation_from_quat_wxyz,
    rotation_from_rotvec,
    transform,
    transform_inverse,
    transform_points,
)
from retarget.core.types import Demo
from retarget.data.demo.check import check_demo
from retarget.data.demo.reader import load_demo
from retarget.robot.robot import Robot

Mistake = Callable[[Demo, Robot], Demo]


@pytest.fixture(scope="module")
def sound(robot: Robot) -> Demo:
    return robot_demo(robot)


def test_a_sound_demo_agrees(robot: Robot, sound: Demo) -> None:
    check = check_demo(sound, robot)
    assert check.ok
    assert check.cause is None
    for side in check.sides:
        assert side.frames == 40
        for part in (side.wrist_position, side.wrist_rotation, side.fingertip):
            assert 0.0 <= part.typical <= part.max < 1e-12
            assert part.mean <= part.max


def test_real_recordings_agree(robot: Robot, shared: Path) -> None:
    """The few poses that the arm could not follow show as the largest, and condemn no file."""
    far: dict[str, float] = {}
    for path in sorted((shared / "teleop" / "demos").glob("*.hdf5")):
        check = check_demo(load_demo(path, robot=robot), robot)
        assert check.ok
        worst = max(check.sides, key=lambda s: s.wrist_position.max).wrist_position
        assert worst.typical < 1e-12
        if worst.max > 1e-9:
            far[path.stem] = worst.max
            assert worst.worst_frame <= 2
    assert sorted(far) == ["Flip-Mug_episode_0", "Flip-Mug_episode_19", "Flip-Mug_episode_9"]
    assert all(0.006 < distance < 0.037 for distance in far.values())


def world(T: np.ndarray) -> Mistake:
    def apply(demo: Demo, robot: Robot) -> Demo:
        return dataclasses.replace(
            demo,
            T_world_wrist=T @ demo.T_world_wrist,
            fingertips=transform_points(T, demo.fingertips),
        )

    return apply


def columns(take: Callable[[Robot], list[str]]) -> Mistake:
    def apply(demo: Demo, robot: Robot) -> Demo:
        return dataclasses.replace(demo, qpos=demo.qpos[:, robot.indices(take(robot))])

    return apply


def swap_names(names: list[str], pairs: list[tuple[str, str]]) -> list[str]:
    def swapped(name: str) -> str:
        for a, b in pairs:
            if name.startswith(a):
                return b + name[len(a) :]
            if name.startswith(b):
                return a + name[len(b) :]
        return name

    return [swapped(name) for name in names]


def xyzw(demo: Demo, robot: Robot) -> Demo:
    poses = demo.T_world_wrist.copy()
    file_row = np.roll(quat_wxyz_from_rotation(poses[demo.valid][:, :3, :3]), -1, axis=-1)
    poses[demo.valid, :3, :3] = rotation_from_quat_wxyz(file_row)
    return dataclasses.replace(demo, T_world_wrist=poses)


def swapped(poses: bool, tips: bool) -> Mistake:
    def apply(demo: Demo, robot: Robot) -> Demo:
        return dataclasses.replace(
            demo,
            T_world_wrist=demo.T_world_wrist[:, ::-1] if poses else demo.T_world_wrist,
            fingertips=demo.fingertips[:, ::-1] if tips else demo.fingertips,
        )

    return apply


def longer(poses: float, tips: float) -> Mistake:
    def apply(demo: Demo, robot: Robot) -> Demo:
        T = demo.T_world_wrist.copy()
        T[..., :3, 3] *= poses
        return dataclasses.replace(demo, T_world_wrist=T, fingertips=demo.fingertips * tips)

    return apply


def passive_at_zero(demo: Demo, robot: Robot) -> Demo:
    qpos = demo.qpos.copy()
    for side in robot.sides:
        passive = [name for name in side.hand_joints if name not in side.active_joints]
        qpos[:, robot.indices(passive)] = 0.0
    return dataclasses.replace(demo, qpos=qpos)


def late(frames: int) -> Mistake:
    def apply(demo: Demo, robot: Robot) -> Demo:
        kept = slice(None, -frames) if frames > 0 else slice(-frames, None)
        other = slice(frames, None) if frames > 0 else slice(None, frames)
        return dataclasses.replace(
            demo,
            qpos=demo.qpos[other],
            T_world_wrist=demo.T_world_wrist[kept],
            fingertips=demo.fingertips[kept],
            valid=demo.valid[kept],
        )

    return apply


def other_wrist(demo: Demo, robot: Robot) -> Demo:
    T_wrist_tool = transform(rotation_from_rotvec([0.0, 0.0, np.pi / 2]), [0.0, 0.01, 0.03])
    return dataclasses.replace(demo, T_world_wrist=demo.T_world_wrist @ T_wrist_tool)


def mano_axes(demo: Demo, robot: Robot) -> Demo:
    poses = demo.T_world_wrist.copy()
    for side in robot.sides:
        poses[:, side.index, :3, :3] = poses[:, side.index, :3, :3] @ side.wrist_to_mano
    return dataclasses.replace(demo, T_world_wrist=poses)


MISTAKES: dict[str, tuple[Mistake, str]] = {
    "hands swapped": (swapped(True, True), "left and right are swapped"),
    "poses swapped": (swapped(True, False), "left and right wrist poses are swapped"),
    "tips swapped": (swapped(False, True), "left and right fingertips are swapped"),
    "joints swapped": (
        columns(
            lambda robot: swap_names(list(robot.joint_names), [("left_", "right_"), ("L_", "R_")])
        ),
        "left and right joints of qpos are swapped",
    ),
    "arm joints swapped": (
        columns(lambda robot: swap_names(list(robot.joint_names), [("left_", "right_")])),
        "left and right arm joints of qpos are swapped",
    ),
    "hand joints swapped": (
        columns(lambda robot: swap_names(list(robot.joint_names), [("L_", "R_")])),
        "left and right hand joints of qpos are swapped",
    ),
    "quaternions xyzw": (xyzw, "quaternions are in the order x y z w"),
    "millimetres": (longer(1e3, 1e3), "all lengths are in millimetres"),
    "wrists in millimetres": (longer(1e3, 1), "wrist positions are in millimetres"),
    "tips in centimetres": (longer(1, 1e2), "fingertips are in centimetres"),
    "fingers reversed": (
        lambda demo, robot: dataclasses.replace(demo, fingertips=demo.fingertips[:, :, ::-1]),
        "fingertips are in the order pinky, ring, middle, index, thumb",
    ),
    "fingers in the hand's own order": (
        lambda demo, robot: dataclasses.replace(
            demo, fingertips=demo.fingertips[:, :, [1, 2, 4, 3, 0]]
        ),
        "fingertips are in the order index, middle, pinky, ring, thumb",
    ),
    "base frame": (
        world(transform(np.eye(3), [0.0, 0.0, -1.05])),
        "poses are in the robot's base frame, expected the environment frame",
    ),
    "camera frame": (
        lambda demo, robot: world(robot.cameras["main"].T_camera_world)(demo, robot),
        "poses are in the frame of camera 'main'",
    ),
    "a table's frame": (
        world(transform_inverse(transform(rotation_from_rotvec([0, 0, 0.5]), [0.4, 0.0, 0.9]))),
        r"poses are in a frame shifted by \(400, .*, 900\) mm and turned by 28.6 degrees",
    ),
    "another wrist frame": (
        other_wrist,
        "wrist poses are of another frame of the hand .left 31.62 mm and 90 degrees",
    ),
    "MANO's axes": (mano_axes, "wrist poses have MANO's axes, expected those of L_hand_base_link"),
    "degrees": (
        lambda demo, robot: dataclasses.replace(demo, qpos=np.degrees(demo.qpos)),
        "qpos is in degrees",
    ),
    "the URDF's order": (
        columns(lambda robot: [n for n in robot.model.names if n != "universe"]),
        "the joints of qpos are in the URDF's order",
    ),
    "alphabetical order": (
        columns(lambda robot: sorted(robot.joint_names)),
        "the joints of qpos are in alphabetical order",
    ),
    "ring and pinky exchanged": (
        columns(
            lambda robot: swap_names(
                list(robot.joint_names), [("L_ring", "L_pinky"), ("R_ring", "R_pinky")]
            )
        ),
        "the fingers' joints of qpos stand in the places of index, middle, pinky, ring, "
        "expected index, middle, ring, pinky",
    ),
    "passive joints at zero": (
        passive_at_zero,
        "the passive finger joints of qpos do not follow the active ones",
    ),
    "poses late": (late(2), "poses are 2 frames behind the joints"),
    "poses early": (late(-1), "poses are 1 frame ahead of the joints"),
}
FATAL = [name for name in MISTAKES if "swapped" in name or "metres" in name]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named(robot: Robot, sound: Demo, mistake: str) -> None:
    apply, text = MISTAKES[mistake]
    bad = dataclasses.replace(apply(sound, robot), path=Path("bad.hdf5"))
    with pytest.raises(DemoError, match=text) as caught:
        check_demo(bad, robot)
    message = str(caught.value)
    assert message.startswith("bad.hdf5: disagrees with itself: typically left wrist")
    assert " mm and " in message
    assert "\n" not in message
    left_over = caught.value.evidence["check"].cause.left_over
    assert left_over < 1e-9


@pytest.mark.parametrize("mistake", MISTAKES)
def test_only_fatal_mistakes_stop_the_lenient(robot: Robot, sound: Demo, mistake: str) -> None:
    bad = MISTAKES[mistake][0](sound, robot)
    if mistake in FATAL:
        with pytest.raises(DemoError, match="disagrees with itself"):
            check_demo(bad, robot, strict=False)
    else:
        check = check_demo(bad, robot, strict=False)
        assert not check.ok
        assert check.cause is not None
        assert not check.cause.fatal


@pytest.mark.parametrize("mistake", sorted(set(MISTAKES) - {"poses late", "poses early"}))
def test_mistakes_are_named_on_real_recordings(robot: Robot, shared: Path, mistake: str) -> None:
    demo = load_demo(shared / "teleop" / "demos" / "Insert-Cans_episode_19.hdf5", robot=robot)
    apply, text = MISTAKES[mistake]
    with pytest.raises(DemoError, match=text):
        check_demo(apply(demo, robot), robot)


@given(seed=st.integers(0, 2**32 - 1))
def test_nonsense_gets_the_general_answer(robot: Robot, sound: Demo, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arms = np.concatenate([robot.indices(side.arm_joints) for side in robot.sides])
    qpos = sound.qpos.copy()
    qpos[:, arms] = qpos[:, rng.permutation(arms)]
    with pytest.raises(DemoError, match=r"cause: .*another joint order, robot or frame$"):
        check_demo(dataclasses.replace(sound, qpos=qpos), robot)


def test_another_hand_on_the_same_arms(robot: Robot, sound: Demo) -> None:
    tips = sound.fingertips.copy()
    wrists = sound.T_world_wrist[:, :, None, :3, 3]
    bad = dataclasses.replace(sound, fingertips=wrists + 1.3 * (tips - wrists))
    with pytest.raises(DemoError, match=r"another hand \(left 1.3 times, right 1.3 times\)"):
        check_demo(bad, robot)


def test_one_hand_missing_is_checked_by_the_other(robot: Robot, sound: Demo) -> None:
    valid = sound.valid.copy()
    valid[:, 0] = False
    poses, tips = sound.T_world_wrist.copy(), sound.fingertips.copy()
    poses[:, 0], tips[:, 0] = np.nan, np.nan
    one = dataclasses.replace(sound, T_world_wrist=poses, fingertips=tips, valid=valid)
    check = check_demo(one, robot)
    assert check.ok
    assert check.sides[0].frames == 0
    assert check.sides[0].wrist_position.worst_frame == -1
    assert np.isnan(check.sides[0].fingertip.max)
    assert "left no valid frame" in check.describe()
    for mistake in ("quaternions xyzw", "base frame", "hands swapped", "fingers reversed"):
        apply, text = MISTAKES[mistake]
        bad = apply(one, robot)
        if mistake == "hands swapped":
            bad = dataclasses.replace(bad, valid=valid[:, ::-1])
        with pytest.raises(DemoError, match=text):
            check_demo(bad, robot)


def test_a_few_bad_frames_are_reported_but_pass(robot: Robot, sound: Demo) -> None:
    poses = sound.T_world_wrist.copy()
    poses[5, 1, 0, 3] += 0.04
    check = check_demo(dataclasses.replace(sound, T_world_wrist=poses, start=100), robot)
    assert check.ok
    assert check.sides[1].wrist_position.worst_frame == 105
    assert check.sides[1].wrist_position.max == pytest.approx(0.04)
    poses[:11, 1, 0, 3] += 0.04  # more than a quarter of the frames
    with pytest.raises(DemoError, match="right wrist 40 mm"):
        check_demo(dataclasses.replace(sound, T_world_wrist=poses), robot)


def test_tolerance_is_the_callers(robot: Robot, sound: Demo) -> None:
    poses = sound.T_world_wrist.copy()
    poses[..., 0, 3] += np.linspace(0.002, 0.004, 40)[:, None]
    slightly = dataclasses.replace(sound, T_world_wrist=poses)
    assert check_demo(slightly, robot).ok
    with pytest.raises(DemoError, match="disagrees with itself"):
        check_demo(slightly, robot, tolerance=1e-3)
    for tolerance in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="tolerance must be positive"):
            check_demo(sound, robot, tolerance=tolerance)


def test_wrong_number_of_joints(robot: Robot, sound: Demo) -> None:
    with pytest.raises(InputError, match=r"qpos must have shape \(T, 50\) for h1_inspire"):
        check_demo(dataclasses.replace(sound, qpos=sound.qpos[:, :26]), robot)


def test_the_demo_is_not_changed(robot: Robot, sound: Demo) -> None:
    before = {f.name: getattr(sound, f.name) for f in dataclasses.fields(sound)}
    copies = {k: v.copy() for k, v in before.items() if isinstance(v, np.ndarray)}
    for apply, _ in list(MISTAKES.values())[:8]:
        with pytest.raises(DemoError):
            check_demo(apply(sound, robot), robot)
    for name, copy in copies.items():
        np.testing.assert_array_equal(before[name], copy)
