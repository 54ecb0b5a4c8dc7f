"""Actions between frames, poses as poses: positions as points, rotations as rotations.

A policy speaks in its camera's frame. Turning a rotation matrix as if its rows were points gives
a wrong rotation without any error: a camera that moves by 10 degrees then costs 14 degrees.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retarget.actions.layout import COMPONENTS, Action, action
from retarget.core.arrays import Array, as_array, as_numpy, like, namespace
from retarget.core.checks import missing_poses, require_rigid
from retarget.core.errors import InputError
from retarget.core.geometry import transform, transform_inverse
from retarget.core.types import FINGERS, HumanMotion, Status


def transform_action(T_a_b: Array, action_b: Action) -> Action:
    """An action in frame b, expressed in frame a.

    Args:
        T_a_b: (..., 4, 4) rigid transforms [m]; their leading axes broadcast against the action's
            batch axes. For a camera that moves from step to step: one for each step.
        action_b: wrist poses in frame b.

    Raises:
        InputError: not a rigid transform, axes that do not fit, or an action whose wrist positions
            are normalised.
    """
    T = _like_rigid(T_a_b, action_b.translation)
    if action_b.normalization is not None and action_b.normalization.moves_translation:
        raise InputError(
            "the action's wrist positions are normalised; undo that before changing frames"
        )
    _check_axes(T, action_b)
    xp = namespace(action_b.translation)
    R = T[..., None, :3, :3]
    turned = R @ action_b.rotation
    position = (R @ action_b.translation[..., None])[..., 0] + T[..., None, :3, 3]
    pca, status = action_b.pca, action_b.status
    if position.shape[:-1] != status.shape:
        pca = xp.broadcast_to(pca, (*position.shape[:-1], COMPONENTS))
        status = xp.broadcast_to(status, position.shape[:-1])
    known = action_b.known
    if not (xp is np and known.all()):  # a hand that is missing keeps its placeholders
        position = xp.where(known[..., None], position, action_b.translation)
        turned = xp.where(known[..., None, None], turned, action_b.rotation)
    return replace(action_b, translation=position, rotation=turned, pca=pca, status=status)


def to_camera(action_world: Action, T_camera_world: Array) -> Action:
    """An action in the world frame, expressed in the camera's OpenCV frame.

    Args:
        action_world: wrist poses in the world frame.
        T_camera_world: (..., 4, 4) world to camera, e.g. ``robot.cameras["main"].T_camera_world``.

    Raises:
        InputError: see `transform_action`.
    """
    return transform_action(T_camera_world, action_world)


def to_world(action_camera: Action, T_camera_world: Array) -> Action:
    """An action in the camera's OpenCV frame, expressed in the world frame; undoes `to_camera`.

    Raises:
        InputError: see `transform_action`.
    """
    return transform_action(transform_inverse(_rigid(T_camera_world)), action_camera)


def action_from_motion(motion: HumanMotion, T_camera_world: Array | None = None) -> Action:
    """Human motion as actions, in the world frame or in a camera's.

    Args:
        motion: (..., 2, K) coefficients, K up to 15, and poses.
        T_camera_world: (..., 4, 4) world to camera; the world frame where None.

    Raises:
        InputError: more than 15 components, a wrist that is no rigid transform, or see
            `transform_action`.
    """
    T = as_array(motion.T_world_mano, "T_world_mano", 4, 4)
    if namespace(T) is np:
        missing_poses(T, "T_world_mano", np.asarray(motion.status != Status.MISSING_INPUT))
    world = action(T[..., :3, 3], motion.pca, T[..., :3, :3], motion.status)
    return world if T_camera_world is None else to_camera(world, T_camera_world)


def motion_from_action(
    action_a: Action, hand: str, T_camera_world: Array | None = None
) -> HumanMotion:
    """Actions as human motion: what `Retargeter.to_robot` takes.

    Args:
        action_a: (...) actions in the world frame, or in a camera's where that is given.
        hand: hash of the hand model that gives the coefficients their meaning.
        T_camera_world: (..., 4, 4) world to camera, where the actions are in the camera's frame.

    Returns:
        Human motion whose residuals are NaN and iterations 0: nothing was fitted. Hands whose
        status is MISSING_INPUT are NaN.

    Raises:
        InputError: the action is normalised, or see `transform_action`.
    """
    if action_a.normalization is not None:
        raise InputError(
            f"the action is normalised ({action_a.normalization.kind}); undo that before using it"
        )
    world = action_a if T_camera_world is None else to_world(action_a, T_camera_world)
    translation, pca, rotation = (
        as_numpy(values) for values in (world.translation, world.pca, world.rotation)
    )
    status = np.asarray(as_numpy(world.status), dtype=np.int64)
    lost = (status == Status.MISSING_INPUT)[..., None]
    poses = transform(rotation, translation)
    return HumanMotion(
        pca=np.where(lost, np.nan, pca),
        T_world_mano=np.where(lost[..., None], np.nan, poses),
        residual=np.full((*status.shape, len(FINGERS)), np.nan),
        iterations=np.zeros(status.shape, dtype=np.int64),
        status=status,
        hand=hand,
    )


def _like_rigid(T_a_b: Array, kind: Array) -> Array:
    """Transforms (..., 4, 4) as an array of the same kind; see `_rigid`."""
    T = _rigid(T_a_b)  # looked at before half precision rounds it
    if namespace(T) is not namespace(kind):
        return like(as_numpy(T), kind)
    return T if namespace(T) is np else T.to(dtype=kind.dtype, device=kind.device)


def _rigid(T_a_b: Array) -> Array:
    """Transforms (..., 4, 4), in single precision at least.

    Raises:
        InputError: another shape, or a transform that is not rigid.
    """
    T = as_array(T_a_b, "T_a_b", 4, 4)
    if namespace(T) is not np and T.element_size() < 4:
        T = T.float()  # products of half precision round too much
    require_rigid(T, "T_a_b")
    return T


def _check_axes(T: Array, action_b: Action) -> None:
    try:
        np.broadcast_shapes(tuple(T.shape[:-2]), action_b.shape)
    except ValueError:
        raise InputError(
            f"T_a_b {tuple(T.shape)} does not fit an action of batch axes {action_b.shape}"
        ) from None
