"""First version of the mesh: rings of points about the bones (no surface yet)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anthropometry import FINGERS, TIP_VERTEX, Array, Skeleton

VERTICES = 778
RING = 16


@dataclass(frozen=True)
class Mesh:
    """Vertices (n, 3) [m], faces (m, 3), owner joint of each vertex, regressor candidates."""

    vertices: Array
    faces: NDArray[np.int64]
    owner: NDArray[np.int64]
    speaks_for: NDArray[np.bool_]


def build_mesh(skeleton: Skeleton) -> Mesh:
    """Put rings of points about every bone; the fingertips are where MANO has them."""
    vertices = np.zeros((VERTICES, 3))
    owner = np.zeros(VERTICES, dtype=np.int64)
    free = np.setdiff1d(np.arange(VERTICES), list(TIP_VERTEX.values()))
    angle = np.arange(RING) * 2 * np.pi / RING
    rings = []
    steps = [k for k in range(3) for _ in range(16)]
    joints = [j for _ in range(3) for j in range(16)]
    for step, j in zip(steps, joints, strict=True):
        flexion, abduction, along = skeleton.axes[max(j - 1, 0)]
        radius = 0.025 if j == 0 else 0.008
        offset = along * 0.006 * (step - 1) if j else np.array([0.01, 0, 0]) * (step - 1)
        spokes = np.cos(angle)[:, None] * flexion + np.sin(angle)[:, None] * abduction
        rings.append((j, skeleton.joints[j] + offset + radius * spokes))
    ids, faces = free[: RING * len(rings)], []
    for k, (j, ring) in enumerate(rings):
        here = ids[RING * k : RING * (k + 1)]
        vertices[here], owner[here] = ring, j
        faces += [(here[i], here[(i + 1) % RING], here[0]) for i in range(1, RING - 1)]
    for i in free[RING * len(rings) :]:
        vertices[i] = skeleton.joints[0]
    for f, finger in enumerate(FINGERS):
        vertices[TIP_VERTEX[finger]] = skeleton.tips[f]
        owner[TIP_VERTEX[finger]] = 3 * f + 3
    speaks_for = owner == np.arange(16)[:, None]
    speaks_for[:, free[RING * len(rings) :]] = False
    return Mesh(vertices, np.array(faces), owner, speaks_for)
