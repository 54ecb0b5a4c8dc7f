"""A serial chain of revolute joints as plain arrays: all that the arm solver knows of a robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec, transform
from retarget.core.types import FloatArray
from retarget.robot.kinematics import Kinematics

MAX_JOINTS = 12
KNOWN = 2048  # joint positions that searches may start from


@dataclass(frozen=True)
class Chain:
    """Revolute joints in series, from a fixed base to the wrist frame.

    The product of exponentials (Brockett 1984, "Robotic manipulators and the product of
    exponentials formula"): at q = 0 every joint's frame has the base's axes, and

        ``T_base_wrist = T_0(q_0) ... T_{n-1}(q_{n-1}) T_last_wrist``

    where ``T_k(q)`` turns by q about axis k, at step k from the joint before.

    Attributes:
        names: the n joint names, base to wrist.
        axes: (n, 3) unit axes.
        steps: (n, 3) from the base to the first joint and on from joint to joint at q = 0 [m].
        T_last_wrist: (4, 4) wrist frame in the last joint's frame [m].
        lower: (n,) lower limits [rad], -inf for a joint without.
        upper: (n,) upper limits [rad], inf for a joint without.
    """

    names: tuple[str, ...]
    axes: FloatArray
    steps: FloatArray
    T_last_wrist: FloatArray
    lower: FloatArray
    upper: FloatArray

    @classmethod
    def from_kinematics(cls, kinematics: Kinematics, lower: FloatArray, upper: FloatArray) -> Chain:
        """The chain that moves the one frame of ``kinematics``, read off its Jacobian at q = 0.

        Args:
            kinematics: n revolute joints, base to wrist, and the wrist frame.
            lower: (n,) lower limits [rad].
            upper: (n,) upper limits [rad].

        Raises:
            InputError: too many joints, a joint that is not revolute, has no range or does not move
                the frame, or joints in another order than base to wrist.
        """
        names, frame = kinematics.joints, kinematics.frames[0]
        if not 1 <= len(names) <= MAX_JOINTS:
            raise InputError(f"a chain has 1 to {MAX_JOINTS} joints, got {len(names)}")
        rest = np.zeros(len(names))
        T_base_wrist = kinematics.forward(rest)[0]
        linear, axes = np.split(kinematics.jacobian(rest)[0].T, 2, axis=1)
        for k, name in enumerate(names):
            if not np.isclose(np.linalg.norm(axes[k]), 1.0):
                what = "is not revolute" if np.any(linear[k]) else f"does not move {frame!r}"
                raise InputError(f"joint {name!r} {what}", joint=name)
            if not lower[k] < upper[k]:
                raise InputError(
                    f"joint {name!r} has no range: its limits are {lower[k]} and {upper[k]} rad",
                    joint=name,
                )
        # the point of each axis that is nearest to the wrist stands for the joint
        origins = T_base_wrist[:3, 3] - np.cross(linear, axes)
        steps = np.diff(origins, axis=0, prepend=np.zeros((1, 3)))
        last = T_base_wrist.copy()
        last[:3, 3] -= origins[-1]
        chain = cls(names, axes, steps, last, lower.copy(), upper.copy())
        # a product of exponentials in another order agrees at q = 0 and nowhere else
        bent = np.linspace(0.3, 0.7, len(names))
        if not np.allclose(chain.forward(bent), kinematics.forward(bent)[0], atol=1e-9):
            raise InputError(
                f"the joints {', '.join(names)} are not in the order from the base to {frame!r}"
            )
        return chain

    @property
    def size(self) -> int:
        """Number of joints n."""
        return len(self.names)

    @property
    def half_range(self) -> FloatArray:
        """Half of each joint's range, (n,) [rad]; at most pi."""
        return np.asarray(np.minimum(0.5 * (self.upper - self.lower), np.pi))

    @property
    def middle(self) -> FloatArray:
        """Middle of each joint's range, (n,) [rad]; 0 where it has none."""
        bounded = np.isfinite(self.lower) & np.isfinite(self.upper)
        ends = np.where(bounded, self.lower, 0.0), np.where(bounded, self.upper, 0.0)
        return np.asarray(0.5 * (ends[0] + ends[1]))

    def forward(self, q: FloatArray) -> FloatArray:
        """Joints (..., n) [rad] -> ``T_base_wrist`` (..., 4, 4) [m]."""
        links = transform(rotation_from_rotvec(q[..., None] * self.axes), self.steps)
        T = links[..., 0, :, :]
        for k in range(1, self.size):
            T = T @ links[..., k, :, :]
        return np.asarray(T @ self.T_last_wrist)

    def spread_joints(self, count: int = KNOWN) -> FloatArray:
        """Joint positions (count, n) spread evenly over the limits [rad].

        The additive recurrence whose steps are the powers of the generalised golden ratio, the root
        of ``x^(n + 1) = x + 1`` (Roberts 2018, "The unreasonable effectiveness of quasirandom
        sequences").
        """
        ratio = 2.0
        for _ in range(64):
            ratio = (1.0 + ratio) ** (1.0 / (self.size + 1))
        steps = ratio ** -np.arange(1.0, self.size + 1.0)
        spread = (0.5 + np.outer(np.arange(1, count + 1), steps)) % 1.0
        q = self.middle + self.half_range * (2.0 * spread - 1.0)
        return np.asarray(np.clip(q, self.lower, self.upper))
