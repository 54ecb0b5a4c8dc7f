"""MeshCat messages for surfaces, lines and spheres; equal input gives equal bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import umsgpack
from meshcat import geometry
from meshcat.commands import SetObject, SetProperty
from meshcat.path import Path
from numpy.typing import NDArray

from retarget.core.types import FloatArray, IntArray
from retarget.viewer.surfaces import Surface

# the viewer's msgpack decoder turns these extension types into typed arrays
_TYPED: dict[str, tuple[str, int]] = {
    "uint8": ("Uint8Array", 0x12),
    "uint16": ("Uint16Array", 0x14),
    "uint32": ("Uint32Array", 0x16),
    "float32": ("Float32Array", 0x17),
}


class SurfaceGeometry(geometry.Geometry):  # type: ignore[misc]
    """Triangles whose index is 16 bits wide where that is enough, and whose colours are bytes."""

    def __init__(
        self, vertices: FloatArray, faces: IntArray, colours: FloatArray | None = None
    ) -> None:
        super().__init__()
        self.vertices, self.faces, self.colours = vertices, faces, colours

    def lower(self, object_data: dict[str, Any]) -> dict[str, Any]:
        """What MeshCat sends."""
        attributes = {"position": _attribute(self.vertices.astype(np.float32))}
        if self.colours is not None:
            levels = np.rint(255.0 * np.clip(self.colours, 0.0, 1.0)).astype(np.uint8)
            attributes["color"] = {**_attribute(levels), "normalized": True}
        narrow = np.uint16 if len(self.vertices) < 2**16 else np.uint32
        index = {**_attribute(self.faces.astype(narrow)), "itemSize": 1}
        data = {"attributes": attributes, "index": index}
        return {"uuid": self.uuid, "type": "BufferGeometry", "data": data}


def _attribute(rows: NDArray[Any]) -> dict[str, Any]:
    name, code = _TYPED[rows.dtype.name]
    little = rows.astype(rows.dtype.newbyteorder("<"))
    array = umsgpack.Ext(code, little.tobytes())
    return {"itemSize": rows.shape[1], "type": name, "array": array, "normalized": False}


def surface(path: str, surface: Surface, *, colour: str | None = None, **material: Any) -> Any:
    """A lit surface in its own colours, or in one that the page may change."""
    colours = surface.colours if colour is None else None
    paint = geometry.MeshPhongMaterial(
        color=_number(colour or "#ffffff"), vertexColors=colour is None, **material
    )
    shape = SurfaceGeometry(surface.vertices, surface.faces, colours)
    return _set_object(path, geometry.Mesh(shape, paint))


def marker(path: str, surface: Surface, colour: str, *, order: int, **material: Any) -> Any:
    """An unlit surface, its colour exactly as given, drawn over what hides it."""
    paint = geometry.MeshBasicMaterial(
        color=_number(colour),
        depthTest=False,
        depthWrite=False,
        **{"transparent": True, **material},
    )
    message = _set_object(
        path, geometry.Mesh(SurfaceGeometry(surface.vertices, surface.faces), paint)
    )
    message["object"]["object"]["renderOrder"] = order  # of two markers, the later is on top
    return message


def segments(path: str, points: FloatArray, colour: str) -> Any:
    """Lines from each even point (P, 3) to the one after it."""
    shape = geometry.PointsGeometry(points.astype(np.float32).T)
    paint = geometry.LineBasicMaterial(color=_number(colour))
    return _set_object(path, geometry.LineSegments(shape, paint))


def hide(path: str) -> Any:
    """Switches off what is there."""
    return SetProperty("visible", False, _path(path)).lower()


def _set_object(path: str, thing: Any) -> Any:
    # meshcat numbers objects by time and machine; their paths name them as well
    thing.uuid, thing.geometry.uuid, thing.material.uuid = (
        f"{path}:{part}" for part in ("object", "geometry", "material")
    )
    return SetObject(thing, path=_path(path)).lower()


def _path(path: str) -> Any:
    return Path(tuple(path.strip("/").split("/")))


def _number(colour: str) -> int:
    return int(colour[1:], 16)
