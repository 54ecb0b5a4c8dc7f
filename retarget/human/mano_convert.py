"""Checks a hand model's file and writes it out as a plain npz, with what was mended said in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retarget.core.errors import FileError, ModelError
from retarget.core.files import replacing
from retarget.core.types import SIDES
from retarget.human.hand_model import find_hand, hand_from_arrays, load_arrays
from retarget.human.mano_format import NOTES, hand_arrays, length_width_correlation


@dataclass(frozen=True)
class HandFileReport:
    """What a hand model's file holds.

    Attributes:
        path: the file.
        side: "left" or "right", from the shape of the hand.
        shapes: the shape of every array, by its MANO name.
        hash: 16 hexadecimal digits of the model's numbers; the same for the pickle and its npz.
        length_width: correlation of hand length and width over the model's shapes, after mending.
        notes: what was mended.
    """

    path: Path
    side: str
    shapes: dict[str, tuple[int, ...]]
    hash: str
    length_width: float
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report as text, one fact a line."""
        shapes = ", ".join(f"{key} {'x'.join(map(str, n))}" for key, n in self.shapes.items())
        return [
            f"{self.path}: a {self.side} hand in MANO's format, hash {self.hash}",
            f"  arrays: {shapes}",
            f"  long hands are wide hands: correlation {self.length_width:+.2f}",
            *(f"  note: {note}" for note in self.notes or ("nothing to mend",)),
        ]


def hand_files(path: str | Path) -> list[Path]:
    """The hand models at `path`: itself if it is a file, else those that a folder holds.

    Raises:
        ModelError: there is no such file or folder, or the folder holds none.
    """
    if Path(path).is_file():
        return [Path(path)]
    found = []
    for side in SIDES:
        try:
            found.append(find_hand(side, path))
        except ModelError:
            continue
    if not found:
        if not Path(path).exists():
            raise ModelError(path, "no such file or folder")
        raise ModelError(path, "no MANO_LEFT or MANO_RIGHT (.npz or .pkl) there")
    return found


def check(path: str | Path) -> HandFileReport:
    """Read a hand model's file, npz or pickle, and tell what it is; nothing is written.

    Raises:
        ModelError: the file cannot be read, is not a hand model, or names code.
    """
    found = hand_arrays(load_arrays(Path(path)), path)
    return HandFileReport(
        path=Path(path),
        side=found.side,
        shapes={key: array.shape for key, array in found.arrays.items()},
        hash=hand_from_arrays(found.side, found.arrays, path).hash,
        length_width=length_width_correlation(found.arrays),
        notes=found.notes,
    )


def convert(path: str | Path, out: str | Path | None = None, *, overwrite: bool = False) -> Path:
    """Write a hand model as an npz that needs neither pickle nor chumpy, mended where it was wrong.

    Args:
        path: the file to read, npz or pickle.
        out: the file to write, or a folder for ``MANO_LEFT.npz`` or ``MANO_RIGHT.npz``; by default
            the folder of `path`.
        overwrite: whether a file that is already there may be replaced.

    Returns:
        The file written. It holds MANO's names, so that smplx reads it too.

    Raises:
        ModelError: as in `check`.
        FileError: the file exists, or cannot be written.
    """
    found = hand_arrays(load_arrays(Path(path)), path)
    target = _place(path, found.side, out)
    if target.exists() and target.samefile(path):
        raise FileError(target, "is the file to convert, and will not be written over")
    if target.exists() and not overwrite:
        raise FileError(target, "already exists")
    content: dict[str, Any] = {
        **found.arrays,
        "f": found.arrays["f"].astype(np.uint32),
        "kintree_table": found.arrays["kintree_table"].astype(np.int64),
        "J": found.arrays["J_regressor"] @ found.arrays["v_template"],
        "bs_style": np.array("lbs"),
        "bs_type": np.array("lrotmin"),
        NOTES: np.array(found.notes, dtype=np.str_),
    }
    with replacing(target) as part:
        np.savez_compressed(part, **content)
    return target


def converted_place(path: str | Path, out: str | Path | None = None) -> Path:
    """The file that `convert` would write; nothing is written.

    Raises:
        ModelError: as in `check`.
        FileError: ``out`` is neither a folder nor an npz file.
    """
    return _place(path, check(path).side, out)


def _place(path: str | Path, side: str, out: str | Path | None) -> Path:
    target = Path(path).parent if out is None else Path(out)
    if target.is_dir():
        return target / f"MANO_{side.upper()}.npz"
    if target.suffix != ".npz":
        raise FileError(target, "the converted file must be a .npz file or a folder")
    return target
