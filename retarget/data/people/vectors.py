"""48 numbers a frame of both hands, by the name of their layout: H-RDT's and EgoVLA's.

hrdt48: a hand has its wrist's position (3), its orientation's first two columns (6) and five
fingertips (15), thumb to little finger, left then right; EgoDex files have them as ``actions_48d``,
in ARKit's world, whose y is up. egovla48: positions (2 x 3), PCA coefficients (2 x 15),
orientations (2 x 6), in the camera's frame. (HongzheBi/H_RDT; starVLA; `retarget.actions.layout`)
"""

from __future__ import annotations

import numpy as np

from retarget.actions.layout import ACTION_SIZE, unpack
from retarget.core.types import FINGERS, FloatArray
from retarget.data.people.arrays import pick
from retarget.data.people.foreign_mano import HANDS, ForeignMano
from retarget.data.people.frames import z_up
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source
from retarget.human.keypoints import KEYPOINT_COUNT, KEYPOINT_TIPS

HRDT, EGOVLA = "hrdt48", "egovla48"
_KEY = "actions_48d"  # what H-RDT adds to EgoDex files


def matches_hrdt(source: Source) -> bool:
    """Whether this layout is asked for."""
    return source.layout == HRDT or source.key == _KEY


def matches_egovla(source: Source) -> bool:
    """Whether this layout is asked for."""
    return source.layout == EGOVLA


def read_hrdt(source: Source) -> PeopleRecording:
    """Read H-RDT's vectors: wrists and fingertips.

    Raises:
        FileError: there is no array with 48 numbers a frame.
    """
    if source.key is None and source.is_hdf5 and _KEY in source.hdf5:
        source.key = _KEY
    rows = _rows(source)
    hands = rows.reshape(len(rows), HANDS, -1)
    keypoints = np.full((len(rows), HANDS, KEYPOINT_COUNT, 3), np.nan)
    keypoints[:, :, 0] = hands[..., :3]
    keypoints[:, :, list(KEYPOINT_TIPS)] = hands[..., 9:].reshape(len(rows), HANDS, len(FINGERS), 3)
    return z_up(
        recording(
            source.path,
            HRDT,
            keypoints=keypoints,
            notes=[
                "wrist and fingertips alone: too few to fit a hand to",
                "the wrists' orientations are the tracker's own and left out",
            ],
        )
    )


def read_egovla(source: Source) -> PeopleRecording:
    """Read EgoVLA's vectors, not normalised.

    Raises:
        FileError: there is no array with 48 numbers a frame.
    """
    action = unpack(_rows(source))
    known = np.asarray(action.known)
    return recording(
        source.path,
        EGOVLA,
        pose=ForeignMano(
            flat_mean=False,
            rotation=action.rotation,
            translation=action.translation,
            pca=action.pca,
        ),
        valid=known,
        frame="camera",
        notes=[
            "15 PCA coefficients, to which MANO's mean pose is added, in the camera's frame",
            "taken as not normalised",
        ],
    )


def _rows(source: Source) -> FloatArray:
    name, array = pick(source, keypoints=False)[0]
    if array.ndim != 2 or array.shape[1] != ACTION_SIZE:
        raise source.error(
            f"{name or 'its array'} has shape {array.shape}, expected (T, {ACTION_SIZE})",
            key=name,
            shape=array.shape,
        )
    return np.asarray(array)
