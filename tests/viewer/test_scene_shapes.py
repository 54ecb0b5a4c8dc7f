"""What links look like: shapes of a URDF, primitives, mesh files, and meshes that are missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pinocchio
import pytest
import trimesh

from retarget.core.errors import ModelError
from retarget.core.resources import resource
from retarget.robot.robot import Robot
from retarget.viewer import surfaces
from retarget.viewer.robot_surfaces import find_mesh, read_shapes, robot_surfaces

URDF = resource("robots", "h1_inspire", "h1_inspire.urdf")


def test_shapes_are_those_pinocchio_reads() -> None:
    model = pinocchio.buildModelFromUrdf(str(URDF))
    visual = pinocchio.buildGeomFromUrdf(model, str(URDF), pinocchio.GeometryType.VISUAL)
    wanted: dict[str, list] = {}
    for body in visual.geometryObjects:
        frame = model.frames[body.parentFrame]
        wanted.setdefault(frame.name, []).append(
            ((frame.placement.inverse() * body.placement).homogeneous, body.meshColor[:3])
        )
    found = read_shapes(URDF)
    assert set(found) == set(wanted)
    for link, shapes in found.items():
        assert len(shapes) == len(wanted[link])
        for shape, (placement, colour) in zip(shapes, wanted[link], strict=True):
            np.testing.assert_allclose(shape.T_link_shape, placement, atol=1e-9)
            np.testing.assert_allclose(shape.colour, colour, atol=1e-6)


@pytest.mark.parametrize(
    ("made", "volume"),
    [
        (surfaces.box((0.1, 0.2, 0.3)), 0.006),
        (surfaces.cylinder(0.05, 0.2), np.pi * 0.05**2 * 0.2),
        (surfaces.sphere(0.05), 4 / 3 * np.pi * 0.05**3),
    ],
    ids=["box", "cylinder", "sphere"],
)
def test_primitives_are_closed_and_face_outwards(made: surfaces.Triangles, volume: float) -> None:
    mesh = trimesh.Trimesh(*made, process=False)
    mesh.merge_vertices(merge_norm=True)
    assert mesh.is_watertight
    assert 0.9 * volume < mesh.volume <= volume * (1 + 1e-9)


def test_joined_surfaces_keep_places_and_colours() -> None:
    a = surfaces.painted(*surfaces.box((1, 1, 1)), (1.0, 0.0, 0.0))
    T = np.eye(4)
    T[:3, 3] = [5.0, 0.0, 0.0]
    b = surfaces.painted(*surfaces.sphere(0.5), (0.0, 1.0, 0.0)).moved(T)
    both = surfaces.joined([a, b])
    whole = trimesh.Trimesh(both.vertices, both.faces, process=False)
    assert whole.bounds[1, 0] == pytest.approx(5.5, abs=0.05)
    greens = both.vertices[both.colours[:, 1] == 1.0]
    assert greens[:, 0].min() > 4.0
    assert len(both.faces) == len(a.faces) + len(b.faces)


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".ply"])
def test_mesh_files_are_read_and_thinned(tmp_path: Path, suffix: str) -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.1)
    path = tmp_path / f"ball{suffix}"
    ball.export(path)
    vertices, faces = surfaces.read_mesh(path)
    assert len(faces) < 0.15 * len(ball.faces)
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 0.1, atol=2e-3)
    assert trimesh.Trimesh(vertices, faces).volume == pytest.approx(ball.volume, rel=0.02)


@pytest.mark.parametrize(("unit", "edge"), [("1", 0.1), ("0.01", 0.001)])
def test_collada_files_are_read_in_their_unit(tmp_path: Path, unit: str, edge: float) -> None:
    text = trimesh.exchange.dae.export_collada(trimesh.creation.box((0.1, 0.1, 0.1))).decode()
    text = text.replace("<up_axis>", f'<unit name="u" meter="{unit}"/><up_axis>', 1)
    (tmp_path / "box.dae").write_text(text)
    vertices, faces = surfaces.read_mesh(tmp_path / "box.dae")
    np.testing.assert_allclose(np.ptp(vertices, axis=0), edge, rtol=1e-6)
    assert len(faces) == 12


def test_sharp_edges_stay_sharp(tmp_path: Path) -> None:
    trimesh.creation.box((0.1, 0.1, 0.1)).export(tmp_path / "box.stl")
    vertices, faces = surfaces.read_mesh(tmp_path / "box.stl")
    assert (len(vertices), len(faces)) == (24, 12)


@pytest.mark.parametrize("content", [b"", b"solid x\nendsolid x\n", b"\x00" * 200])
def test_a_damaged_mesh_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"part\.stl"):
        surfaces.read_mesh(path)


def test_mesh_names_are_found(tmp_path: Path) -> None:
    urdf = tmp_path / "arm_description" / "urdf" / "arm.urdf"
    mesh = tmp_path / "arm_description" / "meshes" / "a.stl"
    for path in (urdf, mesh):
        path.parent.mkdir(parents=True)
        path.touch()
    for name in ("../meshes/a.stl", "package://arm_description/meshes/a.stl", f"file://{mesh}"):
        found = find_mesh(urdf, name)
        assert found is not None
        assert found.samefile(mesh)
    # a package that was renamed when it was copied
    found = find_mesh(urdf, "package://other/meshes/a.stl")
    assert found is not None
    assert found.samefile(mesh)
    assert find_mesh(urdf, "package://arm_description/meshes/b.stl") is None


def with_mesh(tmp_path: Path, link: str, mesh: str) -> Robot:
    """The project's robot with one link drawn by a mesh file."""
    text = URDF.read_text()
    start = text.index(f'<link name="{link}">')
    end = text.index("</link>", start)
    body = text[start:end]
    head, _, tail = body.partition("<visual>")
    tail = tail[tail.rindex("</visual>") :]
    visual = f'<visual><geometry><mesh filename="{mesh}"/></geometry>'
    path = tmp_path / "robot.urdf"
    path.write_text(text[:start] + head + visual + tail + text[end:])
    return Robot.load(urdf=path)


