"""Entry point of ``retarget`` and ``python -m retarget.cli``: all is guarded, the imports too."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_INTERRUPTED = 130  # of the command, which is not imported yet


def main() -> None:
    """Run the command line and exit."""
    try:
        _run()
    except KeyboardInterrupt:  # while modules are imported
        _refuse("interrupted", _INTERRUPTED)
    except SystemExit as end:
        # at once: Python remembers an interrupt that came while a dataclass was made, and would die
        # of it at its end instead
        if end.code == _INTERRUPTED:
            _leave(_INTERRUPTED)
        raise


def _run() -> None:
    _open_streams()
    from retarget.cli.signals import dying_of_signals

    with dying_of_signals():
        if not os.environ.get("RETARGET_TRACEBACK") and not sys.warnoptions:
            import warnings

            warnings.simplefilter("ignore")  # what libraries remark is no line of ours
        if "" in sys.argv[1:]:
            _refuse("an argument is empty, expected a name", 2)
        from retarget.cli.main import app

        app()


def _open_streams() -> None:
    """Closed streams lead nowhere, instead of into the next file that is opened."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _refuse(message: str, code: int) -> None:
    sys.stderr.write(f"error: {message}\n")
    _leave(code)


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
