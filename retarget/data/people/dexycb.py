"""DexYCB: an npz a frame, a hand's MANO pose and 21 joints in the camera's frame.

``pose_m`` (1, 51) is the wrist's rotation vector, 45 PCA coefficients (mean added) and the
translation; zeros where the hand is absent. ``joint_3d`` (1, 21, 3) is -1 then. Which hand it is,
and of whose shape, stands in the sequence's meta.yml. MANO_LEFT was used with its wrong sign in x
(vchoutas/smplx #48; dex-ycb-toolkit #28).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from retarget.core.errors import FileError
from retarget.core.geometry import rotation_from_rotvec
from retarget.core.reading import read_text
from retarget.core.types import SIDES, FloatArray
from retarget.data.people.foreign_mano import ForeignMano, model_offset
from retarget.data.people.hands import (
    both_hands,
    frame_files,
    numbered_files,
    per_frame,
    side_of_source,
)
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source, number_array

NAME = "dexycb"
_FILE = r"labels_(\d+)\.npz"
_META = "meta.yml"
_PCA = 45


def matches(source: Source) -> bool:
    """Whether a file, or a folder's first file, is of this format."""
    if source.is_folder:
        files = numbered_files(source.path, _FILE)
        return bool(files) and matches(Source(files[0][1]))
    return "pose_m" in source.table


def read(source: Source) -> PeopleRecording:
    """Read one frame, or a folder of them, by their numbers.

    Raises:
        FileError: a file is not what it should be, or nothing tells which hand it is.
    """
    files, numbers = frame_files(source, _FILE)
    frames = len(numbers)
    pose, points = np.zeros((frames, 51)), np.full((frames, 21, 3), np.nan)
    joints = False
    for k, each in files:
        if "pose_m" not in each.table:
            raise each.error("has no pose_m, expected a frame of DexYCB", key="pose_m")
        pose[k] = per_frame(each, "pose_m", each.table["pose_m"], 1, 51)[0]
        if "joint_3d" in each.table:
            joints = True
            given = number_array(each, "joint_3d", each.table["joint_3d"], (1, 21, 3), (21, 3))
            given = given.reshape(21, 3)
            points[k] = np.nan if (given == -1.0).all() else given
    absent = (pose == 0.0).all(axis=1)
    pose[absent], points[absent] = np.nan, np.nan
    side, how, betas, notes = _hand(source)
    if side == SIDES.index("left"):
        notes.append("betas of MANO_LEFT as it is published, with its wrong sign in x")
    turn = np.nan_to_num(pose[:, :3])
    R = np.where(absent[:, None, None], np.nan, rotation_from_rotvec(turn))
    return recording(
        source.path,
        NAME,
        keypoints=both_hands(points, side) if joints else None,
        pose=ForeignMano(
            flat_mean=False,
            rotation=both_hands(R, side),
            translation=both_hands(pose[:, 48:], side),
            root_offset=model_offset(frames),
            pca=both_hands(pose[:, 3 : 3 + _PCA], side),
            betas=None
            if betas is None
            else both_hands(np.broadcast_to(betas, (frames, 10)).copy(), side),
            unmended_left=True,
        ),
        frame="camera",
        notes=[
            f"{_PCA} PCA coefficients, to which MANO's mean pose is added, in the camera's frame",
            how,
            *notes,
        ],
    )


def _hand(source: Source) -> tuple[int, str, FloatArray | None, list[str]]:
    """The side, how it is known, and the shape, by the sequence's meta.yml where it is there."""
    folder = source.path.absolute() if source.is_folder else source.path.absolute().parent
    # the labels lie in a folder for each camera, the meta.yml in that of the sequence
    meta = next((f / _META for f in (folder, folder.parent) if (f / _META).is_file()), None)
    if meta is None:
        side, how = side_of_source(source)
        return side, how, None, [f"no {_META} beside it: the shape is not known"]
    text = read_text(meta, 2**20, "a description of a sequence")
    sides = _listed(text, "mano_sides")
    if len(sides) != 1 or sides[0] not in SIDES:
        raise FileError(
            meta, f"mano_sides is {sides}, expected [left] or [right]", key="mano_sides"
        )
    calibrations = _listed(text, "mano_calib")
    betas, notes = None, []
    if calibrations:
        where = meta.parent.parent.parent / "calibration" / f"mano_{calibrations[0]}" / "mano.yml"
        if where.is_file():
            betas = _betas(where)
        else:
            notes = [f"no calibration/mano_{calibrations[0]}/mano.yml: the shape is not known"]
    return SIDES.index(sides[0]), f"a {sides[0]} hand by {_META}", betas, notes


def _listed(text: str, key: str) -> list[str]:
    """Items of a list of a YAML file, in brackets or a line each."""
    found = re.search(rf"^{key}:\s*(\[[^\]]*\]|(?:\n\s*-.*)+)", text, re.MULTILINE)
    return [] if found is None else re.findall(r"[\w.+-]*\w[\w.+-]*", found[1])


def _betas(path: Path) -> FloatArray:
    items = _listed(read_text(path, 2**20, "a calibration of a hand"), "betas")
    try:
        betas = np.array([float(item) for item in items])
    except ValueError as cause:
        raise FileError(path, f"betas are not numbers: {cause}", key="betas") from cause
    if betas.shape != (10,) or not np.isfinite(betas).all():
        raise FileError(path, f"betas has {len(betas)} numbers, expected 10", key="betas")
    return betas
