"""``retarget inspect``: tables, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run

from benchmarks.synthetic_people import person


@pytest.fixture
def points() -> np.ndarray:
    points = person(40, 31).keypoints
    return points - points[:, :, :1] + 0.3


def test_a_sound_recording(points: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=points, rate=30.0)
    ended = run("inspect", tmp_path / "a.npz", "--json", tmp_path / "found.json")
    assert ended.exit_code == 0, ended
    for said in ("40 frames at 30 Hz", "40 of 40", "tracker noise", "NOTHING LOOKS WRONG"):
        assert said in ended.stdout, said
    report = json.loads((tmp_path / "found.json").read_text())
    [file] = report["files"]
    assert (report["exit_code"], file["format"], file["frames_seen"]) == (0, "arrays", [40, 40])
    assert file["findings"] == []


def test_several_with_mistakes(points: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    np.savez(folder / "a.npz", keypoints=points[:, ::-1], rate=30.0)
    np.savez(folder / "b.npz", keypoints=1e3 * points, rate=30.0)
    ended = run("inspect", folder, "--json", tmp_path / "found.json")
    assert ended.exit_code == 1, ended
    for said in ("LOOKS WRONG", "left and right look swapped", "are these millimetres"):
        assert said in ended.stdout, said
    (folder / "c.npz").write_bytes(b"broken")
    ended = run("inspect", folder, "--json", tmp_path / "found.json")
    assert ended.exit_code == 2, ended
    assert "c.npz" in ended.stderr
    files = json.loads((tmp_path / "found.json").read_text())["files"]
    assert [file["error"] is None for file in files] == [True, True, False]
    assert [finding["kind"] for finding in files[1]["findings"]] == ["lengths"]
    assert not list(tmp_path.glob("*.tmp"))
