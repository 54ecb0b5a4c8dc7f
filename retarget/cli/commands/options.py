"""Options that several commands share, and the objects they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retarget.core.errors import InputError, ModelError

if TYPE_CHECKING:
    from retarget.mapping.fitter import MANOFitter
    from retarget.mapping.retargeter import Retargeter
    from retarget.robot.robot import Robot


def positive(value: float | None) -> float | None:
    """An option's number, refused where it is not positive; None passes."""
    if value is not None and not 0.0 < value < float("inf"):
        raise typer.BadParameter(f"must be a positive number, got {value}")
    return value


def refuse_idle(context: typer.Context, names: tuple[str, ...], why: str) -> None:
    """Refuse options that were typed but would do nothing.

    Raises:
        InputError: one of them was.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} would do nothing: {why}")


def not_negative(value: float | None) -> float | None:
    """An option's number, refused where it is negative or none; None passes."""
    if value is not None and not value >= 0.0:
        raise typer.BadParameter(f"must not be negative, got {value}")
    return value


RobotOption = Annotated[
    str,
    typer.Option(
        "--robot", metavar="NAME|FOLDER", help="Robot of the library, or folder with a robot.toml."
    ),
]
UrdfOption = Annotated[
    Path | None,
    typer.Option(
        "--urdf", readable=False, metavar="FILE", help="URDF to take instead of the robot's own."
    ),
]
HandsOption = Annotated[
    str,
    typer.Option(
        "--hands",
        metavar="open|mano|PATH",
        help="Human hand model: the open hand, MANO's own files, or a file or folder.",
    ),
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        readable=False,
        metavar="FILE",
        help="Calibration to take instead of the robot's own.",
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        readable=False,
        metavar="FILE",
        help="Hand networks to take instead of the robot's own.",
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
RateOption = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="HZ",
        callback=positive,
        help="Frames per second, instead of what the file or the robot says.",
    ),
]
AllowMismatchOption = Annotated[
    bool,
    typer.Option(
        "--allow-mismatch",
        help="Go on with files whose poses disagree with forward kinematics of their own joints.",
    ),
]


def load_robot(robot: str, urdf: Path | None) -> Robot:
    """The robot the options name."""
    from retarget.robot.robot import Robot

    return Robot.load(robot, urdf)


def load_fitter(robot: str, urdf: Path | None, hands: str, calibration: Path | None) -> MANOFitter:
    """The fit the options name.

    Raises:
        ModelError: a file is not what it should be, or the calibration is of another hand.
    """
    from retarget.human.hand_model import hands_hash, load_hands
    from retarget.mapping.fitter import MANOFitter
    from retarget.robot.spec import load_calibration

    models = load_hands(hands)
    found = None
    if calibration is not None:
        read = load_calibration(calibration)
        wanted = hands_hash(models)
        for hand, _ in read:
            if hand != wanted:
                raise ModelError(
                    calibration,
                    f"was found for hand model {hand}, but the hands are {wanted} "
                    f"({models[0].source})",
                )
        found = [value for _, value in read]
    return MANOFitter(load_robot(robot, urdf), models, calibrations=found)


def load_retargeter(
    robot: str,
    urdf: Path | None,
    hands: str,
    calibration: Path | None,
    weights: Path | None,
    refine: int,
) -> Retargeter:
    """The retargeter the options name, its networks read.

    Raises:
        ModelError: a file is not what it should be.
    """
    from retarget.mapping.hand_mlp import HandMLP
    from retarget.mapping.retargeter import Retargeter

    fitter = load_fitter(robot, urdf, hands, calibration)
    return Retargeter(
        fitter.robot, fitter=fitter, hand_mlp=HandMLP.load(weights, fitter=fitter), refine=refine
    )
