"""The examples run, each in a process of its own, and print what their docstrings claim."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

FOLDER = ROOT / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
# of each example's output: a pattern with a number, and the bounds of that number
CLAIMS = {
    "01_replay_a_demo": [
        (r"within (.+) mm \(mean\)", 0.0, 0.02),
        (r"and (.+) mm \(largest\)", 0.0, 0.05),
        (r"wrists come back within (.+) um", 0.0, 0.001),
        (r"labels jump: (\d+)", 0, 0),
    ],
    "02_training_labels": [
        (r"chunks \(300, (\d+), 48\), labels \(300, 46\)", 30, 30),
        (r"fit residual (.+) mm", 0.1, 0.4),
        (r"wrists (.+) to .+ m ahead", 0.2, 1.0),
        (r"within the image in (.+) %", 100, 100),
    ],
    "03_fit_a_hand": [
        (r"thumb +(.+) mm", 0.0, 0.9),
        (r"pinky +(.+) mm", 0.0, 0.9),
        (r"differs by (.+) rad", 0.0, 1e-9),
        (r"(\d+) hands are ok", 590, 590),
        (r"(\d+) hands are missing_input", 10, 10),
    ],
    "04_hand_network": [
        (r"refine=0: off by (.+) urad", 0.0, 100.0),
        (r"refine=1: off by (.+) urad", 0.0, 1.0),
        (r"(\d+) us a call", 1, 5000),
    ],
    "05_arm_ik": [
        (r"as recorded: {'ok': (\d+)}", 300, 300),
        (r"as recorded: .* at most (.+) mm", 0.0, 1e-6),
        (r"moved ahead: .*'unreachable': (\d+)", 50, 200),
        (r"moved ahead: .* at most (.+) mm", 10.0, 100.0),
    ],
    "06_control_loop": [
        (r"step +(\d+): holding, no action", 129, 129),
        (r"step +(\d+): timed_out", 159, 159),
        (r"step +(\d+): returning", 175, 175),
        (r"step +(\d+): tracking\nfastest", 176, 200),
        (r"fastest joint at (.+) %", 10.0, 100.0),
        (r"at the end (.+) mm behind", 0.0, 1e-3),
    ],
    "07_late_chunks": [
        (r"newest chunk: error (.+) mm,", 3.5, 4.5),
        (r"newest chunk: .*jitter (.+) mm", 4.0, 8.0),
        (r"mean: error (.+) mm,", 0.5, 2.0),
        (r"mean: .*jitter (.+) mm", 0.1, 2.0),
        (r"after a newer one: (\d+)", 50, 150),
    ],
    "08_normalised_actions": [
        (r"mean (.+), standard", -1e-3, 1e-3),
        (r"standard deviation (.+)", 0.99, 1.01),
        (r"differs by (.+) rad", 0.0, 1e-12),
        (r"twice is refused: .*()", None, None),
    ],
    "09_page_in_3d": [
        (r"(.+) MB, layers /robot/recorded, .*/human", 0.5, 4.0),
        (r"loads from elsewhere: (\d+)", 0, 0),
    ],
    "10_your_own_robot": [
        (r"H1: left (.+), right", 1.15, 1.18),
        (r"large hands: left (.+), right", 1.38, 1.42),
        (r"large hands: .* right (.+)", 1.38, 1.42),
        (r"fit residual (.+) mm", 0.1, 0.5),
    ],
    "11_people_to_robot": [
        (r"(\d+) findings; reach", 0, 0),
        (r"left: (\d+) frames of pinches", 10, 60),
        (r"right: .* the robot's (.+) mm", 0.0, 3.0),
        (r"^valid()$", None, None),
        (r"chunks \(240, (\d+)\)", 30, 30),
    ],
}


def test_there_are_claims_of_every_example() -> None:
    assert [path.stem for path in EXAMPLES] == list(CLAIMS)
    listed = re.findall(r"\((\w+\.py)\)", (FOLDER / "README.md").read_text("utf-8"))
    assert listed == [path.name for path in EXAMPLES]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_prints_what_it_claims(path: Path, tmp_path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) < 40
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    env = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path / "here",
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    for pattern, least, most in CLAIMS[path.stem]:
        found = re.search(pattern, done.stdout, re.MULTILINE)
        assert found, (pattern, done.stdout)
        if least is not None and most is not None:
            assert least <= float(found[1]) <= most, (pattern, done.stdout)
    assert not [*(tmp_path / "here").iterdir()], "an example writes beside the reader's own files"
