"""What a robot's links look like: one surface a link, from its URDF and the meshes that names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retarget.core.errors import ModelError
from retarget.robot.robot import Robot
from retarget.robot.spec import load_robot_spec
from retarget.viewer import surfaces
from retarget.viewer.surfaces import Surface
from retarget.viewer.urdf_shapes import VisualShape, find_mesh, read_shapes

DARKEST = 0.42  # of the brightest channel; shading cannot be seen on darker paint


def robot_surfaces(robot: Robot) -> tuple[dict[str, Surface], list[str]]:
    """The look of every link that has one, by link name, in the link's frame; and what is missing.

    A link whose mesh cannot be read is drawn with the primitives of the robot's own URDF where
    those exist; notes say so.

    Raises:
        ModelError: the URDF holds a shape of unknown kind.
    """
    shapes = read_shapes(robot.urdf_path)
    read: dict[Path, surfaces.Triangles] = {}
    found: dict[str, Surface] = {}
    lacking: dict[str, str] = {}
    for link, parts in shapes.items():
        if not robot.model.existFrame(link):
            continue
        try:
            found[link] = surfaces.joined([_surface(robot.urdf_path, p, read) for p in parts])
        except ModelError as error:
            lacking[link] = str(error)
    spare = _spare(robot) if lacking else {}
    replaced = [link for link in lacking if link in spare]
    for link in replaced:
        found[link] = surfaces.joined([_surface(robot.urdf_path, p, read) for p in spare[link]])
    notes = []
    if lacking:
        first = next(iter(lacking.values()))
        notes.append(
            f"links without a usable mesh: {len(lacking)}, of which drawn with primitives instead: "
            f"{len(replaced)}; the first: {first}"
        )
    return {link: found[link] for link in shapes if link in found}, notes


def _spare(robot: Robot) -> dict[str, tuple[VisualShape, ...]]:
    """Links that the robot's own URDF draws without mesh files."""
    own = load_robot_spec(robot.path / "robot.toml").urdf
    if not own.is_file():
        return {}
    return {
        link: parts
        for link, parts in read_shapes(own).items()
        if all(part.kind != "mesh" for part in parts)
    }


def _surface(urdf: Path, shape: VisualShape, read: dict[Path, surfaces.Triangles]) -> Surface:
    if shape.kind == "box":
        vertices, faces = surfaces.box(shape.size)
    elif shape.kind == "cylinder":
        vertices, faces = surfaces.cylinder(shape.size[0], shape.size[1])
    elif shape.kind == "sphere":
        vertices, faces = surfaces.sphere(shape.size[0])
    else:
        path = find_mesh(urdf, shape.mesh)
        if path is None:
            raise ModelError(urdf, f"mesh {shape.mesh!r} is not there", value=shape.mesh)
        if path not in read:
            read[path] = surfaces.read_mesh(path, float(np.abs(shape.size).max()))
        vertices, faces = read[path]
        vertices = vertices * np.asarray(shape.size)
        if np.prod(shape.size) < 0:
            faces = faces[:, ::-1]  # a mirrored mesh is inside out
    brightest = max(shape.colour)
    lift = max(0.0, DARKEST - brightest)
    red, green, blue = (min(1.0, channel + lift) for channel in shape.colour)
    return surfaces.painted(vertices, faces, (red, green, blue)).moved(shape.T_link_shape)
