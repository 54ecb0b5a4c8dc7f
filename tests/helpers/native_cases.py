"""Hands, arms and targets for the tests of the native core."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pinocchio as pin

from retarget.core.checks import call
from retarget.core.types import BoolArray, FloatArray, IntArray, Status
from retarget.human.hand_model import HandModel, load_hand
from retarget.human.keypoints import TIP_VERTICES, HandKeypoints
from retarget.human.native import NativeHand
from retarget.robot.arm.chain import Chain
from retarget.robot.arm.native import ArmSettings, NativeArm

TIPS = tuple(TIP_VERTICES.values())


@lru_cache(maxsize=4)
def blended_hand(side: str = "right") -> HandModel:
    """The open hand with pose blend shapes everywhere, tips on several joints, as in MANO."""
    hand = load_hand(side)
    rng = np.random.default_rng(7)
    posedirs = hand.posedirs + 2e-4 * rng.normal(size=hand.posedirs.shape)
    weights = hand.weights.copy()
    weights[list(TIPS)] = 0.9 * weights[list(TIPS)] + 0.1 * np.roll(weights[list(TIPS)], 1, axis=1)
    return replace(hand, posedirs=posedirs, weights=weights)


def hand_targets(hand: HandModel, count: int, seed: int = 0, spread: float = 0.8) -> FloatArray:
    """Fingertips (count, 5, 3) of poses drawn from the hand's own distribution."""
    c = np.random.default_rng(seed).normal(size=(count, 45)) * hand.sigma * spread
    return np.ascontiguousarray(
        HandKeypoints(hand, vertices=TIPS, joints=()).points(HandKeypoints(hand).pose(c))
    )


