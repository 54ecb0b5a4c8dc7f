"""A recording of a person's hands, whatever file it is of: keypoints or MANO poses over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retarget.core.checks import first_index
from retarget.core.errors import FileError, InputError
from retarget.core.text import frames_text
from retarget.core.types import SIDES, BoolArray, FloatArray
from retarget.core.values import ArrayValue
from retarget.data.people.foreign_mano import HANDS, ForeignMano

FRAMES = ("world", "camera", "wrist")
FARTHEST = 1000.0  # [m] from the origin; people with cameras walk
_LARGEST_COEFFICIENT = 100.0  # standard deviations, or their like
_SMALLEST_HAND, _LARGEST_HAND = 0.04, 0.6  # [m] across the keypoints of one hand
IGNORED = "is flagged as not seen but has numbers: missing"
COLLAPSED = "has all its keypoints in one point: missing"


@dataclass(frozen=True, eq=False)
class PeopleRecording(ArrayValue):
    """Both hands of a person over T frames.

    Attributes:
        path: the file, or folder, that it came from.
        format: name of its format, see `retarget.data.people.readers.READERS`.
        keypoints: (T, 2, 21, 3) in the order of `retarget.human.keypoints.KEYPOINT_NAMES` [m], NaN
            where missing; None where the file has only poses.
        pose: MANO parameters, or None where the file has only keypoints.
        valid: (T, 2) False where a hand is missing.
        time: (T,) seconds from the first frame, or None.
        rate: frames per second [Hz], or None where the file does not tell.
        frame: what keypoints and wrists are in: "world" (z up, where it is known which way up is),
            "camera" (OpenCV: x right, y down, z ahead) or "wrist".
        T_world_camera: (T, 4, 4) where the camera is, in the same world [m], or None.
        T_world_head: (T, 4, 4) where the headset is, NaN where that is not known, or None.
        text: what is being done, in words; "" where the file does not tell.
        joint_confidence: (T, 2, 21) the tracker's own, 0 to 1, or None.
        layout: name of the order that the file has its keypoints in, "" where it has only poses.
        ignored: (T, 2) True where a hand is flagged as not seen but has numbers, or None.
        collapsed: (T, 2) True where all keypoints of a hand lie in one point, or None.
        notes: what was found and done on reading, in sentences.
    """

    path: Path
    format: str
    keypoints: FloatArray | None
    pose: ForeignMano | None
    valid: BoolArray
    time: FloatArray | None = None
    rate: float | None = None
    frame: str = "world"
    T_world_camera: FloatArray | None = None
    T_world_head: FloatArray | None = None
    text: str = ""
    joint_confidence: FloatArray | None = None
    layout: str = ""
    ignored: BoolArray | None = None
    collapsed: BoolArray | None = None
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return len(self.valid)


def recording(
    path: str | Path,
    format_: str,
    *,
    keypoints: FloatArray | None = None,
    pose: ForeignMano | None = None,
    valid: BoolArray | None = None,
    time: FloatArray | None = None,
    rate: float | None = None,
    frame: str = "world",
    T_world_camera: FloatArray | None = None,
    T_world_head: FloatArray | None = None,
    text: str = "",
    joint_confidence: FloatArray | None = None,
    layout: str = "",
    notes: Sequence[str] = (),
) -> PeopleRecording:
    """A recording of what a file holds: checked, and missing where it says or shows so.

    Hands that are flagged as not seen, or whose keypoints all lie in one point, become NaN, and
    `notes` say in which frames.

    Args:
        path: the file.
        format_: name of its format.
        keypoints: see `PeopleRecording`, as all others.
        pose: one of keypoints and pose must be there.
        valid: what the file says of its hands; all are there where None.
        time: seconds from any origin.
        rate: where None it is taken from `time`.
        frame: one of `FRAMES`.
        T_world_camera: see `PeopleRecording`.
        T_world_head: see `PeopleRecording`.
        text: see `PeopleRecording`.
        joint_confidence: see `PeopleRecording`.
        layout: see `PeopleRecording`.
        notes: what there is to say.

    Raises:
        FileError: no frames, infinite or far coordinates, hands of an impossible size, or time that
            does not go on; with frame, value and what was expected, and the `mistake` that it is.
        InputError: neither keypoints nor a pose, or an unknown frame.
    """
    if frame not in FRAMES:
        raise InputError(f"frame must be one of {', '.join(FRAMES)}, got {frame!r}")
    shape = _shape(keypoints, pose)
    if shape[0] == 0:
        raise FileError(path, "holds no frames")
    flagged = np.zeros(shape, dtype=bool) if valid is None else ~np.asarray(valid, dtype=bool)
    empty, points = np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)
    if keypoints is not None:
        empty &= np.isnan(keypoints).all(axis=(-2, -1))
        points = _are_points(keypoints) & ~empty & ~flagged
    if pose is not None:
        empty &= pose.missing
    lost = flagged | points | empty
    ignored = flagged & ~empty
    said = [*notes]
    for found, why in ((ignored, IGNORED), (points, COLLAPSED)):
        said += [f"{name} {why}" for name in hands_and_frames(found)]
    if keypoints is not None:
        keypoints = np.where(lost[..., None, None], np.nan, keypoints)
        _check_size(path, keypoints)  # first: it tells millimetres from what lies far away
        _check_coordinates(path, keypoints)
    if pose is not None:
        pose = pose.without(lost | pose.missing)
        _check_coordinates(path, pose.translation[:, :, None])
        _check_coefficients(path, "pose", pose.pca)
        _check_coefficients(path, "shape", pose.betas)
    for path_of in (T_world_camera, T_world_head):
        if path_of is not None:
            _check_coordinates(path, np.stack([path_of[:, None, :3, 3]] * HANDS, axis=1))
    if time is not None:
        time = _checked_time(path, np.asarray(time, dtype=np.float64), shape[0])
        if rate is None and len(time) > 1:
            rate = 1.0 / float(np.median(np.diff(time)))
    return PeopleRecording(
        path=Path(path),
        format=format_,
        keypoints=keypoints,
        pose=pose,
        valid=~lost,
        time=time,
        rate=rate,
        frame=frame,
        T_world_camera=T_world_camera,
        T_world_head=T_world_head,
        text=text,
        joint_confidence=joint_confidence,
        layout=layout,
        ignored=ignored,
        collapsed=points,
        notes=tuple(said),
    )


def _shape(keypoints: FloatArray | None, pose: ForeignMano | None) -> tuple[int, int]:
    if keypoints is not None:
        return len(keypoints), HANDS
    if pose is not None:
        return len(pose.translation), HANDS
    raise InputError("a recording has keypoints or a pose")


def _are_points(keypoints: FloatArray) -> BoolArray:
    """(T, 2) hands whose known keypoints, two or more, all lie in one point."""
    known = np.isfinite(keypoints).all(axis=-1, keepdims=True)
    high = np.where(known, keypoints, -np.inf).max(axis=-2)
    low = np.where(known, keypoints, np.inf).min(axis=-2)
    return np.asarray((high - low < 1e-9).all(axis=-1) & (known.sum(axis=(-2, -1)) > 1))


def hands_and_frames(found: BoolArray) -> list[str]:
    """Each side with a frame in a mask (T, 2), and which frames those are."""
    return [
        f"the {side} hand in {count} of {len(found)} frames ({frames_text(np.flatnonzero(hand))})"
        for side, hand in zip(SIDES, found.T, strict=True)
        if (count := int(hand.sum()))
    ]


def _check_coordinates(path: str | Path, points: FloatArray) -> None:
    """Refuse points (T, 2, P, 3) that are infinite or farther away than people go; NaN passes."""

    def said(at: tuple[int, ...], value: float) -> str:
        return (
            f"the coordinate {value:g} ({'xyz'[at[3]]}), "
            f"expected metres within {FARTHEST:g} m of the origin"
        )

    _refuse_beyond(path, points, FARTHEST, said)


def _check_coefficients(path: str | Path, name: str, values: FloatArray | None) -> None:
    """Refuse coefficients (T, 2, K) that no hand has; NaN passes."""

    def said(at: tuple[int, ...], value: float) -> str:
        return f"the {name} coefficient {at[2]} {value:g}, expected at most {most:g}"

    most = _LARGEST_COEFFICIENT
    if values is not None:
        _refuse_beyond(path, values, most, said)


def _refuse_beyond(
    path: str | Path,
    values: FloatArray,
    most: float,
    said: Callable[[tuple[int, ...], float], str],
) -> None:
    """Refuse values (T, 2, ...) that are infinite or too large, the first by what is said of it."""
    bad = ~(np.abs(np.nan_to_num(values, posinf=np.inf, neginf=-np.inf)) <= most)
    if bad.any():
        at = first_index(bad)
        value = float(values[at])
        frame, side = at[0], SIDES[at[1]]
        message = f"frame {frame}, {side} hand, has {said(at, value)}"
        raise FileError(path, message, frame=frame, side=side, value=value, mistake="range")


def _check_size(path: str | Path, keypoints: FloatArray) -> None:
    """Refuse recordings whose hands are no hands in metres, by the median of their sizes."""
    from_wrist = np.linalg.norm(keypoints - keypoints[..., :1, :], axis=-1)
    known = np.isfinite(from_wrist)
    sizes = np.where(known, from_wrist, 0.0).max(axis=-1)
    sizes[known.sum(axis=-1) < 2] = 0.0
    if not (sizes > 0.0).any():
        return
    size = float(np.median(sizes[sizes > 0.0]))
    if not _SMALLEST_HAND <= size <= _LARGEST_HAND:
        mistake = ""
        for unit, fold in (("millimetres", 1000.0), ("centimetres", 100.0)):
            if not mistake and size >= fold * _SMALLEST_HAND:
                mistake = unit
        hint = f" (are these {mistake}?)" if mistake else ""
        frame = int(np.argmax((sizes > 0.0).any(axis=1)))
        raise FileError(
            path,
            f"hands reach {size:.3g} from the wrist (median, first seen in frame {frame}), "
            f"expected {_SMALLEST_HAND:g} to {_LARGEST_HAND:g} m{hint}",
            frame=frame,
            value=size,
            mistake=mistake or "size",
        )


def _checked_time(path: str | Path, time: FloatArray, frames: int) -> FloatArray:
    """Seconds from the first frame on; refused where they do not go on."""
    if time.shape != (frames,):
        raise FileError(path, f"has times of shape {time.shape} for {frames} frames")
    bad = ~np.isfinite(time)
    bad[1:] |= ~(np.diff(time) > 0.0)
    if bad.any():
        frame = int(np.argmax(bad))
        step = float(time[frame] - time[frame - 1]) if frame else float("nan")
        mistake = "duplicate_time" if step == 0.0 else "backward_time" if step < 0.0 else "time"
        raise FileError(
            path,
            f"time does not go on in frame {frame}: {time[frame]:.6f} s after "
            f"{time[max(frame - 1, 0)]:.6f} s",
            frame=frame,
            value=float(time[frame]),
            mistake=mistake,
        )
    return np.asarray(time - time[0])
