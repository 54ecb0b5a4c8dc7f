"""A missing finger costs that finger: the others determine the hand, the prior places it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from retarget import Demo, HumanMotion, Retargeter, Status
from retarget.core.types import FINGERS, SIDES, Calibration, FloatArray
from retarget.human.hand_model import load_hands
from retarget.mapping.fitter import FEWEST_FINGERS, HandFit, MANOFitter

JUMP, STEP = 0.05, 1e-3  # [standard deviations], [rad]
NAN = np.nan


@pytest.fixture(scope="module")
def fitter() -> MANOFitter:
    return MANOFitter()


def joints(fitter: MANOFitter, count: int, seed: int) -> FloatArray:
    lower, upper = fitter.robot.hand_limits(1)
    return np.random.default_rng(seed).uniform(lower, upper, size=(count, len(lower)))


def targets(fitter: MANOFitter, count: int, seed: int) -> FloatArray:
    """Fingertips (count, 5, 3) of the right hand in the hand model's frame."""
    tips = fitter.robot.hand_tips("right", joints(fitter, count, seed))
    return fitter.frames[1].human_from_robot(tips)


def without(target: FloatArray, finger: int) -> FloatArray:
    out = target.copy()
    out[..., finger, finger % 3] = NAN  # one coordinate is enough
    return out


