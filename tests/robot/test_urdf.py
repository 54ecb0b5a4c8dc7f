"""The project's URDF against the public one it takes its facts from, and against itself."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pinocchio
import pytest

from retarget.core.resources import resource

URDF = resource("robots", "h1_inspire", "h1_inspire.urdf")


@pytest.fixture(scope="module")
def ours():
    return pinocchio.buildModelFromUrdf(str(URDF))


@pytest.fixture(scope="module")
def public_path(shared: Path) -> Path:
    return shared / "robots" / "h1_inspire" / "urdf" / "h1_inspire.urdf"


@pytest.fixture(scope="module")
def public(public_path: Path):
    return pinocchio.buildModelFromUrdf(str(public_path))


def by_name(path: Path, tag: str) -> dict[str, ElementTree.Element]:
    return {e.get("name", ""): e for e in ElementTree.parse(path).getroot().findall(tag)}


def parent_links() -> dict[str, str]:
    return {
        joint.find("child").get("link"): joint.find("parent").get("link")
        for joint in by_name(URDF, "joint").values()
    }


def test_every_link_stands_where_the_public_one_does(ours, public):
    assert set(ours.names) == set(public.names)
    links = [f.name for f in public.frames if f.type == pinocchio.FrameType.BODY]
    assert len(links) == 65
    ours_data, public_data = ours.createData(), public.createData()
    columns = [ours.joints[ours.getJointId(name)].idx_q for name in list(public.names)[1:]]
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(1000):
        q = rng.uniform(public.lowerPositionLimit, public.upperPositionLimit)
        p = np.empty_like(q)
        p[columns] = q
        pinocchio.framesForwardKinematics(public, public_data, q)
        pinocchio.framesForwardKinematics(ours, ours_data, p)
        for link in links:
            wanted = public_data.oMf[public.getFrameId(link)]
            found = ours_data.oMf[ours.getFrameId(link)]
            worst = max(worst, np.abs(found.homogeneous - wanted.homogeneous).max())
    assert worst < 1e-9


def test_joint_limits_efforts_and_velocities_are_the_public_ones(public_path: Path):
    ours, public = by_name(URDF, "joint"), by_name(public_path, "joint")
    assert set(ours) == set(public)
    for name, joint in public.items():
        assert ours[name].get("type") == joint.get("type")
        limit = joint.find("limit")
        for key in limit.keys() if limit is not None else ():
            assert float(ours[name].find("limit").get(key)) == float(limit.get(key)), (name, key)


def test_mimic_relations_are_the_public_ones(public_path: Path):
    def relations(path: Path) -> dict[str, tuple[str, float, float]]:
        return {
            name: (m.get("joint"), float(m.get("multiplier")), float(m.get("offset", "0")))
            for name, joint in by_name(path, "joint").items()
            if (m := joint.find("mimic")) is not None
        }

    assert relations(URDF) == relations(public_path)
    assert len(relations(URDF)) == 12


def test_masses_and_inertias_are_the_public_ones(public_path: Path):
    ours, public = by_name(URDF, "link"), by_name(public_path, "link")
    assert set(ours) == set(public)
    for name, link in public.items():
        wanted, found = link.find("inertial"), ours[name].find("inertial")
        assert (wanted is None) == (found is None)
        if wanted is None:
            continue
        assert float(found.find("mass").get("value")) == float(wanted.find("mass").get("value"))
        centre = [np.array(e.find("origin").get("xyz").split(), float) for e in (found, wanted)]
        np.testing.assert_array_equal(*centre)
        for key, value in wanted.find("inertia").items():
            assert float(found.find("inertia").get(key)) == float(value), (name, key)


def test_file_is_what_the_generator_writes():
    generator = runpy.run_path(str(URDF.with_name("generate_urdf.py")))
    assert generator["urdf"]() == URDF.read_text(encoding="utf-8")


def test_every_part_is_drawn_with_primitives_in_known_colours():
    root = ElementTree.parse(URDF).getroot()
    known = {material.get("name") for material in root.findall("material")}
    for link in root.findall("link"):
        assert (link.find("visual") is not None) == (link.find("inertial") is not None)
        for visual in link.findall("visual"):
            assert visual.find("material").get("name") in known
        for form in [*link.findall("visual"), *link.findall("collision")]:
            assert form.find("geometry")[0].tag in {"box", "cylinder", "sphere"}


def touching(model, q: np.ndarray) -> set[tuple[str, str]]:
    """Pairs of links that touch, but for those that hang on one another."""
    bodies = pinocchio.buildGeomFromUrdf(model, str(URDF), pinocchio.GeometryType.COLLISION)
    bodies.addAllCollisionPairs()
    data = bodies.createData()
    pinocchio.computeCollisions(model, model.createData(), bodies, data, q, False)
    parents, found = parent_links(), set()
    for pair, result in zip(bodies.collisionPairs, data.collisionResults, strict=True):
        a, b = (
            model.frames[bodies.geometryObjects[k].parentFrame].name
            for k in (pair.first, pair.second)
        )
        if result.isCollision() and a != b and parents.get(a) != b and parents.get(b) != a:
            found.add((a, b))
    return found


def test_solid_shapes_touch_only_where_the_robot_does(ours):
    q = pinocchio.neutral(ours)
    assert touching(ours, q) == set()
    # an arm swung into the body is noticed
    for name, value in (("left_shoulder_yaw_joint", -1.3), ("left_elbow_pitch_joint", 0.2)):
        q[ours.joints[ours.getJointId(name)].idx_q] = value
    assert any("torso_link" in pair for pair in touching(ours, q))


@pytest.mark.parametrize("prefix", ["L_", "R_"])
def test_hand_shapes_have_the_measures_of_the_real_parts(
    ours, public, public_path: Path, prefix: str
):
    def boxes(model, path: Path) -> dict[str, np.ndarray]:
        geometry = pinocchio.buildGeomFromUrdf(
            model, str(path), pinocchio.GeometryType.VISUAL, package_dirs=[str(path.parent)]
        )
        found: dict[str, list[np.ndarray]] = {}
        for body in geometry.geometryObjects:
            body.geometry.computeLocalAABB()
            local = body.geometry.aabb_local
            corners = np.array([local.min_, local.max_])
            grid = np.array([[corners[(k >> a) & 1, a] for a in range(3)] for k in range(8)])
            frame = model.frames[body.parentFrame]
            within = frame.placement.inverse() * body.placement
            found.setdefault(frame.name, []).append(grid @ within.rotation.T + within.translation)
        return {
            name: np.array([np.min(np.concatenate(v), 0), np.max(np.concatenate(v), 0)])
            for name, v in found.items()
        }

    wanted, found = boxes(public, public_path), boxes(ours, URDF)
    for name in wanted:
        if name.startswith(prefix):
            np.testing.assert_allclose(found[name], wanted[name], atol=8e-3, err_msg=name)
