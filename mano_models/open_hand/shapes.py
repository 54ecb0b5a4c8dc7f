"""Shape space."""

from __future__ import annotations

import numpy as np

from .anthropometry import Array, Skeleton
from .mesh import Mesh


def build_shape_space(mesh: Mesh, skeleton: Skeleton) -> Array:
    """Return shape directions (n, 3, 10) [m]: first version, overall size only."""
    directions = np.zeros((len(mesh.vertices), 3, 10))
    directions[:, :, 0] = (mesh.vertices - skeleton.joints[0]) * 0.05
    return directions
