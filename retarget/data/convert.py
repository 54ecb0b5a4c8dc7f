"""One way, streamed: demonstrations to human motion or actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retarget.actions import (
    Action,
    Normalization,
    action_from_motion,
    make_chunks,
    pack,
    to_camera,
    unpack,
)
from retarget.core.geometry import transform_inverse
from retarget.core.progress import BLOCK, Progress, no_progress
from retarget.core.statistics import FrameStats
from retarget.core.status import status_counts, statuses_text
from retarget.core.text import frames_text, length_text
from retarget.core.types import (
    SIDES,
    BoolArray,
    Demo,
    FloatArray,
    HumanMotion,
    IntArray,
    Status,
)
from retarget.data.action_file import ActionFileInfo, ActionWriter
from retarget.data.demo.findings import Finding
from retarget.data.demo.recording import Recording
from retarget.data.file_attributes import software_versions
from retarget.data.file_kind import FileKind, file_kind
from retarget.data.human_file import HumanReader, HumanWriter, body_joints, human_info
from retarget.data.peak_speeds import SpeedWatch
from retarget.mapping.people_labels import PeopleLabels

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
        notes: what is worth saying of the recording all the same.
    """

    path: Path
    out: Path
    frames: int
    rate: float
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()

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
    with Recording(path, robot, rate=rate, strict=strict) as reader:
        speeds = SpeedWatch(robot, reader.rate)

        def watch(demo: Demo) -> None:
            speeds.add(demo.qpos, demo.T_world_wrist[..., :3, 3], demo.valid)

        reader.check(progress=progress, watch=watch)
        info = human_info(fitter, reader.read(0, 1), camera=camera, sim=reader.sim)
        info = replace(info, speeds=speeds.result())
        with HumanWriter(out, info) as writer:
            for demo in reader.blocks(block):
                human = retargeter.to_human(demo)
                writer.append(
                    human, keypoints=fitter.keypoints(human), body_qpos=demo.qpos[:, body]
                )
                done.append((human.status, human.fit_residual))
                progress("converting", writer.frames, reader.frames)
    return _human_conversion(path, out, reader.rate, *_joined(done), findings=reader.findings)


def to_actions(
    path: str | Path,
    out: str | Path,
    retargeter: Retargeter,
    *,
    camera: str | None = None,
    own_camera: bool = False,
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
        own_camera: of a person's file take what it has itself instead: the camera that moves, the
            chunk of a frame in the camera's frame then, or else the frame it is in.
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
    reader: HumanReader | Recording
    if file_kind(path) is FileKind.HUMAN:
        reader = HumanReader(path, hand=retargeter.fitter.hand_hash, rate=rate)
    else:
        reader = Recording(path, retargeter.robot, rate=rate, strict=strict)
    done, frames = [], 0
    with reader:
        findings: tuple[Finding, ...] = ()
        path_of: FloatArray | None = None
        user = reader.info.user if isinstance(reader, HumanReader) else None
        if isinstance(reader, Recording):
            reader.check(progress=progress)
            findings = reader.findings
        elif own_camera and user is not None:
            camera = reader.info.camera if reader.camera_moves else None
            path_of = reader.read_camera() if reader.camera_moves else None
        still = camera is not None and path_of is None
        T = retargeter.robot.camera(str(camera)).T_camera_world if still else None
        labels = None if user is None else PeopleLabels(retargeter.fitter, user)
        for read in reader.blocks(block):
            human = retargeter.to_human(read) if isinstance(read, Demo) else read[0]
            if labels is not None and isinstance(reader, HumanReader):
                human = labels.of(human, reader.read_seen(frames, frames + len(human.pca)))
            if path_of is not None:
                human = _seen(human, path_of[frames : frames + len(human.pca)])
            action = action_from_motion(human, T)
            done.append((human.status, human.fit_residual, pack(action)))
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
    whole = unpack(vectors)
    if path_of is not None:
        path_of = _gapless(path_of)
    with ActionWriter(out, info) as writer:
        for part in _parts(whole, horizon, stride, path_of):
            writer.append(part if normalization is None else normalization.apply(part))
    return _human_conversion(path, out, reader.rate, status, residual, findings=findings)


def _human_conversion(
    path: str | Path,
    out: str | Path,
    rate: float,
    status: IntArray,
    residual: FloatArray,
    *,
    findings: Sequence[Finding],
) -> Conversion:
    """What became of a file's human motion: statuses (T, 2) and fit residuals (T, 2) [m]."""
    return Conversion(
        path=Path(path),
        out=Path(out),
        frames=len(status),
        rate=rate,
        rows=(
            ("frames", status_texts(status)),
            ("fit residual", _error_texts(residual, length_text)),
        ),
        reasons=(*(finding.text for finding in findings if not finding.note), *_unfit(status)),
        notes=tuple(finding.text for finding in findings if finding.note),
    )


def _joined(blocks: Iterable[tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """Arrays that came block by block, each whole."""
    return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))


def _parts(
    whole: Action, horizon: int | None, stride: int, T_world_camera: FloatArray | None
) -> Iterator[Action]:
    """The steps of a motion at once, or its chunks some at a time, as a moving camera sees them."""
    if horizon is None:
        T = T_world_camera
        yield whole if T is None else to_camera(whole, transform_inverse(T))
        return
    step = _CHUNKS_AT_ONCE * stride
    for start in range(0, len(whole), step):
        rows = slice(start, start + step + horizon)
        T = None if T_world_camera is None else T_world_camera[rows]
        part = make_chunks(whole[rows], horizon, stride=stride, T_world_camera=T)
        yield part[: -(-min(step, len(whole) - start) // stride)]


def _seen(human: HumanMotion, T_world_camera: FloatArray) -> HumanMotion:
    """The motion without the hands of frames (T) in which nobody knows where the camera is."""
    known: BoolArray = np.asarray(np.isfinite(T_world_camera).all(axis=(-2, -1)))
    lost = ~known[:, None]
    return replace(
        human,
        pca=np.where(lost[..., None], np.nan, human.pca),
        T_world_mano=np.where(lost[..., None, None], np.nan, human.T_world_mano),
        status=np.where(lost, int(Status.MISSING_INPUT), human.status),
    )


def _gapless(T: FloatArray) -> FloatArray:
    """Poses (T, 4, 4), where one is not known that of the last frame before, or the first known."""
    known: BoolArray = np.asarray(np.isfinite(T).all(axis=(-2, -1)))
    if not known.any():
        return np.broadcast_to(np.eye(4), T.shape)
    last = np.maximum.accumulate(np.where(known, np.arange(len(T)), int(np.argmax(known))))
    return np.asarray(T[last])


def status_texts(status: IntArray) -> tuple[str, ...]:
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
        found += unconverged(status, h)
        if (status[:, h] == Status.MISSING_INPUT).all():
            found.append(f"the {side} hand is missing in all {len(status)} frames")
    return tuple(found)


def unconverged(status: IntArray, side: int) -> list[str]:
    """That a hand of statuses (T, 2) did not converge, where it did not."""
    failed = np.flatnonzero(status[:, side] == Status.NOT_CONVERGED)
    return [f"the {SIDES[side]} hand did not converge ({frames_text(failed)})"] * bool(failed.size)
