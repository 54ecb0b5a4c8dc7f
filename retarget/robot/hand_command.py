"""The numbers the hands' own controllers take, 0 closed to 1 open in their own order, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray
from retarget.robot.robot import Robot


class HandCommands:
    """Active joints of both hands as the hands' own numbers, and back.

    Number k of a hand is ``(q - closed) / (open - closed)`` of the joint ``joints[hand][k]``: the
    linear map of robot.toml's ``command`` table.

    Args:
        robot: the robot.

    Attributes:
        joints: left, right: the joint each number moves, in the controller's order.

    Raises:
        InputError: robot.toml does not say what a hand takes.
    """

    def __init__(self, robot: Robot) -> None:
        sides = robot.sides
        m = len(sides[0].active_joints)
        self._size = m
        names, to, back, closed, span = [], [], [], [], []
        for k, side in enumerate(sides):
            if side.command is None:
                raise InputError(
                    f"robot {robot.name!r} has no hand commands: its robot.toml lacks "
                    f"[sides.{side.side}.command]"
                )
            order = np.array([side.active_joints.index(j) for j in side.command.joints])
            names.append(side.command.joints)
            to.append(k * m + order)
            back.append(k * m + np.argsort(order))
            closed.append(side.command.closed)
            span.append(side.command.open - side.command.closed)
        self.joints = (names[0], names[1])
        self._to, self._back = np.stack(to), np.stack(back)
        self._closed, self._span = np.stack(closed), np.stack(span)

    def command(self, active: ArrayLike) -> FloatArray:
        """Commands of active joints.

        Args:
            active: (..., 2, m) in the order of ``active_joints`` [rad]; a joint beyond the range of
                its command counts as at its end.

        Returns:
            (..., 2, m) numbers from 0, closed, to 1, open; NaN where a joint is NaN.

        Raises:
            InputError: another shape.
        """
        picked = self._flat(active, "active").take(self._to, axis=-1)
        picked -= self._closed
        picked /= self._span
        picked += 0.0  # no -0
        np.maximum(picked, 0.0, out=picked)
        return np.asarray(np.minimum(picked, 1.0, out=picked))

    def active(self, command: ArrayLike) -> FloatArray:
        """Active joints of commands: undoes `command`.

        Args:
            command: (..., 2, m) numbers from 0, closed, to 1, open, in the controller's order.

        Returns:
            (..., 2, m) in the order of ``active_joints`` [rad].

        Raises:
            InputError: another shape, or a number that is not within 0 and 1.
        """
        c = np.asarray(command, dtype=np.float64)
        self._flat(c, "command")
        if np.any((c < 0.0) | (c > 1.0)):
            raise InputError(
                "a hand command is a number from 0, closed, to 1, open; got numbers from "
                f"{c.min():g} to {c.max():g}"
            )
        return np.asarray(self._flat(self._closed + c * self._span, "command")[..., self._back])

    def _flat(self, values: ArrayLike, name: str) -> FloatArray:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim < 2 or array.shape[-2:] != self._closed.shape:
            wanted = f"(..., {len(SIDES)}, {self._size})"
            raise InputError(f"{name} must have shape {wanted}, got {array.shape}")
        return array.reshape(*array.shape[:-2], -1)


def to_hand_command(robot: Robot, joints: ArrayLike) -> FloatArray:
    """What both hands' controllers take for joint positions.

    Args:
        robot: the robot.
        joints: (..., n) qpos, or (..., 2, m) active hand joints in the order of ``active_joints``
            [rad].

    Returns:
        (..., 2, m) numbers from 0, closed, to 1, open, in the controllers' order.

    Raises:
        InputError: another shape, or robot.toml does not say what a hand takes.
    """
    q = np.asarray(joints, dtype=np.float64)
    if q.ndim and q.shape[-1] == len(robot.joint_names):
        q = q[..., np.stack([robot.indices(side.active_joints) for side in robot.sides])]
    return HandCommands(robot).command(q)


def from_hand_command(robot: Robot, command: ArrayLike) -> FloatArray:
    """Active hand joints (..., 2, m) [rad] of commands (..., 2, m): undoes `to_hand_command`.

    Raises:
        InputError: another shape, a number beyond 0 and 1, or robot.toml does not say what a hand
            takes.
    """
    return HandCommands(robot).active(command)
