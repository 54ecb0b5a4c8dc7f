"""What is not known is copied truly, or refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from demo_files import random_demo, write_raw
from interruptions import run_limited

from retarget.core.errors import DemoError
from retarget.data.demo.reader import load_demo
from retarget.data.demo.writer import save_demo
from retarget.data.generate.make_demo import make_demo

FRAMES = 7
IMAGES = np.arange(FRAMES * 24, dtype=np.uint8).reshape(FRAMES, 4, 6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return write_raw(tmp_path / "in" / "demo.hdf5", FRAMES)


def copied(path: Path, *, cut: bool = False) -> Path:
    """The demonstration with other numbers, in another folder."""
    out = path.parent.parent / "out"
    out.mkdir(exist_ok=True)
    demo = load_demo(path, start=2, stop=5) if cut else random_demo(FRAMES)
    save_demo(out / path.name, demo, copy_from=path)
    return out / path.name


def virtual(folder: Path, file: h5py.File) -> None:
    with h5py.File(folder / "images.h5", "w") as other:
        other["data"] = IMAGES
    layout = h5py.VirtualLayout(IMAGES.shape, np.uint8)
    layout[:] = h5py.VirtualSource("images.h5", "data", IMAGES.shape)
    file.create_virtual_dataset("images", layout)


def external(folder: Path, file: h5py.File, name: str = "images.raw") -> None:
    (folder / name).write_bytes(IMAGES.tobytes())
    place = [(name, 0, IMAGES.nbytes)]
    file.create_dataset("images", IMAGES.shape, np.uint8, external=place)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("make", [virtual, external])
def test_what_lies_in_other_files_is_copied(
    path: Path, make: Callable[..., None], cut: bool
) -> None:
    with h5py.File(path, "r+") as file:
        make(path.parent, file)
    out = copied(path, cut=cut)
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["images"][:], IMAGES[2:5] if cut else IMAGES)
        assert not file["images"].is_virtual
        assert not file["images"].external


def refused(path: Path, message: str) -> None:
    with pytest.raises(DemoError, match=message):
        copied(path)
    assert not list((path.parent.parent / "out").iterdir())


def test_a_missing_source_is_refused_not_zeros(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        virtual(path.parent, file)
    with h5py.File(path.parent / "images.h5", "r+") as other:
        del other["data"]
        other["data"] = IMAGES[:3]
    refused(path, "'images' cannot be copied: its source images.h5 is too short")
    with h5py.File(path.parent / "images.h5", "r+") as other:
        del other["data"]
    refused(path, "'images' cannot be copied: its source images.h5 has no dataset 'data'")
    (path.parent / "images.h5").unlink()
    refused(path, "demo.hdf5: 'images' cannot be copied: its source images.h5 is missing")


def view(file: h5py.File, name: str, source: str, dataset: str) -> None:
    layout = h5py.VirtualLayout(IMAGES.shape, np.uint8)
    layout[:] = h5py.VirtualSource(source, dataset, IMAGES.shape)
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("through", ["itself", "another", "another file"])
def test_a_view_of_itself_is_refused(path: Path, through: str) -> None:
    """HDF5 ends the process over one."""
    with h5py.File(path, "r+") as file:
        if through == "itself":
            view(file, "images", ".", "images")
        elif through == "another":
            view(file, "images", ".", "others")
            view(file, "others", ".", "images")
        else:
            view(file, "images", "other.h5", "data")
            with h5py.File(path.parent / "other.h5", "w") as other:
                view(other, "data", path.name, "images")
    refused(path, "'images' cannot be copied: it is a view of itself")


def test_views_of_views_are_copied(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        virtual(path.parent, file)
        view(file, "again", ".", "images")
    out = copied(path)
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["again"][:], IMAGES)
    out.unlink()
    with h5py.File(path, "r+") as file:
        for k in range(12):
            view(file, f"view{k}", ".", f"view{k - 1}" if k else "again")
    refused(path, "it is a view of more than 8 views of views")


def test_external_storage_is_not_followed_away(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        external(path.parent, file, "../secret")
    refused(path, "stored in ../secret, which does not lie beside the recording")
    with h5py.File(path, "r+") as file:
        del file["images"]
        external(path.parent, file)
    (path.parent / "images.raw").write_bytes(b"short")
    refused(path, "stored in images.raw, which is too short")
    (path.parent / "images.raw").unlink()
    refused(path, "stored in images.raw, which is missing")


def test_cycles_and_names_of_one_object_stay_what_they_are(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["a/data"] = IMAGES
        file["a/again"] = file["a"]
        file["a/top"] = file["/"]
        file["other"] = file["a/data"]
        file["alias"] = file["observations/qpos"]
    with h5py.File(copied(path)) as file:
        assert file["a/again"] == file["a"]
        assert file["a/top"] == file["/"]
        assert file["other"] == file["a/data"]
        assert file["alias"] == file["observations/qpos"]
        np.testing.assert_array_equal(file["alias"][:], random_demo(FRAMES).qpos)


def test_links_stay_links(path: Path) -> None:
    with h5py.File(path.parent / "other.h5", "w") as other:
        other["x"] = 3.0
    with h5py.File(path, "r+") as file:
        file["soft"], file["nowhere"] = h5py.SoftLink("/action"), h5py.SoftLink("/gone")
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
    with h5py.File(copied(path)) as file:
        assert file.get("soft", getlink=True).path == "/action"
        assert file.get("nowhere", getlink=True).path == "/gone"
        assert file["outside"][()] == 3.0


def test_names_that_are_no_text_are_copied(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5d.create(file.id, b"\xff\xfe", h5py.h5t.NATIVE_INT32, space)
        group = h5py.h5g.create(file.id, b"g\xff")
        h5py.h5a.create(group, b"a\xff", h5py.h5t.NATIVE_INT32, space)
    with h5py.File(copied(path)) as file:
        assert file.id.links.exists(b"\xff\xfe")
        assert h5py.h5a.exists(h5py.h5g.open(file.id, b"g\xff"), b"a\xff")


@pytest.mark.parametrize("cut", [False, True])
def test_every_type_is_copied(path: Path, cut: bool) -> None:
    values: dict[str, Any] = {
        "compound": np.array([(k, k / 2) for k in range(FRAMES)], dtype="i4,f8"),
        "opaque": np.arange(FRAMES, dtype="i8").view("V8").astype(h5py.opaque_dtype("V8")),
        "times": np.arange(FRAMES).astype("M8[ns]").astype(h5py.opaque_dtype("M8[ns]")),
        "enum": np.arange(FRAMES).astype(h5py.enum_dtype({str(k): k for k in range(FRAMES)})),
        "text": np.array([f"frame {k}" for k in range(FRAMES)], dtype=h5py.string_dtype()),
        "bytes": np.array([b"x" * k for k in range(FRAMES)], dtype="S8"),
        "images": IMAGES,
    }
    ragged = [np.arange(k) for k in range(FRAMES)]
    with h5py.File(path, "r+") as file:
        for name, value in values.items():
            file.create_dataset(name, data=value, chunks=(2, *value.shape[1:]))
        vlen = file.create_dataset("ragged", (FRAMES,), h5py.vlen_dtype(np.int64))
        for k, row in enumerate(ragged):
            vlen[k] = row
        file["observations"].attrs["empty"] = h5py.Empty("f8")
        file["observations"].attrs["texts"] = ["a", "\u00e9"]
        file["observations"].attrs["compound"] = values["compound"]
    kept = slice(2, 5) if cut else slice(None)
    with h5py.File(path) as source, h5py.File(copied(path, cut=cut)) as file:
        for name in values:
            assert file[name].dtype == source[name].dtype
            assert file[name].chunks == source[name].chunks
            np.testing.assert_array_equal(file[name][:], source[name][kept])
        for row, expected in zip(file["ragged"][:], ragged[kept], strict=True):
            np.testing.assert_array_equal(row, expected)
        attrs = file["observations"].attrs
        assert isinstance(attrs["empty"], h5py.Empty)
        assert list(attrs["texts"]) == ["a", "\u00e9"]
        np.testing.assert_array_equal(attrs["compound"], values["compound"])


def test_references_are_refused_by_name(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["refs"] = np.array([file["action"].ref], dtype=h5py.ref_dtype)
    refused(path, "'refs' cannot be copied: it holds references")
    with h5py.File(path, "r+") as file:
        del file["refs"]
        file["x"], file["y"] = np.arange(FRAMES), np.arange(FRAMES)
        file["x"].make_scale("x")
        file["y"].dims[0].attach_scale(file["x"])
    refused(path, "cannot be copied: its attribute '(REFERENCE|DIMENSION)_LIST' holds references")


def test_large_attributes_are_copied(tmp_path: Path, path: Path) -> None:
    new = tmp_path / "in" / "new.hdf5"
    with h5py.File(path) as old, h5py.File(new, "w", libver="latest") as file:
        for name in ("observations/qpos", "action"):  # anew: an old group has no room for them
            file[name] = old[name][:]
        for name in set(old["observations"]) - {"qpos"}:
            file[f"observations/{name}"] = old["observations"][name][:]
        file.attrs["large"] = np.arange(20_000)
        file["observations"].attrs["large"] = np.arange(30_000)
        file["observations/qpos"].attrs["large"] = np.arange(40_000)
    with h5py.File(copied(new)) as file:
        np.testing.assert_array_equal(file.attrs["large"], np.arange(20_000))
        np.testing.assert_array_equal(file["observations"].attrs["large"], np.arange(30_000))
        np.testing.assert_array_equal(file["observations/qpos"].attrs["large"], np.arange(40_000))


def test_a_filter_that_is_not_there_is_copied_raw_or_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk((1, 4, 6))
        layout.set_filter(60_000, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple(IMAGES.shape)
        made = h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, layout)
        for k, image in enumerate(IMAGES):
            made.write_direct_chunk((k, 0, 0), image.tobytes(), 0)
    with h5py.File(copied(path)) as file:
        _, stored = file["images"].id.read_direct_chunk((3, 0, 0))
        assert stored == IMAGES[3].tobytes()
    (copied(path)).unlink()
    with pytest.raises(DemoError, match="'images' cannot be copied: "):
        copied(path, cut=True)
    assert not os.listdir(path.parent.parent / "out")


def test_a_named_type_in_a_datasets_place_is_no_crash(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["action"]
        file["action"] = np.dtype("f8")
    with h5py.File(copied(path)) as file:
        assert isinstance(file["action"], h5py.Dataset)  # the joints that come back


def test_a_link_to_nothing_in_a_datasets_place_is_no_crash(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["action"]
        file["action"] = h5py.SoftLink("/nothing")
    with h5py.File(copied(path)) as file:
        assert isinstance(file["action"], h5py.Dataset)


def test_packed_chunks_that_a_view_was_read_from_are_copied(tmp_path: Path) -> None:
    """HDF5 writes beyond its memory where it has them in its cache."""
    frames = 4000
    make_demo(tmp_path / "demo.hdf5", frames=frames)
    with h5py.File(tmp_path / "demo.hdf5", "r+") as file:
        shape = file["observations/qvel"].shape
        del file["observations/qvel"]
        file.create_dataset("velocities", shape, "f8", chunks=(2000, 50), compression="gzip")
        file["velocities"][:] = 0.0
        layout = h5py.VirtualLayout(shape, "f8")
        layout[:] = h5py.VirtualSource("demo.hdf5", "velocities", shape)
        file.create_virtual_dataset("observations/qvel", layout)
    ended = run_limited(["replay", "demo.hdf5", "--out", "out.hdf5"], cwd=tmp_path)
    assert ended.returncode == 0, ended
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert file["velocities"].shape == shape
        assert not file["velocities"][:].any()
