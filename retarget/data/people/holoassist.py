"""HoloAssist: a text file a hand, HoloLens's 26 joints in the world, tab separated.

A line has the time [s], a tag, whether the hand is active, 26 poses (4x4, row by row), then 26
flags "valid" and 26 "tracked": 471 numbers. ``Left_sync.txt`` and ``Right_sync.txt`` have a line
for the same frames. Version 2 has four flags instead of one: 473 numbers. (taeinkwon/PyHoloAssist)
"""

from __future__ import annotations

import numpy as np

from retarget.core.types import SIDES, BoolArray, FloatArray
from retarget.data.people.hands import UP_NOTE, side_of_name, side_of_source
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source
from retarget.human.keypoint_layouts import LAYOUTS, to_mano21

NAME = "holoassist"
_JOINTS = 26
_NUMBERS = 16 * _JOINTS
_FIRST = {3 + _NUMBERS + 2 * _JOINTS: 3, 5 + _NUMBERS + 2 * _JOINTS: 5}  # columns: first of a pose
_LAYOUT = LAYOUTS["openxr26"]


def matches(source: Source) -> bool:
    """Whether a file is of this format."""
    return source.first_line().count("\t") + 1 in _FIRST


def read(source: Source) -> PeopleRecording:
    """Read a file of this format, with the other hand's where it is beside it.

    Raises:
        FileError: a line is not what it should be; the line is named.
    """
    named = side_of_name(source.path.name)
    side, _ = side_of_source(source)
    name, notes = source.path.name, [f"a {SIDES[side]} hand, 26 joints of HoloLens", UP_NOTE]
    time, points, seen = _hand(source)
    hands = [np.full_like(points, np.nan)] * 2
    flags = [np.zeros(len(points), dtype=bool)] * 2
    hands[side], flags[side] = points, seen
    other = None
    for here, there in ((SIDES, SIDES), (("Left", "Right"), ("Left", "Right"))):
        if named is not None and here[side] in name:
            other = source.sibling(name.replace(here[side], there[1 - side]))
    if other is not None:
        beside = Source(other)
        times, points, seen = _hand(beside)
        if len(times) != len(time) or np.abs(times - time).max() > 1e-3:
            raise beside.error(f"has other frames than {name}: {len(times)} and {len(time)}")
        hands[1 - side], flags[1 - side] = points, seen
        notes[0] = f"both hands, of {name} and {other.name}, 26 joints of HoloLens"
    return recording(
        source.path,
        NAME,
        keypoints=np.stack(hands, axis=1),
        valid=np.stack(flags, axis=1),
        time=time,
        layout=_LAYOUT.name,
        notes=notes,
    )


def _hand(source: Source) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Times (T,) [s], keypoints (T, 21, 3), NaN of those not valid, and when it is active (T,)."""
    rows: list[list[float]] = []
    for number, line in source.lines:
        parts = line.strip("\r\n").split("\t")
        if len(parts) not in _FIRST or (rows and len(parts) != len(rows[0])):
            wanted = len(rows[0]) if rows else " or ".join(map(str, _FIRST))
            raise source.error(
                f"line {number} has {len(parts)} columns, expected {wanted}", line=number
            )
        try:
            rows.append([float(part) for part in parts])
        except ValueError as cause:
            raise source.error(
                f"line {number} does not hold numbers: {cause}", line=number
            ) from None
    table = np.array(rows)
    first = _FIRST[table.shape[1]]
    poses = table[:, first : first + _NUMBERS].reshape(-1, _JOINTS, 4, 4)
    valid = table[:, first + _NUMBERS : first + _NUMBERS + _JOINTS] != 0.0
    points = np.where(valid[..., None], poses[..., :3, 3], np.nan)
    # version 1: one flag; version 2: gripped, pinched, tracked, active, of which the last
    active = table[:, first - 1] != 0.0
    return table[:, 0], to_mano21(points, _LAYOUT), active
