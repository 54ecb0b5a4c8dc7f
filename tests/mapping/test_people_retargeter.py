"""PeopleRetargeter and workspaces: laws, whole robot by forward kinematics, gaps, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic_people import person
from retarget.core.errors import InputError
from retarget.core.geometry import angle_between, rotation_angle, rotation_from_rotvec, transform
from retarget.core.types import FloatArray, HumanMotion, Status
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.human.user_calibration import calibrate_user
from retarget.mapping.hand_frame import human_wrists
from retarget.mapping.people_retargeter import PeopleRetargeter

angles = st.floats(-3.0, 3.0)


@pytest.fixture(scope="module")
def motion() -> HumanMotion:
    points = person(60, 5, pinching=True).keypoints
    return KeypointFitter(user=calibrate_user(points)).fit(points)


@pytest.fixture(scope="module")
def people() -> PeopleRetargeter:
    return PeopleRetargeter("h1_inspire", calibrate_user(person(60, 5, pinching=True).keypoints))


def at_rest(people: PeopleRetargeter, motion: HumanMotion) -> HumanMotion:
    """The same hands, their wrists on a small way about where the robot's are at rest."""
    rest = np.stack([arm.forward(arm.posture) for arm in people.arms])
    T = np.repeat(human_wrists(people.robot, rest)[None], len(motion.pca), axis=0)
    T[:, :, :3, 3] += 0.03 * np.sin(np.linspace(0.0, 3.0, len(T)))[:, None, None]
    return replace(motion, T_world_mano=T)


@given(angles, st.lists(angles, min_size=3, max_size=3))
def test_where_the_person_stands_does_not_matter(
    people: PeopleRetargeter, motion: HumanMotion, turn: float, way: list[float]
) -> None:
    here = at_rest(people, motion).T_world_mano
    moved = transform(rotation_from_rotvec([0.0, 0.0, turn]), np.array(way)) @ here
    expected = people.workspace(here[0]).wrists(here, people.robot)
    found = people.workspace(moved[0]).wrists(moved, people.robot)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_start_begins_where_the_arms_rest(people: PeopleRetargeter, motion: HumanMotion) -> None:
    here = at_rest(people, motion).T_world_mano + np.array([[0, 0, 0, 4.0]] * 3 + [[0.0] * 4])
    wrists = people.workspace(here[0]).wrists(here, people.robot)
    rest = np.stack([arm.forward(arm.posture)[:3, 3] for arm in people.arms])
    np.testing.assert_allclose(wrists[0, :, :3, 3].mean(0), rest.mean(0), atol=1e-12)
    one = here.copy()
    one[:, 0] = np.nan
    wrists = people.workspace(one[0]).wrists(one, people.robot)
    np.testing.assert_allclose(wrists[0, 1, :3, 3], rest[1], atol=1e-12)


def test_ways_are_scaled_and_rotations_are_not(
    people: PeopleRetargeter, motion: HumanMotion
) -> None:
    here = at_rest(people, motion).T_world_mano
    whole = people.workspace(here[0]).wrists(here, people.robot)
    half = people.workspace(here[0], scale=0.5).wrists(here, people.robot)
    np.testing.assert_allclose(half[..., :3, :3], whole[..., :3, :3], atol=1e-12)
    np.testing.assert_allclose(
        half[1:, :, :3, 3] - half[:-1, :, :3, 3],
        0.5 * (whole[1:, :, :3, 3] - whole[:-1, :, :3, 3]),
        atol=1e-12,
    )


def test_shoulders_are_under_the_head(people: PeopleRetargeter, motion: HumanMotion) -> None:
    """A person who looks along y, hands before the shoulders, has them before the robot's."""
    head = transform(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), np.array([2.0, 3.0, 1.6]))
    T = at_rest(people, motion).T_world_mano[0].copy()
    T[:, :3, 3] = [[1.8, 3.3, 1.2], [2.2, 3.3, 1.2]]
    place = people.workspace(T, "shoulders", T_world_camera=head)
    left, right = place.wrists(T, people.robot)[:, :3, 3]
    assert left[1] > 0.0 > right[1]
    np.testing.assert_allclose(left[0] - place.origin[0], 0.3, atol=1e-12)
    np.testing.assert_allclose((left[1], right[1]), (0.2, -0.2), atol=1e-9)
    assert 0.1 < place.origin[2] - left[2] < 0.3
    with pytest.raises(InputError, match="needs the pose of the head"):
        people.workspace(T, "shoulders")


