"""Grasps of a robot hand: where its palm looks, and how far its fingers close about an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.errors import InputError
from retarget.core.types import FINGERS, FloatArray

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

_STEPS = 200  # of closing, among which the one that fits the object is looked up
_PALM = 0.035  # from the wrist's axis to the middle of an object held in the palm [m]

_SKIN = 0.02  # thickness of a finger, counted from its tip's middle [m]

# Joint positions [rad] with the hand ready about a large object, and fully closed.
_SHAPES: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "power": (
        {"index": 0.25, "middle": 0.25, "ring": 0.25, "pinky": 0.25, "yaw": 0.9, "pitch": 0.0},
        {"index": 1.45, "middle": 1.45, "ring": 1.45, "pinky": 1.45, "yaw": 1.0, "pitch": 0.25},
    ),
    "pinch": (
        {"index": 0.30, "middle": 0.15, "ring": 0.15, "pinky": 0.15, "yaw": 1.1, "pitch": 0.05},
        {"index": 0.95, "middle": 0.45, "ring": 0.40, "pinky": 0.35, "yaw": 1.2, "pitch": 0.45},
    ),
    "tripod": (
        {"index": 0.30, "middle": 0.30, "ring": 0.20, "pinky": 0.20, "yaw": 1.1, "pitch": 0.05},
        {"index": 0.95, "middle": 1.00, "ring": 0.85, "pinky": 0.80, "yaw": 1.25, "pitch": 0.45},
    ),
}
_REST: Mapping[str, float] = {
    "index": 0.35, "middle": 0.40, "ring": 0.45, "pinky": 0.45, "yaw": 0.3, "pitch": 0.1,
}  # fmt: skip
_AGAINST = {"power": ("middle",), "pinch": ("index",), "tripod": ("index", "middle")}
GRASPS = tuple(_SHAPES)


@dataclass(frozen=True)
class Grasp:
    """A hand about an object.

    Attributes:
        ready: (m,) active joints before it closes [rad].
        closed: (m,) active joints that hold the object [rad].
        centre: (3,) the middle of the object in the wrist frame [m].
    """

    ready: FloatArray
    closed: FloatArray
    centre: FloatArray


class GraspingHand:
    """One hand of a robot with five fingers that bend, and a thumb that also turns.

    Attributes:
        pointing: (3,) the direction of the straight fingers, in the wrist frame.
        palm: (3,) the direction the palm looks, in the wrist frame.
        rest: (m,) a hand that does nothing [rad].

    Raises:
        InputError: the hand's joints are not one for each finger and one more for the thumb.
    """

    def __init__(self, robot: Robot, side: int) -> None:
        self._robot, self._side = robot, side
        names = robot.sides[side].active_joints
        self._roles = [_role(name) for name in names]
        if sorted(self._roles) != sorted(_REST):
            raise InputError(
                f"grasps are known for hands with one joint a finger and two for the thumb, named "
                f"after them; {robot.name} has {', '.join(names)}"
            )
        fingers = slice(1, len(FINGERS))
        straight, bent = (
            robot.hand_tips(side, self._within({**dict.fromkeys(_REST, 0.0), **shape}))[fingers]
            for shape in ({}, dict.fromkeys(("index", "middle", "ring", "pinky"), 0.7))
        )
        reach = straight.mean(axis=0)
        self.length = float(np.linalg.norm(reach))
        self.pointing = reach / self.length
        inward = (bent - straight).mean(axis=0)
        inward = inward - self.pointing * (inward @ self.pointing)
        self.palm = inward / np.linalg.norm(inward)
        self.rest = self._within(_REST)

    def grasp(self, kind: str, width: float, spread: FloatArray | None = None) -> Grasp:
        """The grasp of an object.

        Args:
            kind: one of `GRASPS`.
            width: how wide the object is between thumb and fingers [m]; where the hand cannot close
                or open so far, it does what it can.
            spread: (m,) added to the joint positions, to tell one grasp from another [rad].
        """
        around, shut = (self._within(shape, spread) for shape in _SHAPES[kind])
        share = np.linspace(0.0, 1.0, _STEPS)[:, None]
        closing = around + share * (shut - around)
        tips = self._robot.hand_tips(self._side, closing)
        against = [FINGERS.index(name) for name in _AGAINST[kind]]
        opposed = tips[:, against].mean(axis=1)
        gap = np.linalg.norm(tips[:, 0] - opposed, axis=-1)
        palm = 0.5 * self.length * self.pointing + _PALM * self.palm
        if kind == "power":  # the fingers close about the object against the palm, not the thumb
            gap = 2.0 * np.linalg.norm(opposed - palm, axis=-1) - _SKIN
        touching = gap <= width
        fits = int(np.argmax(touching)) if touching.any() else int(np.argmin(gap))
        centre = palm if kind == "power" else 0.5 * (tips[fits, 0] + opposed[fits])
        return Grasp(around, closing[fits], centre)

    def rotation(self, pointing: FloatArray, palm: FloatArray) -> FloatArray:
        """The wrist's rotation (3, 3) with fingers and palm in these directions (3,) of the world.

        The palm looks as much ``palm`` as the fingers' direction leaves it.
        """
        return _axes(pointing, palm) @ _axes(self.pointing, self.palm).T

    def _within(self, shape: Mapping[str, float], spread: FloatArray | None = None) -> FloatArray:
        lower, upper = self._robot.hand_limits(self._side)
        active = np.array([shape[role] for role in self._roles])
        return np.asarray(np.clip(active if spread is None else active + spread, lower, upper))


def _role(name: str) -> str:
    """The finger of a joint; for the thumb, which of its two joints it is."""
    lower = name.lower()
    kinds = ("yaw", "pitch") if "thumb" in lower else FINGERS[1:]
    return next((kind for kind in kinds if kind in lower), name)


def _axes(first: FloatArray, second: FloatArray) -> FloatArray:
    x = first / np.linalg.norm(first)
    y = second - x * (second @ x)
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=-1)
