"""Small tables for people: conversions, accuracy of hand networks, calibrations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from retarget.core.printable import printable
from retarget.core.text import length_text
from retarget.core.types import FINGERS, SIDES, Calibration

if TYPE_CHECKING:
    from retarget.data.convert import Conversion
    from retarget.human.user import User
    from retarget.live.loop import TeleopReport

_STATS = ("mean", "p50", "p99", "max")


def plain_table() -> Table:
    """A table with a line under its head and no frame."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1), header_style="bold")


def side_table(title: str, rows: Iterable[tuple[str, Iterable[str | Text]]]) -> Table:
    """A table of rows with a title and a cell for each side."""
    table = plain_table()
    table.add_column(title, no_wrap=True)
    for side in SIDES:
        table.add_column(side)
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def line(console: Console, *parts: str | Text | tuple[str, str]) -> None:
    """A line that is never cut or wrapped, so that paths and sentences can be copied."""
    text = Text.assemble(
        *(
            part
            if isinstance(part, Text)
            else printable(part)
            if isinstance(part, str)
            else (printable(part[0]), part[1])
            for part in parts
        )
    )
    console.print(text, soft_wrap=True, highlight=False)


def stamp(passed: bool) -> Text:
    """The verdict in colour."""
    return Text("VALID", "bold green") if passed else Text("NOT VALID", "bold red")


def print_verdict(console: Console, reasons: Sequence[str], notes: Sequence[str] = ()) -> None:
    """VALID, or NOT VALID and why; and what else is worth saying."""
    line(console, " ", stamp(not reasons))
    for reason in reasons:
        line(console, f" - {reason}")
    print_notes(console, notes)


def print_notes(console: Console, notes: Sequence[str]) -> None:
    """What is worth saying of a recording that may be valid all the same."""
    for note in notes:
        line(console, " - ", ("note: ", "yellow"), note)


def print_conversion(console: Console, conversion: Conversion) -> None:
    """What became of one file: frames per status, errors, and the verdict."""
    console.print()
    line(console, (str(conversion.path), "bold"), " -> ", (str(conversion.out), "bold"))
    line(
        console,
        f"{conversion.frames} frames, {conversion.frames / conversion.rate:.3g} s "
        f"at {conversion.rate:.3g} Hz",
    )
    console.print()
    console.print(side_table("", conversion.rows))
    console.print()
    print_verdict(console, conversion.reasons, conversion.notes)


def print_hand_check(console: Console, errors: Mapping[str, float], title: str) -> None:
    """Accuracy of the hand networks, from the figures of `HandAccuracy.flat`."""
    console.print()
    table = plain_table()
    table.add_column(title, no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in _STATS:
        table.add_column(name, justify="right", min_width=8, no_wrap=True)
    for kind, what in (
        ("plain", "fingertip error"),
        ("refined", "fingertip error, refined once"),
        ("noise", "moved by 1 mm of input noise"),
    ):
        for h, side in enumerate(SIDES):
            figures = (length_text(errors[f"{side}.{kind}.{name}"]) for name in _STATS)
            table.add_row(what if h == 0 else "", side, *figures)
    console.print(table)
    console.print()


def print_calibration(console: Console, calibrations: Sequence[Calibration]) -> None:
    """The similarity from each robot hand to the human hand."""
    console.print()
    table = plain_table()
    table.add_column("robot hand to human hand", no_wrap=True)
    for name in ("scale", "rotation vector, mrad", "translation, mm"):
        table.add_column(name, justify="right", no_wrap=True)
    for side, found in zip(SIDES, calibrations, strict=True):
        vectors = (
            " ".join(f"{1e3 * float(x):7.2f}" for x in vector)
            for vector in (found.rotation, found.translation)
        )
        table.add_row(side, f"{found.scale:.4f}", *vectors)
    console.print(table)
    console.print()


def print_teleop(console: Console, report: TeleopReport) -> None:
    """How a run of teleoperation went, side by side, and the verdict."""
    console.print()
    line(console, f"{report.steps} steps at {report.rate:.3g} Hz")
    console.print()
    console.print(
        side_table(
            "",
            [
                (title, [_counts(counts) for counts in sides])
                for title, sides in (
                    ("phases", report.phases),
                    ("holds", report.holds),
                    ("arms", report.arm_status),
                )
            ],
        )
    )
    console.print()
    line(
        console,
        f"joints beyond limits: {report.beyond_limits}; fastest joint at "
        f"{report.speed_share:.3g} times its velocity limit",
    )
    delay = report.latency
    line(
        console,
        f"from message to command {1e3 * delay.p50:.2f} ms, 99 % within {1e3 * delay.p99:.2f} ms",
    )
    if report.received or report.dropped:
        line(console, f"{report.received} messages taken, {sum(report.dropped.values())} dropped")
        for reason, count in sorted(report.dropped.items(), key=lambda item: -item[1]):
            line(console, f" {count} times: {reason}")
    console.print()
    reasons = () if report.passed else report.reasons
    print_verdict(console, reasons, report.reasons if report.passed else ())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "-"


def print_user(console: Console, user: User) -> None:
    """A person's hands, and what is known of the tracker."""
    console.print()
    line(
        console,
        f"{user.size:.3f} times the size of the hand model, from {user.frames} "
        f"{' and '.join(user.sides)} hands; tracker noise {length_text(user.noise)}",
    )
    console.print()
    table = plain_table()
    table.add_column("", no_wrap=True)
    for name in ("bones over the model's", "base off, mm", "touches the thumb at"):
        table.add_column(name, justify="right", no_wrap=True)
    gaps = ["", *(length_text(float(gap)) for gap in user.contact_gap)]
    for finger, bones, base, gap in zip(FINGERS, user.stretch, user.palm, gaps, strict=True):
        table.add_row(
            finger,
            " ".join(f"{float(bone):5.2f}" for bone in bones),
            " ".join(f"{1e3 * float(x):5.1f}" for x in base),
            gap,
        )
    console.print(table)
    console.print()
