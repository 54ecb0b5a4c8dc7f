"""What a generated demonstration does: objects, grasps and ways, as moves of both hands.

A hand's wrist is given by two motions: that of the object it handles in the world, and its own
relative to that object. So a held object and its hands move as one body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.geometry import rotation_from_rotvec, transform, transform_inverse
from retarget.core.minimum_jerk import Move, transforms_at, vectors_at
from retarget.core.types import FloatArray
from retarget.data.generate.grasps import Grasp, GraspingHand

# Shares of the cycle's time in which each part begins and ends; neighbours overlap, so that the
# hand passes from one to the next.
_REACH, _APPROACH, _CLOSE = (0.03, 0.24), (0.19, 0.32), (0.31, 0.40)
_LIFT, _CARRY, _LOWER = (0.41, 0.55), (0.50, 0.68), (0.64, 0.77)
_OPEN, _RETREAT, _RETURN = (0.78, 0.86), (0.83, 0.93), (0.88, 0.99)
_SHAPE, _RELAX = (0.06, 0.22), (0.90, 0.98)
_OVER, _TILT, _UPRIGHT, _BACK, _DOWN = (
    (0.44, 0.53), (0.50, 0.60), (0.60, 0.69), (0.65, 0.74), (0.69, 0.77),
)  # fmt: skip

_UP = np.array([0.0, 0.0, 1.0])
_AHEAD = np.array([1.0, 0.0, 0.0])


@dataclass(frozen=True)
class HandPlan:
    """What one hand does during a cycle, times as shares of the cycle.

    Attributes:
        start: (4, 4) where its object stands [m].
        object: moves of the object in the world.
        home: (4, 4) where the wrist begins, in the object's frame [m].
        wrist: moves of the wrist in the object's frame.
        rest: (m,) active joints at the beginning [rad].
        fingers: moves of the active joints.
    """

    start: FloatArray
    object: tuple[Move, ...]
    home: FloatArray
    wrist: tuple[Move, ...]
    rest: FloatArray
    fingers: tuple[Move, ...]

    def at(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``T_world_wrist`` (T, 4, 4) and active joints (T, m) at shares (T,) of the cycle."""
        T_world_object = transforms_at(times, self.start, self.object)
        T_object_wrist = transforms_at(times, self.home, self.wrist)
        return T_world_object @ T_object_wrist, vectors_at(times, self.rest, self.fingers)


@dataclass(frozen=True)
class TaskBuilder:
    """Draws the objects of a task and plans what hands do with them.

    Attributes:
        rng: gives objects and ways.
        hands: left, right.
        homes: (2, 4, 4) wrists at rest [m].
    """

    rng: np.random.Generator
    hands: tuple[GraspingHand, GraspingHand]
    homes: FloatArray

    def spot(self, offset: ArrayLike, spread: ArrayLike) -> FloatArray:
        """A place (3,): ``offset`` from the middle of the hands at rest, give or take [m]."""
        middle = self.homes[:, :3, 3].mean(axis=0)
        half = np.asarray(spread, dtype=np.float64)
        return np.asarray(middle + np.asarray(offset) + self.rng.uniform(-half, half))

    def vary(self, *half: float) -> FloatArray:
        """Numbers drawn between plus and minus each half width."""
        return np.asarray(self.rng.uniform(-np.array(half), np.array(half)))

    def grasp(self, h: int, kind: str, width: float) -> Grasp:
        """A grasp whose fingers are a little different each time."""
        joints = len(self.hands[h].rest)
        return self.hands[h].grasp(kind, width, self.rng.normal(0.0, 0.03, joints))

    def handle(
        self,
        h: int,
        grasp: Grasp,
        T_world_object: FloatArray,
        T_object_grip: FloatArray,
        moves: tuple[Move, ...],
    ) -> HandPlan:
        """Reach to an object, grasp it, keep hold while it moves, let go, return.

        Args:
            h: 0 left, 1 right.
            grasp: how it is held.
            T_world_object: (4, 4) where the object stands at first [m].
            T_object_grip: (4, 4) rotation of the wrist and place of the grip in the object's frame
                [m].
            moves: of the object, while it is held.
        """
        hand = self.hands[h]
        T_grip_wrist = transform(np.eye(3), -grasp.centre)
        T_object_wrist = T_object_grip @ T_grip_wrist
        back = transform(np.eye(3), -0.09 * hand.pointing - 0.03 * hand.palm)
        before = T_object_wrist @ back
        last = moves[-1].target if moves else T_world_object
        home = self.homes[h]
        return HandPlan(
            start=T_world_object,
            object=moves,
            home=transform_inverse(T_world_object) @ home,
            wrist=(
                Move(*_REACH, before),
                Move(*_APPROACH, T_object_wrist),
                Move(*_RETREAT, before),
                Move(*_RETURN, transform_inverse(last) @ home),
            ),
            rest=hand.rest,
            fingers=(
                Move(*_SHAPE, grasp.ready),
                Move(*_CLOSE, grasp.closed),
                Move(*_OPEN, grasp.ready),
                Move(*_RELAX, hand.rest),
            ),
        )

    def grip(self, h: int, inward: float, down: float, turned: float) -> FloatArray:
        """Rotation (3, 3) of a wrist that holds something in front of the robot.

        Args:
            h: 0 left, 1 right.
            inward: how far the fingers point towards the middle [rad].
            down: how far they point down [rad].
            turned: how far the palm turns from facing the middle towards the floor [rad].
        """
        middle = np.array([0.0, -1.0, 0.0]) if h == 0 else np.array([0.0, 1.0, 0.0])
        level = np.cos(inward) * _AHEAD + np.sin(inward) * middle
        pointing = np.cos(down) * level - np.sin(down) * _UP
        return self.hands[h].rotation(pointing, np.cos(turned) * middle - np.sin(turned) * _UP)


