"""``retarget inspect``: what a recording of people's hands is like, and what looks wrong in it."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from retarget.cli.commands.console import (
    BAD_INPUT,
    NOT_VALID,
    VALID,
    complain,
    stdout,
    working,
)
from retarget.cli.commands.options import file_option, input_files
from retarget.cli.commands.people import PeopleReading
from retarget.cli.commands.places import Output, check_places, find_sources, inputs, make_folder
from retarget.core.errors import RetargetError


def inspect(
    files: Annotated[
        list[Path],
        input_files("FILE", "Recordings of people's hands, of any format of docs/people.md."),
    ],
    *,
    json: Annotated[Path | None, file_option("--json", "Write what was found as JSON.")] = None,
    reading: PeopleReading,
) -> None:
    """Look at recordings of people's hands: frames, rate, sizes, noise, and what looks wrong.

    Millimetres, orders of fingers, left and right, frozen and zero frames, times. Exit code: 0
    nothing looks wrong, 1 something does, 2 bad input.
    """
    from retarget.data.people.readers import is_recording

    sources = find_sources(files, accepts=is_recording, what="recording of people's hands")
    check_places(chain(inputs(sources), reading.reads()), [Output("--json", json, text=True)])

    from retarget.cli.people_report import inspection_json, print_inspection
    from retarget.data.people.inspection import Inspection, inspect_people
    from retarget.human.hand_model import load_hands
    from retarget.replay.report_json import write_json

    hands, console = load_hands(reading.hands), stdout()
    results: list[tuple[str, Inspection | str]] = []
    refused, passed = False, True
    for source in sources:
        try:
            if source.error:
                raise RetargetError(source.error)
            with working(f"looking at {source.path.name}"):
                found = inspect_people(source.path, hands, layout=reading.layout, side=reading.side)
        except RetargetError as error:
            refused = True
            complain(str(error))
            results.append((str(source.path), " ".join(str(error).split())))
            continue
        passed = passed and found.passed
        results.append((str(source.path), found))
        print_inspection(console, found)
    code = BAD_INPUT if refused else VALID if passed else NOT_VALID
    if json is not None:
        make_folder(json)
        write_json(json, inspection_json(results, code))
    raise typer.Exit(code)
