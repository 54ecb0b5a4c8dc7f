"""Normalisation of actions: applied once, undone once, computed from data, kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from retarget.actions.layout import COMPONENTS, HANDS, Action
from retarget.core.arrays import as_numpy, like, namespace
from retarget.core.errors import FileError, InputError
from retarget.core.files import write_text
from retarget.core.reading import read_text
from retarget.core.types import SIDES, FloatArray

_FORMAT, _VERSION = "retarget-normalization", 1
_MOST_BYTES = 2**22
_SIZES = {"translation": 3, "pca": COMPONENTS}
KINDS = ("min_max", "mean_std", "quantile")
_STILL = 1e-12  # numbers that vary less than this, relative to their size, do not vary
# the range of EgoVLA's public code, of both hands
_EGOVLA_MIN = (-1.0, 1.5, -2.0, -3.0, -1.5, -1.0, *(-4.0,) * 9)
_EGOVLA_MAX = (2.2, 3.5, 1.0, 0.5, 4.0, 5.0, *(4.0,) * 9)

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Scaling:
    """``(x - offset) / scale``, number by number of both hands, left then right.

    Attributes:
        offset: 2 x n numbers, in the unit of x.
        scale: 2 x n numbers, none zero, in the unit of x.
    """

    offset: Rows
    scale: Rows


@dataclass(frozen=True)
class Normalization:
    """What is done to an action's numbers before a policy sees them.

    `apply` tags the action with it, and refuses an action that has a tag; `undo` takes the tag off,
    and refuses an action without it or with another: neither can happen twice.

    Attributes:
        kind: where the figures come from: "egovla", "min_max", "mean_std" or "quantile".
        pca: of the coefficients; None where they stay as they are.
        translation: of the wrist positions; None where they stay as they are.
    """

    kind: str
    pca: Scaling | None = None
    translation: Scaling | None = None

    @classmethod
    def egovla(cls) -> Normalization:
        """The published one: coefficients to [0, 1] over a fixed range, the same for both hands."""
        low, high = np.array([_EGOVLA_MIN] * HANDS), np.array([_EGOVLA_MAX] * HANDS)
        return cls("egovla", pca=_scaling(low, high - low))

    @classmethod
    def from_data(
        cls,
        actions: Action | Iterable[Action],
        kind: str = "min_max",
        *,
        fields: Sequence[str] = ("pca",),
        quantiles: tuple[float, float] = (0.01, 0.99),
    ) -> Normalization:
        """Figures from data; hands that are missing are left out. A number that never varies is
        only shifted to zero.

        Args:
            actions: one action, or several of any batch axes.
            kind: "min_max" takes the range to [0, 1]; "mean_std" gives mean 0 and standard
                deviation 1; "quantile" takes the range between two quantiles to [0, 1].
            fields: of "pca" and "translation", those to normalise.
            quantiles: lower and upper, of "quantile".

        Raises:
            InputError: an unknown kind or field, quantiles out of order, an action that is
                normalised already, or a hand of which there is nothing.
        """
        if kind not in KINDS:
            raise InputError(f"kind must be {', '.join(KINDS)}, got {kind!r}")
        unknown = [name for name in fields if name not in _SIZES]
        if unknown or not fields:
            raise InputError(f"fields must be of {', '.join(_SIZES)}, got {list(fields)}")
        if not 0.0 <= quantiles[0] < quantiles[1] <= 1.0:
            raise InputError(f"quantiles must rise within 0 to 1, got {quantiles}")
        several = [actions] if isinstance(actions, Action) else list(actions)
        scalings = {name: _from_rows(_rows(several, name), kind, quantiles) for name in fields}
        return cls(kind, **scalings)

    @property
    def moves_translation(self) -> bool:
        """Wrist positions are normalised too, so that frames cannot be changed."""
        return self.translation is not None

    def apply(self, action: Action) -> Action:
        """The action normalised, and tagged so.

        Raises:
            InputError: it is normalised already, or no `Action`.
        """
        require_action(action)
        if action.normalization is not None:
            raise InputError(
                f"the action is normalised already ({action.normalization.kind}); "
                "doing it twice would give other numbers"
            )
        return self._each(action, lambda x, offset, scale: (x - offset) / scale, self)

    def undo(self, action: Action) -> Action:
        """The action with its numbers as they were.

        Raises:
            InputError: it is not normalised, or by another `Normalization`, or no `Action`.
        """
        require_action(action)
        if action.normalization is None:
            raise InputError("the action is not normalised; there is nothing to undo")
        if action.normalization != self:
            raise InputError(
                f"the action was normalised with other figures ({action.normalization.kind}) "
                f"than these ({self.kind})"
            )
        return self._each(action, lambda x, offset, scale: x * scale + offset, None)

    def to_json(self) -> str:
        """As JSON; figures come back bit by bit."""
        table: dict[str, Any] = {"format": _FORMAT, "version": _VERSION, "kind": self.kind}
        for name in _SIZES:
            scaling: Scaling | None = getattr(self, name)
            if scaling is not None:
                table[name] = {
                    side: {"offset": list(offset), "scale": list(scale)}
                    for side, offset, scale in zip(
                        SIDES, scaling.offset, scaling.scale, strict=True
                    )
                }
        return json.dumps(table, indent=1)

    @classmethod
    def from_json(cls, text: str, path: str | Path = "normalization") -> Normalization:
        """What `to_json` gave.

        Args:
            text: JSON.
            path: what to call it in errors.

        Raises:
            FileError: not JSON, not of this format and version, or figures that cannot be.
        """
        try:
            table = json.loads(text)
        except (RecursionError, ValueError) as cause:
            raise FileError(path, f"is not JSON: {cause}") from None
        if not isinstance(table, dict) or table.get("format") != _FORMAT:
            raise FileError(path, f"is no normalisation: key 'format' is not {_FORMAT!r}")
        if table.get("version") != _VERSION:
            raise FileError(
                path, f"is of version {table.get('version')!r}, this library reads {_VERSION}"
            )
        kind = table.get("kind")
        if kind not in (*KINDS, "egovla"):
            raise FileError(path, f"key 'kind' is {kind!r}, expected {', '.join(KINDS)} or egovla")
        unknown = sorted(set(table) - {"format", "version", "kind", *_SIZES})
        if unknown:
            raise FileError(path, f"has keys that mean nothing here: {', '.join(unknown)}")
        scalings = {
            name: _read_scaling(path, table[name], name) for name in _SIZES if name in table
        }
        if not scalings:
            raise FileError(path, f"normalises nothing: it has neither {' nor '.join(_SIZES)}")
        return cls(kind, **scalings)

    def save(self, path: str | Path) -> None:
        """Write it as a JSON file, whole or not at all.

        Raises:
            FileError: the file cannot be written there.
        """
        write_text(path, self.to_json() + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Normalization:
        """Read what `save` wrote.

        Raises:
            FileError: no such file, or not what it should be.
        """
        return cls.from_json(read_text(path, _MOST_BYTES, "JSON"), path)

    def _each(self, action: Action, rule: Any, tag: Normalization | None) -> Action:
        changed = {}
        for name in _SIZES:
            scaling: Scaling | None = getattr(self, name)
            if scaling is not None:
                values = getattr(action, name)
                offset, scale = like(scaling.offset, values), like(scaling.scale, values)
                done = rule(values, offset, scale)
                # placeholders of missing hands stay as they are
                xp = namespace(values)
                changed[name] = xp.where(action.known[..., None], done, values)
        return replace(action, normalization=tag, **changed)


def require_action(value: object) -> None:
    """Refuse what has no fields, such as a vector.

    Raises:
        InputError: not an `Action`.
    """
    if not isinstance(value, Action):
        raise InputError(
            f"expected an Action, got {type(value).__name__}; `retarget.actions.unpack` makes one "
            "of vectors"
        )


def _scaling(offset: FloatArray, scale: FloatArray) -> Scaling:
    return Scaling(tuple(map(tuple, offset.tolist())), tuple(map(tuple, scale.tolist())))


def _rows(actions: Sequence[Action], name: str) -> list[FloatArray]:
    """The numbers of each hand, (rows, n)."""
    for action in actions:
        require_action(action)
        if action.normalization is not None:
            raise InputError(f"an action is normalised already ({action.normalization.kind})")
    hands = []
    for hand, side in enumerate(SIDES):
        parts = [np.zeros((0, _SIZES[name]))]
        for action in actions:
            values, known = as_numpy(getattr(action, name)), as_numpy(action.known)
            parts.append(values[..., hand, :][known[..., hand]])
        rows = np.concatenate(parts)
        if len(rows) == 0:
            raise InputError(f"there is no frame with a {side} hand to compute figures from")
        hands.append(rows)
    return hands


def _from_rows(hands: Sequence[FloatArray], kind: str, quantiles: tuple[float, float]) -> Scaling:
    offset, scale = [], []
    for rows in hands:
        if kind == "mean_std":
            low, spread = rows.mean(axis=0), rows.std(axis=0)
        elif kind == "min_max":
            low = rows.min(axis=0)
            spread = rows.max(axis=0) - low
        else:
            low, high = np.quantile(rows, quantiles, axis=0)
            spread = high - low
        still = spread <= _STILL * np.maximum(np.abs(rows).max(axis=0), 1.0)
        offset.append(low)
        scale.append(np.where(still, 1.0, spread))
    return _scaling(np.stack(offset), np.stack(scale))


def _read_scaling(path: str | Path, table: Any, name: str) -> Scaling:
    found: dict[str, list[tuple[float, ...]]] = {"offset": [], "scale": []}
    for side in SIDES:
        for key, rows in found.items():
            where = f"{name}.{side}.{key}"
            try:
                row = np.array(table[side][key], dtype=np.float64)
            except (KeyError, TypeError, ValueError, IndexError):
                raise FileError(path, f"key '{where}' is missing or not numbers") from None
            if row.shape != (_SIZES[name],) or not np.isfinite(row).all():
                raise FileError(path, f"key '{where}' must be {_SIZES[name]} finite numbers")
            if key == "scale" and not (row > 0.0).all():
                raise FileError(path, f"key '{where}' must be positive")
            rows.append(tuple(row.tolist()))
    return Scaling(tuple(found["offset"]), tuple(found["scale"]))
