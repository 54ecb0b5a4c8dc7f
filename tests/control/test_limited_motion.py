"""Joint motion: limits hold for any input; what the limits allow is followed and reached."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget.control.action_feed import standing
from retarget.control.limited_motion import LimitedMotion
from retarget.control.run_loop import LimitCheck
from retarget.core.errors import InputError
from retarget.robot.joint_limits import DrivenJoints, JointLimits
from retarget.robot.robot import Robot

SEEDS = st.integers(0, 2**32 - 1)


def random_limits(rng: np.random.Generator, m: int = 6) -> JointLimits:
    lower = rng.uniform(-3.0, 0.0, m)
    upper = lower + 10.0 ** rng.uniform(-2.0, 0.7, m)
    lower[0], upper[0] = -np.inf, np.inf  # a joint without ends
    velocity = 10.0 ** rng.uniform(-2.0, 1.5, m)
    acceleration = velocity / 10.0 ** rng.uniform(-3.0, 0.5, m)
    acceleration[1] = np.inf
    return JointLimits(tuple(f"joint{k}" for k in range(m)), lower, upper, velocity, acceleration)


def mischief(rng: np.random.Generator, limits: JointLimits, steps: int) -> np.ndarray:
    """Targets that walk, jump, alternate between the ends, and are no numbers."""
    m = len(limits.names)
    lower, upper = np.maximum(limits.lower, -3.0), np.minimum(limits.upper, 5.0)
    targets = np.empty((steps, m))
    kind = rng.integers(0, 6, m)
    x = rng.uniform(lower, upper)
    for k in range(steps):
        kind = np.where(rng.random(m) < 0.03, rng.integers(0, 6, m), kind)
        x = np.choose(
            kind,
            [
                x,
                x + rng.normal(0.0, 0.01, m),
                rng.uniform(lower - 1.0, upper + 1.0),
                np.where(rng.random(m) < 0.5, lower, upper),
                np.where(k // 7 % 2, lower, upper),
                rng.choice([np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0], m),
            ],
        )
        targets[k] = x
    return targets


@given(SEEDS, st.sampled_from([5.0, 30.0, 200.0]))
def test_limits_hold_whatever_the_target_does(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    limits = random_limits(rng)
    motion = LimitedMotion(
        limits, rate, rng.uniform(np.maximum(limits.lower, -9), limits.upper.clip(max=9))
    )
    check = LimitCheck(limits, rate, motion.q)
    path = np.array([motion.step(x) for x in mischief(rng, limits, 300)])
    check.add(path)
    assert check.broken == 0
    # not because nothing moves
    assert check.velocity_share > 0.5


@given(SEEDS)
def test_a_motion_within_the_limits_is_followed_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits, rate = random_limits(rng), 30.0
    reference = LimitedMotion(limits, rate, np.clip(0.0, limits.lower, limits.upper) + np.zeros(6))
    motion = LimitedMotion(limits, rate, reference.q)
    for target in mischief(rng, limits, 200):
        wanted = reference.step(target)  # a motion that obeys the limits, of whatever kind
        np.testing.assert_allclose(motion.step(wanted), wanted, atol=1e-12)


@given(SEEDS)
def test_a_standing_target_is_reached_in_time_and_without_overshoot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits, rate = random_limits(rng), 30.0
    lower, upper = np.maximum(limits.lower, -3.0), np.minimum(limits.upper, 5.0)
    start, goal = rng.uniform(lower, upper), rng.uniform(lower, upper)
    motion = LimitedMotion(limits, rate, start)
    way = np.abs(goal - start)
    # bang-bang, or with a stretch at full velocity
    v, a = limits.velocity, limits.acceleration
    best = np.where(way > v * v / a, way / v + v / a, 2.0 * np.sqrt(way / a))
    steps = int(np.ceil(best.max() * rate)) + 3
    path = np.array([motion.step(goal) for _ in range(steps)])
    assert np.all((path - goal) * np.sign(goal - start) < 1e-12)
    for k in range(len(way)):
        in_time = int(np.ceil(best[k] * rate)) + 2
        np.testing.assert_allclose(path[in_time:, k], goal[k], atol=1e-9)


@given(SEEDS)
def test_the_mirrored_problem_has_the_mirrored_motion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits = random_limits(rng)
    mirrored = JointLimits(
        limits.names, -limits.upper, -limits.lower, limits.velocity, limits.acceleration
    )
    start = np.clip(0.0, limits.lower, limits.upper) + np.zeros(6)
    one, other = LimitedMotion(limits, 30.0, start), LimitedMotion(mirrored, 30.0, -start)
    for target in mischief(rng, limits, 100):
        np.testing.assert_allclose(one.step(target), -other.step(-target), atol=1e-13)


@given(SEEDS)
def test_no_target_means_brake_and_stay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits = random_limits(rng)
    motion = LimitedMotion(limits, 30.0, np.clip(0.0, limits.lower, limits.upper) + np.zeros(6))
    for target in mischief(rng, limits, 50):
        motion.step(target)
    stop = motion.stopping_point()
    nothing = np.full(6, np.nan)
    brake = int(np.ceil((limits.velocity / limits.acceleration * 30.0).max())) + 2
    for _ in range(brake):
        motion.step(nothing)
    np.testing.assert_allclose(motion.q, stop, atol=1e-9)
    assert np.abs(motion.velocity).max() < 1e-9


def test_what_is_braked_is_where_it_was_said_to_stop() -> None:
    rng = np.random.default_rng(0)
    limits = random_limits(rng)
    motion = LimitedMotion(limits, 30.0, np.clip(0.0, limits.lower, limits.upper) + np.zeros(6))
    for target in mischief(rng, limits, 30):
        motion.step(target)
    proposal = motion.propose(np.minimum(limits.upper, 5.0))
    way = motion.way_to_rest(proposal)
    motion.take(proposal)
    for pose in way:
        np.testing.assert_allclose(motion.q, pose, atol=1e-9)
        motion.take(motion.braked())
    np.testing.assert_allclose(motion.q, way[-1], atol=1e-9)
    np.testing.assert_array_equal(motion.way_to_rest(motion.q)[-1], motion.q)


def test_limits_of_driven_joints_keep_those_that_mimic_them(robot: Robot) -> None:
    driven = DrivenJoints(robot)
    for hand_velocity in (None, 3.0):
        limits = JointLimits.of(robot, hand_velocity=hand_velocity)
        motion = LimitedMotion(driven.limits(limits), 30.0, standing(robot)[driven.rows])
        qpos = standing(robot)
        check = LimitCheck(limits, 30.0, qpos)
        rng = np.random.default_rng(1)
        for target in mischief(rng, driven.limits(limits), 400):
            driven.expand(motion.step(target), qpos)
            check.add(qpos[None])
        assert check.broken == 0
        for k, side in enumerate(robot.sides):
            active = qpos[robot.indices(side.active_joints)]
            hand = qpos[robot.indices(side.hand_joints)]
            np.testing.assert_array_equal(hand, robot.expand_hand(k, active))


def test_default_limits_are_the_urdfs(robot: Robot) -> None:
    limits = JointLimits.of(robot)
    np.testing.assert_array_equal(limits.velocity, robot.velocity_limits)
    np.testing.assert_allclose(limits.acceleration, robot.velocity_limits / 0.1)
    # the thumb's last joint turns 2.4 times as fast as the one that drives it
    driven = DrivenJoints(robot)
    place = driven.names.index("L_thumb_proximal_pitch_joint")
    assert driven.limits(limits).velocity[place] == pytest.approx(0.5 / 2.4)
    assert JointLimits.of(robot, acceleration_time=0.0).acceleration.max() == np.inf


def test_what_is_no_limit_is_refused(robot: Robot) -> None:
    good = {"lower": [0.0], "upper": [1.0], "velocity": [1.0], "acceleration": [1.0]}
    for name, value in (
        ("upper", [0.0]),
        ("upper", [np.nan]),
        ("velocity", [0.0]),
        ("acceleration", [-1.0]),
        ("lower", [0.0, 0.0]),
    ):
        with pytest.raises(InputError, match=r"joint 'a'|lower"):
            JointLimits(("a",), **{**good, name: np.array(value)})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="hand_velocity"):
        JointLimits.of(robot, hand_velocity=0.0)
    with pytest.raises(InputError, match="no limits of a joint named 'elbow'"):
        JointLimits.of(robot).only(["elbow"])
    limits = JointLimits.of(robot)
    with pytest.raises(InputError, match="rate"):
        LimitedMotion(limits, 0.0, robot.lower)
    with pytest.raises(InputError, match="finite"):
        LimitedMotion(limits, 30.0, np.full(50, np.nan))


def test_the_check_sees_each_kind_of_violation() -> None:
    limits = JointLimits(
        ("a", "b"), np.zeros(2), np.ones(2), np.array([3.0, 3.0]), np.array([30.0, 30.0])
    )
    rate = 10.0

    def counts(*rows: tuple[float, float]) -> tuple[int, int, int, int]:
        check = LimitCheck(limits, rate, [0.5, 0.5])
        for row in rows:  # one by one: it remembers the rows before
            check.add(np.array([row]))
        return check.position, check.velocity, check.acceleration, check.not_finite

    assert counts((0.5, 0.5), (0.8, 0.2)) == (0, 0, 0, 0)
    assert counts((0.8, 0.5), (1.1, 0.5), (1.1, 0.5)) == (2, 0, 0, 0)
    assert counts((0.75, 0.5), (1.0, 0.5), (0.9, 0.5)) == (0, 0, 1, 0)
    assert counts((0.5, 0.7), (0.5, 1.0 + 1e-6)) == (1, 1, 0, 0)
    assert counts((np.nan, 0.5), (0.5, 0.5)) == (0, 0, 0, 1)
    with pytest.raises(InputError, match="start"):
        LimitCheck(limits, rate, [0.0])


def test_a_target_known_to_stand_moves_nothing_by_itself() -> None:
    limits = JointLimits(("a", "b"), -np.ones(2), np.ones(2), np.ones(2), np.full(2, 10.0))
    motion = LimitedMotion(limits, 30.0, np.zeros(2))
    before = motion.step(np.full(2, 0.005))  # reached at once
    motion.stand_still(slice(0, 1), np.array([0.5]))
    np.testing.assert_array_equal(motion.q, before)
