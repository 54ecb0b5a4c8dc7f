"""``--untrusted``: a command in a child process, which may crash, hang or eat memory by itself.

What a damaged file can do to the libraries that read it, HDF5 above all, cannot always be seen
before it is read. This keeps that from the caller; it is no sandbox against files made to attack.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from retarget.cli.commands.options import UNTRUSTED
from retarget.core.errors import RetargetError
from retarget.core.part_file import remove_abandoned

MEMORY = 8 * 2**30  # [byte] of data that the child may hold
_GRACE = 3.0  # [s] to clean up in


def run_confined(arguments: Sequence[str], seconds: float) -> int:
    """Run a command line, its ``--untrusted`` left out, in a child process, and give its exit code.

    It ends with this process, and part files that it could not delete any more are deleted.

    Args:
        arguments: of the program, without its name.
        seconds: how long it may take.

    Raises:
        RetargetError: it crashed, or took longer.
    """
    command = [sys.executable, "-m", "retarget.cli", *_without_option(arguments)]
    # a session of its own: a terminal's Ctrl-C comes by this process alone, not twice
    process = subprocess.Popen(command, preexec_fn=_limit_memory, start_new_session=True)
    try:
        with _passing_on_interrupts(process):
            code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise RetargetError(
            f"the command was ended after {seconds:g} s, the time that {UNTRUSTED} gives it; one "
            "of its files may be damaged, or it needs longer"
        ) from None
    finally:
        _end(process)
        if process.returncode < 0:
            _clean(arguments)
    if code >= 0:
        return code
    raise RetargetError(
        f"the command was ended by {signal.Signals(-code).name}; one of its files is damaged in a "
        "way that the libraries which read it do not survive"
    )


@contextmanager
def _passing_on_interrupts(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ctrl-C ends the child, and thereby this process."""
    before = signal.signal(signal.SIGINT, lambda number, frame: process.send_signal(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child that still runs, by force where it does not listen."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _without_option(arguments: Sequence[str]) -> list[str]:
    """The arguments without the option and its value, up to ``--``."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*kept, argument, *rest]
        if argument == UNTRUSTED:
            next(rest, None)
        elif not argument.startswith(UNTRUSTED + "="):
            kept.append(argument)
    return kept


def _clean(arguments: Sequence[str]) -> None:
    """Delete the parts that a killed child left where its arguments point to."""
    for argument in arguments:
        named = Path(argument.partition("=")[2] if argument.startswith("--") else argument)
        for folder in (named, named.parent):
            with suppress(OSError, ValueError):
                if os.path.isdir(folder):
                    remove_abandoned(folder)
