"""One Gauss-Newton step of a user's shape over many frames, their poses and wrists eliminated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retarget.core.geometry import skew
from retarget.core.types import FloatArray
from retarget.human import skinning
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import KEYPOINT_COUNT, KEYPOINT_ORDER, TIP_VERTICES
from retarget.human.mano_format import JOINTS
from retarget.human.native_keypoints import WRIST_SCALE, NativeKeypoints
from retarget.human.skinning_derivatives import points_and_jacobian
from retarget.human.user import User
from retarget.human.user_shape import ShapeDirections, rest_hand

PRIOR = (
    1e-6  # weight of the squared standardised numbers of the shape, of all frames together [m^2]
)


def shape_step(
    hand: HandModel,
    user: User,
    directions: ShapeDirections,
    points: FloatArray,
    weights: FloatArray,
    sigma: FloatArray,
) -> FloatArray:
    """The Gauss-Newton step of the shape's numbers, the poses following.

    Args:
        hand: the model of the right hand.
        user: where the step starts.
        directions: how the rest hand moves with the shape's numbers.
        points: (n, 21, 3) right hands [m], NaN where missing.
        weights: (n, 21) what each keypoint counts, 0 where missing.
        sigma: (K,) standard deviations of the pose coefficients [rad].

    Returns:
        (27,) step, in standard deviations.
    """
    native = NativeKeypoints(hand, user, len(sigma), sigma, quick=False)
    fits = native.fit(points, weights, noise=user.noise, tolerance=1e-6)
    use = fits.fitted & fits.converged
    pca, root, seen, w = fits.pca[use], fits.root[use], points[use], weights[use]
    n, count = len(pca), len(directions.spread)
    rest = rest_hand(hand, user)
    order = list(KEYPOINT_ORDER)
    # skinning knows joints, then tips
    model_order = np.argsort(order)
    constants = skinning.constants(
        hand, tuple(TIP_VERTICES.values()), range(JOINTS), np.asarray, lambda v: v
    )
    at_rest = replace(constants, joints=rest.joints, template=rest.keypoints[model_order])
    if constants.posedirs is not None:
        at_rest = replace(
            at_rest, posedirs=user.size * constants.posedirs, swing=user.size * constants.swing
        )
    pose, basis = hand.mean + pca @ hand.components[: len(sigma)], hand.components[: len(sigma)]
    posed, by_pose, _ = points_and_jacobian(np, at_rest, pose, basis)
    posed, by_pose = posed[:, order], by_pose[:, order]
    by_shape = np.empty((n, KEYPOINT_COUNT, 3, count))
    for k in range(count):
        moved = replace(
            at_rest,
            joints=directions.joints[k],
            template=directions.keypoints[k][model_order],
            posedirs=None,
        )
        by_shape[..., k] = skinning.posed_points(np, moved, pose)[:, order]
    # the residuals in the hand's own frame
    local = np.einsum("nji,npj->npi", root[:, :3, :3], seen - root[:, None, :3, 3])
    residual = np.where(w[..., None] > 0.0, posed - rest.joints[0] - local, 0.0)
    robust = np.minimum(1.0, 3.0 * user.noise / np.maximum(np.abs(residual), 1e-12))
    scale = np.sqrt(w[..., None] * robust)
    arm = posed - rest.joints[0]
    by_wrist = np.concatenate(
        [
            -skew(arm) * WRIST_SCALE[0],
            np.broadcast_to(WRIST_SCALE[1] * np.eye(3), (n, KEYPOINT_COUNT, 3, 3)),
        ],
        axis=-1,
    )
    free = np.concatenate([by_pose * sigma, by_wrist], axis=-1) * scale[..., None]
    free = free.reshape(n, KEYPOINT_COUNT * 3, -1)
    prior = np.zeros((len(sigma), len(sigma) + 6))
    prior[:, : len(sigma)] = user.noise * np.eye(len(sigma))
    eliminated = np.concatenate([free, np.broadcast_to(prior, (n, *prior.shape))], axis=1)
    shape = (by_shape * directions.spread * scale[..., None]).reshape(n, KEYPOINT_COUNT * 3, count)
    kept = np.concatenate([shape, np.zeros((n, len(sigma), count))], axis=1)
    r = np.concatenate([(residual * scale).reshape(n, -1), user.noise * pca / sigma], axis=1)
    Q, _ = np.linalg.qr(eliminated)
    kept -= Q @ (np.swapaxes(Q, 1, 2) @ kept)
    standard = np.tensordot(directions.stretch, user.stretch - 1.0, 2)
    standard = (standard + np.tensordot(directions.palm, user.palm, 2)) / directions.spread
    gram = np.einsum("nia,nib->ab", kept, kept) + PRIOR * np.eye(count)
    gradient = np.einsum("nia,ni->a", kept, r) + PRIOR * standard
    return np.asarray(np.linalg.solve(gram, -gradient))
