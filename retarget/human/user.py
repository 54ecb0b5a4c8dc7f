"""User: what is known of one person's hands and of the tracker that sees them; stored as TOML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.checks import real, real_array
from retarget.core.errors import InputError
from retarget.core.files import write_text
from retarget.core.toml_table import Table
from retarget.core.types import FINGERS, SIDES, FloatArray
from retarget.core.values import ArrayValue

BONES = 3  # of a finger, from its base on
NOISE = 0.002  # [m] of a tracker that nobody has measured
CONTACT_GAP = 0.012  # [m] between the centres of two fingertips that touch
_FILE = "retarget user"


def _ones() -> FloatArray:
    return np.ones((len(FINGERS), BONES))


def _zeros() -> FloatArray:
    return np.zeros((len(FINGERS), 3))


def _gaps() -> FloatArray:
    return np.full(len(FINGERS) - 1, CONTACT_GAP)


@dataclass(frozen=True, eq=False)
class User(ArrayValue):
    """One person's hands, as a tracker sees them. The left hand is the mirror of the right.

    Attributes:
        size: of the hands over those of the hand model [-].
        stretch: (5, 3) length of each bone over the hand model's, `size` apart [-]; thumb to pinky,
            from the finger's base to its tip.
        palm: (5, 3) how far each finger's base lies from where `size` puts it, in the axes of the
            right hand's model [m].
        noise: standard deviation of a tracked coordinate [m].
        contact_gap: (4,) distance between the tip of the thumb and those of the other fingers when
            they touch, index to pinky [m].
        layout: name of the tracker's keypoint layout, "" where unknown.
        sides: the hands that were seen, of `SIDES`.
        frames: number of frames it was found from, 0 where it was not.

    Raises:
        InputError: a number is out of range, or an array has another shape.
    """

    size: float = 1.0
    stretch: FloatArray = field(default_factory=_ones)
    palm: FloatArray = field(default_factory=_zeros)
    noise: float = NOISE
    contact_gap: FloatArray = field(default_factory=_gaps)
    layout: str = ""
    sides: tuple[str, ...] = SIDES
    frames: int = 0

    def __post_init__(self) -> None:
        """Check and lock the numbers."""
        for name, low, high in (("size", 0.2, 5.0), ("noise", 1e-5, 0.1)):
            value = real(name, getattr(self, name))
            if not low <= value <= high:
                raise InputError(f"{name} must be {low:g} to {high:g}, got {value:g}", value=value)
        for name, shape, low, high in (
            ("stretch", (len(FINGERS), BONES), 0.1, 10.0),
            ("palm", (len(FINGERS), 3), -0.2, 0.2),
            ("contact_gap", (len(FINGERS) - 1,), 0.0, 0.1),
        ):
            values = np.array(real_array(getattr(self, name), name))
            if values.shape != shape:
                raise InputError(f"{name} must have shape {shape}, got {values.shape}")
            if not np.all((values >= low) & (values <= high)):
                raise InputError(f"{name} must be {low:g} to {high:g}, got {values.tolist()}")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if not re.fullmatch(r"[\w.+-]*", self.layout):
            raise InputError(f"layout must be a name, got {self.layout!r}", value=self.layout)
        if not self.sides or any(side not in SIDES for side in self.sides):
            raise InputError(f"sides must be of {', '.join(SIDES)}, got {self.sides!r}")

    def as_table(self) -> dict[str, Any]:
        """All numbers by name, as JSON takes them."""
        return {
            field.name: value.tolist() if isinstance(value, np.ndarray) else value
            for field in fields(self)
            for value in (getattr(self, field.name),)
        }

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> User:
        """What `as_table` gave.

        Raises:
            InputError: a number is out of range, or a name is unknown.
        """
        if not isinstance(table, dict):
            raise InputError(f"a user is a table of numbers, got {table!r}")
        unknown = set(table) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(f"{sorted(unknown)[0]} is not known of a user")
        given = dict(table)
        for name in ("stretch", "palm", "contact_gap"):
            if name in given:
                given[name] = np.array(given[name], dtype=np.float64)
        return cls(**{**given, "sides": tuple(given.get("sides", SIDES))})

    def save(self, path: str | Path) -> None:
        """Write a TOML file, whole or not at all.

        Raises:
            FileError: it cannot be written.
        """
        names = ", ".join(f'"{side}"' for side in self.sides)
        lines = [
            f'file = "{_FILE}"',
            f"size = {self.size!r}",
            f"noise = {self.noise!r}  # [m]",
            *([f'layout = "{self.layout}"'] if self.layout else ()),
            f"sides = [{names}]",
            f"frames = {self.frames}",
            f"contact_gap = {self.contact_gap.tolist()}  # [m] thumb to index, middle, ring, pinky",
            "",
            "[stretch]  # bones over the hand model's, from the finger's base on",
            *_rows(self.stretch),
            "",
            "[palm]  # fingers' bases, off where the size puts them [m]",
            *_rows(self.palm),
        ]
        write_text(path, "\n".join(lines) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> User:
        """Read what `save` wrote.

        Raises:
            ModelError: no such file, no TOML, or a key that is missing, unknown or out of range.
        """
        table = Table.load(Path(path))
        keys = ("file", "size", "noise", "layout", "sides", "frames", "contact_gap")
        table.only(*keys, "stretch", "palm")
        if table.text("file") != _FILE:
            raise table.error("file", f'must be "{_FILE}"')
        stretch, palm = table.table("stretch"), table.table("palm")
        for inner in (stretch, palm):
            inner.only(*FINGERS)
        try:
            return cls(
                size=table.number("size", positive=True),
                stretch=np.stack([stretch.array(finger, BONES) for finger in FINGERS]),
                palm=np.stack([palm.array(finger, 3) for finger in FINGERS]),
                noise=table.number("noise", positive=True),
                contact_gap=table.array("contact_gap", len(FINGERS) - 1),
                layout=table.text("layout") if "layout" in table else "",
                sides=table.names("sides"),
                frames=_whole(table, "frames"),
            )
        except InputError as error:
            raise table.refused(error) from None


def _whole(table: Table, key: str) -> int:
    value = table.number(key)
    if value < 0.0 or value != int(value):
        raise table.error(key, f"must be a whole number, got {value:g}")
    return int(value)


def _rows(values: FloatArray) -> list[str]:
    return [f"{name} = {row.tolist()}" for name, row in zip(FINGERS, values, strict=True)]
