"""One way at a time, streamed: demonstrations to human motion or actions, human motion back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retarget.actions import Action, Normalization, action_from_motion, make_chunks, pack, unpack
from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.core.statistics import FrameStats
from retarget.core.status import status_counts, statuses_text
from retarget.core.text import angle_text, frames_text, length_text
from retarget.core.types import SIDES, Demo, FloatArray, IntArray, Status
from retarget.data.action_file import ActionFileInfo, ActionWriter
from retarget.data.demo.check import check_recording
from retarget.data.demo.reader import DemoReader
from retarget.data.demo.writer import DemoWriter, demo_from_joints
from retarget.data.file_attributes import software_versions
from retarget.data.file_kind import FileKind, file_kind
from retarget.data.human_file import HumanReader, HumanWriter, body_joints, human_info

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter

_CHUNKS_AT_ONCE = 512


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
        retargeter: converts it.
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
    done = []
    with DemoReader(path, robot=robot, rate=rate) as reader:
        check_recording(reader, robot, strict=strict, progress=progress)
        info = human_info(fitter, reader.read(0, 1), camera=camera, sim=reader.sim)
        with HumanWriter(out, info) as writer:
            for demo in reader.blocks(block):
                human = retargeter.to_human(demo)
                writer.append(
                    human, keypoints=fitter.keypoints(human), body_qpos=demo.qpos[:, body]
                )
                done.append((human.status, human.residual.mean(axis=-1)))
                progress("converting", writer.frames, reader.frames)
    return _human_conversion(path, out, reader.rate, *_joined(done))


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
    done = []
    with HumanReader(path, hand=retargeter.fitter.hand_hash) as reader:
        info = reader.info
        known = [name for name in info.body_joints if name in robot.joint_names]
        stored, placed = [info.body_joints.index(name) for name in known], robot.indices(known)
        for _ in reader.blocks(block):  # every frame is sound before any is computed
            pass
        attrs = {"sim": info.sim, "source": Path(path).name}
        q0: FloatArray | None = None
        with DemoWriter(out, robot=robot, attrs=attrs) as writer:
            for human, body_qpos in reader.blocks(block):
                body = np.zeros((len(body_qpos), len(robot.joint_names)))
                body[:, placed] = body_qpos[:, stored]
                motion = retargeter.to_robot(human, body=body, q0=q0)
                q0 = motion.qpos[-1]
                demo = demo_from_joints(
                    robot,
                    motion.qpos,
                    valid=motion.hand_status != Status.MISSING_INPUT,
                    rate=info.rate,
                    start=writer.frames,
                )
                writer.append(demo)
                statuses = motion.hand_status, motion.arm_status
                done.append((*statuses, motion.position_error, motion.rotation_error))
                progress("converting", writer.frames, reader.frames)
    hand, arm, position, rotation = _joined(done)
    return Conversion(
        path=Path(path),
        out=Path(out),
        frames=len(hand),
        rate=info.rate,
        rows=(
            ("hand frames", _status_texts(hand)),
            ("arm frames", _status_texts(arm)),
            ("wrist position error", _error_texts(position, length_text)),
            ("wrist rotation error", _error_texts(rotation, angle_text)),
        ),
        reasons=(*_unfit(hand), *_unreachable(arm, position, rotation)),
    )


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
        retargeter: converts a demonstration.
        camera: the robot's camera whose frame the wrists are expressed in; world frame where None.
        horizon: rows of a chunk; single steps are written where None.
        stride: frames from one chunk to the next.
        normalization: applied to the actions.
        rate: frames per second [Hz], where the file's own knowledge is to be overruled.
        strict: refuse a demonstration that disagrees with its own joints.
        progress: called after every block.
        block: frames a block.

    Raises:
        FileError: the file cannot be read, is unsound, or of another hand model, or ``out`` cannot
            be written.
        InputError: the robot has no such camera, or the hand model has more than 15 components.
    """
    T = None if camera is None else retargeter.robot.camera(camera).T_camera_world
    reader: HumanReader | DemoReader
    if file_kind(path) is FileKind.HUMAN:
        reader = HumanReader(path, hand=retargeter.fitter.hand_hash, rate=rate)
    else:
        reader = DemoReader(path, robot=retargeter.robot, rate=rate)
    done, frames = [], 0
    with reader:
        if isinstance(reader, DemoReader):
            check_recording(reader, retargeter.robot, strict=strict, progress=progress)
        for read in reader.blocks(block):
            human = retargeter.to_human(read) if isinstance(read, Demo) else read[0]
            action = action_from_motion(human, T)
            if normalization is not None:
                action = normalization.apply(action)
            done.append((human.status, human.residual.mean(axis=-1), pack(action)))
            frames += len(action)
            progress("converting", frames, reader.frames)
    status, residual, vectors = _joined(done)
    info = ActionFileInfo(
        rate=reader.rate,
        hand=retargeter.fitter.hand_hash,
        camera=camera or "",
        T_camera_world=T,
        normalization=normalization,
        stride=stride if horizon is not None else 1,
        source=Path(path).name,
        versions=software_versions(),
    )
    whole = unpack(vectors, normalization=normalization)
    with ActionWriter(out, info) as writer:
        for part in [whole] if horizon is None else _chunks(whole, horizon, stride):
            writer.append(part)
    return _human_conversion(path, out, reader.rate, status, residual)


