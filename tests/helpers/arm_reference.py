"""Inverse kinematics of an arm in plain numpy: what the native core is held against in tests.

The same problem solved by other code, many wrist poses at once, each by itself. A pose is reached
from where the arm comes from; where that fails, from the known joint positions whose wrists are
nearest to it. Of several ways to reach it the one nearest to where the arm comes from is taken, of
several failures the smallest. Stages, in scaled joints ``u = q / half_range``:

1. `reach`: Levenberg-Marquardt on the pose error within the limits;
2. `approach`, where the pose cannot be reached: Newton's method to the nearest one;
3. `slide`, where it can: Newton's method on the distance to the posture, along the joint positions
   that keep the wrist where it is.

The error is ``r = (p - p*, w log(R R*^T))`` [m], in base axes, with w the rotation weight [m/rad].
The logarithm has no false zero at 180 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from retarget.core.checks import read_poses
from retarget.core.geometry import (
    rotation_from_rotvec,
    rotvec_from_rotation,
    transform,
    transform_inverse,
)
from retarget.core.types import ArmSolution, BoolArray, FloatArray, IntArray, Status
from retarget.robot.arm.chain import Chain
from retarget.robot.arm.ik import ArmIK
from retarget.robot.arm.native import AT_LIMIT, ArmSettings

GOAL = 1e-12  # |r| that ends a reach [m]
STILL = 1e-9  # slope of |r|^2 / 2 along each scaled joint at a minimum [m^2]
STEP = 1e-10  # step of the scaled joints that ends an approach or a slide
FINALISTS = 4  # starts that failed least and are followed to their nearest pose
SWITCH = 1.05  # a moving arm leaves its nearest pose for one whose error is this much smaller
FIELDS = ("q", "position_error", "rotation_error", "status", "iterations")


@dataclass(frozen=True)
class WantedPoses:
    """L wrist poses to reach with one arm, each a problem of its own.

    Attributes:
        chain: the arm, n joints.
        target: (L, 4, 4) wanted ``T_base_wrist`` [m].
        weight: rotation weight w [m/rad].
    """

    chain: Chain
    target: FloatArray
    weight: float

    def take(self, which: IntArray | BoolArray) -> WantedPoses:
        """Some of them, by number or by mask."""
        return replace(self, target=self.target[which])

    @cached_property
    def limits(self) -> tuple[FloatArray, FloatArray]:
        """(n,) lower and upper limits of the scaled joints."""
        scale = self.chain.half_range
        return self.chain.lower / scale, self.chain.upper / scale

    def at(self, u: FloatArray) -> WristError:
        """The error and its derivatives at scaled joints (L, n)."""
        scale = self.chain.half_range
        T, axes, origins = frames(self.chain, u * scale)
        axes = axes * scale[:, None]
        levers = cross(axes, T[:, None, :3, 3] - origins)
        turn = rotation_error(T[:, :3, :3], self.target[:, :3, :3])
        residual = np.concatenate(
            [T[:, :3, 3] - self.target[:, :3, 3], self.weight * turn], axis=-1
        )
        jacobian = np.concatenate([levers, self.weight * axes], axis=-1)
        return WristError(residual, jacobian, np.sum(residual**2, axis=-1), self.weight)


@dataclass(frozen=True)
class WristError:
    """Errors of L poses and how the n scaled joints move the wrist.

    Attributes:
        residual: (L, 6) position error, then w times the rotation error [m].
        jacobian: (L, n, 6) for each joint its linear, then w times its angular velocity [m].
        cost: (L,) squared length of the residual [m^2].
        weight: rotation weight w [m/rad].
    """

    residual: FloatArray
    jacobian: FloatArray
    cost: FloatArray
    weight: float

    def take(self, which: IntArray | BoolArray) -> WristError:
        """Some of them, by number or by mask."""
        return WristError(self.residual[which], self.jacobian[which], self.cost[which], self.weight)

    def where(self, replaced: BoolArray, other: WristError) -> WristError:
        """This error with those of a mask taken from another."""
        return WristError(
            np.where(replaced[:, None], other.residual, self.residual),
            np.where(replaced[:, None, None], other.jacobian, self.jacobian),
            np.where(replaced, other.cost, self.cost),
            self.weight,
        )

    @property
    def sizes(self) -> tuple[FloatArray, FloatArray]:
        """Position error [m] and rotation error [rad], (L,) each."""
        position, rotation = self.residual[:, :3], self.residual[:, 3:] / self.weight
        return np.sqrt(np.sum(position**2, axis=1)), np.sqrt(np.sum(rotation**2, axis=1))

    @property
    def gradient(self) -> FloatArray:
        """(L, n) gradient of cost / 2 [m^2].

        Exact with the angular velocity in place of the logarithm's derivative, as the logarithm's
        left Jacobian leaves the logarithm itself unchanged.
        """
        return np.asarray((self.jacobian @ self.residual[..., None])[..., 0])

    @property
    def normal(self) -> FloatArray:
        """(L, n, n) Gauss-Newton's Hessian of cost / 2 [m^2]."""
        return np.asarray(self.jacobian @ np.swapaxes(self.jacobian, -1, -2))

    @property
    def hessian(self) -> FloatArray:
        """(L, n, n) exact Hessian of cost / 2 [m^2].

        The derivative of the logarithm phi is ``I - [phi] / 2 + c [phi]^2`` with
        ``c = (1 - (a / 2) cot(a / 2)) / a^2`` and a = |phi| (Chirikjian 2012, "Stochastic Models,
        Information Theory, and Lie Groups", vol. 2); its antisymmetric term is in `curvature`.
        """
        turn = self.residual[..., 3:] / self.weight
        angle2 = np.sum(turn**2, axis=-1)
        small = angle2 < 1e-6
        half = 0.5 * np.sqrt(np.where(small, 1.0, angle2))
        c = np.where(small, 1.0 / 12.0, (1.0 - half / np.tan(half)) / (4.0 * half**2))
        spin = self.jacobian[..., 3:]
        along = (spin @ turn[..., None])[..., 0]
        square = along[:, :, None] * along[:, None, :] - angle2[:, None, None] * (
            spin @ np.swapaxes(spin, -1, -2)
        )
        return np.asarray(self.normal + c[:, None, None] * square + self.curvature(self.residual))

    def curvature(self, force: FloatArray) -> FloatArray:
        """Second derivative of ``force . residual`` (L, n, n) at zero rotation error [m^2].

        For joints i at or before j it is ``f . (z_i x l_j) + w m . (z_i x z_j) / 2``, with z the
        axes, l the levers ``z x (p - o)`` and (f, m) = ``force`` (L, 6).
        """
        axes = self.jacobian[..., 3:] / self.weight
        swept = np.concatenate(
            [cross(force[:, None, :3], axes), 0.5 * cross(force[:, None, 3:], axes)], axis=-1
        )
        upper = np.triu(swept @ np.swapaxes(self.jacobian, -1, -2))
        return np.asarray(upper + np.swapaxes(np.triu(upper, 1), -1, -2))


