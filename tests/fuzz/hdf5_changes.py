"""Changes of an HDF5 file's structure: types, shapes, attributes, links, filters, numbers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

Change = Callable[[Any, Random], None]
_NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-300, 1e300, -1e9, 1e6, 19.9, 3.0, 1e-6, 1.0)
_NUMBERS = (*_NUMBERS, 1.7976931348623157e308, 5e-324)
_TYPES = ("f2", "f4", ">f8", ">f4", "i1", "u1", "i4", "u8", "c8", "c16", "?", "S8", "V8", "g")


def change_structure(path: Path, random: Random) -> None:
    """Change a sound file in place, in one to three ways."""
    with h5py.File(path, "r+") as file:
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            # what HDF5 itself refuses to write stays as it is
            with suppress(ValueError, KeyError, TypeError, OSError, RuntimeError):
                _CHANGES[random.randrange(len(_CHANGES))](file, random)


def _names(file: Any, kind: Any = h5py.Dataset) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, kind) else None)
    return found


def _dataset(file: Any, random: Random) -> str:
    """A dataset's name; one with axes for the most part."""
    names = _names(file)
    wide = [name for name in names if file[name].ndim]
    if not names:
        file["left"] = np.zeros((4, 3))
        return "left"
    return random.choice(wide if wide and random.random() < 0.95 else names)


def _renewed(file: Any, name: str, values: Any, **how: Any) -> None:
    """A dataset in place of another, its attributes kept."""
    attributes = dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, data=values, **how)
    for key, value in attributes.items():
        made.attrs[key] = value


def _values(file: Any, random: Random) -> tuple[str, Any]:
    name = _dataset(file, random)
    if file[name].size is not None and file[name].size > 10**7:
        raise ValueError(f"{name} has been made huge already")
    return name, file[name][()]


def _number(file: Any, random: Random) -> None:
    """One number, a row, a column or all made extreme."""
    name, values = _values(file, random)
    values = np.array(values)
    if values.dtype.kind not in "fiu" or not values.size:
        return
    where: Any = tuple(random.randrange(size) for size in values.shape)
    where = random.choice((where, where, where[:1], (..., *where[-1:]), ...))
    if values.dtype.kind == "f":
        values[where] = random.choice(_NUMBERS)
    else:
        info = np.iinfo(values.dtype)
        values[where] = random.choice((info.min, info.max, 0, 1, 6, 100))
    file[name][...] = values


def _scaled(file: Any, random: Random) -> None:
    name, values = _values(file, random)
    if np.asarray(values).dtype.kind == "f":
        with np.errstate(all="ignore"):
            file[name][...] = values * random.choice(
                (-1, 0, 1e-3, 10, 57.29577951308232, 1e3, 1e200)
            )


def _noise(file: Any, random: Random) -> None:
    name, values = _values(file, random)
    values = np.asarray(values)
    if values.dtype.kind == "f":
        noise = np.random.default_rng(random.randrange(2**32)).normal(size=values.shape)
        file[name][...] = values + random.choice((1e-9, 1e-4, 1e-2, 1, 1e3)) * noise


def _frames_shuffled(file: Any, random: Random) -> None:
    name, values = _values(file, random)
    order = (
        np.random.default_rng(random.randrange(2**32)).permutation(len(values))
        if np.ndim(values)
        else ()
    )
    if len(order):
        file[name][...] = values[order]


def _retyped(file: Any, random: Random) -> None:
    name, values = _values(file, random)
    kind = random.choice(_TYPES)
    values = np.asarray(values)
    if kind == "V8" or values.dtype.kind not in "fiu":
        size = values.shape
        fields = np.dtype([("a", "f4"), ("b", "i4")])
        _renewed(file, name, np.zeros(size, fields))
    else:
        with np.errstate(all="ignore"):
            _renewed(file, name, values.astype(kind))


def _special_type(file: Any, random: Random) -> None:
    """Types that are no numbers: enumerations, references, text and lists of any length, opaque."""
    name, values = _values(file, random)
    shape = np.shape(values)
    which = random.randrange(6)
    attributes: dict[str, Any] = {}
    del file[name]
    if which == 0:
        kind = h5py.enum_dtype({"OK": 0, "BAD": 1}, basetype="i")
        file.create_dataset(name, shape, kind, **attributes)
    elif which == 1:
        made = file.create_dataset(name, shape, h5py.ref_dtype)
        if made.size and random.random() < 0.5:
            made[...] = file.ref
    elif which == 2:
        file.create_dataset(name, shape, h5py.vlen_dtype(np.dtype("f8")))
    elif which == 3:
        file.create_dataset(name, shape, h5py.string_dtype(random.choice(("utf-8", "ascii"))))
    elif which == 4:
        file.create_dataset(name, shape, h5py.regionref_dtype)
    else:
        file.create_dataset(name, shape, np.dtype(("f8", (2,))))


