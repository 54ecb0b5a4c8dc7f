"""Mistakes in the order and the handedness of keypoints, told by which guess fits a hand best.

Each mistake is a guess of what the keypoints are: fingers, or joints, in another order, of the
other hand. All guesses are fitted to the hand model at the size of the palm, in frames that are
spread through the whole recording, and a guess must fit clearly better than the keypoints as they
are. No single frame is judged: one frame in four may look like the other hand's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from retarget.core.errors import InputError
from retarget.core.types import FINGERS, SIDES, BoolArray, FloatArray
from retarget.data.people.foreign_mano import ForeignMano, mirrored_rotations
from retarget.human.hand_model import MIRROR, HandModel
from retarget.human.keypoint_layouts import ABSENT, LAYOUTS, KeypointLayout, layouts_of
from retarget.human.keypoints import KEYPOINT_COUNT
from retarget.human.native_keypoints import FEWEST, NativeKeypoints
from retarget.human.user import NOISE, User
from retarget.human.user_calibration import COMPONENTS, palm_size

ORDER_FRAMES = 12  # of a hand, in which all orders are tried
SIDE_FRAMES = 300
_TOLERANCE = 1e-3  # standard deviations; costs to a per mille
_ORDER_BETTER = 1.5  # times lower cost (median), by which another order is taken for the true one
_SIDE_BETTER = 1.25
_AGREE = 0.75  # of the frames must say the same
_SIMPLER = 1.3  # times lower cost that a second mistake must bring
_RIGHT = SIDES.index("right")


@dataclass(frozen=True)
class FitMistake:
    """What fits a hand better than the keypoints as they are.

    Attributes:
        order: what the order is, in words; "" where it is right.
        other_side: they are of the other hand.
        better: how many times lower the cost of the fit is, the median over frames.
        agree: fraction of the frames that say so.
    """

    order: str
    other_side: bool
    better: float
    agree: float


def keypoint_mistake(
    keypoints: FloatArray, side: int, hand: HandModel, layout: str = "mano21"
) -> FitMistake | None:
    """The mistake in the keypoints of one hand; None where they fit best as they are.

    Args:
        keypoints: (T, 21, 3) in any frame [m]; NaN where missing. Frames with fewer than 11 are
            left out.
        side: the hand that they are said to be of, 0 left, 1 right.
        hand: model of the right hand.
        layout: name of the one that they were read in.
    """
    known = np.isfinite(keypoints).all(axis=-1).sum(axis=-1) >= FEWEST
    points = keypoints[known] * (1.0 if side == _RIGHT else MIRROR)
    if len(points) == 0:
        return None
    solver = _solver(hand)
    few = points[_spread(len(points), ORDER_FRAMES)]
    texts, orders = zip(*_orders(LAYOUTS[layout]), strict=True)
    guesses = np.stack([_take(few, order) for order in orders])  # (G, n, 21, 3)
    costs = np.stack([_costs(solver, hand, guesses, m) for m in (False, True)])  # (2, G, n)
    middle = np.median(costs, axis=-1)
    # the simplest guess that fits as well as any: no mistake, one, two
    guessed = [(0, 0), (1, 0), (0, int(np.argmin(middle[0]))), (1, int(np.argmin(middle[1])))]
    best = next(at for at in guessed if middle[at] <= _SIMPLER * middle.min())
    if best[1] == 0:
        return _other_side(solver, hand, points)
    better = costs[0, 0] / costs[best]
    found = FitMistake(
        texts[best[1]],
        bool(best[0]),
        float(middle[0, 0] / middle[best]),
        float((better > 1.0).mean()),
    )
    return found if found.better >= _ORDER_BETTER and found.agree >= _AGREE else None


def pose_mistake(
    pose: ForeignMano, valid: BoolArray, hands: tuple[HandModel, HandModel]
) -> tuple[FitMistake | None, FitMistake | None]:
    """Of the left and the right hand, whether its joints turn as those of the other hand do.

    Only rotations tell: coefficients are of the side that they are read for.

    Args:
        pose: (T, 2) hands.
        valid: (T, 2) the hands to look at.
        hands: models of both hands.
    """
    if pose.rotations is None:
        return None, None
    seen = pose.keypoints(hands)
    mirrored = replace(pose, rotations=mirrored_rotations(pose.rotations)).keypoints(hands)
    solver = _solver(hands[_RIGHT])
    found: list[FitMistake | None] = []
    for side in range(len(SIDES)):
        frames = np.flatnonzero(valid[:, side])
        if len(frames) == 0:
            found.append(None)
            continue
        frames = frames[_spread(len(frames), SIDE_FRAMES)]
        flip = 1.0 if side == _RIGHT else MIRROR
        costs = [
            _costs(solver, hands[_RIGHT], points[None, frames, side] * flip, False)[0]
            for points in (seen, mirrored)
        ]
        found.append(_judged(*costs))
    return found[0], found[1]


def _other_side(solver: NativeKeypoints, hand: HandModel, points: FloatArray) -> FitMistake | None:
    """Whether the hand is the other one, by frames of the whole recording."""
    spread = points[None, _spread(len(points), SIDE_FRAMES)]
    return _judged(*(_costs(solver, hand, spread, mirrored)[0] for mirrored in (False, True)))


def _judged(as_it_is: FloatArray, mirrored: FloatArray) -> FitMistake | None:
    better = float(np.median(as_it_is) / np.median(mirrored))
    agree = float((mirrored < as_it_is).mean())
    if better >= _SIDE_BETTER and agree >= _AGREE:
        return FitMistake("", True, better, agree)
    return None


def _solver(hand: HandModel) -> NativeKeypoints:
    return NativeKeypoints(hand, User(), COMPONENTS, hand.sigma[:COMPONENTS], quick=False)


def _costs(
    solver: NativeKeypoints, hand: HandModel, guesses: FloatArray, mirrored: bool
) -> FloatArray:
    """Cost a keypoint (G, n) of guesses (G, n, 21, 3), each at the model's size [m^2]."""
    sized = np.stack([guess / _size(hand, guess) for guess in guesses])
    flat = sized.reshape(-1, KEYPOINT_COUNT, 3) * (MIRROR if mirrored else 1.0)
    known = np.asarray(np.isfinite(flat).all(axis=-1))
    fits = solver.fit(flat, np.asarray(known, dtype=np.float64), noise=NOISE, tolerance=_TOLERANCE)
    cost = np.where(fits.fitted, fits.cost / np.maximum(known.sum(axis=-1), 1), np.inf)
    return np.asarray(cost.reshape(sized.shape[:2]))


