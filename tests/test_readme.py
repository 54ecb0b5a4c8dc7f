"""The README is true: its Python runs, and its commands print what it says they print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
CLOSE = 0.05  # figures may differ in their last digits between machines


def blocks(language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(README.read_text("utf-8")) if kind == language]


def commands() -> list[tuple[str, list[str]]]:
    """Every `$ retarget ...` command of the README, with the lines it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for body in blocks("console"):
        for line in body.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line.rstrip())
    return [(command, lines) for command, lines in found if command.startswith("retarget ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    program = [sys.executable, "-m", "retarget.cli", *words[1:]]
    env = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, check=False)


def assert_same(printed: list[str], shown: list[str]) -> None:
    """Same words; same figures within `CLOSE`, durations aside."""

    def words(line: str) -> str:
        return " ".join(NUMBER.sub("#", line).split())

    assert [words(line) for line in printed] == [words(line) for line in shown]
    for ours, theirs in zip(printed, shown, strict=True):
        for a, b in zip(NUMBER.finditer(ours), NUMBER.finditer(theirs), strict=True):
            if not re.match(r" ?(s|ms|frames/s)\b", theirs[b.end() :]):
                assert float(a[0]) == pytest.approx(float(b[0]), rel=CLOSE, abs=2e-3), ours


def test_commands_print_what_the_readme_shows(folder: Path) -> None:
    assert commands()
    for command, shown in commands():
        done = run(command, folder)
        printed = [line.rstrip() for line in done.stdout.splitlines()]
        while shown and not shown[-1]:
            shown.pop()
        while printed and not printed[-1]:
            printed.pop()
        assert done.returncode == 0, (command, done.stderr)
        if shown:
            assert_same(printed, shown)


def test_python_runs(folder: Path) -> None:
    assert blocks("python")
    if not (folder / "demo.hdf5").exists():
        run("retarget make-demo demo.hdf5 --frames 60", folder)
    for body in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", body], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (body, done.stderr)
