"""The pages of docs/ are true: their Python runs, from the top of a page to its end."""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import people_files
import pytest
import torch
from action_values import random_action, random_transforms
from places import ROOT

from benchmarks.synthetic_people import person
from retarget import Retargeter, Robot
from retarget.actions import action_from_motion, make_chunks, pack
from retarget.control.action_feed import standing
from retarget.data.convert import to_actions
from retarget.data.generate.make_demo import make_demo
from retarget.human.keypoint_layouts import from_mano21
from retarget.live.message import read_message

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


def live_page(folder: Path) -> dict[str, Any]:
    """Nothing."""
    return {}


def people_page(folder: Path) -> dict[str, Any]:
    """Recordings in the folder, and a person's keypoints."""
    t = people_files.truth()
    people_files.vitra(folder, t).rename(folder / "episode.npy")
    np.savez(folder / "glove.npz", keypoints=from_mano21(t.keypoints[:, 1], "manus25"))
    with h5py.File(folder / "file.hdf5", "w") as file:
        file["tracking/keypoints"] = t.keypoints
    np.save(folder / "chunk.npy", np.tile(pack(random_action(3, (5,))), 1))
    keypoints = person(40, 4).keypoints
    np.savez(folder / "session.npz", keypoints=keypoints, rate=30.0)
    return {"keypoints": keypoints, "frame": keypoints[0, 1]}


@pytest.mark.parametrize(
    ("page", "given"),
    [
        ("actions.md", actions_page),
        ("deploying.md", deploying_page),
        ("live.md", live_page),
        ("people.md", people_page),
    ],
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
    if page == "live.md":
        for message in senders(names):
            found = read_message(json.dumps(message).encode())
            assert found.valid.all()
            assert found.sequence == 3


def senders(names: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page's senders make of what trackers give."""
    T = np.tile(np.eye(4), (25, 1, 1))
    vision = {f"{side}_fingers": T for side in ("left", "right")}
    vision |= dict.fromkeys(("left_wrist", "right_wrist", "head"), T[:1])
    point, hand = SimpleNamespace(x=0.1, y=0.2, z=0.3), SimpleNamespace
    result = SimpleNamespace(
        hand_world_landmarks=[[point] * 21] * 2,
        handedness=[[hand(category_name="Left")], [hand(category_name="Right")]],
    )
    return [names["from_vision_pro"](vision, 3, 0.1), names["from_mediapipe"](result, 3, 0.1)]


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
