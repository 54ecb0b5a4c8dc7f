"""What commands say: reports on stdout, errors and progress on stderr."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from retarget.core.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH = 100  # of tables in files and pipes
_LONGEST = 1500  # characters of an error: a path, and what is wrong
VALID, NOT_VALID, BAD_INPUT, INTERRUPTED, NOBODY_READS = 0, 1, 2, 130, 141


def complain(message: str) -> None:
    """One error, on one line of stderr; the middle of one that is endless is left out."""
    said = " ".join(message.split())
    if len(said) > _LONGEST:
        half = _LONGEST // 2
        said = f"{said[:half]} ... {said[-half:]}"
    typer.echo(f"error: {printable(said)}", err=True)


def remark(message: str, kind: str = "note") -> None:
    """A note or warning, on one line of stderr."""
    typer.echo(f"{kind}: {printable(' '.join(message.split()))}", err=True)


def say(text: str) -> None:
    """A line of stdout."""
    typer.echo(printable(text))


def examples(*lines: str, title: str = "Examples:") -> str:
    """Command lines for the end of a help text, which would otherwise be filled like prose."""
    return "\b\n" + "\n".join([title, *(f"  {line}" for line in lines)])


def stdout() -> Console:
    """Where reports go."""
    from rich.console import Console

    class Report(Console):
        """A console whose closed pipe is an error like any other."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = Report(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH
    return console


def written(place: Path) -> str:
    """That a file has been written, and its size."""
    size = place.stat().st_size
    return f"wrote {place}: " + (f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB")


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on stderr, where that is a terminal, that something takes a while."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        yield


@contextmanager
def progress_bar(files: int) -> Iterator[Callable[[str], Callable[[str, int, int], None]]]:
    """A bar on stderr, where that is a terminal, over the frames of one file after the other.

    Yields:
        A function that, given a file's name, gives what to call with (what, done, frames).
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.fields[place]}{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None, place="")
        started = 0

        def start(name: str) -> Callable[[str, int, int], None]:
            nonlocal started
            started += 1
            place = f"{started}/{files} " if files > 1 else ""
            before = ""

            def advance(what: str, done: int, frames: int) -> None:
                nonlocal before
                if what != before:
                    before = what
                    bar.reset(task, total=frames, description=f"{what} {name}", place=place)
                bar.update(task, completed=done)

            return advance

        yield start
