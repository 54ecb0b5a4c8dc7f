"""What a calibration says about ``wrist_to_mano``: a hand that it has to turn is named wrongly."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np

from retarget.geometry import rotation_from_rotvec
from retarget.types import Calibration, FloatArray

if TYPE_CHECKING:
    from retarget.robot import HandSide

TURNED = np.pi / 4  # a calibration that turns a hand farther than this [rad] is suspicious


def right_angle_rotations() -> FloatArray:
    """(24, 3, 3) the rotations that take every axis to an axis, the identity first."""
    found = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[np.arange(3), order] = signs
            if np.linalg.det(matrix) > 0.0:
                found.append(matrix)
    return np.stack(found)


def nearest_axes(wrist_to_mano: FloatArray, calibration: Calibration) -> FloatArray:
    """The right-angled ``wrist_to_mano`` that would leave the calibration the least to turn.

    ``A R^T`` leaves it nothing; nearest to that is the right-angled matrix whose product with it
    has the largest trace.

    Args:
        wrist_to_mano: (3, 3) rotation A that the calibration was found with.
        calibration: what was found.

    Returns:
        (3, 3) rotation of entries -1, 0 and 1.
    """
    ideal = wrist_to_mano @ rotation_from_rotvec(calibration.rotation).T
    candidates = right_angle_rotations()
    return np.asarray(candidates[np.argmax(np.sum(candidates * ideal, axis=(1, 2)))])


def turn_warning(side: HandSide, calibration: Calibration) -> str:
    """What to say of a calibration that turns a hand by more than 45 degrees; "" of any other."""
    angle = float(np.linalg.norm(calibration.rotation))
    if angle <= TURNED:
        return ""
    axes = nearest_axes(side.wrist_to_mano, calibration).astype(int).tolist()
    return (
        f"the {side.side} hand is turned by {np.degrees(angle):.0f} degrees to fit, so "
        f"sides.{side.side}.wrist_to_mano is probably wrong; "
        f"the nearest with right angles is {axes}"
    )
