"""Writes ``h1_inspire.urdf`` from the tables beside it: joints, links and shapes.

Joints and links are the public kinematic and inertial facts (SOURCES.md), both sides in full, since
they are not exact mirror images. Shapes are this project's own, left side and middle only; the
right side's are mirrored. Run it after a change of a table:
``python robots/h1_inspire/generate_urdf.py``.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
INERTIA = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
LIMIT = ("lower", "upper", "effort", "velocity")
MATERIALS = {
    "shell": "0.82 0.83 0.85 1",
    "graphite": "0.22 0.23 0.25 1",
    "steel": "0.48 0.5 0.53 1",
    "rubber": "0.1 0.1 0.11 1",
    "visor": "0.05 0.07 0.1 1",
}
# the axis of a left link's frame that turns round on the right; of all other links it is y
MIRRORED_AXIS = {"L_hand_base_link": 2, "L_thumb_proximal_base": 0}

Point = tuple[float, ...]


@dataclass(frozen=True)
class Shape:
    """A primitive on a link.

    A box reaches from corner a to corner b, a cylinder or capsule has its axis from a to b, a
    sphere stands at a. Only solid ones count for collision.
    """

    kind: str
    material: str
    solid: bool
    a: Point
    b: Point
    radius: str


def rows(table: str) -> list[dict[str, str]]:
    with (HERE / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text(*values: float) -> str:
    return " ".join(f"{round(v, 6) + 0.0:g}" for v in values)


def point(values: str) -> Point:
    return tuple(float(v) for v in values.split())


def mirrored(values: Point, axis: int) -> Point:
    return tuple(-v if k == axis else v for k, v in enumerate(values))


def right_of(link: str) -> str:
    return link.replace("left_", "right_", 1) if link.startswith("left_") else f"R_{link[2:]}"


def shapes() -> dict[str, list[Shape]]:
    """Shapes of every link, both sides."""
    found: dict[str, list[Shape]] = defaultdict(list)
    for row in rows("shapes.csv"):
        link, solid = row["link"], row["solid"] == "yes"
        a, b = point(row["from"]), point(row["to"])
        shape = Shape(row["shape"], row["material"], solid, a, b, row["radius"])
        found[link].append(shape)
        if link.startswith(("left_", "L_")):
            axis = MIRRORED_AXIS.get(link, 1)
            right = replace(shape, a=mirrored(a, axis), b=mirrored(b, axis))
            found[right_of(link)].append(right)
    return found


def primitives(shape: Shape) -> Iterator[tuple[str, str]]:
    """Origin and geometry elements of a shape."""
    a, b, radius = shape.a, shape.b, shape.radius
    if shape.kind == "sphere":
        yield f'<origin xyz="{text(*a)}"/>', f'<sphere radius="{radius}"/>'
        return
    centre = text(*((p + q) / 2 for p, q in zip(a, b, strict=True)))
    x, y, z = (q - p for p, q in zip(a, b, strict=True))
    if shape.kind == "box":
        yield f'<origin xyz="{centre}"/>', f'<box size="{text(abs(x), abs(y), abs(z))}"/>'
        return
    rpy = text(0.0, math.atan2(math.hypot(x, y), z), math.atan2(y, x))
    yield (
        f'<origin xyz="{centre}" rpy="{rpy}"/>',
        f'<cylinder radius="{radius}" length="{text(math.dist(a, b))}"/>',
    )
    if shape.kind == "capsule":  # which URDF does not have
        for end in (a, b):
            yield from primitives(replace(shape, kind="sphere", a=end))


def link(row: dict[str, str], bodies: list[Shape]) -> list[str]:
    if not row["mass"]:
        return [f'  <link name="{row["link"]}"/>']
    inertia = " ".join(f'{key}="{row[key]}"' for key in INERTIA)
    lines = [
        f'  <link name="{row["link"]}">',
        "    <inertial>",
        f'      <origin xyz="{row["com"]}"/>',
        f'      <mass value="{row["mass"]}"/>',
        f"      <inertia {inertia}/>",
        "    </inertial>",
    ]
    for body in bodies:
        paint = f'<material name="{body.material}"/>'
        for origin, geometry in primitives(body):
            form = f"{origin}<geometry>{geometry}</geometry>"
            lines.append(f"    <visual>{form}{paint}</visual>")
    for body in bodies:
        if body.solid:
            for origin, geometry in primitives(body):
                lines.append(f"    <collision>{origin}<geometry>{geometry}</geometry></collision>")
    return [*lines, "  </link>"]


def joint(row: dict[str, str]) -> list[str]:
    lines = [
        f'  <joint name="{row["joint"]}" type="{row["type"]}">',
        f'    <parent link="{row["parent"]}"/>',
        f'    <child link="{row["child"]}"/>',
        f'    <origin xyz="{row["xyz"]}" rpy="{row["rpy"]}"/>',
    ]
    if row["axis"]:
        limit = " ".join(f'{key}="{row[key]}"' for key in LIMIT)
        lines += [f'    <axis xyz="{row["axis"]}"/>', f"    <limit {limit}/>"]
    if row["mimic"]:
        lines.append(f'    <mimic joint="{row["mimic"]}" multiplier="{row["multiplier"]}"/>')
    return [*lines, "  </joint>"]


def urdf() -> str:
    lines = [
        '<?xml version="1.0"?>',
        "<!-- Written by generate_urdf.py from the tables beside it; see SOURCES.md. -->",
        '<robot name="h1_inspire">',
    ]
    for name, rgba in MATERIALS.items():
        lines.append(f'  <material name="{name}"><color rgba="{rgba}"/></material>')
    bodies = shapes()
    for row in rows("links.csv"):
        lines += link(row, bodies[row["link"]])
    for row in rows("joints.csv"):
        lines += joint(row)
    return "\n".join([*lines, "</robot>", ""])


if __name__ == "__main__":
    (HERE / "h1_inspire.urdf").write_text(urdf(), encoding="utf-8")
