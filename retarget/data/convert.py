"""One way at a time, streamed: a demonstration to human motion, human motion to a demonstration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.actions import Action, Normalization, action_from_motion, make_chunks, pack, unpack
from retarget.core.hdf5 import open_hdf5, text
from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.core.statistics import FrameStats
from retarget.core.status import status_counts, statuses_text
from retarget.core.text import angle_text, frames_text, length_text
from retarget.core.types import SIDES, FloatArray, HumanMotion, IntArray, Status
from retarget.core.version import VERSION
from retarget.data.action_file import ActionFileInfo, ActionWriter
from retarget.data.demo.check import checked
from retarget.data.demo.reader import DemoReader
from retarget.data.demo.writer import DemoWriter, played
from retarget.data.human_file import FORMAT as HUMAN_FORMAT
from retarget.data.human_file import HumanReader, HumanWriter, body_joints, human_info

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter


@dataclass(frozen=True)
class Conversion:
    """What became of one file.

    Attributes:
        path: the file read.
        out: the file written.
        frames: number of frames.
        rate: frames per second [Hz].
        rows: a title and a text for each side.
        reasons: why the result is not to be relied on; none where it is.
    """

    path: Path
    out: Path
    frames: int
    rate: float
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """The result can be relied on."""
        return not self.reasons


def demo_to_human(
    path: str | Path,
    out: str | Path,
    retargeter: Retargeter,
    *,
    camera: str | None = None,
    rate: float | None = None,
    strict: bool = True,
    progress: Progress = no_progress,
    block: int = BLOCK,
) -> Conversion:
    """Write a demonstration file as human motion (docs/formats.md), in blocks.

    Args:
        path: the demonstration.
        out: the human motion file.
        retargeter: carries it over.
        camera: the robot's camera to express the wrists in, or None.
        rate: frames per second [Hz], where the file's own knowledge is to be overruled.
        strict: refuse a file that disagrees with its own joints.
        progress: called after every block.
        block: frames a block.

    Raises:
        DemoError: the file cannot be read, is unsound, or disagrees with its own joints.
        FileError: ``out`` cannot be written.
        InputError: the robot has no such camera.
    """
    robot, fitter = retargeter.robot, retargeter.fitter
    body = robot.indices(body_joints(robot))
    with DemoReader(path, robot=robot, rate=rate) as reader:
        checked(reader, robot, strict=strict, progress=progress)
        residual = np.full((reader.frames, len(SIDES)), np.nan)
        status = np.full((reader.frames, len(SIDES)), int(Status.MISSING_INPUT))
        sim = bool(reader.attrs.get("sim", True))
        info = human_info(fitter, reader.read(0, 1), camera=camera, sim=sim)
        with HumanWriter(out, info) as writer:
            for demo in reader.blocks(block):
                human = retargeter.to_human(demo)
                writer.append(
                    human, keypoints=fitter.keypoints(human), body_qpos=demo.qpos[:, body]
                )
                rows = slice(demo.start, demo.start + demo.frames)
                residual[rows], status[rows] = human.residual.mean(axis=-1), human.status
                progress("converting", rows.stop, reader.frames)
        return Conversion(
            path=Path(path),
            out=Path(out),
            frames=reader.frames,
            rate=reader.rate,
            rows=(
                ("frames", told_statuses(status)),
                ("fit residual", told_errors(residual, length_text)),
            ),
            reasons=unfit_reasons(status, "hand"),
        )


def human_to_demo(
    path: str | Path,
    out: str | Path,
    retargeter: Retargeter,
    *,
    progress: Progress = no_progress,
    block: int = BLOCK,
) -> Conversion:
    """Write a human motion file as a demonstration, in blocks.

    Joints that are neither arm nor hand stand where the file has them, at zero where it does not.

    Raises:
        FileError: the file cannot be read or is of another hand model, or ``out`` cannot be
            written.
    """
    robot = retargeter.robot
    with HumanReader(path, hand=retargeter.fitter.hand_hash) as reader:
        info = reader.info
        known = [name for name in info.body_joints if name in robot.joint_names]
        taken = [info.body_joints.index(name) for name in known]
        placed = robot.indices(known)
        for _ in reader.blocks(block):  # every frame is sound before any is computed
            pass
        position, rotation = (np.full((reader.frames, len(SIDES)), np.nan) for _ in range(2))
        hand, arm = (np.zeros((reader.frames, len(SIDES)), dtype=np.int64) for _ in range(2))
        q0: FloatArray | None = None
        done = 0
        with DemoWriter(out, attrs={"sim": info.sim, "source": Path(path).name}) as writer:
            for human, body_qpos in reader.blocks(block):
                body = np.zeros((len(body_qpos), len(robot.joint_names)))
                body[:, placed] = body_qpos[:, taken]
                motion = retargeter.to_robot(human, body=body, q0=q0)
                q0 = motion.qpos[-1]
                valid = motion.hand_status != Status.MISSING_INPUT
                writer.append(played(robot, motion, valid, info.rate, done))
                rows = slice(done, done + len(body))
                position[rows], rotation[rows] = motion.position_error, motion.rotation_error
                hand[rows], arm[rows] = motion.hand_status, motion.arm_status
                done = rows.stop
                progress("converting", done, reader.frames)
    return Conversion(
        path=Path(path),
        out=Path(out),
        frames=done,
        rate=info.rate,
        rows=(
            ("hand frames", told_statuses(hand)),
            ("arm frames", told_statuses(arm)),
            ("wrist position error", told_errors(position, length_text)),
            ("wrist rotation error", told_errors(rotation, angle_text)),
        ),
        reasons=(*unfit_reasons(hand, "hand"), *_unreachable(arm, position, rotation)),
    )


def told_statuses(status: IntArray) -> tuple[str, ...]:
    """How many frames of each side (T, 2) have which status."""
    return tuple(statuses_text(status_counts(status[:, h])) for h in range(len(SIDES)))


def told_errors(errors: FloatArray, text: Callable[[float], str]) -> tuple[str, ...]:
    """Mean and maximum of each side's errors (T, 2)."""
    told = []
    for h in range(len(SIDES)):
        stats = FrameStats.over_frames(errors[:, h])
        worst = f", frame {stats.worst_frame}" if stats.worst_frame >= 0 else ""
        told.append(f"mean {text(stats.mean)}, max {text(stats.max)}{worst}")
    return tuple(told)


