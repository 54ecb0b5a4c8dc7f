"""Writes ``h1_inspire.urdf`` from the tables beside it: ``joints.csv``, ``links.csv``, ``shapes.csv``.

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

Point = list[float]


def rows(table: str) -> list[dict[str, str]]:
    with (HERE / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text(values: list[float]) -> str:
    return " ".join(f"{round(v, 6) + 0.0:g}" for v in values)


def right_of(link: str) -> str:
    return link.replace("left_", "right_", 1) if link.startswith("left_") else f"R_{link[2:]}"


def shapes() -> dict[str, list[dict[str, object]]]:
    """Shapes of every link, both sides; ends as lists of numbers."""
    found: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in rows("shapes.csv"):
        ends = [[float(v) for v in row[key].split()] for key in ("from", "to")]
        found[row["link"]].append({**row, "ends": ends})
        if row["link"].startswith(("left_", "L_")):
            axis = MIRRORED_AXIS.get(row["link"], 1)
            turned = [[-v if k == axis else v for k, v in enumerate(end)] for end in ends]
            found[right_of(row["link"])].append({**row, "ends": turned})
    return found


def primitives(shape: str, a: Point, b: Point, radius: str) -> Iterator[tuple[str, str]]:
    """Origin and geometry elements; a box is given by two corners, a capsule by its axis."""
    if shape == "sphere":
        yield f'<origin xyz="{text(a)}"/>', f'<sphere radius="{radius}"/>'
        return
    centre = [(p + q) / 2 for p, q in zip(a, b, strict=True)]
    along = [q - p for p, q in zip(a, b, strict=True)]
    if shape == "box":
        size = text([abs(d) for d in along])
        yield f'<origin xyz="{text(centre)}"/>', f'<box size="{size}"/>'
        return
    pitch = math.atan2(math.hypot(along[0], along[1]), along[2])
    rpy = text([0.0, pitch, math.atan2(along[1], along[0])])
    length = text([math.dist(a, b)])
    yield (
        f'<origin xyz="{text(centre)}" rpy="{rpy}"/>',
        f'<cylinder radius="{radius}" length="{length}"/>',
    )
    if shape == "capsule":
        for end in (a, b):
            yield from primitives("sphere", end, end, radius)


def link(row: dict[str, str], bodies: list[dict[str, object]]) -> list[str]:
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
    for tag in ("visual", "collision"):
        for body in bodies:
            if tag == "collision" and body["solid"] == "no":
                continue
            paint = f'<material name="{body["material"]}"/>' if tag == "visual" else ""
            for origin, geometry in primitives(body["shape"], *body["ends"], body["radius"]):
                lines.append(f"    <{tag}>{origin}<geometry>{geometry}</geometry>{paint}</{tag}>")
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
