"""The report of `retarget replay` for people: one demonstration in full, or many in a table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from retarget.cli.tables import line, plain_table, print_notes, print_verdict, side_table, stamp
from retarget.core.types import SIDES
from retarget.replay.metrics import METRICS, REACHED, worst_frame_text
from retarget.replay.people_summary import HAND_ROWS, PINCH_COLUMNS, pinch_rows
from retarget.replay.summary import COLUMNS, MOTION, Cell, common_folder, figure_known, worst_first
from retarget.replay.verdict import self_check_text

if TYPE_CHECKING:
    from retarget.replay.human_to_demo import HumanReplay
    from retarget.replay.people_to_demo import PeopleReplay
    from retarget.replay.replay import Judged, Replay


def print_replay(console: Console, replay: Replay) -> None:
    """One demonstration: its errors per side, its motion per side, the verdict and its reasons."""
    console.print()
    line(console, (str(replay.path), "bold"))
    line(
        console,
        f"{replay.frames} frames, {replay.seconds:.3g} s at {replay.rate:.3g} Hz; ",
        (self_check_text(replay.check), "" if replay.check.ok else "yellow"),
    )
    _print_judged(console, replay)


def print_returned(console: Console, replay: HumanReplay | PeopleReplay) -> None:
    """What became of human motion on the robot, by what it is."""
    from retarget.replay.people_to_demo import PeopleReplay

    if isinstance(replay, PeopleReplay):
        print_people_replay(console, replay)
    else:
        print_human_replay(console, replay)


def print_human_replay(console: Console, replay: HumanReplay) -> None:
    """Human motion as a demonstration: the same of what there is to compare."""
    console.print()
    line(console, (str(replay.path), "bold"), " -> ", (str(replay.out), "bold"))
    line(console, f"{replay.frames} frames, {replay.seconds:.3g} s at {replay.rate:.3g} Hz")
    _print_judged(console, replay)


def print_people_replay(console: Console, replay: PeopleReplay) -> None:
    """A person's motion as a demonstration: what becomes of the pinches, and the same."""
    console.print()
    line(console, (str(replay.path), "bold"), " -> ", (str(replay.out), "bold"))
    line(
        console,
        f"{replay.frames} frames, {replay.seconds:.3g} s at {replay.rate:.3g} Hz; "
        f"wrists placed by {replay.align!r}",
    )
    console.print()
    table = plain_table()
    table.add_column("thumb and", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in PINCH_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for finger, side, cells in pinch_rows(replay.hands):
        table.add_row(finger, side, *map(_text, cells))
    console.print(table)
    console.print()
    console.print(
        side_table(
            "hands",
            [(title, [_text(cell(hand)) for hand in replay.hands]) for title, cell in HAND_ROWS],
        )
    )
    _print_judged(console, replay)


def _print_judged(console: Console, judged: Judged) -> None:
    """Errors per side, motion per side, the verdict and its reasons."""
    console.print()
    console.print(_errors_table(judged))
    console.print()
    motion = (
        (title, [_text(cell(getattr(side, name))) for side in judged.sides])
        for title, name, cell in MOTION
        if any(figure_known(getattr(side, name)) for side in judged.sides)
    )
    console.print(side_table("motion", motion))
    console.print()
    print_verdict(console, [reason.text for reason in judged.reasons], judged.notes)


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
    shared = Counter(note for replay in ordered for note in replay.notes)
    for replay in ordered:
        own = [note for note in replay.notes if shared[note] == 1]
        if replay.reasons or own:
            line(console, f" {name(replay.path)}: ", stamp(replay.passed))
            for reason in replay.reasons:
                line(console, f" - {reason.text}")
            print_notes(console, own)
    print_notes(console, [f"{n} times: {note}" for note, n in shared.items() if n > 1])
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


def _errors_table(replay: Judged) -> Table:
    table = plain_table()
    table.add_column("difference", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("mean", "p99", "max"):
        table.add_column(name, justify="right", min_width=9, no_wrap=True)
    table.add_column("worst frame", justify="right", no_wrap=True)
    missed = any(side.unreachable.frames for side in replay.sides)
    for metric in METRICS.values():
        if metric.key not in replay.sides[0].errors:
            continue
        arm = metric.of == "arm"
        for h, side in enumerate(SIDES):
            stats = replay.sides[h].errors[REACHED + metric.key if arm else metric.key]
            title = f"{metric.title}, reached" if arm and missed else metric.title
            table.add_row(
                title if h == 0 else "",
                side,
                *(metric.text(value) for value in (stats.mean, stats.p99, stats.max)),
                worst_frame_text(stats),
            )
    return table


def _text(cell: Cell) -> Text:
    return Text(cell.text, style="red" if cell.bad else "")


def _summary_table(
    replays: Sequence[Replay], refused: Sequence[str], name: Callable[[str | Path], str]
) -> Table:
    table = plain_table()
    table.padding = (0, 1, 0, 0)
    table.add_column("\ndemonstration", overflow="fold", min_width=16)
    table.add_column("\nverdict", no_wrap=True)
    columns = COLUMNS[:-1]  # jumps of arms are among the reasons
    for head, _ in columns:
        first, _, last = head.rpartition(" ")
        table.add_column(f"{first}\n{last}", justify="right", no_wrap=True)
    for path in refused:
        table.add_row(Text(name(path)), Text("BAD INPUT", style="bold red"), *["-"] * len(columns))
    for replay in replays:
        cells = (_text(cell(replay)) for _, cell in columns)
        table.add_row(Text(name(replay.path)), stamp(replay.passed), *cells)
    return table
