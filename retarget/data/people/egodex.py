"""EgoDex: HDF5 with the poses of 68 joints and of the camera in ARKit's world, whose y is up.

``transforms/NAME`` (N, 4, 4) for leftHand, leftThumbKnuckle, ..., rightLittleFingerTip and camera,
``confidences/NAME`` (N,) in some files, 30 frames per second without time stamps; the attributes
describe the task. (apple/ml-egodex; the key list in public readers of it)
"""

from __future__ import annotations

import numpy as np

from retarget.core.checks import are_rigid
from retarget.core.hdf5 import require_dataset
from retarget.core.types import FINGERS, SIDES, FloatArray
from retarget.data.people.frames import z_up
from retarget.data.people.hands import shown
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source
from retarget.human.keypoint_layouts import LAYOUTS, to_mano21

NAME = "egodex"
RATE = 30.0  # [Hz]
_CAMERA = "transforms/camera"
_LONG = ("Metacarpal", "Knuckle", "IntermediateBase", "IntermediateTip", "Tip")
_LAYOUT = LAYOUTS["visionpro25"]


def joint_names(side: str) -> tuple[str, ...]:
    """EgoDex's names of a hand's 25 joints, in the order of the layout visionpro25."""
    names = [f"{side}Hand", *(f"{side}Thumb{part}" for part in _LONG[1:])]
    for finger in FINGERS[1:]:
        called = "Little" if finger == "pinky" else finger.title()
        names += [f"{side}{called}Finger{part}" for part in _LONG]
    return tuple(names)


def matches(source: Source) -> bool:
    """Whether a file is of this format."""
    return source.is_hdf5 and any(f"transforms/{side}Hand" in source.hdf5 for side in SIDES)


def read(source: Source) -> PeopleRecording:
    """Read a file of this format.

    Raises:
        FileError: a joint is missing or not what it should be.
    """
    file, frames = source.hdf5, 0
    strangers = [name for name in file.names() if name.startswith("transforms/")]
    points: list[FloatArray | None] = []
    trust: list[FloatArray | None] = []
    for side in SIDES:
        keys = [f"transforms/{name}" for name in joint_names(side)]
        if not any(key in file for key in keys):
            points.append(None)
            trust.append(None)
            continue
        joints = []
        for key in keys:
            frames = require_dataset(file, key, (frames or None, 4, 4), names=strangers)[0]
            joints.append(_pose(source, key, frames)[:, :3, 3])
        points.append(to_mano21(np.stack(joints, axis=1), _LAYOUT))
        trust.append(_confidences(source, side, frames))
    blank = np.full((frames, 21, 3), np.nan)
    keypoints = np.stack([blank if hand is None else hand for hand in points], axis=1)
    confidence = None
    if any(hand is not None for hand in trust):
        confidence = np.stack([blank[..., 0] if hand is None else hand for hand in trust], axis=1)
    camera = None
    if _CAMERA in file:
        require_dataset(file, _CAMERA, (frames, 4, 4))
        camera = _pose(source, _CAMERA, frames)
    notes = [f"{RATE:g} Hz by the data set's description: the file has no times"]
    if confidence is None:
        notes.append("the file has no confidences")
    return z_up(
        recording(
            source.path,
            NAME,
            keypoints=keypoints,
            rate=RATE,
            T_world_camera=camera,
            text=_text(source),
            joint_confidence=confidence,
            layout=_LAYOUT.name,
            notes=notes,
        )
    )


def _pose(source: Source, key: str, frames: int) -> FloatArray:
    """A joint's poses (N, 4, 4), NaN where they are not finite or all zeros."""
    T = source.hdf5.rows(key, 0, frames)
    known = np.isfinite(T).all(axis=(-2, -1)) & (T != 0.0).any(axis=(-2, -1))
    bad = known & ~are_rigid(np.where(known[:, None, None], T, np.eye(4)))
    if bad.any():
        frame = int(np.argmax(bad))
        raise source.error(
            f"{key!r} frame {frame} is {shown(T[frame])}, expected a rigid "
            "transform with its translation in the last column",
            key=key,
            frame=frame,
        )
    return np.where(known[:, None, None], T, np.nan)


def _confidences(source: Source, side: str, frames: int) -> FloatArray | None:
    keys = [f"confidences/{name}" for name in joint_names(side)]
    if not any(key in source.hdf5 for key in keys):
        return None
    columns = np.full((frames, len(keys)), np.nan)
    for k, key in enumerate(keys):
        if key in source.hdf5:
            require_dataset(source.hdf5, key, (frames,))
            columns[:, k] = source.hdf5.rows(key, 0, frames)
    return columns[:, list(_LAYOUT.mano21)]


def _text(source: Source) -> str:
    """The description that holds: of reversible tasks there are two, and the file says which."""

    def said(name: str) -> str:
        value = source.hdf5.attribute(name, "")
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        return str(value).strip()

    second = said("llm_type") == "reversible" and said("which_llm_description") == "2"
    return said("llm_description2" if second else "llm_description") or said("task")
