"""What several kinds of files say about themselves: frame rate, hand model, software versions."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.errors import FileError, InputError
from retarget.core.hdf5 import matrix, text
from retarget.core.resources import resource
from retarget.core.types import FloatArray
from retarget.core.version import VERSION
from retarget.robot.spec import load_robot_spec

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

_DEFAULT_ROBOT = "h1_inspire"  # whose rates count where no robot is given


def require_rate(rate: float) -> float:
    """A frame rate [Hz] as a float.

    Raises:
        InputError: it is not positive and finite.
    """
    if not (math.isfinite(rate) and rate > 0.0):
        raise InputError(f"rate must be a positive number of frames a second, got {rate}")
    return float(rate)


def require_camera(T_camera_world: FloatArray | None) -> None:
    """Refuse a camera's pose that a file could not be read with; None is none.

    Raises:
        InputError: it is no rigid transform (4, 4).
    """
    if T_camera_world is not None:
        try:
            matrix(T_camera_world)
        except (TypeError, ValueError) as cause:
            raise InputError(f"T_camera_world: {cause}") from None


def frame_rate(
    file: Any,
    given: float | None,
    *,
    names: Sequence[str] = ("rate",),
    otherwise: Callable[[], float] | None = None,
    error: type[FileError] = FileError,
) -> float:
    """Frames per second of an open file [Hz].

    Args:
        file: an open ``h5py.File``.
        given: the rate, where the file's own knowledge is to be overruled.
        names: attributes that may hold it; the first there is counts.
        otherwise: gives it where there is none of them; there must be one by default.
        error: the class to raise.

    Raises:
        FileError (or its child ``error``): the attribute is missing, or not a positive number.
        InputError: ``given`` is not positive.
    """
    if given is not None:
        return require_rate(given)
    name = next((name for name in names if name in file.attrs), None)
    if name is None:
        if otherwise is None:
            raise error(file.filename, f"attribute {names[0]!r} is missing", key=names[0])
        return otherwise()
    value = file.attrs[name]
    try:
        return require_rate(float(value))
    except (TypeError, ValueError, InputError):
        raise error(
            file.filename,
            f"attribute {name!r} is {value!r}, expected a positive number of Hz",
            key=name,
        ) from None


def task_rate(path: Path, robot: Robot | None) -> float:
    """Frames per second of the task that a file's or its folder's name holds [Hz].

    That of the robot where they name none of its tasks; h1_inspire's rates where no robot is given.
    """
    known = robot or load_robot_spec(resource("robots", _DEFAULT_ROBOT, "robot.toml"))
    for name in (path.name, path.absolute().parent.name):
        for task, rate in known.task_rates.items():
            if _words(task) in _words(name):
                return rate
    return known.rate


def require_hand(file: Any, found: str, expected: str | None) -> None:
    """Check that coefficients are of the hand model they should be; any will do where None.

    Raises:
        FileError: they are of another.
    """
    if expected is not None and found != expected:
        raise FileError(
            file.filename,
            f"its coefficients are of hand model {found}, expected {expected}; "
            "the same numbers would be another pose",
            key="hand",
            value=found,
        )


def software_versions() -> dict[str, str]:
    """Versions of what writes a file, by package."""
    return {"retarget": VERSION, "numpy": np.__version__}


def read_versions(value: Any) -> dict[str, str]:
    """Versions by package, from the JSON of an attribute."""
    return {str(name): str(version) for name, version in json.loads(text(value)).items()}


def _words(name: str) -> str:
    """Lower-case words between dashes, so that a whole name is found in another."""
    return "-" + re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") + "-"
