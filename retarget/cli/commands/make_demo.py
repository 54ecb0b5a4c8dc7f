"""``retarget make-demo``: a believable demonstration, generated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retarget.cli.commands.console import stdout
from retarget.cli.commands.options import RobotOption, positive, robot_files
from retarget.cli.commands.places import Output, check_places, make_folder


def make_demo(
    out: Annotated[
        Path, typer.Argument(readable=False, metavar="OUT", help="The demonstration file to write.")
    ],
    frames: Annotated[
        int, typer.Option("--frames", metavar="N", min=2, help="Number of frames.")
    ] = 300,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Other objects, grasps and ways.")
    ] = 0,
    task: Annotated[
        str, typer.Option("--task", metavar="NAME", help="grasp, pinch, tripod or pour.")
    ] = "grasp",
    noise: Annotated[
        float,
        typer.Option("--noise", metavar="MM", min=0.0, help="Noise on wrist poses and fingertips."),
    ] = 0.0,
    rate: Annotated[
        float,
        typer.Option("--rate", metavar="HZ", callback=positive, help="Frames per second."),
    ] = 30.0,
    robot: RobotOption = "h1_inspire",
) -> None:
    """Generate a two-handed episode: reach, grasp, lift, place and return.

    Wrists move with minimum jerk, within the arms' reach; poses are forward kinematics of the
    joints. The same options give the same file.
    """
    check_places(robot_files(robot), [Output("OUT", out)])

    from retarget.cli.tables import line
    from retarget.data.generate.make_demo import make_demo

    make_folder(out)
    demo = make_demo(
        out,
        frames=frames,
        seed=seed,
        task=task,
        noise=1e-3 * noise,
        rate=rate,
        robot=robot,
    )
    seconds = demo.frames / demo.rate
    line(
        stdout(), f"wrote {out}: {task}, {demo.frames} frames, {seconds:.3g} s at {demo.rate:g} Hz"
    )
