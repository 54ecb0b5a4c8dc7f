"""How a robot's hands follow a person's: the numbers of the `[map]` table of robot.toml."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from retarget.core.checks import real
from retarget.core.errors import InputError
from retarget.core.toml_table import Table
from retarget.core.types import FINGERS, FloatArray

_PAIRS = len(FINGERS) - 1
_MOST = 1e6


@dataclass(frozen=True)
class MapSettings:
    """Weights of `retarget.mapping.hand_map.HandMap`, for both hands of a robot.

    Attributes:
        scale: of the person's wrist-to-tip vectors, brought to the hand model's size [-].
        ramp: how far beyond touching a thumb and a finger still count as a pair [m].
        pair_far: weight of the difference of two tips that are far apart, a tip's own being 1 [-].
        pair_near: the same of two that touch [-].
        pair: share of each finger in these, index to pinky [-].
        yields: share of its own weight that a tip gives up when it touches, 0 to 1 [-].
        apart: weight of keeping tips of thumb and finger that are far apart `clear` of each other.
        clear: how far apart [m].
        prior: weight of the joints' distance from mid-range [m^2/rad^2].

    Raises:
        InputError: a number is out of range.
    """

    scale: float = 1.22
    ramp: float = 0.038
    pair_far: float = 0.5
    pair_near: float = 12.0
    pair: tuple[float, ...] = (1.0, 0.35, 0.2, 0.03)
    yields: float = 0.9
    apart: float = 5.0
    clear: float = 0.022
    prior: float = 2e-4

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not isinstance(self.pair, (tuple, list)) or len(self.pair) != _PAIRS:
            raise InputError(f"pair must hold {_PAIRS} numbers, index to pinky, got {self.pair!r}")
        object.__setattr__(self, "pair", tuple(real("pair", value) for value in self.pair))
        for field in fields(self):
            values = self.pair if field.name == "pair" else (getattr(self, field.name),)
            positive = field.name in ("scale", "ramp", "clear", "prior")
            most = 1.0 if field.name == "yields" else _MOST
            for value in values:
                number = real(field.name, value)
                if not (0.0 < number <= most or (number == 0.0 and not positive)):
                    kind = "above 0" if positive else "0 or more"
                    raise InputError(
                        f"{field.name} must be {kind} and at most {most:g}, got {number:g}",
                        value=number,
                    )


def read_map_settings(root: Table) -> MapSettings:
    """The `[map]` table of a robot.toml; what it leaves out is as `MapSettings` has it.

    Raises:
        ModelError: a key is unknown or out of range.
    """
    if "map" not in root:
        return MapSettings()
    table = root.table("map")
    table.only(*(field.name for field in fields(MapSettings)))
    given: dict[str, float | tuple[float, ...]] = {
        key: tuple(map(float, table.array(key, _PAIRS))) if key == "pair" else table.number(key)
        for key in table
    }
    try:
        return MapSettings(**given)  # type: ignore[arg-type]
    except InputError as error:
        raise table.refused(error) from None


def as_numbers(settings: MapSettings, contact_gap: FloatArray) -> FloatArray:
    """The core's row of numbers, with a person's contact gaps (4,) [m]."""
    s = settings
    row = [
        s.scale,
        s.pair_far,
        s.pair_near,
        *s.pair,
        s.yields,
        s.prior,
        *contact_gap,
        s.ramp,
        s.apart,
        s.clear,
    ]
    return np.array(row, dtype=np.float64)