def _reshaped(file: Any, random: Random) -> None:
    name, values = _values(file, random)
    values = np.asarray(values)
    if not values.ndim:
        _renewed(file, name, np.zeros(random.choice(((1,), (0,), (2, 3)))))
        return
    axis = random.randrange(values.ndim)
    changed = random.choice(
        (
            lambda: values[:0],
            lambda: values[:1],
            lambda: values[:-1],
            lambda: values.reshape(-1),
            lambda: values[None],
            lambda: values[..., None],
            lambda: values.T,
            lambda: np.concatenate([values, values], axis=axis),
            lambda: values.take(range(values.shape[axis] // 2), axis=axis),
            lambda: values.ravel()[0] if values.size else values,
            lambda: np.empty((0, *values.shape[1:])),
        )
    )()
    _renewed(file, name, changed)


def _null(file: Any, random: Random) -> None:
    """A dataset without a dataspace, or with many axes."""
    name = _dataset(file, random)
    if random.random() < 0.5:
        _renewed(file, name, h5py.Empty(random.choice(("f8", "S4"))))
    else:
        _renewed(file, name, np.zeros((1,) * random.choice((5, 12, 32))))


def _huge(file: Any, random: Random) -> None:
    """A dataset that says it is larger than any machine, with nothing stored."""
    name = _dataset(file, random)
    rest = file[name].shape[1:]
    frames = random.choice((10**6, 2**31, 2**40, 2**62 // max(int(np.prod(rest)), 1) // 8))
    dtype = file[name].dtype if file[name].dtype.kind == "f" else "f8"
    del file[name]
    file.create_dataset(name, (frames, *rest), dtype, chunks=(1, *rest) if rest else (1,))


def _huge_everywhere(file: Any, random: Random) -> None:
    """All datasets with one row a frame have as many frames, none of them stored."""
    frames = random.choice((10**5, 10**7, 2**40))
    for name in _names(file):
        shape, dtype = file[name].shape, file[name].dtype
        if shape and random.random() < 0.97:
            attributes = dict(file[name].attrs)
            del file[name]
            chunk = (random.choice((1, 64)), *shape[1:])
            made = file.create_dataset(name, (frames, *shape[1:]), dtype, chunks=chunk)
            for key, value in attributes.items():
                made.attrs[key] = value


def _stored_otherwise(file: Any, random: Random) -> None:
    name, values = _values(file, random)
    values = np.asarray(values)
    if not values.ndim or not values.size:
        return
    how: dict[str, Any] = random.choice(
        (
            {"compression": "gzip", "compression_opts": 9},
            {"compression": "lzf"},
            {"fletcher32": True},
            {"scaleoffset": 3},
            {"shuffle": True},
            {"chunks": (1,) * values.ndim},
            {"chunks": tuple(values.shape), "maxshape": (None,) * values.ndim},
            {"fillvalue": random.choice((0, 1))},
        )
    )
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8:
        how = {"compression": "gzip"}
    _renewed(file, name, values, **how)


def _unknown_filter(file: Any, random: Random) -> None:
    """Chunks that went through a filter nobody has here."""
    name, values = _values(file, random)
    values = np.ascontiguousarray(values)
    if not values.ndim or not values.size or values.dtype.kind not in "fiu":
        return
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(values.shape)
    filter_id = random.choice((32001, 32015, 299))
    plist.set_filter(filter_id, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    del file[name]
    kind, space = h5py.h5t.py_create(values.dtype), h5py.h5s.create_simple(values.shape)
    parent = file.require_group(name.rpartition("/")[0] or "/")
    made = h5py.h5d.create(parent.id, name.rpartition("/")[2].encode(), kind, space, plist)
    made.write_direct_chunk((0,) * values.ndim, values.tobytes())


def _torn_chunk(file: Any, random: Random) -> None:
    """A compressed chunk whose bytes are something else."""
    name, values = _values(file, random)
    values = np.ascontiguousarray(values)
    if not values.ndim or not values.size or values.dtype.kind not in "fiu":
        return
    _renewed(file, name, values, compression="gzip", chunks=values.shape)
    torn = random.randbytes(random.choice((0, 1, 10, 1000)))
    file[name].id.write_direct_chunk((0,) * values.ndim, torn)


def _stored_elsewhere(file: Any, random: Random) -> None:
    """External storage: the numbers are in other files, which may not be there, or are devices."""
    name = _dataset(file, random)
    shape, dtype = file[name].shape, file[name].dtype
    if dtype.kind not in "fiu" or not shape:
        return
    places = ("missing.bin", "/etc/hostname", "/dev/zero", "/proc/self/mem", path_of(file), ".")
    size = int(np.prod(shape)) * dtype.itemsize
    attributes = dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, shape, dtype, external=[(random.choice(places), 0, size)])
    for key, value in attributes.items():
        made.attrs[key] = value


def _virtual(file: Any, random: Random) -> None:
    """A view of another dataset: of this file, of one that is missing, of itself."""
    name = _dataset(file, random)
    shape, dtype = file[name].shape, file[name].dtype
    if not shape or 0 in shape:
        return
    layout = h5py.VirtualLayout(shape=shape, dtype=dtype)
    source = random.choice((("missing.hdf5", name), (".", name), (".", "moved"), (".", "nothing")))
    layout[...] = h5py.VirtualSource(*source, shape=shape)
    if source[1] == "moved" and "moved" not in file:
        file.move(name, "moved")
    else:
        del file[name]
    file.create_virtual_dataset(name, layout)


def _link(file: Any, random: Random) -> None:
    """A link in place of a dataset or group: soft, external, hard, dangling, in a circle."""
    name = random.choice(_names(file, object) or ["left"])
    other = random.choice(_names(file, object) or ["left"])
    if random.random() < 0.5 and name in file:
        file.move(name, "kept_beside")
        other = "kept_beside" if random.random() < 0.5 else other
    elif name in file:
        del file[name]
    links = (
        h5py.SoftLink(f"/{other}"),
        h5py.SoftLink(f"/{name}"),
        h5py.SoftLink("/nothing"),
        h5py.SoftLink("/"),
        h5py.ExternalLink("missing.hdf5", f"/{name}"),
        h5py.ExternalLink(path_of(file), f"/{other}"),
        h5py.ExternalLink("/dev/zero", "/"),
        h5py.ExternalLink(".", "/"),
    )
    file[name] = random.choice(links)


def _circle(file: Any, random: Random) -> None:
    """A group that holds itself, or groups nested very deep."""
    if random.random() < 0.5:
        file["circle"] = file["/"]
        return
    group = file
    for _ in range(random.choice((50, 400))):
        group = group.create_group("g")


def _group_for_dataset(file: Any, random: Random) -> None:
    name = _dataset(file, random)
    del file[name]
    group = file.create_group(name)
    if random.random() < 0.3:
        group["block0_values"] = np.zeros(3)  # what pandas leaves


def _dataset_for_group(file: Any, random: Random) -> None:
    groups = _names(file, h5py.Group)
    if groups:
        name = random.choice(groups)
        del file[name]
        file[name] = random.choice((np.zeros(3), 1.0, "text"))


def _named_type(file: Any, random: Random) -> None:
    """A committed type in place of a dataset."""
    name = _dataset(file, random)
    del file[name]
    file[name] = np.dtype("f8")


def _missing(file: Any, random: Random) -> None:
    names = _names(file, object)
    if names:
        del file[random.choice(names)]


def _renamed(file: Any, random: Random) -> None:
    name = random.choice(_names(file, object) or ["left"])
    new = random.choice(("left", name + " ", name.upper(), name[:-1] or "x", "ä", "x" * 5000, "."))
    if name in file and new not in file and new != ".":
        file.move(name, new)


def _more(file: Any, random: Random) -> None:
    """What nobody asked for: other keys, names that are no UTF-8, many of them."""
    which = random.randrange(4)
    if which == 0:
        h5py.h5g.create(file.id, b"\xff\xfe\x80name")
    elif which == 1:
        for number in range(random.choice((10, 500))):
            file.create_group(f"extra_{number}")
    elif which == 2:
        file["extra"] = np.zeros((3, 1000))
    else:
        file["name\nwith\x1b[31m lines"] = np.zeros(3)


_ODD: tuple[Any, ...] = (
    "",
    "text",
    "30",
    "ä" * 100,
    "x\ny",
    "\x1b[2J",
    "[" * 3000,
    '{"a": NaN}',
    '{"left": {}}',
    "null",
    b"\xff\xfe",
    np.bytes_(b"\xff\x00\x80"),
    np.float64("nan"),
    np.inf,
    -1.0,
    0,
    1e-300,
    1e300,
    2**63 - 1,
    True,
    1j,
    [],
    [1.0, 2.0],
    np.zeros((2, 2)),
    np.zeros((4, 4)),
    np.full((4, 4), np.nan),
    np.zeros(0),
    h5py.Empty("f8"),
    h5py.Empty("S4"),
    ["a", "b"],
    np.zeros(3, [("a", "f4"), ("b", "i4")]),
    np.zeros(2, np.dtype(("f8", (2,)))),
    np.float16(3),
    np.uint64(2**64 - 1),
)


def _attribute(file: Any, random: Random) -> None:
    """An attribute of the file or of a dataset: another value, an odd one, gone, new."""
    on = file if random.random() < 0.85 else file[_dataset(file, random)]
    usual = (
        "rate",
        "hz",
        "fps",
        "sim",
        "robot",
        "format",
        "version",
        "hand",
        "components",
        "names",
    )
    own = list(on.attrs)
    name = random.choice(own) if own and random.random() < 0.8 else random.choice(usual)
    which = random.randrange(8)
    if which == 0:
        if name in on.attrs:
            del on.attrs[name]
    elif which == 1:
        where = h5py.h5s.create(h5py.h5s.SCALAR)
        if name in on.attrs:
            del on.attrs[name]
        h5py.h5a.create(on.id, name.encode(), h5py.h5t.STD_REF_OBJ, where)
    elif which == 2 and isinstance(on.attrs.get(name), str):
        text = on.attrs[name]
        at = random.randrange(len(text) + 1)
        odd = random.choice(("", '"', "9" * 400, "é", " ", "-", "{", "1e999"))
        on.attrs[name] = text[:at] + odd + text[at + random.randrange(4) :]
    elif which == 3 and on.attrs.get(name) is not None and not isinstance(on.attrs[name], str):
        value = np.array(on.attrs[name])
        if value.dtype.kind in "fiu" and value.size:
            value = value.astype("f8")
            value.flat[random.randrange(value.size)] = random.choice(_NUMBERS)
            on.attrs[name] = value
    else:
        on.attrs[name] = random.choice(_ODD)


def _type_of_attribute(file: Any, random: Random) -> None:
    """Text that is marked as UTF-8 and is none; of fixed length; numbers otherwise."""
    names = list(file.attrs)
    if not names:
        return
    name = random.choice(names)
    value = file.attrs[name]
    del file.attrs[name]
    if isinstance(value, str):
        kind = h5py.h5t.C_S1.copy()
        data = (
            random.choice((value.encode(), b"\xff\xfe\x80", value.encode("utf-16")))[:200] or b"x"
        )
        kind.set_size(len(data))
        kind.set_cset(random.choice((h5py.h5t.CSET_ASCII, h5py.h5t.CSET_UTF8)))
        made = h5py.h5a.create(file.id, name.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
        made.write(np.array(data, f"S{len(data)}"), mtype=kind)
    else:
        value = np.asarray(value)
        kinds = (">f8", "f4", "i2", ">i8", "S20", "?")
        with np.errstate(all="ignore"):
            file.attrs[name] = (
                value.astype(random.choice(kinds)) if value.dtype.kind in "fiub" else 0
            )


def path_of(file: Any) -> str:
    return Path(file.filename).name


_CHANGES: tuple[Change, ...] = (
    _number,
    _number,
    _number,
    _scaled,
    _noise,
    _frames_shuffled,
    _retyped,
    _special_type,
    _special_type,
    _reshaped,
    _reshaped,
    _null,
    _huge,
    _huge_everywhere,
    _stored_otherwise,
    _unknown_filter,
    _torn_chunk,
    _stored_elsewhere,
    _virtual,
    _link,
    _link,
    _circle,
    _group_for_dataset,
    _dataset_for_group,
    _named_type,
    _missing,
    _missing,
    _renamed,
    _more,
    _attribute,
    _attribute,
    _attribute,
    _attribute,
    _type_of_attribute,
)
