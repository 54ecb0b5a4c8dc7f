"""Reports of replays for people: one demonstration in full, or many with the worst first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from retarget.cli.tables import line, plain_table, print_verdict, stamp
from retarget.core.types import SIDES
from retarget.replay.words import (
    METRICS,
    MOTION,
    common_folder,
    self_check_text,
    summary_cells,
    worst_first,
    worst_frame_text,
)

if TYPE_CHECKING:
    from retarget.core.statistics import FrameStats
    from retarget.replay.replay import Replay


def print_replay(console: Console, replay: Replay) -> None:
    """One demonstration: its errors per side, its motion per side, the verdict and its reasons."""
    console.print()
    line(console, (str(replay.path), "bold"))
    line(
        console,
        f"{replay.frames} frames, {replay.seconds:.3g} s at {replay.rate:.3g} Hz; ",
        (self_check_text(replay.check), "" if replay.check.ok else "yellow"),
    )
    console.print()
    console.print(_errors_table(replay))
    console.print()
    console.print(_motion_table(replay))
    console.print()
    print_verdict(console, [reason.text for reason in replay.reasons])


def print_summary(console: Console, replays: Sequence[Replay], refused: Sequence[str]) -> None:
    """Many demonstrations, the worst first, why some are not valid, and how many there are of each.

    Args:
        console: where to print.
        replays: those that were replayed.
        refused: paths of those that could not be.
    """
    folder = common_folder([*(str(replay.path) for replay in replays), *refused])

    def name(path: str | Path) -> str:
        return os.path.relpath(path, folder) if folder else str(path)

    ordered = worst_first(replays)
    console.print()
    if folder:
        line(console, (folder, "bold"))
        console.print()
    console.print(_summary_table(ordered, refused, name))
    console.print()
    for replay in ordered:
        if replay.reasons:
            line(console, f" {name(replay.path)}: ", stamp(False))
            for reason in replay.reasons:
                line(console, f" - {reason.text}")
    valid = sum(replay.passed for replay in replays)
    failed = len(replays) - valid
    line(
        console,
        f" {len(replays) + len(refused)} demonstrations: ",
        (f"{valid} valid", "bold green" if valid else ""),
        ", ",
        (f"{failed} not valid", "bold red" if failed else ""),
        ", ",
        (f"{len(refused)} bad input", "bold red" if refused else ""),
    )


def _errors_table(replay: Replay) -> Table:
    table = plain_table()
    table.add_column("difference", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("mean", "p99", "max"):
        table.add_column(name, justify="right", min_width=9, no_wrap=True)
    table.add_column("worst frame", justify="right", no_wrap=True)
    missed = any(side.unreachable.frames for side in replay.sides)
    for title, name, text in METRICS:
        shown = f"{title}, reached" if missed and title.startswith("wrist") else title
        for h, side in enumerate(SIDES):
            stats: FrameStats = getattr(replay.sides[h], name)
            table.add_row(
                shown if h == 0 else "",
                side,
                *(text(value) for value in (stats.mean, stats.p99, stats.max)),
                worst_frame_text(stats),
            )
    return table


def _motion_table(replay: Replay) -> Table:
    table = plain_table()
    table.add_column("motion", no_wrap=True)
    for side in SIDES:
        table.add_column(side)
    for title, name, told in MOTION:
        table.add_row(title, *(told(getattr(side, name)) for side in replay.sides))
    return table


def _summary_table(
    replays: Sequence[Replay], refused: Sequence[str], name: Callable[[str | Path], str]
) -> Table:
    table = plain_table()
    table.padding = (0, 1, 0, 0)
    table.add_column("\ndemonstration", overflow="fold", min_width=16)
    table.add_column("\nverdict", no_wrap=True)
    for head in (
        "\nframes",
        "fingertip\nmean",
        "fingertip\nmax",
        "wrist\nmax",
        "out of\nreach",
        "label\njumps",
    ):
        table.add_column(head, justify="right", no_wrap=True)
    for path in refused:
        table.add_row(Text(name(path)), Text("BAD INPUT", style="bold red"), *["-"] * 6)
    for replay in replays:
        table.add_row(Text(name(replay.path)), stamp(replay.passed), *summary_cells(replay))
    return table
