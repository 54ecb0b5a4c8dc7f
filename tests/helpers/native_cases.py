"""Hands, arms and targets for the tests of the native core."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pinocchio as pin

from retarget.core.types import FloatArray
from retarget.human.hand_model import HandModel, load_hand
from retarget.human.keypoints import TIP_VERTICES, HandKeypoints
from retarget.robot.arm.native import NativeArm

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


@dataclass(frozen=True)
class Arm:
    """A pinocchio arm and the same chain as arrays."""

    model: Any
    steps: FloatArray
    axes: FloatArray
    T_last_wrist: FloatArray
    lower: FloatArray
    upper: FloatArray
    posture: FloatArray
    known: FloatArray

    @property
    def size(self) -> int:
        return len(self.lower)

    def native(self, isa: str = "", **kwargs: Any) -> NativeArm:
        return NativeArm(
            self.steps,
            self.axes,
            self.T_last_wrist,
            self.lower,
            self.upper,
            self.posture,
            known=self.known,
            isa=isa,
            **kwargs,
        )

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
    return Arm(
        model=model,
        steps=np.diff(origins, axis=0, prepend=np.zeros((1, 3))),
        axes=np.ascontiguousarray(J[3:].T),
        T_last_wrist=wrist,
        lower=lower,
        upper=upper,
        posture=0.5 * (lower + upper),
        known=rng.uniform(lower, upper, size=(512, joints)),
    )


def _direction(rng: np.random.Generator) -> FloatArray:
    v = rng.normal(size=3)
    return np.asarray(v / np.linalg.norm(v))
