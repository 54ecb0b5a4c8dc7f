"""Options that several commands share, as dataclasses that load what they name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from retarget.cli.commands.console import remark
from retarget.core.errors import InputError, ModelError

if TYPE_CHECKING:
    from retarget.mapping.fitter import MANOFitter
    from retarget.mapping.retargeter import Retargeter
    from retarget.replay.tolerances import Tolerances
    from retarget.robot.robot import Robot

UNTRUSTED = "--untrusted"


def unfolded(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters that are dataclasses of options are those options, in place."""
    folded: dict[str, Any] = {}
    shown: list[Parameter] = []
    for parameter in _parameters(command):
        kind = parameter.annotation
        if is_dataclass(kind):
            folded[parameter.name] = kind
        shown += _parameters(kind) if is_dataclass(kind) else [parameter]

    @wraps(command)
    def run(**given: Any) -> None:
        for name, kind in folded.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        command(**given)

    run.__signature__ = Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return run


def _parameters(of: Any) -> list[Parameter]:
    """The parameters of a function or dataclass, their annotations evaluated."""
    hints = get_type_hints(of, include_extras=True)
    return [
        parameter.replace(annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY)
        for parameter in signature(of).parameters.values()
    ]


def positive(value: float | None) -> float | None:
    """An option's number, refused where it is not positive; None passes."""
    if value is not None and not 0.0 < value < float("inf"):
        raise typer.BadParameter(f"must be a positive number, got {value}")
    return value


def not_negative(value: float | None) -> float | None:
    """An option's number, refused where it is negative or none; None passes."""
    if value is not None and not value >= 0.0:
        raise typer.BadParameter(f"must not be negative, got {value}")
    return value


class Untrusted(Exception):  # noqa: N818, a wish and no error
    """The command is to run in a child process.

    Attributes:
        seconds: how long it may take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def _confine(seconds: float | None) -> None:
    if positive(seconds) is not None:
        raise Untrusted(float(seconds or 0.0))


def refuse_idle(context: typer.Context, names: tuple[str, ...], why: str) -> None:
    """Refuse options that were typed but would do nothing.

    Raises:
        InputError: one of them was.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} would do nothing: {why}")


def input_files(metavar: str, help: str) -> Any:
    """An argument that names a file to read, or several."""
    return typer.Argument(readable=False, metavar=metavar, help=help)


def file_option(name: str, help: str, metavar: str = "FILE") -> Any:
    """An option that names a file."""
    return typer.Option(name, readable=False, metavar=metavar, help=help)


def robot_files(robot: str, urdf: Path | None = None) -> Iterator[tuple[str, Path]]:
    """The files of a robot, but for its calibration and weights, with the option of each."""
    for folder in robot_folders(robot):
        yield "--robot", folder / "robot.toml"
        option, found = "--urdf", urdf
        if found is None:
            option, found = "--robot", folder / named_in(folder, "urdf")
        yield option, found
        with suppress(OSError):
            text = found.read_text(encoding="utf-8", errors="replace")
            for mesh in re.findall(r"filename\s*=\s*[\"']([^\"']+)", text):
                name = mesh.removeprefix("file://").removeprefix("package://")
                yield option, found.parent / name
                yield option, found.parent / name.partition("/")[2]


def robot_folders(robot: str) -> Iterator[Path]:
    """Where the robot of a name, folder or robot.toml may lie."""
    from retarget.core.resources import resource

    named = Path(robot)
    for folder in (named, named.parent, resource("robots", named.name)):
        if (folder / "robot.toml").is_file():
            yield folder


def named_in(folder: Path, key: str) -> str:
    """The file that a key of a robot.toml names, "" where none."""
    from retarget.core.toml_table import Table

    with suppress(ModelError):
        return Table.load(folder / "robot.toml").text(key)
    return ""


def hand_files(hands: str) -> Iterator[tuple[str, Path]]:
    """The files of the hand models that ``--hands`` names."""
    from retarget.human.hand_model import find_hands

    with suppress(ModelError):
        yield from (("--hands", path) for path in find_hands(hands))


RobotOption = Annotated[
    str,
    typer.Option(
        "--robot", metavar="NAME|FOLDER", help="Robot of the library, or folder with a robot.toml."
    ),
]
HandsOption = Annotated[
    str,
    typer.Option(
        "--hands",
        metavar="open|mano|PATH",
        help="Human hand models: the open hand, MANO's own files, a folder, or one of a pair of "
        "files.",
    ),
]
WeightsOption = Annotated[
    Path | None, file_option("--weights", "Hand networks to take instead of the robot's own.")
]
UntrustedOption = Annotated[
    float | None,
    typer.Option(
        UNTRUSTED,
        metavar="SECONDS",
        is_eager=True,
        callback=_confine,
        help="Run in a child process that is ended after this time: for files that may be "
        "damaged so badly that reading them crashes or hangs.",
    ),
]
AlignOption = Annotated[
    str,
    typer.Option(
        "--align",
        metavar="start|shoulders|none",
        help="Where people's wrists go in the robot's world.",
    ),
]
RefineOption = Annotated[
    int,
    typer.Option(
        "--refine",
        metavar="N",
        min=0,
        help="Gauss-Newton steps after the hand networks; 1 leaves next to no fingertip error.",
    ),
]


