"""The native arm solver: a chain with its settings, and the sequences of wrist poses it solves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from retarget.core import _native
from retarget.core.checks import call, is_single, numbers, real, whole
from retarget.core.errors import InputError
from retarget.core.frozen import Remade
from retarget.core.geometry import transform_inverse
from retarget.core.types import ArmSolution, BoolArray, FloatArray
from retarget.robot.arm.chain import KNOWN, Chain

AT_LIMIT = 1e-9  # a joint this near to a limit stands on it [rad]


@dataclass(frozen=True)
class ArmSettings:
    """What counts as reached, and how a solver of arms goes about it: the settings of `ArmIK`.

    Attributes:
        position_tolerance: largest position error of a reached pose [m].
        rotation_tolerance: largest rotation error of a reached pose [rad].
        rotation_weight: what an angle counts against a length [m/rad].
        posture_gain: how far the joints may lean to the posture while the wrist moves [1/m].
        lean: whether to lean to the posture; without, the first joints that reach a pose are taken.
        starts: further starts where the first fails.
        accuracy: error at which a pose counts as exactly reached and its search ends, rotations
            counted by ``rotation_weight`` [m].
        dtype: "float64"; "float32" approaches in single precision.
        threads: 0 for as many as are useful. They do not change the result.
        max_iterations: evaluations after which a start is given up.

    Raises:
        InputError: a setting has another type or is out of range.
    """

    position_tolerance: float = 1e-6
    rotation_tolerance: float = 1e-5
    rotation_weight: float = 0.15
    posture_gain: float = 10.0
    lean: bool = True
    starts: int = 24
    accuracy: float = 1e-12
    dtype: str = "float64"
    threads: int = 0
    max_iterations: int = 300

    def __post_init__(self) -> None:
        for name in ("position_tolerance", "rotation_tolerance", "rotation_weight"):
            if not 0.0 < real(name, getattr(self, name)) < np.inf:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")
        if not real("posture_gain", self.posture_gain) >= 0.0:
            raise InputError(f"posture_gain must not be negative, got {self.posture_gain}")
        if whole("starts", self.starts, 0) > KNOWN:
            raise InputError(f"starts must be 0 to {KNOWN}, got {self.starts}")
        most = self.position_tolerance
        if not 0.0 < real("accuracy", self.accuracy) <= most:
            raise InputError(
                f"accuracy must be above 0 and at most {most:g} m, got {self.accuracy}"
            )
        is_single(self.dtype)
        whole("threads", self.threads, 0)
        whole("max_iterations", self.max_iterations, 1)


class NativeArm(Remade):
    """Inverse kinematics of a chain in the C++ core; its arguments are checked by `ArmIK`.

    Args:
        chain: the arm, n joints.
        posture: (n,) joint positions to lean to [rad].
        settings: see `ArmSettings`.
        T_world_base: (4, 4) pose of the chain's base in the frame of the wanted poses [m].
        isa: instruction set, "" for the best.

    Attributes:
        solver: the core's own.
        settings: those of its `solve`.
    """

    def __init__(
        self,
        chain: Chain,
        posture: FloatArray,
        settings: ArmSettings,
        T_world_base: FloatArray,
        isa: str = "",
    ) -> None:
        self.solver = call(
            _native.ArmSolver,
            chain.steps,
            np.ascontiguousarray(chain.axes),
            chain.T_last_wrist,
            transform_inverse(T_world_base),
            chain.lower,
            chain.upper,
            chain.half_range,
            numbers(posture, "posture"),
            chain.spread_joints(),
            settings.rotation_weight,
            isa,
        )
        self.settings: tuple[Any, ...] = (
            settings.position_tolerance,
            settings.rotation_tolerance,
            settings.posture_gain,
            settings.accuracy,
            settings.starts,
            settings.max_iterations,
            settings.lean,
            is_single(settings.dtype),
            settings.threads,
        )

    def solve(
        self,
        T_world_wrist: FloatArray,
        start: FloatArray,
        moving: BoolArray,
        lead: tuple[int, ...],
    ) -> ArmSolution:
        """Solve m > 0 sequences of N > 0 frames, each frame coming from the one before.

        Args:
            T_world_wrist: (m, N, 4, 4) [m], the first two axes of any strides; a pose that is not
                finite is missing.
            start: (m, n) joint positions before the first frame, brought within the limits [rad].
            moving: (m,) whether the arm was there, so that it leans only as far as the wrist's way
                allows; it is overwritten.
            lead: shape of the m N results.

        Raises:
            InputError: a finite pose is no rigid transform, or the start is not finite.
        """
        T = T_world_wrist
        if not (T.flags.aligned and T.strides[-2:] == (32, 8)):
            T = np.require(T, requirements=["C", "A"])
        count, n = math.prod(T.shape[:2]), start.shape[1]
        found = np.empty(count * (n + 2))
        status, iterations = np.empty((2, count), dtype=np.int64)
        start = numbers(start, "start")
        call(self.solver.solve, T, start, moving, *self.settings, found, status, iterations)
        return ArmSolution(
            found[: count * n].reshape(*lead, n),
            found[count * n : -count].reshape(lead),
            found[-count:].reshape(lead),
            status.reshape(lead),
            iterations.reshape(lead),
        )
