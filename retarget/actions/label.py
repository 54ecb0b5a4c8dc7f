"""The 46 numbers of one step of a training label: image points, wrists, coefficients, rotations.

``2D (4) | xyz (6) | PCA (30) | rotation vectors (6)``, left then right in each, in a camera's
OpenCV frame: EgoVLA's layout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retarget.actions.layout import (
    COMPONENTS,
    HANDS,
    Action,
    action,
    fields,
    join_hands,
    split_hands,
)
from retarget.core.arrays import Array, as_array, like, namespace, same_kind
from retarget.core.errors import InputError
from retarget.core.geometry import rotvec_from_rotation
from retarget.human.skinning import rotation_minus_identity
from retarget.robot.spec import Camera

LABEL_FIELDS = fields(("image", 2), ("translation", 3), ("pca", COMPONENTS), ("rotvec", 3))
LABEL_SIZE = 46
_LARGEST_TURN = 1e6  # [rad], beyond which a rotation vector has no digits left


@dataclass(frozen=True)
class Label:
    """What a policy is trained on, for any number of steps.

    Attributes:
        image: (..., 2, 2) where the camera sees the wrists, as fractions of the image's width and
            height: 0 to 1 within the image, whatever size the policy is fed; NaN where a wrist is
            missing or not ahead of the camera.
        action: (...) wrists and coefficients, in the camera's frame.
    """

    image: Array
    action: Action


def make_label(action_camera: Action, camera: Camera) -> Label:
    """The label of an action in the camera's frame.

    Args:
        action_camera: (...) wrist poses in the OpenCV frame of that camera.
        camera: gives the intrinsics.

    Raises:
        InputError: the action's wrist positions are normalised.
    """
    if action_camera.normalization is not None and action_camera.normalization.moves_translation:
        raise InputError("the action's wrist positions are normalised; undo that before projecting")
    image = project(camera, action_camera.translation)
    xp = namespace(image)
    image = xp.where(action_camera.known[..., None], image, float("nan"))
    return Label(image, action_camera)


def project(camera: Camera, points: Array) -> Array:
    """Pinhole projection: points (..., 3) in the camera's OpenCV frame [m] -> (..., 2).

    Returns:
        Fractions of the image's width (rightwards) and height (downwards); NaN where a point is not
        ahead of the camera.
    """
    points = as_array(points, "points", 3)
    xp = namespace(points)
    depth = points[..., 2:]
    ahead = depth > 0.0
    flat = points[..., :2] / xp.where(ahead, depth, 1.0)
    focal = like(np.array([camera.fx / camera.width, camera.fy / camera.height]), points)
    centre = like(np.array([camera.cx / camera.width, camera.cy / camera.height]), points)
    return xp.where(ahead, focal * flat + centre, float("nan"))


def pack_label(label: Label) -> Array:
    """The label as vectors (..., 46); a hand whose status is MISSING_INPUT is NaN there.

    Raises:
        InputError: a field has the wrong shape.
    """
    image = as_array(label.image, "image", HANDS, 2)
    translation = as_array(label.action.translation, "translation", HANDS, 3)
    pca = as_array(label.action.pca, "pca", HANDS, COMPONENTS)
    rotation = as_array(label.action.rotation, "rotation", HANDS, 3, 3)
    same_kind("image, translation, pca and rotation", image, translation, pca, rotation)
    return join_hands(label.action.known, image, translation, pca, rotvec_from_rotation(rotation))


def unpack_label(vector: Array) -> Label:
    """Named fields of vectors (..., 46).

    A hand is MISSING_INPUT where one of its numbers, those of the image aside, is not finite.

    Raises:
        InputError: the last axis is not 46 long.
    """
    vector = as_array(vector, "vector", LABEL_SIZE)
    xp = namespace(vector)
    image, translation, pca, rotvec = (
        split_hands(vector, field) for field in LABEL_FIELDS.values()
    )
    sound = (abs(rotvec) < _LARGEST_TURN).all(-1)[..., None]
    turned = rotation_minus_identity(xp, xp.where(sound, rotvec, 0.0))
    rotation = turned + like(np.eye(3), vector)
    # what is not a rotation vector is not a rotation either
    rotation = xp.where(sound[..., None], rotation, float("nan"))
    return Label(image, action(translation, pca, rotation))
