"""People who do not exist: random hands of the hand model, in random sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retarget.core.geometry import rotation_from_rotvec
from retarget.human.hand_model import load_hands
from retarget.human.keypoints import HandKeypoints

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Person:
    """Hands over n frames.

    Attributes:
        pose: (n, 2, 15, 3) rotation vectors of the joints [rad].
        rotation: (n, 2, 3, 3) orientation of the wrists.
        keypoints: (n, 2, 21, 3) [m].
    """

    pose: Floats
    rotation: Floats
    keypoints: Floats


def person(frames: int, seed: int, components: int = 15) -> Person:
    """Random betas, size 0.85 to 1.15, independent random poses and wrists."""
    rng, hands = np.random.default_rng(seed), load_hands()
    betas, size = rng.normal(size=10), rng.uniform(0.85, 1.15)
    rotation = rotation_from_rotvec(rng.normal(scale=1.5, size=(frames, 2, 3)))
    place = rng.normal(scale=0.3, size=(frames, 2, 1, 3))
    poses, points = [], []
    for hand in hands:
        layer = HandKeypoints(hand)
        pose = layer.pose(rng.normal(size=(frames, components)) * hand.sigma[:components])
        seen = layer.keypoints(pose=pose, betas=betas) - hand.joints(betas)[0]
        poses.append(pose.reshape(frames, 15, 3))
        points.append(size * seen)
    keypoints = np.stack(points, axis=1) @ rotation.swapaxes(-1, -2) + place
    return Person(np.stack(poses, axis=1), rotation, keypoints)
