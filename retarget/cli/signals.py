"""SIGTERM and SIGHUP end a command as an error does, cleanly; then the process dies of them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_AGAIN = 0.01  # [s]
_GRACE = 2.0  # [s] in which the same wish, said again, does not disturb the cleaning up


class Ended(BaseException):
    """A signal asks the process to end; no handler of errors is to hold it up."""


@contextmanager
def dying_of_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind the block, which deletes part files, before they kill.

    After the block the program is at its end: signals end it at once, Ctrl-C is too late.
    A signal that is ignored (SIGHUP under nohup) stays ignored. For command lines alone: the
    handlers of a program that uses the library are its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    until = 0.0

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal until
        came.append(number)
        if time.monotonic() < until:
            return
        until = time.monotonic() + _GRACE
        raise Ended(number)

    def again(lost: sys.UnraisableHookArgs) -> None:
        """A wish to end that came in a finaliser, which cannot raise it: said once more."""
        number: int | None = signal.SIGINT if lost.exc_type is KeyboardInterrupt else None
        if isinstance(lost.exc_value, Ended):
            number = came.pop()
        if number is None:
            hook(lost)
            return
        nonlocal until
        wait = _AGAIN
        while True:
            until = 0.0
            try:
                threading.Timer(wait, os.kill, (os.getpid(), number)).start()
            except (KeyboardInterrupt, Ended) as early:
                if isinstance(early, Ended):
                    number = came.pop()
                wait *= 2.0  # on a busy machine it comes before this function ends
            else:
                return

    hook, sys.unraisablehook = sys.unraisablehook, again
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number in ours:
            signal.signal(number, signal.SIG_DFL)  # nothing is left to clean up
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # nor to be said by Ctrl-C
        # whatever the block made of the exception
        if came:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):
                    stream.flush()
            signal.signal(came[0], signal.SIG_DFL)
            os.kill(os.getpid(), came[0])
