"""Self-collision: the nearest links are the nearest of all, and motion stops before they touch."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retarget.control.action_feed import standing
from retarget.control.collision_guard import CollisionGuard
from retarget.control.limited_motion import LimitedMotion
from retarget.control.run_loop import LimitCheck
from retarget.core.errors import InputError, ModelError
from retarget.robot.joint_limits import DrivenJoints, JointLimits
from retarget.robot.robot import Robot
from retarget.robot.self_collision import SelfCollision, link_shapes


@pytest.fixture(scope="module")
def collision(robot: Robot) -> SelfCollision:
    return SelfCollision(robot)


def every_distance(robot: Robot, qpos: np.ndarray) -> dict[tuple[str, str], float]:
    """Distances of all pairs of links, from the URDF's own shapes, each compared with each."""
    import pinocchio as pin

    text = robot.urdf_path.read_text()
    whole = pin.buildModelFromXML(text)
    shapes = pin.buildGeomFromUrdfString(whole, text, pin.GeometryType.COLLISION)
    held = [n for n in list(whole.names)[1:] if n not in robot.joint_names]
    model, (shapes,) = pin.buildReducedModel(
        whole, [shapes], [whole.getJointId(n) for n in held], pin.neutral(whole)
    )
    links = [model.frames[s.parentFrame].name for s in shapes.geometryObjects]
    moved = [name.startswith(("L_", "R_")) or "shoulder" in name or "elbow" in name
             or "wrist" in name for name in links]  # fmt: skip
    for a in range(len(links)):
        for b in range(a + 1, len(links)):
            if links[a] != links[b] and (moved[a] or moved[b]):
                shapes.addCollisionPair(pin.CollisionPair(a, b))
    q = np.zeros(model.nq)
    q[[model.joints[model.getJointId(n)].idx_q for n in robot.joint_names]] = qpos
    data, found = model.createData(), shapes.createData()
    pin.updateGeometryPlacements(model, data, shapes, found, q)
    pin.computeDistances(shapes, found)
    least: dict[tuple[str, str], float] = {}
    for pair, result in zip(shapes.collisionPairs, found.distanceResults, strict=True):
        a, b = sorted((links[pair.first], links[pair.second]))
        least[a, b] = min(least.get((a, b), np.inf), result.min_distance)
    return least


def test_the_nearest_is_the_nearest_of_all_pairs(robot: Robot, collision: SelfCollision) -> None:
    rng = np.random.default_rng(0)
    compared = {
        tuple(sorted((collision._links[a].name, collision._links[b].name)))
        for a, b in zip(collision._first, collision._second, strict=True)
    }
    for _ in range(6):
        qpos = standing(robot, rng.uniform(robot.lower, robot.upper))
        near = collision.nearest(qpos)
        least = {k: v for k, v in every_distance(robot, qpos).items() if k in compared}
        best = min(least.values())
        assert near.distance == pytest.approx(best, abs=2e-6)
        assert least[tuple(sorted(near.links))] == pytest.approx(best, abs=2e-6)  # type: ignore[index]


def test_what_is_compared(robot: Robot, collision: SelfCollision) -> None:
    names = {part.name for part in collision._links}
    assert {"torso_link", "pelvis", "L_hand_base_link", "R_thumb_distal"} <= names
    pairs = {
        frozenset((collision._links[a].name, collision._links[b].name))
        for a, b in zip(collision._first, collision._second, strict=True)
    }
    assert frozenset(("L_hand_base_link", "R_hand_base_link")) in pairs
    assert frozenset(("torso_link", "left_elbow_roll_link")) in pairs
    assert frozenset(("left_elbow_pitch_link", "right_elbow_pitch_link")) in pairs
    # a thumb that is closed lies on its own palm, and fingers meet when they pinch
    assert frozenset(("L_hand_base_link", "L_thumb_proximal")) not in pairs
    assert frozenset(("L_thumb_distal", "L_index_intermediate")) not in pairs
    # kept apart by the joint between them
    assert frozenset(("left_elbow_pitch_link", "left_elbow_roll_link")) not in pairs
    # no command moves these
    assert frozenset(("left_knee_link", "right_knee_link")) not in pairs
    assert collision.excluded == ()


