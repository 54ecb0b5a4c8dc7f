"""How a command ends: its exit code, and one line on stderr where something was wrong.

0 valid, 1 not valid, 2 bad input or a fault of this program, 130 interrupted, 141 nobody reads
what it prints. ``RETARGET_TRACEBACK=1`` shows the traceback of whatever ended it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from retarget.cli.commands.console import BAD_INPUT, INTERRUPTED, NOBODY_READS, VALID, complain
from retarget.core.errors import RetargetError

TRACEBACK = "RETARGET_TRACEBACK"


def ended(command: Callable[[], Any]) -> int:
    """Run a command line and give its exit code."""
    try:
        code = command()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        return code if isinstance(code, int) else VALID
    except BaseException as error:
        if os.environ.get(TRACEBACK):
            raise
        return _code_of(error)


def _code_of(error: BaseException) -> int:
    # by name: typer keeps click's classes in a module of its own, or in click, by its version
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "Abort" in kinds and isinstance(error.__cause__, EOFError):
        return _code_of(error.__cause__)  # of a damaged file; nothing here asks questions
    if isinstance(error, BrokenPipeError):
        _write_nowhere()
        return NOBODY_READS
    if isinstance(error, KeyboardInterrupt) or "Abort" in kinds:
        complain("interrupted")
        return INTERRUPTED
    if "ClickException" in kinds:
        error.show()  # type: ignore[attr-defined]
        return BAD_INPUT
    if isinstance(error, RetargetError):
        complain(str(error))
    elif isinstance(error, MemoryError):
        complain("there is not enough memory for this")
    elif isinstance(error, OSError):
        named = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        complain(f"{named}{error.strerror or error}")
    elif isinstance(error, Exception):
        said = str(error) or "nothing more is known"
        complain(
            f"a fault of retarget ({type(error).__name__}: {said}); please report it with what "
            f"{TRACEBACK}=1 shows"
        )
    else:
        raise error
    return BAD_INPUT


def _write_nowhere() -> None:
    """Spare the interpreter's last flush a complaint of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
