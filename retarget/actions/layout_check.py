"""Whether vectors of 48 numbers can be in EgoVLA's layout, or are in another, or normalised.

Their rotations tell: the two columns of a rot6d are unit vectors at right angles, nearly so where a
policy predicts them, and no other twelve numbers of a hand's pose are.
"""

from __future__ import annotations

import numpy as np

from retarget.actions.layout import ACTION_FIELDS, ACTION_SIZE, ROT6D
from retarget.core.errors import InputError
from retarget.core.types import FloatArray

LAYOUT = "egovla-48"  # as files say it
_LENGTH = (0.5, 2.0)  # of a column that a policy predicts; Gram-Schmidt mends that
_COSINE = 0.5
_MOST = 256  # vectors looked at
_SHARE = 0.5  # of the hands that must have such columns
_EXACT = 1e-3  # of columns that are found elsewhere


def require_layout(vectors: FloatArray, what: str) -> None:
    """Refuse vectors (..., 48) whose rotations are none, with the layout that they may be in.

    Numbers that are not finite, and zeros, say nothing; where nothing is said nothing is refused.

    Args:
        vectors: as they come from a policy or a file.
        what: what to call them.

    Raises:
        InputError: most hands have a rot6d that is far from two unit columns.
    """
    rows = np.asarray(vectors, dtype=np.float64).reshape(-1, ACTION_SIZE)[:_MOST]
    place = ACTION_FIELDS["rot6d"].place
    sound = [_columns(rows[:, start : start + ROT6D]) for start in range(place.start, 48, ROT6D)]
    known = [np.isfinite(rows[:, place]).all(axis=-1) & rows.any(axis=-1)] * len(sound)
    seen = np.concatenate(known)
    if not seen.any() or np.concatenate(sound)[seen].mean() >= _SHARE:
        return
    raise InputError(
        f"{what} have a rot6d (numbers {place.start} to {ACTION_SIZE - 1}) that is far from two "
        f"unit columns{_elsewhere(rows)}; expected [xyz, xyz | 15 PCA, 15 PCA | rot6d, rot6d], "
        "left then right",
        value=rows[0],
    )


def _columns(rot6d: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(N,) whether (N, 6) are two columns as a policy predicts them."""
    with np.errstate(over="ignore", invalid="ignore"):
        a, b = np.linalg.norm(rot6d[:, :3], axis=-1), np.linalg.norm(rot6d[:, 3:], axis=-1)
        cosine = np.abs((rot6d[:, :3] * rot6d[:, 3:]).sum(axis=-1)) / np.maximum(a * b, 1e-12)
        within = [(low > _LENGTH[0]) & (low < _LENGTH[1]) for low in (a, b)]
    return np.asarray(within[0] & within[1] & (cosine < _COSINE))


def _elsewhere(rows: FloatArray) -> str:
    """What the numbers look like."""
    known = rows[np.isfinite(rows).all(axis=-1)]
    if not len(known):
        return ""
    places, start = [], 0
    while start <= ACTION_SIZE - ROT6D:
        if _exact(known[:, start : start + ROT6D]):
            places.append(start)
            start += ROT6D
        else:
            start += 1
    if places == [3, 27]:
        return ": each hand's 24 numbers look like wrist xyz, rot6d, five fingertips"
    if places == [0, 24]:
        return ": each hand's 24 numbers look like rot6d, wrist xyz, five fingertips"
    if places:
        said = " and ".join(f"{at} to {at + ROT6D - 1}" for at in places)
        return f": a rot6d stands at {said}, which is another layout"
    quaternions = [
        at
        for at in range(ACTION_SIZE - 3)
        if (np.abs(np.linalg.norm(known[:, at : at + 4], axis=-1) - 1.0) < _EXACT).all()
    ]
    if quaternions and len(known) > 1:
        said = " and ".join(f"{at} to {at + 3}" for at in quaternions[:2])
        return f": a unit quaternion stands at {said}, which is another layout"
    return ": if the numbers are normalised, undo that first (Normalization.undo)"


def _exact(rot6d: FloatArray) -> bool:
    a, b = rot6d[:, :3], rot6d[:, 3:]
    unit = [np.abs(np.linalg.norm(column, axis=-1) - 1.0) < _EXACT for column in (a, b)]
    return bool((unit[0] & unit[1] & (np.abs((a * b).sum(axis=-1)) < _EXACT)).all())
