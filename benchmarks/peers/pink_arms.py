"""pink: frame tasks of both wrists in one quadratic program, iterated to convergence."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.peers.arm_peer import RATE, ROTATION_WEIGHT, ArmPeer
from benchmarks.peers.pinocchio_arms import PinocchioArms
from retarget.core.types import FloatArray
from retarget.robot.robot import Robot


class PinkArms(ArmPeer):
    """pink with one of qpsolvers' solvers.

    Args:
        robot: whose arms.
        solver: name of the solver.
        tuned: full Gauss-Newton steps on the frame tasks alone. Otherwise as pink's examples have
            it: a posture task settles the seventh joint, limits and time step are the usual ones.
    """

    def __init__(self, robot: Robot, solver: str, *, tuned: bool = False) -> None:
        super().__init__(robot)
        import pinocchio
        from pink import Configuration, solve_ik
        from pink.limits import ConfigurationLimit
        from pink.tasks import FrameTask, PostureTask

        warnings.filterwarnings("ignore", module="qpsolvers")
        self.name = f"pink ({solver}{', tuned' if tuned else ''})"
        self._solver, self._solve = solver, solve_ik
        self._arms = PinocchioArms(robot)
        posture = self._arms.configuration(self.posture)
        self._configuration: Any = Configuration(self._arms.model, self._arms.data, posture)
        weight, damping = (ROTATION_WEIGHT, 0.0) if tuned else (1.0, 1e-6)
        self._frames = [
            FrameTask(
                hand.wrist_frame, position_cost=1.0, orientation_cost=weight, lm_damping=damping
            )
            for hand in robot.sides
        ]
        self._tasks: list[Any] = [*self._frames]
        self._dt = 1.0 if tuned else 1.0 / RATE
        self._options: dict[str, Any] = {}
        if tuned:
            limit = ConfigurationLimit(self._arms.model, config_limit_gain=1.0)
            self._options = {"damping": 1e-8, "limits": [limit]}
        else:
            posture_task = PostureTask(cost=1e-3)
            posture_task.set_target(posture)
            self._tasks.append(posture_task)
        self._low = self._arms.configuration(self.lower)
        self._high = self._arms.configuration(self.upper)
        self._pose = pinocchio.SE3

    def reset(self, q: FloatArray) -> None:
        """Set the joints."""
        self._configuration.update(self._arms.configuration(q))

    def aim(self, T_base_wrist: FloatArray) -> None:
        """Take new wrist poses."""
        for task, T in zip(self._frames, T_base_wrist, strict=True):
            task.set_target(self._pose(T))

    def poses(self) -> tuple[FloatArray, FloatArray]:
        """Wrist poses at the present joints."""
        placements = self._configuration.data.oMf
        left, right = (placements[frame].homogeneous for frame in self._arms.frames)
        return left, right

    def step(self) -> None:
        """One quadratic program."""
        velocity = self._solve(
            self._configuration,
            self._tasks,
            self._dt,
            solver=self._solver,
            safety_break=False,
            **self._options,
        )
        q = np.clip(self._configuration.q + self._dt * velocity, self._low, self._high)
        self._configuration.update(q)

    def joints(self) -> FloatArray:
        """The present joints."""
        return np.asarray(self._configuration.q[self._arms.columns])
