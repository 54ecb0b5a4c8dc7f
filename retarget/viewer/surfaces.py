"""Triangles to draw: primitives, mesh files thinned to a budget, and surfaces joined into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import ModelError
from retarget.core.geometry import transform_points
from retarget.core.types import FloatArray, IntArray

SEGMENTS = 28  # of a circle of 5 cm or more; smaller ones get fewer
# triangles kept of a mesh file: so many, by its diagonal [m], and a share of what it has
FEWEST, PER_METRE, SHARE = 700, 3500.0, 0.12
GRAIN = 3e-4  # of a mesh that is thinned: what is smaller cannot be seen [m]
FINE = 1000.0  # size at which a mesh is thinned
CREASE = np.radians(35.0)  # edges sharper than this stay sharp


Triangles = tuple[FloatArray, IntArray]  # vertices (V, 3) and faces (F, 3)


@dataclass(frozen=True)
class Surface:
    """Triangles; vertices are shared where the surface is smooth, and only there.

    Attributes:
        vertices: (V, 3) [m].
        faces: (F, 3) vertex indices, counter-clockwise from outside.
        colours: (V, 3) red, green, blue from 0 to 1.
    """

    vertices: FloatArray
    faces: IntArray
    colours: FloatArray

    def moved(self, T: FloatArray) -> Surface:
        """The surface moved by a transform (4, 4)."""
        return replace(self, vertices=transform_points(T, self.vertices))


def painted(vertices: FloatArray, faces: IntArray, colour: tuple[float, float, float]) -> Surface:
    """A surface of one colour."""
    return Surface(vertices, faces, np.broadcast_to(np.array(colour), vertices.shape).copy())


def joined(surfaces: Sequence[Surface]) -> Surface:
    """Several surfaces as one."""
    starts = np.cumsum([0, *(len(s.vertices) for s in surfaces[:-1])])
    return Surface(
        np.concatenate([s.vertices for s in surfaces]),
        np.concatenate([s.faces + start for s, start in zip(surfaces, starts, strict=True)]),
        np.concatenate([s.colours for s in surfaces]),
    )


def box(size: Sequence[float]) -> Triangles:
    """Vertices and faces of a box about the origin; its edges are sharp."""
    vertices: list[FloatArray] = []
    faces: list[IntArray] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            corner = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * sign ** np.array([1, 0])
            side = np.insert(corner, 0, sign, axis=1)
            faces.append(np.array([[0, 1, 2], [0, 2, 3]]) + 4 * len(vertices))
            vertices.append(np.roll(side, axis, axis=1))
    return np.concatenate(vertices) * np.asarray(size) / 2.0, np.concatenate(faces)


def cylinder(radius: float, length: float, segments: int | None = None) -> Triangles:
    """Vertices and faces of a cylinder along z about the origin; its rims are sharp."""
    n = segments or _segments(radius)
    angle = 2.0 * np.pi * np.arange(n) / n
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    low, high = (np.insert(ring, 2, z, axis=1) for z in (-length / 2, length / 2))
    k, following = np.arange(n), np.roll(np.arange(n), -1)
    side = np.concatenate(
        [np.stack([k, following, n + k], 1), np.stack([following, n + following, n + k], 1)]
    )
    fan = np.stack([np.zeros(n - 2, dtype=np.int64), np.arange(1, n - 1), np.arange(2, n)], 1)
    faces = np.concatenate([side, fan[:, ::-1] + 2 * n, fan + 3 * n])
    return np.concatenate([low, high, low, high]), faces


def sphere(radius: float) -> Triangles:
    """Vertices and faces of a sphere about the origin."""
    n = _segments(radius)
    rings = n // 2
    polar, angle = np.pi * np.arange(1, rings) / rings, 2.0 * np.pi * np.arange(n) / n
    belts = np.stack(
        [
            np.outer(np.sin(polar), np.cos(angle)),
            np.outer(np.sin(polar), np.sin(angle)),
            np.outer(np.cos(polar), np.ones(n)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    vertices = radius * np.concatenate([belts, [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]])
    k, following = np.arange(n), np.roll(np.arange(n), -1)
    top, bottom = len(belts), len(belts) + 1
    last = (rings - 2) * n
    faces = [np.stack([np.full(n, top), k, following], 1)]
    for belt in range(rings - 2):
        a, b = belt * n, (belt + 1) * n
        faces.append(np.stack([a + k, b + k, b + following], 1))
        faces.append(np.stack([a + k, b + following, a + following], 1))
    faces.append(np.stack([np.full(n, bottom), last + following, last + k], 1))
    return vertices, np.concatenate(faces)


def _segments(radius: float) -> int:
    return int(np.clip(2 * round(SEGMENTS / 2 * (radius / 0.05) ** 0.5), 14, SEGMENTS))


def read_mesh(path: Path, scale: float = 1.0) -> Triangles:
    """Vertices and faces of a mesh file, thinned to what can be seen.

    Args:
        path: any file that trimesh reads.
        scale: metres in the file's unit.

    Returns:
        Vertices in the file's unit, in metres where the file names its unit, and faces.

    Raises:
        ModelError: the file cannot be read, or holds no triangle.
    """
    import trimesh

    try:
        mesh = trimesh.load(path, force="mesh", process=True)  # equal corners become one
    except ImportError as error:
        raise ModelError(path, f"needs another package to be read: {error}") from error
    except Exception as error:  # damaged files raise many types
        raise ModelError(path, f"cannot be read as a mesh: {error}") from error
    if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0:
        raise ModelError(path, "holds no triangle")
    if mesh.units is not None:  # a COLLADA file's own; its up axis is not applied, as in ROS
        mesh.convert_units("meters")
    wanted = max(FEWEST + PER_METRE * scale * float(mesh.scale), SHARE * len(mesh.faces))
    return _creased(_thinned(mesh, wanted, GRAIN / scale))


def _creased(mesh: Any) -> Triangles:
    """Vertices and faces; patches that meet at a crease share no vertex, so that it stays sharp."""
    from trimesh.graph import connected_component_labels

    smooth = mesh.face_adjacency[mesh.face_adjacency_angles < CREASE]
    patch = connected_component_labels(smooth, node_count=len(mesh.faces))
    corners = np.asarray(mesh.faces, dtype=np.int64).ravel()
    own = corners * len(mesh.faces) + np.repeat(patch, 3)
    _, first, faces = np.unique(own, return_index=True, return_inverse=True)
    return np.asarray(mesh.vertices)[corners[first]], faces.reshape(-1, 3)


def _thinned(mesh: Any, wanted: float, grain: float) -> Any:
    """The mesh with about `wanted` faces, or with twice as many where those would spoil it.

    Corners nearer than a grain become one first: threads and fillets of a CAD model are most of it.
    """
    if len(mesh.faces) <= wanted:
        return mesh
    mesh = mesh.copy()
    mesh.apply_scale(1.0 / grain)
    mesh.merge_vertices(digits_vertex=0)
    a, b, c = mesh.faces.T
    mesh.update_faces((a != b) & (b != c) & (c != a))
    mesh.apply_scale(grain)
    # collapses are ordered by error against bounds that do not know the mesh's size
    size = float(mesh.scale) / FINE
    while len(mesh.faces) > wanted:
        large = mesh.copy()
        large.apply_scale(1.0 / size)
        thin = large.simplify_quadric_decimation(face_count=int(wanted))
        if len(thin.faces) < 1.02 * wanted:
            thin.apply_scale(size)
            return thin
        # it ran out of collapses that keep the shape, and went on with others
        wanted *= 2.0
    return mesh
