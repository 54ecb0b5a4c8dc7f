"""``retarget teleop``: a person's hands live, or from a recording, to joint commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retarget.cli.commands.console import NOT_VALID, VALID, remark, say, stdout
from retarget.cli.commands.options import (
    HandsOption,
    RobotOption,
    file_option,
    hand_files,
    positive,
    refuse_idle,
    robot_files,
)
from retarget.cli.commands.people import LayoutOption, SideOption
from retarget.cli.commands.places import Output, check_places, make_folder
from retarget.core.errors import InputError

if TYPE_CHECKING:
    from retarget.live.inbox import Inbox
    from retarget.live.loop import TeleopReport
    from retarget.live.message import HandMessage

SOURCES = ("file", "udp", "websocket")


def teleop(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            readable=False,
            metavar="[FILE]",
            help="A recording of people's hands, for --source file; one is made without.",
        ),
    ] = None,
    *,
    source: Annotated[
        str, typer.Option(metavar="file|udp|websocket", help="Where hands come from.")
    ] = "file",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Listen there; this machine alone by default.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Listen on it; 0 for any.")
    ] = 9870,
    user: Annotated[Path | None, file_option("--user", "Whose hands, by calibrate-user.")] = None,
    rate: Annotated[
        float, typer.Option(metavar="HZ", callback=positive, help="Commands per second.")
    ] = 60.0,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", callback=positive, help="How long; 60, or the recording."),
    ] = None,
    scale: Annotated[
        float, typer.Option(metavar="X", callback=positive, help="Of the ways of wrists.")
    ] = 1.0,
    layout: LayoutOption = "auto",
    side: SideOption = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="A recording as fast as it can, not in real time.")
    ] = False,
    out: Annotated[
        Path | None, file_option("--out", "Write the commands as a demonstration.")
    ] = None,
    json: Annotated[Path | None, file_option("--json", "Write the figures as JSON.")] = None,
    robot: RobotOption = "h1_inspire",
    hands: HandsOption = "open",
) -> None:
    """Turn a person's hands into joint commands within all limits, and say how it went.

    Messages come as docs/live.md says; hands that are lost hold at once and come back smoothly.
    Exit code: 0 valid, 1 not valid, 2 bad input.
    """
    if source not in SOURCES:
        raise InputError(f"--source must be one of {', '.join(SOURCES)}, got {source!r}")
    if source == "file":
        refuse_idle(context, ("host", "port"), "--source file listens to nobody")
    elif file is not None:
        raise InputError(f"{file} would not be read: hands come by {source}")
    else:
        refuse_idle(context, ("layout", "side", "fast"), f"messages of {source} say it themselves")
    given = [(name, path) for name, path in (("FILE", file), ("--user", user)) if path is not None]
    check_places(
        [*given, *robot_files(robot), *hand_files(hands)],
        [Output("--out", out), Output("--json", json, text=True)],
    )

    import numpy as np

    from retarget.cli.tables import print_teleop
    from retarget.core.types import Status
    from retarget.data.demo.writer import DemoWriter, demo_from_joints
    from retarget.human.hand_model import load_hands
    from retarget.human.user import User
    from retarget.live.inbox import Inbox
    from retarget.live.loop import recorded, teleoperate
    from retarget.live.teleop import Teleop

    person = None if user is None else User.load(user)
    live = Teleop(robot, person, scale=scale, hands=load_hands(hands), rate=rate)
    take: Callable[[], HandMessage | None]
    inbox: Inbox | None = None
    with ExitStack() as stack:
        if source == "file":
            messages = list(recorded(file, rate, layout=layout, side=side))
            steps = len(messages) if seconds is None else min(len(messages), round(seconds * rate))
            following = iter(messages)
            take = lambda: next(following, None)  # noqa: E731
        else:
            inbox, steps = Inbox(), round((60.0 if seconds is None else seconds) * rate)
            take = inbox.take
            receiver = stack.enter_context(_receiver(source, inbox, host, port))
            remark(f"listening for {source} messages on {host}:{receiver.port}")
        on_command: Callable[[Any], None] = lambda command: None  # noqa: E731
        if out is not None:
            make_folder(out)
            writer = stack.enter_context(
                DemoWriter(out, robot=live.robot, attrs={"sim": True, "source": source})
            )

            def write(command: Any) -> None:
                known = np.array([status != Status.HELD for status in command.hand_status])
                writer.append(
                    demo_from_joints(
                        live.robot,
                        command.qpos[None],
                        valid=known[None],
                        rate=rate,
                        start=writer.frames,
                    )
                )

            on_command = write
        wait = _no_wait if source == "file" and fast else _clock(rate)
        report = teleoperate(live, take, steps, wait=wait, on_command=on_command, inbox=inbox)
    console = stdout()
    print_teleop(console, report)
    if out is not None:
        say(f"wrote {out}")
    if json is not None:
        from retarget.replay.report_json import write_json

        make_folder(json)
        write_json(json, _figures(report))
        say(f"wrote {json}")
    raise typer.Exit(VALID if report.passed else NOT_VALID)


def _receiver(source: str, inbox: Inbox, host: str, port: int) -> Any:
    from retarget.live.receivers import UdpReceiver, WebSocketReceiver

    return (UdpReceiver if source == "udp" else WebSocketReceiver)(inbox, host, port)


def _no_wait(step: int) -> None:
    """As fast as it can."""


def _clock(rate: float) -> Callable[[int], None]:
    """Waits until a step's time has come; a step that is late is not made up for."""
    began = time.monotonic()

    def wait(step: int) -> None:
        time.sleep(max(0.0, began + step / rate - time.monotonic()))

    return wait


def _figures(report: TeleopReport) -> dict[str, Any]:
    from dataclasses import asdict

    from retarget.core.types import SIDES

    return {
        "steps": report.steps,
        "rate_hz": report.rate,
        "passed": report.passed,
        "reasons": list(report.reasons),
        "beyond_limits": report.beyond_limits,
        "speed_over_limit": report.speed_share,
        "latency_s": asdict(report.latency),
        "received": report.received,
        "dropped": report.dropped,
        "sides": {
            side: {
                "phases": dict(report.phases[h]),
                "holds": dict(report.holds[h]),
                "arm_status": dict(report.arm_status[h]),
            }
            for h, side in enumerate(SIDES)
        },
    }
