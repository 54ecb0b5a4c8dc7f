"""ARCTIC, TACO and HOI4D: MANO poses as rotation vectors of the wrist and the 15 joints.

ARCTIC (``*.mano.npy``): for each side rot (F, 3), pose (F, 45), trans (F, 3) and shape (10), in the
world, the mean pose added (its own code builds smplx's layer with flat_hand_mean=False).
TACO (``left_hand.pkl``, ``right_hand.pkl``): frame -> hand_pose (48) and hand_trans (3), tensors,
flat mean, the translation being the wrist joint's; ``*_hand_shape.pkl`` has hand_shape (10).
HOI4D (a pickle a frame): poseCoeff (48), beta (10), trans (3), in the camera's frame, flat mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.types import SIDES, BoolArray, FloatArray, side_index
from retarget.data.people.foreign_mano import ForeignMano, model_offset
from retarget.data.people.hands import (
    UP_NOTE,
    both_hands,
    finger_rotations,
    frame_files,
    numbered_files,
    per_frame,
    rotations_of,
    side_of_source,
    stacked,
)
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source, number_array

ARCTIC, TACO, HOI4D = "arctic", "taco", "hoi4d"
_HOI4D_FILE = r"(\d+)\.pickle"


def matches_arctic(source: Source) -> bool:
    """Whether a file is of ARCTIC."""
    hands = [source.table[side] for side in SIDES if side in source.table]
    return bool(hands) and all(
        isinstance(hand, Mapping) and {"rot", "pose", "trans"} <= set(hand) for hand in hands
    )


def read_arctic(source: Source) -> PeopleRecording:
    """Read ARCTIC's MANO parameters of a sequence.

    Raises:
        FileError: an entry is not what it should be.
    """
    there = [side for side in SIDES if side in source.table]
    frames = len(np.atleast_2d(np.asarray(source.table[there[0]]["trans"])))
    lost = np.zeros(frames, dtype=bool)
    parts: dict[str, list[FloatArray | None]] = {name: [] for name in ("R", "t", "fingers", "b")}
    for side in SIDES:
        hand = source.table.get(side)
        if hand is None:
            for values in parts.values():
                values.append(None)
            continue
        parts["R"].append(rotations_of(source, f"{side}/rot", hand["rot"], lost, 1)[:, 0])
        parts["t"].append(number_array(source, f"{side}/trans", hand["trans"], (frames, 3)))
        parts["fingers"].append(finger_rotations(source, f"{side}/pose", hand["pose"], lost))
        shape = hand.get("shape", np.zeros(10))
        parts["b"].append(per_frame(source, f"{side}/shape", shape, frames, 10))
    return recording(
        source.path,
        ARCTIC,
        pose=ForeignMano(
            flat_mean=False,
            rotation=stacked(parts["R"]),
            translation=stacked(parts["t"]),
            root_offset=model_offset(frames),
            rotations=stacked(parts["fingers"]),
            betas=stacked(parts["b"]),
        ),
        notes=["rotation vectors, to which MANO's mean pose is added", UP_NOTE],
    )


def matches_taco(source: Source) -> bool:
    """Whether a file is of TACO."""
    values = source.values if isinstance(source.values, dict) else {}
    first = next(iter(values.values()), None)
    return isinstance(first, Mapping) and {"hand_pose", "hand_trans"} <= set(first)


def read_taco(source: Source) -> PeopleRecording:
    """Read TACO's ``left_hand.pkl`` or ``right_hand.pkl``, with the other where it is beside it.

    Raises:
        FileError: a frame is not what it should be, or both files have different frames.
    """
    found, _ = side_of_source(source)
    name, other = source.path.name, SIDES[1 - found]
    beside = source.sibling(name.replace(SIDES[found], other)) if SIDES[found] in name else None
    sources: list[Source | None] = [None, None]
    sources[found] = source
    if beside is not None:
        sources[1 - found] = Source(beside)
    notes = ["rotation vectors, flat mean", UP_NOTE]
    names: list[str] | None = None
    hands: list[tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None] = []
    for each, called in zip(sources, SIDES, strict=True):
        if each is None:
            hands.append(None)
            notes.append(f"there is no {called} hand beside {name}")
            continue
        table = each.values
        if not isinstance(table, dict) or not table:
            raise each.error("holds no frames")
        keys = sorted(map(str, table))
        if names is not None and keys != names:
            raise each.error(f"has {len(keys)} frames, the other hand {len(names)}, or others")
        names = keys
        hands.append(_taco_hand(each, {str(key): hand for key, hand in table.items()}, keys))
    parts = [stacked([None if hand is None else hand[k] for hand in hands]) for k in range(4)]
    return recording(
        source.path,
        TACO,
        pose=ForeignMano(
            flat_mean=True,
            rotation=parts[0],
            translation=parts[2],
            rotations=parts[1],
            betas=parts[3],
        ),
        notes=notes,
    )


def _taco_hand(
    source: Source, table: Mapping[str, Any], keys: list[str]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Wrist, fingers, translation and betas of all frames."""
    rows, places = [], []
    for key in keys:
        hand = table[key]
        if not isinstance(hand, Mapping) or not {"hand_pose", "hand_trans"} <= set(hand):
            raise source.error(f"frame {key!r} has no hand_pose and hand_trans", frame=key)
        rows.append(per_frame(source, f"{key}/hand_pose", hand["hand_pose"], 1, 48)[0])
        places.append(per_frame(source, f"{key}/hand_trans", hand["hand_trans"], 1, 3)[0])
    R, fingers = _turns(source, "hand_pose", np.array(rows))
    shape = source.sibling(source.path.stem + "_shape.pkl")
    betas = np.zeros(10)
    if shape is not None:
        beside = Source(shape)
        if "hand_shape" not in beside.table:
            raise beside.error("has no hand_shape", key="hand_shape")
        betas = per_frame(beside, "hand_shape", beside.table["hand_shape"], 1, 10)[0]
    return R, fingers, np.array(places), np.broadcast_to(betas, (len(keys), 10)).copy()


