"""The names of an HDF5 file's datasets, however its groups and links are laid."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from retarget.core.hdf5_file import dataset_names


def names(path: Path) -> list[str]:
    with h5py.File(path, "r") as file:
        return dataset_names(file)


def test_all_datasets_are_named_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plain.hdf5"
    with h5py.File(path, "w") as file:
        file["b/inner/y"], file["b/x"], file["a"] = 1.0, 2.0, "text"
        file["type"] = np.dtype("f8")  # a named type
        file.create_group("empty")
    assert sorted(names(path)) == ["a", "b/inner/y", "b/x"]


def test_links_are_followed_within_the_file(tmp_path: Path) -> None:
    other, path = tmp_path / "other.hdf5", tmp_path / "links.hdf5"
    with h5py.File(other, "w") as file:
        file["z"] = 0.0
    with h5py.File(path, "w") as file:
        file["g/d"] = 1.0
        file["hard"] = file["g/d"]
        file["soft"] = h5py.SoftLink("/g/d")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["itself"] = h5py.SoftLink("/itself")
        file["outside"] = h5py.ExternalLink(str(other), "/z")
        file["gone"] = h5py.ExternalLink(str(tmp_path / "gone.hdf5"), "/z")
    assert sorted(names(path)) == ["g/d", "hard", "soft"]


@pytest.mark.parametrize("soft", [False, True])
def test_a_loop_of_groups_is_entered_once(tmp_path: Path, soft: bool) -> None:
    path = tmp_path / "loop.hdf5"
    with h5py.File(path, "w") as file:
        file["a/b/d"] = 1.0
        file["a/b/top"] = h5py.SoftLink("/") if soft else file["/"]
        file["a/b/up"] = h5py.SoftLink("/a") if soft else file["a"]
        file["a/b/here"] = h5py.SoftLink("/a/b") if soft else file["a/b"]
    assert names(path) == ["a/b/d"]


def test_a_deep_nest_overflows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep.hdf5"
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(20_000):
            group = group.create_group("x")
        group["end"] = 1.0
    assert names(path) == ["x/" * 20_000 + "end"]


def test_a_damaged_group_is_told(tmp_path: Path) -> None:
    path = tmp_path / "damaged.hdf5"
    with h5py.File(path, "w") as file:
        file["a/d"] = 1.0
        at = h5py.h5o.get_info(file["a"].id).addr
    with path.open("r+b") as raw:
        raw.seek(at)
        raw.write(b"\xff" * 16)
    with pytest.raises((KeyError, OSError, RuntimeError)):
        names(path)
