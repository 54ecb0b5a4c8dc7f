"""Retargeter: demonstration -> human motion -> robot motion, one call each, no hidden state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.geometry import lengths
from retarget.core.types import (
    SIDES,
    BoolArray,
    Demo,
    FloatArray,
    HumanMotion,
    IntArray,
    RobotMotion,
    Status,
)
from retarget.core.values import ArrayValue
from retarget.mapping.fitter import (
    MANOFitter,
    fingertips_in_wrist,
    fitter_for,
    require_known_wrists,
)
from retarget.mapping.hand_frame import robot_wrists
from retarget.mapping.hand_mlp import HandMLP
from retarget.mapping.robot_motion import robot_motion
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

LABEL_STEP = 1e-3  # how far the joints are moved to see whether the labels jump [rad]
LABEL_JUMP = 0.05  # change of a coefficient that is a jump then [standard deviations]


@dataclass(frozen=True, eq=False)
class RoundTrip(ArrayValue):
    """A demonstration, what it is as human motion, what comes back, and how far that is off.

    Errors are NaN where the input was missing.

    Attributes:
        demo: the demonstration.
        human: its human motion.
        robot: the robot motion that comes back.
        fit_residual_m: (T, 2) distance of the human fingertips to the robot's, mean over those that
            are known, at the robot's scale [m].
        fingertip_error_m: (T, 2, 5) distance between the recorded fingertip and that of the joints
            that come back, at the recorded wrist [m]; NaN of a finger that was missing.
        hand_joint_error_rad: (T, 2, h) recorded less returned hand joints, magnitude [rad].
        wrist_position_error_m: (T, 2) [m].
        wrist_rotation_error_rad: (T, 2) [rad].
        hand_status: (T, 2) `Status` values of the hands: of the fit.
        arm_status: (T, 2) `Status` values of the arms.
        label_jump: (T, 2) moving the hand's joints by `LABEL_STEP` moves a coefficient by more than
            `LABEL_JUMP` standard deviations.
    """

    demo: Demo
    human: HumanMotion
    robot: RobotMotion
    fit_residual_m: FloatArray
    fingertip_error_m: FloatArray
    hand_joint_error_rad: FloatArray
    wrist_position_error_m: FloatArray
    wrist_rotation_error_rad: FloatArray
    hand_status: IntArray
    arm_status: IntArray
    label_jump: BoolArray


@dataclass(frozen=True, eq=False)
class Returned(ArrayValue):
    """Human motion as robot motion, and how far that is off.

    Errors are NaN where the input was missing; those there are have the names they have in a
    `RoundTrip`.

    Attributes:
        human: the human motion.
        robot: the robot motion it becomes.
        fit_residual_m: (T, 2) distance of the human fingertips to the robot's, mean over the five,
            at the robot's scale [m].
        fingertip_error_m: (T, 2, 5) distance of the human fingertips to those of the human hand
            that the robot's stand for (the fit of them), at the robot's scale [m]; next to nothing
            for what a fit gave, large for what no hand of the robot can do.
        wrist_position_error_m: (T, 2) [m].
        wrist_rotation_error_rad: (T, 2) [rad].
        hand_status: (T, 2) `Status` values of the hands.
        arm_status: (T, 2) `Status` values of the arms.
        label_jump: (T, 2) as in `RoundTrip`, of the joints that come back.
    """

    human: HumanMotion
    robot: RobotMotion
    fit_residual_m: FloatArray
    fingertip_error_m: FloatArray
    wrist_position_error_m: FloatArray
    wrist_rotation_error_rad: FloatArray
    hand_status: IntArray
    arm_status: IntArray
    label_jump: BoolArray


class Retargeter:
    """Ties fit, hand networks and arm IK of one robot together.

    Args:
        robot: a `Robot`, or the name or folder of one; h1_inspire by default.
        fitter: the fit; by default that of `hand_mlp`, else the robot's with the open hand.
        hand_mlp: the hand networks; by default those shipped for the fit.
        refine: Gauss-Newton steps after the hand networks (see `HandMLP.joints`).

    Raises:
        InputError: fitter or networks belong to another robot or fit.
    """

    def __init__(
        self,
        robot: Robot | str | Path | None = None,
        *,
        fitter: MANOFitter | None = None,
        hand_mlp: HandMLP | None = None,
        refine: int = 0,
    ) -> None:
        if refine < 0:
            raise InputError(f"refine must not be negative, got {refine}")
        if fitter is None and hand_mlp is not None:
            fitter = hand_mlp.fitter
        self.fitter = fitter_for(robot, fitter)
        if hand_mlp is not None and hand_mlp.fitter is not self.fitter:
            raise InputError("hand_mlp must have been made with the fitter given here")
        self.robot = self.fitter.robot
        self.refine = refine
        self._hand_mlp = hand_mlp

    @cached_property
    def hand_mlp(self) -> HandMLP:
        """The hand networks, read when first needed."""
        return self._hand_mlp or HandMLP.load(fitter=self.fitter)

    @cached_property
    def arms(self) -> tuple[ArmIK, ArmIK]:
        """The arms' inverse kinematics, left and right."""
        return ArmIK(self.robot, SIDES[0]), ArmIK(self.robot, SIDES[1])

    def to_human(self, demo: Demo) -> HumanMotion:
        """Write a demonstration as human motion: the labels a policy trains on."""
        return self.fitter.fit(demo.fingertips, demo.T_world_wrist, demo.valid)

    def to_robot(
        self,
        human: HumanMotion,
        *,
        body: ArrayLike | None = None,
        q0: ArrayLike | None = None,
    ) -> RobotMotion:
        """Turn human motion into joints of the robot.

        Where a hand's input is missing, its hand and arm hold their last joints.

        Args:
            human: T frames of both hands.
            body: (T, n) or (n,) joint positions; those of joints that are neither arm nor hand are
                copied; zero by default [rad].
            q0: (n,) configuration before the first frame [rad]; without, the arms' first frame is
                solved by itself and hands without input are open.

        Raises:
            InputError: wrong shapes, a wrist that is no rigid transform, or coefficients of another
                hand model.
        """
        if human.hand != self.fitter.hand_hash:
            raise InputError(
                f"the motion is of hand model {human.hand}, this retargeter is for "
                f"{self.fitter.hand_hash}; the same numbers would be another pose"
            )
        if human.pca.ndim != 3:
            raise InputError(f"to_robot takes T frames, pca (T, 2, K), got {human.pca.shape}")
        require_known_wrists(human)
        return self._robot_motion(human, robot_wrists(self.robot, human.T_world_mano), body, q0)

    def _robot_motion(
        self,
        human: HumanMotion,
        T_world_wrist: FloatArray,
        body: ArrayLike | None,
        q0: ArrayLike | None,
    ) -> RobotMotion:
        """`to_robot`, the hands of human motion (T) at the robot's wrists (T, 2, 4, 4)."""
        known: BoolArray = np.asarray(
            np.isfinite(human.pca).all(axis=-1) & np.isfinite(T_world_wrist).all(axis=(-2, -1))
        )
        return robot_motion(
            self.robot,
            self.arms,
            active=self.hand_mlp.joints(human.pca, refine=self.refine),
            T_world_wrist=T_world_wrist,
            known=known,
            hand_status=np.where(known, human.status, int(Status.MISSING_INPUT)),
            body=body,
            q0=q0,
        )

    def controller(self, **settings: Any) -> Any:
        """`retarget.Controller(self, **settings)`: a policy's chunks to joint commands.

        Args:
            **settings: those of `retarget.control.settings.ControllerSettings`, by name.

        Raises:
            InputError: there is no such setting, or it is out of range.
        """
        # by its public name: control stands above this package
        return import_module("retarget").Controller(self, **settings)

    def round_trip(self, demo: Demo, *, q0: ArrayLike | None = None) -> RoundTrip:
        """Take a demonstration to human motion and back, and measure what it lost.

        Args:
            demo: the demonstration.
            q0: as in `to_robot`, for a demonstration that goes on from an earlier part.
        """
        tips = fingertips_in_wrist(demo.fingertips, demo.T_world_wrist, demo.valid)
        human = self.fitter.fit_in_wrist(tips, demo.T_world_wrist)
        # the arms get the wrists as recorded: those of the human motion, turned to MANO and back
        robot = self._robot_motion(human, demo.T_world_wrist, demo.qpos, q0)
        known = human.status != int(Status.MISSING_INPUT)
        tips[~known] = np.nan  # too few fingers to fit are none
        tip_error, joint_error = [], []
        for k, side in enumerate(self.robot.sides):
            hand = self.robot.indices(side.hand_joints)
            driven = self.robot.indices(side.active_joints)
            reached = self.robot.hand_tips(k, robot.qpos[:, driven])
            tip_error.append(lengths(reached - tips[:, k]))
            joint_error.append(np.abs(robot.qpos[:, hand] - demo.qpos[:, hand]))
        return RoundTrip(
            demo=demo,
            human=human,
            robot=robot,
            fit_residual_m=human.fit_residual,
            fingertip_error_m=np.stack(tip_error, axis=1),
            hand_joint_error_rad=np.where(known[..., None], np.stack(joint_error, axis=1), np.nan),
            wrist_position_error_m=robot.position_error,
            wrist_rotation_error_rad=robot.rotation_error,
            hand_status=robot.hand_status,
            arm_status=robot.arm_status,
            label_jump=self._label_jumps(demo.qpos, tips, human.pca),
        )

    def measure(self, human: HumanMotion, robot: RobotMotion) -> Returned:
        """How far a robot's motion (T frames) is off the human motion that `to_robot` had it from.

        Args:
            human: T frames of both hands.
            robot: what `to_robot` made of them.
        """
        known = robot.hand_status != int(Status.MISSING_INPUT)
        wanted = self.fitter.fingertips(np.where(known[..., None], human.pca, np.nan))
        tips, pca, residual, error = [], [], [], []
        for k, side in enumerate(self.robot.sides):
            frame, scale = self.fitter.frames[k], self.fitter.calibrations[k].scale
            driven = self.robot.indices(side.active_joints)
            reached = self.robot.hand_tips(k, robot.qpos[:, driven])
            tips.append(np.where(known[:, k, None, None], reached, np.nan))
            there = frame.human_from_robot(tips[-1])
            pca.append(self.fitter.fit_hand(k, there).pca)
            fitted = self.fitter.tips_of(k, pca[-1])
            residual.append(scale * np.linalg.norm(wanted[:, k] - there, axis=-1))
            error.append(scale * np.linalg.norm(wanted[:, k] - fitted, axis=-1))
        return Returned(
            human=human,
            robot=robot,
            fit_residual_m=np.stack(residual, axis=1).mean(axis=-1),
            fingertip_error_m=np.stack(error, axis=1),
            wrist_position_error_m=robot.position_error,
            wrist_rotation_error_rad=robot.rotation_error,
            hand_status=robot.hand_status,
            arm_status=robot.arm_status,
            label_jump=self._label_jumps(robot.qpos, np.stack(tips, axis=1), np.stack(pca, axis=1)),
        )

    def _label_jumps(self, qpos: FloatArray, tips: FloatArray, pca: FloatArray) -> BoolArray:
        """Where the fit (T, 2, K) of fingertips in the wrist frames (T, 2, 5, 3) is discontinuous.

        That is, where it is far from the fit of them moved as every active joint moves them by
        `LABEL_STEP`.
        """
        jumps = np.zeros(pca.shape[:2], dtype=np.bool_)
        for k, side in enumerate(self.robot.sides):
            q = qpos[:, self.robot.indices(side.active_joints)]
            shift = self.robot.hand_tips(k, q + LABEL_STEP) - self.robot.hand_tips(k, q)
            target = self.fitter.frames[k].human_from_robot(tips[:, k] + shift)
            there = self.fitter.fit_hand(k, target).pca
            sigma = self.fitter.hands[k].sigma[: self.fitter.components]
            jumps[:, k] = (np.abs(there - pca[:, k]) > LABEL_JUMP * sigma).any(axis=-1)
        return jumps
