"""A picture of a user's hands over the hand model's, as SVG: backs of the hands, fingers up."""

from __future__ import annotations

import numpy as np

from retarget.core.text import length_text
from retarget.core.types import FINGERS, SIDES, FloatArray, Status
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import KEYPOINT_COUNT
from retarget.human.user import User
from retarget.human.user_hand import user_hand
from retarget.human.user_shape import reach, rest_hand
from retarget.viewer.colours import SKIN, STATUS_COLOURS

_MODEL, _USER = "#5c6670", STATUS_COLOURS[Status.HELD]
_UNITS = 2000.0  # of the drawing in a metre
_MARGIN, _LINE = 24.0, 20.0
_BAR = 0.05  # [m] that the scale shows


def user_picture(user: User, hands: tuple[HandModel, HandModel]) -> str:
    """The hands that were seen of a user, flat: skin and bones, the model's bones in grey beside.

    Args:
        user: whose hands.
        hands: models of the left and the right hand.

    Returns:
        An SVG document, the same for the same numbers.
    """
    shown = [side for side in SIDES if side in user.sides]
    parts, left, height = [], _MARGIN, 0.0
    for side in shown:
        hand = hands[SIDES.index(side)]
        own = user_hand(hand, user)
        skin, bones = _flat(own.template - own.root, side), _flat(_keypoints(own), side)
        model = _flat(_keypoints(hand), side)
        every = np.concatenate([skin, model])
        low, high = every.min(axis=0), every.max(axis=0)
        offset = np.array([left, _MARGIN + _LINE]) - low
        parts += [
            _text(
                left,
                _MARGIN,
                f"{side} hand, wrist to fingertip {_reach(own)}, model's {_reach(hand)}",
            ),
            _triangles(skin + offset, own),
            _skeleton(model + offset, _MODEL, 2.0),
            _skeleton(bones + offset, _USER, 3.0),
        ]
        left += max(float((high - low)[0]), 370.0) + _MARGIN
        height = max(height, float((high - low)[1]))
    foot = _MARGIN + _LINE + height + 2 * _LINE
    parts += [
        f'<path d="M{_MARGIN:.1f} {foot:.1f}h{_UNITS * _BAR:.1f}" stroke="#333" stroke-width="3"/>',
        _text(
            _MARGIN + _UNITS * _BAR + 8,
            foot + 4,
            f"{length_text(_BAR)}; blue: the user, grey: the hand model",
        ),
    ]
    size = f"{left:.0f} {foot + _MARGIN:.0f}"
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" '
        f'font-family="sans-serif" font-size="14">\n<rect width="100%" height="100%" '
        f'fill="#fff"/>\n{body}\n</svg>\n'
    )


def _keypoints(hand: HandModel) -> FloatArray:
    return rest_hand(hand).keypoints - hand.root


def _flat(points: FloatArray, side: str) -> FloatArray:
    """Points (n, 3) of a model seen from above, its fingers up (n, 2)."""
    turned = points[:, [2, 0]] * (1.0 if side == SIDES[0] else -1.0)
    return turned * [_UNITS, -_UNITS]


def _triangles(points: FloatArray, hand: HandModel) -> str:
    corners = points[hand.faces]
    (ax, ay), (bx, by) = ((corners[:, k] - corners[:, 0]).T for k in (1, 2))
    corners = corners[ax * by < ay * bx]  # those that face the eye cover the others
    path = "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corner) + "Z" for corner in corners
    )
    return f'<path d="{path}" fill="{SKIN}" stroke="{SKIN}"/>'


def _skeleton(points: FloatArray, colour: str, width: float) -> str:
    chains = np.arange(1, KEYPOINT_COUNT).reshape(len(FINGERS), -1)
    path = "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points[[0, *chain]]) for chain in chains
    )
    balls = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{1.5 * width:.1f}" fill="{colour}"/>'
        for x, y in points
    )
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>{balls}'


def _reach(hand: HandModel) -> str:
    return length_text(reach(rest_hand(hand)))


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="#333">{text}</text>'
