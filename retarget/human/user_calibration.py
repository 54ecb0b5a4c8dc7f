"""Finds a user from keypoints: sizes of the hands, the tracker's noise, and where fingertips touch.

Bones and palm are found by Gauss-Newton on the cost of `KeypointFitter` over frames that are spread
through the recording, with poses and wrists eliminated (variable projection, Golub and Pereyra
1973).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.checks import numbers
from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray, side_index
from retarget.human.hand_model import MIRROR, HandModel, load_hands
from retarget.human.keypoint_fitter import BOTH
from retarget.human.keypoints import KEYPOINT_COUNT, KEYPOINT_TIPS, tip_gaps
from retarget.human.native_keypoints import FEWEST, NativeKeypoints
from retarget.human.shape_step import shape_step
from retarget.human.user import CONTACT_GAP, NOISE, User
from retarget.human.user_shape import PALM, rest_hand, shape_directions

FEWEST_FRAMES = 20
SAMPLES = 200
COMPONENTS = 15
_STEPS = 12
_LONGEST = 3.0  # standard deviations in one step
_DONE = 1e-4
_NEAR = 0.03  # [m] fingers that come no closer never touched
_LEAST_GAP = 0.005
_LEAST_NOISE = 2e-4  # [m]
_MOST_NOISE = 1e-2
_RIGHT = SIDES.index("right")


def calibrate_user(
    keypoints: ArrayLike,
    valid: ArrayLike | None = None,
    *,
    side: str | int = BOTH,
    hands: tuple[HandModel, HandModel] | None = None,
    layout: str = "",
) -> User:
    """What is found of a person from a recording of either hand or both.

    Args:
        keypoints: (T, 2, 21, 3) in any frame [m], NaN where missing, or (T, 21, 3) of one side.
        valid: (T, 2) or (T,) False where a hand is not to be looked at.
        side: "both", "left" or "right", or 0 or 1.
        hands: models of the left and the right hand; None is the open hand.
        layout: name of the tracker's layout, to be kept.

    Raises:
        InputError: shapes do not agree, or fewer than 20 frames show a hand.
    """
    seen = numbers(keypoints, "keypoints")
    sides = (0, 1) if side == BOTH else (side_index(side),)
    wanted = (2, KEYPOINT_COUNT, 3) if side == BOTH else (KEYPOINT_COUNT, 3)
    if seen.shape[1:] != wanted:
        shape = ", ".join(map(str, wanted))
        raise InputError(f"keypoints must have shape (T, {shape}), got {seen.shape}")
    seen = seen.reshape(-1, len(sides), KEYPOINT_COUNT, 3)
    shown = np.isfinite(seen).all(axis=-1).sum(axis=-1) >= FEWEST
    if valid is not None:
        given = np.asarray(valid, dtype=np.bool_).reshape(-1, len(sides))
        if given.shape != shown.shape:
            raise InputError(f"valid must have shape {shown.shape}, got {given.shape}")
        shown &= given
    # a left hand is looked at in the mirror
    points = np.concatenate(
        [seen[shown[:, k], k] * (1.0 if s == _RIGHT else MIRROR) for k, s in enumerate(sides)]
    )
    if len(points) < FEWEST_FRAMES:
        raise InputError(
            f"a user is found from at least {FEWEST_FRAMES} frames of a hand, got {len(points)}",
            value=len(points),
        )
    hand = (hands if hands is not None else load_hands())[_RIGHT]
    user = _shaped(hand, points)
    names = tuple(SIDES[s] for k, s in enumerate(sides) if shown[:, k].any())
    return replace(
        user,
        contact_gap=contact_gaps(points),
        layout=layout,
        sides=names,
        frames=len(points),
    )


def contact_gaps(keypoints: FloatArray) -> FloatArray:
    """How far the thumb's tip is from the others' when they touch, (4,) [m].

    Fingers that touch stay where they are: the distance of a finger that touches now and then is
    often near its least. Where it never comes close, `CONTACT_GAP`.
    """
    gaps = tip_gaps(keypoints[:, list(KEYPOINT_TIPS)])
    known = [g[np.isfinite(g)] for g in gaps.T]  # some layouts have no tips
    least = np.array([np.percentile(g, 1.0) if g.size else 1.0 for g in known])
    return np.where(least < _NEAR, np.maximum(least, _LEAST_GAP), CONTACT_GAP)


def _shaped(hand: HandModel, points: FloatArray) -> User:
    """Size, bones, palm and noise from right hands (n, 21, 3)."""
    pick = np.unique(np.linspace(0, len(points) - 1, min(len(points), SAMPLES)).astype(int))
    sample = points[pick]
    weights = np.isfinite(sample).all(axis=-1).astype(np.float64)
    user = User(size=palm_size(hand, sample), noise=NOISE)
    directions = shape_directions(hand, user)
    for _ in range(2):  # the noise tells how much the prior on poses counts
        for _ in range(_STEPS):
            step = shape_step(hand, user, directions, sample, weights, hand.sigma[:COMPONENTS])
            length = float(np.linalg.norm(step))
            step = step * directions.spread * min(1.0, _LONGEST / max(length, 1e-12))
            stretch = user.stretch + np.tensordot(step, directions.stretch, 1)
            palm = user.palm + np.tensordot(step, directions.palm, 1)
            user = replace(user, stretch=np.clip(stretch, 0.1, 10.0), palm=np.clip(palm, -0.2, 0.2))
            if length < _DONE:
                break
        user = replace(user, noise=_noise(hand, user, sample, weights))
    return user


def palm_size(hand: HandModel, points: FloatArray) -> float:
    """Spread of the palm's keypoints (n, 21, 3) over that of the hand model's: the median over n.

    Raises:
        InputError: no frame has wrist and knuckles, or it is not 0.2 to 5.
    """
    palm = points[:, list(PALM)]
    palm = palm[np.isfinite(palm).all(axis=(1, 2))]
    if len(palm) == 0:
        raise InputError("a user is found from wrist and knuckles, but no frame has all of them")
    rest = rest_hand(hand).keypoints[list(PALM)]
    seen, model = (
        np.sqrt(np.square(p - p.mean(axis=-2, keepdims=True)).sum(axis=(-2, -1)))
        for p in (palm, rest)
    )
    size = float(np.median(seen) / model)
    if not 0.2 <= size <= 5.0:
        raise InputError(
            f"the hands are {size:.3g} times the size of the hand model's: keypoints must be in "
            "metres, wrist first",
            value=size,
        )
    return size


def _noise(hand: HandModel, user: User, points: FloatArray, weights: FloatArray) -> float:
    """Standard deviation of a coordinate [m], by the median, which outliers do not move."""
    native = NativeKeypoints(hand, user, COMPONENTS, hand.sigma[:COMPONENTS], quick=False)
    fits = native.fit(points, weights, noise=user.noise)
    squares = fits.residual[fits.fitted] ** 2
    known = np.isfinite(squares)
    # of a squared distance in three dimensions the median is 2.366 variances
    freedom = 1.0 - (COMPONENTS + 6) / (3.0 * known.sum(axis=-1).mean())
    noise = np.sqrt(np.median(squares[known]) / 2.366 / freedom)
    return float(np.clip(noise, _LEAST_NOISE, _MOST_NOISE))
