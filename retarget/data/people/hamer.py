"""HaMeR, WiLoR and HaWoR: what people save of their predictions, as pickles, npy, npz or .pt files.

HaMeR and WiLoR see every hand as a right one, with a flag ``is_right``: a left hand's wrist and
joints are those of the mirrored picture, and are mirrored here. WiLoR-mini (``wilor_preds``) has
done so already. Rotations are matrices or rotation vectors, flat mean, in the camera's frame. HaWoR
(``world_space_res.pth``) has both hands, left then right, each with its own model, in the world.
(geopavlakos/hamer #26 #78 #87; ThunderVVV/HaWoR)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from retarget.core.types import SIDES, FloatArray
from retarget.data.people.foreign_mano import (
    FINGER_JOINTS,
    HANDS,
    ForeignMano,
    mirrored_rotations,
    model_offset,
)
from retarget.data.people.hands import (
    MIRROR_NOTE,
    UP_NOTE,
    per_frame,
    rotations_of,
)
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source, number_array
from retarget.human.hand_model import MIRROR

HAMER, HAWOR = "hamer", "hawor"
_RIGHT = ("is_right", "right")
_FRAME = ("frame", "frames", "frame_id", "frame_idx", "img_id")
_PLACE = ("pred_cam_t_full", "cam_t_full", "cam_t", "transl")
_POINTS = ("pred_keypoints_3d", "keypoints_3d")
_WILOR = "wilor_preds"
_PARTS = ("pred_trans", "pred_rot", "pred_hand_pose", "pred_betas", "pred_valid")
_MOST_FRAMES = 10**6


def matches_hawor(source: Source) -> bool:
    """Whether a file has HaWoR's five arrays."""
    return _hawor(source) is not None


def read_hawor(source: Source) -> PeopleRecording:
    """Read HaWoR's hands in the world.

    Raises:
        FileError: an array is not what it should be.
    """
    parts = _hawor(source) or {}
    place = number_array(source, "pred_trans", parts["pred_trans"], (HANDS, None, 3))
    frames = place.shape[1]
    seen = number_array(source, "pred_valid", parts["pred_valid"], (HANDS, frames)) != 0.0
    shapes = {"pred_rot": 3, "pred_hand_pose": 45, "pred_betas": 10}
    arrays = {
        name: number_array(source, name, parts[name], (HANDS, frames, size))
        for name, size in shapes.items()
    }
    R, fingers = [], []
    for side in range(HANDS):
        lost = ~seen[side]
        R.append(rotations_of(source, "pred_rot", arrays["pred_rot"][side], lost, 1)[:, 0])
        given = arrays["pred_hand_pose"][side]
        fingers.append(rotations_of(source, "pred_hand_pose", given, lost, FINGER_JOINTS))
    return recording(
        source.path,
        HAWOR,
        pose=ForeignMano(
            flat_mean=True,
            rotation=np.stack(R, axis=1),
            translation=place.swapaxes(0, 1),
            root_offset=model_offset(frames),
            rotations=np.stack(fingers, axis=1),
            betas=arrays["pred_betas"].swapaxes(0, 1),
        ),
        valid=seen.T,
        notes=[
            "rotation vectors, flat mean, each hand with its own model; the world is that of the "
            "first camera's track",
            UP_NOTE,
        ],
    )


def _hawor(source: Source) -> Mapping[str, Any] | None:
    values = source.values
    if isinstance(values, list | tuple) and len(values) == len(_PARTS):
        if [np.ndim(part) for part in values] == [3, 3, 3, 3, 2] and np.shape(values[2])[2] == 45:
            return dict(zip(_PARTS, values, strict=True))
        return None
    return source.table if set(_PARTS) <= set(source.table) else None


class _Found(NamedTuple):
    """Hands found in one frame, as the file has them."""

    frame: int
    hands: Mapping[str, Any]
    own: bool  # left hands are mirrored already


def matches_hamer(source: Source) -> bool:
    """Whether a file has predictions of HaMeR or WiLoR."""
    found = _predictions(source.values)
    return next(found, None) is not None


