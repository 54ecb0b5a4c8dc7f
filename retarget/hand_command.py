"""The numbers a hand's own controller takes, 0 closed to 1 open in its own order, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from retarget.errors import InputError
from retarget.types import FloatArray

if TYPE_CHECKING:
    from retarget.robot import Robot


class HandCommands:
    """Active hand joints as the hand's own numbers and back, one side.

    Number k is ``(q - closed) / (open - closed)`` of the joint `joints[k]`: the linear map of
    robot.toml's ``command`` table.

    Args:
        robot: the robot.
        side: ``"left"``, ``"right"``, 0 or 1.

    Attributes:
        joints: the joint each number moves, in the controller's order.

    Raises:
        InputError: there is no such side, or robot.toml does not say what its hand takes.
    """

    def __init__(self, robot: Robot, side: str | int) -> None:
        hand = robot.side(side)
        if hand.command is None:
            raise InputError(
                f"robot {robot.name!r} has no hand commands: robot.toml lacks "
                f"[sides.{hand.side}.command]"
            )
        active = hand.active_joints
        self.joints = hand.command.joints
        self._active = len(active)
        self._qpos = len(robot.joint_names)
        self._rows = robot.indices(self.joints)
        self._to = np.array([active.index(joint) for joint in self.joints])
        self._back = np.argsort(self._to)
        self._closed = hand.command.closed
        self._span = hand.command.open - hand.command.closed

    def command(self, joints: ArrayLike) -> FloatArray:
        """Commands of joint positions.

        Args:
            joints: (..., m) active joints in the order of ``active_joints``, or (..., n) whole
                qpos [rad]; a joint beyond the range of its command counts as at its end.

        Returns:
            (..., m) numbers from 0, closed, to 1, open; NaN where a joint is NaN.

        Raises:
            InputError: there are neither m nor n joints.
        """
        q = np.asarray(joints, dtype=np.float64)
        count = q.shape[-1] if q.ndim else 0
        if count not in (self._active, self._qpos):
            raise InputError(
                f"joints must have shape (..., {self._active}) or (..., {self._qpos}), "
                f"got {q.shape}"
            )
        picked = q[..., self._to if count == self._active else self._rows]
        share = (picked - self._closed) / self._span
        return np.asarray(np.minimum(np.maximum(share, 0.0), 1.0) + 0.0)  # + 0.0: no -0

    def joints_of(self, command: ArrayLike) -> FloatArray:
        """Joint positions of commands: the inverse of `command`.

        Args:
            command: (..., m) numbers from 0, closed, to 1, open, in the controller's order.

        Returns:
            (..., m) active joints in the order of ``active_joints`` [rad].

        Raises:
            InputError: another shape, or a number that is not within 0 and 1.
        """
        c = np.asarray(command, dtype=np.float64)
        if c.ndim == 0 or c.shape[-1] != self._active:
            raise InputError(f"command must have shape (..., {self._active}), got {c.shape}")
        if np.any((c < 0.0) | (c > 1.0)):
            raise InputError(
                "a hand command is a number from 0, closed, to 1, open; got "
                f"{c.min():g} to {c.max():g}"
            )
        return np.asarray((self._closed + c * self._span)[..., self._back])


def to_hand_command(robot: Robot, side: str | int, joints: ArrayLike) -> FloatArray:
    """Commands (..., m) of a hand's joints; see `HandCommands.command`."""
    return HandCommands(robot, side).command(joints)


def from_hand_command(robot: Robot, side: str | int, command: ArrayLike) -> FloatArray:
    """Active joints (..., m) of a hand's commands [rad]; see `HandCommands.joints_of`."""
    return HandCommands(robot, side).joints_of(command)