def test_a_missing_mesh_is_drawn_with_primitives_and_noted(tmp_path: Path) -> None:
    robot = with_mesh(tmp_path, "pelvis", "package://nowhere/pelvis.stl")
    looks, notes = robot_surfaces(robot)
    plain, none = robot_surfaces(Robot.load())
    assert none == []
    assert list(looks) == list(plain)
    np.testing.assert_array_equal(looks["pelvis"].vertices, plain["pelvis"].vertices)
    (note,) = notes
    assert "pelvis.stl" in note
    assert "usable mesh: 1, of which drawn with primitives instead: 1" in note


def test_a_mesh_takes_the_place_of_primitives(tmp_path: Path) -> None:
    trimesh.creation.box((0.1, 0.2, 0.3)).export(tmp_path / "pelvis.stl")
    looks, notes = robot_surfaces(with_mesh(tmp_path, "pelvis", "pelvis.stl"))
    assert notes == []
    np.testing.assert_allclose(np.ptp(looks["pelvis"].vertices, axis=0), [0.1, 0.2, 0.3])


def test_meshed_robot_without_its_meshes(shared: Path, tmp_path: Path) -> None:
    urdf = tmp_path / "h1_inspire.urdf"
    shutil.copy(shared / "robots" / "h1_inspire" / "urdf" / "h1_inspire.urdf", urdf)
    looks, notes = robot_surfaces(Robot.load(urdf=urdf))
    assert len(notes) == 1
    assert len(looks) >= 54


def test_an_unknown_shape_is_named(tmp_path: Path) -> None:
    urdf = tmp_path / "x.urdf"
    for geometry, said in (("<cone/>", "cone"), ('<box size="1 2"/>', "1 2"), ("", "no geometry")):
        urdf.write_text(
            f'<robot name="x"><link name="hip"><visual><geometry>{geometry}</geometry>'
            "</visual></link></robot>"
        )
        with pytest.raises(ModelError, match=said):
            read_shapes(urdf)
