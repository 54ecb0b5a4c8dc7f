"""What a robot's links look like: the visual shapes of its URDF, joined to one surface a link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from retarget.core.errors import ModelError
from retarget.core.geometry import rotation_from_rpy, transform
from retarget.core.types import FloatArray
from retarget.robot.robot import Robot
from retarget.robot.spec import load_robot_spec
from retarget.robot.urdf import URDF
from retarget.viewer import surfaces
from retarget.viewer.surfaces import Surface

DARKEST = 0.42  # of the brightest channel; shading cannot be seen on darker paint
GREY = (0.7, 0.7, 0.72)


@dataclass(frozen=True)
class VisualShape:
    """One shape of a link.

    Attributes:
        kind: "box", "cylinder", "sphere" or "mesh".
        size: edge lengths of a box; radius, length of a cylinder; radius of a sphere; scale factors
            of a mesh [m, 1].
        T_link_shape: (4, 4) [m].
        colour: red, green, blue from 0 to 1.
        mesh: file name as it stands in the URDF, of a mesh.
    """

    kind: str
    size: tuple[float, ...]
    T_link_shape: FloatArray
    colour: tuple[float, float, float] = GREY
    mesh: str = ""


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


def read_shapes(urdf: Path) -> Mapping[str, tuple[VisualShape, ...]]:
    """Visual shapes of every link that has any, by link name.

    Raises:
        ModelError: the file is missing, no XML, or holds a shape of unknown kind or size.
    """
    robot = URDF.read(urdf)
    palette = robot.materials()
    found = {}
    for name, visuals in robot.visuals():
        try:
            shapes = tuple(_shape(visual, palette) for visual in visuals)
        except ValueError as error:
            raise ModelError(urdf, f"link {name!r}: a visual {error}", key=name) from error
        if shapes:
            found[name] = shapes
    return found


def find_mesh(urdf: Path, name: str) -> Path | None:
    """The file a URDF means by a mesh name, or None.

    A plain path is relative to the URDF's folder; ``package://name/path`` is looked for in every
    folder above the URDF, with and without the package's name.
    """
    scheme, separator, rest = name.partition("://")
    if not separator:
        scheme, rest = "", name
    if scheme in ("", "file"):
        places = [urdf.parent / rest]
    else:
        inside = Path(*Path(rest).parts[1:])
        places = [p / sub for p in urdf.resolve().parents for sub in (rest, inside)]
    return next((place for place in places if place.is_file()), None)


def _shape(visual: ElementTree.Element, palette: Mapping[str, ElementTree.Element]) -> VisualShape:
    geometry = visual.find("geometry")
    if geometry is None or len(geometry) == 0:
        raise ValueError("has no geometry")
    form = geometry[0]
    sizes = {"box": ("size",), "cylinder": ("radius", "length"), "sphere": ("radius",)}
    if form.tag == "mesh":
        size = _numbers(form.get("scale", "1 1 1"), 3)
    elif form.tag in sizes:
        text = " ".join(form.get(key, "") for key in sizes[form.tag])
        size = _numbers(text, {"box": 3, "cylinder": 2, "sphere": 1}[form.tag])
    else:
        raise ValueError(f"has geometry {form.tag!r}, expected box, cylinder, sphere or mesh")
    origin = visual.find("origin")
    xyz, rpy = ("", "") if origin is None else (origin.get("xyz", ""), origin.get("rpy", ""))
    return VisualShape(
        kind=form.tag,
        size=size,
        T_link_shape=transform(
            rotation_from_rpy(_numbers(rpy or "0 0 0", 3)), _numbers(xyz or "0 0 0", 3)
        ),
        colour=_colour(visual.find("material"), palette),
        mesh=form.get("filename", ""),
    )


def _colour(
    material: ElementTree.Element | None, palette: Mapping[str, ElementTree.Element]
) -> tuple[float, float, float]:
    if material is None:
        return GREY
    colour = material.find("color")
    if colour is None and material.get("name") in palette:
        colour = palette[material.get("name", "")].find("color")
    if colour is None:
        return GREY
    red, green, blue, _ = _numbers(colour.get("rgba", ""), 4)
    return red, green, blue


def _numbers(text: str, count: int) -> tuple[float, ...]:
    values = tuple(float(word) for word in text.split())
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"has {text!r} where {count} numbers are expected")
    return values
