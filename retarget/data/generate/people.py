"""A person who does not exist: hands that move, pinch and rest, for examples and as a default."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retarget.core.geometry import (
    rotation_from_rotvec,
    transform,
    transform_inverse,
    transform_points,
)
from retarget.core.hdf5_streams import HDF5Writer
from retarget.core.types import SIDES, FloatArray, HumanMotion
from retarget.data.people.egodex import RATE as EGODEX_RATE
from retarget.data.people.egodex import joint_names
from retarget.data.people.frames import T_ZUP_YUP
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoint_layouts import from_mano21
from retarget.human.keypoints import KEYPOINT_TIPS
from retarget.human.user import User

RATE = 60.0  # frames per second [Hz]
SECONDS = 10.0
_PINCH = 0.008  # [m] between the tips of thumb and index finger
_PERIOD = 5.0  # [s] from one pinch to the next


def make_people(seconds: float = SECONDS, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Keypoints (T, 2, 21, 3) of both hands, and the head's poses (T, 4, 4), at 60 Hz [m].

    The person stands facing x, z up; both hands sway before the body and pinch every five seconds,
    in turn.

    Args:
        seconds: how long.
        seed: of size and ways.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(max(1, round(seconds * RATE))) / RATE
    fitter = KeypointFitter(user=User(size=rng.uniform(0.9, 1.1)), components=45)
    pca = np.zeros((len(time), 2, 45))
    sway = np.sin(2.0 * np.pi * np.outer(time, rng.uniform(0.1, 0.3, 6)) + rng.uniform(0, 6, 6))
    pca[:, :, :3] = 0.4 * fitter.sigma[:, :3] * sway[:, :3].reshape(-1, 1, 3)
    turn = np.stack([np.zeros(3), np.array([0.0, 0.0, np.pi])])  # fingers of both ahead
    roll = rotation_from_rotvec(np.array([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]))  # palms inwards
    turns = roll @ rotation_from_rotvec(turn) @ rotation_from_rotvec(0.05 * sway[:, None, 3:])
    middle = np.array([[0.35, 0.22, 1.1], [0.35, -0.22, 1.1]])
    place = middle + 0.04 * np.stack([sway[:, :3], sway[:, [1, 0, 2]]], axis=1)
    wrists = transform(turns, place)
    open_hand = fitter.placed(pca, wrists)
    weights = np.ones(21)
    weights[list(KEYPOINT_TIPS[:2])] = 20.0
    seen = _pinched(open_hand, time)
    motion = fitter.fit(seen, np.broadcast_to(weights, seen.shape[:-1]))
    head = transform(rotation_from_rotvec(0.05 * sway[:, 3:]), np.array([0.0, 0.0, 1.6]))
    return fitter.keypoints(_at(motion, wrists)), head


def _pinched(points: FloatArray, time: FloatArray) -> FloatArray:
    """Keypoints in which thumb and index finger of one hand after the other meet and part."""
    points = points.copy()
    for h in range(2):
        phase = (time / _PERIOD + 0.5 * h) % 1.0
        near = np.clip(1.0 - np.abs(phase - 0.5) / 0.2, 0.0, 1.0)
        near = near**2 * (3.0 - 2.0 * near)
        thumb, index = (points[:, h, KEYPOINT_TIPS[k]].copy() for k in (0, 1))
        way = index - thumb
        apart = np.linalg.norm(way, axis=-1, keepdims=True)
        shift = 0.5 * near[:, None] * way * (1.0 - _PINCH / apart)
        points[:, h, KEYPOINT_TIPS[0]] += shift
        points[:, h, KEYPOINT_TIPS[1]] -= shift
    return points


def _at(motion: HumanMotion, wrists: FloatArray) -> HumanMotion:
    """The motion's hands at given wrists."""
    return HumanMotion(**{**vars(motion), "T_world_mano": wrists})


def make_people_file(path: str | Path, seconds: float = SECONDS, seed: int = 0) -> None:
    """Write what `make_people` makes as EgoDex does: HDF5, 68 joints' poses, y up, 30 Hz.

    The camera is on the head and looks ahead and down. Joints that the 21 keypoints do not have
    stand at the wrist.

    Raises:
        FileError: the file cannot be written there.
    """
    every = round(RATE / EGODEX_RATE)
    keypoints, head = (values[::every] for values in make_people(seconds, seed))
    down = transform_inverse(T_ZUP_YUP)
    joints = from_mano21(transform_points(down, keypoints), "visionpro25")
    joints = np.where(np.isnan(joints), joints[:, :, :1], joints)
    # OpenCV's axes (x right, y down, z ahead) on a head that faces x, 30 degrees down
    ahead = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    look = ahead @ rotation_from_rotvec([-np.pi / 6.0, 0.0, 0.0])
    camera = head @ transform(look, np.zeros(3))
    with _EgoDexWriter(path) as writer:
        writer.write(joints, down @ camera)


class _EgoDexWriter(HDF5Writer):
    def write(self, joints: FloatArray, T_world_camera: FloatArray) -> None:
        """Joints (T, 2, 25, 3) and camera poses (T, 4, 4), y up [m]."""
        self._extend("transforms/camera", T_world_camera.astype(np.float32))
        for side, name in enumerate(SIDES):
            for k, joint in enumerate(joint_names(name)):
                T = transform(np.eye(3), joints[:, side, k])
                self._extend(f"transforms/{joint}", T.astype(np.float32))
        self._frames += len(joints)

    def _finish(self) -> None:
        self._file.attrs["llm_description"] = "pinch in the air, with one hand after the other"
