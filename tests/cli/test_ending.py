"""Exit codes: 1 says not valid and nothing else; whatever is wrong is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from places import ROOT

from retarget.data.generate.make_demo import make_demo

COMMAND = [sys.executable, "-m", "retarget.cli"]
# an empty one would be the current folder
PATHS = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    make_demo(tmp_path / "demo.hdf5", frames=20)
    return tmp_path / "demo.hdf5"


def run(*args: object, cwd: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *(a if isinstance(a, bytes) else str(a) for a in args)],
        cwd=cwd,
        env=ENV,
        capture_output=True,
        timeout=60,
        **options,  # type: ignore[call-overload]
    )


def refused(ended: subprocess.CompletedProcess[bytes], *words: str) -> None:
    lines = ended.stderr.decode().splitlines()
    assert ended.returncode == 2, ended
    assert len(lines) == 1, ended
    assert lines[0].startswith("error: "), ended
    assert all(word in lines[0] for word in words), ended


def test_names_that_are_none(tmp_path: Path, demo: Path) -> None:
    refused(run("replay", "", cwd=tmp_path), "empty")
    refused(run("replay", "x" * 5000, cwd=tmp_path), "too long")
    refused(run("replay", b"no\xffname.hdf5", cwd=tmp_path), "no\\udcffname.hdf5", "no such file")
    refused(run("replay", "a\x1b[31mred\nb", cwd=tmp_path), "a\\x1b[31mred b", "no such file")
    refused(run("replay", demo, "--out", "y" * 300, cwd=tmp_path), "too long")


def test_names_with_escapes_are_shown_not_obeyed(tmp_path: Path, demo: Path) -> None:
    odd = tmp_path / "de\x1b[2Jmo\udcff.hdf5"
    odd.write_bytes(demo.read_bytes())
    page = tmp_path / "page.html"
    ended = run("replay", odd, "--html", page, "--json", "x.json", cwd=tmp_path)
    assert ended.returncode == 0, ended
    assert b"de\\x1b[2Jmo\\udcff.hdf5" in ended.stdout
    assert b"\x1b[2J" not in ended.stdout + ended.stderr
    assert "\\udcff" in page.read_text(encoding="utf-8")


def test_a_folder_that_is_gone(tmp_path: Path, demo: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$1" && exec "$2" -m retarget.cli replay demo.hdf5'
    ended = subprocess.run(
        ["sh", "-c", script, "sh", str(gone), sys.executable],
        cwd=gone,
        env=ENV,
        capture_output=True,
        timeout=60,
    )
    refused(ended)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_without_permission_is_named(tmp_path: Path, demo: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    refused(run("replay", tmp_path, cwd=tmp_path), "closed", "cannot be looked into")


def test_a_folder_that_fails_is_named(
    tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retarget.cli.commands.places import find_sources

    (tmp_path / "closed").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (source,) = find_sources([tmp_path])
    assert "closed: cannot be looked into: Permission denied" in source.error


def test_suffixes_of_any_case(tmp_path: Path, demo: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    for name in ("a.HDF5", "b.h5", "c.H5", "d.hdf5"):
        (folder / name).write_bytes(demo.read_bytes())
    (folder / "e.txt").write_text("no recording")
    ended = run("replay", folder, "--json", "x.json", cwd=tmp_path)
    assert ended.returncode == 0, ended
    assert ended.stdout.count(b"VALID") >= 4


def test_nobody_listens(tmp_path: Path, demo: Path) -> None:
    script = '"$1" -m retarget.cli replay demo.hdf5 2>&- ; echo $? >code'
    subprocess.run(["sh", "-c", script, "sh", sys.executable], cwd=tmp_path, env=ENV, timeout=60)
    assert (tmp_path / "code").read_text().strip() == "0"
    script = '{ "$1" -m retarget.cli replay gone.hdf5 2>&- ; echo $? >code; }'
    subprocess.run(["sh", "-c", script, "sh", sys.executable], cwd=tmp_path, env=ENV, timeout=60)
    assert (tmp_path / "code").read_text().strip() == "2"
    script = '{ "$1" -m retarget.cli replay demo.hdf5 -v; echo $? >code; } 2>said | true'
    subprocess.run(["sh", "-c", script, "sh", sys.executable], cwd=tmp_path, env=ENV, timeout=60)
    assert (tmp_path / "code").read_text().strip() in ("0", "141")
    assert (tmp_path / "said").read_text() == ""


def test_ctrl_c_at_any_moment(tmp_path: Path, demo: Path) -> None:
    for wait in (0.02, 0.1, 0.2, 0.35, 0.5):
        process = subprocess.Popen(
            [*COMMAND, "replay", "demo.hdf5"],
            cwd=tmp_path,
            env=ENV,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        if b"init_import_site" in said or b"<frozen runpy>" in said:
            continue  # the interpreter had not come to the program yet
        assert b"retarget" not in said, (wait, said)  # no traceback of ours
        # the interpreter itself, while it starts, dies of the signal
        assert process.returncode in (0, 130, -signal.SIGINT), (wait, said)


def test_a_fault_of_the_program_is_no_verdict(
    tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from retarget.cli.main import app

    for error, words in (
        (ZeroDivisionError("by zero"), "a fault of retarget (ZeroDivisionError: by zero)"),
        (RecursionError("too deep"), "a fault of retarget (RecursionError: too deep)"),
        (MemoryError(), "not enough memory"),
        (OSError(5, "Input/output error", "x"), "x: Input/output error"),
        (EOFError("marshal data too short"), "a fault of retarget (EOFError"),
    ):

        def fail(*args: object, error: Exception = error, **options: object) -> None:
            raise error

        monkeypatch.setattr("retarget.replay.replay.replay_file", fail)
        result = CliRunner().invoke(app, ["replay", str(demo)])
        assert result.exit_code == 2, (error, result)
        assert words in result.stderr


def test_a_pipe_is_no_recording(tmp_path: Path, demo: Path) -> None:
    os.mkfifo(tmp_path / "pipe.hdf5")
    (tmp_path / "link.hdf5").symlink_to("pipe.hdf5")
    for name in ("pipe.hdf5", "link.hdf5"):
        refused(run("replay", name, cwd=tmp_path), "named pipe")
    refused(run("replay", demo, "--urdf", "pipe.hdf5", cwd=tmp_path), "named pipe")
    refused(run("replay", demo, "--weights", "pipe.hdf5", cwd=tmp_path), "named pipe")
    refused(run("replay", demo, "--calibration", "pipe.hdf5", cwd=tmp_path), "named pipe")
    with h5py.File(demo, "r+") as file:
        del file["action"]
        file["action"] = h5py.ExternalLink("pipe.hdf5", "x")
    refused(run("replay", demo, cwd=tmp_path), "named pipe")


FINALISER = """
import os, signal, sys, time
from retarget.cli.signals import dying_of_signals
for number in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore them
signal.signal(signal.SIGINT, signal.default_int_handler)
class Thing:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        for _ in range(1000):
            pass
with dying_of_signals():
    thing = Thing()
    del thing
    try:
        time.sleep(20)
    except KeyboardInterrupt:
        print("unwound")
        sys.exit(130)
    except BaseException:
        print("unwound")
        raise
"""


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, -15), (1, -1)])
def test_a_signal_in_a_finaliser_is_not_lost(number: int, code: int, busy: bool) -> None:
    program = FINALISER
    if busy:  # the signal comes again before the thread that sends it is known to have started
        program = f"""
import threading, time
started = threading.Thread.start
def start(thread):
    started(thread)
    if thread.interval < 0.05:
        time.sleep(0.2)
threading.Thread.start = start
{FINALISER}"""
    command = [sys.executable, "-c", program, str(number)]
    ended = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "unwound\n", "")