@dataclass(frozen=True)
class ReadOptions:
    """How demonstrations are read."""

    allow_mismatch: Annotated[
        bool,
        typer.Option(
            "--allow-mismatch",
            help="Go on with files whose poses disagree with forward kinematics of their own "
            "joints.",
        ),
    ] = False
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="HZ",
            callback=positive,
            help="Frames per second, instead of what the file or the robot says.",
        ),
    ] = None


@dataclass(frozen=True)
class ToleranceOptions:
    """What a valid demonstration may lose."""

    fingertip_tolerance: Annotated[
        float,
        typer.Option(metavar="MM", callback=not_negative, help="Mean fingertip error tolerated."),
    ] = 0.05
    fingertip_p99_tolerance: Annotated[
        float,
        typer.Option(metavar="MM", callback=not_negative, help="99th percentile of it tolerated."),
    ] = 0.2
    wrist_tolerance: Annotated[
        float,
        typer.Option(
            metavar="MM", callback=not_negative, help="Wrist position error tolerated in any frame."
        ),
    ] = 0.01
    rotation_tolerance: Annotated[
        float,
        typer.Option(
            metavar="DEG",
            callback=not_negative,
            help="Wrist rotation error tolerated in any frame.",
        ),
    ] = 0.005
    missing_tolerance: Annotated[
        float,
        typer.Option(
            metavar="PERCENT", callback=not_negative, help="Frames in which a hand may be missing."
        ),
    ] = 50.0

    def load_tolerances(self) -> Tolerances:
        """The tolerances they name."""
        from retarget.replay.tolerances import Tolerances

        return Tolerances(
            fingertip_m=1e-3 * self.fingertip_tolerance,
            fingertip_p99_m=1e-3 * self.fingertip_p99_tolerance,
            wrist_m=1e-3 * self.wrist_tolerance,
            wrist_rad=math.radians(self.rotation_tolerance),
            missing=0.01 * self.missing_tolerance,
        )


@dataclass(frozen=True)
class HandOptions:
    """A robot and the human hands that go with it."""

    robot: RobotOption = "h1_inspire"
    urdf: Annotated[
        Path | None, file_option("--urdf", "URDF to take instead of the robot's own.")
    ] = None
    hands: HandsOption = "open"
    untrusted: UntrustedOption = None

    def reads(self) -> Iterator[tuple[str, Path]]:
        """The files that are read, with the option that names each."""
        yield from robot_files(self.robot, self.urdf)
        yield from hand_files(self.hands)

    def load_robot(self) -> Robot:
        """The robot they name."""
        from retarget.robot.robot import Robot

        robot = Robot.load(self.robot, self.urdf)
        for note in robot.notes:
            remark(note)
        return robot


@dataclass(frozen=True)
class FitOptions(HandOptions):
    """What a fit of human hands to a robot is made of."""

    calibration: Annotated[
        Path | None,
        file_option("--calibration", "Calibration to take instead of the robot's own."),
    ] = None

    def reads(self) -> Iterator[tuple[str, Path]]:
        """The files that are read, with the option that names each."""
        yield from super().reads()
        if self.calibration is not None:
            yield "--calibration", self.calibration
        else:
            for folder in robot_folders(self.robot):
                yield "--robot", folder / named_in(folder, "calibration")

    def load_fitter(self) -> MANOFitter:
        """The fit they name.

        Raises:
            ModelError: a file is not what it should be, or the calibration is of another hand.
        """
        from retarget.human.hand_model import hands_hash, load_hands
        from retarget.mapping.fitter import MANOFitter
        from retarget.robot.spec import load_calibration

        models = load_hands(self.hands)
        found = None
        if self.calibration is not None:
            read = load_calibration(self.calibration)
            wanted = hands_hash(models)
            for hand, _ in read:
                if hand != wanted:
                    raise ModelError(
                        self.calibration,
                        f"was found for hand model {hand}, but the hands are {wanted} "
                        f"({models[0].source})",
                    )
            found = [value for _, value in read]
        return MANOFitter(self.load_robot(), models, calibrations=found)


@dataclass(frozen=True)
class RetargeterOptions(FitOptions):
    """What a retargeter is made of, but for its refinement."""

    weights: WeightsOption = None

    def reads(self) -> Iterator[tuple[str, Path]]:
        """The files that are read, with the option that names each."""
        yield from super().reads()
        if self.weights is not None:
            yield "--weights", self.weights
        else:
            for folder in robot_folders(self.robot):
                yield from (("--robot", path) for path in folder.glob("*.safetensors"))

    def load_retargeter(self, refine: int) -> Retargeter:
        """The retargeter they name, its networks read.

        Raises:
            ModelError: a file is not what it should be.
        """
        from retarget.mapping.hand_mlp import HandMLP
        from retarget.mapping.retargeter import Retargeter

        fitter = self.load_fitter()
        return Retargeter(
            fitter.robot,
            fitter=fitter,
            hand_mlp=HandMLP.load(self.weights, fitter=fitter),
            refine=refine,
        )
