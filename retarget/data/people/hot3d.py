"""HOT3D: MANO hands as lines of JSON, with the headset's trajectory as CSV beside them.

A line has ``timestamp_ns`` and ``hand_poses``, "0" the left and "1" the right hand: 15 PCA
coefficients to which the mean is added, the wrist as smplx's global orientation and translation, 10
betas. An Aria headset has three cameras, and a line for each. (facebookresearch/hot3d)
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import FileError
from retarget.core.geometry import rotation_from_quat_wxyz, transform
from retarget.core.reading import read_text
from retarget.core.types import SIDES, FloatArray
from retarget.data.people.foreign_mano import HANDS, ForeignMano, model_offset
from retarget.data.people.hands import UP_NOTE
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import LARGEST, Source

NAME = "hot3d"
COMPONENTS, BETAS = 15, 10
_SAME = 5e-3  # [s] between lines of one frame; frames are 33 ms apart
_HEADSET = "headset_trajectory.csv"


def matches(source: Source) -> bool:
    """Whether a file is of this format."""
    line = source.first_line()
    return line.startswith("{") and '"timestamp_ns"' in line and '"hand_poses"' in line


def read(source: Source) -> PeopleRecording:
    """Read a file of this format.

    Raises:
        FileError: a line is not what it should be; the line is named.
    """
    rows = [_row(source, number, line) for number, line in source.lines]
    stamps = np.array([stamp for stamp, _ in rows], dtype=np.int64)
    order = np.argsort(stamps, kind="stable")
    groups = np.cumsum(np.diff(stamps[order], prepend=stamps[order[0]]) > _SAME * 1e9)
    frames = int(groups[-1]) + 1
    pca = np.full((frames, HANDS, COMPONENTS), np.nan)
    betas = np.full((frames, HANDS, BETAS), np.nan)
    wrist = np.full((frames, HANDS, 7), np.nan)
    first = np.zeros(frames, dtype=np.int64)
    for group, row in zip(groups[::-1], order[::-1], strict=True):  # the first row of a frame wins
        first[group] = stamps[row]
        for side, hand in rows[row][1].items():
            pca[group, side], wrist[group, side], betas[group, side] = hand
    turn = np.where(np.isfinite(wrist[..., 3:]), wrist[..., 3:], [1.0, 0.0, 0.0, 0.0])
    R = rotation_from_quat_wxyz(turn)
    notes = [f"{COMPONENTS} PCA coefficients, to which MANO's mean pose is added", UP_NOTE]
    if frames < len(rows):
        notes.append(f"{len(rows)} rows less than {1e3 * _SAME:g} ms apart are {frames} frames")
    head = None
    beside = source.sibling(_HEADSET)
    if beside is not None:
        head = _head_path(beside, first)
        notes.append(f"the headset's poses are from {_HEADSET}")
    return recording(
        source.path,
        NAME,
        pose=ForeignMano(
            flat_mean=False,
            rotation=np.where(np.isfinite(wrist[..., :1, None]), R, np.nan),
            translation=wrist[..., :3],
            root_offset=model_offset(frames),
            pca=pca,
            betas=betas,
        ),
        time=(first - first[0]) * 1e-9,
        T_world_head=head,
        notes=notes,
    )


_Hand = tuple[FloatArray, FloatArray, FloatArray]


def _row(source: Source, number: int, line: str) -> tuple[int, dict[int, _Hand]]:
    """Time stamp [ns] and hands of a line: coefficients, wrist ``x y z qw qx qy qz``, betas."""
    try:
        row = json.loads(line)
        stamp = int(row["timestamp_ns"])
        hands = {str(name): hand for name, hand in row["hand_poses"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise source.error(
            f"line {number} is not an object with 'timestamp_ns' and 'hand_poses': {cause}",
            line=number,
        ) from cause
    strangers = sorted(set(hands) - {"0", "1"})
    if strangers or not 0 <= stamp < 2**63:
        what = f"the hand {strangers[0]!r}" if strangers else f"the time {stamp}"
        raise source.error(f"line {number} has {what}, expected '0' and '1'", line=number)
    found = {}
    for name, hand in hands.items():
        if not hand:
            continue
        if isinstance(hand, dict) and "pose" not in hand and "joint_angles" in hand:
            raise source.error(
                f"line {number} has UmeTrack's joint angles, which are not MANO's; read "
                "mano_hand_pose_trajectory.jsonl",
                line=number,
                key="joint_angles",
            )
        found[int(name)] = _hand(source, f"line {number}, {SIDES[int(name)]} hand", number, hand)
    return stamp, found


def _hand(source: Source, where: str, line: int, hand: Any) -> _Hand:
    try:
        wrist = hand["wrist_xform"]
        given = (hand["pose"], [*wrist["t_xyz"], *wrist["q_wxyz"]], hand["betas"])
    except (KeyError, TypeError) as cause:
        raise source.error(f"{where} lacks {cause}", line=line) from cause
    arrays = []
    for name, values, size in zip(
        ("pose", "wrist_xform", "betas"), given, (COMPONENTS, 7, BETAS), strict=True
    ):
        try:
            array = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            array = np.array([])
        if array.shape != (size,) or not np.isfinite(array).all():
            raise source.error(
                f"{where}: {name!r} is {str(values)[:60]}, expected {size} finite numbers",
                line=line,
                key=name,
            )
        arrays.append(array)
    length = float(np.linalg.norm(arrays[1][3:]))
    if abs(length - 1.0) > 1e-2:
        raise source.error(
            f"{where}: 'q_wxyz' has length {length:.4g}, expected 1", line=line, value=length
        )
    return arrays[0], arrays[1], arrays[2]


_COLUMNS = (
    *(f"t_wo_{axis}[m]" for axis in "xyz"),
    *(f"q_wo_{axis}" for axis in "wxyz"),
)


def _head_path(path: Path, stamps: FloatArray | Any) -> FloatArray:
    """Where the headset is (T, 4, 4) at some times [ns]: the nearest row's, NaN of none near."""
    rows = csv.DictReader(read_text(path, LARGEST, "a headset's trajectory").splitlines())
    absent = {"timestamp[ns]", *_COLUMNS} - set(rows.fieldnames or ())
    if absent:
        raise FileError(path, f"has no column {', '.join(sorted(absent))}")
    times, poses = [], []
    for number, row in enumerate(rows, 2):
        try:
            times.append(int(row["timestamp[ns]"]))
            poses.append([float(row[column]) for column in _COLUMNS])
        except (TypeError, ValueError) as cause:
            raise FileError(path, f"line {number} does not hold numbers: {cause}") from cause
        if not math.isclose(math.hypot(*poses[-1][3:]), 1.0, abs_tol=1e-2):
            raise FileError(path, f"line {number} has a quaternion of another length than 1")
    if not times:
        raise FileError(path, "holds no rows")
    order = np.argsort(times)
    known, values = np.array(times)[order], np.array(poses)[order]
    after = np.clip(np.searchsorted(known, stamps), 1, max(len(known) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(known) - 1)
    nearer = np.where(np.abs(known[after] - stamps) < np.abs(known[before] - stamps), after, before)
    T = transform(rotation_from_quat_wxyz(values[nearer, 3:]), values[nearer, :3])
    far = np.abs(known[nearer] - stamps) > 0.1e9
    return np.where(far[:, None, None], np.nan, T)
