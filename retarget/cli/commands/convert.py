"""``retarget to-human``, ``to-robot`` and ``to-actions``: one way at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from retarget.cli.commands.console import (
    BAD_INPUT,
    NOT_VALID,
    VALID,
    complain,
    progress_bar,
    say,
    stdout,
    written,
)
from retarget.cli.commands.options import (
    AlignOption,
    FitOptions,
    ReadOptions,
    RefineOption,
    RetargeterOptions,
    ToleranceOptions,
    file_option,
    input_files,
    positive,
    refuse_idle,
)
from retarget.cli.commands.places import (
    Output,
    Source,
    check_places,
    find_sources,
    inputs,
    make_folder,
    plan_outputs,
)
from retarget.cli.commands.ways_to_robot import MAPS, WaysToRobot
from retarget.core.errors import InputError, RetargetError

if TYPE_CHECKING:
    from rich.console import Console

    from retarget.data.convert import Conversion
    from retarget.replay.human_to_demo import HumanReplay
    from retarget.replay.people_to_demo import PeopleReplay
    from retarget.robot.robot import Robot

Result = TypeVar("Result", bound="Conversion | HumanReplay | PeopleReplay")
OutOption = Annotated[
    Path, file_option("--out", "Where to write; a folder for several files.", "FILE|FOLDER")
]


def to_human(
    demos: Annotated[
        list[Path],
        input_files("DEMO", "Demonstration files, or folders of them."),
    ],
    out: OutOption,
    *,
    camera: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Camera of the robot to express the wrists in, too."),
    ] = None,
    reading: ReadOptions,
    using: FitOptions,
) -> None:
    """Write demonstrations as human hand motion: the labels a policy trains on.

    Pose coefficients, wrists in world and camera, 21 keypoints, residuals, statuses and where they
    come from. The camera is the robot's "main", where it has one. Exit code: 0 valid, 1 not valid,
    2 bad input.
    """
    sources = find_sources(demos, without=out)
    outputs = plan_outputs(sources, demos, out)
    check_places(
        chain(inputs(sources), using.reads()), [Output("--out", place) for place in outputs]
    )

    from retarget.cli.tables import print_conversion
    from retarget.data.convert import demo_to_human
    from retarget.mapping.retargeter import Retargeter

    fitter = using.load_fitter()
    retargeter = Retargeter(fitter.robot, fitter=fitter)
    convert = partial(
        demo_to_human,
        retargeter=retargeter,
        camera=_camera(fitter.robot, camera),
        rate=reading.rate,
        strict=not reading.allow_mismatch,
    )
    convert_all(sources, outputs, convert, show=print_conversion)


def to_robot(
    context: typer.Context,
    humans: Annotated[
        list[Path],
        input_files("HUMAN", "Human motion files, or folders of them."),
    ],
    out: OutOption,
    *,
    map_: Annotated[
        str,
        typer.Option(
            "--map",
            metavar="auto|people|policy",
            help="How hands go over: people's keep their pinches, a policy's are those of the "
            "labels it learned from; auto takes what the file is.",
        ),
    ] = "auto",
    align: AlignOption = "start",
    scale: Annotated[
        float,
        typer.Option(metavar="X", callback=positive, help="Of the ways of people's wrists."),
    ] = 1.0,
    json: Annotated[Path | None, file_option("--json", "Write the report as JSON.")] = None,
    html: Annotated[
        Path | None, file_option("--html", "Write people's report as a page with plots.")
    ] = None,
    refine: RefineOption = 0,
    tolerated: ToleranceOptions,
    using: RetargeterOptions,
) -> None:
    """Turn human hand motion into demonstrations of the robot, and judge them as replay does.

    Reads what `retarget to-human` and `from-human` write; of a policy's output, coefficients and
    wrists are enough. Exit code: 0 valid, 1 not valid, 2 bad input.
    """
    known = ("auto", *MAPS)
    if map_ not in known:
        raise InputError(f"--map must be one of {', '.join(known)}, got {map_!r}")
    idle = {"policy": ("align", "scale", "html"), "people": ("refine", "weights", "calibration")}
    refuse_idle(context, idle.get(map_, ()), f"--map {map_} has no use for it")
    sources = find_sources(humans, without=out)
    outputs = plan_outputs(sources, humans, out)
    check_places(
        chain(inputs(sources), using.reads()),
        [
            *(Output("--out", place) for place in outputs),
            Output("--json", json, text=True),
            Output("--html", html, text=True),
        ],
    )

    from retarget.cli.replay_report import print_returned
    from retarget.replay.report_json import replay_json, write_json

    ways = WaysToRobot(
        map_, align, scale, refine, using, tolerated.load_tolerances(), page=html is not None
    )

    def report(results: Sequence[tuple[str, HumanReplay | PeopleReplay | str]], code: int) -> None:
        if json is not None:
            make_folder(json)
            write_json(json, replay_json(results, ways.settings(), ways.tolerances, code))
            say(f"wrote {json}")
        if html is not None:
            make_folder(html)
            ways.write_page(html, [(p, r) for p, r in results if isinstance(r, str)])
            say(written(html))

    convert_all(sources, outputs, ways.convert, show=print_returned, report=report)


def to_actions(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        input_files("DEMO", "Demonstration or human motion files, or folders of them."),
    ],
    out: OutOption,
    *,
    chunks: Annotated[
        bool, typer.Option("--chunks", help="Write the chunk of every frame, not single steps.")
    ] = False,
    horizon: Annotated[int, typer.Option(metavar="N", min=1, help="Rows of a chunk.")] = 30,
    stride: Annotated[
        int, typer.Option(metavar="N", min=1, help="Frames from one chunk to the next.")
    ] = 1,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Camera of the robot, or `world`; by default `main`, of people their own.",
        ),
    ] = None,
    normalize: Annotated[
        str | None,
        typer.Option(metavar="egovla|FILE", help="Normalise: as published, or by a JSON file."),
    ] = None,
    reading: ReadOptions,
    using: FitOptions,
) -> None:
    """Write demonstrations as a policy's actions: 48 numbers a step, or chunks of steps.

    Wrist positions, 15 coefficients and rot6d of both hands, in a camera's frame (docs/actions.md).
    Exit code: 0 valid, 1 not valid, 2 bad input.
    """
    if not chunks:
        refuse_idle(context, ("horizon", "stride"), "without --chunks single steps are written")
    found = find_sources(sources, without=out)
    outputs = plan_outputs(found, sources, out)
    given = [] if normalize in (None, "egovla") else [("--normalize", Path(str(normalize)))]
    check_places(
        chain(inputs(found), given, using.reads()), [Output("--out", place) for place in outputs]
    )

    from retarget.actions import Normalization
    from retarget.cli.tables import print_conversion
    from retarget.data.convert import to_actions as convert_to_actions
    from retarget.mapping.retargeter import Retargeter

    normalization = None
    if normalize is not None:
        published = normalize == "egovla"
        normalization = Normalization.egovla() if published else Normalization.load(normalize)
    fitter = using.load_fitter()
    retargeter = Retargeter(fitter.robot, fitter=fitter)
    convert = partial(
        convert_to_actions,
        retargeter=retargeter,
        camera=None if camera == "world" else _camera(fitter.robot, camera),
        own_camera=camera is None,
        horizon=horizon if chunks else None,
        stride=stride,
        normalization=normalization,
        rate=reading.rate,
        strict=not reading.allow_mismatch,
    )
    convert_all(found, outputs, convert, show=print_conversion)


def _camera(robot: Robot, camera: str | None) -> str | None:
    """The camera an option names, by default "main" where the robot has it."""
    if camera is None:
        return "main" if "main" in robot.cameras else None
    robot.camera(camera)  # before any work
    return camera


def convert_all(
    sources: Sequence[Source],
    outputs: Sequence[Path | None],
    convert: Callable[..., Result],
    *,
    show: Callable[[Console, Result], None],
    report: Callable[[Sequence[tuple[str, Result | str]], int], None] | None = None,
) -> None:
    """Convert every file that can be, show and report on each, and exit with the code for all."""
    console, refused, passed = stdout(), False, True
    results: list[tuple[str, Result | str]] = []
    with progress_bar(len(sources)) as bar:
        for source, place in zip(sources, outputs, strict=True):
            try:
                if source.error or place is None:
                    raise RetargetError(source.error)
                make_folder(place)
                conversion = convert(source.path, place, progress=bar(source.path.name))
            except RetargetError as error:
                refused = True
                complain(str(error))
                results.append((str(source.path), " ".join(str(error).split())))
                continue
            passed = passed and conversion.passed
            results.append((str(source.path), conversion))
            show(console, conversion)
    code = BAD_INPUT if refused else VALID if passed else NOT_VALID
    if report is not None:
        report(results, code)
    raise typer.Exit(code)
