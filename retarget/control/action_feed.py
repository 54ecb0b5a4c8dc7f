"""A demonstration or an action file as what a policy would say, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retarget.actions import action_from_motion, pack, to_world
from retarget.core.errors import FileError
from retarget.core.progress import Progress, no_progress
from retarget.core.types import FloatArray
from retarget.data.action_file import ActionReader
from retarget.data.demo.findings import Finding
from retarget.data.demo.recording import Recording
from retarget.data.file_kind import FileKind, file_kind

if TYPE_CHECKING:
    from retarget.actions import Action
    from retarget.mapping.retargeter import Retargeter
    from retarget.robot.robot import Robot

_BLOCK = 2048
_MOST_STEPS = 10**6  # of a run, whose figures are kept step by step: hours


@dataclass(frozen=True)
class ActionFeed:
    """What a policy says, and the robot it says it to.

    Attributes:
        path: the file.
        rate: steps per second [Hz].
        camera: the robot's camera in whose frame the vectors are, None for the world frame.
        start: (n,) joint positions in step 0, passive joints at their mimic relations [rad].
        steps: number of steps T.
        horizon: rows L of a chunk.
        vectors: (T, 48) a motion that chunks are cut from, or (N, L, 48) chunks.
        stride: steps from one chunk to the next.
        findings: of a demonstration, what its check found beside its geometry.
    """

    path: Path
    rate: float
    camera: str | None
    start: FloatArray
    steps: int
    horizon: int
    vectors: FloatArray
    stride: int = 1
    findings: tuple[Finding, ...] = ()

    @property
    def chunked(self) -> bool:
        """The file held chunks."""
        return self.vectors.ndim == 3

    def chunk(self, step: int) -> FloatArray | None:
        """What is said in a step: a chunk (L, 48), or nothing."""
        if step % self.stride or step // self.stride >= len(self.vectors):
            return None
        if self.chunked:
            return np.asarray(self.vectors[step // self.stride])
        last = self.steps - 1
        rows = np.minimum(np.arange(step + 1, step + 1 + self.horizon), last)
        return np.asarray(self.vectors[rows])


def read_feed(
    path: str | Path,
    retargeter: Retargeter,
    *,
    camera: str | None = "main",
    horizon: int = 30,
    rate: float | None = None,
    strict: bool = True,
    progress: Progress = no_progress,
) -> ActionFeed:
    """Read a demonstration or an action file.

    A demonstration becomes human motion, and that the chunks of a policy that predicts it rightly;
    the robot starts where it was recorded. Actions are taken as they are; the robot starts in its
    posture, hands open.

    Args:
        path: the file.
        retargeter: converts a demonstration.
        camera: frame of a demonstration's chunks; None for the world frame.
        horizon: rows of chunks cut from a demonstration or from single actions.
        rate: steps per second [Hz], where the file's own knowledge is to be overruled.
        strict: refuse a demonstration that disagrees with its own joints.
        progress: called after every block.

    Raises:
        FileError: the file cannot be read, is of neither kind, is unsound, or its wrists are in the
            frame of a camera that nobody says where it stands.
        InputError: the robot has no such camera.
    """
    kind = file_kind(path)
    if kind is FileKind.ACTIONS:
        return _from_actions(path, retargeter, horizon, rate)
    if kind is FileKind.DEMO:
        return _from_demo(path, retargeter, camera, horizon, rate, strict, progress)
    raise FileError(path, "is neither a demonstration nor an action file")


def standing(robot: Robot, qpos: FloatArray | None = None) -> FloatArray:
    """Joint positions (n,) a robot can stand in [rad].

    Args:
        robot: the robot.
        qpos: (n,) where about; brought within the limits, passive joints to their mimic relations.
            By default the arms' posture, hands open, everything else at 0.
    """
    q = np.zeros(len(robot.joint_names)) if qpos is None else np.array(qpos, dtype=np.float64)
    if qpos is None:
        for side in robot.sides:
            q[robot.indices(side.arm_joints)] = side.arm_posture
    q = np.clip(q, robot.lower, robot.upper)
    for k, side in enumerate(robot.sides):
        active = np.clip(q[robot.indices(side.active_joints)], *robot.hand_limits(k))
        q[robot.indices(side.hand_joints)] = robot.expand_hand(k, active)
    return q


def _from_demo(
    path: str | Path,
    retargeter: Retargeter,
    camera: str | None,
    horizon: int,
    rate: float | None,
    strict: bool,
    progress: Progress,
) -> ActionFeed:
    robot = retargeter.robot
    T = None if camera is None else robot.camera(camera).T_camera_world
    vectors: list[FloatArray] = []
    start: FloatArray | None = None
    with Recording(path, robot, rate=rate, strict=strict) as reader:
        _require_steps(path, reader.frames)
        reader.check(progress=progress)
        for demo in reader.blocks(_BLOCK):
            start = demo.qpos[0] if start is None else start
            vectors.append(pack(action_from_motion(retargeter.to_human(demo), T)))
        found, findings = reader.rate, reader.findings
    motion = np.concatenate(vectors)
    return ActionFeed(
        path=Path(path),
        rate=found,
        camera=camera,
        start=standing(robot, start),
        steps=len(motion),
        horizon=horizon,
        vectors=motion,
        findings=findings,
    )


def _from_actions(
    path: str | Path, retargeter: Retargeter, horizon: int, rate: float | None
) -> ActionFeed:
    with ActionReader(path, hand=retargeter.fitter.hand_hash, rate=rate) as reader:
        info = reader.info
        if info.camera and info.T_camera_world is None:
            raise FileError(
                path,
                f"its wrists are in the frame of camera {info.camera!r}, which moves or whose pose "
                "is not in the file; write it in the world frame",
                key="T_camera_world",
            )
        steps = reader.frames * (info.stride if reader.chunked else 1)
        _require_steps(path, steps)
        vectors = []
        for block in reader.blocks(_BLOCK if not reader.chunked else _BLOCK // reader.horizon + 1):
            vectors.append(pack(_in_world(block, info.T_camera_world)))
        chunked, rows, stride = reader.chunked, reader.horizon, info.stride
    whole = np.concatenate(vectors)
    return ActionFeed(
        path=Path(path),
        rate=reader.rate,
        camera=None,
        start=standing(retargeter.robot),
        steps=steps,
        horizon=rows if chunked else horizon,
        vectors=whole,
        stride=stride if chunked else 1,
    )


def _require_steps(path: str | Path, steps: int) -> None:
    if steps > _MOST_STEPS:
        raise FileError(path, f"has {steps} steps, a run at most {_MOST_STEPS}; cut it")


def _in_world(action: Action, T_camera_world: FloatArray | None) -> Action:
    if action.normalization is not None:
        action = action.normalization.undo(action)
    return action if T_camera_world is None else to_world(action, T_camera_world)