def read_hamer(source: Source) -> PeopleRecording:
    """Read predictions of HaMeR, WiLoR or WiLoR-mini: a list or dictionary of frames, or arrays.

    Of several hands of one side in a frame the first is taken.

    Raises:
        FileError: a prediction lacks something, or is not what it should be.
    """
    predictions = list(_predictions(source.values))
    rows = [row for each in predictions for row in _rows(source, each)]
    if not rows:
        raise source.error("holds no hands")
    frames = max(row.frame for row in rows) + 1
    if isinstance(source.values, list | tuple):
        frames = max(frames, len(source.values))
    if frames > _MOST_FRAMES:
        raise source.error(f"has a hand in frame {frames - 1}, expected at most {_MOST_FRAMES}")
    R, place = np.full((frames, HANDS, 3, 3), np.nan), np.full((frames, HANDS, 3), np.nan)
    fingers = np.full((frames, HANDS, FINGER_JOINTS, 3, 3), np.nan)
    betas = np.zeros((frames, HANDS, 10))
    points = np.full((frames, HANDS, 21, 3), np.nan)
    more = 0
    for row in rows:
        at = row.frame, row.side
        if np.isfinite(R[at]).all():
            more += 1
            continue
        R[at], fingers[at], betas[at] = row.R, row.fingers, row.betas
        place[at], points[at] = row.place, row.points
    notes = ["flat mean"]
    if any(row.mirrored for row in rows):
        notes.append(MIRROR_NOTE)
    if more:
        notes.append(f"{more} hands are second ones of their side in a frame: left out")
    placed = any(row.placed for row in rows)
    if not placed:
        notes.append(f"no {' or '.join(_PLACE[:2])}: where the hands are is not known")
    known = np.isfinite(points).any()
    return recording(
        source.path,
        HAMER,
        keypoints=points if known else None,
        pose=ForeignMano(
            flat_mean=True,
            rotation=R,
            translation=place,
            root_offset=model_offset(frames) if placed else None,
            rotations=fingers,
            betas=betas,
            of_right=True,
        ),
        frame="camera" if placed else "wrist",
        notes=notes,
    )


def _predictions(values: Any) -> Iterator[_Found]:
    """Everything in a file that is a prediction, with its frame."""
    if _is_prediction(values):
        yield _Found(-1, *_unwrapped(values))
    elif isinstance(values, list | tuple):
        for frame, item in enumerate(values):
            yield from _of_frame(frame, item)
    elif isinstance(values, dict):
        names = sorted(values, key=_natural)
        for frame, name in enumerate(names):
            number = name if isinstance(name, int) and not isinstance(name, bool) else frame
            yield from _of_frame(int(number), values[name])


def _of_frame(frame: int, item: Any) -> Iterator[_Found]:
    for one in item if isinstance(item, list | tuple) else (item,):
        if _is_prediction(one):
            yield _Found(frame, *_unwrapped(one))


def _is_prediction(item: Any) -> bool:
    if not isinstance(item, Mapping):
        return False
    inner, _ = _unwrapped(item)
    return {"hand_pose", "global_orient"} <= set(inner) and any(key in inner for key in _RIGHT)


def _unwrapped(item: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """A prediction without what it is wrapped in, and whether its left hands are mirrored."""
    for inner in (_WILOR, "pred_mano_params"):
        if isinstance(item.get(inner), Mapping):
            return {**item, **item[inner]}, inner == _WILOR
    return item, False


class _Row(NamedTuple):
    frame: int
    side: int
    R: FloatArray
    fingers: FloatArray
    betas: FloatArray
    place: FloatArray
    points: FloatArray
    placed: bool
    mirrored: bool


def _rows(source: Source, found: _Found) -> Iterator[_Row]:
    """The hands of a prediction, each as its own side has it."""
    hands, where = found.hands, "" if found.frame < 0 else f"frame {found.frame}: "

    def numbers(names: tuple[str, ...], size: int) -> FloatArray | None:
        name = next((name for name in names if hands.get(name) is not None), None)
        if name is None:
            return None
        return per_frame(source, where + name, hands[name], count, size)

    flag = next(hands[key] for key in _RIGHT if key in hands)
    flags = np.asarray(flag, dtype=np.float64).reshape(-1)
    count = len(flags)
    lost = np.zeros(count, dtype=bool)
    turns = rotations_of(source, f"{where}global_orient", hands["global_orient"], lost, 1)[:, 0]
    pose = rotations_of(source, f"{where}hand_pose", hands["hand_pose"], lost, FINGER_JOINTS)
    betas, place, points = numbers(("betas",), 10), numbers(_PLACE, 3), numbers(_POINTS, 63)
    numbered = next((hands[key] for key in _FRAME if key in hands), None)
    frames = np.full(count, found.frame)
    if found.frame < 0:
        frames = np.arange(count)
        if numbered is not None:
            frames = per_frame(source, "frame", numbered, count, 1)[:, 0].astype(np.int64)
    if (frames < 0).any():
        raise source.error(f"has a hand in frame {frames.min()}", frame=int(frames.min()))
    for k in range(count):
        side = SIDES.index("right" if flags[k] else "left")
        mirrored = side == 0 and not found.own
        t = np.zeros(3) if place is None else place[k]
        seen = np.full((21, 3), np.nan) if points is None else points[k].reshape(21, 3)
        if place is not None:
            seen = seen * (MIRROR if mirrored else 1.0) + t
        elif mirrored:
            seen = seen * MIRROR
        yield _Row(
            int(frames[k]),
            side,
            mirrored_rotations(turns[k]) if mirrored else turns[k],
            mirrored_rotations(pose[k]) if mirrored else pose[k],
            np.zeros(10) if betas is None else betas[k],
            t,
            seen,
            place is not None,
            mirrored,
        )


def _natural(name: Any) -> tuple[Any, ...]:
    """Sorts frame 2 before frame 10, whether they are numbers or texts."""
    parts = re.split(r"(\d+)", str(name))
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
