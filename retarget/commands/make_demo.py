"""``retarget make-demo``: a believable demonstration, generated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retarget.commands.console import stdout
from retarget.commands.places import make_folder, require_writable


def make_demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The demonstration file to write.")],
    frames: Annotated[int, typer.Option(min=1, help="Number of frames, at 30 Hz.")] = 300,
    seed: Annotated[int, typer.Option(help="Of everything random in it.")] = 0,
    task: Annotated[str, typer.Option(help="What the robot does.")] = "grasp",
    noise: Annotated[
        float, typer.Option(help="Sensor noise: 0 none, 1 that of a real robot.")
    ] = 0.0,
) -> None:
    """Generate a two-handed reach, grasp, lift and place episode."""
    require_writable(out)

    from retarget.make_demo import make_demo
    from retarget.tables import line

    make_folder(out)
    make_demo(out, frames=frames, seed=seed, task=task, noise=noise)
    line(stdout(), f"wrote {out}: {frames} frames, task {task}, seed {seed}")