def rotation_error(rotation: FloatArray, target: FloatArray) -> FloatArray:
    """log(R R*^T): (..., 3, 3) twice -> rotation vectors (..., 3) of angle in [0, pi] [rad]."""
    error = rotation @ np.swapaxes(target, -1, -2)
    double = error[..., [2, 0, 1], [1, 2, 0]] - error[..., [1, 2, 0], [2, 0, 1]]
    sine = 0.5 * np.sqrt(np.sum(double**2, axis=-1))
    cosine = 0.5 * (np.trace(error, axis1=-2, axis2=-1) - 1.0)
    some = sine > 1e-12
    factor = np.where(some, np.arctan2(sine, cosine) / np.where(some, sine, 1.0), 1.0)
    turn = 0.5 * factor[..., None] * double
    far = cosine < -0.9  # towards pi the antisymmetric part loses the axis
    if np.any(far):
        turn[far] = rotvec_from_rotation(error[far])
    return np.asarray(turn)


def frames(chain: Chain, q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """``T_base_wrist`` (L, 4, 4) at joints (L, n), and the joints' axes and origins (L, n, 3)."""
    links = transform(rotation_from_rotvec(q[..., None] * chain.axes), chain.steps)
    placed = np.empty_like(links)
    T = placed[:, 0] = links[:, 0]
    for k in range(1, chain.size):
        T = placed[:, k] = T @ links[:, k]
    axes = (placed[..., :3, :3] @ chain.axes[:, :, None])[..., 0]
    return T @ chain.T_last_wrist, axes, placed[..., :3, 3]


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Cross products of (..., 3) vectors; on a few of them several times faster than numpy's."""
    after, before = [1, 2, 0], [2, 0, 1]
    return np.asarray(a[..., after] * b[..., before] - a[..., before] * b[..., after])


def reach(
    poses: WantedPoses, u: FloatArray, rounds: int = 100
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Levenberg-Marquardt on the pose error, within the limits.

    The damping is proportional to the squared error (Sugihara 2011, "Solvability-unconcerned
    inverse kinematics by the Levenberg-Marquardt method"): firm far away, gone at the solution.

    Args:
        poses: the wanted poses.
        u: (L, n) scaled joints to start from, within the limits.
        rounds: the most iterations.

    Returns:
        Scaled joints (L, n), squared error |r|^2 (L,) [m^2] and iterations taken (L,).
    """
    low, high = poses.limits
    u, iterations = u.copy(), np.zeros(len(u), dtype=np.int64)
    live, here = np.arange(len(u)), poses.at(u)
    cost, factor = here.cost.copy(), np.ones(len(u))
    eye = np.eye(u.shape[1])
    for _ in range(rounds):
        going = (here.cost > GOAL**2) & (factor < 1e9)
        if not going.all():
            live, poses, here = live[going], poses.take(going), here.take(going)
            factor = factor[going]
        if not live.size:
            break
        start = u[live]
        room = low - start, high - start
        damping = factor * here.cost + 1e-14
        step = _bounded_step(
            here.normal + damping[:, None, None] * eye,
            here.gradient,
            *room,
            _unblocked(here.gradient, *room),
        )
        step *= np.minimum(1.0, 1.0 / np.maximum(np.max(np.abs(step), axis=1), 1.0))[:, None]
        end = np.clip(start + step, low, high)
        there = poses.at(end)
        expected = here.residual + (step[:, None] @ here.jacobian)[:, 0]
        stuck = np.sum(expected**2, axis=1) > (1.0 - 1e-5) * here.cost
        better = there.cost < here.cost
        u[live[better]] = end[better]
        here = here.where(better, there)
        cost[live] = here.cost
        iterations[live] += 1
        factor = np.where(better, np.maximum(0.25 * factor, 1e-3), 8.0 * factor)
        factor[stuck] = np.inf
    return u, cost, iterations


def approach(
    poses: WantedPoses, u: FloatArray, rounds: int = 100
) -> tuple[FloatArray, BoolArray, IntArray]:
    """Newton's method to the nearest pose within the limits: a local minimum of |r|^2.

    At the edge of reach the Jacobian is singular and the error is not zero, so that only exact
    second derivatives converge. Negative eigenvalues are taken by their size.

    Returns:
        Scaled joints (L, n), whether a stationary point was found (L,) and iterations taken (L,).
    """
    low, high = poses.limits
    u, iterations = u.copy(), np.zeros(len(u), dtype=np.int64)
    settled = np.zeros(len(u), dtype=np.bool_)
    live, here, damping = np.arange(len(u)), poses.at(u), np.full(len(u), 1e-3)
    eye = np.eye(u.shape[1])
    for _ in range(rounds):
        if not live.size:
            break
        start = u[live]
        room = low - start, high - start
        free = _unblocked(here.gradient, *room)
        settled[live] = np.max(np.abs(here.gradient), axis=1, where=free, initial=0.0) < STILL
        hessian = _rectified(np.where(free[:, :, None] & free[:, None, :], here.hessian, 0.0), 1e-6)
        hessian += damping[:, None, None] * eye
        step = _bounded_step(hessian, here.gradient, *room, free)
        length = np.max(np.abs(step), axis=1)
        step *= np.minimum(1.0, 1.0 / np.maximum(length, 1.0))[:, None]
        end = np.clip(start + step, low, high)
        there = poses.at(end)
        # near the minimum a step gains less than what rounding does to r
        better = there.cost <= here.cost + 1e-15 * (np.sqrt(here.cost) + here.cost)
        u[live[better]] = end[better]
        iterations[live] += 1
        here = here.where(better, there)
        damping = np.where(better, 0.1 * damping, 8.0 * damping)
        going = (length >= STEP) & (damping < 1e3)
        live, poses, here, damping = (
            live[going],
            poses.take(going),
            here.take(going),
            damping[going],
        )
    return u, settled, iterations


def slide(
    poses: WantedPoses, u: FloatArray, posture: FloatArray, budget: FloatArray, rounds: int = 50
) -> tuple[FloatArray, IntArray]:
    """Lower the distance to the posture without moving the wrist.

    Every step is Newton's for ``|u - posture|^2 / 2`` under the wrist's pose, within the limits;
    `reach` brings the wrist back, and a step that did not come closer is tried anew at a quarter.

    Args:
        poses: the wanted poses.
        u: (L, n) scaled joints that reach the wrist's pose.
        posture: (n,) scaled joints to lean to.
        budget: (L,) the longest way to go, in scaled joints; inf goes to the optimum.
        rounds: the most iterations.

    Returns:
        Scaled joints (L, n) and iterations taken (L,).
    """
    low, high = poses.limits
    u, iterations = u.copy(), np.zeros(len(u), dtype=np.int64)
    live, budget, radius = np.arange(len(u)), budget.copy(), np.full(len(u), 0.3)
    for _ in range(rounds):
        going = (budget > STEP) & (radius > STEP)
        live, poses, budget, radius = live[going], poses.take(going), budget[going], radius[going]
        if not live.size:
            break
        start = u[live]
        here = poses.at(start)
        away = start - posture
        step = _posture_step(here, away, low - start, high - start)
        length = np.sqrt(np.sum(step**2, axis=1))
        allowed = np.minimum(radius, budget)
        step *= np.minimum(1.0, allowed / np.maximum(length, allowed))[:, None]
        end, went = _until_limit(start, step, low, high)
        end, cost, tries = reach(poses, end, 8)
        closer = np.sum((end - posture) ** 2, axis=1) <= np.sum(away**2, axis=1) + 1e-13
        better = closer & (cost <= np.maximum(here.cost, 100.0 * GOAL**2))
        u[live[better]] = end[better]
        iterations[live] += 1 + tries
        budget = np.where(better, budget - went, budget)
        radius = np.where(better, np.minimum(2.0 * radius, 0.5), 0.25 * went)
        radius = np.where(length < STEP, 0.0, radius)
    return u, iterations


def _posture_step(
    here: WristError, away: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Newton's step (L, n) for ``|away|^2 / 2`` that leaves the wrist where it is.

    Joints that stand on a limit and would pass it are held, and the others are solved anew.
    """
    free = np.ones_like(away, dtype=np.bool_)
    step, todo = np.zeros_like(away), np.arange(len(away))
    while todo.size:
        some, mask, pull = here.take(todo), free[todo], away[todo]
        Jt = some.jacobian * mask[..., None]
        J = np.swapaxes(Jt, 1, 2)
        inverse = np.linalg.inv(J @ Jt + 1e-13 * np.eye(6))
        # projector onto the motions of free joints that keep the wrist, and the constraint's force
        onto = np.einsum("ln,nm->lnm", mask, np.eye(mask.shape[1])) - Jt @ inverse @ J
        force = -(inverse @ (J @ pull[..., None]))[..., 0]
        bend = onto @ (np.eye(mask.shape[1]) + some.curvature(force)) @ onto
        pull = (onto @ pull[..., None])[..., 0]
        newton = np.linalg.solve(_rectified(bend, 1e-3), pull[..., None])
        step[todo] = -(onto @ newton)[..., 0]
        leaving = ((low >= 0.0) & (step < 0.0)) | ((high <= 0.0) & (step > 0.0))
        blocked = free & leaving
        free &= ~blocked
        todo = np.flatnonzero(np.any(blocked, axis=1))
    return step


def _until_limit(
    start: FloatArray, step: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Where a step (L, n) ends that stops at the first limit it meets, and its length (L,)."""
    limit = np.where(step > 0.0, high, low)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(step != 0.0, (limit - start) / step, np.inf)
    first = np.minimum(np.min(share, axis=1), 1.0)
    end = np.where(share <= first[:, None], limit, start + first[:, None] * step)
    return np.clip(end, low, high), first * np.sqrt(np.sum(step**2, axis=1))


def _bounded_step(
    hessian: FloatArray, gradient: FloatArray, low: FloatArray, high: FloatArray, free: BoolArray
) -> FloatArray:
    """Step d (L, n) that lowers ``d . hessian d / 2 + gradient . d`` within ``low <= d <= high``.

    A joint that would pass its limit stops there and the others are solved anew, so every limit
    costs at most one round. The Hessian (L, n, n) is positive definite, ``low <= 0 <= high``.
    """
    stopped = np.zeros_like(gradient)
    while True:
        matrix = np.where(free[:, :, None] & free[:, None, :], hessian, 0.0)
        np.einsum("lii->li", matrix)[...] += ~free
        pull = np.where(free, -gradient - (hessian @ stopped[..., None])[..., 0], 0.0)
        step = np.linalg.solve(matrix, pull[..., None])[..., 0] + stopped
        out = free & ((step < low) | (step > high))
        if not np.any(out):
            return np.clip(step, low, high)
        stopped = np.where(out, np.clip(step, low, high), stopped)
        free = free & ~out


def _unblocked(gradient: FloatArray, low: FloatArray, high: FloatArray) -> BoolArray:
    """Joints (L, n) that descent does not press against a limit they stand on."""
    return ~(((low >= 0.0) & (gradient > 0.0)) | ((high <= 0.0) & (gradient < 0.0)))


def _rectified(symmetric: FloatArray, least: float) -> FloatArray:
    """Symmetric matrices (L, n, n) with eigenvalues replaced by their sizes, at least ``least``."""
    values, vectors = np.linalg.eigh(symmetric)
    sizes = np.maximum(np.abs(values), least)
    return np.asarray((vectors * sizes[:, None, :]) @ np.swapaxes(vectors, 1, 2))


class ArmReference:
    """Solves wrist poses as an `ArmIK` of default settings does.

    Args:
        arm: chain, posture and base are its own.
    """

    def __init__(self, arm: ArmIK) -> None:
        self.chain, self.posture = arm._chain, arm.posture
        self.settings = ArmSettings()
        self._T_base_world = transform_inverse(arm.T_world_base)

    def solve(self, T_world_wrist: FloatArray) -> ArmSolution:
        """Poses (m, 4, 4) that have nothing to do with each other."""
        found = self.solve_trajectory(T_world_wrist[:, None])
        return ArmSolution(*(values[:, 0] for values in found))

    def solve_trajectory(self, T_world_wrist: FloatArray) -> ArmSolution:
        """Sequences (..., N, 4, 4): each frame from the one before, all sequences at once."""
        lead = T_world_wrist.shape[:-2]
        T, missing = read_poses(T_world_wrist.reshape(-1, lead[-1], 4, 4), "T_world_wrist")
        T = self._T_base_world @ T
        q, moving = np.tile(self.posture, (len(T), 1)), np.zeros(len(T), dtype=np.bool_)
        solved = []
        for k in range(lead[-1]):
            solved.append(self._frame(T[:, k], missing[:, k], q, moving))
            q, moving = solved[-1].q, moving | ~missing[:, k]
        parts = [np.stack([getattr(one, name) for one in solved], 1) for name in FIELDS]
        return ArmSolution(*(part.reshape(*lead, *part.shape[2:]) for part in parts))

    def _frame(
        self, T: FloatArray, missing: BoolArray, start: FloatArray, moving: BoolArray
    ) -> ArmSolution:
        """Solve the poses (m, 4, 4) that are there, hold the others."""
        there, chain, count = ~missing, self.chain, len(T)
        solution = ArmSolution(
            start.copy(),
            np.full(count, np.nan),
            np.full(count, np.nan),
            np.full(count, int(Status.MISSING_INPUT)),
            np.zeros(count, dtype=np.int64),
        )
        q, position, rotation, reached, settled, iterations = self._solve(
            T[there], start[there], moving[there]
        )
        limited = (q <= chain.lower + AT_LIMIT) | (q >= chain.upper - AT_LIMIT)
        status = np.where(
            reached,
            np.where(np.any(limited, axis=-1), Status.AT_LIMIT, Status.OK),
            np.where(settled, Status.UNREACHABLE, Status.NOT_CONVERGED),
        )
        for whole, part in zip(solution, (q, position, rotation, status, iterations), strict=True):
            whole[there] = part
        return solution

    def _solve(
        self, target: FloatArray, start: FloatArray, moving: BoolArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray, BoolArray, IntArray]:
        """Solve independent poses.

        Args:
            target: (L, 4, 4) wanted ``T_base_wrist`` [m].
            start: (L, n) joint positions the arm comes from, within the limits [rad].
            moving: (L,) whether the arm was there just before: then it leans to the posture only as
                far as the wrist's way allows; otherwise all the way.

        Returns:
            Joints (L, n) [rad], position errors [m], rotation errors [rad], whether the pose is
            reached within the tolerances, whether it is or q is a minimum of the error, iterations.
        """
        scale, settings = self.chain.half_range, self.settings
        poses = WantedPoses(self.chain, target, settings.rotation_weight)
        origin = start / scale
        budget = np.where(moving, settings.posture_gain * np.sqrt(poses.at(origin).cost), np.inf)

        u, _, iterations = reach(poses, origin)
        reached = self._reached(poses, u)
        settled = reached.copy()
        failed = np.flatnonzero(~reached)
        if failed.size:
            u[failed], settled[failed], more = self._search(
                poses.take(failed), u[failed], origin[failed], moving[failed]
            )
            iterations[failed] += more
            reached[failed] = self._reached(poses.take(failed), u[failed])

        free = np.flatnonzero(reached & settings.lean)
        u[free], more = slide(poses.take(free), u[free], self.posture / scale, budget[free])
        iterations[free] += more
        low, high = poses.limits
        q = np.where(u <= low, self.chain.lower, np.where(u >= high, self.chain.upper, u * scale))
        q = np.clip(q, self.chain.lower, self.chain.upper)
        position, rotation = poses.at(q / scale).sizes
        return q, position, rotation, reached, settled, iterations

    def _search(
        self, poses: WantedPoses, u: FloatArray, origin: FloatArray, moving: BoolArray
    ) -> tuple[FloatArray, BoolArray, IntArray]:
        """Solve F poses that did not come further than u from further starts.

        Returns:
            scaled joints (F, n), whether they reach or are a minimum (F,), iterations (F,).
        """
        each = np.arange(len(u))
        starts = self._nearest_known(poses.target)
        many = poses.take(np.repeat(each, self.settings.starts))
        found, cost, tries = reach(many, starts.reshape(-1, u.shape[1]))
        shape = (len(u), self.settings.starts)
        found, cost = found.reshape(*shape, -1), cost.reshape(shape)
        iterations = tries.reshape(shape).sum(axis=1)
        reached = self._reached(many, found.reshape(len(many.target), -1)).reshape(shape)
        far = np.sum((found - origin[:, None]) ** 2, axis=-1)
        best = u.copy()
        if self.settings.starts:
            best = found[each, np.argmin(np.where(reached, far, np.inf), axis=1)]

        settled = np.any(reached, axis=1)
        lost = np.flatnonzero(~settled)
        if lost.size:
            finalists = np.argsort(cost[lost], axis=1, kind="stable")[:, :FINALISTS]
            candidates = np.concatenate(
                [u[lost, None], found[lost[:, None], finalists]], axis=1
            )  # where the arm would go by itself comes first
            count = candidates.shape[1]
            many = poses.take(np.repeat(lost, count))
            ends, still, tries = approach(many, candidates.reshape(-1, u.shape[1]))
            cost = many.at(ends).cost.reshape(-1, count)
            # equal minima differ by rounding, and a moving arm does not flip between similar ones
            cost[:, 1:] *= np.where(moving[lost], SWITCH**2, 1.0 + 1e-6)[:, None]
            pick = np.arange(len(lost)), np.argmin(cost, axis=1)
            best[lost] = ends.reshape(len(lost), count, -1)[pick]
            settled[lost] = still.reshape(-1, count)[pick]
            iterations[lost] += tries.reshape(-1, count).sum(axis=1)
        return best, settled, iterations

    def _reached(self, poses: WantedPoses, u: FloatArray) -> BoolArray:
        position, rotation = poses.at(u).sizes
        return (position <= self.settings.position_tolerance) & (
            rotation <= self.settings.rotation_tolerance
        )

    def _nearest_known(self, target: FloatArray) -> FloatArray:
        """The known scaled joints (F, starts, n) whose wrists are nearest to targets (F, 4, 4)."""
        u, places = self._known
        here = _places(target, self.settings.rotation_weight)
        distance = np.sum(places**2, axis=1) - 2.0 * here @ places.T
        order = np.argsort(distance, axis=1, kind="stable")[:, : self.settings.starts]
        return u[order]

    @cached_property
    def _known(self) -> tuple[FloatArray, FloatArray]:
        """Scaled joints spread evenly over the limits, and where their wrists are."""
        q = self.chain.spread_joints()
        places = _places(self.chain.forward(q), self.settings.rotation_weight)
        return q / self.chain.half_range, places


def _places(T: FloatArray, weight: float) -> FloatArray:
    """Poses (L, 4, 4) as points (L, 12) whose distances are about those of the pose error [m]."""
    rotation = T[:, :3, :3].reshape(len(T), 9)
    return np.concatenate([T[:, :3, 3], weight / np.sqrt(2.0) * rotation], axis=1)
