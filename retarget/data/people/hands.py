"""What readers put hands together with: sides, both hands of one, checked rotations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.checks import are_rigid, nearest_rotations
from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import SIDES, BoolArray, FloatArray, side_index
from retarget.data.people.foreign_mano import FINGER_JOINTS, HANDS, mirrored_rotations
from retarget.data.people.source import Source
from retarget.human.keypoint_layouts import KeypointLayout, find_layout, guess_layout, to_mano21

_MOST_FRAMES = 10**6  # of a folder with a file each
MIRROR_NOTE = (
    "the left hand is given as a mirrored right hand: y and z of its rotation vectors are negated"
)
_LARGEST_TURN = 20.0  # [rad]; fits of poses may have gone round once or twice
UP_NOTE = "the file does not say which way of its world is up"


def both_hands(values: FloatArray, side: int) -> FloatArray:
    """Values (T, ...) of one hand as (T, 2, ...), NaN of the other."""
    both = np.full((len(values), HANDS, *values.shape[1:]), np.nan)
    both[:, side] = values
    return both


def side_of_name(name: str) -> int | None:
    """The side that a name speaks of, None of both or none."""
    words = re.findall(r"left|right|(?<![a-z])[lr](?![a-z])", name.lower())
    found = {0 if word in ("left", "l") else 1 for word in words}
    return found.pop() if len(found) == 1 else None


def side_of_source(source: Source, name: str = "") -> tuple[int, str]:
    """The one hand that a file is of, and how that is known.

    Raises:
        FileError: nobody says.
    """
    if source.side is not None:
        return side_index(source.side), f"a {source.side} hand, as asked"
    for text, what in ((name, "its key"), (source.path.name, "its name")):
        side = side_of_name(text)
        if side is not None:
            return side, f"a {SIDES[side]} hand by {what} ({text})"
    raise source.error("has one hand and does not say which; name the side: 'left' or 'right'")


def shown(matrix: FloatArray) -> list[list[float]]:
    """A matrix as messages have it, to three digits."""
    return [[float(f"{number:.3g}") for number in row] for row in matrix]


def checked_rotations(source: Source, name: str, R: FloatArray, lost: BoolArray) -> FloatArray:
    """Exact rotations (T, ..., 3, 3), NaN where `lost` (T,) or not finite.

    Raises:
        FileError: one is no rotation; the frame is named.
    """
    known = np.isfinite(R).all(axis=(-2, -1)) & ~lost.reshape(-1, *[1] * (R.ndim - 3))
    whole = np.where(known[..., None, None], R, np.eye(3))
    bad = ~are_rigid(whole)
    if bad.any():
        place = tuple(int(n) for n in np.argwhere(bad)[0])
        value = shown(whole[place])
        raise source.error(
            f"{name!r} frame {place[0]} is {value}, expected a rotation matrix",
            key=name,
            frame=place[0],
            value=value,
        )
    return np.where(known[..., None, None], nearest_rotations(whole), np.nan)


def rotations_of(
    source: Source, name: str, values: Any, lost: BoolArray, joints: int
) -> FloatArray:
    """Rotations (T, joints, 3, 3) of matrices or rotation vectors in any shape that holds them.

    Raises:
        FileError: another number of them, or no rotations.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise source.error(f"{name!r} does not hold numbers: {cause}", key=name) from cause
    frames = len(lost)
    if array.size == frames * joints * 9:
        return checked_rotations(source, name, array.reshape(frames, joints, 3, 3), lost)
    if array.size == frames * joints * 3:
        vectors = array.reshape(frames, joints, 3)
        known = np.isfinite(vectors).all(axis=-1) & ~lost[:, None]
        vectors = np.where(known[..., None], vectors, 0.0)
        wide = np.abs(vectors) > _LARGEST_TURN
        if wide.any():
            frame, value = int(np.argwhere(wide)[0][0]), float(vectors[wide][0])
            raise source.error(
                f"{name!r} frame {frame} has {value:g}, expected rotation vectors in radians, "
                f"within {_LARGEST_TURN:g} (are these degrees?)",
                key=name,
                frame=frame,
                value=value,
            )
        R = rotation_from_rotvec(vectors)
        return np.where(known[..., None, None], R, np.nan)
    raise source.error(
        f"{name!r} must hold {joints} rotation matrices or rotation vectors for each of {frames} "
        f"frames, got shape {array.shape}",
        key=name,
        shape=array.shape,
    )


def finger_rotations(
    source: Source, name: str, values: Any, lost: BoolArray, mirrored: bool = False
) -> FloatArray:
    """Rotations (T, 15, 3, 3) of a hand's joints, see `rotations_of`; the other hand's mirrored."""
    R = rotations_of(source, name, values, lost, FINGER_JOINTS)
    return mirrored_rotations(R) if mirrored else R


def per_frame(source: Source, name: str, values: Any, frames: int, size: int) -> FloatArray:
    """Numbers (T, size), those given once repeated in every frame.

    Raises:
        FileError: another number of them.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise source.error(f"{name!r} does not hold numbers: {cause}", key=name) from cause
    if array.size == size:
        return np.broadcast_to(array.reshape(1, size), (frames, size)).copy()
    if array.size == frames * size:
        return array.reshape(frames, size)
    raise source.error(
        f"{name!r} must have shape ({frames}, {size}) or ({size},), got {array.shape}",
        key=name,
        shape=array.shape,
    )


def numbered_files(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    """Files of a folder whose names end in a number before their suffix, in that order."""
    found = []
    for path in folder.iterdir():
        number = re.fullmatch(pattern, path.name)
        if number is not None and path.is_file():
            found.append((int(number[1]), path))
    return sorted(found)


def frame_files(source: Source, pattern: str) -> tuple[list[tuple[int, Source]], range]:
    """The frames of a folder with a file each, or of one file, and the numbers they go through.

    Frames count from the first file's number; those without a file are left out.

    Raises:
        FileError: the numbers are too far apart.
    """
    if not source.is_folder:
        return [(0, source)], range(1)
    files = numbered_files(source.path, pattern)
    first, last = files[0][0], files[-1][0]
    if last - first >= _MOST_FRAMES:
        raise source.error(f"has frames {first} to {last}, expected at most {_MOST_FRAMES}")
    return [(number - first, Source(path)) for number, path in files], range(first, last + 1)


def in_order(
    source: Source, points: FloatArray, notes: list[str]
) -> tuple[FloatArray, KeypointLayout]:
    """The 21 keypoints (..., 21, 3) of joints (..., J, 3), in the layout asked for or likeliest.

    Raises:
        InputError: the layout asked for has other joints, or nothing tells which one it is.
    """
    joints = points.shape[-2]
    if source.layout != "auto":
        layout = find_layout(source.layout, joints)
    else:
        layout, said = guess_layout(points.reshape(-1, joints, 3))
        if said not in notes:
            notes.append(said)
    return to_mano21(points, layout), layout


def stacked(parts: Sequence[FloatArray | None]) -> FloatArray:
    """The left and the right hand's arrays (T, ...) as (T, 2, ...), NaN of one that is None.

    Raises:
        InputError: both are None.
    """
    there = next((part for part in parts if part is not None), None)
    if there is None:
        raise InputError("neither hand is there")
    blank = np.full(there.shape, np.nan)
    return np.stack([blank if part is None else part for part in parts], axis=1)
