"""PeopleRetargeter: a person's motion -> the robot's, hands by `HandMap`, arms along the wrists."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.geometry import angle_between
from retarget.core.status import severer
from retarget.core.types import (
    SIDES,
    BoolArray,
    FloatArray,
    HumanMotion,
    IntArray,
    RobotMotion,
    Status,
)
from retarget.core.values import ArrayValue
from retarget.human.hand_model import HandModel, hands_hash
from retarget.human.keypoints import tip_gaps
from retarget.human.user import User
from retarget.mapping.hand_map import HandMap
from retarget.mapping.robot_motion import robot_motion
from retarget.mapping.workspace import Workspace, workspace
from retarget.robot.arm.ik import ArmIK
from retarget.robot.map_settings import MapSettings
from retarget.robot.robot import Robot

_MISSING = int(Status.MISSING_INPUT)


@dataclass(frozen=True, eq=False)
class MappedMotion(ArrayValue):
    """A person's motion as the robot's, and how the two compare.

    Everything of a hand is NaN where its input was missing.

    Attributes:
        human: the person's motion.
        robot: the robot motion it becomes.
        human_gap_m: (T, 2, 4) distance of the person's index ... pinky tips to the thumb's [m].
        robot_gap_m: (T, 2, 4) the same of the robot [m].
        direction_error_rad: (T, 2, 5) angle between the vectors from wrist to fingertip of the
            person and of the robot [rad].
        wrist_position_error_m: (T, 2) of the arm, against the wrist's place in its workspace [m].
        wrist_rotation_error_rad: (T, 2) [rad].
        hand_status: (T, 2) `Status` values of the hands.
        arm_status: (T, 2) `Status` values of the arms.
    """

    human: HumanMotion
    robot: RobotMotion
    human_gap_m: FloatArray
    robot_gap_m: FloatArray
    direction_error_rad: FloatArray
    wrist_position_error_m: FloatArray
    wrist_rotation_error_rad: FloatArray
    hand_status: IntArray
    arm_status: IntArray


class PeopleRetargeter:
    """Ties hand map and arm IK of one robot together, for one person.

    Args:
        robot: a `Robot`, or the name or folder of one.
        user: the person; None has the hand model's size.
        settings: weights of the hand map; None is the robot's own.
        hands: models of the left and the right human hand; None is the open hand.

    Attributes:
        robot: the robot.
        hand_map: of its hands.
        hand_hash: of the hand models.
    """

    def __init__(
        self,
        robot: Robot | str = "h1_inspire",
        user: User | None = None,
        *,
        settings: MapSettings | None = None,
        hands: tuple[HandModel, HandModel] | None = None,
    ) -> None:
        self.hand_map = HandMap(robot, user, settings=settings, hands=hands)
        self.robot = self.hand_map.robot
        self.hand_hash = hands_hash(self.hand_map.hands)

    @cached_property
    def arms(self) -> tuple[ArmIK, ArmIK]:
        """The arms' inverse kinematics, left and right."""
        return ArmIK(self.robot, SIDES[0]), ArmIK(self.robot, SIDES[1])

    def workspace(
        self,
        T_world_mano: FloatArray,
        align: str = "start",
        *,
        T_world_camera: FloatArray | None = None,
        scale: float = 1.0,
    ) -> Workspace:
        """Where wrists first seen at (2, 4, 4) go; see `retarget.mapping.workspace.workspace`."""
        return workspace(
            align,
            T_world_mano,
            robot=self.robot,
            arms=self.arms,
            hands=self.hand_map.hands,
            T_world_camera=T_world_camera,
            scale=scale,
        )

    def to_robot(
        self,
        human: HumanMotion,
        place: Workspace | None,
        *,
        seen: ArrayLike | None = None,
        body: ArrayLike | None = None,
        q0: ArrayLike | None = None,
    ) -> RobotMotion:
        """Joints of the robot that do what the person does.

        Where a hand's input is missing, its hand and arm hold their last joints.

        Args:
            human: T frames of both hands, of this user.
            place: where the wrists go; None leaves the arms at rest.
            seen: (T, 2, 21, 3) keypoints as they were seen, in the frame of the motion [m]: their
                fingertips are followed, where they are known, rather than the fitted hand's.
            body: (T, n) or (n,) joint positions; those of joints that are neither arm nor hand are
                copied; zero by default [rad].
            q0: (n,) configuration before the first frame [rad]; without, the arms' first frame is
                solved by itself.

        Raises:
            InputError: wrong shapes, a wrist that is no rigid transform, or coefficients of another
                hand model.
        """
        if human.hand != self.hand_hash:
            raise InputError(
                f"the motion is of hand model {human.hand}, this retargeter is for "
                f"{self.hand_hash}; the same numbers would be another pose"
            )
        if human.pca.ndim != 3:
            raise InputError(f"to_robot takes T frames, pca (T, 2, K), got {human.pca.shape}")
        mapped = self.hand_map.joints(self.hand_map.tips_of(human, seen))
        if place is None:
            rest = np.stack([arm.forward(arm.posture) for arm in self.arms])
            T_world_wrist = np.broadcast_to(rest, human.T_world_mano.shape)
        else:
            T_world_wrist = place.wrists(human.T_world_mano, self.robot)
        known: BoolArray = np.asarray(
            (mapped.status != _MISSING) & np.isfinite(T_world_wrist).all(axis=(-2, -1))
        )
        return robot_motion(
            self.robot,
            self.arms,
            active=mapped.active,
            T_world_wrist=T_world_wrist,
            known=known,
            hand_status=np.where(known, severer(human.status, mapped.status), _MISSING),
            body=body,
            q0=q0,
        )

    def measure(
        self, human: HumanMotion, robot: RobotMotion, *, seen: ArrayLike | None = None
    ) -> MappedMotion:
        """How a robot's motion (T frames) compares with the person's that it was made from."""
        known = robot.hand_status != _MISSING
        wanted = np.where(known[..., None, None], self.hand_map.tips_of(human, seen), np.nan)
        reached = np.full_like(wanted, np.nan)
        for k, side in enumerate(self.robot.sides):
            active = robot.qpos[:, self.robot.indices(side.active_joints)]
            reached[:, k] = self.robot.hand_tips(k, active)
        reached[~known] = np.nan
        return MappedMotion(
            human=human,
            robot=robot,
            human_gap_m=tip_gaps(wanted),
            robot_gap_m=tip_gaps(reached),
            direction_error_rad=angle_between(wanted, reached),
            wrist_position_error_m=robot.position_error,
            wrist_rotation_error_rad=robot.rotation_error,
            hand_status=robot.hand_status,
            arm_status=robot.arm_status,
        )
