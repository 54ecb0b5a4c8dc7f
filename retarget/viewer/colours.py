"""Colours with a meaning: an error scale that is even to the eye, and one colour per status."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.core.frozen import FrozenDict
from retarget.core.types import FloatArray, Status

ERROR_LEVELS = 200  # steps of the error scale in a colour table; statuses follow it
SKIN, RETURNED = "#e6b899", "#8ec5ee"  # human hand and returned robot whose status is ok
TARGET = "#f4f4f4"

# Okabe and Ito 2008, "Color Universal Design": for colour-blind eyes too
STATUS_COLOURS: Mapping[Status, str] = FrozenDict(
    {
        Status.OK: "#009e73",
        Status.AT_LIMIT: "#f0e442",
        Status.UNREACHABLE: "#d55e00",
        Status.NOT_CONVERGED: "#cc79a7",
        Status.MISSING_INPUT: "#999999",
        Status.HELD: "#0072b2",
    }
)
STATUS_TEXT: Mapping[Status, str] = FrozenDict(
    {
        Status.OK: "ok",
        Status.AT_LIMIT: "at a joint limit",
        Status.UNREACHABLE: "out of reach",
        Status.NOT_CONVERGED: "not converged",
        Status.MISSING_INPUT: "input missing",
        Status.HELD: "held",
    }
)

# a polynomial through viridis (Smith and van der Walt 2015, CC0), fitted by least squares here:
# rows are powers of x, columns red, green, blue; off by less than 5 of 255
_VIRIDIS = np.array(
    [
        [0.2745, 0.0058, 0.3327],
        [0.1077, 1.3965, 1.3868],
        [-0.3272, 0.2148, 0.092],
        [-4.5999, -5.7582, -19.2918],
        [6.2037, 14.154, 56.6563],
        [4.7518, -13.7494, -65.321],
        [-5.4321, 4.6416, 26.2721],
    ]
)


def viridis(x: ArrayLike) -> NDArray[np.uint8]:
    """Colour scale: x (...) from 0 to 1, clipped, -> sRGB (..., 3); NaN is the lowest."""
    t = np.clip(np.nan_to_num(np.asarray(x, dtype=np.float64)), 0.0, 1.0)[..., None]
    total = np.zeros((*t.shape[:-1], 3))
    for row in _VIRIDIS[::-1]:  # Horner's rule
        total = total * t + row
    return np.asarray(np.rint(255.0 * np.clip(total, 0.0, 1.0)), dtype=np.uint8)


def rgb(colour: str) -> tuple[int, int, int]:
    """``"#rrggbb"`` -> 0..255 each."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def colour_table() -> NDArray[np.uint8]:
    """(K, 3): the error scale, a human hand by `Status`, a returned robot by `Status`."""
    scale = viridis(np.linspace(0.0, 1.0, ERROR_LEVELS))
    human, returned = (
        [rgb(fine if status is Status.OK else STATUS_COLOURS[status]) for status in Status]
        for fine in (SKIN, RETURNED)
    )
    return np.concatenate([scale, np.array(human + returned, dtype=np.uint8)])


def error_rows(error_m: FloatArray, error_max_m: float) -> NDArray[np.uint8]:
    """Rows of the colour table for errors [m]; the last of the scale is that and above."""
    level = np.clip(np.nan_to_num(error_m) / error_max_m, 0.0, 1.0) * (ERROR_LEVELS - 1)
    return np.asarray(np.rint(level), dtype=np.uint8)


def human_rows(status: ArrayLike) -> NDArray[np.uint8]:
    """Rows of the colour table for human hands of some `Status` values."""
    return np.asarray(np.asarray(status) + ERROR_LEVELS, dtype=np.uint8)


def returned_rows(status: ArrayLike) -> NDArray[np.uint8]:
    """Rows of the colour table for returned links of some `Status` values."""
    return np.asarray(np.asarray(status) + ERROR_LEVELS + len(Status), dtype=np.uint8)
