"""MANO's file format: the arrays a hand consists of, checked and, for the left hand, mended.

MANO (Romero, Tzionas and Black 2017, "Embodied Hands") is a mesh of 778 vertices on 16 joints with
linear blend skinning. Right hands point along -x, left hands along +x; lengths are in metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import ModelError
from retarget.core.types import FloatArray

# the joint above each joint: wrist, then index, middle, pinky, ring and thumb, three each
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
VERTICES, JOINTS, POSE = 778, 16, 45
FEATURES = 9 * (JOINTS - 1)  # the pose blend shapes' inputs: rotation minus identity, row by row

# the arrays of a file and their shapes, None for any length
SHAPES: Mapping[str, tuple[int | None, ...]] = {
    "v_template": (VERTICES, 3),
    "shapedirs": (VERTICES, 3, None),
    "posedirs": (VERTICES, 3, FEATURES),
    "J_regressor": (JOINTS, VERTICES),
    "weights": (VERTICES, JOINTS),
    "f": (None, 3),
    "kintree_table": (2, JOINTS),
    "hands_components": (POSE, POSE),
    "hands_mean": (POSE,),
}
# one of these tells the spread of the pose; MANO's own files hold the sampled poses
SPREADS: Mapping[str, tuple[int | None, ...]] = {
    "hands_variance": (POSE,),
    "hands_coeffs": (None, POSE),
}
LEFT_MENDED = "left shapedirs: x sign mended"
NOTES = "retarget_notes"  # a converted file says what was mended in it


@dataclass(frozen=True)
class HandArrays:
    """The arrays of one hand by their MANO names, its side, and what was mended in them."""

    arrays: Mapping[str, FloatArray]
    side: str
    notes: tuple[str, ...]


def hand_arrays(raw: Mapping[str, Any], source: str | Path) -> HandArrays:
    """What a file in MANO's format holds, checked and mended.

    Raises:
        ModelError: see `checked_arrays`.
    """
    arrays = checked_arrays(raw, source)
    side = side_of(arrays)
    notes = tuple(str(note) for note in np.atleast_1d(raw.get(NOTES, ())))
    if side == "left":
        arrays, mended = mend_left_shape(arrays)
        notes = (*notes, *mended)
    return HandArrays(arrays, side, notes)


def checked_arrays(arrays: Mapping[str, Any], source: str | Path) -> dict[str, FloatArray]:
    """The hand's arrays by name, as float64 copies; those that a hand does not need are left out.

    Raises:
        ModelError: an array is missing, misshapen, not finite or not a hand's.
    """
    missing = [key for key in SHAPES if key not in arrays]
    if missing:
        raise ModelError(source, f"not a MANO hand: no {', '.join(missing)}", missing=missing)
    spreads = [key for key in SPREADS if key in arrays]
    if not spreads:
        raise ModelError(source, "no hands_variance and no hands_coeffs: the spread is unknown")
    found = {key: _array(arrays[key], key, shape, source) for key, shape in SHAPES.items()}
    found.update({key: _array(arrays[key], key, SPREADS[key], source) for key in spreads})
    faces, tree, total = found["f"], found["kintree_table"][0], found["weights"].sum(axis=1)
    if faces.size == 0 or faces.min() < 0 or faces.max() >= VERTICES:
        raise ModelError(source, f"f must index {VERTICES} vertices", key="f")
    if tuple(tree[1:].astype(int)) != PARENTS[1:]:
        raise ModelError(source, f"kintree_table is not MANO's tree: {tree.astype(int).tolist()}")
    worst = int(np.abs(total - 1.0).argmax())
    if abs(total[worst] - 1.0) > 1e-2:
        raise ModelError(source, f"weights of vertex {worst} add up to {total[worst]:.4g}, not 1")
    if not (spread(found) > 1e-9).all():
        raise ModelError(source, f"{spreads[0]}: a pose component has no spread", key=spreads[0])
    return found


def spread(arrays: Mapping[str, FloatArray]) -> FloatArray:
    """Standard deviation of the poses along each component, (45,) [rad]; nan if negative."""
    if "hands_variance" in arrays:
        variance = arrays["hands_variance"]
        return np.sqrt(np.where(variance >= 0.0, variance, np.nan))
    return np.asarray(arrays["hands_coeffs"].std(axis=0))


def side_of(arrays: Mapping[str, FloatArray]) -> str:
    """Which hand it is: MANO's right hand points along -x, its left hand along +x."""
    joints = arrays["J_regressor"] @ arrays["v_template"]
    return "left" if joints[6, 0] > joints[0, 0] else "right"


def length_width_correlation(arrays: Mapping[str, FloatArray]) -> float:
    """Correlation of hand length and hand width over the shapes that the model makes, in [-1, 1].

    Shape coefficients are independent with unit variance, so the covariance is a sum over the shape
    directions. Long hands are wide hands: in every population the correlation is positive. It is
    what a wrong sign in x turns round, whatever the sign and the order of the directions.
    """
    centred = arrays["v_template"] - arrays["v_template"].mean(axis=0)
    # x runs along the fingers and z across the palm, in both hands
    length = centred[:, 0] @ arrays["shapedirs"][:, 0]
    width = centred[:, 2] @ arrays["shapedirs"][:, 2]
    scale = float(np.sqrt((length @ length) * (width @ width)))
    return float(length @ width) / scale if scale > 0.0 else 0.0


def mend_left_shape(
    arrays: Mapping[str, FloatArray],
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """A left hand that its shape directions widen when they lengthen it, and what was done.

    In the official MANO_LEFT the x rows of ``shapedirs`` are those of the right hand, not their
    mirror image, so equal coefficients make unequal hands (vchoutas/smplx, issue 48).
    """
    found = length_width_correlation(arrays)
    if found > 0.1:
        return dict(arrays), ()
    if found > -0.1:
        return dict(arrays), (f"left shapedirs: x sign uncertain ({found:+.2f}), left as it is",)
    return {**arrays, "shapedirs": arrays["shapedirs"] * [[-1.0], [1.0], [1.0]]}, (LEFT_MENDED,)


def _array(values: Any, key: str, shape: tuple[int | None, ...], source: str | Path) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ModelError(source, f"{key} does not hold numbers: {error}", key=key) from error
    fits = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ModelError(source, f"{key} must have shape ({wanted}), got {array.shape}", key=key)
    if not np.isfinite(array).all():
        raise ModelError(source, f"{key} holds values that are not finite", key=key)
    return array
