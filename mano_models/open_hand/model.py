"""The open hand's arrays in MANO's format, for either side, and how they are written."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retarget.core.files import replacing

from .anthropometry import PARENTS, build_skeleton
from .mesh import build_mesh
from .poses import build_pose_space
from .regressor import build_regressor
from .shapes import build_shape_space
from .skinning import build_pose_correctives, build_weights

Model = dict[str, NDArray[Any] | str]
ROOT_PARENT = 4294967295  # MANO writes the root's parent, -1, as an unsigned 32-bit number
MIRROR_POINT = np.array([-1.0, 1.0, 1.0])
MIRROR_ROTVEC = np.array([1.0, -1.0, -1.0])  # a rotation vector is a pseudovector


def build_right() -> Model:
    """Build the right hand: MANO's keys, and `hands_variance` (45,) [rad^2]."""
    skeleton = build_skeleton()
    mesh = build_mesh(skeleton)
    poses = build_pose_space(skeleton.axes)
    weights = build_weights(mesh, skeleton)
    regressor = build_regressor(mesh.vertices, skeleton.joints, mesh.speaks_for)
    parents = np.where(np.array(PARENTS) < 0, ROOT_PARENT, PARENTS)
    return {
        "v_template": mesh.vertices,
        "shapedirs": build_shape_space(mesh, skeleton),
        "posedirs": build_pose_correctives(mesh, skeleton, weights),
        "J_regressor": regressor,
        "weights": weights,
        "f": mesh.faces.astype(np.uint32),
        "hands_components": poses.components,
        "hands_mean": poses.mean,
        "hands_coeffs": poses.coefficients,
        "hands_variance": poses.variance,
        "kintree_table": np.stack([parents, np.arange(16)]).astype(np.int64),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def mirror(model: Model) -> Model:
    """Return the other hand: the mirror image in the plane x = 0.

    A reflection S = diag(-1, 1, 1) turns a rotation R into S R S, so the entry (a, b) of R - I, to
    which the pose blend shapes are linear, changes sign where exactly one of a, b is x.
    """
    flip = np.outer(MIRROR_POINT, MIRROR_POINT).ravel()
    mirrored = dict(model)
    mirrored["v_template"] = model["v_template"] * MIRROR_POINT
    mirrored["shapedirs"] = model["shapedirs"] * MIRROR_POINT[:, None]
    mirrored["posedirs"] = model["posedirs"] * MIRROR_POINT[:, None] * np.tile(flip, 15)
    mirrored["f"] = np.ascontiguousarray(model["f"][:, ::-1])
    mirrored["hands_components"] = model["hands_components"] * np.tile(MIRROR_ROTVEC, 15)
    mirrored["hands_mean"] = model["hands_mean"] * np.tile(MIRROR_ROTVEC, 15)
    return mirrored


def write_npz(model: Model, path: Path) -> None:
    """Write a model as a compressed npz file, read by `numpy.load` without pickle."""
    with replacing(path) as file:
        np.savez_compressed(file, **model)


def write_pkl(model: Model, path: Path) -> None:
    """Write a model as the pickle that `smplx.MANO` reads, with a sparse `J_regressor`."""
    from scipy.sparse import csc_matrix

    with replacing(path) as file:
        pickle.dump({**model, "J_regressor": csc_matrix(model["J_regressor"])}, file, protocol=2)
