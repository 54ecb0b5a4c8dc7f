"""Threads, workspaces and views of the core, in C++: exceptions arrive, bounds are checked."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from places import ROOT

COMPILER = shlex.split(os.environ.get("CXX", "c++"))
SOURCES = ["core/span.cpp", "core/workers.cpp"]

pytestmark = pytest.mark.skipif(not shutil.which(COMPILER[0]), reason="no C++ compiler")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("native") / "units"
    native = ROOT / "native"
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{native}"]
    macros = ["-DRETARGET_ISA=retarget_baseline", "-DRETARGET_CHECKED"]
    sources = [ROOT / "tests/native/native_units.cpp", *(native / name for name in SOURCES)]
    subprocess.run([*COMPILER, *flags, *macros, *map(str, sources), "-o", str(out)], check=True)
    return out


def test_workers_arena_and_views(program: Path) -> None:
    run = subprocess.run([program], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("value", "index 3 is outside of a view of 3"),
        ("row", "index 2 is outside of a view of 2"),
        ("part", "index 7 is outside of a view of 6"),
    ],
)
def test_a_checked_build_ends_where_bounds_are_passed(
    program: Path, part: str, message: str
) -> None:
    run = subprocess.run([program, part], capture_output=True, text=True)
    assert run.returncode < 0
    assert message in run.stderr
