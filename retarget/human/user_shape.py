"""A hand model in a user's size: rest joints and keypoints from bone lengths and finger bases.

Trackers' landmarks are not the model's joints, so the model's own shape directions cannot represent
them; lengths of bones and places of the fingers' bases can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retarget.core.geometry import skew
from retarget.core.types import FINGERS, SIDES, FloatArray
from retarget.human.hand_model import MIRROR, HandModel
from retarget.human.keypoints import KEYPOINT_ORDER, TIP_VERTICES
from retarget.human.mano_format import JOINTS
from retarget.human.user import BONES, User

PALM = (0, 5, 9, 13, 17)  # keypoints that keep their places whatever the fingers do
STRETCH_SPREAD = 0.25  # [-] standard deviations over people and trackers, for the prior
PALM_SPREAD = 0.01  # [m]


@dataclass(frozen=True)
class RestHand:
    """A hand at rest.

    Attributes:
        joints: (16, 3) the model's joints [m].
        keypoints: (21, 3) in the order of `KEYPOINT_NAMES` [m].
    """

    joints: FloatArray
    keypoints: FloatArray


def rest_hand(hand: HandModel, user: User | None = None) -> RestHand:
    """A hand model at rest in a user's size, its root joint where the model has it.

    Args:
        hand: the model; a left one takes the mirror image of the user's numbers.
        user: whose hand; None is the model's own.
    """
    joints = hand.joints()
    rest = np.concatenate([joints, hand.template[list(TIP_VERTICES.values())]])
    if user is not None:
        chains = finger_chains()
        bones = np.diff(rest[chains], axis=1) * user.stretch[:, :, None]
        palm = user.palm * (MIRROR if hand.side == SIDES[0] else 1.0)
        base = user.size * (rest[chains[:, 0]] - rest[0]) + palm
        lengths = np.cumsum(user.size * bones, axis=1)
        rest[chains[:, 0]] = rest[0] + base
        rest[chains[:, 1:]] = rest[0] + base[:, None] + lengths
    return RestHand(rest[:JOINTS], rest[list(KEYPOINT_ORDER)])


def reach(hand: RestHand) -> float:
    """Mean length of the way from the wrist to the tips of the four fingers, stretched out [m]."""
    chains = hand.keypoints[1:].reshape(len(FINGERS), BONES + 1, 3)[1:]
    bones = np.linalg.norm(np.diff(chains, axis=1), axis=-1).sum(axis=1)
    return float((np.linalg.norm(chains[:, 0] - hand.keypoints[0], axis=-1) + bones).mean())


@dataclass(frozen=True)
class ShapeDirections:
    """How rest joints and keypoints move with the numbers that are found of a user.

    The numbers are 15 bones' stretches, thumb to pinky, then 12 coordinates of the palm: of the
    five bases' 15 those that do not turn the four knuckles about the wrist, for such a turn is the
    wrist's.

    Attributes:
        stretch: (27, 5, 3) change of `User.stretch` [-].
        palm: (27, 5, 3) change of `User.palm` [m].
        spread: (27,) standard deviations.
        joints: (27, 16, 3) change of the rest joints [m].
        keypoints: (27, 21, 3) change of the rest keypoints [m].
    """

    stretch: FloatArray
    palm: FloatArray
    spread: FloatArray
    joints: FloatArray
    keypoints: FloatArray


def shape_directions(hand: HandModel, user: User) -> ShapeDirections:
    """The directions at a user's size, for one hand model."""
    fingers, lengths = len(FINGERS), len(FINGERS) * BONES
    knuckles = rest_hand(hand, User(size=user.size)).keypoints[list(PALM)]
    turns = np.zeros((3, fingers, 3))
    for finger in range(1, fingers):  # the thumb does not define the palm
        turns[:, finger] = skew(knuckles[finger] - knuckles[0])
    kept = np.linalg.svd(turns.reshape(3, -1))[2][3:].reshape(-1, fingers, 3)
    count = lengths + len(kept)
    stretch, palm = np.zeros((count, fingers, BONES)), np.zeros((count, fingers, 3))
    stretch.reshape(count, -1)[:lengths] = np.eye(lengths)
    palm[lengths:] = kept * (MIRROR if hand.side == SIDES[0] else 1.0)
    origin, moved = rest_hand(hand, user), []
    for by_stretch, by_palm in zip(stretch, palm, strict=True):
        # linear, so that a small step is exact but for rounding; it stays within a user's bounds
        step = 1.0 / 64.0
        there = User(
            size=user.size,
            stretch=user.stretch + step * by_stretch,
            palm=user.palm + step * by_palm,
        )
        moved.append(rest_hand(hand, there))
    return ShapeDirections(
        stretch=stretch,
        palm=palm,
        spread=np.repeat([STRETCH_SPREAD, PALM_SPREAD], [lengths, len(kept)]),
        joints=np.stack([(rest.joints - origin.joints) * 64.0 for rest in moved]),
        keypoints=np.stack([(rest.keypoints - origin.keypoints) * 64.0 for rest in moved]),
    )


def finger_chains() -> NDArray[np.intp]:
    """(5, 4) places of each finger's joints, then tip, among the joints and then the tips."""
    return np.array(KEYPOINT_ORDER[1:]).reshape(len(FINGERS), BONES + 1)