def same(a: HandFit, b: HandFit) -> None:
    for field in ("pca", "residual", "iterations", "status"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


@pytest.mark.parametrize("finger", range(5), ids=FINGERS)
@pytest.mark.parametrize("beta", [1.0, 2e-3])
def test_the_fit_is_scipys_of_the_other_four(fitter: MANOFitter, finger: int, beta: float) -> None:
    robust = MANOFitter(fitter.robot, fitter.hands, beta=beta)
    target = without(targets(robust, 3, 1), finger)
    fit = robust.fit_hand(1, target)
    assert (fit.status == int(Status.OK)).all()
    sigma, hand = robust.hands[1].sigma[:15], robust.layers[1]
    others = [k for k in range(5) if k != finger]
    for goal, pca in zip(target[:, others], fit.pca, strict=True):

        def cost(z: FloatArray, goal: FloatArray = goal) -> float:
            r = np.abs(hand.fingertips(z * sigma)[others] - goal)
            rho = np.where(r < beta, r * r, 2.0 * beta * r - beta * beta)
            return 1e6 * float(rho.sum() + 1e-6 * z @ z)

        best = minimize(cost, pca / sigma + 0.1, method="BFGS", options={"gtol": 1e-7})
        assert cost(pca / sigma) <= best.fun + 1e-7
        np.testing.assert_allclose(pca / sigma, best.x, atol=2e-3)
    miss = robust.tips_of(1, fit.pca) - target
    np.testing.assert_allclose(fit.residual, np.linalg.norm(miss, axis=-1), atol=1e-12)
    assert np.isnan(fit.residual[:, finger]).all()
    assert np.nanmax(fit.residual) < 3e-3


def test_frames_do_not_depend_on_the_fingers_of_others(fitter: MANOFitter) -> None:
    whole = targets(fitter, 300, 2)
    mixed = whole.copy()
    for finger in range(5):
        mixed[finger::17, finger] = NAN
    mixed[9::17, :2] = NAN
    fit, full = fitter.fit_hand(1, mixed), fitter.fit_hand(1, whole)
    rest = np.isfinite(mixed).all(axis=(1, 2))
    assert 0.6 < rest.mean() < 0.7
    for field in ("pca", "residual", "iterations", "status"):
        np.testing.assert_array_equal(getattr(fit, field)[rest], getattr(full, field)[rest])
    for k in [*range(0, 60, 17), *range(1, 60, 17), 8, 9]:
        alone = fitter.fit_hand(1, mixed[k])
        np.testing.assert_array_equal(alone.pca, fit.pca[k])
        np.testing.assert_array_equal(alone.residual, fit.residual[k])
        assert alone.status == fit.status[k]
    for threads in (1, 3):
        other = MANOFitter(fitter.robot, fitter.hands, threads=threads)
        same(other.fit_hand(1, mixed), fit)


@pytest.mark.parametrize("finger", range(5), ids=FINGERS)
def test_every_engine_gives_the_same(fitter: MANOFitter, finger: int) -> None:
    target = targets(fitter, 60, 3)
    target[::2] = without(target[::2], finger)
    target[5] = NAN
    native = fitter.fit_hand(1, target)
    for engine in ("numpy", "torch"):
        other = MANOFitter(fitter.robot, fitter.hands, engine=engine).fit_hand(1, target)
        np.testing.assert_allclose(other.pca, native.pca, atol=1e-9)
        np.testing.assert_allclose(other.residual, native.residual, atol=1e-12)
        np.testing.assert_array_equal(other.status, native.status)
    single = MANOFitter(fitter.robot, fitter.hands, dtype="float32").fit_hand(1, target)
    np.testing.assert_allclose(single.residual, native.residual, atol=1e-6)


@pytest.mark.parametrize("finger", range(5), ids=FINGERS)
def test_mirrored_hands_have_mirrored_parameters(fitter: MANOFitter, finger: int) -> None:
    flip = np.array([-1.0, 1.0, 1.0])
    right = fitter.calibrations[1]
    left = Calibration(right.scale, -right.rotation * flip, right.translation * flip)
    pair = MANOFitter(fitter.robot, fitter.hands, calibrations=(left, right))
    target = without(targets(pair, 30, 4), finger)
    ours, theirs = pair.fit_hand(1, target), pair.fit_hand(0, target * flip)
    np.testing.assert_allclose(theirs.pca, ours.pca, atol=1e-9)
    np.testing.assert_allclose(theirs.residual, ours.residual, atol=1e-9)


@pytest.mark.parametrize("finger", range(5), ids=FINGERS)
def test_is_continuous(fitter: MANOFitter, finger: int) -> None:
    q = joints(fitter, 800, 5)
    push = np.random.default_rng(6).normal(size=q.shape)
    push *= STEP / np.linalg.norm(push, axis=-1, keepdims=True)
    here, there = (
        fitter.fit_hand(
            1,
            without(fitter.frames[1].human_from_robot(fitter.robot.hand_tips(1, at)), finger),
        ).pca
        for at in (q, q + push)
    )
    assert np.abs((there - here) / fitter.hands[1].sigma[:15]).max() < JUMP


def test_too_few_fingers_and_infinite_ones_are_no_hand(fitter: MANOFitter) -> None:
    assert FEWEST_FINGERS == 4
    target = targets(fitter, 6, 7)
    target[1, [0, 4]] = NAN
    target[2, 3, 1] = np.inf
    target[3] = NAN
    target[4, 2], target[4, 1, 0] = NAN, -np.inf
    target[5, 2] = NAN
    fit = fitter.fit_hand(1, target)
    lost = np.array([False, True, True, True, True, False])
    np.testing.assert_array_equal(fit.status == int(Status.MISSING_INPUT), lost)
    assert np.isnan(fit.pca[lost]).all()
    assert np.isnan(fit.residual[lost]).all()
    assert not fit.iterations[lost].any()
    both = np.stack([target, target], axis=1)
    motion = fitter.fit(both, np.broadcast_to(np.eye(4), (6, 2, 4, 4)))
    np.testing.assert_array_equal(motion.status[:, 1] == int(Status.MISSING_INPUT), lost)
    everything_lost = fitter.fit_hand(1, target[1:5])
    assert (everything_lost.status == int(Status.MISSING_INPUT)).all()


def test_the_published_recipe_leaves_such_hands_out(fitter: MANOFitter) -> None:
    published = MANOFitter(fitter.robot, fitter.hands, recipe="egovla")
    target = targets(published, 3, 8)
    target[1, 2] = NAN
    fit = published.fit_hand(1, target)
    np.testing.assert_array_equal(fit.status == int(Status.MISSING_INPUT), [False, True, False])
    same(published.fit_hand(1, target[[0, 2]]), HandFit(*(a[[0, 2]] for a in vars(fit).values())))


def test_the_mean_residual_is_that_of_known_fingers() -> None:
    residual = np.full((3, 2, 5), 2.0)
    residual[0, 0] = [1.0, 2.0, NAN, 4.0, 5.0]
    residual[1, 1] = NAN
    hand = load_hands()[0].source
    motion = HumanMotion(
        pca=np.zeros((3, 2, 15)),
        T_world_mano=np.zeros((3, 2, 4, 4)),
        residual=residual,
        iterations=np.zeros((3, 2), dtype=np.int64),
        status=np.zeros((3, 2), dtype=np.int64),
        hand=hand,
    )
    np.testing.assert_array_equal(motion.fit_residual, [[3.0, 2.0], [2.0, NAN], [2.0, 2.0]])
    whole = replace(motion, residual=np.full((2, 2, 5), 0.5))
    np.testing.assert_array_equal(whole.fit_residual, np.full((2, 2), 0.5))


def test_there_and_back_without_a_finger(fitter: MANOFitter) -> None:
    """The known fingertips come back, the missing one has no error, and nothing jumps."""
    robot, frames = fitter.robot, 30
    phase = np.linspace(0.0, 2.0 * np.pi, frames)[:, None]
    qpos = np.zeros((frames, len(robot.joint_names)))
    for k, side in enumerate(robot.sides):
        qpos[:, robot.indices(side.arm_joints)] = side.arm_posture
        lower, upper = robot.hand_limits(k)
        share = 0.5 - 0.4 * np.cos(phase + np.arange(6))
        bent = robot.expand_hand(k, lower + share * (upper - lower))
        qpos[:, robot.indices(side.hand_joints)] = bent
    T, tips = robot.forward(qpos)
    whole = Demo(qpos, T, tips.copy(), np.ones((frames, len(SIDES)), dtype=np.bool_))
    tips[5:12, 0, 1] = NAN  # the left index finger for seven frames
    tips[20, 1, :3] = NAN  # too much of the right hand in one
    rt = Retargeter(fitter=fitter)
    trip = rt.round_trip(replace(whole, fingertips=tips))
    full = rt.round_trip(whole)
    known = np.isfinite(tips).all(axis=-1)
    known[20, 1] = False
    np.testing.assert_array_equal(np.isfinite(trip.fingertip_error_m), known)
    assert np.nanmax(trip.fingertip_error_m) < 1e-3
    assert not trip.label_jump.any()
    assert np.isfinite(trip.robot.qpos).all()
    assert np.isfinite(trip.human.pca[5:12, 0]).all()
    missing = trip.robot.hand_status == int(Status.MISSING_INPUT)
    assert np.argwhere(missing).tolist() == [[20, 1]]
    np.testing.assert_array_equal(np.isnan(trip.fit_residual_m), missing)
    rest = known.all(axis=-1)
    np.testing.assert_array_equal(trip.human.pca[rest], full.human.pca[rest])
    np.testing.assert_array_equal(trip.fingertip_error_m[rest], full.fingertip_error_m[rest])
