"""HandMap: derivatives, a function without memory, limits, pinches, missing fingers, errors."""

from __future__ import annotations

import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic_people import person
from retarget.core.errors import InputError, ModelError
from retarget.core.resources import resource
from retarget.core.types import FloatArray, Status
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoints import tip_gaps
from retarget.human.user import User
from retarget.human.user_calibration import calibrate_user
from retarget.mapping.hand_map import HandMap, person_tips
from retarget.robot.map_settings import MapSettings
from retarget.robot.robot import Robot

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def hand_map(robot: Robot) -> HandMap:
    return HandMap(robot)


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("h1_inspire")


def human_tips(hand_map: HandMap, frames: int, seed: int) -> FloatArray:
    """Tips of people who do not exist, brought to the size the map expects."""
    points = person(frames, seed).keypoints
    user = calibrate_user(points)
    motion = KeypointFitter(user=user).fit(points)
    return person_tips(points, motion.T_world_mano, hand_map.robot)


def evaluated(
    hand_map: HandMap, side: int, q: FloatArray, tips: FloatArray
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    places, gradient, hessian = np.empty((5, 3)), np.empty(len(q)), np.empty((len(q), len(q)))
    solver = hand_map.solvers[side]
    cost, _ = solver.evaluate(q, np.ascontiguousarray(tips), 1.0, places, gradient, hessian)
    return cost, places, gradient, hessian


def ramp(tips: FloatArray, gaps: FloatArray) -> FloatArray:
    """One hand pair (2, 5, 3) whose index tips are at distances (n,) [m] of the thumbs'."""
    out = np.repeat(tips[None], len(gaps), axis=0)
    way = tips[:, 1] - tips[:, 0]
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    out[:, :, 1] = tips[:, 0] + gaps[:, None, None] * way
    return out


class TestDerivatives:
    @pytest.mark.parametrize("side", [0, 1])
    def test_fingers_are_where_the_robots_are(self, hand_map: HandMap, side: int) -> None:
        rng = np.random.default_rng(side)
        lower, upper = hand_map.robot.hand_limits(side)
        for q in rng.uniform(lower, upper, size=(20, len(lower))):
            places = evaluated(hand_map, side, q, np.zeros((5, 3)))[1]
            np.testing.assert_allclose(places, hand_map.robot.hand_tips(side, q), atol=1e-12)

    @pytest.mark.parametrize("side", [0, 1])
    @pytest.mark.parametrize("missing", [None, 0, 3])
    @pytest.mark.parametrize("clear", [0.022, 0.3])  # with the latter all tips are too near
    def test_they_are_those_of_the_cost(
        self, robot: Robot, side: int, missing: int | None, clear: float
    ) -> None:
        hand_map = HandMap(robot, settings=replace(MapSettings(), clear=clear))
        rng = np.random.default_rng(5)
        lower, upper = hand_map.robot.hand_limits(side)
        for tips in human_tips(hand_map, 12, 5)[:10, side]:
            tips[1] = tips[0] + rng.normal(scale=0.015, size=3)
            if missing is not None:
                tips[missing] = np.nan
            q = rng.uniform(lower, upper)
            _, _, gradient, hessian = evaluated(hand_map, side, q, tips)
            for k, step in enumerate(1e-5 * np.eye(len(q))):
                ahead, behind = (evaluated(hand_map, side, q + s, tips) for s in (step, -step))
                assert gradient[k] == pytest.approx((ahead[0] - behind[0]) / 4e-5, abs=1e-8)
                slope = (ahead[2] - behind[2]) / 2e-5
                np.testing.assert_allclose(hessian[k], slope, atol=1e-7)


class TestLaws:
    @given(seed=seeds)
    def test_a_batch_is_a_loop(self, hand_map: HandMap, seed: int) -> None:
        rng = np.random.default_rng(seed)
        tips = human_tips(hand_map, 12, 6) + rng.normal(scale=0.01, size=(12, 2, 5, 3))
        tips[rng.random((12, 2, 5)) < 0.05] = np.nan
        batch = hand_map.joints(tips)
        for threads in (1, 3):
            again = HandMap(hand_map.robot, threads=threads).joints(tips)
            np.testing.assert_array_equal(again.active, batch.active)
        for k, frame in enumerate(tips):
            one = hand_map.joints(frame)
            np.testing.assert_array_equal(one.active, batch.active[k])
            np.testing.assert_array_equal(one.status, batch.status[k])
        np.testing.assert_array_equal(hand_map.joints(tips[::-1]).active, batch.active[::-1])

    @given(seed=seeds)
    def test_limits_are_kept(self, hand_map: HandMap, seed: int) -> None:
        tips = np.random.default_rng(seed).normal(scale=0.2, size=(50, 2, 5, 3))
        motion = hand_map.joints(tips)
        assert (motion.status == Status.OK).mean() >= 0.99
        for side in range(2):
            lower, upper = hand_map.robot.hand_limits(side)
            assert ((motion.active[:, side] >= lower) & (motion.active[:, side] <= upper)).all()

    def test_what_is_found_is_a_minimum(self, hand_map: HandMap) -> None:
        tips = human_tips(hand_map, 30, 8)
        motion = hand_map.joints(tips)
        assert (motion.status == Status.OK).all()
        for side in range(2):
            lower, upper = hand_map.robot.hand_limits(side)
            size = hand_map.sizes[side]
            assert size == 1.0
            for q, goal in zip(motion.active[:, side], tips[:, side], strict=True):
                gradient = evaluated(hand_map, side, q, goal)[2]
                pushes = ((q <= lower) & (gradient > 0.0)) | ((q >= upper) & (gradient < 0.0))
                assert np.abs(gradient[~pushes]).max(initial=0.0) <= 1e-9

    def test_it_is_continuous(self, hand_map: HandMap) -> None:
        tips = human_tips(hand_map, 300, 9)
        way = np.random.default_rng(9).normal(size=tips.shape)
        way *= 1e-5 / np.linalg.norm(way, axis=-1, keepdims=True)  # 0.01 mm each
        change = hand_map.joints(tips + way).active - hand_map.joints(tips).active
        assert np.abs(change).max() / 0.01 <= 0.2  # rad / mm

    def test_pinches_have_no_memory(self, hand_map: HandMap) -> None:
        tips = human_tips(hand_map, 20, 10)[0]
        gaps = np.concatenate([np.linspace(0.07, 0.004, 3000), np.linspace(0.004, 0.07, 3000)])
        q = hand_map.joints(ramp(tips, gaps)).active
        assert np.abs(q[:3000] - q[3000:][::-1]).max() <= 1e-6
        assert np.abs(np.diff(q, axis=0)).max() <= 0.02


class TestPinches:
    def test_a_pinch_stays_a_pinch(self, hand_map: HandMap) -> None:
        tips = ramp(human_tips(hand_map, 20, 11)[3], np.array([0.005, 0.012, 0.05, 0.09]))
        active = hand_map.joints(tips).active
        for side in range(2):
            there = hand_map.robot.hand_tips(side, active[:, side])
            gap = np.linalg.norm(there[:, 1] - there[:, 0], axis=-1)
            assert (gap[:2] <= 0.003).all(), gap
            assert (gap[2:] >= 0.02).all(), gap

    def test_fingers_that_touch_at_a_distance_of_their_own(self, robot: Robot) -> None:
        tips = ramp(human_tips(HandMap(robot), 20, 11)[3], np.array([0.025]))
        gaps = []
        for touch in (0.012, 0.025):
            user = User(contact_gap=np.array([touch, 0.012, 0.012, 0.012]))
            active = HandMap(robot, user).joints(tips).active
            there = robot.hand_tips(1, active[:, 1])
            gaps.append(float(np.linalg.norm(there[0, 1] - there[0, 0])))
        assert gaps[1] <= 0.003 < gaps[0]

    def test_the_least_gaps(self, hand_map: HandMap) -> None:
        found = hand_map.smallest_gaps() * 1e3
        wanted = [[0.0, 15.7, 34.7, 53.2], [0.0, 9.9, 29.4, 49.0]]
        np.testing.assert_allclose(found, wanted, atol=0.1)


class TestPeople:
    def test_sizes_do_not_matter(self, robot: Robot) -> None:
        points = person(40, 12).keypoints
        found = []
        for scale in (0.85, 1.0, 1.15):
            user = calibrate_user(scale * points)
            motion = KeypointFitter(user=user).fit(scale * points)
            # pinches are judged at the person's own size
            user = User(size=user.size, stretch=user.stretch, palm=user.palm, noise=user.noise)
            far = MapSettings(pair_near=0.5, yields=0.0)
            found.append(HandMap(robot, user, settings=far).joints(motion).active)
        assert np.median(np.abs(found[0] - found[1])) <= 0.02
        assert np.median(np.abs(found[2] - found[1])) <= 0.02

    def test_tips_that_are_apart_stay_apart(self, robot: Robot) -> None:
        """The robot's do not meet where the person's do not; without the push some would."""
        pushed, met = 0, 0
        for seed in (31, 32):
            points = person(300, seed, pinching=True).keypoints
            user = calibrate_user(points)
            motion = KeypointFitter(user=user).fit(points)
            for apart in (MapSettings().apart, 0.0):
                hand_map = HandMap(robot, user, settings=replace(MapSettings(), apart=apart))
                tips = person_tips(points, motion.T_world_mano, robot)
                active = hand_map.joints(tips).active
                gaps = np.stack([tip_gaps(robot.hand_tips(s, active[:, s])) for s in (0, 1)], 1)
                found = int(((gaps < 0.015) & (tip_gaps(tips) > 0.05)).sum())
                pushed, met = pushed + found * (apart > 0.0), met + found * (apart == 0.0)
        assert met > 10
        assert pushed == 0

    def test_motion_and_its_tips_are_one(self, robot: Robot) -> None:
        points = person(20, 13).keypoints
        user = calibrate_user(points)
        fitter = KeypointFitter(user=user)
        motion = fitter.fit(points)
        hand_map = HandMap(robot, user)
        tips = person_tips(fitter.keypoints(motion), motion.T_world_mano, robot)
        np.testing.assert_array_equal(hand_map.joints(motion).active, hand_map.joints(tips).active)

    def test_the_world_does_not_matter(self, hand_map: HandMap) -> None:
        points = person(10, 14).keypoints
        moved = points @ np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T + 0.7
        found = [hand_map.joints(KeypointFitter().fit(x)).active for x in (points, moved)]
        np.testing.assert_allclose(found[0], found[1], atol=1e-7)


class TestMissing:
    def test_a_finger_asks_for_nothing(self, hand_map: HandMap) -> None:
        tips = human_tips(hand_map, 20, 15)
        tips[4, 1, 3] = np.nan
        motion = hand_map.joints(tips)
        assert (motion.status == Status.OK).all()
        hand = hand_map.robot.sides[1]
        ring = [k for k, name in enumerate(hand.active_joints) if "ring" in name]
        lower, upper = hand_map.robot.hand_limits(1)
        middle = 0.5 * (lower + upper)
        np.testing.assert_allclose(motion.active[4, 1, ring], middle[ring], atol=1e-9)

    def test_a_hand_of_three_fingers_is_missing(self, hand_map: HandMap) -> None:
        tips = human_tips(hand_map, 20, 15)
        tips[4, 1, 2:4] = np.nan
        motion = hand_map.joints(tips)
        assert np.argwhere(motion.status == Status.MISSING_INPUT).tolist() == [[4, 1]]
        assert np.isnan(motion.active[4, 1]).all()
        assert np.isfinite(motion.active[4, 0]).all()


def test_pickles(hand_map: HandMap) -> None:
    other = pickle.loads(pickle.dumps(hand_map))
    tips = human_tips(hand_map, 20, 16)
    np.testing.assert_array_equal(other.joints(tips).active, hand_map.joints(tips).active)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scale": 0.0}, "scale must be above 0"),
        ({"yields": 1.5}, "yields must be 0 or more and at most 1, got 1.5"),
        ({"ramp": float("nan")}, "ramp must be above 0"),
        ({"pair": (1.0, 2.0)}, "pair must hold 4 numbers"),
        ({"pair": (1.0, 2.0, -1.0, 0.0)}, "pair must be 0 or more"),
        ({"prior": "much"}, "prior must be a number"),
    ],
)
def test_settings_are_checked(given: dict[str, float], said: str) -> None:
    with pytest.raises(InputError) as caught:
        MapSettings(**given)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_robots_have_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(resource("robots", "h1_inspire"), folder)
    toml = folder / "robot.toml"
    assert Robot.load(folder).map_settings == MapSettings()
    text = re.sub(r"\[map\].*?\n\n", "", toml.read_text(encoding="utf-8"), flags=re.DOTALL)
    toml.write_text(text, encoding="utf-8")
    assert Robot.load(folder).map_settings == MapSettings()
    toml.write_text(text + "\n[map]\nscale = 1.1\npair = [1, 1, 1, 1]\n", encoding="utf-8")
    own = Robot.load(folder).map_settings
    assert own == MapSettings(scale=1.1, pair=(1.0, 1.0, 1.0, 1.0))
    for line, said in (
        ("scale = -1", "key `map.scale` must be above 0"),
        ("skale = 1", "key `map.skale` is not a known key"),
        ("pair = [1, 2]", "key `map.pair` must hold 4 finite numbers"),
    ):
        toml.write_text(f"{text}\n[map]\n{line}\n", encoding="utf-8")
        with pytest.raises(ModelError, match=re.escape(said)):
            Robot.load(folder)


@pytest.mark.parametrize("tips", [np.zeros((5, 3)), np.zeros((0, 2, 5, 3)), np.zeros((2, 4, 3))])
def test_shapes_are_checked(hand_map: HandMap, tips: FloatArray) -> None:
    with pytest.raises(InputError, match=re.escape("(..., 2, 5, 3)")):
        hand_map.joints(tips)


def test_keypoints_need_both_hands() -> None:
    with pytest.raises(InputError, match="keypoints must have shape"):
        person_tips(np.zeros((21, 3)), np.eye(4), Robot.load("h1_inspire"))


def test_a_step_is_a_frame_of_the_batch(hand_map: HandMap) -> None:
    tips = human_tips(hand_map, 20, 8)[:5]
    whole = hand_map.joints(tips).active
    for k in range(5):
        np.testing.assert_array_equal(hand_map.step(tips[k]), whole[k])
    with pytest.raises(InputError, match=r"must have shape \(2, 5, 3\), got \(5, 2, 5, 3\)"):
        hand_map.step(tips)
