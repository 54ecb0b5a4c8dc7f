"""Teleop: a person's hands to joint commands of a robot, one call a period, within all limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.control.command import JUMPED, NO_ARM, NO_HAND, NOT_SEEN, Command
from retarget.control.follower import Follower, finite_joints
from retarget.control.settings import ControllerSettings
from retarget.control.targets import Targets, WristPoints, carried_arms
from retarget.core.checks import real
from retarget.core.errors import InputError
from retarget.core.geometry import lengths
from retarget.core.types import SIDES, BoolArray, FloatArray, Status
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import KEYPOINT_COUNT
from retarget.human.user import User
from retarget.mapping.live_hands import LiveHands
from retarget.mapping.workspace import Workspace, workspace
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

FARTHEST = 0.25  # [m] from where it was last believed, beyond which a wrist is not at once
BELIEVED = 1.0  # [s] after which a wrist that stays is believed all the same
STAYS = 0.10  # [m] a frame, at most, of a wrist that stays
FITS = 0.02  # [m] median distance of the keypoints to the fitted hand, beyond which there is none
_MISSING, _NOT_FOUND = int(Status.MISSING_INPUT), -1
_SOLVED = (Status.OK, Status.AT_LIMIT, Status.UNREACHABLE)


class Teleop:
    """Turns a person's keypoints into joint commands.

    Every period each hand is looked at: one that is not seen, that jumps or that fits no hand holds
    at once. Those that are believed are fitted and mapped (`LiveHands`), their wrists taken
    relative to the head, where it is known, and moved as they have moved since they were first
    seen, from where the robot's wrist was then; the arms follow (`ArmIK`, coming from the last
    command). A one-euro filter takes the tracker's noise from the joints, and all limits hold.
    After a loss a side comes back smoothly. A wrist that is farther than 0.25 m from where it was
    last believed (left and right exchanged, another person) is believed again once it is back, or
    has stayed for a second.

    Args:
        robot: a `Robot`, or the name or folder of one.
        user: the person; None has the hand model's size.
        scale: of the ways of wrists [-].
        hands: models of the left and the right human hand; None is the open hand.
        settings: how to behave; those of chunks mean nothing here.
        **changes: settings by name, in place of those given or of the defaults (60 Hz, one_euro).

    Attributes:
        robot: the robot.
        settings: as given.
        names: the n joints of commands.
        limits: of all joints.

    Raises:
        InputError: an argument out of range, or hands that `HandMap` does not take.
    """

    def __init__(
        self,
        robot: Robot | str = "h1_inspire",
        user: User | None = None,
        *,
        scale: float = 1.0,
        hands: tuple[HandModel, HandModel] | None = None,
        settings: ControllerSettings | None = None,
        **changes: Any,
    ) -> None:
        if not 0.0 < real("scale", scale) < math.inf:
            raise InputError(f"scale must be positive, got {scale}", value=scale)
        given = settings or ControllerSettings(rate=60.0, filter="one_euro", camera=None)
        self.settings = given.but(**changes)
        self._hands = LiveHands(robot, user, hands=hands)
        self.robot = self._hands.hand_map.robot
        self.names = self.robot.joint_names
        self._scale = scale
        self._upright = ArmIK(self.robot, SIDES[0]), ArmIK(self.robot, SIDES[1])
        self._arms: tuple[ArmIK, ...] = self._upright
        self._wrists = WristPoints(self.robot)
        self._follower = Follower(self.robot, self.settings)
        self.limits = self._follower.limits
        self._joints = len(self.robot.sides[0].arm_joints)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next step is the first again."""
        self._follower.reset()
        self._places: list[Workspace | None] = [None, None]
        self._believed = np.full((2, 3), np.nan)  # where wrists were last believed
        self._seen = np.full((2, 3), np.nan)  # and last seen
        self._stayed = [0, 0]  # periods that one which is not believed has stayed
        self._turn: float | None = None

    @property
    def steps(self) -> int:
        """Commands given so far."""
        return self._follower.steps

    def step(
        self,
        keypoints: ArrayLike | None,
        qpos: ArrayLike,
        *,
        valid: ArrayLike | None = None,
        T_world_wrist: ArrayLike | None = None,
        T_world_head: ArrayLike | None = None,
    ) -> Command:
        """The command of the next period.

        Args:
            keypoints: (2, 21, 3) both hands in a world with z up [m], or each relative to its wrist
                where those poses are given; NaN where missing. None where nothing new has come:
                both sides hold.
            qpos: (n,) measured joint positions [rad]. The first say where to start from.
            valid: (2,) False where a hand is to be left out.
            T_world_wrist: (2, 4, 4) where the keypoints of each hand are relative to [m].
            T_world_head: (4, 4) the head [m]; given always or never.

        Returns:
            Targets for the end of the period, always finite and within the limits.

        Raises:
            InputError: shapes, infinite keypoints, or, in the first step, measured joints from
                which nothing can begin.
        """
        points, head = self._checked(keypoints, T_world_wrist, T_world_head)
        measured = finite_joints(qpos, len(self.names))
        motion = self._follower.motion
        if motion is None:
            motion = self._follower.start(measured, qpos)
            rest = self._follower.rest
            self._arms = carried_arms(self.robot, self._upright, rest) or self._upright
        found = self._hands.step(points, valid)
        reasons = [self._doubt(h, found.residual[h], points[h, 0], found.status[h]) for h in (0, 1)]
        joints = motion.q.reshape(len(SIDES), -1).copy()
        wanted, status, lag = np.full((2, 3), np.nan), [_MISSING, _MISSING], [math.nan, math.nan]
        for h in range(len(SIDES)):
            if reasons[h]:
                continue
            place = self._place(h, found.T_world_mano, head, joints[h, : self._joints])
            pose = found.T_world_mano[h].copy()
            pose[:3, 3] -= head
            T = place.wrists(np.stack([pose, pose]), self.robot)[h]
            solved = self._arms[h].solve(T, q0=joints[h, : self._joints])
            ended = Status(int(solved.status))
            if ended not in _SOLVED or not np.isfinite(solved.q).all():
                reasons[h], status[h] = NO_ARM, _NOT_FOUND
                continue
            joints[h, : self._joints], joints[h, self._joints :] = solved.q, found.active[h]
            status[h], lag[h], wanted[h] = int(ended), float(solved.position_error), T[:3, 3]
        targets = Targets(
            joints, wanted, (status[0], status[1]), (reasons[0], reasons[1]), (lag[0], lag[1])
        )
        return self._follower.step(motion, targets, measured is not None, self._wrists.lag_m)

    def _checked(
        self,
        keypoints: ArrayLike | None,
        T_world_wrist: ArrayLike | None,
        T_world_head: ArrayLike | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Keypoints (2, 21, 3) in the world and the head's place (3,) [m]."""
        points = np.full((2, KEYPOINT_COUNT, 3), np.nan)
        if keypoints is not None:
            points = np.array(keypoints, dtype=np.float64)
        if points.shape != (2, KEYPOINT_COUNT, 3):
            raise InputError(f"keypoints must have shape (2, 21, 3), got {points.shape}")
        if T_world_wrist is not None:
            T = np.asarray(T_world_wrist, dtype=np.float64)
            if T.shape != (2, 4, 4):
                raise InputError(f"T_world_wrist must have shape (2, 4, 4), got {T.shape}")
            points = points @ T[:, :3, :3].swapaxes(-1, -2) + T[:, None, :3, 3]
        head = np.zeros(3)
        if T_world_head is not None:
            pose = np.asarray(T_world_head, dtype=np.float64)
            if pose.shape != (4, 4):
                raise InputError(f"T_world_head must have shape (4, 4), got {pose.shape}")
            head = pose[:3, 3]
            if not np.isfinite(head).all():  # without the head nothing is where it was
                points[:] = np.nan
                head = np.zeros(3)
        return points, head

    def _doubt(self, h: int, residual: FloatArray, wrist: FloatArray, status: int) -> str:
        """Why a hand is not believed, "" where it is."""
        if status == _MISSING:
            self._stayed[h] = 0
            return NOT_SEEN
        known: BoolArray = np.isfinite(residual)
        if float(np.median(residual[known])) > FITS:
            self._stayed[h] = 0
            return NO_HAND
        last, before = self._believed[h], self._seen[h].copy()
        self._seen[h] = wrist
        if np.isfinite(last).all() and float(lengths(wrist - last)) > FARTHEST:
            still = float(lengths(wrist - before)) <= STAYS
            self._stayed[h] = self._stayed[h] + 1 if still else 0
            if self._stayed[h] < BELIEVED * self.settings.rate:
                return JUMPED
        self._stayed[h] = 0
        self._believed[h] = wrist
        return ""

    def _place(
        self, h: int, T_world_mano: FloatArray, head: FloatArray, arm: FloatArray
    ) -> Workspace:
        """Where a side's wrist goes: from where the robot's is as the person's is first seen."""
        place = self._places[h]
        if place is None:
            start = workspace(
                "start",
                T_world_mano,
                robot=self.robot,
                arms=self._arms,
                hands=self._hands.hand_map.hands,
                scale=self._scale,
            )
            self._turn = start.turn if self._turn is None else self._turn
            place = Workspace(
                self._turn,
                self._scale,
                T_world_mano[h, :3, 3] - head,
                self._arms[h].forward(arm)[:3, 3],
            )
            self._places[h] = place
        return place
