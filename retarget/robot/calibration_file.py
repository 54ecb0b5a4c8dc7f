"""Reads and writes ``calibration.toml``: the similarity from each robot hand to the human hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retarget.core.errors import FileError
from retarget.core.toml_table import Table
from retarget.core.types import SIDES, Calibration

_HEAD = """\
# Similarity from each robot hand to the human hand named by `hand`, found by `retarget calibrate`:
# p_human = R (A^T p_robot) / scale + translation + J0, R = exp(rotation) [rad], translation [m].
"""


def read_calibration(path: Path) -> tuple[tuple[str, Calibration], ...] | None:
    """Per side, left then right: the name of the human hand model, and the calibration.

    Args:
        path: the file; where there is none, the robot has not been calibrated: None.

    Raises:
        ModelError: the file does not hold what it should, naming the key.
    """
    if not path.is_file():
        return None
    root = Table.read(path)
    root.only(*SIDES)
    found = []
    for side in SIDES:
        table = root.table(side)
        table.only("hand", "scale", "rotation", "translation")
        calibration = Calibration(
            scale=table.number("scale", positive=True),
            rotation=table.array("rotation", 3),
            translation=table.array("translation", 3),
        )
        found.append((table.text("hand"), calibration))
    return tuple(found)


def write_calibration(path: Path, hand: str, calibrations: Sequence[Calibration]) -> None:
    """Writes the calibrations, left then right; floats come back exactly.

    Args:
        path: the file, replaced where it exists.
        hand: name of the human hand model they were found for.
        calibrations: left, right.

    Raises:
        FileError: the file cannot be written.
    """
    text = _HEAD
    for side, calibration in zip(SIDES, calibrations, strict=True):
        rotation = ", ".join(repr(float(x)) for x in calibration.rotation)
        translation = ", ".join(repr(float(x)) for x in calibration.translation)
        text += (
            f'\n[{side}]\nhand = "{hand}"\nscale = {float(calibration.scale)!r}\n'
            f"rotation = [{rotation}]\ntranslation = [{translation}]\n"
        )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror}") from error