def unfit_reasons(status: IntArray, what: str) -> tuple[str, ...]:
    """Why statuses (T, 2) of the hands or arms make a result unreliable; none where they do not."""
    found = []
    for h, side in enumerate(SIDES):
        lost = np.flatnonzero(status[:, h] == Status.NOT_CONVERGED)
        if lost.size:
            found.append(f"the {side} {what} did not converge ({frames_text(lost)})")
        if (status[:, h] == Status.MISSING_INPUT).all():
            found.append(f"the {side} {what} is missing in all {len(status)} frames")
    return tuple(found)


def _unreachable(arm: IntArray, position: FloatArray, rotation: FloatArray) -> tuple[str, ...]:
    found = []
    for h, side in enumerate(SIDES):
        for status, said in (
            (Status.UNREACHABLE, "cannot be reached by the arm; the nearest pose"),
            (Status.NOT_CONVERGED, "was not found by the arm; the pose it has"),
        ):
            missed = np.flatnonzero(arm[:, h] == status)
            if missed.size:
                found.append(
                    f"the {side} wrist's pose {said} is off by up to "
                    f"{length_text(position[missed, h].max())} and "
                    f"{angle_text(rotation[missed, h].max())} ({frames_text(missed)})"
                )
    return tuple(found)


_CHUNKS_AT_ONCE = 512


