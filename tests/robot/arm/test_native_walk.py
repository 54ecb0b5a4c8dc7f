"""Episodes walked frame after frame in the lanes: the same as one by one, and true to pinocchio."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_cases import Arm, NativeCalls, Solutions, arm
from scipy.optimize import least_squares

from retarget.core import _native
from retarget.core.errors import InputError
from retarget.core.geometry import rotvec_from_rotation
from retarget.core.types import FloatArray, Status

WEIGHT = 0.15
LOOSE = {"position_tolerance": 1e-4, "rotation_tolerance": 1e-3, "accuracy": 1e-4, "lean": False}
EXACT = {"lean": False}
SETTINGS = [{**LOOSE, "dtype": "float32"}, LOOSE, EXACT, {**EXACT, "dtype": "float32"}]


def episodes(chain: Arm, count: int = 40, frames: int = 12, seed: int = 0) -> FloatArray:
    """Wandering wrists (count, frames, 4, 4); some frames out of reach, some missing."""
    rng = np.random.default_rng(seed)
    q = chain.draw(count, seed)[:, None] + np.cumsum(
        0.05 * rng.normal(size=(count, frames, chain.size)), axis=1
    )
    q = np.clip(q, chain.lower, chain.upper)
    T = chain.forward(q.reshape(-1, chain.size)).reshape(count, frames, 4, 4)
    T[::7, 3:5, 0, 3] += 3.0
    T[2::9, 6:8] = np.nan
    T[3, 0] = np.nan
    T[4] = np.nan
    return T


def walk(native: NativeCalls, chain: Arm, T: FloatArray, **how: Any) -> Solutions:
    start = np.tile(chain.posture, (len(T), 1))
    return native.solve(T, start, np.zeros(len(T), dtype=bool), **how)


def error(chain: Arm, q: FloatArray, T: FloatArray) -> FloatArray:
    """(m, 6) position error and weighted rotation error, by pinocchio."""
    here = chain.forward(q)
    turn = rotvec_from_rotation(here[:, :3, :3] @ np.swapaxes(T[:, :3, :3], 1, 2))
    return np.concatenate([here[:, :3, 3] - T[:, :3, 3], WEIGHT * turn], axis=1)


@pytest.mark.parametrize("joints", [6, 7, 9])
@pytest.mark.parametrize("how", SETTINGS)
def test_errors_are_pinocchios_and_limits_hold(joints: int, how: dict[str, Any]) -> None:
    chain = arm(joints)
    T = episodes(chain)
    found = walk(chain.native(), chain, T, **how)
    np.testing.assert_array_equal(found.missing, ~np.isfinite(T).all(axis=(-2, -1)))
    assert np.all((found.q >= chain.lower) & (found.q <= chain.upper))
    there = ~found.missing
    r = error(chain, found.q[there], T[there])
    position, rotation = (np.linalg.norm(part, axis=1) for part in (r[:, :3], r[:, 3:] / WEIGHT))
    np.testing.assert_allclose(found.position_error[there], position, atol=1e-12)
    np.testing.assert_allclose(found.rotation_error[there], rotation, atol=1e-11)
    reachable = there.copy()
    reachable[::7, 3:5] = False
    assert found.reached[reachable].mean() > 0.97
    assert not found.reached[::7, 3:5].any()
    most = how.get("position_tolerance", 1e-6)
    assert found.position_error[found.reached].max() <= most
    if how.get("accuracy") is None:
        # near the edge of reach the last steps shrink
        assert np.quantile(found.position_error[found.reached], 0.99) < 1e-11


@pytest.mark.parametrize("isa", _native.isas())
@pytest.mark.parametrize("how", SETTINGS)
def test_a_walk_does_not_depend_on_its_company(isa: str, how: dict[str, Any]) -> None:
    chain = arm(7)
    native = chain.native(isa)
    T = episodes(chain, 90)
    whole = tuple(walk(native, chain, T, threads=1, **how))
    order = np.random.default_rng(0).permutation(len(T))
    shuffled = tuple(walk(native, chain, T[order], threads=3, **how))
    alone = [tuple(walk(native, chain, T[k : k + 1], **how)) for k in range(12)]
    for k, values in enumerate(whole):
        np.testing.assert_array_equal(values[order], shuffled[k])
        np.testing.assert_array_equal(values[:12], np.concatenate([a[k] for a in alone]))


@pytest.mark.parametrize("how", SETTINGS)
def test_a_walk_is_a_chain_of_single_solves(how: dict[str, Any]) -> None:
    chain = arm(7)
    native = chain.native()
    T = episodes(chain, 9)
    whole = walk(native, chain, T, **how)
    for s in range(len(T)):
        last, moving = chain.posture[None].copy(), np.zeros(1, dtype=bool)
        for t in range(T.shape[1]):
            one = native.solve(T[s, t][None], last, moving, **how)
            np.testing.assert_array_equal(one.q[0], whole.q[s, t])
            assert one.status[0] == whole.status[s, t]
            last, moving = one.q, moving | ~one.missing


def test_more_sequences_may_fail_than_there_is_room_for() -> None:
    chain = arm(7)
    T = episodes(chain, 700, 3, seed=5)
    T[:, 1, 0, 3] += 3.0
    native = chain.native()
    found = walk(native, chain, T, threads=1, starts=2, **LOOSE)
    assert not found.reached[:, 1].any()
    assert found.reached[:, 2].mean() > 0.8
    part = walk(native, chain, T[-50:], threads=1, starts=2, **LOOSE)
    np.testing.assert_array_equal(found.q[-50:], part.q)


def test_poses_out_of_reach_end_near_the_nearest() -> None:
    chain = arm(7)
    T = chain.forward(chain.draw(12, seed=6))
    T[:, :3, 3] *= 2.5
    for dtype in ("float64", "float32"):
        for starts in (0, 24):
            found = walk(chain.native(), chain, T[:, None], starts=starts, dtype=dtype, **LOOSE)
            assert found.settled.all()
            for q, wanted in zip(found.q[:, 0], T, strict=True):
                near = least_squares(
                    lambda x, T=wanted: error(chain, x[None], T[None])[0],
                    np.clip(q, chain.lower + 1e-9, chain.upper - 1e-9),
                    bounds=(chain.lower, chain.upper),
                    xtol=1e-12,
                    ftol=1e-12,
                )
                here = np.linalg.norm(error(chain, q[None], wanted[None]))
                assert here <= np.sqrt(2.0 * near.cost) * (1 + 2e-3)


def test_without_further_starts_only_those_that_fail_differ() -> None:
    chain = arm(7)
    T = chain.forward(chain.draw(200, seed=8))[:, None]
    none, some = (walk(chain.native(), chain, T, starts=starts, **LOOSE) for starts in (0, 24))
    assert some.reached.sum() > none.reached.sum()
    np.testing.assert_array_equal(none.q[none.reached], some.q[none.reached])


def test_poses_are_read_where_they_lie() -> None:
    chain = arm(7)
    T = episodes(chain, 20)
    native = chain.native()
    both = np.stack([T, T[::-1]], axis=2)
    for view in (both[:, :, 0], both[::-1, :, 1], np.swapaxes(np.swapaxes(T, 2, 3).copy(), 2, 3)):
        for how in (LOOSE, {}):
            for given, wanted in zip(
                walk(native, chain, view, **how), walk(native, chain, T, **how), strict=True
            ):
                np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("frames", [1, 4])
def test_a_bad_pose_within_a_walk_is_told(frames: int) -> None:
    chain = arm(7)
    T = episodes(chain, 50, frames, seed=2)
    T[30, frames - 1] = np.diag([1.0, 1.0, -1.0, 1.0])
    T[40, 0] = 2.0 * np.eye(4)
    for how in (LOOSE, {}):
        with pytest.raises(InputError, match=f"reflection at flat index {31 * frames - 1}"):
            walk(chain.native(), chain, T, threads=2, **how)


@pytest.mark.parametrize("how", SETTINGS)
def test_poses_too_far_away_for_their_error_to_be_a_number_end(how: dict[str, Any]) -> None:
    chain = arm(7)
    T = episodes(chain, 8, 4, seed=8)
    T[1, 1, 0, 3], T[2, 0, 0, 3] = 1e300, 1e160
    found = walk(chain.native(), chain, T, **how)
    assert found.status[[1, 2], [1, 0]].tolist() == [Status.NOT_CONVERGED] * 2
    assert np.isfinite(found.q).all()
    assert found.reached[5:7].all()
