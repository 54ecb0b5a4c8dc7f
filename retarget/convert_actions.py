"""A demonstration or human motion file written as a policy's actions, or as their chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.action_file import ActionFileInfo, ActionWriter
from retarget.actions import Action, Normalization, from_human, make_chunks, pack, unpack
from retarget.convert import Conversion, told_errors, told_statuses, unfit_reasons
from retarget.demo import DemoReader
from retarget.hdf5 import open_hdf5
from retarget.hdf5_attributes import text
from retarget.human_file import HumanReader
from retarget.human_info import FORMAT as HUMAN_FORMAT
from retarget.replay import BLOCK, Progress, checked, no_progress
from retarget.types import FloatArray, HumanMotion, IntArray
from retarget.units import length_text

if TYPE_CHECKING:
    from retarget.retargeter import Retargeter

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
    import retarget

    T = None if camera is None else retargeter.robot.camera(camera).T_camera_world
    vectors: list[FloatArray] = []
    status: list[IntArray] = []
    residual: list[FloatArray] = []
    with _human_blocks(path, retargeter, rate, strict, progress, block) as (found_rate, blocks):
        for motion in blocks:
            action = from_human(motion, T)
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
        versions={"retarget": retarget.__version__, "numpy": np.__version__},
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
