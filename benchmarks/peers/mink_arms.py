"""mink: frame tasks of both wrists as in pink, on a MuJoCo model of the arms."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.arm_peer import RATE, ROTATION_WEIGHT, ArmPeer
from benchmarks.peers.urdf import arms_urdf
from retarget.core.types import FloatArray
from retarget.robot.robot import Robot


class MinkArms(ArmPeer):
    """mink with one of qpsolvers' solvers.

    Args:
        robot: whose arms.
        solver: name of the solver.
        tuned: full Gauss-Newton steps on the frame tasks alone. Otherwise as mink's examples have
            it: a posture task settles the seventh joint, limits and damping are the usual ones.
    """

    def __init__(self, robot: Robot, solver: str, *, tuned: bool = False) -> None:
        super().__init__(robot)
        import mink
        import mujoco

        self.name = f"mink ({solver}{', tuned' if tuned else ''})"
        self._solver, self._mink = solver, mink
        model: Any = mujoco.MjModel.from_xml_string(arms_urdf(robot))
        self._columns = np.array(
            [
                [int(model.joint(name).qposadr[0]) for name in hand.arm_joints]
                for hand in robot.sides
            ]
        )
        self._bodies = [model.body(hand.wrist_frame).id for hand in robot.sides]
        self._configuration: Any = mink.Configuration(model, self._whole(self.posture))
        weight, damping = (ROTATION_WEIGHT, 0.0) if tuned else (1.0, 1.0)
        self._frames = [
            mink.FrameTask(
                hand.wrist_frame,
                "body",
                position_cost=1.0,
                orientation_cost=weight,
                lm_damping=damping,
            )
            for hand in robot.sides
        ]
        self._tasks: list[Any] = [*self._frames]
        self._dt = 1.0 if tuned else 1.0 / RATE
        self._options: dict[str, Any] = {}
        if tuned:
            limit = mink.ConfigurationLimit(model, gain=1.0)
            self._options = {"damping": 1e-8, "limits": [limit]}
        else:
            posture_task = mink.PostureTask(model, cost=1e-3)
            posture_task.set_target(self._whole(self.posture))
            self._tasks.append(posture_task)
        self._low, self._high = self._whole(self.lower), self._whole(self.upper)

    def _whole(self, q: FloatArray) -> FloatArray:
        out = np.empty(self._columns.size)
        out[self._columns] = q
        return out

    def reset(self, q: FloatArray) -> None:
        """Set the joints."""
        self._configuration.update(self._whole(q))

    def aim(self, T_base_wrist: FloatArray) -> None:
        """Take new wrist poses."""
        for task, T in zip(self._frames, T_base_wrist, strict=True):
            task.set_target(self._mink.SE3.from_matrix(T))

    def poses(self) -> tuple[FloatArray, FloatArray]:
        """Wrist poses at the present joints."""
        out = np.zeros((2, 4, 4))
        data = self._configuration.data
        for k, body in enumerate(self._bodies):
            out[k, :3, :3] = data.xmat[body].reshape(3, 3)
            out[k, :3, 3] = data.xpos[body]
            out[k, 3, 3] = 1.0
        return out[0], out[1]

    def step(self) -> None:
        """One quadratic program."""
        velocity = self._mink.solve_ik(
            self._configuration,
            self._tasks,
            self._dt,
            solver=self._solver,
            **self._options,
        )
        q = np.clip(self._configuration.q + self._dt * velocity, self._low, self._high)
        self._configuration.update(q)

    def joints(self) -> FloatArray:
        """The present joints."""
        return np.asarray(self._configuration.q[self._columns])
