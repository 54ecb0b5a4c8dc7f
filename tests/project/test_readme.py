"""The README is true: Python, commands, pictures, links and figures are what it says they are."""

from __future__ import annotations

import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from places import ROOT

from benchmarks.bounds import BOUNDS
from retarget.cli.main import app
from retarget.core.errors import RetargetError
from retarget.viewer.browser import find_browser

README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "pictures"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
CLOSE = 0.05  # figures may differ in their last digits between machines
# what the README claims, and the figure of benchmarks/bounds.py that it is
CLAIMS = (
    (r"6 components, float32 \| ([\d,]+)x", "fit6_ratio"),
    (r"15 components, float64 \| ([\d,]+)x", "fit_default_ratio"),
    (r"\| ([\d,]+)x \| pink", "arm_over_pink"),
    (r"\| ([\d,]+)x \| mink", "arm_over_mink"),
    (r"tuned for speed the ratio is ([\d,]+)x", "arm_over_tuned"),
    (r"led to the posture, it is ([\d,]+)x", "arm_default_over_pink"),
    (r"one hand fit \| ([\d.]+) FK", "fit_latency"),
    (r"one arm solve \| ([\d.]+) FK", "arm_latency"),
    (r"controller step, both arms and hands \| ([\d.]+) FK", "control_median"),
    (r"99.9 % of them \| ([\d.]+) FK", "control_p999"),
    (r"a frame of `retarget replay`, of 100,000 \| ([\d.]+) FK", "replay_rate"),
)


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
    """Where the README's reader is, once `make demo` has run."""
    folder = tmp_path_factory.mktemp("readme")
    run("retarget make-demo demo.hdf5", folder)
    return folder


def pictures() -> list[str]:
    """Of the README's commands, those that take pictures."""
    return [command for command, _ in commands() if "--png" in command]


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


@pytest.mark.parametrize(("command", "shown"), commands(), ids=[c for c, _ in commands()])
def test_commands_do_what_the_readme_shows(folder: Path, command: str, shown: list[str]) -> None:
    if "--png" in command:
        _require_browser()
    done = run(command, folder)
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    while shown and not shown[-1]:
        shown.pop()
    while printed and not printed[-1]:
        printed.pop()
    assert done.returncode == 0, done.stderr
    if shown:
        assert_same(printed, shown)
    words = shlex.split(command)
    for option in {"--png", "--html"} & {*words}:
        assert (folder / words[words.index(option) + 1]).stat().st_size > 10_000
    if "--png" in command:
        name = words[words.index("--png") + 1]
        assert _pixels(folder / name).shape == _pixels(PICTURES / name).shape


def _require_browser() -> None:
    try:
        find_browser()
    except RetargetError as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must take the pictures: {missing}")
        pytest.skip(str(missing))


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"), dtype=np.float64)


def test_python_runs(folder: Path) -> None:
    assert blocks("python")
    for body in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", body], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (body, done.stderr)


def test_pictures_are_those_of_the_makefile() -> None:
    recipes = (ROOT / "Makefile").read_text("utf-8").splitlines()
    taken = [line.split(") ", 1)[1] for line in recipes if line.startswith("\t$(IN_PICTURES)")]
    made = [command for command in taken if "--png" in command]
    assert sorted(made) == sorted(pictures())
    assert "retarget make-demo demo.hdf5" in taken
    shown = set(re.findall(r"!\[[^]]+\]\(docs/pictures/([^)]+)\)", README.read_text("utf-8")))
    assert shown == {shlex.split(c)[shlex.split(c).index("--png") + 1] for c in made}
    assert shown == {path.name for path in PICTURES.glob("*.png")}
    for name in shown:
        assert _pixels(PICTURES / name).std() > 10.0, f"{name} is empty"
        assert (PICTURES / name).stat().st_size < 300_000


def test_without_a_browser_the_makefile_says_so(folder: Path) -> None:
    env = {**os.environ, "RETARGET_BROWSER": "no-such-browser"}
    program = [sys.executable, "-m", "retarget.cli", *shlex.split(pictures()[0])[1:]]
    done = subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: $RETARGET_BROWSER: no program 'no-such-browser'\n"


def test_every_command_is_in_the_table() -> None:
    table = README.read_text("utf-8").split("## Commands\n")[1].split("\n## ")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = {name for cell in first for name in re.findall(r"`(?:retarget )?([^`]+)`", cell)}
    told = {" ".join(re.findall(r"^mano [a-z]+|^[a-z-]+", name)) for name in told}
    group = typer.main.get_command(app)
    known = {
        f"{name} {below}" if below else name
        for name, command in group.commands.items()
        for below in getattr(command, "commands", {"": None})
    }
    assert {"mano convert" if name == "convert" else name for name in told} == known


def test_links_lead_somewhere_and_every_page_is_linked() -> None:
    links = set(re.findall(r"\]\(([^)#]+)\)", README.read_text("utf-8")))
    inside = {link for link in links if "://" not in link}
    assert not [link for link in inside if not (ROOT / link).exists()]
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    books = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert pages | books <= inside


@pytest.mark.parametrize(("claim", "figure"), CLAIMS, ids=[figure for _, figure in CLAIMS])
def test_figures_are_no_better_than_measured(claim: str, figure: str) -> None:
    said = float(re.findall(claim, README.read_text("utf-8"))[0].replace(",", ""))
    every = [bound for bounds in BOUNDS.values() for bound in bounds]
    (bound,) = [bound for bound in every if bound.metric == figure]
    row = re.escape(f"| {bound.meaning} | ") + r"([\d.e+,]+)" + re.escape(f"{bound.unit} |")
    found = re.findall(row, (ROOT / "benchmarks" / "RESULTS.md").read_text("utf-8"))
    if not found:
        pytest.skip("the run in RESULTS.md is older than this bound")
    measured = float(found[0].replace(",", ""))
    assert said <= measured if math.isfinite(bound.least) else said >= measured
