"""Numbers as people read them: three digits, the unit that suits the size, frames in runs."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from retarget.core.statistics import FrameRuns

_LENGTHS = ((1e-9, "nm"), (1e-6, "um"), (1e-3, "mm"), (1.0, "m"))
_ANGLES = ((1e-9, "nrad"), (1e-6, "urad"), (1e-3, "mrad"))
_DEGREE = math.radians(1.0)
_NOTHING = "-"


def length_text(metres: float) -> str:
    """A length [m], e.g. ``"12.3 um"``; ``"-"`` where it is not finite."""
    return _scaled(metres, _LENGTHS)


def angle_text(radians: float) -> str:
    """An angle [rad], e.g. ``"1.2 mrad"``, in degrees from 1 degree; ``"-"`` where not finite."""
    if math.isfinite(radians) and abs(radians) >= _DEGREE:
        return f"{_digits(math.degrees(radians))} deg"
    return _scaled(radians, _ANGLES)


def number_text(value: float) -> str:
    """Three digits without exponents; ``"-"`` where not finite."""
    return _digits(value) if math.isfinite(value) else _NOTHING


def frames_text(frames: Iterable[int]) -> str:
    """Ascending frames in words, see `FrameRuns.text`."""
    return FrameRuns(np.fromiter(frames, dtype=np.int64)).text()


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    if not math.isfinite(value):
        return _NOTHING
    if value == 0.0:
        return f"0 {units[min(1, len(units) - 1)][1]}"
    smallest, name = units[0]
    if abs(value) < 0.1 * smallest:
        return f"<0.1 {name}"
    # 999.6 um must not read "1000 um"
    size, name = next(((s, n) for s, n in units if abs(value) < 999.5 * s), units[-1])
    return f"{_digits(value / size)} {name}"


def _digits(value: float) -> str:
    """Three significant digits, more in front of the point as needed, no exponent."""
    if value == 0.0:
        return "0"
    value = float(f"{value:.2e}")  # 9.996 is 10.0, not 10.00
    whole = math.floor(math.log10(abs(value))) + 1
    return f"{value:.{min(max(3 - whole, 0), 6)}f}"
