"""VITRA-1M: a pickled dictionary in an npy file, hands in the world and a moving camera.

Both hands are given with MANO_RIGHT, flat mean: the left one's joint rotations are those of a
mirrored right hand, its wrist's orientation is its own. ``extrinsics`` go from the world to the
camera. Frames that are not kept hold numbers all the same. (microsoft/VITRA, data/data.md)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from retarget.core.checks import are_rigid
from retarget.core.geometry import transform_inverse
from retarget.core.types import SIDES
from retarget.data.people.foreign_mano import ForeignMano
from retarget.data.people.hands import (
    MIRROR_NOTE,
    UP_NOTE,
    finger_rotations,
    per_frame,
    rotations_of,
    stacked,
)
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source, number_array

NAME = "vitra"
_HAND = ("hand_pose", "global_orient_worldspace", "transl_worldspace", "kept_frames")


def matches(source: Source) -> bool:
    """Whether a file is of this format."""
    table = source.table
    return "extrinsics" in table and any(
        isinstance(table.get(side), Mapping) and "transl_worldspace" in table[side]
        for side in SIDES
    )


def read(source: Source) -> PeopleRecording:
    """Read a file of this format.

    Raises:
        FileError: an entry is missing or not what it should be.
    """
    table = source.table
    extrinsics = number_array(source, "extrinsics", table["extrinsics"], (None, 4, 4))
    frames = len(extrinsics)
    bad = ~are_rigid(extrinsics)
    if bad.any():
        frame = int(np.argmax(bad))
        raise source.error(
            f"'extrinsics' frame {frame} is not a rigid transform", key="extrinsics", frame=frame
        )
    parts: dict[str, list[Any]] = {
        name: [] for name in ("kept", "R", "t", "fingers", "betas", "points")
    }
    for side in SIDES:
        hand = table.get(side)
        if not isinstance(hand, Mapping):
            for name, values in parts.items():
                values.append(np.zeros(frames) if name == "kept" else None)
            continue
        absent = [name for name in _HAND if name not in hand]
        if absent:
            raise source.error(f"{side!r} lacks {', '.join(absent)}", key=side)
        kept = per_frame(source, f"{side}/kept_frames", hand["kept_frames"], frames, 1)[:, 0] != 0
        lost = ~kept
        turn = hand["global_orient_worldspace"]
        R = rotations_of(source, f"{side}/global_orient_worldspace", turn, lost, 1)[:, 0]
        parts["kept"].append(kept)
        parts["R"].append(R)
        name = f"{side}/transl_worldspace"
        parts["t"].append(number_array(source, name, hand["transl_worldspace"], (frames, 3)))
        name = f"{side}/hand_pose"
        parts["fingers"].append(
            finger_rotations(source, name, hand["hand_pose"], lost, side == "left")
        )
        beta = hand.get("beta", np.zeros(10))
        parts["betas"].append(per_frame(source, f"{side}/beta", beta, frames, 10))
        points = hand.get("joints_worldspace")
        name = f"{side}/joints_worldspace"
        parts["points"].append(
            None if points is None else number_array(source, name, points, (frames, 21, 3))
        )
    valid = np.stack(parts["kept"], axis=1).astype(bool)
    notes = ["MANO with a flat mean, joints in the world", UP_NOTE]
    if valid[:, 0].any():
        notes.append(MIRROR_NOTE)
    there = any(points is not None for points in parts["points"])
    return recording(
        source.path,
        NAME,
        keypoints=stacked(parts["points"]) if there else None,
        pose=ForeignMano(
            flat_mean=True,
            rotation=stacked(parts["R"]),
            translation=stacked(parts["t"]),
            rotations=stacked(parts["fingers"]),
            betas=stacked(parts["betas"]),
            of_right=True,
        ),
        valid=valid,
        T_world_camera=transform_inverse(extrinsics),
        text=_text(table),
        notes=notes,
    )


def _text(table: Mapping[str, Any]) -> str:
    """What the hands do, each with its side where both do something."""
    texts = table.get("text")
    if not isinstance(texts, Mapping):
        return ""
    said: dict[str, list[str]] = {}
    for side in SIDES:
        entries = texts.get(side)
        for entry in entries if isinstance(entries, list | tuple) else ():
            # an entry whose frames are none was not done
            if isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str):
                span = entry[1]
                if isinstance(span, list | tuple) and len(span) == 2 and span[1] > span[0]:
                    said.setdefault(side, []).append(entry[0])
    if len(said) == 1:
        return " ".join(next(iter(said.values())))
    return " ".join(f"{side}: {' '.join(words)}" for side, words in said.items())
