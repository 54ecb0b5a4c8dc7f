"""``retarget view``: a demonstration and its round trip, or a person beside a robot, in 3D."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retarget.cli.commands.console import progress_bar, remark, say, written
from retarget.cli.commands.options import (
    AlignOption,
    ReadOptions,
    RefineOption,
    RetargeterOptions,
    file_option,
    input_files,
    refuse_idle,
)
from retarget.cli.commands.places import Output, check_places, make_folder

if TYPE_CHECKING:
    from retarget.viewer.export import FileView

_OF_PICTURES = ("frame", "camera", "size", "theme", "hide")
_OF_DEMOS = ("refine", "rate", "allow_mismatch", "calibration", "weights")
_OF_PEOPLE = ("align", "beside")
_OF_THE_SERVER = ("host", "port", "allow_host", "no_open")


def _size(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}x[0-9]{1,5}", text):
        raise typer.BadParameter(f"must be like 1280x800, got {text}")
    return text


def view(
    context: typer.Context,
    demo: Annotated[
        Path, input_files("FILE", "Demonstration, or a person's motion by from-human.")
    ],
    *,
    html: Annotated[Path | None, file_option("--html", "Write a page that plays offline.")] = None,
    png: Annotated[
        Path | None, file_option("--png", "Write a still picture; needs Chromium or Chrome.")
    ] = None,
    frame: Annotated[int, typer.Option(metavar="N", min=0, help="Frame of the picture.")] = 0,
    camera: Annotated[
        str, typer.Option(metavar="whole|left|right|head", help="Where the picture is taken from.")
    ] = "whole",
    size: Annotated[
        str, typer.Option(metavar="WxH", callback=_size, help="Size of the picture in pixels.")
    ] = "1280x800",
    theme: Annotated[
        str, typer.Option(metavar="light|dark", help="Background of the picture.")
    ] = "light",
    hide: Annotated[
        str,
        typer.Option(
            metavar="LAYER,...",
            help="Layers to leave out of the picture: recorded, returned, human, targets, reached, "
            "errors, wrists, camera, floor; of people mapped, human, keypoints, bones, wrists, "
            "camera, floor.",
        ),
    ] = "",
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Play every Nth frame; by default at most 1000 frames in all."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to serve the page on.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="Port; by default the first one free."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Answer to this name too, e.g. of a proxy; may be given more than once.",
        ),
    ] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Only print the address, open no browser.")
    ] = False,
    refine: RefineOption = 0,
    align: AlignOption = "start",
    beside: Annotated[
        float,
        typer.Option(
            metavar="M", help="Of people: how far outwards of the robot's hands theirs are shown."
        ),
    ] = 0.22,
    reading: ReadOptions,
    using: RetargeterOptions,
) -> None:
    """Show a demonstration in 3D: as recorded, as human hands, and as it comes back.

    Or a person's motion: keypoints as seen, hands as fitted, and the robot beside them.

    With neither --html nor --png the page is served on this machine until Ctrl-C.
    """
    if png is None:
        refuse_idle(context, _OF_PICTURES, "without --png there is no picture")
    if html is not None or png is not None:
        refuse_idle(context, _OF_THE_SERVER, "with --html or --png nothing is served")
    if png is not None and html is None:
        refuse_idle(context, ("stride",), "a picture is of one frame")
    check_places(
        chain([("", demo)], using.reads()),
        [Output("--html", html, text=True), Output("--png", png)],
    )

    from retarget.core.files import write_text
    from retarget.data.human_file import is_of_person
    from retarget.viewer.browser import find_browser

    person = is_of_person(demo)
    if person:
        refuse_idle(context, _OF_DEMOS, "the file is of a person")
    else:
        refuse_idle(context, _OF_PEOPLE, "the file is of a robot")

    if png is not None:
        find_browser()  # before any work
    elif html is None:
        from retarget.viewer.server import host_name

        allow_host = [host_name(name) for name in allow_host or ()]
    shown: FileView
    with progress_bar(1) as bar:
        if person:
            from retarget.human.hand_model import load_hands
            from retarget.viewer.people_scene import view_people

            robot, hands = using.load_robot(), load_hands(using.hands)
            shown = view_people(
                demo, robot, hands, align=align, beside=beside, progress=bar(demo.name)
            )
        else:
            from retarget.viewer.export import view_demo

            shown = view_demo(
                demo,
                using.load_retargeter(refine),
                rate=reading.rate,
                strict=not reading.allow_mismatch,
                progress=bar(demo.name),
            )
    for note in shown.notes:
        remark(note)
    if png is not None:  # first: it may be of what is not there
        make_folder(png)
        width, height = (int(side) for side in size.split("x"))
        shown.save_picture(
            png,
            frame=frame,
            camera=camera,
            width=width,
            height=height,
            theme=theme,
            hide=tuple(name for name in hide.split(",") if name),
        )
        say(f"wrote {png}: frame {frame}, {size}")
    if html is not None:
        page = shown.page(stride=stride)
        make_folder(html)
        write_text(html, page)
        frames = shown.frames
        taken = len(range(frames)[shown.rows(stride)])
        part = "" if taken == frames else f"{taken} of "
        counted = f"{part}{frames} frame{'' if frames == 1 else 's'}"
        say(f"{written(html)}, {counted}")
    if html is None and png is None:
        _serve(shown.page(stride=stride), host, port, allow_host or (), opened=not no_open)


def _serve(
    page: str, host: str, port: int | None, allow_hosts: Sequence[str], *, opened: bool
) -> None:
    import threading
    import warnings

    from retarget.viewer.live import open_browser
    from retarget.viewer.server import PageServer

    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        server = PageServer(page, host=host, port=port, allow_hosts=allow_hosts)
    for warning in raised:
        remark(str(warning.message), "warning")
    try:
        say(f"{server.url} (Ctrl-C ends)")
        if opened and not open_browser(server.url):
            typer.echo("no display here: open the address in a browser", err=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("", err=True)
    finally:
        server.close()
