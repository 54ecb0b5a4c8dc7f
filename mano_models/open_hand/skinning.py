"""Skinning weights and pose blend shapes."""

from __future__ import annotations

import numpy as np

from .anthropometry import Array, Skeleton
from .mesh import Mesh


def build_weights(mesh: Mesh, skeleton: Skeleton) -> Array:
    """Return weights (n, 16): first version, each vertex moves with its owner."""
    weights = np.zeros((len(mesh.vertices), len(skeleton.joints)))
    weights[np.arange(len(mesh.vertices)), mesh.owner] = 1.0
    return weights


def build_pose_correctives(mesh: Mesh, skeleton: Skeleton, weights: Array) -> Array:
    """Return pose blend shapes (n, 3, 135): first version, none."""
    return np.zeros((len(mesh.vertices), 3, 135))
