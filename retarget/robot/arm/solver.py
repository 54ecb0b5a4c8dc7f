"""From wrist poses to arm joints, lane by lane: which start, which stage, what was found.

A lane is one wrist pose with the joint positions the arm comes from. It is reached from there;
where that fails, from the known joint positions whose wrists are nearest to the pose. Of several
ways to reach it the one nearest to where the arm comes from is taken, of several failures the
smallest. What is reached then leans towards the posture, see `arm_stages.slide`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray, IntArray
from retarget.robot.arm.chain import Chain
from retarget.robot.arm.error import Lanes
from retarget.robot.arm.stages import approach, reach, slide

BLOCK = 512  # lanes solved at once: enough to hide Python's cost, few enough to stay in cache
FINALISTS = 4  # starts that failed least and are followed to their nearest pose
SWITCH = 1.05  # a moving arm leaves its nearest pose for one whose error is this much smaller


@dataclass(frozen=True)
class Solved:
    """What became of L lanes.

    Attributes:
        q: (L, n) joint positions within the limits [rad].
        position_error: (L,) [m].
        rotation_error: (L,) [rad].
        reached: (L,) the pose is reached within the tolerances.
        settled: (L,) it is, or q is a minimum of the pose error.
        iterations: (L,) evaluations of the kinematics' derivatives on the way to q.
    """

    q: FloatArray
    position_error: FloatArray
    rotation_error: FloatArray
    reached: BoolArray
    settled: BoolArray
    iterations: IntArray


@dataclass(frozen=True)
class ArmSolver:
    """Solves wrist poses in the arm's base frame; every lane by itself, whatever its neighbours.

    Attributes:
        chain: the arm.
        posture: (n,) joint positions to lean to [rad].
        position_tolerance: largest position error of a reached pose [m].
        rotation_tolerance: largest rotation error of a reached pose [rad].
        rotation_weight: w [m/rad]; the nearest pose minimises ``|dp|^2 + (w * angle)^2``.
        posture_gain: how far joints may lean to the posture for each metre that the wrist moved,
            in half ranges [1/m].
        lean: whether to lean to the posture at all.
        starts: further starts where the first fails.
        memory: known joint positions that those are taken from.
    """

    chain: Chain
    posture: FloatArray
    position_tolerance: float = 1e-6
    rotation_tolerance: float = 1e-5
    rotation_weight: float = 0.15
    posture_gain: float = 10.0
    lean: bool = True
    starts: int = 24
    memory: int = 2048

    def __post_init__(self) -> None:
        for name in ("position_tolerance", "rotation_tolerance", "rotation_weight"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")
        if not self.posture_gain >= 0.0:
            raise InputError(f"posture_gain must not be negative, got {self.posture_gain}")
        if not 0 <= self.starts <= self.memory:
            raise InputError(f"starts must be 0 to {self.memory}, got {self.starts}")

    def solve(self, target: FloatArray, start: FloatArray, moving: BoolArray) -> Solved:
        """Solve independent lanes.

        Args:
            target: (L, 4, 4) wanted ``T_base_wrist`` [m].
            start: (L, n) joint positions the arm comes from, within the limits [rad].
            moving: (L,) whether the arm was there just before: then it leans to the posture only as
                far as the wrist's way allows; otherwise all the way.
        """
        blocks = [
            self._solve_block(target[k : k + BLOCK], start[k : k + BLOCK], moving[k : k + BLOCK])
            for k in range(0, max(len(target), 1), BLOCK)
        ]
        if len(blocks) == 1:
            return blocks[0]
        names = Solved.__dataclass_fields__
        return Solved(*(np.concatenate([getattr(b, name) for b in blocks]) for name in names))

    def _solve_block(self, target: FloatArray, start: FloatArray, moving: BoolArray) -> Solved:
        scale = self.chain.half_range
        lanes = Lanes(self.chain, target, self.rotation_weight)
        origin = start / scale
        budget = np.where(moving, self.posture_gain * np.sqrt(lanes.at(origin).cost), np.inf)

        u, _, iterations = reach(lanes, origin)
        reached = self._reached(lanes, u)
        settled = reached.copy()
        failed = np.flatnonzero(~reached)
        if failed.size:
            u[failed], settled[failed], more = self._search(
                lanes.take(failed), u[failed], origin[failed], moving[failed]
            )
            iterations[failed] += more
            reached[failed] = self._reached(lanes.take(failed), u[failed])

        free = np.flatnonzero(reached & self.lean)
        u[free], more = slide(lanes.take(free), u[free], self.posture / scale, budget[free])
        iterations[free] += more
        low, high = lanes.limits
        q = np.where(u <= low, self.chain.lower, np.where(u >= high, self.chain.upper, u * scale))
        q = np.clip(q, self.chain.lower, self.chain.upper)
        position, rotation = lanes.at(q / scale).sizes
        return Solved(q, position, rotation, reached, settled, iterations)

    def _search(
        self, lanes: Lanes, u: FloatArray, origin: FloatArray, moving: BoolArray
    ) -> tuple[FloatArray, BoolArray, IntArray]:
        """Solve F lanes that did not come further than u from further starts.

        Returns:
            scaled joints (F, n), whether they reach or are a minimum (F,), iterations (F,).
        """
        each = np.arange(len(u))
        starts = self._nearest_known(lanes.target)
        many = lanes.take(np.repeat(each, self.starts))
        found, cost, tries = reach(many, starts.reshape(-1, u.shape[1]))
        shape = (len(u), self.starts)
        found, cost = found.reshape(*shape, -1), cost.reshape(shape)
        iterations = tries.reshape(shape).sum(axis=1)
        reached = self._reached(many, found.reshape(len(many.target), -1)).reshape(shape)
        far = np.sum((found - origin[:, None]) ** 2, axis=-1)
        best = u.copy()
        if self.starts:
            best = found[each, np.argmin(np.where(reached, far, np.inf), axis=1)]

        settled = np.any(reached, axis=1)
        lost = np.flatnonzero(~settled)
        if lost.size:
            finalists = np.argsort(cost[lost], axis=1, kind="stable")[:, :FINALISTS]
            candidates = np.concatenate(
                [u[lost, None], found[lost[:, None], finalists]], axis=1
            )  # where the arm would go by itself comes first
            count = candidates.shape[1]
            many = lanes.take(np.repeat(lost, count))
            ends, still, tries = approach(many, candidates.reshape(-1, u.shape[1]))
            cost = many.at(ends).cost.reshape(-1, count)
            # equal minima differ by rounding, and a moving arm does not flip between similar ones
            cost[:, 1:] *= np.where(moving[lost], SWITCH**2, 1.0 + 1e-6)[:, None]
            pick = np.arange(len(lost)), np.argmin(cost, axis=1)
            best[lost] = ends.reshape(len(lost), count, -1)[pick]
            settled[lost] = still.reshape(-1, count)[pick]
            iterations[lost] += tries.reshape(-1, count).sum(axis=1)
        return best, settled, iterations

    def _reached(self, lanes: Lanes, u: FloatArray) -> BoolArray:
        position, rotation = lanes.at(u).sizes
        return (position <= self.position_tolerance) & (rotation <= self.rotation_tolerance)

    def _nearest_known(self, target: FloatArray) -> FloatArray:
        """The known scaled joints (F, starts, n) whose wrists are nearest to targets (F, 4, 4)."""
        u, places = self._known
        here = _places(target, self.rotation_weight)
        distance = np.sum(places**2, axis=1) - 2.0 * here @ places.T
        order = np.argsort(distance, axis=1, kind="stable")[:, : self.starts]
        return u[order]

    @property
    def known_joints(self) -> FloatArray:
        """(memory, n) joint positions spread evenly over the limits, to start from [rad]."""
        return np.asarray(self._known[0] * self.chain.half_range)

    @cached_property
    def _known(self) -> tuple[FloatArray, FloatArray]:
        """Scaled joints (memory, n) spread evenly over the limits, and where their wrists are."""
        chain = self.chain
        spread = _spread(self.memory, chain.size) * 2.0 - 1.0
        q = np.clip(chain.middle + chain.half_range * spread, chain.lower, chain.upper)
        return q / chain.half_range, _places(chain.forward(q), self.rotation_weight)


def _places(T: FloatArray, weight: float) -> FloatArray:
    """Poses (L, 4, 4) as points (L, 12) whose distances are about those of the pose error [m]."""
    rotation = T[:, :3, :3].reshape(len(T), 9)
    return np.concatenate([T[:, :3, 3], weight / np.sqrt(2.0) * rotation], axis=1)


def _spread(count: int, axes: int) -> FloatArray:
    """Points (count, axes) evenly spread over the unit cube.

    The additive recurrence whose steps are the powers of the generalised golden ratio, the root of
    ``x^(axes + 1) = x + 1`` (Roberts 2018, "The unreasonable effectiveness of quasirandom
    sequences").
    """
    ratio = 2.0
    for _ in range(64):
        ratio = (1.0 + ratio) ** (1.0 / (axes + 1))
    steps = ratio ** -np.arange(1.0, axes + 1.0)
    return np.asarray((0.5 + np.outer(np.arange(1, count + 1), steps)) % 1.0)