def to_actions(
    path: str | Path,
    out: str | Path,
    retargeter: Retargeter,
    *,
    camera: str | None = None,
    horizon: int | None = None,
    stride: int = 1,
    normalization: Normalization | None = None,
    rate: float | None = None,
    strict: bool = True,
    progress: Progress = no_progress,
    block: int = BLOCK,
) -> Conversion:
    """Write a demonstration, or a human motion file, as an action file (docs/actions.md).

    Args:
        path: the demonstration or human motion file.
        out: the action file.
        retargeter: carries a demonstration over.
        camera: the robot's camera whose frame the wrists are expressed in; world frame where None.
        horizon: rows of a chunk; single steps are written where None.
        stride: frames from one chunk to the next.
        normalization: applied to the actions.
        rate: frames per second [Hz], where a demonstration's own knowledge is to be overruled.
        strict: refuse a demonstration that disagrees with its own joints.
        progress: called after every block.
        block: frames a block.

    Raises:
        FileError: the file cannot be read, is unsound, or of another hand model, or ``out`` cannot
            be written.
        InputError: the robot has no such camera, or the hand model has more than 15 components.
    """
    T = None if camera is None else retargeter.robot.camera(camera).T_camera_world
    vectors: list[FloatArray] = []
    status: list[IntArray] = []
    residual: list[FloatArray] = []
    with _human_blocks(path, retargeter, rate, strict, progress, block) as (found_rate, blocks):
        for motion in blocks:
            action = action_from_motion(motion, T)
            vectors.append(pack(action if normalization is None else normalization.apply(action)))
            status.append(motion.status)
            residual.append(motion.residual.mean(axis=-1))
    info = ActionFileInfo(
        rate=found_rate,
        hand=retargeter.fitter.hand_hash,
        camera=camera or "",
        T_camera_world=T,
        normalization=normalization,
        stride=stride if horizon is not None else 1,
        source=Path(path).name,
        versions={"retarget": VERSION, "numpy": np.__version__},
    )
    whole = unpack(np.concatenate(vectors), normalization=normalization)
    with ActionWriter(out, info) as writer:
        for part in [whole] if horizon is None else _chunks(whole, horizon, stride):
            writer.append(part)
    statuses = np.concatenate(status)
    return Conversion(
        path=Path(path),
        out=Path(out),
        frames=len(whole),
        rate=found_rate,
        rows=(
            ("frames", told_statuses(statuses)),
            ("fit residual", told_errors(np.concatenate(residual), length_text)),
        ),
        reasons=unfit_reasons(statuses, "hand"),
    )


@contextmanager
def _human_blocks(
    path: str | Path,
    retargeter: Retargeter,
    rate: float | None,
    strict: bool,
    progress: Progress,
    block: int,
) -> Iterator[tuple[float, Iterator[HumanMotion]]]:
    """Rate of a file of either kind, and its human motion in blocks."""
    with open_hdf5(path) as file:
        kind: Any = file.attrs.get("format", "")
    if isinstance(kind, (str, bytes)) and text(kind) == HUMAN_FORMAT:
        with HumanReader(path, hand=retargeter.fitter.hand_hash) as reader:
            yield reader.info.rate, (motion for motion, _ in reader.blocks(block))
        return
    with DemoReader(path, robot=retargeter.robot, rate=rate) as demos:
        checked(demos, retargeter.robot, strict=strict, progress=progress)

        def fitted() -> Iterator[HumanMotion]:
            for demo in demos.blocks(block):
                yield retargeter.to_human(demo)
                progress("converting", demo.start + demo.frames, demos.frames)

        yield demos.rate, fitted()


def _chunks(whole: Action, horizon: int, stride: int) -> Iterator[Action]:
    """The chunks of a motion, some at a time."""
    step = _CHUNKS_AT_ONCE * stride
    for start in range(0, len(whole), step):
        part = make_chunks(whole[start : start + step + horizon], horizon, stride=stride)
        yield part[: -(-min(step, len(whole) - start) // stride)]