def _human_conversion(
    path: str | Path, out: str | Path, rate: float, status: IntArray, residual: FloatArray
) -> Conversion:
    """What became of a file's human motion: statuses (T, 2) and fit residuals (T, 2) [m]."""
    return Conversion(
        path=Path(path),
        out=Path(out),
        frames=len(status),
        rate=rate,
        rows=(
            ("frames", _status_texts(status)),
            ("fit residual", _error_texts(residual, length_text)),
        ),
        reasons=_unfit(status),
    )


def _joined(blocks: Iterable[tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """Arrays that came block by block, each whole."""
    return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))


def _chunks(whole: Action, horizon: int, stride: int) -> Iterator[Action]:
    """The chunks of a motion, some at a time."""
    step = _CHUNKS_AT_ONCE * stride
    for start in range(0, len(whole), step):
        part = make_chunks(whole[start : start + step + horizon], horizon, stride=stride)
        yield part[: -(-min(step, len(whole) - start) // stride)]


def _status_texts(status: IntArray) -> tuple[str, ...]:
    """How many frames of each side (T, 2) have which status."""
    return tuple(statuses_text(status_counts(status[:, h])) for h in range(len(SIDES)))


def _error_texts(errors: FloatArray, text: Callable[[float], str]) -> tuple[str, ...]:
    """Mean and maximum of each side's errors (T, 2)."""
    texts = []
    for h in range(len(SIDES)):
        stats = FrameStats.over_frames(errors[:, h])
        worst = f", frame {stats.worst_frame}" if stats.worst_frame >= 0 else ""
        texts.append(f"mean {text(stats.mean)}, max {text(stats.max)}{worst}")
    return tuple(texts)


def _unfit(status: IntArray) -> tuple[str, ...]:
    """Why statuses (T, 2) of the hands make a result unreliable; none where they do not."""
    found = []
    for h, side in enumerate(SIDES):
        lost = np.flatnonzero(status[:, h] == Status.NOT_CONVERGED)
        if lost.size:
            found.append(f"the {side} hand did not converge ({frames_text(lost)})")
        if (status[:, h] == Status.MISSING_INPUT).all():
            found.append(f"the {side} hand is missing in all {len(status)} frames")
    return tuple(found)


def _unreachable(arm: IntArray, position: FloatArray, rotation: FloatArray) -> tuple[str, ...]:
    """Poses that the arms do not reach, and how far they are off."""
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
