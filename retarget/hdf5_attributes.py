"""Attributes of HDF5 files read and checked, and what kind of file it is."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from retarget.errors import FileError
from retarget.types import FloatArray

_REQUIRED = object()


def check_format(file: Any, format_: str, version: int, what: str, hint: str = "") -> None:
    """Check the attributes ``format`` and ``version`` of an open file.

    Args:
        file: an open ``h5py.File``.
        format_: the expected format.
        version: the version this library reads.
        what: how to call such a file, e.g. "a human motion file".
        hint: added where the format is another.

    Raises:
        FileError: another format or version.
    """
    if text(file.attrs.get("format", "")) != format_:
        raise FileError(
            file.filename, f"is not {what}: attribute 'format' is not {format_!r}{hint}"
        )
    found = attribute(file, "version", int)
    if found != version:
        raise FileError(
            file.filename,
            f"is of version {found} of its format, this library reads version {version}",
            key="version",
            value=found,
        )


def rate_attribute(file: Any) -> float:
    """The attribute ``rate`` [Hz].

    Raises:
        FileError: missing, or not positive.
    """
    rate: float = attribute(file, "rate", float)
    if not (math.isfinite(rate) and rate > 0.0):
        raise FileError(
            file.filename, f"attribute 'rate' must be positive [Hz], got {rate}", key="rate"
        )
    return rate


def attribute(file: Any, name: str, convert: Any, default: Any = _REQUIRED) -> Any:
    """An attribute, converted; the default where it is missing.

    Raises:
        FileError: it is missing and there is no default, or cannot be converted.
    """
    if name not in file.attrs:
        if default is _REQUIRED:
            raise FileError(file.filename, f"attribute {name!r} is missing", key=name)
        return default
    value = file.attrs[name]
    try:
        return convert(value)
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        said = " ".join(repr(value).split())
        raise FileError(
            file.filename, f"attribute {name!r} is not what it should be: {said}", key=name
        ) from cause


def text(value: Any) -> str:
    """Text as h5py gives it."""
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def names(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(text(name) for name in np.asarray(value).tolist())


def matrix(value: Any) -> FloatArray:
    """A finite (4, 4) matrix."""
    found = np.asarray(value, dtype=np.float64)
    if found.shape != (4, 4) or not np.isfinite(found).all():
        raise ValueError("expected a finite 4x4 matrix")
    return found


def versions(value: Any) -> dict[str, str]:
    """Versions by package, from JSON."""
    return {str(name): str(version) for name, version in json.loads(text(value)).items()}
