"""What several kinds of files say about themselves: frame rate, hand model, software versions."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.errors import InputError
from retarget.core.hdf5 import matrix, single, text
from retarget.core.hdf5_file import HDF5File
from retarget.core.resources import resource
from retarget.core.types import FloatArray
from retarget.core.version import VERSION
from retarget.robot.spec import load_robot_spec

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

USUAL_RATES = (5.0, 250.0)  # [Hz] of demonstrations

_RATES = (1e-3, 1e5)  # [Hz] what can be one
_DEFAULT_ROBOT = "h1_inspire"  # whose rates count where no robot is given
_AGREE = 1.01  # by how much rates that say the same may differ


def require_rate(rate: float) -> float:
    """A frame rate [Hz] as a float.

    Raises:
        InputError: it is not positive and finite, no rate at which anything is recorded, or the
            time between frames.
    """
    if not (math.isfinite(rate) and rate > 0.0):
        raise InputError(f"rate must be a positive number of frames a second, got {rate}")
    least, most = _RATES
    if not least <= rate <= most:
        raise InputError(f"rate must be within {least:g} and {most:g} frames a second, got {rate}")
    if _is_period(rate):
        raise InputError(f"rate must be frames a second, got {rate:.4g}; {_period_text(rate)}")
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


def _is_period(rate: float) -> bool:
    """Whether a rate is rather the time between frames of a usual one [s]."""
    low, high = USUAL_RATES
    return rate < 1.0 and low <= 1.0 / rate <= high


def _period_text(period: float) -> str:
    return f"it looks like the time between frames, 1 / {period:.4g} s = {1.0 / period:.4g} Hz"


@dataclass(frozen=True)
class FrameRate:
    """Frames per second, and who says so.

    Attributes:
        hz: frames per second [Hz].
        source: who says so, in words, e.g. ``"attribute 'rate'"``.
        given: the caller says so, against whatever the file knows.
        assumed: nobody says so of this file; it is what such files usually have.
    """

    hz: float
    source: str
    given: bool = False
    assumed: bool = False

    def __str__(self) -> str:
        return f"{self.hz:.4g} Hz ({self.source})"


def frame_rate(
    file: HDF5File,
    given: float | None,
    *,
    names: Sequence[str] = ("rate",),
    otherwise: Callable[[], FrameRate] | None = None,
) -> FrameRate:
    """Frames per second of an open file [Hz], and their source.

    Args:
        file: an open file.
        given: the rate, where the file's own knowledge is to be overruled.
        names: attributes that may hold it; those that do must agree to 1 %.
        otherwise: gives it where there is none of them; there must be one by default.

    Raises:
        FileError (or its child): the attribute is missing, is not a positive number, is the time
            between frames, or two of them disagree.
        InputError: ``given`` is not positive.
    """
    if given is not None:
        return FrameRate(require_rate(given), "as given", given=True)
    values = {name: file.attribute(name) for name in names}
    found = {
        name: _rate_attribute(file, name, value)
        for name, value in values.items()
        if value is not None
    }
    if not found:
        if otherwise is None:
            raise file.error(file.path, f"attribute {names[0]!r} is missing", key=names[0])
        return otherwise()
    name, hz = next(iter(found.items()))
    if max(found.values()) > _AGREE * min(found.values()):
        said = " and ".join(f"{other!r} is {value:.4g}" for other, value in found.items())
        raise file.error(
            file.path,
            f"its frame rates disagree: attribute {said}, expected the same Hz in all; "
            "say which one holds (--rate)",
            key=name,
            value=found,
        )
    if _is_period(hz):
        raise file.error(
            file.path,
            f"attribute {name!r} is {hz:.4g}, expected frames a second; {_period_text(hz)}; "
            f"if it is, say so (--rate {1.0 / hz:.4g})",
            key=name,
            value=hz,
        )
    return FrameRate(hz, f"attribute {name!r}")


def task_rate(path: Path, task: str, robot: Robot | None) -> FrameRate:
    """Frames per second that a recording without a rate has by its task, else by its robot [Hz].

    A task counts where the file's attribute ``task`` or its folder is called exactly so; a file's
    own name says nothing.

    Args:
        path: the file.
        task: its attribute ``task``, "" where it has none.
        robot: whose rates count; those of h1_inspire where None.
    """
    known = robot or load_robot_spec(resource("robots", _DEFAULT_ROBOT, "robot.toml"))
    for what, name in (("attribute 'task'", task), ("folder", path.absolute().parent.name)):
        for found, hz in known.task_rates.items():
            if _words(found) == _words(name):
                said = f"{what} {found}" if what == "folder" else f"{what}: {found}"
                return FrameRate(hz, f"{said} of {known.name}", assumed=True)
    return FrameRate(known.rate, f"usual for {known.name}", assumed=True)


def _rate_attribute(file: HDF5File, name: str, value: Any) -> float:
    """A rate as an attribute says it, also as a list of one [Hz]."""
    least, most = _RATES
    try:
        hz = float(single(value))
    except (TypeError, ValueError):
        hz = math.nan
    if not least <= hz <= most:
        raise file.error(
            file.path,
            f"attribute {name!r} is {value!r}, expected a positive number of Hz, "
            f"{least:g} to {most:g}",
            key=name,
        )
    return hz


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
    """Lower-case words between dashes, however they were parted."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
