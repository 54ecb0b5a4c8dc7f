"""People who do not exist: hands of random shapes and sizes, pinching or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retarget.core.geometry import rotation_from_rotvec
from retarget.core.types import FloatArray
from retarget.human.hand_model import load_hands
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoints import KEYPOINT_TIPS, HandKeypoints

LEAST_SIZE, MOST_SIZE = 0.85, 1.15
PINCH = 0.01  # [m] between the tips' centres


@dataclass(frozen=True)
class Person:
    """Both hands of one person over n frames.

    Attributes:
        pose: (n, 2, 15, 3) rotation vectors of the joints [rad].
        rotation: (n, 2, 3, 3) orientation of the wrists.
        keypoints: (n, 2, 21, 3) [m].
    """

    pose: FloatArray
    rotation: FloatArray
    keypoints: FloatArray


def person(
    frames: int,
    seed: int | np.random.Generator,
    *,
    components: int = 15,
    pinching: bool = False,
) -> Person:
    """Random betas, size and wrists; independent random poses.

    Args:
        frames: number n.
        seed: of everything, or what draws it.
        components: that the poses spread over.
        pinching: in four of five frames the thumb touches a finger, each in turn.
    """
    hands, rng = load_hands(), np.random.default_rng(seed)
    betas, size = rng.normal(size=10), rng.uniform(LEAST_SIZE, MOST_SIZE)
    rotation = rotation_from_rotvec(rng.normal(scale=1.5, size=(frames, 2, 3)))
    place = rng.normal(scale=0.3, size=(frames, 2, 1, 3))
    z = rng.normal(size=(frames, 2, components))
    poses, points = [], []
    for side, hand in enumerate(hands):
        layer = HandKeypoints(hand)
        pose = layer.pose(z[:, side] * hand.sigma[:components])
        if pinching:
            pose = _pinched(pose, side, layer)
        seen = layer.keypoints(pose=pose, betas=betas) - hand.joints(betas)[0]
        poses.append(pose.reshape(frames, 15, 3))
        points.append(size * seen)
    keypoints = np.stack(points, axis=1) @ rotation.swapaxes(-1, -2) + place
    return Person(np.stack(poses, axis=1), rotation, keypoints)


def _pinched(pose: FloatArray, side: int, layer: HandKeypoints) -> FloatArray:
    """Poses (n, 45) in which the thumb's tip meets another where the hand can do that."""
    points = np.asarray(layer.keypoints(pose=pose))
    frames = np.arange(len(pose))
    finger = frames % 5
    pairs = frames[finger > 0]
    thumb, other = (
        points[pairs, KEYPOINT_TIPS[0]],
        points[pairs, np.array(KEYPOINT_TIPS)[finger[pairs]]],
    )
    middle, way = 0.5 * (thumb + other), other - thumb
    way *= 0.5 * PINCH / np.linalg.norm(way, axis=-1, keepdims=True)
    weights = np.full(points.shape[:-1], 0.05)
    weights[:, [0, 5, 9, 13, 17]] = 5.0
    for tip, place in (
        (np.full(len(pairs), KEYPOINT_TIPS[0]), middle - way),
        (np.array(KEYPOINT_TIPS)[finger[pairs]], middle + way),
    ):
        points[pairs, tip] = place
        weights[pairs, tip] = 20.0
    fitted = KeypointFitter(side, components=45).fit(points, weights).hand_pose
    assert fitted is not None
    return np.where((finger > 0)[:, None], fitted[:, side].reshape(-1, 45), pose)
