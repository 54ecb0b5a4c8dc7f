"""docs/robot.md is complete and true: every key of robot.toml, and the error each one gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from retarget.core.errors import ModelError
from retarget.core.toml_table import Table
from retarget.robot.robot import Robot
from retarget.robot.spec import load_robot_spec

PAGE = ROOT / "docs" / "robot.md"
FOLDER = ROOT / "robots" / "h1_inspire"
GONE = object()
NAN = float("nan")

# a mistake in each key; what a table is called in the page stands for one of H1's
MISTAKES: dict[str, Any] = {
    "name": "",
    "urdf": "gone.urdf",
    "calibration": 3,
    "joint_names": lambda names: [*names, "left_nee_joint"],
    "held": {"left_knee_joint": 0.0},
    "base": GONE,
    "rates": GONE,
    "cameras": 3,
    "sides": GONE,
    "map": 3,
    "map.scale": 0.0,
    "map.ramp": -0.01,
    "map.pair_far": -1,
    "map.pair_near": NAN,
    "map.pair": [1.0, 2.0],
    "map.yields": 1.5,
    "map.apart": -1.0,
    "map.clear": 0.0,
    "map.prior": 0.0,
    "base.link": "hips",
    "base.position": [1.05],
    "base.quat_wxyz": [0.9, 0.0, 0.0, 0.0],
    "rates.default": 0,
    "rates.tasks": {"Flip-Mug": -15.0},
    "cameras.NAME.position": [0.0, 0.0],
    "cameras.NAME.rpy": [0.0, 0.0, NAN],
    "cameras.NAME.fx": -4.0,
    "cameras.NAME.fy": 0.0,
    "cameras.NAME.cx": NAN,
    "cameras.NAME.cy": NAN,
    "cameras.NAME.width": 0,
    "cameras.NAME.height": -720,
    "sides.left.wrist_frame": "L_palm",
    "sides.left.arm_joints": ["left_shoulder"],
    "sides.left.arm_posture": [9.0] * 7,
    "sides.left.hand_joints": ["L_index"],
    "sides.left.active_joints": ["L_index_proximal_joint"],
    "sides.left.wrist_to_mano": [[0, 1, 0], [1, 0, 0], [0, 0, 1]],
    "sides.left.fingertip_frames": GONE,
    "sides.left.mimic": GONE,
    "sides.left.command": 3,
    "sides.left.mimic.joint": "left_knee_joint",
    "sides.left.mimic.multiplier": 0,
    "sides.left.mimic.offset": "0",
    "sides.left.command.joints": ["L_index_proximal_joint"],
    "sides.left.command.closed": [0.0] * 6,
    "sides.left.command.open": [0.0],
} | {
    f"sides.left.fingertip_frames.{finger}": "no"
    for finger in ("thumb", "index", "middle", "ring", "pinky")
}


def page_rows() -> list[tuple[str, str, str]]:
    """Every key of the page's tables: the section it stands in, its name, the error it gives."""
    rows = []
    for part in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        named = re.match(r"`\[(.+?)\]`", part)
        for line in part.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 4 and cells[0].startswith("`"):
                for key in re.findall(r"`(.+?)`", cells[0]):
                    rows.append((named[1] if named else "", key, cells[3].strip("`")))
    return rows


def test_the_page_has_every_key_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    known: set[tuple[str, str]] = set()
    only = Table.only

    def noted(table: Table, *allowed: str) -> None:
        place = re.sub(r"^cameras\.\w+", "cameras.NAME", table._prefix)
        place = re.sub(r"^sides\.right", "sides.left", place)
        place = re.sub(r"\.mimic\.\w+$", ".mimic", place)
        if table.path.name == "robot.toml" and place != "sides":
            known.update((place, key) for key in allowed)
        only(table, *allowed)

    monkeypatch.setattr(Table, "only", noted)
    load_robot_spec(FOLDER / "robot.toml")
    assert len(known) > 30
    assert {(section, key) for section, key, _ in page_rows()} == known


@pytest.mark.parametrize(("section", "key", "says"), page_rows())
def test_each_error_is_the_one_the_page_tells(
    monkeypatch: pytest.MonkeyPatch, section: str, key: str, says: str
) -> None:
    load = Table.load

    def spoilt(path: Path) -> Table:
        table = load(path)
        if path.name == "robot.toml":
            words = section.replace("NAME", "main").split(".") if section else []
            if section.endswith(".mimic"):
                words.append("L_thumb_distal_joint")
            inner = table._data
            for word in words:
                inner = inner[word]
            mistake = MISTAKES[f"{section}.{key}".strip(".")]
            inner[key] = mistake(inner[key]) if callable(mistake) else mistake
            if mistake is GONE:
                del inner[key]
        return table

    monkeypatch.setattr(Table, "load", spoilt)
    with pytest.raises(ModelError) as caught:
        Robot.load(FOLDER)
    assert says in str(caught.value)
    assert str(FOLDER) in str(caught.value)
