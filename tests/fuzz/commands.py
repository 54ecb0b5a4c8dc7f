"""Which commands are given a damaged file of each kind, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Command:
    """A command of ``retarget``.

    Attributes:
        weight: how often it is taken, beside the others of its kind.
        line: its words; FILE is the damaged file, DEMO a sound demonstration.
        folder: where the damaged file lies: with the other files of its robot or hands, or a sound
            file, in a folder; beside the rest where empty.
    """

    weight: float
    line: str
    folder: str = ""

    def words(self, name: str) -> tuple[str, ...]:
        """The arguments, for a damaged file of this name."""
        place = f"{self.folder}/{name}" if self.folder else name
        return tuple(place if word == "FILE" else word for word in self.line.split())


def outputs(words: tuple[str, ...]) -> tuple[str, ...]:
    """What a command is told to write."""
    pairs = pairwise(words)
    named = tuple(place for word, place in pairs if word in ("--out", "--json", "--html"))
    beside = words[:2] == ("mano", "convert") and not named
    return ("MANO_LEFT.npz", "MANO_RIGHT.npz") if beside else named


def _of_robot(option: str, folder: str, *without: str) -> list[Command]:
    """The commands that take a robot, with the option that names the damaged file."""
    return [
        Command(weight, f"{line} {option}", folder)
        for weight, line in (
            (22, "replay DEMO"),
            (12, "replay DEMO --out out.hdf5 --json out.json"),
            (10, "to-human DEMO --out out.hdf5"),
            (8, "to-actions DEMO --out out.hdf5"),
            (10, "run DEMO --fast"),
            (8, "check-hand --samples 20"),
            (2, "view DEMO --html out.html"),
            (0.5, "calibrate --out out.toml"),
        )
        if not line.startswith(without)
    ]


_IN_ROBOT = ("--robot robot", "robot")
_NO_WEIGHTS = ("to-human", "to-actions", "calibrate")  # take none

COMMANDS: dict[str, list[Command]] = {
    "demonstration": [
        Command(24, "replay FILE"),
        Command(14, "replay FILE --out out.hdf5"),
        Command(10, "replay FILE --out out.hdf5 --json out.json"),
        Command(3, "replay FILE --html out.html"),
        Command(4, "replay FILE --refine 1 --rate 30"),
        Command(5, "replay FILE --allow-mismatch --out out.hdf5"),
        Command(4, "replay folder --out out/", "folder"),
        Command(12, "to-human FILE --out out.hdf5"),
        Command(5, "to-actions FILE --out out.hdf5"),
        Command(4, "to-actions FILE --out out.hdf5 --chunks --horizon 8"),
        Command(9, "run FILE --fast"),
        Command(3, "run FILE --fast --out out.hdf5 --json out.json"),
        Command(2, "view FILE --html out.html"),
        Command(1, "to-robot FILE --out out.hdf5"),
    ],
    "human motion": [
        Command(60, "to-robot FILE --out out.hdf5"),
        Command(10, "to-robot FILE --refine 1 --out out.hdf5"),
        Command(25, "to-actions FILE --out out.hdf5"),
        Command(5, "to-actions FILE --chunks --out out.hdf5"),
        Command(3, "replay FILE"),
        Command(2, "run FILE --fast"),
    ],
    "actions": [
        Command(60, "run FILE --fast"),
        Command(30, "run FILE --fast --out out.hdf5 --json out.json"),
        Command(5, "to-robot FILE --out out.hdf5"),
        Command(3, "replay FILE"),
    ],
    "URDF": [*_of_robot(*_IN_ROBOT), *_of_robot("--urdf FILE", "")],
    "robot.toml": [*_of_robot(*_IN_ROBOT), *_of_robot("--robot FILE", "robot")],
    "calibration": [
        *_of_robot(*_IN_ROBOT, "calibrate"),
        *_of_robot("--calibration FILE", "", "calibrate"),
    ],
    "hand networks": [
        *_of_robot(*_IN_ROBOT, *_NO_WEIGHTS),
        *_of_robot("--weights FILE", "", *_NO_WEIGHTS),
    ],
    "pickle": [
        Command(50, "mano check FILE"),
        Command(30, "mano convert FILE --out out.npz"),
        Command(10, "mano convert FILE"),
        Command(5, "check-hand --samples 20 --hands hands", "hands"),
        Command(5, "to-human DEMO --out out.hdf5 --hands FILE"),
        Command(0.5, "calibrate --hands hands --out out.toml", "hands"),
    ],
    "npz": [
        Command(50, "mano check FILE"),
        Command(20, "mano convert FILE --out out.npz"),
        Command(15, "to-human DEMO --out out.hdf5 --hands hands", "hands"),
        Command(15, "check-hand --samples 20 --hands hands", "hands"),
        Command(10, "replay DEMO --hands hands", "hands"),
        Command(5, "replay DEMO --hands FILE"),
        Command(0.5, "calibrate --hands hands --out out.toml", "hands"),
    ],
    "normalisation": [
        Command(3, "to-actions DEMO --out out.hdf5 --normalize FILE"),
        Command(1, "to-actions DEMO --out out.hdf5 --chunks --horizon 8 --normalize FILE"),
    ],
}
