"""``retarget train-hand`` and ``retarget check-hand``: the hand networks and their accuracy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from retarget.cli.commands.console import NOT_VALID, VALID, complain, stdout, working
from retarget.cli.commands.options import (
    FitOptions,
    WeightsOption,
    file_option,
)
from retarget.cli.commands.places import Output, check_places, make_folder
from retarget.core.errors import TrainingError


def train_hand(
    *,
    out: Annotated[Path, file_option("--out", "Where to write the weights.")] = Path(
        "hand_mlp.safetensors"
    ),
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of poses, weights, batches and noise.")
    ] = 0,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Optimiser steps; by default what trains best."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Robot poses per hand; by default what trains best."),
    ] = None,
    using: FitOptions,
) -> None:
    """Train the hand networks, measure them, and save them if they are accurate enough.

    Takes one to three minutes on two cores. The gate is a mean fingertip error of 50 um on poses
    that training did not see. Exit code: 0 saved, 1 gate missed and nothing saved, 2 bad input.
    """
    check_places(using.reads(), [Output("--out", out)])

    from retarget.cli.tables import line, print_hand_check
    from retarget.mapping.train import train_hands

    fitter = using.load_fitter()
    console = stdout()
    try:
        mlp = train_hands(
            fitter, seed=seed, samples=samples, steps=steps, progress=sys.stderr.isatty()
        )
    except TrainingError as error:
        if "left.plain.mean" not in error.evidence:
            raise
        print_hand_check(console, error.evidence, "held-out poses")
        complain(f"{error}; nothing was saved")
        raise typer.Exit(NOT_VALID) from None
    print_hand_check(console, mlp.errors, "held-out poses")
    make_folder(out)
    mlp.save(out)
    line(console, f" saved {out}")


def check_hand(
    *,
    weights: WeightsOption = None,
    samples: Annotated[
        int, typer.Option(metavar="N", min=1, help="Robot poses per hand.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(metavar="N", help="Of those poses.")] = 1,
    using: FitOptions,
) -> None:
    """Measure the hand networks on random robot poses and under noisy input.

    Exit code: 0 within the gate of 50 um, 1 above it, 2 bad input.
    """
    from retarget.cli.tables import print_hand_check
    from retarget.mapping.hand_accuracy import check_hands, require_accurate
    from retarget.mapping.hand_mlp import HandMLP

    fitter = using.load_fitter()
    mlp = HandMLP.load(weights, fitter=fitter)
    with working(f"measuring {samples} poses of each hand"):
        check = check_hands(mlp, samples=samples, seed=seed)
    print_hand_check(stdout(), check.flat(), f"{samples} random poses")
    try:
        require_accurate(check)
    except TrainingError as error:
        complain(str(error))
        raise typer.Exit(NOT_VALID) from None
    raise typer.Exit(VALID)
