"""The native arm solver as seen from Python: every argument checked, results named."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from retarget.core import _native
from retarget.core.checks import call, is_single, numbers, real, whole
from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray, IntArray, Status

ArmSettings = tuple[float, float, float, float, int, int, bool, bool, int]


def arm_settings(
    *,
    position_tolerance: float,
    rotation_tolerance: float,
    posture_gain: float,
    lean: bool,
    goal: float,
    starts: int,
    max_iterations: int,
    threads: int,
    dtype: str,
) -> ArmSettings:
    """Settings of `NativeArm.solve`, checked, in the order the core takes them.

    Raises:
        InputError: a setting has another type or is out of range.
    """
    return (
        real("position_tolerance", position_tolerance),
        real("rotation_tolerance", rotation_tolerance),
        real("posture_gain", posture_gain),
        real("goal", goal),
        whole("starts", starts, 0),
        whole("max_iterations", max_iterations, 1),
        lean,
        is_single(dtype),
        whole("threads", threads, 0),
    )


class NativeSolutions(NamedTuple):
    """Arm joints for wrist poses.

    Attributes:
        q: (..., n) joint positions, within the limits to the last bit [rad].
        position_error: (...) [m], NaN where missing.
        rotation_error: (...) [rad], NaN where missing.
        reached: (...) both errors are within the tolerances.
        settled: (...) reached, or q is a minimum of the pose error.
        missing: (...) the pose was not finite, q is held.
        status: (...) `Status` values.
        iterations: (...) evaluations of the derivatives on the way.
    """

    q: FloatArray
    position_error: FloatArray
    rotation_error: FloatArray
    reached: BoolArray
    settled: BoolArray
    missing: BoolArray
    status: IntArray
    iterations: IntArray


class NativeArm:
    """Inverse kinematics of a serial chain of 1 to 12 revolute joints.

    The chain is a product of exponentials: at q = 0 all joints' frames have the base's axes.

    Args:
        steps: (n, 3) from the base to the first joint and on from joint to joint at q = 0 [m].
        axes: (n, 3) unit axes.
        T_last_wrist: (4, 4) wrist frame in the last joint's frame [m].
        lower: (n,) lower limits [rad], -inf for none.
        upper: (n,) upper limits [rad], inf for none.
        posture: (n,) joint positions to lean to [rad].
        known: (m, n) joint positions to start from where the first start fails [rad].
        T_world_base: (4, 4) pose of the base in the frame of the wanted poses [m].
        rotation_weight: what an angle counts against a length [m/rad].
        isa: instruction set, "" for the best.

    Raises:
        InputError: an argument has another shape or type, is not finite or out of range.
    """

    def __init__(
        self,
        steps: ArrayLike,
        axes: ArrayLike,
        T_last_wrist: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        posture: ArrayLike,
        known: ArrayLike | None = None,
        T_world_base: ArrayLike | None = None,
        rotation_weight: float = 0.15,
        isa: str = "",
    ) -> None:
        low, high = numbers(lower, "lower"), numbers(upper, "upper")
        if low.shape != high.shape or low.ndim != 1 or np.isnan(low).any() or np.isnan(high).any():
            raise InputError(f"lower and upper must be (n,) numbers, got {low.shape} {high.shape}")
        base = np.eye(4) if T_world_base is None else numbers(T_world_base, "T_world_base")
        if base.shape != (4, 4) or not np.isfinite(base).all():
            raise InputError(f"T_world_base must be a finite (4, 4) transform, got {base.shape}")
        inverse = np.eye(4)
        inverse[:3, :3] = base[:3, :3].T
        inverse[:3, 3] = -base[:3, :3].T @ base[:3, 3]
        self.solver = call(
            _native.ArmSolver,
            numbers(steps, "steps"),
            numbers(axes, "axes"),
            numbers(T_last_wrist, "T_last_wrist"),
            inverse,
            low,
            high,
            np.minimum(0.5 * (high - low), np.pi),
            numbers(posture, "posture"),
            numbers(np.zeros((0, len(low))) if known is None else known, "known"),
            real("rotation_weight", rotation_weight),
            isa,
        )
        self.joints = len(low)

    def solve(
        self,
        T_world_wrist: ArrayLike,
        start: ArrayLike,
        moving: BoolArray,
        *,
        position_tolerance: float = 1e-6,
        rotation_tolerance: float = 1e-5,
        posture_gain: float = 10.0,
        lean: bool = True,
        goal: float = 1e-12,
        starts: int = 24,
        max_iterations: int = 100,
        threads: int = 0,
        dtype: str = "float64",
    ) -> NativeSolutions:
        """Joints for independent wrist poses, or along trajectories.

        A pose is reached from where the arm comes from; where that fails, from the known joints
        whose wrists are nearest. What is reached then leans to the posture without moving the
        wrist. Along a trajectory every frame comes from the one before.

        Args:
            T_world_wrist: (m, 4, 4) independent poses or (m, N, 4, 4) trajectories [m]; a pose that
                is not finite is missing.
            start: (m, n) joint positions the arm comes from [rad], brought within the limits.
            moving: (m,) whether it was there just before, so that it leans only as far as the
                wrist's way allows.
            position_tolerance: largest position error of a reached pose [m].
            rotation_tolerance: largest rotation error of a reached pose [rad].
            posture_gain: how far joints may lean for each metre of the wrist's way [1/m].
            lean: whether to lean to the posture at all.
            goal: combined error that ends a reach [m].
            starts: further starts where the first fails.
            max_iterations: evaluations after which a start is given up.
            threads: 0 for as many as are useful.
            dtype: "float32" reaches in single precision first.

        Raises:
            InputError: an argument has another shape or type or is out of range, or a finite pose
                is no rigid transform.
        """
        settings = arm_settings(
            position_tolerance=position_tolerance,
            rotation_tolerance=rotation_tolerance,
            posture_gain=posture_gain,
            lean=lean,
            goal=goal,
            starts=starts,
            max_iterations=max_iterations,
            threads=threads,
            dtype=dtype,
        )
        wanted = numbers(T_world_wrist, "T_world_wrist")
        if wanted.ndim not in (3, 4) or wanted.shape[-2:] != (4, 4):
            raise InputError(
                f"T_world_wrist must have shape (m, 4, 4) or (m, N, 4, 4), got {wanted.shape}"
            )
        lead, n = wanted.shape[:-2], self.joints
        if len(lead) == 1:
            wanted = wanted[:, None]
        if type(moving) is not np.ndarray or moving.dtype != np.bool_:
            raise InputError(f"moving must be a boolean array, got {type(moving).__name__}")
        found, status, iterations = self.run(wanted, start, moving.copy(), settings)
        count = len(status)
        errors = found[count * n :].reshape(2, *lead)
        status = status.reshape(lead)
        return NativeSolutions(
            found[: count * n].reshape(*lead, n),
            errors[0],
            errors[1],
            status <= Status.AT_LIMIT,
            status <= Status.UNREACHABLE,
            status == Status.MISSING_INPUT,
            status,
            iterations.reshape(lead),
        )

    def run(
        self, wanted: FloatArray, start: ArrayLike, moving: BoolArray, settings: ArmSettings
    ) -> tuple[FloatArray, IntArray, IntArray]:
        """`solve` with settings that are checked already, and results as the core lays them out.

        Args:
            wanted: (m, N, 4, 4) trajectories, whose first two axes may have any strides.
            start: see `solve`.
            moving: (m,), C-contiguous; it is overwritten.
            settings: of `arm_settings`.

        Returns:
            The M poses' joints (M n), position errors (M) and rotation errors (M) in one array;
            statuses (M,); iterations (M,).

        Raises:
            InputError: as `solve`.
        """
        count = math.prod(wanted.shape[:-2])
        found = np.empty(count * (self.joints + 2))
        status, iterations = np.empty((2, count), dtype=np.int64)
        call(
            self.solver.solve,
            wanted if _lies_well(wanted) else np.require(wanted, requirements=["C", "A"]),
            numbers(start, "start"),
            moving,
            *settings,
            found,
            status,
            iterations,
        )
        return found, status, iterations

    def evaluate(
        self, T_base_wrist: ArrayLike, q: ArrayLike
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """What the solver sees at given joints: for tests.

        Args:
            T_base_wrist: (m, 4, 4) wanted poses in the base frame [m], m at least 1.
            q: (m, n) joint positions [rad].

        Returns:
            The wrist's pose (m, 4, 4) in the base frame; its Jacobian (m, 6, n) by joints, linear
            [m/rad], then angular, base axes; the cost (m,), position error squared plus weighted
            rotation error squared [m^2]; half its gradient (m, n) and half its Gauss-Newton Hessian
            (m, n, n), both by joints over half their range.

        Raises:
            InputError: an argument has another shape or type or is not finite.
        """
        target, joints = numbers(T_base_wrist, "T_base_wrist"), numbers(q, "q")
        m, n = len(joints) if joints.ndim else 0, self.joints
        pose, jacobian = np.empty((m, 4, 4)), np.empty((m, 6, n))
        cost, gradient, hessian = np.empty(m), np.empty((m, n)), np.empty((m, n, n))
        out = pose, jacobian, cost, gradient, hessian
        call(self.solver.evaluate, target, joints, *out)
        return out


def _lies_well(poses: FloatArray) -> bool:
    """Whether the core can read poses (..., 4, 4) where they are."""
    return poses.flags.aligned and poses.strides[-2:] == (32, 8)
