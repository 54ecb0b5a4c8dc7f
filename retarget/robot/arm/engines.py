"""The two ways ArmIK runs: the native core, and numpy, which the core is tested against."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from retarget.core.checks import read_poses
from retarget.core.errors import InputError
from retarget.core.geometry import transform_inverse
from retarget.core.types import ArmSolution, BoolArray, FloatArray, Status
from retarget.robot.arm.native import NativeArm, arm_settings
from retarget.robot.arm.solver import ArmSolver

ENGINES = ("native", "numpy")
MAX_ITERATIONS = 300  # of one start
AT_LIMIT = 1e-9  # a joint this near to a limit stands on it [rad]


class ArmEngine(Protocol):
    """Solves sequences of wrist poses, each frame coming from the joints of the frame before."""

    def solve(
        self,
        T_world_wrist: FloatArray,
        start: FloatArray,
        moving: BoolArray,
        lead: tuple[int, ...],
    ) -> ArmSolution:
        """Solve m > 0 sequences of N > 0 frames.

        Args:
            T_world_wrist: (m, N, 4, 4) [m]; a pose that is not finite is missing.
            start: (m, n) joint positions before the first frame, brought within the limits [rad].
            moving: (m,) whether the arm was there; may be overwritten.
            lead: shape of the m N results.

        Raises:
            InputError: a finite pose is no rigid transform, or the start is not finite.
        """
        ...


class NativeEngine:
    """The C++ core: lanes of its registers are sequences, or the frames of many short ones."""

    def __init__(
        self,
        solver: ArmSolver,
        T_world_base: FloatArray,
        *,
        accuracy: float,
        dtype: str,
        threads: int,
    ) -> None:
        if not 0.0 < accuracy <= solver.position_tolerance:
            most = solver.position_tolerance
            raise InputError(f"accuracy must be above 0 and at most {most:g} m, got {accuracy}")
        chain = solver.chain
        self.arm = NativeArm(
            chain.steps,
            chain.axes,
            chain.T_last_wrist,
            chain.lower,
            chain.upper,
            solver.posture,
            solver.known_joints,
            T_world_base,
            solver.rotation_weight,
        )
        self.settings = arm_settings(
            position_tolerance=solver.position_tolerance,
            rotation_tolerance=solver.rotation_tolerance,
            posture_gain=solver.posture_gain,
            lean=solver.lean,
            goal=accuracy,
            starts=solver.starts,
            max_iterations=MAX_ITERATIONS,
            threads=threads,
            dtype=dtype,
        )

    def solve(
        self,
        T_world_wrist: FloatArray,
        start: FloatArray,
        moving: BoolArray,
        lead: tuple[int, ...],
    ) -> ArmSolution:
        """See `ArmEngine.solve`."""
        found, status, iterations = self.arm.run(T_world_wrist, start, moving, self.settings)
        count, n = len(status), start.shape[1]
        return ArmSolution(
            found[: count * n].reshape(*lead, n),
            found[count * n : -count].reshape(lead),
            found[-count:].reshape(lead),
            status.reshape(lead),
            iterations.reshape(lead),
        )


class NumpyEngine:
    """The reference: one frame of all sequences at a time."""

    def __init__(self, solver: ArmSolver, T_world_base: FloatArray) -> None:
        self._solver = solver
        self._T_base_world = transform_inverse(T_world_base)

    def solve(
        self,
        T_world_wrist: FloatArray,
        start: FloatArray,
        moving: BoolArray,
        lead: tuple[int, ...],
    ) -> ArmSolution:
        """See `ArmEngine.solve`."""
        if not np.all(np.isfinite(start)):
            raise InputError("start must be finite")
        T, missing = read_poses(T_world_wrist, "T_world_wrist")
        T = self._T_base_world @ T
        chain, frames = self._solver.chain, []
        q = np.clip(start, chain.lower, chain.upper)
        for k in range(T.shape[1]):
            frames.append(self._frame(T[:, k], missing[:, k], q, moving))
            q, moving = frames[-1].q, moving | ~missing[:, k]
        parts = [np.stack([getattr(f, name) for f in frames], 1) for name in _FIELDS]
        return ArmSolution(*(part.reshape(*lead, *part.shape[2:]) for part in parts))

    def _frame(
        self, T: FloatArray, missing: BoolArray, start: FloatArray, moving: BoolArray
    ) -> ArmSolution:
        """Solve the poses (m, 4, 4) that are there, hold the others."""
        there, chain = ~missing, self._solver.chain
        solved = self._solver.solve(T[there], start[there], moving[there])
        lower, upper = chain.lower + AT_LIMIT, chain.upper - AT_LIMIT
        limited = np.any((solved.q <= lower) | (solved.q >= upper), axis=-1)
        reached = np.where(limited, Status.AT_LIMIT, Status.OK)
        failed = np.where(solved.settled, Status.UNREACHABLE, Status.NOT_CONVERGED)
        q, count = start.copy(), len(T)
        position, rotation = np.full(count, np.nan), np.full(count, np.nan)
        status = np.full(count, int(Status.MISSING_INPUT), dtype=np.int64)
        iterations = np.zeros(count, dtype=np.int64)
        q[there] = solved.q
        position[there], rotation[there] = solved.position_error, solved.rotation_error
        status[there] = np.where(solved.reached, reached, failed)
        iterations[there] = solved.iterations
        return ArmSolution(q, position, rotation, status, iterations)


_FIELDS = ("q", "position_error", "rotation_error", "status", "iterations")
