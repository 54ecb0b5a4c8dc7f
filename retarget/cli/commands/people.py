"""``retarget from-human`` and ``calibrate-user``: recordings of people's hands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from retarget.cli.commands.console import remark, stdout, working
from retarget.cli.commands.convert import OutOption, convert_all
from retarget.cli.commands.options import (
    HandsOption,
    UntrustedOption,
    file_option,
    hand_files,
    input_files,
    positive,
)
from retarget.cli.commands.places import (
    Output,
    check_places,
    find_sources,
    inputs,
    make_folder,
    plan_outputs,
)


def _known_side(side: str | None) -> str | None:
    """An option's side, refused where there is none of that name; None passes."""
    if side is not None:
        from retarget.core.types import side_index

        side_index(side)
    return side


LayoutOption = Annotated[
    str,
    typer.Option(
        "--layout",
        metavar="auto|NAME",
        help="Order of the keypoints (docs/people.md); auto tells it by their bones.",
    ),
]
SideOption = Annotated[
    str | None,
    typer.Option(
        "--side",
        metavar="left|right",
        callback=_known_side,
        help="The hand that a file of one hand is of, where it does not tell.",
    ),
]


@dataclass(frozen=True)
class PeopleReading:
    """How recordings of people are read, and the hand models that they are held against."""

    layout: LayoutOption = "auto"
    side: SideOption = None
    hands: HandsOption = "open"
    untrusted: UntrustedOption = None

    def reads(self) -> Iterator[tuple[str, Path]]:
        """The files that are read, with the option that names each."""
        yield from hand_files(self.hands)


def from_human(
    files: Annotated[
        list[Path],
        input_files("FILE", "Recordings of people's hands, of any format of docs/people.md."),
    ],
    out: OutOption,
    *,
    user: Annotated[
        Path | None,
        file_option("--user", "Whose hands, by calibrate-user; found in each file by default."),
    ] = None,
    components: Annotated[
        int, typer.Option(metavar="K", min=1, max=45, help="Pose coefficients a hand.")
    ] = 15,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="HZ", callback=positive, help="Frames per second, instead of the file's own."
        ),
    ] = None,
    fill: Annotated[
        str, typer.Option(metavar="none|hold|linear", help="What becomes of gaps.")
    ] = "none",
    longest_gap: Annotated[
        int, typer.Option(metavar="N", min=0, help="Frames of a gap that is filled.")
    ] = 15,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Take out what is faster than hands are.")
    ] = False,
    unmended_left: Annotated[
        bool,
        typer.Option(
            "--unmended-left",
            help="The file's left betas are of MANO's left hand as it first came, its shape "
            "directions' x negated.",
        ),
    ] = False,
    reading: PeopleReading,
) -> None:
    """Write recordings of people's hands as human hand motion.

    Keypoints of trackers, MANO of data sets: both hands fitted, with the person's own sizes. Exit
    code: 0 valid, 1 not valid, 2 bad input.
    """
    from retarget.data.people.readers import is_recording

    sources = find_sources(
        files, without=out, accepts=is_recording, what="recording of people's hands"
    )
    outputs = plan_outputs(sources, files, out, ".hdf5")
    given = [] if user is None else [("--user", user)]
    check_places(
        chain(inputs(sources), given, reading.reads()),
        [Output("--out", place) for place in outputs],
    )

    from retarget.cli.tables import print_conversion
    from retarget.data.people.convert import PeopleOptions, people_to_human
    from retarget.human.hand_model import load_hands
    from retarget.human.user import User

    options = PeopleOptions(
        hands=load_hands(reading.hands),
        user=None if user is None else User.load(user),
        components=components,
        layout=reading.layout,
        side=reading.side,
        rate=rate,
        fill=fill,
        longest=longest_gap,
        smooth=smooth,
        unmended_left=unmended_left,
    )
    convert_all(sources, outputs, partial(people_to_human, options=options), show=print_conversion)


def calibrate_user(
    file: Annotated[Path, input_files("FILE", "A recording of one person's hands.")],
    *,
    out: Annotated[
        Path | None, file_option("--out", "Write it: for --user of other commands.")
    ] = None,
    svg: Annotated[
        Path | None, file_option("--svg", "Write a picture of the hands over the hand model's.")
    ] = None,
    reading: PeopleReading,
) -> None:
    """Find a person's hands and tracker: bones and palm, noise, where fingertips touch.

    From 20 frames or more in which the hands move.
    """
    check_places(
        [("", file), *reading.reads()], [Output("--out", out), Output("--svg", svg, text=True)]
    )

    from retarget.cli.tables import line, print_user
    from retarget.data.people.convert import find_user
    from retarget.human.hand_model import load_hands

    hands = load_hands(reading.hands)
    with working("finding the user"):
        found, recording = find_user(
            file,
            hands,
            layout=reading.layout,
            side=reading.side,
        )
    for note in recording.notes:
        remark(note)
    console = stdout()
    print_user(console, found)
    if out is not None:
        make_folder(out)
        found.save(out)
        line(console, f" saved {out}")
    if svg is not None:
        from retarget.core.files import write_text
        from retarget.viewer.user_picture import user_picture

        make_folder(svg)
        write_text(svg, user_picture(found, hands))
        line(console, f" saved {svg}")
