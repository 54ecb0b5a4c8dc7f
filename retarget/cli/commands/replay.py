"""``retarget replay``: demonstrations go through the human hand and come back, measured."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retarget.cli.commands.console import (
    BAD_INPUT,
    NOT_VALID,
    VALID,
    complain,
    progress_bar,
    say,
    stdout,
    working,
    written,
)
from retarget.cli.commands.options import (
    ReadOptions,
    RefineOption,
    RetargeterOptions,
    ToleranceOptions,
    file_option,
    input_files,
)
from retarget.cli.commands.places import (
    Output,
    check_places,
    find_sources,
    inputs,
    make_folder,
    plan_outputs,
)
from retarget.core.errors import RetargetError

if TYPE_CHECKING:
    from retarget.mapping.retargeter import RoundTrip

_SHOWN_IN_FULL = 2  # demonstrations; of more, a summary says more


def replay(
    demos: Annotated[list[Path], input_files("DEMO", "Demonstration files, or folders of them.")],
    *,
    out: Annotated[
        Path | None,
        file_option(
            "--out",
            "Write what comes back, in the same layout; a folder for several demonstrations.",
            "FILE|FOLDER",
        ),
    ] = None,
    json: Annotated[Path | None, file_option("--json", "Write the report as JSON.")] = None,
    html: Annotated[
        Path | None,
        file_option(
            "--html", "Write the report as a page with plots and 3D playback, all in one file."
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tables of every demonstration, however many.")
    ] = False,
    refine: RefineOption = 0,
    tolerated: ToleranceOptions,
    reading: ReadOptions,
    using: RetargeterOptions,
) -> None:
    """Carry demonstrations to human hand motion and back, and say what was lost.

    Each file is first checked against forward kinematics of its own joints. Exit code: 0 all valid,
    1 some not valid, 2 bad input.
    """
    sources = find_sources(demos, without=out)
    outputs = plan_outputs(sources, demos, out)
    reports = (Output("--json", json, text=True), Output("--html", html, text=True))
    check_places(
        chain(inputs(sources), using.reads()),
        [*(Output("--out", place) for place in outputs), *reports],
    )

    from retarget.cli.replay_report import print_replay, print_summary
    from retarget.replay.replay import Replay, replay_file
    from retarget.replay.report_json import replay_json, retargeter_settings, write_json

    tolerances = tolerated.load_tolerances()
    retargeter = using.load_retargeter(refine)
    page = None
    if html is not None:
        from retarget.replay.report_html.report import HtmlReport

        own = {"calibration": using.calibration, "weights": using.weights}
        page = HtmlReport(retargeter, tolerances, own)
    results: list[tuple[str, Replay | str]] = []
    saved: list[Path] = []
    with progress_bar(len(sources)) as bar:
        for source, place in zip(sources, outputs, strict=True):
            blocks: list[RoundTrip] = []
            try:
                if source.error:
                    raise RetargetError(source.error)
                if place is not None:
                    make_folder(place)
                replayed = replay_file(
                    source.path,
                    retargeter,
                    out=place,
                    rate=reading.rate,
                    strict=not reading.allow_mismatch,
                    tolerances=tolerances,
                    progress=bar(source.path.name),
                    keep=None if page is None else blocks.append,
                )
                if place is not None:
                    saved.append(place)
                if page is not None:
                    page.add(replayed, blocks)
                result: Replay | str = replayed
            except RetargetError as error:
                result = " ".join(str(error).split())
                complain(result)
                if page is not None:
                    page.refuse(source.path, result)
            results.append((str(source.path), result))

    replays = [result for _, result in results if isinstance(result, Replay)]
    refused = [path for path, result in results if isinstance(result, str)]
    code = BAD_INPUT if refused else VALID if all(r.passed for r in replays) else NOT_VALID
    console = stdout()
    if verbose or len(results) <= _SHOWN_IN_FULL:
        for one in replays:
            print_replay(console, one)
    if len(results) > 1:
        print_summary(console, replays, refused)
    if len(saved) > _SHOWN_IN_FULL:
        say(f"wrote {len(saved)} demonstrations in {out}")
    else:
        for place in saved:
            say(f"wrote {place}")
    if json is not None:
        make_folder(json)
        write_json(json, replay_json(results, retargeter_settings(retargeter), tolerances, code))
        say(f"wrote {json}")
    if page is not None and html is not None:
        make_folder(html)
        with working(f"writing {html.name}"):
            page.write(html)
        say(written(html))
    raise typer.Exit(code)