def test_a_cylinder_with_round_ends_is_one_capsule(robot: Robot) -> None:
    _, links = link_shapes(robot)
    kinds = [type(shape.geometry).__name__ for link in links for shape in link.shapes]
    assert kinds.count("Capsule") > 30
    assert len(kinds) < robot.urdf_path.read_text().count("<collision>")


def test_links_that_touch_in_the_posture_are_left_out(robot: Robot) -> None:
    posture = standing(robot)
    near = SelfCollision(robot).nearest(posture)
    wide = SelfCollision(robot, margin=near.distance + 1e-3)
    assert near.links in wide.excluded
    assert wide.nearest(posture).distance > wide.margin


def reaching_in(robot: Robot, collision: SelfCollision, sides: tuple[int, ...]) -> np.ndarray:
    """A pose of some arms that puts them into the body or each other."""
    rng = np.random.default_rng(3)
    rows = np.concatenate([robot.indices(robot.sides[k].arm_joints) for k in sides])
    for _ in range(3_000):
        goal = standing(robot)
        goal[rows] = rng.uniform(robot.lower[rows], robot.upper[rows])
        if collision.nearest(goal).distance < -0.03:
            return goal
    raise AssertionError("no such pose")


def test_motion_stops_before_links_touch(robot: Robot, collision: SelfCollision) -> None:
    driven, limits = DrivenJoints(robot), JointLimits.of(robot)
    goal = reaching_in(robot, collision, (0, 1))[driven.rows]
    guard = CollisionGuard(robot, driven, 0.01)
    qpos = standing(robot)
    motion = LimitedMotion(driven.limits(limits), 30.0, qpos[driven.rows])
    check = LimitCheck(limits, 30.0, qpos)
    blocked, least = 0, np.inf
    for _ in range(90):
        joints, near, braked = guard.step(motion, motion.propose(goal), qpos)
        driven.expand(motion.take(joints), qpos)
        check.add(qpos[None])
        least = min(least, collision.nearest(qpos).distance)
        blocked += any(braked)
        assert near.distance >= 0.01 - 1e-9
    assert least >= 0.01 - 1e-9
    assert blocked > 0
    assert check.broken == 0
    # it did not just stand still, and it gets away again
    assert np.abs(motion.q - standing(robot)[driven.rows]).max() > 0.1
    home = standing(robot)[driven.rows]
    for _ in range(90):
        joints, _, _ = guard.step(motion, motion.propose(home), qpos)
        motion.take(joints)
    np.testing.assert_allclose(motion.q, home, atol=1e-9)


def test_one_side_moves_on_while_the_other_is_blocked(
    robot: Robot, collision: SelfCollision
) -> None:
    driven = DrivenJoints(robot)
    goal = reaching_in(robot, collision, (0,))
    right = robot.indices(robot.sides[1].arm_joints)
    goal[right] = standing(robot)[right] + [0.3, -0.3, 0.0, 0.3, 0.3, 0.1, 0.1]
    guard = CollisionGuard(robot, driven, 0.01)
    qpos = standing(robot)
    motion = LimitedMotion(driven.limits(JointLimits.of(robot)), 30.0, qpos[driven.rows])
    for _ in range(120):
        joints, _, braked = guard.step(motion, motion.propose(goal[driven.rows]), qpos)
        motion.take(joints)
    place = driven.sides[1]
    wanted = np.clip(goal, robot.lower, robot.upper)[driven.rows][place]
    assert braked == (True, False)
    np.testing.assert_allclose(motion.q[place], wanted, atol=1e-9)


def test_a_start_within_the_margin_may_only_move_away(
    robot: Robot, collision: SelfCollision
) -> None:
    driven = DrivenJoints(robot)
    home, inside = standing(robot), reaching_in(robot, collision, (0,))
    guard = CollisionGuard(robot, driven, 0.01)
    # where the way in comes nearer than the margin
    on_the_way = (home + share * (inside - home) for share in np.linspace(0.0, 1.0, 400))
    qpos = next(q for q in on_the_way if collision.nearest(q).distance < 0.008)
    goal = home[driven.rows]
    motion = LimitedMotion(driven.limits(JointLimits.of(robot)), 30.0, qpos[driven.rows])
    deepest = collision.nearest(qpos).distance
    for _ in range(300):
        joints, near, _ = guard.step(motion, motion.propose(goal), qpos)
        motion.take(joints)
        assert near.distance >= min(0.01, deepest) - 2e-6
        deepest = max(deepest, near.distance)
    np.testing.assert_allclose(motion.q, goal, atol=1e-9)


