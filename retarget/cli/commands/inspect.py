"""``retarget inspect``: what recordings of people's hands are, and what looks wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retarget.cli.commands.console import (
    BAD_INPUT,
    NOT_VALID,
    VALID,
    complain,
    progress_bar,
    say,
    stdout,
)
from retarget.cli.commands.options import file_option, input_files
from retarget.cli.commands.people import PeopleReading
from retarget.cli.commands.places import (
    Output,
    check_places,
    find_sources,
    inputs,
    make_folder,
)
from retarget.core.errors import RetargetError

if TYPE_CHECKING:
    from retarget.data.people.inspection import Inspection


def inspect(
    files: Annotated[
        list[Path],
        input_files("FILE", "Recordings of people's hands, of any format of docs/people.md."),
    ],
    *,
    json: Annotated[Path | None, file_option("--json", "Write what was found as JSON.")] = None,
    reading: PeopleReading,
) -> None:
    """Say what recordings of people's hands are, and what looks wrong with them.

    Layout, frames, rate, hands, size, noise; millimetres, finger order, handedness, frozen and zero
    rows, flags, time. Exit code: 0 nothing looks wrong, 1 something does, 2 bad input.
    """
    from retarget.data.people.readers import is_recording

    sources = find_sources(
        files, without=json, accepts=is_recording, what="recording of people's hands"
    )
    check_places([*inputs(sources), *reading.reads()], [Output("--json", json, text=True)])

    from retarget.cli.tables import print_inspection
    from retarget.data.people.inspection import inspect_people
    from retarget.human.hand_model import load_hands

    models, console = load_hands(reading.hands), stdout()
    results: list[tuple[str, Inspection | str]] = []
    with progress_bar(len(sources)) as bar:
        for source in sources:
            step = bar(source.path.name)
            try:
                if source.error:
                    raise RetargetError(source.error)
                step("looking", 0, 1)
                found = inspect_people(
                    source.path, models, layout=reading.layout, side=reading.side
                )
                step("looking", 1, 1)
            except RetargetError as error:
                complain(str(error))
                results.append((str(source.path), " ".join(str(error).split())))
                continue
            results.append((str(source.path), found))
            print_inspection(console, found)
    refused = any(isinstance(found, str) for _, found in results)
    wrong = any(not isinstance(found, str) and not found.passed for _, found in results)
    code = BAD_INPUT if refused else NOT_VALID if wrong else VALID
    if json is not None:
        from retarget.replay.report_json import write_json

        make_folder(json)
        write_json(json, {"files": [_entry(*result) for result in results], "exit_code": code})
        say(f"wrote {json}")
    raise typer.Exit(code)


def _entry(path: str, found: Inspection | str) -> dict[str, Any]:
    """One file's part of the JSON."""
    if isinstance(found, str):
        return {"path": path, "error": found}
    recording, user = found.recording, found.user
    read: dict[str, Any] = {}
    if recording is not None:
        read = {
            "format": recording.format,
            "frames": recording.frames,
            "rate_hz": recording.rate,
            "frame": recording.frame,
            "text": recording.text,
            "moving_camera": recording.T_world_camera is not None,
            "frames_seen": [int(n) for n in recording.valid.sum(axis=0)],
            "notes": list(recording.notes),
        }
    return {
        "path": path,
        "error": None,
        "passed": found.passed,
        **read,
        "size": None if user is None else user.size,
        "noise_m": None if user is None else user.noise,
        "reach_m": found.reach_m,
        "findings": [
            {
                "kind": finding.kind,
                "side": finding.side or None,
                "note": finding.note,
                "text": finding.text,
                "runs": [list(run) for run in finding.frames.runs],
            }
            for finding in found.findings
        ],
    }
