"""What is found in recordings of people's hands, in the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from retarget.cli.tables import line, print_notes, side_table
from retarget.core.text import length_text, number_text
from retarget.core.version import VERSION
from retarget.data.people.inspection import Inspection


def print_inspection(console: Console, found: Inspection) -> None:
    """One recording: what it is, its hands, and what looks wrong."""
    console.print()
    line(console, (str(found.path), "bold"))
    if found.format:
        rate = "rate not told" if found.rate is None else f"{found.rate:.3g} Hz"
        layout = f", layout {found.layout}" if found.layout else ""
        line(console, f"{found.format}{layout}; {found.frames} frames, {rate}, {found.frame} frame")
        line(console, f"gives {', '.join(found.gives)}")
        if found.text:
            line(console, f"text: {found.text}")
        console.print()
        console.print(side_table("", _rows(found)))
    console.print()
    line(
        console,
        " ",
        ("NOTHING LOOKS WRONG", "bold green") if found.passed else ("LOOKS WRONG", "bold red"),
    )
    for finding in found.findings:
        if finding.wrong:
            line(console, f" - {finding.text}")
    print_notes(console, [finding.text for finding in found.findings if not finding.wrong])
    print_notes(console, found.notes)


def inspection_json(results: Sequence[tuple[str, Inspection | str]], code: int) -> dict[str, Any]:
    """Every file by its path: what was found, or why it cannot be read."""
    found = [inspection for _, inspection in results if isinstance(inspection, Inspection)]
    return {
        "files": [_file(path, inspection) for path, inspection in results],
        "summary": {
            "files": len(results),
            "nothing_wrong": sum(inspection.passed for inspection in found),
            "looks_wrong": sum(not inspection.passed for inspection in found),
            "bad_input": len(results) - len(found),
            "exit_code": code,
            "version": VERSION,
        },
    }


def _file(path: str, inspection: Inspection | str) -> dict[str, Any]:
    if isinstance(inspection, str):
        return {"path": path, "error": inspection}
    return {**asdict(inspection), "path": path, "passed": inspection.passed}


def _rows(found: Inspection) -> list[tuple[str, list[str]]]:
    hands = found.hands
    return [
        ("seen in frames", [f"{hand.seen} of {found.frames}" for hand in hands]),
        ("size over the hand model's", [number_text(hand.size) for hand in hands]),
        ("wrist to fingertips, cm", [number_text(100.0 * hand.reach) for hand in hands]),
        ("tracker noise", [length_text(hand.noise) for hand in hands]),
    ]
