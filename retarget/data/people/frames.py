"""Recordings in another frame: camera to world, and a world whose y is up to one whose z is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.checks import read_poses
from retarget.core.errors import InputError
from retarget.core.geometry import transform_points
from retarget.core.types import FloatArray
from retarget.data.people.recording import PeopleRecording

# x stays, y becomes z, and -z, which is ahead in such worlds, becomes y
T_ZUP_YUP = np.array(
    [
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, -1.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
Z_UP_NOTE = "the file's world has y up; here z is up: (x, y, z) has become (x, -z, y)"


def to_world(
    recording: PeopleRecording, T_world_camera: ArrayLike | None = None
) -> PeopleRecording:
    """A recording in its camera's frame, moved to the world by the moving camera.

    Args:
        recording: in the frame "camera"; one in the world is given back as it is.
        T_world_camera: (T, 4, 4) or (4, 4) where the camera is [m], OpenCV's axes; the recording's
            own where None. Hands are missing where it is not finite.

    Raises:
        InputError: there is no camera, it is not rigid, it has another number of frames, or the
            recording is relative to the wrist.
    """
    if recording.frame == "world":
        return recording
    if recording.frame != "camera":
        raise InputError(f"a recording in the frame {recording.frame!r} has no way to the world")
    given = recording.T_world_camera if T_world_camera is None else T_world_camera
    if given is None:
        raise InputError(f"{recording.path} does not say where its camera is: T_world_camera")
    T, missing = read_poses(given, "T_world_camera")
    if T.shape not in ((4, 4), (recording.frames, 4, 4)):
        raise InputError(
            f"T_world_camera must have shape ({recording.frames}, 4, 4) or (4, 4), got {T.shape}"
        )
    T = np.broadcast_to(T, (recording.frames, 4, 4))
    T = np.where(missing[..., None, None], np.nan, T)
    moved = _moved(replace(recording, frame="world", T_world_camera=T), T)
    known = np.asarray(np.isfinite(T).all(axis=(-2, -1)))
    return replace(
        moved,
        valid=moved.valid & known[:, None],
        notes=(*recording.notes, "moved from the camera's frame to the world's"),
    )


def z_up(recording: PeopleRecording) -> PeopleRecording:
    """A recording in a world with y up, in the same world with z up; it says so in its notes."""
    moved = _moved(recording, T_ZUP_YUP)
    camera, head = recording.T_world_camera, recording.T_world_head
    return replace(
        moved,
        T_world_camera=None if camera is None else T_ZUP_YUP @ camera,
        T_world_head=None if head is None else T_ZUP_YUP @ head,
        notes=(*recording.notes, Z_UP_NOTE),
    )


def _moved(recording: PeopleRecording, T: FloatArray) -> PeopleRecording:
    """Keypoints and poses through T (T, 4, 4) or (4, 4)."""
    T = np.broadcast_to(T, (recording.frames, 4, 4))
    points, pose = recording.keypoints, recording.pose
    return replace(
        recording,
        keypoints=None if points is None else transform_points(T[:, None], points),
        pose=None if pose is None else pose.moved(T),
    )
