"""Writes ``h1_inspire.urdf`` from the tables beside it: ``joints.csv``, ``links.csv`` and shapes.

Run it after a change of a table: ``python robots/h1_inspire/generate_urdf.py``.
"""

from __future__ import annotations

import csv
from pathlib import Path

HERE = Path(__file__).resolve().parent
INERTIA = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
LIMIT = ("lower", "upper", "effort", "velocity")


def rows(table: str) -> list[dict[str, str]]:
    with (HERE / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def link(row: dict[str, str]) -> list[str]:
    if not row["mass"]:
        return [f'  <link name="{row["link"]}"/>']
    inertia = " ".join(f'{key}="{row[key]}"' for key in INERTIA)
    return [
        f'  <link name="{row["link"]}">',
        "    <inertial>",
        f'      <origin xyz="{row["com"]}"/>',
        f'      <mass value="{row["mass"]}"/>',
        f"      <inertia {inertia}/>",
        "    </inertial>",
        "  </link>",
    ]


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
    lines = ['<?xml version="1.0"?>', '<robot name="h1_inspire">']
    for row in rows("links.csv"):
        lines += link(row)
    for row in rows("joints.csv"):
        lines += joint(row)
    return "\n".join([*lines, "</robot>", ""])


if __name__ == "__main__":
    (HERE / "h1_inspire.urdf").write_text(urdf(), encoding="utf-8")
