"""Full disks, file size limits and signals: one line or the signal's death, and nothing lost."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest
from interruptions import leavings, run_limited, small_disk

from retarget.data.demo.reader import load_demo
from retarget.data.generate.make_demo import make_demo

FRAMES = 1200
# what writes, and into which file; {} is the folder it writes in
COMMANDS = {
    "replay": ("replay", "demo.hdf5", "--out", "{}/out"),
    "report": ("replay", "demo.hdf5", "--json", "{}/out"),
    "page": ("view", "demo.hdf5", "--html", "{}/out"),
    "to-human": ("to-human", "demo.hdf5", "--out", "{}/out"),
    "to-actions": ("to-actions", "demo.hdf5", "--out", "{}/out", "--chunks"),
    "run": ("run", "short.hdf5", "--fast", "--out", "{}/out"),
    "make-demo": ("make-demo", "{}/out", "--frames", "200"),
    "mano": ("mano", "convert", "hand.npz", "--out", "{}/out.npz", "--overwrite"),
}
FULL = "cannot be written: the disk is full"
LARGE = "cannot be written: it would be larger than files may be"


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demos")
    make_demo(folder / "demo.hdf5", frames=FRAMES)
    make_demo(folder / "short.hdf5", frames=60)
    return folder


@pytest.fixture
def folder(tmp_path: Path, demos: Path) -> Path:
    """A demonstration, a hand, and files that the commands are to replace."""
    for name in ("demo.hdf5", "short.hdf5"):
        (tmp_path / name).symlink_to(demos / name)
    from retarget.human.hand_model import find_hand

    shutil.copy(find_hand("left", "open"), tmp_path / "hand.npz")
    for name in ("out", "out.npz"):
        (tmp_path / name).write_bytes(b"old")
    return tmp_path


def intact(folder: Path) -> bool:
    """What was there still is."""
    return all((folder / name).read_bytes() == b"old" for name in ("out", "out.npz"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_size_limit_is_one_line(folder: Path, command: str) -> None:
    args = [word.format(".") for word in COMMANDS[command]]
    limit = random.Random(command).choice([1, 500, 2_000])
    ended = run_limited(args, file_bytes=limit, cwd=folder)
    assert ended.is_refusal, ended
    assert LARGE in ended.stderr
    assert intact(folder)
    assert leavings(folder) == []


def test_a_full_disk_is_one_line(folder: Path) -> None:
    with small_disk(folder / "disk", 60_000) as disk:
        for command in ("replay", "page", "to-human", "to-actions", "make-demo"):
            (disk / "out").write_bytes(b"old")
            ended = run_limited([word.format("disk") for word in COMMANDS[command]], cwd=folder)
            assert ended.is_refusal, (command, ended)
            assert FULL in ended.stderr
            assert [path.name for path in disk.iterdir()] == ["out"]
            assert (disk / "out").read_bytes() == b"old"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing(folder: Path, number: int) -> None:
    moments = random.Random(number)
    for _ in range(3):
        after = moments.uniform(0.3, 1.2)
        ended = run_limited(
            [word.format(".") for word in COMMANDS["replay"]],
            signal_after=(number, after),
            cwd=folder,
        )
        assert leavings(folder) == []
        if not intact(folder):  # the command was quicker, and its result is whole
            assert load_demo(folder / "out").frames == FRAMES
            (folder / "out").write_bytes(b"old")
            continue
        assert ended.returncode == (130 if number == signal.SIGINT else -number), ended
        assert "Traceback" not in ended.stderr


def test_what_a_kill_leaves_goes_with_the_next_write(folder: Path) -> None:
    moments = random.Random(9)
    for _ in range(3):
        run_limited(
            [word.format(".") for word in COMMANDS["replay"]],
            signal_after=(signal.SIGKILL, moments.uniform(0.4, 0.8)),
            cwd=folder,
        )
    ended = run_limited([word.format(".") for word in COMMANDS["make-demo"]], cwd=folder)
    assert ended.returncode == 0
    assert leavings(folder) == []


def test_an_ignored_hangup_stays_ignored(folder: Path) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        args = [word.format(".") for word in COMMANDS["replay"]]
        ended = run_limited(args, signal_after=(signal.SIGHUP, 0.6), cwd=folder)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ended.returncode == 0, ended


def test_the_viewer_ends_when_it_is_told_to(folder: Path) -> None:
    args = ["view", "short.hdf5", "--no-open", "--port", "0"]
    ended = run_limited(args, signal_after=(signal.SIGTERM, 4.0), cwd=folder)
    assert ended.returncode == -signal.SIGTERM
    assert "Traceback" not in ended.stderr
