"""``retarget mano``: hand models in MANO's format checked and converted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retarget.cli.commands.console import BAD_INPUT, complain, examples, say
from retarget.cli.commands.options import file_option, input_files
from retarget.cli.commands.places import Output, check_places
from retarget.core.errors import FileError, RetargetError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check and convert hand models in MANO's format.",
)

PathArgument = Annotated[
    Path, input_files("PATH", "A .pkl or .npz file, or a folder that holds them.")
]


@app.command(epilog=examples("retarget mano check mano_models/MANO_RIGHT.pkl"))
def check(path: PathArgument) -> None:
    """Say what a hand model's file holds; no code in it is run."""
    from retarget.human.mano_convert import check, hand_files

    refused = False
    for file in hand_files(path):
        try:
            lines = check(file).lines()
        except RetargetError as error:
            refused = True
            complain(str(error))
            continue
        for text in lines:
            say(text)
    if refused:
        raise typer.Exit(BAD_INPUT)


@app.command(
    short_help="Write hand models as npz files, without pickle or chumpy.",
    epilog=examples(
        "retarget mano convert mano_models/MANO_RIGHT.pkl",
        "retarget mano convert downloads/mano/models --out mano_models",
    ),
)
def convert(
    path: PathArgument,
    out: Annotated[
        Path | None,
        file_option("--out", "Where to write; by default beside PATH.", "FILE|FOLDER"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
) -> None:
    """Write hand models as npz files that need neither pickle nor chumpy."""
    from retarget.human.mano_convert import convert, converted_place, hand_files

    files = hand_files(path)
    if len(files) > 1 and out is not None and not out.is_dir():
        raise FileError(out, f"must be a folder that exists, for the {len(files)} files of {path}")
    check_places(
        [("", file) for file in files],
        [Output("--out", converted_place(file, out)) for file in files],
    )
    for file in files:
        say(f"{file} -> {convert(file, out, overwrite=overwrite)}")
