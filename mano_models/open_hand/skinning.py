"""Skinning weights that fall off along the bones, and pose blend shapes that keep bent joints full.

A vertex on a finger is moved by the two bones of its nearest joint, in a share that changes
smoothly along the bone. Linear blending of two rotations cuts the corner of a bent joint: it
averages points, so they move towards the joint's axis. Rotating the vertex by its share of the
angle instead keeps it at its distance from the axis. The pose blend shapes are the least-squares
fit, linear in MANO's features R - I of each joint, of the difference of the two over the joint's
range. A vertex that follows one bone alone has no difference, so the fingertips have none.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.spatial.transform import Rotation

from .anthropometry import FINGERS, PARENTS, WRIST, Array, Skeleton
from .mesh import Mesh
from .surface import build_tubes

# [mm] reach of the blend before and after each joint of a finger, at most; in a short phalanx less.
BEFORE, AFTER = (16.0, 7.0, 5.5), (11.0, 7.0, 5.5)
THUMB_BEFORE, THUMB_AFTER = (10.0, 9.0, 7.0), (20.0, 9.0, 7.0)
PHALANX_PART = 0.45  # a blend covers at most this part of the phalanx on either side
# [mm] distance from the first metacarpal at which the palm begins to leave and has left the thumb.
THENAR = (13.0, 30.0)
NEIGHBOUR = 5.0  # [mm] how soon the palm beneath one finger belongs to the next
SMOOTHING = 4  # rounds of averaging over neighbours, on the palm and webs only
INFLUENCES = 4  # joints a vertex, at most
CORRECTIVE_PART = 0.85  # of the full correction: skin folds a little
CORRECTIVE_LIMIT = 4e-3  # [m]

# Range of the rotations the blend shapes are fitted on: about flexion, abduction, twist [deg].
FITTED_ANGLES = {0: (-25, -10, 15, 30, 45, 60, 75, 90, 105), 1: (-20, 20), 2: (-15, 15)}


def _smoothstep(x: Array) -> Array:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _bone_shares(t: Array, stations: Array, thumb: bool) -> Array:
    """Return the shares (n, 4) of palm and the finger's three bones at distance t [mm] along it."""
    before, after = (THUMB_BEFORE, THUMB_AFTER) if thumb else (BEFORE, AFTER)
    length = np.diff(stations)
    passed = [np.ones_like(t)]
    for k in range(3):
        lower = before[k] if k == 0 else min(before[k], PHALANX_PART * length[k - 1])
        upper = min(after[k], PHALANX_PART * length[k])
        passed.append(_smoothstep((t - stations[k] + lower) / (lower + upper)))
    passed.append(np.zeros_like(t))
    passed = np.minimum.accumulate(np.stack(passed, axis=1), axis=1)
    return passed[:, :-1] - passed[:, 1:]


def finger_shares(mesh: Mesh, points: Array, local: dict[str, Array]) -> Array:
    """Return for each vertex the share (n, 5) of each finger: one on its own, mixed on the palm."""
    share = np.zeros((len(points), 5))
    across = np.stack([np.abs(local[f][:, 1]) for f in FINGERS[:4]], axis=1)
    nearest = np.exp(-(across - across.min(axis=1, keepdims=True)) / NEIGHBOUR)
    share[:, :4] = nearest / nearest.sum(axis=1, keepdims=True)
    aside = np.hypot(local["thumb"][:, 1], local["thumb"][:, 2])
    thumb = 1 - _smoothstep((aside - THENAR[0]) / (THENAR[1] - THENAR[0]))
    share[:, :4] *= (1 - thumb)[:, None]
    share[:, 4] = thumb
    own = mesh.finger >= 0
    share[own] = np.eye(5)[mesh.finger[own]]
    return share


def _averaging(faces: Array, count: int) -> csr_matrix:
    """Return the (n, n) matrix that averages a vertex (half) with its neighbours (half)."""
    pairs = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.unique(np.vstack([pairs, pairs[:, ::-1]]), axis=0)
    degree = np.bincount(pairs[:, 0], minlength=count)
    near = coo_matrix((0.5 / degree[pairs[:, 0]], (pairs[:, 0], pairs[:, 1])), (count, count))
    return near.tocsr() + csr_matrix(0.5 * np.eye(count))


def build_weights(mesh: Mesh, skeleton: Skeleton) -> Array:
    """Return weights (n, 16): rows sum to one, at most four joints a vertex."""
    points = mesh.vertices * 1e3 - WRIST
    tubes = build_tubes(skeleton)
    local = {finger: tubes[finger].local(points) for finger in FINGERS}
    share = finger_shares(mesh, points, local)
    weights = np.zeros((len(points), 16))
    for f, finger in enumerate(FINGERS):
        bones = _bone_shares(local[finger][:, 0], tubes[finger].stations, finger == "thumb")
        bones = bones * share[:, [f]]
        weights[:, 0] += bones[:, 0]
        weights[:, 3 * f + 1 : 3 * f + 4] += bones[:, 1:]
    blended = mesh.finger < 0
    average = _averaging(mesh.faces, len(points))
    for _ in range(SMOOTHING):
        weights[blended] = (average @ weights)[blended]
    weights[weights < np.sort(weights, axis=1)[:, [-INFLUENCES]]] = 0.0
    weights[weights < 5e-3] = 0.0
    return weights / weights.sum(axis=1, keepdims=True)


def _descendants(joint: int) -> list[int]:
    """Return a joint and all joints beyond it."""
    below = [joint]
    for child in range(joint + 1, 16):
        if PARENTS[child] in below:
            below.append(child)
    return below


def build_pose_correctives(mesh: Mesh, skeleton: Skeleton, weights: Array) -> Array:
    """Return pose blend shapes (n, 3, 135) [m per unit of R - I], MANO's order of features."""
    correctives = np.zeros((len(mesh.vertices), 3, 135))
    for joint in range(1, 16):
        share = weights[:, _descendants(joint)].sum(axis=1)
        moved = np.flatnonzero((share > 1e-3) & (share < 1 - 1e-3))
        offset = mesh.vertices[moved] - skeleton.joints[joint]
        features, wanted = [], []
        for axis, angles in FITTED_ANGLES.items():
            for angle in np.radians(angles):
                vector = angle * skeleton.axes[joint - 1, axis]
                full = Rotation.from_rotvec(vector).as_matrix()
                part = Rotation.from_rotvec(share[moved, None] * vector)
                blend = np.eye(3) + share[moved, None, None] * (full - np.eye(3))
                target = np.linalg.solve(blend, part.apply(offset)[..., None])[..., 0] - offset
                size = np.linalg.norm(target, axis=1, keepdims=True)
                limit = np.minimum(1.0, CORRECTIVE_LIMIT / np.maximum(size, 1e-12))
                features.append((full - np.eye(3)).ravel())
                wanted.append(CORRECTIVE_PART * target * limit)
        a, b = np.array(features), np.array(wanted).reshape(len(features), -1)
        # Ridge: nine features, few angles; keeps the shapes small where they are not determined.
        fit = np.linalg.solve(a.T @ a + 0.02 * np.eye(9), a.T @ b)
        fit = fit.reshape(9, len(moved), 3).transpose(1, 2, 0)
        correctives[moved, :, 9 * (joint - 1) : 9 * joint] = fit
    return correctives
