"""Mistakes of keypoints that fits of hands tell: fingers in another order, the other hand's side.

An order is tried on hands of the model's own bones, brought to the person's size: the true one fits
by far best. Sides are told over the whole recording, never by a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from retarget.core.types import FINGERS, SIDES, FloatArray, IntArray
from retarget.data.demo.findings import Finding
from retarget.human.hand_model import HandModel
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoints import KEYPOINT_COUNT
from retarget.human.user import User
from retarget.human.user_shape import rest_hand

SAMPLES = 40  # hands an order is tried on
BETTER = 1.3  # times the cost in another order from which that one is true
OTHER_SIDE = 1.15  # times the cost as the other side's hand from which it is one
NOISE = 0.002  # [m] of trackers, for the costs
FEWEST = 10  # known hands without which nothing is said


def fit_mistakes(keypoints: FloatArray, hands: tuple[HandModel, HandModel]) -> Iterator[Finding]:
    """What fits say is wrong with keypoints (T, 2, 21, 3) [m].

    Args:
        keypoints: of both hands, NaN where missing.
        hands: models of the left and the right hand.
    """
    orders = _orders()
    swapped = []
    for side, name in enumerate(SIDES):
        seen = keypoints[:, side]
        seen = seen[(np.isfinite(seen).all(axis=-1).sum(axis=-1)) >= KEYPOINT_COUNT - 5]
        if len(seen) < FEWEST:
            continue
        pick = np.unique(np.linspace(0, len(seen) - 1, min(len(seen), SAMPLES)).astype(int))
        sample = seen[pick]
        as_given = _cost(sample, side, hands)
        others = {words: _cost(sample[:, order], side, hands) for words, order in orders}
        words, best = min(others.items(), key=lambda item: item[1])
        other_side = _cost(sample, 1 - side, hands)
        # a mirrored hand is much like one whose fingers are in the opposite order
        if other_side <= best:
            if as_given > OTHER_SIDE * other_side:
                swapped.append(name)
        elif best * BETTER < as_given:
            yield Finding(
                "finger_order",
                f"the {name} hand's keypoints fit {as_given / best:.1f} times better as {words}: "
                "the fingers look to be in another order",
                side=name,
                severity=as_given / best,
            )
    if len(swapped) == len(SIDES):
        yield Finding(
            "handedness",
            "both hands fit better as the other side's over the whole recording: left and right "
            "look swapped, or the picture was mirrored",
            severity=1.0,
        )
    elif swapped:
        [name] = swapped
        other = SIDES[1 - SIDES.index(name)]
        yield Finding(
            "handedness",
            f"the {name} hand fits better as a {other} one over the whole recording: it looks like "
            f"a {other} hand, or the picture was mirrored",
            side=name,
            severity=1.0,
        )


def _cost(sample: FloatArray, side: int, hands: tuple[HandModel, HandModel]) -> float:
    """What the fit of a hand of the person's size leaves of its cost, per hand [m^2]."""
    rest = rest_hand(hands[side]).keypoints
    size = float(np.nanmedian(_spread(sample)) / _spread(rest))
    user = User(size=min(max(size, 0.3), 3.0), noise=NOISE)
    fitter = KeypointFitter(side, user, hands=hands, tolerance=1e-4)
    motion = fitter.fit(sample)
    off, beta = np.nan_to_num(motion.residual[:, side]), 3.0 * NOISE
    z = motion.pca[:, side] / fitter.sigma[side]
    robust = np.where(off < beta, off**2, 2.0 * beta * off - beta**2).sum(axis=-1)
    return float(np.nanmean(robust + NOISE**2 * (z**2).sum(axis=-1)))


def _spread(keypoints: FloatArray) -> FloatArray:
    """How far apart all points of a hand are, which no order changes (...) [m]."""
    middle = np.nanmean(keypoints, axis=-2, keepdims=True)
    return np.asarray(np.sqrt(np.nansum((keypoints - middle) ** 2, axis=(-2, -1))))


def _orders() -> list[tuple[str, IntArray]]:
    """Orders that people mistake for each other: which given keypoint is each of the 21."""
    found = []
    for order in permutations(range(len(FINGERS))):
        if order != tuple(range(len(FINGERS))):
            words = ", ".join(FINGERS[order.index(k)] for k in range(len(FINGERS)))
            found.append((words, _of_fingers(order, reverse=False)))
    straight = tuple(range(len(FINGERS)))
    found.append(("each finger from tip to base", _of_fingers(straight, reverse=True)))
    return found


def _of_fingers(order: tuple[int, ...], *, reverse: bool) -> IntArray:
    """The 21 keypoints, finger k standing where the given ones have finger ``order[k]``."""
    places = [0]
    for finger in order:
        bones = [1 + 4 * finger + joint for joint in range(4)]
        places += bones[::-1] if reverse else bones
    return np.array(places, dtype=np.int64)