Plan = tuple[HandPlan, HandPlan]


def _place(position: FloatArray, yaw: float = 0.0) -> FloatArray:
    return transform(rotation_from_rotvec(yaw * _UP), position)


def _carried(start: FloatArray, shift: FloatArray, turn: float, height: float) -> tuple[Move, ...]:
    """Lift, carry by ``shift`` and turn about the vertical, lower again."""
    lifted = start.copy()
    lifted[2, 3] += height
    above = _place(lifted[:3, 3] + shift, turn) @ transform(start[:3, :3], np.zeros(3))
    lowered = above.copy()
    lowered[2, 3] -= height
    return Move(*_LIFT, lifted), Move(*_CARRY, above), Move(*_LOWER, lowered)


def grasp(build: TaskBuilder) -> Plan:
    """Both hands take a box by its two upright handles, lift it, and place it elsewhere."""
    rng = build.rng
    start = _place(build.spot([0.17, 0.0, -0.10], [0.03, 0.04, 0.02]), rng.normal(0.0, 0.06))
    half = rng.uniform(0.10, 0.15)
    moves = _carried(
        start, build.vary(0.03, 0.07, 0.015), float(build.vary(0.15)[0]), rng.uniform(0.06, 0.12)
    )
    width, inward, down = rng.uniform(0.03, 0.05), rng.uniform(0.1, 0.3), rng.uniform(-0.1, 0.1)
    plans = []
    for h, side in enumerate((1.0, -1.0)):
        handle = transform(build.grip(h, inward, down, -0.2), [0.0, side * half, 0.0])
        plans.append(build.handle(h, build.grasp(h, "power", width), start, handle, moves))
    return plans[0], plans[1]


def _picking(kind: str, low: float, high: float) -> Callable[[TaskBuilder], Plan]:
    def task(build: TaskBuilder) -> Plan:
        rng = build.rng
        plans = []
        for h, side in enumerate((1.0, -1.0)):
            at = build.spot([0.17, 0.17 * side, -0.13], [0.03, 0.03, 0.02])
            start = _place(at, rng.normal(0.0, 0.1))
            turned = build.grip(h, *rng.uniform([0.1, 0.0, 0.0], [0.3, 0.25, 0.5]))
            moves = _carried(start, build.vary(0.04, 0.04, 0.01), rng.normal(0.0, 0.15), 0.08)
            held = build.grasp(h, kind, rng.uniform(low, high))
            plans.append(build.handle(h, held, start, transform(turned, np.zeros(3)), moves))
        return plans[0], plans[1]

    task.__doc__ = f"Each hand takes a small thing in a {kind} grasp and places it elsewhere."
    return task


def pour(build: TaskBuilder) -> Plan:
    """One hand holds a cup, the other lifts a bottle, pours into the cup, and puts it back."""
    rng = build.rng
    cup = _place(build.spot([0.18, 0.12, -0.14], [0.02, 0.02, 0.01]))
    bottle = _place(build.spot([0.18, -0.20, -0.12], [0.02, 0.02, 0.01]))
    raised = _place(cup[:3, 3] + [0.01, -0.06, 0.02] + build.vary(0.01, 0.01, 0.01))
    over = _place(raised[:3, 3] + [0.0, -0.19, 0.01] + build.vary(0.01, 0.01, 0.01))
    tilted = over @ transform(rotation_from_rotvec(-rng.uniform(0.5, 0.75) * _AHEAD), np.zeros(3))
    lifted = bottle.copy()
    lifted[2, 3] += 0.05
    moves = (
        (Move(*_LIFT, raised), Move(*_LOWER, cup)),
        (
            Move(_LIFT[0], _LIFT[0] + 0.09, lifted),
            Move(*_OVER, over),
            Move(*_TILT, tilted),
            Move(*_UPRIGHT, over),
            Move(*_BACK, lifted),
            Move(*_DOWN, bottle),
        ),
    )
    plans = []
    for h, start in enumerate((cup, bottle)):
        turned = build.grip(h, *rng.uniform([0.25, -0.1, -0.1], [0.45, 0.0, -0.1]))
        held = build.grasp(h, "power", rng.uniform(0.05, 0.07))
        grip = transform(turned, np.zeros(3))
        plans.append(build.handle(h, held, start, grip, moves[h]))
    return plans[0], plans[1]


TASKS: Mapping[str, Callable[[TaskBuilder], Plan]] = {
    "grasp": grasp,
    "pinch": _picking("pinch", 0.02, 0.04),
    "tripod": _picking("tripod", 0.03, 0.06),
    "pour": pour,
}
