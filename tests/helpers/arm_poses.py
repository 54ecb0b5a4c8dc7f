"""Wrist poses, paths and measures that the tests of arms share."""

from __future__ import annotations

import numpy as np

from retarget.core.geometry import rotation_angle
from retarget.core.types import ArmSolution
from retarget.robot.arm.ik import ArmIK

WEIGHT = 0.15  # the default rotation weight [m/rad]


def uniform(arm: ArmIK, count: int, seed: int = 0) -> np.ndarray:
    """Joints all over the limits, a full turn where there are none."""
    lower, upper = np.maximum(arm.lower, -np.pi), np.minimum(arm.upper, np.pi)
    return np.random.default_rng(seed).uniform(lower, upper, (count, len(arm.joints)))


def out_of_reach(arm: ArmIK, count: int, seed: int = 0) -> np.ndarray:
    """Poses moved off reachable ones; about half of them stay within reach."""
    T = arm.forward(uniform(arm, count, seed))
    T[:, :3, 3] += np.random.default_rng(seed).normal(0.0, 0.15, (count, 3))
    return T


def errors(arm: ArmIK, q: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position [m] and rotation [rad] errors of joints."""
    reached = arm.forward(q)
    position = np.linalg.norm(reached[..., :3, 3] - T[..., :3, 3], axis=-1)
    return position, rotation_angle(reached[..., :3, :3], T[..., :3, :3])


def wrist_steps(T: np.ndarray) -> np.ndarray:
    """Steps of wrist paths (..., N, 4, 4), rotations counted by the weight [m]."""
    length = np.linalg.norm(np.diff(T[..., :3, 3], axis=-2), axis=-1)
    angle = rotation_angle(T[..., 1:, :3, :3], T[..., :-1, :3, :3])
    return np.hypot(length, WEIGHT * angle)


def smooth_path(arm: ArmIK, frames: int, count: int = 20, reach: float = 0.35) -> np.ndarray:
    """Closed wrist paths (count, frames, 4, 4) of joints that swing about the posture."""
    rng = np.random.default_rng(3)
    time = np.linspace(0.0, 2.0 * np.pi, frames)[:, None]
    size, phase = rng.uniform(0.2, 1.0, (count, 1, 7)), rng.uniform(0.0, 6.3, (count, 1, 7))
    swing = size * np.sin(rng.integers(1, 3, (count, 1, 7)) * time + phase)
    q = arm.posture + reach * 0.5 * (arm.upper - arm.lower) * swing
    return arm.forward(np.clip(q, arm.lower, arm.upper))


def part(solution: ArmSolution, index) -> ArmSolution:
    """Some frames of a solution."""
    names = ("q", "position_error", "rotation_error", "status", "iterations")
    return ArmSolution(*(getattr(solution, name)[index] for name in names))


def assert_same(a: ArmSolution, b: ArmSolution, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(a.q, b.q, atol=tolerance)
    np.testing.assert_array_equal(a.status, b.status)
    np.testing.assert_allclose(a.position_error, b.position_error, atol=tolerance)
