"""The library's exceptions: one root, each carrying what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class RetargetError(Exception):
    """Root of every error this library raises on purpose.

    Args:
        message: what was wrong and what was expected, in one sentence.
        evidence: what was seen, by name (``path``, ``key``, ``frame``, ``value``, ...).
    """

    def __init__(self, message: str, **evidence: Any) -> None:
        super().__init__(message)
        self.evidence = evidence


class InputError(RetargetError):
    """An argument or an array the caller passed is not what the function takes."""


class FileError(RetargetError):
    """A file cannot be read or written, or does not hold what it should.

    The message always begins with the path.
    """

    def __init__(self, path: str | Path, message: str, **evidence: Any) -> None:
        super().__init__(f"{path}: {message}", path=str(path), **evidence)


class DemoError(FileError):
    """A demonstration file is unusable; evidence names the key and, if there is one, the frame."""


class ModelError(FileError):
    """A hand model, robot or checkpoint file is unusable, or belongs to something else."""


class TrainingError(RetargetError):
    """A training run missed its accuracy gate; evidence holds the measured errors."""