def test_none_leaves_wrists_where_they_are(people: PeopleRetargeter, motion: HumanMotion) -> None:
    here = at_rest(people, motion).T_world_mano
    placed = people.workspace(here[0], "none").wrists(here, people.robot)
    np.testing.assert_allclose(human_wrists(people.robot, placed), here, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"align": "middle"}, "align must be one of start, shoulders, none"),
        ({"scale": 0.0}, "scale"),
        ({"lost": True}, "no hand is known"),
    ],
)
def test_wrong_workspaces_are_refused(
    people: PeopleRetargeter, given: dict[str, object], said: str
) -> None:
    given = dict(given)
    T = np.full((2, 4, 4), np.nan) if given.pop("lost", False) else np.stack([np.eye(4)] * 2)
    with pytest.raises(InputError, match=said):
        people.workspace(T, **given)  # type: ignore[arg-type]


def test_the_whole_robot_is_where_it_says(people: PeopleRetargeter, motion: HumanMotion) -> None:
    human = at_rest(people, motion)
    place = people.workspace(human.T_world_mano[0])
    robot = people.to_robot(human, place)
    wrists, tips = people.robot.forward(robot.qpos)
    wanted = place.wrists(human.T_world_mano, people.robot)
    off = np.linalg.norm(wrists[..., :3, 3] - wanted[..., :3, 3], axis=-1)
    turned = rotation_angle(wrists[..., :3, :3], wanted[..., :3, :3])
    np.testing.assert_allclose(off, robot.position_error, atol=1e-9)
    np.testing.assert_allclose(turned, robot.rotation_error, atol=1e-7)
    assert (robot.arm_status == Status.OK).mean() > 0.9
    mapped = people.measure(human, robot)
    gaps = np.linalg.norm(tips[:, :, 1:] - tips[:, :, :1], axis=-1)
    np.testing.assert_allclose(mapped.robot_gap_m, gaps, atol=1e-9)
    local = np.einsum("...ij,...fi->...fj", wrists[..., :3, :3], tips - wrists[..., None, :3, 3])
    person_tips = people.hand_map.tips_of(human)
    np.testing.assert_allclose(
        mapped.direction_error_rad, angle_between(person_tips, local), atol=1e-9
    )
    assert (robot.qpos >= people.robot.lower - 1e-9).all()
    assert (robot.qpos <= people.robot.upper + 1e-9).all()


def test_blocks_are_the_whole(people: PeopleRetargeter, motion: HumanMotion) -> None:
    human = at_rest(people, motion)
    place = people.workspace(human.T_world_mano[0])
    whole = people.to_robot(human, place).qpos
    first = people.to_robot(cut(human, 0, 25), place).qpos
    second = people.to_robot(cut(human, 25, 60), place, q0=first[-1]).qpos
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-9)


def test_a_lost_hand_holds(people: PeopleRetargeter, motion: HumanMotion) -> None:
    human = at_rest(people, motion)
    pca, T = human.pca.copy(), human.T_world_mano.copy()
    pca[20:30, 0], T[20:30, 0] = np.nan, np.nan
    lost = replace(human, pca=pca, T_world_mano=T)
    place = people.workspace(human.T_world_mano[0])
    robot = people.to_robot(lost, place)
    left = people.robot.sides[0]
    rows = people.robot.indices((*left.arm_joints, *left.hand_joints))
    np.testing.assert_array_equal(robot.qpos[20:30, rows], np.tile(robot.qpos[19, rows], (10, 1)))
    assert (robot.hand_status[20:30, 0] == Status.MISSING_INPUT).all()
    mapped = people.measure(lost, robot)
    assert np.isnan(mapped.robot_gap_m[20:30, 0]).all()
    assert np.isfinite(mapped.robot_gap_m[:, 1]).all()


def test_other_hand_models_are_refused(people: PeopleRetargeter, motion: HumanMotion) -> None:
    human = replace(at_rest(people, motion), hand="other")
    with pytest.raises(InputError, match="of hand model other"):
        people.to_robot(human, people.workspace(human.T_world_mano[0]))


def cut(motion: HumanMotion, start: int, stop: int) -> HumanMotion:
    def part(values: FloatArray | None) -> FloatArray | None:
        return None if values is None else values[start:stop]

    return HumanMotion(
        **{
            name: part(value) if isinstance(value, np.ndarray) else value
            for name, value in vars(motion).items()
        }
    )
