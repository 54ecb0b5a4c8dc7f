"""A command of ``retarget`` in a forked child: as warm as its parent, its fate bounded."""

from __future__ import annotations

import faulthandler
import gc
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HANG = 120.0  # how long a command may take [s]
PROCESSOR = 60  # how much of it the processor may work [s]; a run of 100,000 steps takes 20
MEMORY = 2 * 2**30  # how much it may take beside what its parent has [bytes]


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: its exit code; negative the signal that ended it.
        hung: it was ended because it took too long.
        out: what it wrote to stdout.
        err: what it wrote to stderr.
        seconds: how long it took.
    """

    code: int
    hung: bool
    out: str
    err: str
    seconds: float


def warm_up(demo: bytes, folder: Path) -> None:
    """Load what commands load, once, by running them; no thread is left."""
    path = folder / "warm.hdf5"
    path.write_bytes(demo)
    for words in (
        ["replay", str(path), "--html", str(folder / "warm.html")],
        ["to-human", str(path), "--out", str(folder / "warm_human.hdf5")],
        ["to-actions", str(path), "--out", str(folder / "warm_actions.hdf5")],
        ["run", str(path), "--fast"],
        ["view", str(path), "--html", str(folder / "warm.html")],
        ["check-hand", "--samples", "4"],
    ):
        run_forked(words, folder, prepare=None, fork=False)
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("a thread is left, that a forked child would not have")


def run_forked(
    arguments: Sequence[str],
    folder: Path,
    *,
    prepare: Callable[[], None] | None = None,
    fork: bool = True,
    meanwhile: Callable[[int], None] | None = None,
    hang: float = HANG,
) -> Outcome:
    """``retarget ARGUMENTS`` in a folder, its output in files beside it.

    Args:
        arguments: of the command.
        folder: it runs in; ``stdout`` and ``stderr`` beside it are written over.
        prepare: called in the child before the command.
        fork: False to run it here, where it may do what it likes, its output dropped.
        meanwhile: called with the child's process id once it runs.
        hang: seconds after which it is ended.
    """
    out, err = folder.parent / f"{folder.name}.stdout", folder.parent / f"{folder.name}.stderr"
    if not fork:
        _drop_output(lambda: _command(arguments))
        return Outcome(0, False, "", "", 0.0)
    started = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _as_child(arguments, folder, out, err, prepare)
    handle = os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    if meanwhile is not None:
        meanwhile(child)
    hung = not poll.poll(1e3 * hang)
    if hung:
        os.kill(child, signal.SIGKILL)
    os.close(handle)
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - started
    said = [path.read_bytes().decode("utf-8", "backslashreplace") for path in (out, err)]
    code = os.waitstatus_to_exitcode(status)
    hung = hung or code == -signal.SIGXCPU
    return Outcome(code, hung, said[0], said[1], seconds)


def _as_child(
    arguments: Sequence[str], folder: Path, out: Path, err: Path, prepare: Callable[[], None] | None
) -> None:
    """What the child does; it does not come back."""
    code = 70
    try:
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for place, number in ((out, 1), (err, 2)):
            os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        faulthandler.enable(2)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        memory = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR + 5))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
        if prepare is not None:
            prepare()
        code = _command(arguments)
        gc.collect()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                code = 71
        os._exit(code)


def _command(arguments: Sequence[str]) -> int:
    """The command line, as the script calls it."""
    from retarget.cli.__main__ import main

    sys.argv = ["retarget", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _drop_output(call: Callable[[], object]) -> None:
    """Call with stdout and stderr going nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    kept = [os.dup(1), os.dup(2)]
    try:
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        call()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in enumerate(kept, start=1):
            os.dup2(old, number)
            os.close(old)
        os.close(nothing)
