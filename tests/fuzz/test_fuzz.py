"""Two minutes of `make fuzz`: damaged files, wrong recordings, interrupted writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

from places import ROOT

from fuzz.bases import Base
from fuzz.byte_changes import change_bytes

SEED = 20261126


def test_nothing_crashes_hangs_is_lost_or_wrongly_valid(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    paths = [ROOT, ROOT / "tests", ROOT / "tests" / "helpers"]
    counts = ("--files", "500", "--recordings", "60", "--interruptions", "60")
    ended = subprocess.run(
        [sys.executable, "-m", "fuzz", *counts, "--seed", str(SEED), "--json", str(figures)],
        cwd=ROOT / "tests",
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads(figures.read_text())
    for part, least in (
        ("damaged files", 500),
        ("wrong recordings", 60),
        ("interrupted writes", 60),
    ):
        assert found[part]["tried"] == least
        assert found[part]["faults"] == []
    # of what is wrong nearly all is named
    wrong = found["wrong recordings"]
    tried = sum(sum(counts.values()) for counts in wrong["counts"].values())
    sound = sum(wrong["counts"]["sound recording"].values())
    assert sum(wrong["named"].values()) >= 0.9 * (tried - sound)


def test_damage_is_damage_and_the_same_for_its_seed(tmp_path: Path) -> None:
    changed = 0
    for seed in range(40):
        data = Random(seed).randbytes(300)
        base = Base("demonstration", tmp_path / "x.hdf5", data)
        damaged = change_bytes(base, Random(seed))
        assert damaged == change_bytes(base, Random(seed))
        changed += damaged != data
    assert changed > 30
