"""Measured joint positions: whether they can be used, and whether a robot can start from them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.types import FloatArray, IntArray
from retarget.robot.joint_limits import JointLimits

_SLACK = 0.1  # how far beyond a limit the first measured joints may be [rad]


def measured_joints(qpos: ArrayLike, joints: int) -> FloatArray | None:
    """Measured joints (n,) [rad], None where they are not n finite numbers."""
    try:
        q = np.asarray(qpos, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):  # a tensor with a gradient is the last
        return None
    if q.shape != (joints,) or not math.isfinite(q.dot(q)):
        return None
    return q


def require_start(
    measured: FloatArray | None, given: ArrayLike, limits: JointLimits, driven: IntArray
) -> FloatArray:
    """Measured joints (n,) that a motion can begin from [rad].

    Args:
        measured: as `measured_joints` has them.
        given: what it had them from.
        limits: of the n joints.
        driven: places of the joints that will be driven.

    Raises:
        InputError: they are not n finite numbers, or a driven joint is more than 0.1 rad beyond its
            limits.
    """
    if measured is None:
        raise InputError(
            f"the first qpos must be {len(limits.names)} finite numbers, got shape "
            f"{np.shape(given)}: from an unknown pose nothing can be commanded"
        )
    beyond = np.maximum(limits.lower - measured, measured - limits.upper)[driven]
    if beyond.max() > _SLACK:
        row = int(driven[int(beyond.argmax())])
        raise InputError(
            f"the first qpos has joint {limits.names[row]!r} at {measured[row]:.3f} rad, beyond "
            f"its limits {limits.lower[row]:.3f} to {limits.upper[row]:.3f}; check the order of "
            "joints and their units"
        )
    return measured
