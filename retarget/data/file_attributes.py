"""What several kinds of files say about themselves: frame rate, hand model, software versions."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.errors import InputError
from retarget.core.hdf5 import single, text
from retarget.core.hdf5_file import HDF5File
from retarget.core.resources import resource
from retarget.core.version import VERSION
from retarget.robot.spec import load_robot_spec

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

_RATES = (1e-3, 1e5)  # [Hz] what can be one
_DEFAULT_ROBOT = "h1_inspire"  # whose rates count where no robot is given


def require_rate(rate: float) -> float:
    """A frame rate [Hz] as a float.

    Raises:
        InputError: it is not positive and finite, or no rate at which anything is recorded.
    """
    if not (math.isfinite(rate) and rate > 0.0):
        raise InputError(f"rate must be a positive number of frames a second, got {rate}")
    least, most = _RATES
    if not least <= rate <= most:
        raise InputError(f"rate must be within {least:g} and {most:g} frames a second, got {rate}")
    return float(rate)


def frame_rate(
    file: HDF5File,
    given: float | None,
    *,
    names: Sequence[str] = ("rate",),
    otherwise: Callable[[], float] | None = None,
) -> float:
    """Frames per second of an open file [Hz].

    Args:
        file: an open file.
        given: the rate, where the file's own knowledge is to be overruled.
        names: attributes that may hold it; the first there is counts.
        otherwise: gives it where there is none of them; there must be one by default.

    Raises:
        FileError (or its child): the attribute is missing, or not a positive number.
        InputError: ``given`` is not positive.
    """
    if given is not None:
        return require_rate(given)
    found = ((name, file.attribute(name)) for name in names)
    name, value = next(((name, value) for name, value in found if value is not None), ("", None))
    if value is None:
        if otherwise is None:
            raise file.error(file.path, f"attribute {names[0]!r} is missing", key=names[0])
        return otherwise()
    try:
        return require_rate(float(single(value)))
    except (TypeError, ValueError, InputError):
        raise file.error(
            file.path,
            f"attribute {name!r} is {value!r}, expected a positive number of Hz, "
            f"{_RATES[0]:g} to {_RATES[1]:g}",
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


def require_hand(file: HDF5File, found: str, expected: str | None) -> None:
    """Check that coefficients are of the hand model they should be; any will do where None.

    Raises:
        FileError: they are of another.
    """
    if expected is not None and found != expected:
        raise file.error(
            file.path,
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
