"""Hand models in MANO's format: one frozen value per hand, found and read from files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError, ModelError
from retarget.core.reading import require_file
from retarget.core.resources import resource
from retarget.core.types import SIDES, FloatArray, IntArray, side_index
from retarget.human.mano_format import JOINTS, PARENTS, hand_arrays, spread

_LARGEST = 2**28  # bytes that a hand model's arrays may have

MIRROR = np.array([-1.0, 1.0, 1.0])  # a reflection in x: points and, negated, rotation vectors
FOLDER = "mano_models"


@dataclass(frozen=True, eq=False)
class HandModel:
    """One hand, as numbers. The arrays are read-only copies.

    Attributes:
        side: "left" or "right".
        template: (V, 3) vertices at rest and zero shape [m].
        shapedirs: (V, 3, S) displacement per unit of each shape coefficient [m].
        posedirs: (V, 3, 135) displacement per entry of (rotation - identity) of joints 1..15 [m].
        regressor: (16, V) joints from vertices [-].
        weights: (V, 16) skinning weights [-].
        faces: (F, 3) vertex indices, counter-clockwise from outside.
        components: (45, 45) rows: principal directions of the pose [rad].
        mean: (45,) mean pose, rotation vectors of joints 1..15 [rad].
        sigma: (45,) standard deviation of the poses along each component [rad].
        parents: (16,) the joint above each joint, -1 for the root.
        source: the file it came from.
        notes: what was found and mended on reading.
        hash: 16 hexadecimal digits of the numbers, whatever file they were read from.
    """

    side: str
    template: FloatArray
    shapedirs: FloatArray
    posedirs: FloatArray
    regressor: FloatArray
    weights: FloatArray
    faces: IntArray
    components: FloatArray
    mean: FloatArray
    sigma: FloatArray
    parents: IntArray = field(default_factory=lambda: np.array(PARENTS))
    source: str = ""
    notes: tuple[str, ...] = ()
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        """Lock the arrays and name the content."""
        if self.side not in SIDES:
            raise InputError(f"side must be one of {', '.join(SIDES)}, got {self.side!r}")
        for name, value in vars(self).copy().items():
            if isinstance(value, np.ndarray):
                locked = value.copy()
                locked.setflags(write=False)
                object.__setattr__(self, name, locked)
        object.__setattr__(self, "hash", _content_hash(self))

    def joints(self, betas: ArrayLike | None = None) -> FloatArray:
        """Rest joints (16, 3) [m] for shape coefficients ``betas`` (S' <= S,), zero by default.

        Raises:
            InputError: there are more coefficients than shape directions.
        """
        shaped = self.template
        if betas is not None:
            b = np.asarray(betas, dtype=np.float64)
            if b.ndim != 1 or b.shape[0] > self.shapedirs.shape[2]:
                most = self.shapedirs.shape[2]
                raise InputError(f"betas must have shape (S,), S <= {most}, got {b.shape}")
            shaped = shaped + self.shapedirs[:, :, : b.shape[0]] @ b
        return np.asarray(self.regressor @ shaped)

    @property
    def root(self) -> FloatArray:
        """Root joint (3,) at zero shape [m]: EgoVLA's J0."""
        return np.asarray(self.joints()[0])

    def mirrored(self) -> HandModel:
        """The other hand: reflected in x; equal coefficients make mirrored poses and shapes."""
        features = np.tile(np.outer(MIRROR, MIRROR).ravel(), JOINTS - 1)
        rotations = np.tile(-MIRROR, JOINTS - 1)
        return replace(
            self,
            side=SIDES[1 - SIDES.index(self.side)],
            template=self.template * MIRROR,
            shapedirs=self.shapedirs * MIRROR[:, None],
            posedirs=self.posedirs * MIRROR[:, None] * features,
            faces=self.faces[:, ::-1],
            components=self.components * rotations,
            mean=self.mean * rotations,
            source=f"mirror of {self.source}",
        )


def hand_from_arrays(side: str, arrays: Mapping[str, Any], source: str | Path) -> HandModel:
    """The model of `side` from the arrays of a file in MANO's format, by their MANO names.

    Raises:
        ModelError: an array is missing, misshapen or not finite, or belongs to the other hand.
    """
    found = hand_arrays(arrays, source)
    if found.side != side:
        raise ModelError(source, f"holds a {found.side} hand, but the {side} hand was asked for")
    a = found.arrays
    return HandModel(
        side=side,
        template=a["v_template"],
        shapedirs=a["shapedirs"],
        posedirs=a["posedirs"],
        regressor=a["J_regressor"],
        weights=a["weights"],
        faces=a["f"].astype(np.int64),
        components=a["hands_components"],
        mean=a["hands_mean"],
        sigma=spread(a),
        source=str(source),
        notes=found.notes,
    )


def load_hand(side: str | int, source: str | Path | None = None) -> HandModel:
    """Load one hand.

    Args:
        side: "left" or 0, "right" or 1.
        source: None or "open" for the open hand that comes with the library; "mano" for
            MANO_LEFT or MANO_RIGHT (.npz before .pkl) in ``$MANO_MODELS``, a folder or a file
            in it, or in ``mano_models/``; else the path of a file, or of a folder that holds one.

    Raises:
        InputError: there is no such side.
        ModelError: no file is found, or it is not a hand model of that side.
    """
    name = SIDES[side_index(side)]
    path = find_hand(name, source)
    return hand_from_arrays(name, load_arrays(path), path)


def load_hands(source: str | Path | None = None) -> tuple[HandModel, HandModel]:
    """Both hands, left then right; `source` as in `load_hand`, where a file stands for its pair.

    Raises:
        ModelError: a file is missing, or is not a hand model of its side.
    """
    left, right = map(load_hand, SIDES, find_hands(source))
    return left, right


def hands_hash(hands: tuple[HandModel, HandModel]) -> str:
    """16 hexadecimal digits naming a pair (left, right): what pose coefficients are meant for."""
    return hashlib.sha256("".join(hand.hash for hand in hands).encode()).hexdigest()[:16]


def find_hands(source: str | Path | None = None) -> tuple[Path, Path]:
    """The files that `load_hands` reads, left then right.

    A file stands for itself and the other hand's beside it, of the same name but for "left" and
    "right" in it.

    Raises:
        ModelError: there is none; the message lists the places that were searched.
    """
    if source in (None, "open", "mano") or not Path(source).is_file():
        return find_hand(SIDES[0], source), find_hand(SIDES[1], source)
    path = Path(source)
    for words in (SIDES, tuple(map(str.upper, SIDES)), tuple(map(str.title, SIDES))):
        for here, there in (words, words[::-1]):
            if here in path.stem:
                other = path.with_name(path.name.replace(here, there))
                if not other.is_file():
                    raise ModelError(other, f"no such file; it is the other hand of {path.name}")
                return (path, other) if here == words[0] else (other, path)
    raise ModelError(
        path,
        "is of one hand, and its name has no 'left' or 'right' by which to find the other; "
        "name a folder with both",
    )


def find_hand(side: str, source: str | Path | None = None) -> Path:
    """The file that `load_hand` reads.

    Raises:
        ModelError: there is none; the message lists the places that were searched.
    """
    open_name = f"OPEN_HAND_{side.upper()}.npz"
    mano_names = [f"MANO_{side.upper()}{suffix}" for suffix in (".npz", ".pkl")]
    if source in (None, "open"):
        folders, names = [resource(FOLDER)], [open_name]
    elif source == "mano":
        named = os.environ.get("MANO_MODELS")
        folders, names = [*([Path(named)] if named else []), resource(FOLDER)], mano_names
    else:
        folders, names = [Path(source)], [*mano_names, open_name]
        if folders[0].is_file():
            return folders[0]
    folders = [folder.parent if folder.is_file() else folder for folder in folders]
    for folder in folders:
        # MANO's archive keeps its files in models/, smplx's users in mano/
        for path in (folder / sub / name for sub in ("", "mano", "models") for name in names):
            if path.is_file():
                return path
    hint = " (get it from mano.is.tue.mpg.de, or set MANO_MODELS)" if source == "mano" else ""
    places = ", ".join(map(str, folders))
    raise ModelError(places, f"no {' or '.join(names)} there{hint}", searched=places)


def load_arrays(path: Path) -> dict[str, Any]:
    """The raw arrays of an npz or pickle file, by name, none of them checked.

    Raises:
        ModelError: the file cannot be read, or holds something other than arrays.
    """
    if path.suffix != ".npz":
        from retarget.human.mano_pickle import load_mano_pickle

        return load_mano_pickle(path)
    require_file(path, "a hand model", ModelError)
    try:
        with np.load(path, allow_pickle=False) as file:
            claimed = sum(member.file_size for member in file.zip.infolist())
            if claimed > _LARGEST:
                raise ValueError(f"it unpacks to {claimed} bytes, a hand to less than {_LARGEST}")
            return {key: file[key] for key in file.files}
    except Exception as error:  # a damaged archive raises many types, zlib's and struct's too
        raise ModelError(path, f"cannot be read as npz: {error}") from error


def _content_hash(hand: HandModel) -> str:
    digest = hashlib.sha256(hand.side.encode())
    exact = (hand.template, hand.shapedirs, hand.posedirs, hand.regressor, hand.weights)
    for array in (*exact, hand.components, hand.mean):
        # + 0.0 makes -0.0 and 0.0 one
        digest.update(np.ascontiguousarray(array + 0.0, dtype="<f8").tobytes())
    digest.update(np.ascontiguousarray(hand.faces, dtype="<i8").tobytes())
    # the spread may be computed by a sum, whose last digits depend on the machine
    digest.update(" ".join(f"{s:.6e}" for s in hand.sigma).encode())
    return digest.hexdigest()[:16]
