"""Cases: which file is damaged how, and which command is given it; the same for the same seed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzz.archive_changes import change_npz, change_pickle, change_safetensors
from fuzz.bases import Base, Bases
from fuzz.byte_changes import change_bytes
from fuzz.commands import COMMANDS, outputs
from fuzz.hdf5_changes import change_structure
from fuzz.text_changes import change_text, change_urdf
from retarget.core.resources import resource

# shares of the kinds among the files tried
SHARES = {
    "demonstration": 38,
    "human motion": 12,
    "actions": 12,
    "URDF": 9,
    "robot.toml": 7,
    "calibration": 4,
    "hand networks": 5,
    "pickle": 5,
    "npz": 5,
    "normalisation": 3,
}
BY_BYTES = 0.45  # of the files, the rest by what they hold
DEMO = "sound.hdf5"
OLD = b"what stood there before\n"  # in some of the places that a command is told to write


@dataclass(frozen=True)
class Case:
    """One command on one damaged file, set up in a folder of its own.

    Attributes:
        kind: of the file that is damaged.
        number: of the case within its seed.
        arguments: of ``retarget``.
        damaged: the damaged file, as the case's folder has it.
        outputs: files and folders that the command may write.
        how: how the file was damaged.
    """

    kind: str
    number: int
    arguments: tuple[str, ...]
    damaged: str
    outputs: tuple[str, ...]
    how: str


def make_case(seed: int, number: int, bases: Bases, folder: Path) -> Case:
    """Set up a case: its damaged file, and what the command needs beside it."""
    random = Random(f"{seed}:{number}")
    kind = random.choices(bases.kinds, [SHARES[kind] for kind in bases.kinds])[0]
    base = random.choice(bases.of[kind])
    command = random.choices(COMMANDS[kind], [command.weight for command in COMMANDS[kind]])[0]
    damaged = folder / command.folder / base.path.name
    damaged.parent.mkdir(exist_ok=True)
    how = _damage(base, damaged, random)
    if command.folder:
        _complete(damaged, base)
    words = command.words(base.path.name)
    if "DEMO" in words:
        (folder / DEMO).write_bytes(bases.demo)
    places = outputs(words)
    for place in places:
        if not place.endswith("/") and random.random() < 0.25 and words[0] != "mano":
            (folder / place).write_bytes(OLD)
    return Case(
        kind,
        number,
        tuple(DEMO if word == "DEMO" else word for word in words),
        str(damaged.relative_to(folder)),
        places,
        how,
    )


def _damage(base: Base, path: Path, random: Random) -> str:
    """Write a damaged copy of a base; says how."""
    inner = Random(random.random())
    if random.random() < BY_BYTES or not _survives(lambda: _change(base, path, inner)):
        path.write_bytes(change_bytes(base, random))
        return f"bytes of {base.path.name}"
    return f"contents of {base.path.name}"


def _change(base: Base, path: Path, random: Random) -> None:
    """Write a copy of a base whose contents are changed."""
    if base.kind in _CONTENTS:
        path.write_bytes(_CONTENTS[base.kind](base.data, random))
    else:
        path.write_bytes(base.data)
        change_structure(path, random)


def _survives(change: Callable[[], None]) -> bool:
    """Make changes in a child process: neither HDF5 nor every change survives those before."""
    child = os.fork()
    if child == 0:
        try:
            change()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


_CONTENTS: dict[str, Callable[[bytes, Random], bytes]] = {
    "URDF": change_urdf,
    "robot.toml": change_text,
    "calibration": change_text,
    "normalisation": change_text,
    "hand networks": change_safetensors,
    "pickle": change_pickle,
    "npz": change_npz,
}


def _complete(damaged: Path, base: Base) -> None:
    """Put beside a damaged file what belongs to it: the other hand, the robot's other files."""
    folder = damaged.parent
    if base.kind == "demonstration":
        shutil.copyfile(base.path, folder / "another.hdf5")
        return
    if base.kind in ("pickle", "npz"):
        source = base.path.parent if base.kind == "npz" else resource("mano_models")
        for other in source.glob("OPEN_HAND_*.npz"):
            if other.name != damaged.name and ("LEFT" in other.name) != ("LEFT" in damaged.name):
                shutil.copyfile(other, folder / other.name)
        return
    for pattern in ("*.urdf", "robot.toml", "calibration.toml", "*.safetensors"):
        for other in base.path.parent.glob(pattern):
            if other.name != damaged.name:
                shutil.copyfile(other, folder / other.name)