def matches_hoi4d(source: Source) -> bool:
    """Whether a file, or a folder's first file, is of HOI4D."""
    if source.is_folder:
        files = numbered_files(source.path, _HOI4D_FILE)
        return bool(files) and matches_hoi4d(Source(files[0][1]))
    return {"poseCoeff", "trans"} <= set(source.table)


def read_hoi4d(source: Source) -> PeopleRecording:
    """Read HOI4D's hand poses: one frame, or a folder of them, by their numbers.

    Raises:
        FileError: a file is not what it should be.
    """
    files, numbers = frame_files(source, _HOI4D_FILE)
    frames = len(numbers)
    pose, place = np.full((frames, 48), np.nan), np.full((frames, 3), np.nan)
    betas = np.zeros((frames, 10))
    for k, each in files:
        if not {"poseCoeff", "trans"} <= set(each.table):
            raise each.error("has no poseCoeff and trans, expected a frame of HOI4D")
        pose[k] = per_frame(each, "poseCoeff", each.table["poseCoeff"], 1, 48)[0]
        place[k] = per_frame(each, "trans", each.table["trans"], 1, 3)[0]
        betas[k] = per_frame(each, "beta", each.table.get("beta", np.zeros(10)), 1, 10)[0]
    side, how = _hoi4d_side(source)
    R, fingers = _turns(source, "poseCoeff", pose)
    notes = ["rotation vectors, flat mean, in the camera's frame", how]
    if len(files) < frames:
        lacking = f"of which {frames - len(files)} have no file"
        notes.append(f"frames {numbers[0]} to {numbers[-1]}, {lacking}")
    return recording(
        source.path,
        HOI4D,
        pose=ForeignMano(
            flat_mean=True,
            rotation=both_hands(R, side),
            translation=both_hands(place, side),
            root_offset=model_offset(frames),
            rotations=both_hands(fingers, side),
            betas=both_hands(betas, side),
        ),
        frame="camera",
        notes=notes,
    )


def _hoi4d_side(source: Source) -> tuple[int, str]:
    """HOI4D has its hands in folders refinehandpose_right and refinehandpose_left."""
    if source.side is not None:
        return side_index(source.side), f"a {source.side} hand, as asked"
    for part in (Path(source.path).absolute()).parts[::-1]:
        found = re.fullmatch(r"\w*handpose_(left|right)\w*", part)
        if found:
            return SIDES.index(found[1]), f"a {found[1]} hand by its folder ({part})"
    raise source.error("does not say which hand it is of; name the side: 'left' or 'right'")


def _turns(source: Source, name: str, pose: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotations (T, 3, 3) and (T, 15, 3, 3) of 48 numbers a frame."""
    lost: BoolArray = np.zeros(len(pose), dtype=bool)
    R = rotations_of(source, name, pose[:, :3], lost, 1)[:, 0]
    return R, finger_rotations(source, name, pose[:, 3:], lost)
