"""Every entry that takes transforms refuses what is not rigid, and says which one it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retarget import ArmIK, Demo, HumanMotion, MANOFitter, Retargeter, Status
from retarget.actions.frames import action_from_motion, motion_from_action, to_camera, to_world
from retarget.core.errors import InputError
from retarget.core.types import FloatArray
from retarget.data.demo.writer import demo_from_joints, save_demo
from retarget.data.human_file import HumanFileInfo, human_info, save_human
from retarget.viewer.scene import Scene, build_scene
from retarget.viewer.states import checked_rows, frame_states

FRAMES, BAD = 5, (3, 1)  # frame and hand of the spoilt pose
FAULTS = {
    "zero": (np.zeros((4, 4)), "has no orthonormal rotation"),
    "scaled": (np.diag([2.0, 2.0, 2.0, 1.0]), "has no orthonormal rotation"),
    "a little scaled": (np.diag([1.01, 1.01, 1.01, 1.0]), "has no orthonormal rotation"),
    "reflected": (np.diag([1.0, 1.0, -1.0, 1.0]), "is a reflection"),
    "huge": (np.full((4, 4), 1e200), "has no orthonormal rotation"),
    "last row": (np.eye(4) + 0.1 * np.eye(4)[[3, 2, 1, 0]], "has "),
    "transposed": (np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.3, 0, 1, 1.0]]), "last"),
}


@pytest.fixture(scope="module")
def rt() -> Retargeter:
    return Retargeter()


@pytest.fixture(scope="module")
def demo(rt: Retargeter) -> Demo:
    qpos = np.zeros((FRAMES, len(rt.robot.joint_names)))
    for side in rt.robot.sides:
        qpos[:, rt.robot.indices(side.arm_joints)] = side.arm_posture
    return demo_from_joints(rt.robot, qpos)


def spoilt(T: FloatArray, bad: FloatArray) -> FloatArray:
    T = T.copy()
    T[BAD] = bad
    return T


def scene(rt: Retargeter) -> Scene:
    return build_scene(rt.robot, rt.fitter.hands)


def human_file(rt: Retargeter, demo: Demo) -> HumanFileInfo:
    return replace(human_info(rt.fitter, demo), body_joints=())


Entry = Callable[[Retargeter, Demo, HumanMotion, Path], Any]
WRIST: dict[str, Entry] = {
    "MANOFitter.fit": lambda rt, d, m, p: rt.fitter.fit(d.fingertips, d.T_world_wrist),
    "Retargeter.to_human": lambda rt, d, m, p: rt.to_human(d),
    "Retargeter.round_trip": lambda rt, d, m, p: rt.round_trip(d),
    "save_demo": lambda rt, d, m, p: save_demo(p / "out.hdf5", d, robot=rt.robot),
    "viewer": lambda rt, d, m, p: frame_states(scene(rt), wrists=d.T_world_wrist),
    "Viewer.show": lambda rt, d, m, p: checked_rows("wrists", d.T_world_wrist, (2, 4, 4)),
}
MANO: dict[str, Entry] = {
    "Retargeter.to_robot": lambda rt, d, m, p: rt.to_robot(m),
    "MANOFitter.keypoints": lambda rt, d, m, p: rt.fitter.keypoints(m),
    "action_from_motion": lambda rt, d, m, p: action_from_motion(m),
    "save_human": lambda rt, d, m, p: save_human(p / "out.hdf5", m, human_file(rt, d)),
    "viewer": lambda rt, d, m, p: frame_states(scene(rt), T_world_mano=m.T_world_mano),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("entry", WRIST)
def test_a_wrist_that_is_not_rigid_is_refused(
    rt: Retargeter, demo: Demo, tmp_path: Path, entry: str, fault: str
) -> None:
    bad, said = FAULTS[fault]
    wrong = replace(demo, T_world_wrist=spoilt(demo.T_world_wrist, bad))
    with pytest.raises(InputError, match=rf"(T_world_wrist|wrists) .*{said}.* at index \(3, 1\)"):
        WRIST[entry](rt, wrong, rt.to_human(demo), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("entry", MANO)
def test_a_human_wrist_that_is_not_rigid_is_refused(
    rt: Retargeter, demo: Demo, tmp_path: Path, entry: str, fault: str
) -> None:
    bad, said = FAULTS[fault]
    motion = rt.to_human(demo)
    wrong = replace(motion, T_world_mano=spoilt(motion.T_world_mano, bad))
    with pytest.raises(InputError, match=rf"T_world_mano .*{said}.* at index \(3, 1\)"):
        MANO[entry](rt, demo, wrong, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("entry", [*WRIST, *MANO])
def test_a_wrist_that_is_missing_is_not_refused(
    rt: Retargeter, demo: Demo, tmp_path: Path, entry: str
) -> None:
    missing = replace(demo, T_world_wrist=spoilt(demo.T_world_wrist, np.full((4, 4), np.nan)))
    motion = rt.to_human(missing)
    assert motion.status[BAD] == Status.MISSING_INPUT
    lost = np.ones((FRAMES, 2), dtype=np.bool_)
    lost[BAD] = False
    (WRIST | MANO)[entry](rt, replace(missing, valid=lost), motion, tmp_path)


def test_what_is_left_out_may_be_anything(rt: Retargeter, demo: Demo) -> None:
    valid = np.ones((FRAMES, 2), dtype=np.bool_)
    valid[BAD] = False
    wrong = replace(demo, T_world_wrist=spoilt(demo.T_world_wrist, FAULTS["zero"][0]))
    motion = rt.to_human(replace(wrong, valid=valid))
    assert motion.status[BAD] == Status.MISSING_INPUT
    rt.to_robot(motion)
    rt.fitter.keypoints(motion)


@pytest.mark.parametrize("fault", FAULTS)
def test_cameras_and_poses_for_an_arm_are_refused(
    rt: Retargeter, demo: Demo, tmp_path: Path, fault: str
) -> None:
    bad, said = FAULTS[fault]
    action = action_from_motion(rt.to_human(demo))
    for change in (to_camera, to_world):
        with pytest.raises(InputError, match=f"T_a_b .*{said}"):
            change(action, bad)
    moving = np.broadcast_to(np.eye(4), (FRAMES, 4, 4)).copy()
    moving[2] = bad
    with pytest.raises(InputError, match=rf"T_a_b .*{said}.* at index \(2,\)"):
        to_camera(action, moving)
    with pytest.raises(InputError, match=f"T_a_b .*{said}"):
        motion_from_action(action, rt.fitter.hand_hash, bad)
    with pytest.raises(InputError, match=f"T_world_wrist .*{said}"):
        ArmIK(rt.robot).solve(bad)
    info = replace(human_file(rt, demo), T_camera_world=bad)
    with pytest.raises(InputError, match="T_camera_world: expected a rigid transform"):
        save_human(tmp_path / "out.hdf5", rt.to_human(demo), info)
    assert not list(tmp_path.iterdir())


def test_a_fit_takes_poses_of_half_precision(rt: Retargeter, demo: Demo) -> None:
    T = demo.T_world_wrist.astype(np.float16).astype(np.float64)
    assert (MANOFitter().fit(demo.fingertips, T).status == int(Status.OK)).all()
