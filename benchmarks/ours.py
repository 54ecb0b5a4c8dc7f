"""This library as the benchmark calls it; settings it lacks are not set."""

from __future__ import annotations

import inspect
import os
from typing import Any

import numpy as np

from retarget import ArmIK, HandMLP, MANOFitter, Robot
from retarget.core.types import SIDES, Calibration, FloatArray

CORES = os.cpu_count() or 1


def supports(what: Any, **settings: Any) -> bool:
    """Whether a class takes these settings."""
    return set(settings) <= set(inspect.signature(what).parameters)


def fitter(robot: Robot, **settings: Any) -> MANOFitter | None:
    """A `MANOFitter`, or None where it does not know a setting."""
    return MANOFitter(robot, **settings) if supports(MANOFitter, **settings) else None


def arms(robot: Robot, **settings: Any) -> Arms | None:
    """Both arms, or None where `ArmIK` does not know a setting."""
    return Arms(robot, **settings) if supports(ArmIK, **settings) else None


def unscaled(scale: float) -> tuple[Calibration, Calibration]:
    """The published relation of robot and human hand: a scale about the wrist."""
    return Calibration(scale), Calibration(scale)


class Arms:
    """`ArmIK` of both arms."""

    def __init__(self, robot: Robot, **settings: Any) -> None:
        self.arms = tuple(ArmIK(robot, side, **settings) for side in SIDES)

    def track(self, T_world_wrist: FloatArray) -> list[FloatArray]:
        """Each arm's joints (E, S, 7) [rad] of episodes (E, S, 2, 4, 4) [m], from its posture."""
        return [
            arm.solve_trajectory(T_world_wrist[:, :, k], q0=arm.posture).q
            for k, arm in enumerate(self.arms)
        ]

    def solve(self, T_world_wrist: FloatArray) -> FloatArray:
        """Joints (N, 2, 7) [rad] of independent poses (N, 2, 4, 4) [m]."""
        both = [arm.solve(T_world_wrist[:, k]).q for k, arm in enumerate(self.arms)]
        return np.stack(both, axis=1)


def hand_networks(robot: Robot) -> HandMLP:
    """The shipped hand networks with the default fit."""
    return HandMLP.load(fitter=MANOFitter(robot))