def _size(hand: HandModel, points: FloatArray) -> float:
    try:
        return palm_size(hand, points)
    except InputError:  # no palm is whole, or this guess makes none
        return 1.0


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """At most so many numbers out of `count`, evenly spread."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).astype(np.intp))


def _take(points: FloatArray, order: tuple[int, ...]) -> FloatArray:
    places = np.array(order)
    taken = points[..., places, :]
    taken[..., places == ABSENT, :] = np.nan
    return taken


def _orders(layout: KeypointLayout) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each guess in words, and where each keypoint is if it holds; the first is no mistake."""
    count = len(FINGERS)
    seen: set[tuple[int, ...]] = set()
    for order in permutations(range(count)):
        # finger f stands where finger order[f] should
        places = (0, *(1 + 4 * f + k for f in order for k in range(4)))
        stands = [FINGERS[order.index(place)] for place in range(count)]
        yield f"the fingers are in the order {', '.join(stands)}", places
    tip_first = (0, *(1 + 4 * f + k for f in range(count) for k in (3, 2, 1, 0)))
    by_joint = (0, *(1 + count * k + f for f in range(count) for k in range(4)))
    for text, places in (
        ("each finger goes from its tip to its base", tip_first),
        ("the joints go by rows, all bases first", by_joint),
        ("the joints go by rows, all tips first", (0, *(by_joint[p] for p in tip_first[1:]))),
    ):
        yield text, places
    if len(layout.joints) == KEYPOINT_COUNT:
        yield "the wrist comes last", (KEYPOINT_COUNT - 1, *range(KEYPOINT_COUNT - 1))
    for true in layouts_of(len(layout.joints)):
        if true.mano21 not in seen and true.mano21 != layout.mano21:
            seen.add(true.mano21)
            places = tuple(
                layout.mano21.index(at) if at != ABSENT and at in layout.mano21 else ABSENT
                for at in true.mano21
            )
            yield f"the joints are in the order of {true.name}, read as {layout.name}", places
