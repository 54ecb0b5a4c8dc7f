"""Keypoints as text: CSV with a header that names its columns, or with 3 columns a joint."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from retarget.core.types import FloatArray
from retarget.data.people.arrays import FRAME_NOTE
from retarget.data.people.hands import both_hands, in_order, side_of_name, side_of_source
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source
from retarget.human.keypoint_layouts import LAYOUTS
from retarget.human.keypoints import KEYPOINT_NAMES

NAME = "csv"
_JOINTS = frozenset(len(layout.joints) for layout in LAYOUTS.values()) - {16}
_AXIS = re.compile(r"(.+?)[ _.\-:]?\(?([xyz])\)?(?:[ _]?\[?\(?m\)?\]?)?", re.IGNORECASE)
_TIME = re.compile(r"(?:time|timestamp|t)s?(?:[ _]?[\[(]?(s|sec|ms|us|ns)[\])]?)?", re.IGNORECASE)
_UNITS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_FEWEST = 45  # columns


def matches(source: Source) -> bool:
    """Whether a file is text with enough columns."""
    line = source.first_line()
    return line[:1] not in ("{", "[") and len(_cells(line)) >= _FEWEST


def read(source: Source) -> PeopleRecording:
    """Read a table of keypoints.

    Columns are told by their names ``..._x``, ``..._y``, ``..._z`` with ``left`` or ``right`` in
    them where both hands are there; without a header there are 3 J numbers for one hand, 6 J for
    both, left then right.

    Raises:
        FileError: a line is not what it should be, or the columns are no hands'; the line is named.
    """
    lines = list(source.lines)
    header = _cells(lines[0][1])
    named = any(not _is_number(cell) for cell in header)
    rows = []
    for number, line in lines[1 if named else 0 :]:
        cells = _cells(line)
        if len(cells) != len(header):
            raise source.error(
                f"line {number} has {len(cells)} columns, expected {len(header)}", line=number
            )
        rows.append([_number(source, number, k, header, cell) for k, cell in enumerate(cells)])
    if not rows:
        raise source.error("holds no rows")
    table = np.array(rows)
    notes = [FRAME_NOTE]
    arrange = partial(_by_name, source, header) if named else partial(_by_place, source)
    points, layout = arrange(table, notes)
    return recording(
        source.path,
        NAME,
        keypoints=points,
        time=_time(header, table),
        layout=layout,
        notes=notes,
    )


def _by_name(
    source: Source, header: list[str], table: FloatArray, notes: list[str]
) -> tuple[FloatArray, str]:
    """Keypoints of columns that name a joint and an axis, and their layout's name.

    Joints of no hand are of the only one.
    """
    joints: dict[int | None, dict[str, dict[str, int]]] = {}
    for k, name in enumerate(header):
        found = _AXIS.fullmatch(name.strip().strip('"'))
        if found is None or _TIME.fullmatch(name.strip()):
            continue
        side = side_of_name(found[1])
        stem = re.sub(r"(?:left|right)[ _.\-:]?(?:hand[ _.\-:]?)?", "", found[1].lower())
        joints.setdefault(side, {}).setdefault(stem, {})[found[2].lower()] = k
    if None in joints and len(joints) > 1:
        del joints[None]
    if not joints:
        raise source.error(f"has no columns of joints, as 'wrist_x'; it has {header[:4]}", line=1)
    both, name = np.full((len(table), 2, 21, 3), np.nan), "mano21"
    for side, stems in joints.items():
        for stem, axes in stems.items():
            if set(axes) != set("xyz"):
                raise source.error(f"column {stem!r} has only {sorted(axes)}", line=1, key=stem)
        where = side
        if where is None:
            where, said = side_of_source(source)
            notes.append(said)
        points = np.stack([table[:, [axes[a] for a in "xyz"]] for axes in stems.values()], axis=1)
        if set(stems) >= set(KEYPOINT_NAMES):
            order = [list(stems).index(name) for name in KEYPOINT_NAMES]
            both[:, where] = points[:, order]
        else:
            both[:, where], layout = in_order(source, points, notes)
            name = layout.name
    return both, name


def _by_place(source: Source, table: FloatArray, notes: list[str]) -> tuple[FloatArray, str]:
    columns = table.shape[1]
    for hands in (1, 2):
        if columns % (3 * hands) == 0 and columns // (3 * hands) in _JOINTS:
            points = table.reshape(len(table), hands, -1, 3)
            if hands == 2:
                notes.append("no header: the left hand's columns, then the right hand's")
                parts, layouts = zip(
                    *(in_order(source, points[:, k], notes) for k in (0, 1)), strict=True
                )
                return np.stack(parts, axis=1), layouts[0].name
            side, said = side_of_source(source)
            notes.append(said)
            keypoints, layout = in_order(source, points[:, 0], notes)
            return both_hands(keypoints, side), layout.name
    wanted = sorted({3 * n for n in _JOINTS} | {6 * n for n in _JOINTS})
    raise source.error(f"has {columns} columns and no header, expected one of {wanted}", line=1)


def _time(header: list[str], table: FloatArray) -> FloatArray | None:
    for k, name in enumerate(header):
        found = _TIME.fullmatch(name.strip())
        if found is not None:
            values = table[:, k]
            return np.asarray((values - values[0]) * _UNITS[(found[1] or "s").lower()])
    return None


def _cells(line: str) -> list[str]:
    for separator in (",", "\t", ";"):
        if separator in line:
            return [cell.strip() for cell in line.split(separator)]
    return line.split()


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _number(source: Source, line: int, column: int, header: list[str], cell: str) -> float:
    if not _is_number(cell):
        # a column that is no joint's may hold text
        if _AXIS.fullmatch(header[column]) is None and not _TIME.fullmatch(header[column]):
            return float("nan")
        raise source.error(
            f"line {line}, column {column + 1} is {cell[:40]!r}, expected a number", line=line
        )
    return float(cell or "nan")
