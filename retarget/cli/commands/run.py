"""``retarget run``: the control loop, simulated, on a demonstration or an action file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retarget.cli.commands.console import NOT_VALID, VALID, progress_bar, say, stdout
from retarget.cli.commands.options import (
    ReadOptions,
    RefineOption,
    RetargeterOptions,
    file_option,
    input_files,
    refuse_idle,
)
from retarget.cli.commands.places import Output, check_places, make_folder
from retarget.core.errors import InputError

if TYPE_CHECKING:
    from retarget.control.command import Command

_SHOW = 5  # the live line changes in every fifth step


def run(
    context: typer.Context,
    source: Annotated[
        Path,
        input_files("FILE", "A demonstration, or a file of actions."),
    ],
    *,
    fast: Annotated[
        bool, typer.Option("--fast", help="As fast as it can, instead of in real time.")
    ] = False,
    out: Annotated[
        Path | None, file_option("--out", "Write the commands as a demonstration.")
    ] = None,
    json: Annotated[Path | None, file_option("--json", "Write the figures as JSON.")] = None,
    drop: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of chunks that are lost.")
    ] = 0.0,
    nan: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of chunks with numbers not finite.")
    ] = 0.0,
    delay: Annotated[
        str, typer.Option(metavar="TIME", help="How late every chunk comes, e.g. 40ms or 0.04s.")
    ] = "0ms",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the faults.")] = 0,
    horizon: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows of chunks, where the file has none.")
    ] = 30,
    camera: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Camera in whose frame a demonstration's chunks are."),
    ] = None,
    arm_velocity: Annotated[
        float | None,
        typer.Option(
            metavar="RAD/S", help="Velocity limit of every arm joint, instead of the URDF's."
        ),
    ] = None,
    hand_velocity: Annotated[
        float | None,
        typer.Option(
            metavar="RAD/S", help="Velocity limit of every hand joint, instead of the URDF's."
        ),
    ] = None,
    filter: Annotated[
        str, typer.Option("--filter", metavar="NAME", help="none, one_euro or critical.")
    ] = "none",
    collision_margin: Annotated[
        float | None,
        typer.Option(
            metavar="MM", min=0.0, help="Watch self-collision, and keep this between links."
        ),
    ] = None,
    hold_timeout: Annotated[
        float, typer.Option(metavar="S", min=0.0, help="How long a hold is a short loss.")
    ] = 1.0,
    after_timeout: Annotated[
        str, typer.Option(metavar="stay|posture", help="What an arm does after that.")
    ] = "stay",
    refine: RefineOption = 0,
    reading: ReadOptions,
    using: RetargeterOptions,
) -> None:
    """Feed a controller chunk by chunk and watch its commands.

    The robot goes where it is commanded, at once and exactly; limits are counted from its joints.
    Exit code: 0 all within the limits, 1 a limit broken or a command not finite, 2 bad input.
    """
    late = _seconds(delay)
    check_places(
        chain([("", source)], using.reads()),
        [Output("--out", out), Output("--json", json, text=True)],
    )

    from retarget import Controller
    from retarget.cli.run_report import print_run, run_json
    from retarget.control.action_feed import read_feed
    from retarget.control.faults import Faults
    from retarget.control.run_loop import run_demo, run_feed
    from retarget.data.demo.writer import save_demo
    from retarget.data.file_kind import FileKind, file_kind
    from retarget.replay.report_json import write_json

    faults = Faults(drop=drop, nan=nan, delay=late, seed=seed)
    if file_kind(source) is FileKind.ACTIONS:
        refuse_idle(context, ("camera", "allow_mismatch"), f"{source} holds actions")
    retargeter = using.load_retargeter(refine)
    with progress_bar(1) as bar:
        feed = read_feed(
            source,
            retargeter,
            camera=camera or ("main" if "main" in retargeter.robot.cameras else None),
            horizon=horizon,
            rate=reading.rate,
            strict=not reading.allow_mismatch,
            progress=bar(source.name),
        )
    if feed.chunked:
        refuse_idle(context, ("horizon",), f"{source} holds chunks of {feed.horizon} rows")
    controller = Controller(
        retargeter,
        rate=feed.rate,
        camera=feed.camera,
        horizon=feed.horizon,
        arm_velocity=arm_velocity,
        hand_velocity=hand_velocity,
        filter=filter,
        hold_timeout=hold_timeout,
        after_timeout=after_timeout,
        collision_margin=None if collision_margin is None else 1e-3 * collision_margin,
    )
    with _live_line(feed.steps) as watch:
        found = run_feed(controller, feed, faults=faults, real_time=not fast, watch=watch)
    if out is not None:
        make_folder(out)
        save_demo(out, run_demo(retargeter.robot, found), robot=retargeter.robot)
    print_run(stdout(), feed, found)
    if out is not None:
        say(f"wrote {out}")
    if json is not None:
        make_folder(json)
        write_json(json, run_json(found))
        say(f"wrote {json}")
    raise typer.Exit(VALID if found.sound else NOT_VALID)


def _seconds(value: str) -> float:
    """A time such as ``40ms`` or ``0.04s`` [s]."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s)\s*", value)
    if match is None:
        raise InputError(f"--delay must be a time such as 40ms or 0.04s, got {value!r}")
    return float(match[1]) * (1e-3 if match[2] == "ms" else 1.0)


@contextmanager
def _live_line(steps: int) -> Iterator[Callable[[Command, float], None] | None]:
    """A line on stderr, where that is a terminal, that says how the loop stands."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from retarget.core.types import SIDES

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def watch(command: Command, seconds: float) -> None:
            if command.step % _SHOW and command.step != steps - 1:
                return
            sides = "  ".join(
                f"{side} {phase.label:9} {1e3 * lag:6.1f} mm"
                for side, phase, lag in zip(SIDES, command.phases, command.lag_m, strict=True)
            ).replace("nan mm", "--   ")
            hold = command.hold
            why = f"  {hold.reason} ({hold.steps})" if hold else ""
            step = f"step {command.step + 1:{len(str(steps))}}/{steps}"
            standing = f"{step}  {sides}  {1e6 * seconds:5.0f} us{why}"
            live.update(Text(standing, no_wrap=True), refresh=True)

        yield watch