def hand_evaluation(
    native: NativeHand,
    unknowns: FloatArray,
    targets: FloatArray,
    weights: FloatArray | None = None,
    *,
    beta: float = 1.0,
    prior: float = 1e-6,
    soft_limits: tuple[FloatArray | None, FloatArray | None] = (None, None),
    soft_weight: float = 1e-4,
    isa: str = "",
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What a fit sees at given unknowns.

    Unknowns are (n, U): K coefficients [rad] and, with a free wrist, its rotation vector [rad]
    and translation [m]; the other arguments are those of `NativeHand.fit`.

    Returns:
        Points (n, P, 3) [m]; cost (n,) [m^2]; half its gradient (n, U) and half its
        Gauss-Newton Hessian (n, U, U), both by the standardised unknowns: coefficients over
        sigma, wrist over its scale.
    """
    n, u = unknowns.shape
    out = np.empty((n, native.points, 3)), np.empty(n), np.empty((n, u)), np.empty((n, u, u))
    low, high = soft_limits
    how = beta, prior, low, high, soft_weight, isa
    call(native._solver.evaluate, unknowns, targets, weights, *how, *out)
    return out


@dataclass(frozen=True)
class Arm:
    """A pinocchio arm and the same chain as arrays."""

    model: Any
    chain: Chain
    posture: FloatArray

    @property
    def size(self) -> int:
        return self.chain.size

    @property
    def lower(self) -> FloatArray:
        return self.chain.lower

    @property
    def upper(self) -> FloatArray:
        return self.chain.upper

    def native(self, isa: str = "", T_world_base: FloatArray | None = None) -> NativeCalls:
        return NativeCalls(self, isa, np.eye(4) if T_world_base is None else T_world_base)

    def forward(self, q: FloatArray) -> FloatArray:
        """(m, n) -> wrist poses (m, 4, 4), by pinocchio."""
        data = self.model.createData()
        poses = np.empty((len(q), 4, 4))
        for k, joints in enumerate(q):
            pin.framesForwardKinematics(self.model, data, joints)
            poses[k] = data.oMf[self.model.nframes - 1].homogeneous
        return poses

    def jacobian(self, q: FloatArray) -> FloatArray:
        """(n,) -> (6, n), base axes, by pinocchio."""
        data = self.model.createData()
        frame, axes = self.model.nframes - 1, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        return np.reshape(pin.computeFrameJacobian(self.model, data, q, frame, axes), (6, -1))

    def draw(self, count: int, seed: int = 0) -> FloatArray:
        rng = np.random.default_rng(seed)
        return rng.uniform(self.lower, self.upper, size=(count, self.size))


class Solutions(NamedTuple):
    """An `ArmSolution`, and what its statuses say.

    Attributes:
        reached: (...) both errors are within the tolerances.
        settled: (...) reached, or q is a minimum of the pose error.
        missing: (...) the pose was not finite, q is held.
    """

    q: FloatArray
    position_error: FloatArray
    rotation_error: FloatArray
    status: IntArray
    iterations: IntArray
    reached: BoolArray
    settled: BoolArray
    missing: BoolArray


@dataclass(frozen=True)
class NativeCalls:
    """The native solver of an arm, with settings given at each call."""

    arm: Arm
    isa: str
    T_world_base: FloatArray

    def native(self, **settings: Any) -> NativeArm:
        made = ArmSettings(**{"max_iterations": 100, **settings})
        return NativeArm(self.arm.chain, self.arm.posture, made, self.T_world_base, self.isa)

    def solve(
        self, T_world_wrist: FloatArray, start: FloatArray, moving: BoolArray, **settings: Any
    ) -> Solutions:
        """Joints for independent poses (m, 4, 4), or along trajectories (m, N, 4, 4)."""
        lead = T_world_wrist.shape[:-2]
        T = T_world_wrist[:, None] if len(lead) == 1 else T_world_wrist
        found = self.native(**settings).solve(T, start, moving.copy(), lead)
        status = found.status
        return Solutions(
            *found,
            status <= Status.AT_LIMIT,
            status <= Status.UNREACHABLE,
            status == Status.MISSING_INPUT,
        )

    def evaluate(self, T_base_wrist: FloatArray, q: FloatArray) -> tuple[FloatArray, ...]:
        """What the solver sees at joints (m, n): `arm_evaluation` of it."""
        return arm_evaluation(self.native(), T_base_wrist, q)


def arm_evaluation(
    native: NativeArm, T_base_wrist: FloatArray, q: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """What the solver sees at given joints.

    Args:
        native: the solver.
        T_base_wrist: (m, 4, 4) wanted poses in the base frame [m].
        q: (m, n) joint positions [rad].

    Returns:
        The wrist's pose (m, 4, 4) in the base frame; its Jacobian (m, 6, n) by joints, linear
        [m/rad], then angular, base axes; the cost (m,), position error squared plus weighted
        rotation error squared [m^2]; half its gradient (m, n) and half its Gauss-Newton Hessian
        (m, n, n), both by joints over half their range.
    """
    m, n = q.shape
    out = (
        np.empty((m, 4, 4)),
        np.empty((m, 6, n)),
        np.empty(m),
        np.empty((m, n)),
        np.empty((m, n, n)),
    )
    call(native.solver.evaluate, T_base_wrist, q, *out)
    return out


@lru_cache(maxsize=16)
def arm(joints: int = 7, seed: int = 0) -> Arm:
    """A random arm: links of 5 to 25 cm, any axes, limits of 1 to 2.5 rad to each side."""
    rng = np.random.default_rng((joints, seed))
    model = pin.Model()
    parent = 0
    for k in range(joints):
        axis = rng.normal(size=3)
        placement = pin.SE3(
            pin.exp3(0.5 * rng.normal(size=3)), _direction(rng) * rng.uniform(0.05, 0.25)
        )
        parent = model.addJoint(
            parent, pin.JointModelRevoluteUnaligned(axis / np.linalg.norm(axis)), placement, f"j{k}"
        )
    tool = pin.SE3(pin.exp3(rng.normal(size=3)), 0.1 * _direction(rng))
    model.addFrame(pin.Frame("wrist", parent, 0, tool, pin.FrameType.OP_FRAME))
    data = model.createData()
    zero = np.zeros(joints)
    pin.framesForwardKinematics(model, data, zero)
    J = pin.computeJointJacobians(model, data, zero).reshape(6, joints)
    origins = np.array([data.oMi[k + 1].translation for k in range(joints)])
    wrist = data.oMf[model.nframes - 1].homogeneous
    wrist[:3, 3] -= origins[-1]
    lower, upper = -rng.uniform(1.0, 2.5, joints), rng.uniform(1.0, 2.5, joints)
    model.lowerPositionLimit, model.upperPositionLimit = lower, upper
    chain = Chain(
        names=tuple(f"j{k}" for k in range(joints)),
        axes=J[3:].T,
        steps=np.diff(origins, axis=0, prepend=np.zeros((1, 3))),
        T_last_wrist=wrist,
        lower=lower,
        upper=upper,
    )
    return Arm(model, chain, posture=0.5 * (lower + upper))


def _direction(rng: np.random.Generator) -> FloatArray:
    v = rng.normal(size=3)
    return np.asarray(v / np.linalg.norm(v))
