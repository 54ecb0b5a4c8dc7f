"""Inverse kinematics of many independent wrist poses at once, in plain numpy.

Each of the L lanes, one wrist pose each, is solved on its own, in scaled joints, by three stages:

1. `reach`: Levenberg-Marquardt on the pose error within the limits;
2. `approach`, where the pose cannot be reached: Newton's method to the nearest one;
3. `slide`, where it can: Newton's method on the distance to the posture, along the joint positions
   that keep the wrist where it is.
"""

from __future__ import annotations

import numpy as np

from retarget.core.types import BoolArray, FloatArray, IntArray
from retarget.robot.arm.error import Lanes, WristError

GOAL = 1e-12  # |r| that ends a reach [m]
STILL = 1e-9  # slope of |r|^2 / 2 along each scaled joint at a minimum [m^2]
STEP = 1e-10  # step of the scaled joints that ends an approach or a slide


def reach(
    lanes: Lanes, u: FloatArray, rounds: int = 100
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Levenberg-Marquardt on the pose error, within the limits.

    The damping is proportional to the squared error (Sugihara 2011, "Solvability-unconcerned
    inverse kinematics by the Levenberg-Marquardt method"): firm far away, gone at the solution.

    Args:
        lanes: the problem.
        u: (L, n) scaled joints to start from, within the limits.
        rounds: the most iterations.

    Returns:
        Scaled joints (L, n), squared error |r|^2 (L,) [m^2] and iterations taken (L,).
    """
    low, high = lanes.limits
    u, iterations = u.copy(), np.zeros(len(u), dtype=np.int64)
    live, here = np.arange(len(u)), lanes.at(u)
    cost, factor = here.cost.copy(), np.ones(len(u))
    eye = np.eye(u.shape[1])
    for _ in range(rounds):
        going = (here.cost > GOAL**2) & (factor < 1e9)
        if not going.all():
            live, lanes, here = live[going], lanes.take(going), here.take(going)
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
        there = lanes.at(end)
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
    lanes: Lanes, u: FloatArray, rounds: int = 100
) -> tuple[FloatArray, BoolArray, IntArray]:
    """Newton's method to the nearest pose within the limits: a local minimum of |r|^2.

    At the edge of reach the Jacobian is singular and the error is not zero, so that only exact
    second derivatives converge. Negative eigenvalues are taken by their size.

    Returns:
        Scaled joints (L, n), whether a stationary point was found (L,) and iterations taken (L,).
    """
    low, high = lanes.limits
    u, iterations = u.copy(), np.zeros(len(u), dtype=np.int64)
    settled = np.zeros(len(u), dtype=np.bool_)
    live, here, damping = np.arange(len(u)), lanes.at(u), np.full(len(u), 1e-3)
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
        there = lanes.at(end)
        # near the minimum a step gains less than what rounding does to r
        better = there.cost <= here.cost + 1e-15 * (np.sqrt(here.cost) + here.cost)
        u[live[better]] = end[better]
        iterations[live] += 1
        here = here.where(better, there)
        damping = np.where(better, 0.1 * damping, 8.0 * damping)
        going = (length >= STEP) & (damping < 1e3)
        live, lanes, here, damping = (
            live[going],
            lanes.take(going),
            here.take(going),
            damping[going],
        )
    return u, settled, iterations


def slide(
    lanes: Lanes, u: FloatArray, posture: FloatArray, budget: FloatArray, rounds: int = 50
) -> tuple[FloatArray, IntArray]:
    """Lower the distance to the posture without moving the wrist.

    Every step is Newton's for ``|u - posture|^2 / 2`` under the wrist's pose, within the limits;
    `reach` brings the wrist back, and a step that did not come closer is tried anew at a quarter.

    Args:
        lanes: the problem.
        u: (L, n) scaled joints that reach the wrist's pose.
        posture: (n,) scaled joints to lean to.
        budget: (L,) the longest way to go, in scaled joints; inf goes to the optimum.
        rounds: the most iterations.

    Returns:
        Scaled joints (L, n) and iterations taken (L,).
    """
    low, high = lanes.limits
    u, iterations = u.copy(), np.zeros(len(u), dtype=np.int64)
    live, budget, radius = np.arange(len(u)), budget.copy(), np.full(len(u), 0.3)
    for _ in range(rounds):
        going = (budget > STEP) & (radius > STEP)
        live, lanes, budget, radius = live[going], lanes.take(going), budget[going], radius[going]
        if not live.size:
            break
        start = u[live]
        here = lanes.at(start)
        away = start - posture
        step = _posture_step(here, away, low - start, high - start)
        length = np.sqrt(np.sum(step**2, axis=1))
        allowed = np.minimum(radius, budget)
        step *= np.minimum(1.0, allowed / np.maximum(length, allowed))[:, None]
        end, went = _until_limit(start, step, low, high)
        end, cost, tries = reach(lanes, end, 8)
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
