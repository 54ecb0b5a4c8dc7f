"""The pages of docs/ are true: their Python runs, from the top of a page to its end."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from action_values import random_action, random_transforms
from places import ROOT

from retarget import Retargeter, Robot
from retarget.actions import action_from_motion, make_chunks, pack
from retarget.control.action_feed import standing
from retarget.data.convert import to_actions
from retarget.data.generate.make_demo import make_demo

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def actions_page(folder: Path) -> dict[str, Any]:
    """What docs/actions.md takes for granted: motion, a robot, cameras, a model, files."""
    frames, rng = 40, np.random.default_rng(0)
    make_demo(folder / "demo.hdf5", frames=60)
    to_actions(folder / "demo.hdf5", folder / "actions.hdf5", Retargeter())
    to_actions(folder / "demo.hdf5", folder / "chunks.hdf5", Retargeter(), horizon=30)
    action = random_action(0, (frames,))
    labels = torch.from_numpy(pack(random_action(1, (8,))))
    layer = torch.nn.Linear(48, 48, dtype=torch.float64)
    return {
        "vector": pack(action),
        "robot": Robot.load(),
        "T": frames,
        "world": action,
        "head_camera": random_transforms(rng, (frames,)),
        "actions": random_action(2, (200,)),
        "model": layer,
        "x": labels,
        "labels": labels,
        "policy": lambda t: None if t % 3 else pack(make_chunks(action))[t],
        "steps": 12,
        "T_camera_world": Robot.load().cameras["main"].T_camera_world,
    }


def deploying_page(folder: Path) -> dict[str, Any]:
    """A robot that does what it is told, a policy, and a loop that ends."""
    rt, left = Retargeter(), count()
    demo = make_demo(frames=20, robot=rt.robot)
    T = rt.robot.cameras["main"].T_camera_world
    chunks = pack(make_chunks(action_from_motion(rt.to_human(demo), T)))
    state = SimpleNamespace(qpos=standing(rt.robot, demo.qpos[0]), sent=[])

    def write(qpos: np.ndarray, hand_command: np.ndarray) -> None:
        assert np.abs(qpos - state.qpos).max() < 0.5
        assert hand_command.shape == (2, 6)
        state.qpos = qpos
        state.sent.append(qpos)

    class Running:
        def __bool__(self) -> bool:
            return next(left) < 15

    return {
        "robot": SimpleNamespace(read=lambda: state.qpos, write=write),
        "policy": SimpleNamespace(poll=lambda: chunks[len(state.sent)]),
        "running": Running(),
        "sleep_until_next_period": lambda: None,
        "state": state,
    }


@pytest.mark.parametrize(
    ("page", "given"), [("actions.md", actions_page), ("deploying.md", deploying_page)]
)
def test_the_pages_python_runs(
    page: str, given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = given(tmp_path)
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))
    assert len(blocks) > 1
    for k, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {k}", "exec"), names)
    if page == "deploying.md":
        assert len(names["state"].sent) == 15
        assert names["controller"].limits.velocity.max() < 16.0  # halved


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith("http"):
            assert (DOCS / target).exists(), (page, target)


def test_no_page_has_a_gap_left() -> None:
    for path in DOCS.glob("*.md"):
        assert not re.findall(r"^(?:TODO|TBD|[A-Z]{6,})$", path.read_text("utf-8"), re.MULTILINE), (
            path
        )
