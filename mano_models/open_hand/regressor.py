"""Joint centres as sparse, nonnegative, exact averages of the nearest mesh vertices."""

from __future__ import annotations

import numpy as np

from .anthropometry import Array

NEAREST = 24  # vertices tried for one joint: two to three rings of a finger


def _convex_weights(points: Array, centre: Array, wish: Array) -> Array:
    """Return the nonnegative weights nearest to `wish` with sum 1 and `weights @ points = centre`.

    Active set: solve with equalities, drop the negative ones, repeat.
    """
    active = np.ones(len(points), dtype=bool)
    target = np.append(centre, 1.0)
    for _ in range(len(points)):
        rows = np.column_stack([points[active], np.ones(active.sum())]).T
        # Two passes of the minimum-norm correction: the second removes the first one's rounding.
        weights = wish[active]
        for _ in range(2):
            weights = weights + np.linalg.lstsq(rows, target - rows @ weights, rcond=None)[0]
        if (weights >= 0).all():
            full = np.zeros(len(points))
            full[active] = weights
            return full
        keep = np.flatnonzero(active)
        active[keep[weights < 0]] = False
    raise ValueError(f"centre {centre} [m] is not inside its {len(points)} nearest vertices")


def build_regressor(vertices: Array, joints: Array, candidates: Array) -> Array:
    """Return J (16, n) with `J @ vertices == joints` [m], rows nonnegative and summing to one.

    Parameters:
        vertices : (n, 3) rest mesh [m].
        joints : (16, 3) joint centres [m].
        candidates : (16, n) true where a vertex may speak for a joint.

    Raises:
        ValueError
            If a joint is outside the hull of its nearest candidates.
    """
    regressor = np.zeros((len(joints), len(vertices)))
    for row, centre, allowed in zip(regressor, joints, candidates, strict=True):
        ids = np.flatnonzero(allowed)
        distance = np.linalg.norm(vertices[ids] - centre, axis=1)
        near = np.argsort(distance, kind="stable")[:NEAREST]
        ids, distance = ids[near], distance[near]
        wish = np.exp(-((distance / distance.mean()) ** 2))
        # Millimetres about the centre: well scaled against the row that sums the weights.
        points = (vertices[ids] - centre) * 1e3
        row[ids] = _convex_weights(points, np.zeros(3), wish / wish.sum())
    return regressor
