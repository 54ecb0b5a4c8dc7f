"""The demonstration file's layout: what each dataset is called, and that it is as it should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retarget.core.errors import DemoError
from retarget.core.geometry import lengths, transform_from_pose_wxyz
from retarget.core.hdf5 import close_name, first_frame, require_dataset
from retarget.core.hdf5_file import HDF5File
from retarget.core.types import FINGERS, SIDES, BoolArray, FloatArray
from retarget.data.file_kind import FileKind, refuse_other_kind

QPOS = "observations/qpos"
QVEL = "observations/qvel"
ACTION = "action"
RATE_ATTRIBUTES = ("rate", "hz", "fps")

_QUATERNION_TOLERANCE = 1e-3  # [-] on the length; float32 files stay below 1e-6
FARTHEST = 20.0  # [m] from the origin; a robot at its table reaches 2 m
LARGEST_ANGLE = 4.0 * math.pi  # [rad]; no joint of a humanoid turns twice


def pose_keys(side: str) -> tuple[str, str]:
    """Both names a side's wrist poses go by, the usual one first."""
    return f"observations/{side}_ee_pose", f"observations/{side}_target_ee_pose"


def tips_key(side: str) -> str:
    """Name of a side's fingertip positions."""
    return f"observations/{side}_finger_tip_pos"


@dataclass(frozen=True)
class DemoLayout:
    """Where one file keeps what; None where it has no such dataset.

    Attributes:
        frames: number of frames T.
        poses: names of the wrist poses, left and right.
        tips: names of the fingertip positions, left and right.
        action: name of the commanded joints.
    """

    frames: int
    poses: tuple[str | None, str | None]
    tips: tuple[str | None, str | None]
    action: str | None


def find_layout(file: HDF5File, joints: int | None = None, robot: str = "the robot") -> DemoLayout:
    """Find the datasets of an open file and check shapes, types and lengths; reads no values.

    Args:
        file: an open file.
        joints: number of joints expected, or None for any.
        robot: what to call the robot that has so many.

    Raises:
        DemoError: a dataset is missing, misnamed, of the wrong shape, type or length; the episode
            is empty; both hands are missing; the file is of a robot with other joints.
    """
    path = file.path
    if QPOS not in file:
        refuse_other_kind(file, FileKind.DEMO)
    known = {QPOS, QVEL, ACTION}
    known.update(key for side in SIDES for key in (*pose_keys(side), tips_key(side)))
    strangers = [name for name in file.names() if name not in known]
    frames, n = require_dataset(file, QPOS, (None, None), names=strangers)
    if joints is not None and n != joints:
        raise DemoError(
            path,
            f"{QPOS!r} has {n} joints a frame, {robot} has {joints}; is this another robot's file?",
            key=QPOS,
            joints=n,
            expected=joints,
        )
    if frames == 0 or n == 0:
        raise DemoError(path, f"the episode is empty: {QPOS!r} has shape {(frames, n)}", key=QPOS)

    hands = [_find_hand(file, side, strangers) for side in SIDES]
    if not any(pose for pose, _ in hands):
        raise DemoError(
            path,
            f"both hands are missing, expected {pose_keys(SIDES[0])[0]!r} and "
            f"{tips_key(SIDES[0])!r}, or the right hand's",
        )
    for key in (QVEL, ACTION):
        if key in file:
            require_dataset(file, key, (None, n), used=key == ACTION)
    poses, tips = zip(*hands, strict=True)
    for key in (*poses, *tips, ACTION, QVEL):
        item = None if key is None else file.item(key)
        if item is not None and item.shape is not None and item.shape[0] != frames:
            raise DemoError(
                path,
                f"{key!r} has {item.shape[0]} frames, but {QPOS!r} has {frames}",
                key=key,
                frames=item.shape[0],
                expected=frames,
            )
    return DemoLayout(frames, poses, tips, ACTION if ACTION in file else None)


def check_joints(
    path: str, key: str, values: FloatArray, start: int, largest: float = LARGEST_ANGLE
) -> None:
    """Refuse joint positions (T, n) that are not finite radians, ``largest`` at most.

    Raises:
        DemoError: NaN or infinite, or so large that they must be degrees.
    """
    for bad, expected in (
        (~np.isfinite(values), "finite radians"),
        (np.abs(values) > largest, "radians (are these degrees?)"),
    ):
        frame = first_frame(bad)
        if frame is not None:
            joint = int(np.argmax(bad[frame]))
            raise DemoError(
                path,
                f"{key!r} frame {start + frame}, joint {joint} is {values[frame, joint]:g}, "
                f"expected {expected}",
                key=key,
                frame=start + frame,
                joint=joint,
                value=float(values[frame, joint]),
            )


def check_lengths(
    path: str, key: str, points: FloatArray, start: int, farthest: float = FARTHEST
) -> None:
    """Refuse positions (T, ..., 3) that are not metres near the robot; NaN passes.

    Raises:
        DemoError: infinite, or farther away than ``farthest``.
    """
    far = np.abs(points) > farthest
    frame = first_frame(far)
    if frame is None:
        return
    value = points[frame][far[frame]][0]
    most = np.isfinite(points).all(axis=-1).sum() < 2 * far.any(axis=-1).sum()
    hint = " (are these inches, centimetres or millimetres?)" if most else ""
    raise DemoError(
        path,
        f"{key!r} frame {start + frame} has the coordinate {value:g}, "
        f"expected metres within {FARTHEST:g} m of the origin{hint}",
        key=key,
        frame=start + frame,
        value=float(value),
    )


def transforms_from_rows(
    path: str, key: str, rows: FloatArray, valid: BoolArray, start: int
) -> FloatArray:
    """Pose rows (T, 7) -> (T, 4, 4), NaN where not valid; lengths within 1e-3 of 1 are mended.

    Raises:
        DemoError: a quaternion is zero or not of unit length.
    """
    with np.errstate(over="ignore"):
        length = lengths(np.where(valid[:, None], rows[:, 3:], 0.5))
    frame = first_frame(np.abs(length - 1.0) > _QUATERNION_TOLERANCE)
    if frame is not None:
        zero = length[frame] < _QUATERNION_TOLERANCE
        hint = " (NaN marks a frame where the hand was not seen)" if zero else ""
        if not zero and (rows[valid, 3:] == 0.0).all(axis=0).any():
            hint = " (one column is all zeros: rotation vectors or Euler angles?)"
        raise DemoError(
            path,
            f"{key!r} frame {start + frame} has "
            f"{'a zero' if zero else 'an unnormalised'} quaternion of length {length[frame]:.4g}, "
            f"expected columns x y z qw qx qy qz with a quaternion of length 1{hint}",
            key=key,
            frame=start + frame,
            value=float(length[frame]),
        )
    identity = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    poses = transform_from_pose_wxyz(np.where(valid[:, None], rows, identity))
    poses[~valid] = np.nan
    return poses


def _find_hand(
    file: HDF5File, side: str, strangers: Sequence[str]
) -> tuple[str | None, str | None]:
    """Names of a hand's poses and tips; both None where the file has nothing of that hand."""
    pose = next((key for key in pose_keys(side) if key in file), None)
    tips = tips_key(side) if tips_key(side) in file else None
    if pose is None and tips is None:
        misnamed = (close_name(key, strangers) for key in (pose_keys(side)[0], tips_key(side)))
        if not any(misnamed):
            return None, None
    pose = pose or pose_keys(side)[0]
    tips = tips or tips_key(side)
    require_dataset(file, pose, (None, 7), names=strangers)
    require_dataset(file, tips, (None, len(FINGERS), 3), names=strangers)
    return pose, tips
