"""Finds the data folders that travel with the package: ``robots/``, ``mano_models/``."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(*parts: str) -> Path:
    """Path of a data file or folder of the project.

    An installed package holds the data inside itself; a source checkout, or an editable
    installation of one, holds it one level up. The path may not exist: what is missing is for the
    caller to say.

    Args:
        parts: path components below the data root, e.g. ``"robots", "h1_inspire"``.
    """
    inside = _PACKAGE.joinpath("assets", *parts)
    return inside if inside.exists() else _PACKAGE.parent.joinpath(*parts)
