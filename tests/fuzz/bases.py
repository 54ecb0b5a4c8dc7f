"""The sound files that are damaged: small ones of every kind, in the layouts that writers leave."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hand_files import mano_arrays, official_pickle, python2_pickle

from retarget.actions import Normalization
from retarget.core.resources import resource
from retarget.data.convert import demo_to_human, to_actions
from retarget.data.demo.writer import save_demo
from retarget.data.generate.make_demo import make_demo
from retarget.human.hand_model import load_hand
from retarget.mapping.retargeter import Retargeter

FRAMES = 32


@dataclass(frozen=True)
class Base:
    """A sound file.

    Attributes:
        kind: what kind of file it is, in the words of the table.
        path: where it lies.
        data: its bytes.
        regions: parts of it that are structure and not numbers, from and to which byte; empty where
            all of it is.
    """

    kind: str
    path: Path
    data: bytes = field(repr=False)
    regions: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Bases:
    """The sound files of each kind, and a demonstration for the commands that need one."""

    of: dict[str, list[Base]]
    demo: bytes = field(repr=False)

    @property
    def kinds(self) -> list[str]:
        return list(self.of)


def make_bases(folder: Path, only: Collection[str] = ()) -> Bases:
    """Make the sound files in a folder, of all kinds or some; the same bytes each time."""
    retargeter = Retargeter()
    demo = folder / "demo.hdf5"
    save_demo(demo, make_demo(frames=FRAMES, seed=3))
    one_sided = folder / "left_only.hdf5"
    shutil.copyfile(demo, one_sided)
    with h5py.File(one_sided, "r+") as file:
        del file["observations/right_ee_pose"], file["observations/right_finger_tip_pos"]
    demos = [demo, one_sided, *(_relaid(demo, folder, how) for how in _LAYOUTS)]

    human, bare = folder / "human.hdf5", folder / "bare_human.hdf5"
    demo_to_human(demo, human, retargeter=retargeter, camera="main")
    with h5py.File(human) as source, h5py.File(bare, "w") as file:
        for name in ("pca", "T_world_mano"):
            file[name] = source[name][:]
        for name in ("format", "version", "rate", "hand", "components"):
            file.attrs[name] = source.attrs[name]
    steps, chunks = folder / "actions.hdf5", folder / "chunks.hdf5"
    to_actions(demo, steps, retargeter=retargeter, camera="main")
    to_actions(
        demo,
        chunks,
        retargeter=retargeter,
        camera="main",
        horizon=8,
        stride=4,
        normalization=Normalization.egovla(),
    )
    normalization = folder / "normalization.json"
    Normalization.egovla().save(normalization)
    robot, hands = resource("robots", "h1_inspire"), resource("mano_models")
    pickled = _pickles(folder)
    found: dict[str, list[Path]] = {
        "demonstration": demos,
        "human motion": [human, bare],
        "actions": [steps, chunks],
        "URDF": [robot / "h1_inspire.urdf"],
        "robot.toml": [robot / "robot.toml"],
        "calibration": [robot / "calibration.toml"],
        "hand networks": sorted(robot.glob("*.safetensors")),
        "pickle": pickled,
        "npz": sorted(hands.glob("OPEN_HAND_*.npz")),
        "normalisation": [normalization],
    }
    of = {
        kind: [Base(kind, path, path.read_bytes(), tuple(structure(path))) for path in paths]
        for kind, paths in found.items()
        if kind in (only or found)
    }
    return Bases(of, demo.read_bytes())


def structure(path: Path) -> list[tuple[int, int]]:
    """The parts of an HDF5 file that are no numbers of datasets, as (from, to); else none."""
    if path.suffix != ".hdf5":
        return []
    taken: list[tuple[int, int]] = []

    def note(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.chunks is None:
            if item.id.get_offset() is not None:
                taken.append((item.id.get_offset(), item.id.get_storage_size()))
            return
        for number in range(item.id.get_num_chunks()):
            chunk = item.id.get_chunk_info(number)
            taken.append((chunk.byte_offset, chunk.size))

    with h5py.File(path) as file:
        file.visititems(note)
    found, at = [], 0
    for start, size in sorted(taken):
        if start > at:
            found.append((at, start))
        at = max(at, start + size)
    if at < path.stat().st_size:
        found.append((at, path.stat().st_size))
    return found


def _plain(source: Any, file: Any) -> None:
    """Contiguous single precision, as a recorder without options would write."""
    for name, item in _datasets(source):
        file[name] = item[:].astype("f4") if item.dtype.kind == "f" else item[()]


def _packed(source: Any, file: Any) -> None:
    """Compressed, shuffled and checksummed, with pictures and scalars beside."""
    for name, item in _datasets(source):
        if item.ndim:
            file.create_dataset(
                name, data=item[:], compression="gzip", shuffle=True, fletcher32=True
            )
        else:
            file[name] = item[()]
    pictures = np.random.default_rng(0).integers(0, 255, (FRAMES, 6, 8, 3), dtype="u1")
    file.create_dataset("observations/images/main", data=pictures, chunks=(1, 6, 8, 3))
    file["success"] = np.array(True)
    file["language"] = "open the drawer"
    file["alias"] = h5py.SoftLink("/observations/qpos")


# how a demonstration is laid out anew: what its datasets become, and in which version of the format
_LAYOUTS = {
    "plain": (_plain, "earliest"),
    "packed": (_packed, "earliest"),
    "newest": (_packed, "latest"),
}


def _relaid(demo: Path, folder: Path, how: str) -> Path:
    """The demonstration in another layout."""
    change, version = _LAYOUTS[how]
    path = folder / f"{how}.hdf5"
    with h5py.File(demo) as source, h5py.File(path, "w", libver=version) as file:
        change(source, file)
        for name, value in source.attrs.items():
            file.attrs[name] = value
    return path


def _datasets(file: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    file.visititems(
        lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None
    )
    return found


def _pickles(folder: Path) -> list[Path]:
    """The open hand as the official files are laid out, and as a plain pickle."""
    arrays = mano_arrays(load_hand("right"))
    official, plain = folder / "MANO_RIGHT.pkl", folder / "plain_MANO_RIGHT.pkl"
    official.write_bytes(official_pickle(arrays))
    plain.write_bytes(python2_pickle(arrays))
    return [official, plain]