def test_nothing_is_nearer_than_the_bounds_say(robot: Robot, collision: SelfCollision) -> None:
    """Of all poses around one, the distance is at least the lower bound, which is not idle."""
    rng = np.random.default_rng(0)
    tight = 0.0
    for _ in range(8):
        qpos = standing(robot, rng.uniform(robot.lower, robot.upper))
        around = rng.uniform(0.0, 0.1, len(qpos)) * (rng.random(len(qpos)) < 0.3)
        here = collision.nearest(qpos)
        bound = collision.nearest(qpos, collision.nearer_by(around))
        assert bound.distance <= here.distance
        least = min(
            collision.nearest(qpos + around * rng.choice([-1.0, 1.0], len(qpos))).distance
            for _ in range(20)
        )
        assert least >= bound.distance - 2e-6
        tight = max(tight, (here.distance - least) / (here.distance - bound.distance + 1e-9))
    assert tight > 0.1


def test_fast_arms_do_not_pass_through_each_other(robot: Robot, collision: SelfCollision) -> None:
    """Where a step passes, so do all poses on the way to rest, not only those at its ends."""
    driven, rng = DrivenJoints(robot), np.random.default_rng(0)
    guard, limits = CollisionGuard(robot, driven, 0.01), driven.limits(JointLimits.of(robot))
    passed, only_the_ends = 0, 0
    for _ in range(400):
        q = standing(robot, rng.uniform(robot.lower, robot.upper))[driven.rows]
        u = rng.uniform(-1.0, 1.0, len(q)) * limits.velocity / 30.0
        motion = LimitedMotion(limits, 30.0, q - u)
        here = motion.take(np.clip(q, limits.lower, limits.upper))
        proposal = np.clip(here + u, limits.lower, limits.upper)
        driven_way = [here, *motion.way_to_rest(proposal)]
        way = np.zeros((len(driven_way), len(robot.joint_names)))
        for pose, row in zip(driven_way, way, strict=True):
            driven.expand(pose, row)
        if min(collision.nearest(way[k]).distance for k in (0, 1, -1)) < 0.01:
            continue
        guard.reset()
        joints, _, braked = guard.step(motion, proposal, way[0].copy())
        clear = min(
            collision.nearest(a + share * (b - a)).distance
            for a, b in pairwise(way)
            for share in np.linspace(0.0, 1.0, 9)
        )
        if not any(braked):
            np.testing.assert_array_equal(joints, proposal)
            assert clear > 0.0
            passed += 1
        elif clear < 0.0:
            only_the_ends += 1
    assert passed > 20
    assert only_the_ends > 0


def test_bad_input_is_refused(robot: Robot, collision: SelfCollision, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="margin"):
        SelfCollision(robot, margin=-0.1)
    with pytest.raises(InputError, match=r"margin of 10 m .* nothing"):  # perhaps millimetres
        SelfCollision(robot, margin=10.0)
    with pytest.raises(InputError, match=r"\(50,\)"):
        collision.nearest(np.zeros(3))
    text = robot.urdf_path.read_text()
    bare = tmp_path / "bare.urdf"
    while "<collision>" in text:
        begin, end = text.index("<collision>"), text.index("</collision>") + len("</collision>")
        text = text[:begin] + text[end:]
    bare.write_text(text)
    with pytest.raises(ModelError, match="no collision shapes"):
        SelfCollision(Robot.load(urdf=bare))


def test_the_meshed_robot_works_too(shared: Path) -> None:
    robot = Robot.load(urdf=shared / "robots/h1_inspire/urdf/h1_inspire.urdf")
    near: Any = SelfCollision(robot).nearest(standing(robot))
    assert 0.0 < near.distance < 0.3
