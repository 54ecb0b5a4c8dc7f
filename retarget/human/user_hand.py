"""A hand model in a user's shape: skin and skeleton, its keypoints those that fits place.

Each bone carries the skin around it to where the user's bone is, stretched along it; the skinning
weights blend what bones carry, and fingertips go exactly where the user's are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retarget.core.types import FloatArray
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import KEYPOINT_ORDER, TIP_VERTICES
from retarget.human.user import User
from retarget.human.user_shape import finger_chains, rest_hand

_PAD = 0.012  # [m] around a fingertip's vertex that goes with it


def user_hand(hand: HandModel, user: User) -> HandModel:
    """The model with a user's bones, palm and size.

    Coefficients keep their meaning, and its 21 keypoints are those of `KeypointFitter.keypoints`
    for the same user. Its shape directions are the model's, in the user's size.

    Args:
        hand: the model; a left one takes the mirror image of the user's numbers.
        user: whose hand.
    """
    origin, rest = rest_hand(hand), rest_hand(hand, user)
    below = hand.template[:, None] - origin.joints  # (V, 16, 3) from each joint to each vertex
    carried = user.size * below
    for finger, chain in enumerate(finger_chains()):
        ends = np.concatenate([origin.joints, hand.template[list(TIP_VERTICES.values())]])[chain]
        for bone, joint in enumerate(chain[:-1]):
            along = ends[bone + 1] - ends[bone]
            share = below[:, joint] @ along / (along @ along)
            stretched = (user.stretch[finger, bone] - 1.0) * share[:, None] * along
            carried[:, joint] += user.size * stretched
    skin = np.einsum("vj,vjx->vx", hand.weights, rest.joints + carried)
    tips = list(TIP_VERTICES.values())
    wanted = rest.keypoints[np.argsort(KEYPOINT_ORDER)[-len(tips) :]]
    skin = skin + _pads(hand.template, tips) @ (wanted - skin[tips])
    return replace(
        hand,
        template=skin,
        shapedirs=user.size * hand.shapedirs,
        posedirs=user.size * hand.posedirs,
        regressor=_regressor(hand.regressor, skin, rest.joints),
        source=f"{hand.source} in a user's shape",
    )


def _pads(template: FloatArray, tips: list[int]) -> FloatArray:
    """(V, 5) how much of each tip's move a vertex shares: one at the tip, none at the others."""
    away = np.linalg.norm(template[:, None] - template[tips], axis=-1)
    near = np.exp(-0.5 * (away / _PAD) ** 2)
    return np.asarray(near @ np.linalg.inv(near[tips]))


def _regressor(regressor: FloatArray, skin: FloatArray, joints: FloatArray) -> FloatArray:
    """The nearest regressor that finds the joints in the skin; its rows' sums stay as they are."""
    corners = np.insert(skin, 3, 1.0, axis=1)
    off = np.insert(joints - regressor @ skin, 3, 0.0, axis=1)
    return np.asarray(regressor + off @ np.linalg.pinv(corners))
