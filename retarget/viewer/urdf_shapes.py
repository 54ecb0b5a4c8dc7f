"""The visual shapes of a URDF's links: what they are, where they sit, which colour they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from retarget.core.errors import ModelError
from retarget.core.geometry import rotation_from_rpy, transform
from retarget.core.types import FloatArray

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


def read_shapes(urdf: Path) -> Mapping[str, tuple[VisualShape, ...]]:
    """Visual shapes of every link that has any, by link name.

    Raises:
        ModelError: the file is missing, no XML, or holds a shape of unknown kind or size.
    """
    try:
        root = ElementTree.parse(urdf).getroot()
    except OSError as error:
        raise ModelError(urdf, f"cannot be read: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise ModelError(urdf, f"is not valid XML: {error}") from error
    palette = {m.get("name", ""): m for m in root.findall("material")}
    found = {}
    for link in root.findall("link"):
        name = link.get("name", "")
        try:
            shapes = tuple(_shape(visual, palette) for visual in link.findall("visual"))
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
