"""Damaged files that once made a command crash, hang or end in a traceback: one line, or the truth.

The files are not part of the project; where they are not there the test is skipped.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retarget.core.resources import resource as package_file
from retarget.data.generate.make_demo import make_demo

SECONDS = 20
BYTES = 2 * 2**30
LINES = re.compile(r"(error|warning|note): ")


def run(args: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))

    command = [sys.executable, "-m", "retarget.cli", *args]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        preexec_fn=limited,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    )


def commands(case: Path, folder: Path) -> list[list[str]]:
    """Every command that takes such a file."""
    here = case.name
    shutil.copyfile(case, folder / here)
    if case.suffix == ".hdf5":
        return [
            ["replay", here, "--out", "out.hdf5"],
            ["to-human", here, "--out", "out.hdf5"],
            ["to-actions", here, "--out", "out.hdf5"],
            ["run", here, "--fast"],
            ["view", here, "--html", "out.html"],
        ]
    make_demo(folder / "demo.hdf5", frames=20)
    if case.suffix == ".safetensors":
        return [["replay", "demo.hdf5", "--weights", here], ["check-hand", "--weights", here]]
    if case.suffix == ".urdf":
        return [["replay", "demo.hdf5", "--urdf", here], ["run", "demo.hdf5", "--urdf", here]]
    shutil.copytree(package_file("robots", "h1_inspire"), folder / "robot")
    shutil.copyfile(case, folder / "robot" / "robot.toml")
    return [["replay", "demo.hdf5", "--robot", "robot"], ["make-demo", "x", "--robot", "robot"]]


def cases() -> list[str]:
    folder = Path(__file__).parents[3] / "shared" / "cases"
    return sorted(p.name for p in folder.glob("case_*")) or ["none"]


@pytest.mark.parametrize("name", cases())
def test_a_damaged_file_ends_in_one_line_or_the_truth(
    shared: Path, tmp_path: Path, name: str
) -> None:
    case = shared / "cases" / name
    if not case.is_file():
        pytest.skip("no damaged files here")
    for args in commands(case, tmp_path):
        before = sorted(path.name for path in tmp_path.iterdir())
        ended = run(args, tmp_path)
        lines = ended.stderr.splitlines()
        assert ended.returncode in (0, 1, 2), (args, ended)
        assert all(LINES.match(line) for line in lines), (args, ended)
        after = {path.name for path in tmp_path.iterdir()} - set(before)
        if ended.returncode == 2:
            assert sum(line.startswith("error: ") for line in lines) == 1, (args, ended)
            assert not after, (args, after)
        else:
            assert "VALID" in ended.stdout or "wrote" in ended.stdout or args[0] == "check-hand"
            for path in after:
                (tmp_path / path).unlink()
