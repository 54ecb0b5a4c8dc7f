"""KeypointFitter: laws first, then people who do not exist, then real frames, then errors."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic_people import person
from retarget.core.errors import InputError, ModelError
from retarget.core.geometry import rotation_angle, rotation_from_rotvec
from retarget.core.types import FINGERS, Status
from retarget.human.hand_model import MIRROR, load_hands
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.keypoints import KEYPOINT_NAMES, HandKeypoints
from retarget.human.user import User
from retarget.human.user_calibration import calibrate_user, contact_gaps
from retarget.human.user_shape import PALM, reach, rest_hand, shape_directions

seeds = st.integers(0, 2**32 - 1)
SIGMA = load_hands()[1].sigma[:15]


def some_user(seed: int = 3) -> User:
    rng = np.random.default_rng(seed)
    return User(
        size=1.1,
        stretch=1.0 + 0.1 * rng.normal(size=(5, 3)),
        palm=0.004 * rng.normal(size=(5, 3)),
    )


class TestLaws:
    @given(seed=seeds, components=st.sampled_from([15, 45]))
    def test_a_batch_is_a_loop(self, seed: int, components: int) -> None:
        fitter = KeypointFitter(user=some_user(), components=components)
        points = person(11, seed).keypoints
        rng = np.random.default_rng(seed)
        points[rng.random(points.shape[:-1]) < 0.1] = np.nan
        points[3, 0] = np.nan
        batch = fitter.fit(points)
        for k, frame in enumerate(points):
            one = fitter.fit(frame)
            for name in ("pca", "T_world_mano", "residual", "status", "hand_pose", "iterations"):
                np.testing.assert_array_equal(getattr(one, name), getattr(batch, name)[k])
        shuffled = rng.permutation(len(points))
        np.testing.assert_array_equal(fitter.fit(points[shuffled]).pca, batch.pca[shuffled])

    @given(seed=seeds)
    def test_mirrored_hands_are_the_other_hands(self, seed: int) -> None:
        fitter = KeypointFitter(user=some_user())
        points = person(8, seed).keypoints
        found, other = fitter.fit(points), fitter.fit(points[:, ::-1] * MIRROR)
        assert np.abs((other.pca[:, ::-1] - found.pca) / SIGMA).max() <= 1e-9
        mirror = np.diag([*MIRROR, 1.0])
        moved = mirror @ found.T_world_mano @ mirror
        np.testing.assert_allclose(other.T_world_mano[:, ::-1], moved, atol=1e-9)

    @given(seed=seeds)
    def test_moved_hands_move(self, seed: int) -> None:
        fitter = KeypointFitter(user=some_user())
        points, rng = person(8, seed).keypoints, np.random.default_rng(seed)
        R, t = rotation_from_rotvec(rng.normal(size=3)), rng.normal(size=3)
        found, moved = fitter.fit(points), fitter.fit(points @ R.T + t)
        assert np.abs((moved.pca - found.pca) / SIGMA).max() <= 1e-9
        np.testing.assert_allclose(
            moved.T_world_mano[..., :3, :3], R @ found.T_world_mano[..., :3, :3], atol=1e-9
        )
        np.testing.assert_allclose(
            moved.T_world_mano[..., :3, 3], found.T_world_mano[..., :3, 3] @ R.T + t, atol=1e-9
        )

    @pytest.mark.parametrize("side", [0, 1])
    def test_it_is_continuous(self, side: int) -> None:
        rng = np.random.default_rng(8)
        points = person(200, 8).keypoints[:, side]
        points += rng.normal(scale=0.002, size=points.shape)
        fitter = KeypointFitter(side, calibrate_user(points, side=side))
        way = rng.normal(size=points.shape)
        way *= 1e-5 / np.linalg.norm(way, axis=-1, keepdims=True)  # 0.01 mm each
        change = fitter.fit(points + way).pca - fitter.fit(points).pca
        assert np.abs(change[:, side] / SIGMA).max() / 0.01 <= 0.5  # sigma / mm

    def test_one_side_is_that_side_of_both(self) -> None:
        points = person(5, 4).keypoints
        both = KeypointFitter(user=some_user()).fit(points)
        for side, name in enumerate(("left", "right")):
            one = KeypointFitter(name, some_user()).fit(points[:, side])
            np.testing.assert_array_equal(one.pca[:, side], both.pca[:, side])
            assert (one.status[:, 1 - side] == Status.MISSING_INPUT).all()
            assert np.isnan(one.pca[:, 1 - side]).all()

    def test_callers_arrays_stay(self) -> None:
        points = person(5, 4).keypoints
        weights = np.ones(points.shape[:-1])
        KeypointFitter().fit(points, weights, np.zeros((5, 2), dtype=bool))
        assert (weights == 1.0).all()
        np.testing.assert_array_equal(points, person(5, 4).keypoints)

    @pytest.mark.parametrize("components", [1, 15, 45])
    def test_residuals_are_what_the_keypoints_say(self, components: int) -> None:
        fitter = KeypointFitter(user=some_user(), components=components)
        points = person(20, 6).keypoints
        motion = fitter.fit(points)
        distance = np.linalg.norm(fitter.keypoints(motion) - points, axis=-1)
        np.testing.assert_allclose(motion.residual, distance, atol=1e-12)
        assert motion.hand_pose is not None
        for side, hand in enumerate(fitter.hands):
            pose = HandKeypoints(hand).pose(motion.pca[:, side]).reshape(-1, 15, 3)
            np.testing.assert_allclose(motion.hand_pose[:, side], pose, atol=1e-12)

    def test_a_user_of_the_models_size_is_the_model(self) -> None:
        motion = KeypointFitter().fit(person(5, 1).keypoints)
        fitter = KeypointFitter(user=User())
        for side, hand in enumerate(fitter.hands):
            at_root = HandKeypoints(hand).keypoints(motion.pca[:, side]) - hand.root
            R, t = motion.T_world_mano[:, side, :3, :3], motion.T_world_mano[:, side, :3, 3]
            there = at_root @ R.swapaxes(-1, -2) + t[:, None]
            np.testing.assert_allclose(fitter.keypoints(motion)[:, side], there, atol=1e-12)


class TestUsers:
    def test_directions_are_the_rest_hands(self) -> None:
        hand, user = load_hands()[1], some_user()
        found = shape_directions(hand, user)
        rng = np.random.default_rng(0)
        step = 0.02 * rng.normal(size=len(found.spread)) * found.spread
        there = rest_hand(
            hand,
            dataclasses.replace(
                user,
                stretch=user.stretch + np.tensordot(step, found.stretch, 1),
                palm=user.palm + np.tensordot(step, found.palm, 1),
            ),
        )
        here = rest_hand(hand, user)
        for name in ("joints", "keypoints"):
            by_step = np.tensordot(step, getattr(found, name), 1)
            np.testing.assert_allclose(
                getattr(there, name), getattr(here, name) + by_step, atol=1e-12
            )

    def test_palms_do_not_turn(self) -> None:
        hand = load_hands()[1]
        knuckles = rest_hand(hand).keypoints[list(PALM[1:])] - rest_hand(hand).keypoints[0]
        moved = shape_directions(hand, User()).palm[:, 1:]
        np.testing.assert_allclose(np.cross(knuckles, moved).sum(axis=1), 0.0, atol=1e-12)

    def test_bones_have_the_users_lengths(self) -> None:
        user = some_user()
        for hand in load_hands():
            own, model = rest_hand(hand, user), rest_hand(hand)
            for k, finger in enumerate(FINGERS):
                first = KEYPOINT_NAMES.index(f"{finger}_tip") - 3
                bones = [
                    np.linalg.norm(np.diff(h.keypoints[first : first + 4], axis=0), axis=-1)
                    for h in (own, model)
                ]
                np.testing.assert_allclose(bones[0], user.size * user.stretch[k] * bones[1])
        left, right = (rest_hand(hand, user).keypoints for hand in load_hands())
        np.testing.assert_allclose(left, right * MIRROR, atol=1e-12)

    def test_files_come_back(self, tmp_path: Path) -> None:
        for user in (some_user(), User(layout="openxr26", sides=("left",), frames=7)):
            user.save(tmp_path / "user.toml")
            assert User.load(tmp_path / "user.toml") == user

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("size = 1.1", "size = 110", "key `size` must be 0.2 to 5, got 110"),
            ("size = 1.1", "sice = 1.1", "key `sice` is not a known key"),
            ("noise = 0.002", "noise = 2", "key `noise` must be 1e-05 to 0.1"),
            ('file = "retarget user"', 'file = "robot"', 'key `file` must be "retarget user"'),
            ("[palm]", "[plam]", "key `plam` is not a known key"),
            ("frames = 0", "frames = -1", "key `frames` must be a whole number"),
        ],
    )
    def test_wrong_files_are_named(self, tmp_path: Path, old: str, new: str, said: str) -> None:
        path = tmp_path / "user.toml"
        some_user().save(path)
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(ModelError, match=r"user\.toml") as caught:
            User.load(path)
        assert said in str(caught.value)


class TestPeople:
    """What holds of people who do not exist, whose truth is known."""

    @pytest.mark.parametrize("seed", [11, 12])
    def test_clean_keypoints(self, seed: int) -> None:
        truth = person(80, seed, components=45)
        user = calibrate_user(truth.keypoints)
        motion = KeypointFitter(user=user, components=45).fit(truth.keypoints)
        assert np.percentile(motion.residual, 99) <= 1e-4
        assert (motion.status == Status.OK).all()

    @pytest.mark.parametrize("seed", [13, 14])
    def test_noise_and_missing_keypoints(self, seed: int) -> None:
        truth, rng = person(150, seed), np.random.default_rng(seed)
        seen = truth.keypoints + rng.normal(scale=0.002, size=truth.keypoints.shape)
        user = calibrate_user(seen)
        assert user.noise == pytest.approx(0.002, rel=0.15)
        fitter = KeypointFitter(user=user)
        motion = fitter.fit(seen)
        assert motion.hand_pose is not None
        joints = rotation_angle(
            rotation_from_rotvec(motion.hand_pose), rotation_from_rotvec(truth.pose)
        )
        wrists = rotation_angle(motion.T_world_mano[..., :3, :3], truth.rotation)
        assert np.degrees(np.median(joints)) <= 3.0
        assert np.degrees(np.median(wrists)) <= 2.5
        for frame in seen.reshape(-1, 21, 3):
            frame[rng.choice(21, 5, replace=False)] = np.nan
        error = np.linalg.norm(fitter.keypoints(fitter.fit(seen)) - truth.keypoints, axis=-1)
        assert np.median(error) <= 2.5e-3

    def test_an_outlier_costs_little(self) -> None:
        truth = person(40, 15)
        fitter = KeypointFitter(user=calibrate_user(truth.keypoints))
        seen = truth.keypoints.copy()
        seen[:, :, 7] += 0.04
        error = np.linalg.norm(fitter.keypoints(fitter.fit(seen)) - truth.keypoints, axis=-1)
        assert np.median(error) <= 1.5e-3

    def test_the_size_does_not_change_the_pose(self) -> None:
        truth = person(60, 16)
        poses = []
        for scale in (0.8, 1.0, 1.25):
            points = scale * truth.keypoints
            motion = KeypointFitter(user=calibrate_user(points)).fit(points)
            assert motion.hand_pose is not None
            poses.append(rotation_from_rotvec(motion.hand_pose))
        for other in (poses[0], poses[2]):
            assert np.degrees(np.median(rotation_angle(other, poses[1]))) <= 0.5

    def test_either_hand_tells_both(self) -> None:
        points = person(60, 17).keypoints
        left, right = (calibrate_user(points[:, k], side=k) for k in (0, 1))
        assert (left.sides, right.sides) == (("left",), ("right",))
        hand = load_hands()[1]
        assert reach(rest_hand(hand, left)) == pytest.approx(
            reach(rest_hand(hand, right)), rel=0.01
        )

    def test_touching_fingers_tell_the_gap(self) -> None:
        points = person(100, 18).keypoints[:, 1]
        points[10:40, 8] = points[10:40, 4] + [0.009, 0.0, 0.0]
        gaps = contact_gaps(points)
        assert gaps[0] == pytest.approx(0.009, abs=1e-3)
        points[:, 20] = points[:, 4] + [0.05, 0.0, 0.0]
        assert contact_gaps(points)[3] == 0.012


def test_real_frames(shared: Path) -> None:
    frames = np.load(shared / "human" / "right_hand_keypoints.npz")["keypoints"].astype(float)
    user = calibrate_user(frames, side="right")
    motion = KeypointFitter("right", user, components=45).fit(frames)
    assert (motion.status[:, 1] == Status.OK).all()
    residual = motion.residual[:, 1]
    assert np.median(residual) <= 3.0e-3
    assert np.percentile(residual, 99) <= 12.5e-3


class TestMissing:
    def test_missing_keypoints_have_no_residual(self) -> None:
        points = person(3, 20).keypoints
        points[1, 0, 6] = np.nan
        motion = KeypointFitter().fit(points)
        assert (motion.status == Status.OK).all()
        assert np.argwhere(np.isnan(motion.residual)).tolist() == [[1, 0, 6]]

    @pytest.mark.parametrize("kind", ["few", "line", "zeros", "invalid", "weightless"])
    def test_hands_that_nothing_determines_are_missing(self, kind: str) -> None:
        points, weights, valid = person(3, 21).keypoints, None, None
        if kind == "few":
            points[1, 0, :11] = np.nan
        elif kind == "line":
            points[1, 0] = np.linspace(0.0, 0.1, 21)[:, None] * [1.0, 2.0, 3.0]
        elif kind == "zeros":
            points[1, 0] = 0.0
        elif kind == "invalid":
            valid = np.array([[True, True], [False, True], [True, True]])
        else:
            weights = np.ones((3, 2, 21))
            weights[1, 0] = 0.0
        motion = KeypointFitter().fit(points, weights, valid)
        missing = motion.status == Status.MISSING_INPUT
        assert np.argwhere(missing).tolist() == [[1, 0]]
        assert np.isnan(motion.pca[missing]).all()
        assert np.isnan(motion.T_world_mano[missing]).all()
        assert np.isfinite(motion.pca[~missing]).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: KeypointFitter("middle"), "side must be 'left', 'right', 0 or 1"),
        (lambda: KeypointFitter(components=46), "components must be 1 to 45, got 46"),
        (lambda: KeypointFitter().fit(np.zeros((3, 21, 3))), r"shape (..., 2, 21, 3)"),
        (lambda: KeypointFitter(0).fit(np.zeros((3, 20, 3))), r"shape (..., 21, 3)"),
        (lambda: KeypointFitter(0).fit(np.zeros((0, 21, 3))), "not empty"),
        (lambda: KeypointFitter(0).fit(np.full((21, 3), np.inf)), "must not be infinite"),
        (lambda: KeypointFitter(0).fit(np.zeros((21, 3)), -np.ones(21)), "must not be negative"),
        (lambda: KeypointFitter(0).fit(np.zeros((21, 3)), np.ones(20)), "weights must have shape"),
        (lambda: KeypointFitter(0).fit(np.zeros((21, 3)), valid=[True]), "valid must have shape"),
        (lambda: calibrate_user(np.zeros((30, 21, 3)), side=1), "size of the hand model's"),
        (lambda: calibrate_user(person(9, 1).keypoints), "at least 20 frames of a hand, got 18"),
        (
            lambda: calibrate_user(1e3 * person(30, 1).keypoints),
            "keypoints must be in metres",
        ),
        (lambda: User(size=float("nan")), "size must be 0.2 to 5, got nan"),
        (lambda: User(stretch=np.ones((5, 2))), "stretch must have shape (5, 3)"),
        (lambda: User(layout="a b"), "layout must be a name"),
        (lambda: User(sides=("both",)), "sides must be of left, right"),
    ],
)
def test_what_is_refused(call: object, said: str) -> None:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    assert said in str(caught.value)
