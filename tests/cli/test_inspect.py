"""``retarget inspect``: what it says of recordings, its exit codes and JSON; --untrusted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run

from benchmarks.synthetic_people import person


@pytest.fixture
def points() -> np.ndarray:
    return person(24, 31).keypoints


@pytest.fixture
def recording(tmp_path: Path, points: np.ndarray) -> Path:
    path = tmp_path / "keypoints.npz"
    np.savez(path, keypoints=points, rate=60.0)
    return path


def test_nothing_looks_wrong(recording: Path) -> None:
    ended = run("inspect", recording)
    assert ended.exit_code == 0, ended
    for said in (
        "arrays, layout mano21; 24 frames, 60 Hz, world frame",
        "24 of 24",
        "wrist to fingertips, cm",
        "tracker noise",
        "NOTHING LOOKS WRONG",
    ):
        assert said in ended.stdout, said


def test_what_looks_wrong(recording: Path, points: np.ndarray) -> None:
    np.savez(recording, keypoints=points[:, ::-1])
    ended = run("inspect", recording)
    assert ended.exit_code == 1, ended
    assert "LOOKS WRONG" in ended.stdout
    assert "left and right are swapped" in ended.stdout


def test_refused_files_are_named_by_their_mistake(recording: Path, points: np.ndarray) -> None:
    np.savez(recording, keypoints=1e3 * points)
    ended = run("inspect", recording)
    assert ended.exit_code == 1, ended
    assert "lengths are in millimetres, expected metres" in ended.stdout
    assert run("from-human", recording, "--out", recording.parent / "out.hdf5").exit_code == 2


def test_json_of_several_files(recording: Path, points: np.ndarray, tmp_path: Path) -> None:
    bad, broken, out = (
        tmp_path / "bad.npz",
        tmp_path / "broken.npz",
        tmp_path / "new" / "found.json",
    )
    np.savez(bad, keypoints=points[:, ::-1])
    broken.write_bytes(b"PK\x03\x04 no archive")
    ended = run("inspect", recording, bad, broken, "--json", out)
    assert ended.exit_code == 2, ended
    assert "broken.npz" in ended.stderr
    report = json.loads(out.read_text())
    assert report["summary"]["exit_code"] == 2
    counts = [report["summary"][name] for name in ("nothing_wrong", "looks_wrong", "bad_input")]
    assert counts == [1, 1, 1]
    good, wrong, refused = report["files"]
    assert (good["passed"], good["rate"], good["hands"][1]["seen"]) == (True, 60.0, 24)
    assert [finding["mistake"] for finding in wrong["findings"]] == ["swapped"]
    assert "broken.npz" in refused["error"]


def test_options(tmp_path: Path, points: np.ndarray) -> None:
    path = tmp_path / "hand.npy"
    np.save(path, points[:, 1])
    assert run("inspect", path).exit_code == 2  # of which hand?
    assert run("inspect", path, "--side", "right", "--layout", "mediapipe21").exit_code == 0
    wrong = run("inspect", path, "--side", "left")
    assert wrong.exit_code == 1
    assert "the left hand looks like a right one" in wrong.stdout
    assert run("inspect", path, "--layout", "openxr").exit_code == 2


@pytest.mark.parametrize("command", ["inspect", "calibrate-user", "from-human"])
def test_untrusted(recording: Path, tmp_path: Path, command: str) -> None:
    more = ("--out", tmp_path / "human.hdf5") if command == "from-human" else ()
    refused = run(command, recording, *more, "--untrusted", 0)
    assert refused.exit_code == 2
    assert "must be a positive number" in refused.stderr
    assert run(command, recording, *more, "--untrusted", 60).exit_code == 0
    late = run(command, recording, *more, "--untrusted", 0.05)
    assert late.exit_code == 2
    assert "the time that --untrusted gives it" in late.stderr
