"""A TOML file read key by key; whatever is missing or misshapen is named with file and key."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import InputError, ModelError
from retarget.core.reading import read_text
from retarget.core.types import FloatArray

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


LARGEST = 1e6  # of a number in a robot's files: metres, radians, seconds
_MOST_BYTES = 4 * 2**20
_MOST_SHOWN = 100  # characters of a wrong value


class Table:
    """One table of a TOML file; every getter raises a `ModelError` naming the file and the key.

    Args:
        path: the file, for messages.
        data: the table's content.
        prefix: dotted name of the table within the file, empty for the whole file.
    """

    def __init__(self, path: Path, data: dict[str, Any], prefix: str = "") -> None:
        self.path = path
        self._data = data
        self._prefix = prefix

    @classmethod
    def load(cls, path: Path) -> Table:
        """The whole file.

        Raises:
            ModelError: the file is missing, unreadable or not TOML.
        """
        try:
            return cls(path, tomllib.loads(read_text(path, _MOST_BYTES, "a TOML file", ModelError)))
        except tomllib.TOMLDecodeError as error:
            raise ModelError(path, f"is not valid TOML: {error}") from error
        except RecursionError:
            raise ModelError(path, "is nested too deep, expected a TOML file") from None
        except ValueError as error:  # a number of ten thousand digits, a day that is none
            raise ModelError(path, f"is not valid TOML: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def only(self, *allowed: str) -> None:
        """Refuses any key that is not allowed: a misspelt one would be ignored otherwise."""
        for key in self._data:
            if key not in allowed:
                raise self.error(key, f"is not a known key; expected {', '.join(allowed)}")

    def error(self, key: str, message: str) -> ModelError:
        """The error to raise about a key."""
        name = f"{self._prefix}.{key}" if self._prefix else key
        return ModelError(self.path, f"key `{name}` {message}", key=name)

    def refused(self, error: InputError) -> ModelError:
        """The error to raise where a value made of keys refuses one: its message begins with it."""
        key, said = str(error).split(" ", 1)
        return self.error(key, said)

    def table(self, key: str) -> Table:
        """A table within this one."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self.error(key, f"must be a table, got {_shown(value)}")
        return Table(self.path, value, f"{self._prefix}.{key}" if self._prefix else key)

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._get(key)
        if not isinstance(value, str) or not value:
            raise self.error(key, f"must be a non-empty string, got {_shown(value)}")
        return value

    def number(self, key: str, default: float | None = None, positive: bool = False) -> float:
        """A finite number, or the default where the key is absent."""
        if default is not None and key not in self._data:
            return default
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(key, f"must be a number, got {_shown(value)}")
        if not abs(value) <= LARGEST or (positive and value <= 0):
            kind = "positive" if positive else "finite"
            raise self.error(
                key, f"must be a {kind} number of at most {LARGEST:g}, got {_shown(value)}"
            )
        return float(value)

    def array(self, key: str, *shape: int) -> FloatArray:
        """Finite numbers of a fixed shape, read-only."""
        value = self._get(key)
        try:
            array = np.array(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError, RecursionError):
            array = np.full((), np.nan)
        if array.shape != shape or not np.all(np.abs(array) <= LARGEST):
            wanted = " x ".join(map(str, shape))
            raise self.error(
                key,
                f"must hold {wanted} finite numbers of at most {LARGEST:g}, got {_shown(value)}",
            )
        array.setflags(write=False)
        return array

    def names(self, key: str, count: int | None = None) -> tuple[str, ...]:
        """Distinct names; as many as ``count`` where it is given, else at least one."""
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.error(key, f"must be a list of names, got {_shown(value)}")
        doubled = sorted({v for v in value if value.count(v) > 1})
        if doubled:
            raise self.error(key, f"holds a name twice: {', '.join(doubled)}")
        if len(value) != count if count is not None else not value:
            wanted = "at least 1" if count is None else count
            raise self.error(key, f"must hold {wanted} names, got {len(value)}")
        return tuple(value)

    def _get(self, key: str) -> Any:
        if key not in self._data:
            raise self.error(key, "is missing")
        return self._data[key]


def _shown(value: object) -> str:
    """A wrong value, as far as it helps."""
    try:
        said = repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits, a deep nest
        return "one that cannot be shown"
    return said if len(said) <= _MOST_SHOWN else f"{said[:_MOST_SHOWN]}..."
