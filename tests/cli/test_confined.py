"""``--untrusted``: crashes, hangs and hunger stay in a child process; results are the same."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import pytest
from interruptions import Ended, leavings, run_limited
from places import ROOT

from retarget.data.generate.make_demo import make_demo

CRASH = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
HANG = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass\n"
# half written, then the end
KILLED = """
import os, signal
from retarget.core import part_file
def publish(self):
    self.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
part_file.PartFile.publish = publish
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_demo(tmp_path / "demo.hdf5", frames=20)
    return tmp_path


def run(folder: Path, *args: object, patch: str | None = None) -> Ended:
    """A command; ``patch`` is run at the start of its child, and of no other process."""
    if patch is None:
        return run_limited(args, cwd=folder)
    (folder / "patch").mkdir()
    # read at the start of every interpreter; the parent has the option on its command line
    (folder / "patch" / "sitecustomize.py").write_text(
        "import sys\nif '--untrusted' not in ' '.join(sys.orig_argv):\n"
        + "".join(f"    {line}\n" for line in patch.splitlines())
    )
    return run_limited(args, cwd=folder, env={"PYTHONPATH": f"{folder / 'patch'}:{ROOT}"})


def test_results_are_the_same(folder: Path) -> None:
    for args in (("replay", "demo.hdf5"), ("to-human", "demo.hdf5", "--out", "human.hdf5")):
        alone, confined = run(folder, *args), run(folder, *args, "--untrusted", 60)
        assert (alone.returncode, confined.returncode) == (0, 0)
        assert confined.stderr == ""
        assert confined.stdout == alone.stdout
    refused = run(folder, "replay", "gone.hdf5", "--untrusted=60")
    assert refused.is_refusal
    assert "gone.hdf5: no such file" in refused.stderr


def test_a_crash_is_one_line(folder: Path) -> None:
    ended = run(folder, "replay", "demo.hdf5", "--untrusted", 60, patch=CRASH)
    assert ended.is_refusal, ended
    assert "SIGSEGV" in ended.stderr


def test_a_hang_ends(folder: Path) -> None:
    ended = run(folder, "replay", "demo.hdf5", "--untrusted", 0.5, patch=HANG)
    assert ended.is_refusal, ended
    assert "after 0.5 s" in ended.stderr


def test_a_killed_child_leaves_nothing(folder: Path) -> None:
    (folder / "out").mkdir()
    args = ("replay", "demo.hdf5", "--out", "out/back.hdf5", "--untrusted", 60)
    ended = run(folder, *args, patch=KILLED)
    assert ended.is_refusal, ended
    assert "SIGKILL" in ended.stderr
    assert leavings(folder / "out") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_child(folder: Path, number: int) -> None:
    args = ("make-demo", "long.hdf5", "--frames", 20000)
    assert run_limited(args, cwd=folder).returncode == 0
    args = ("replay", "long.hdf5", "--out", folder / "back.hdf5", "--untrusted", "60")
    ended = run_limited(args, cwd=folder, signal_after=(int(number), 1.0))
    assert ended.returncode in (130, -number, 0), ended
    assert leavings(folder) == []
    assert not [name for name in running() if str(folder) in name]


def running() -> list[str]:
    """Command lines of all processes."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_a_time_that_is_none(folder: Path) -> None:
    ended = run(folder, "replay", "demo.hdf5", "--untrusted", 0)
    assert ended.returncode == 2
    assert "must be a positive number" in ended.stderr
