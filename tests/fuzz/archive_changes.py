"""Changes of pickles, npz archives and safetensors files, code that must not run among them."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from random import Random
from typing import Any

import numpy as np

CANARY = "canary"
"""The file that code from a damaged pickle would leave in the folder of its case."""

_GLOBALS = (
    ("os", "system"),
    ("posix", "system"),
    ("subprocess", "check_output"),
    ("builtins", "exec"),
    ("__builtin__", "eval"),
    ("builtins", "open"),
    ("shutil", "rmtree"),
    ("numpy", "save"),
    ("numpy.f2py.crackfortran", "getlincoef"),
    ("scipy.sparse", "save_npz"),
    ("retarget.core.files", "write_text"),
    ("pathlib", "Path.touch"),
    ("nothing.at_all", "x"),
    ("numpy.core.multiarray", "_reconstruct"),
)


def change_pickle(data: bytes, random: Random) -> bytes:
    """A pickle with code planted in it, other opcodes, names and sizes."""
    which = random.randrange(8)
    if which == 0:  # code before what is wanted
        return b"\x80\x02" + _call(random) + b"0" + data.removeprefix(b"\x80\x02")
    if which == 1:  # code in place of it
        return b"\x80\x02" + _call(random) + b"."
    if which == 2:  # in the place of a name that it reads
        names = [
            b"cnumpy.core.multiarray\n_reconstruct\n",
            b"cnumpy\nndarray\n",
            b"cnumpy\ndtype\n",
        ]
        module, name = random.choice(_GLOBALS)
        return data.replace(random.choice(names), f"c{module}\n{name}\n".encode())
    if which == 3:  # opcodes exchanged
        changed = bytearray(data)
        for _ in range(random.choice((1, 3, 20))):
            changed[random.randrange(min(len(changed), 4000))] = random.choice(_OPCODES)
        return bytes(changed)
    if which == 4:
        return _odd_pickle(random)
    if which == 5:  # another protocol's frame, memo, persistent id
        start = random.choice(
            (b"\x80\x05", b"\x80\xff", b"\x80\x04\x95" + b"\xff" * 8, b"Pid\n", b"")
        )
        return start + data.removeprefix(b"\x80\x02")
    if which == 6:
        at = random.randrange(len(data))
        return data[:at] + _call(random) + data[at:]
    key = random.choice((b"v_template", b"shapedirs", b"weights", b"kintree_table", b"J_regressor"))
    new = random.choice((b"v_templatX", b"weights", b"", b"\xff" * len(key)))
    return data.replace(key, new)


_OPCODES = b"().0123NIKMLJFGTUVXcehilopqrstu]}abdg"


def _call(random: Random) -> bytes:
    """Opcodes that call a function with the canary's name."""
    module, name = random.choice(_GLOBALS)
    argument = random.choice((f"touch {CANARY}", f"open('{CANARY}','w')", CANARY)).encode()
    text = b"U" + bytes([len(argument)]) + argument
    if random.random() < 0.3:
        return b"(" + text + f"i{module}\n{name}\n".encode()
    return f"c{module}\n{name}\n".encode() + text + b"\x85R"


def _odd_pickle(random: Random) -> bytes:
    """Sound pickles of something else."""
    nested: Any = []
    for _ in range(random.choice((10, 200))):
        nested = [nested]
    odd: tuple[Any, ...] = (
        None,
        {},
        [],
        1,
        "text",
        {"v_template": None},
        {"f": np.zeros(3)},
        nested,
    )
    made = random.choice(
        (*odd, np.zeros((3, 3)), {1: 2}, {"v_template": {"x": 1}}, {"weights": "a"})
    )
    if random.random() < 0.2:
        return b"(" * 200_000 + b"t" * 200_000 + b"."
    return pickle.dumps(made, protocol=random.choice((0, 2, 4)))


def change_npz(data: bytes, random: Random) -> bytes:
    """An npz archive with other arrays, names or headers, or a broken archive around them."""
    source = zipfile.ZipFile(io.BytesIO(data))
    members = {name: source.read(name) for name in source.namelist()}
    for _ in range(random.choice((1, 1, 2))):
        _MEMBER_CHANGES[random.randrange(len(_MEMBER_CHANGES))](members, random)
    made = io.BytesIO()
    how = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(made, "w", how) as target:
        for name, content in members.items():
            target.writestr(name, content)
    packed = bytearray(made.getvalue())
    if random.random() < 0.3:  # the archive's own directory
        end = packed.rfind(b"PK\x05\x06")
        at = max(0, min(len(packed) - 1, end + random.randrange(-400, 22)))
        packed[at] = random.randrange(256)
    return bytes(packed)


def _array(values: Any, *, allow_pickle: bool = False) -> bytes:
    made = io.BytesIO()
    np.lib.format.write_array(made, np.asarray(values), allow_pickle=allow_pickle)
    return made.getvalue()


def _member(members: dict[str, bytes], random: Random) -> str:
    return random.choice(sorted(members)) if members else "v_template.npy"


def _other_array(members: dict[str, bytes], random: Random) -> None:
    name = _member(members, random)
    try:
        values = np.lib.format.read_array(io.BytesIO(members[name]))
    except (ValueError, KeyError):
        return
    changes = (
        lambda: values[:0] if values.ndim else values,
        lambda: values[:-1] if values.ndim else values,
        lambda: values.astype("f2") if values.dtype.kind in "fiu" else values,
        lambda: values.astype("c16") if values.dtype.kind in "fiu" else values,
        lambda: values * np.nan if values.dtype.kind == "f" else values,
        lambda: (
            values * 1e300
            if values.dtype.kind == "f"
            else values - 7
            if values.dtype.kind == "i"
            else values
        ),
        lambda: values.T,
        lambda: values[None],
        lambda: np.float64(1),
        lambda: np.array("text"),
        lambda: np.zeros(values.shape),
        lambda: np.zeros(3, [("a", "f4")]),
        lambda: np.array(["2026-01-01"], "M8[D]"),
        lambda: -values if values.dtype.kind == "f" else values,
    )
    with np.errstate(all="ignore"):
        members[name] = _array(random.choice(changes)())


def _objects(members: dict[str, bytes], random: Random) -> None:
    """An array of objects: a pickle in the archive, with code in it."""
    whole = _array(np.array([{"a": 1}], dtype=object), allow_pickle=True)
    at = whole.index(b"\n") + 1
    members[_member(members, random)] = whole[:at] + b"\x80\x02" + _call(random) + b"."


def _header(members: dict[str, bytes], random: Random) -> None:
    name = _member(members, random)
    data = members.get(name, b"")
    end = data.find(b"\n")
    texts = (
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
        b"{'descr': 'f999', 'fortran_order': 7, 'shape': 3, }",
        b"__import__('os').system('touch canary')",
        b"(" * 5000,
        b"{}",
        b"\xff\xfe",
        b"",
    )
    text = random.choice(texts) + b"\n"
    if end > 10:
        members[name] = (
            data[:8] + (len(text) % 65536).to_bytes(2, "little") + text + data[end + 1 :]
        )


def _torn(members: dict[str, bytes], random: Random) -> None:
    name = _member(members, random)
    data = members.get(name, b"")
    members[name] = data[: random.randrange(len(data) + 1)]


def _named(members: dict[str, bytes], random: Random) -> None:
    name = _member(members, random)
    if name in members:
        new = random.choice(
            ("../../canary", f"{os.sep}canary", "x.npy", name.upper(), "a/b.npy", "v")
        )
        members[new] = members.pop(name)


def _gone(members: dict[str, bytes], random: Random) -> None:
    members.pop(_member(members, random), None)


_MEMBER_CHANGES = (
    _other_array,
    _other_array,
    _other_array,
    _objects,
    _header,
    _torn,
    _named,
    _gone,
)


def change_safetensors(data: bytes, random: Random) -> bytes:
    """A safetensors file with another header: its length, types, shapes, offsets, metadata."""
    length = int.from_bytes(data[:8], "little")
    body = data[8 + length :]
    if random.random() < 0.25:
        odd = (0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1, len(data), 10**8)
        return random.choice(odd).to_bytes(8, "little") + data[8:]
    header = json.loads(data[8 : 8 + length])
    for _ in range(random.choice((1, 1, 2))):
        _change_header(header, random)
    if random.random() < 0.2:
        numbers = np.frombuffer(body, "<f4").copy()
        start = random.randrange(len(numbers))
        with np.errstate(all="ignore"):
            numbers[start : start + random.choice((1, 100, 10_000))] *= np.float32(
                random.choice((np.nan, np.inf, 0, -1, 1e30, 1.001))
            )
        body = numbers.tobytes()
    text = json.dumps(header).encode()
    if random.random() < 0.1:
        text = random.choice(
            (b"[]", b"null", b"{" * 3000, b'"a"', text + b"x", text.replace(b"F", b"\xff"))
        )
    return len(text).to_bytes(8, "little") + text + body


def _change_header(header: dict[str, Any], random: Random) -> None:
    name = random.choice(sorted(header))
    entry = header[name]
    which = random.randrange(6)
    if which == 0:
        del header[name]
        return
    if which == 1:
        header[random.choice(("x", "", name.upper(), "__metadata__"))] = header.pop(name)
        return
    if name == "__metadata__" and isinstance(entry, dict) and entry:
        key = random.choice(sorted(entry))
        text = str(entry[key])
        at = random.randrange(len(text) + 1)
        odd = ("", "null", "{", "nan", "[" * 5000, "1e999", text[:at], text[:at] + "9" + text[at:])
        entry[key] = random.choice((*odd, text[:at] + text[at + 1 :], 7, None, []))
        return
    if not isinstance(entry, dict):
        return
    if which in (2, 3):
        entry["dtype"] = random.choice(
            ("F64", "F16", "BF16", "I8", "BOOL", "F8_E4M3", "X", "F32", 3)
        )
    elif which == 4:
        shape = list(entry.get("shape", [1]))
        at = random.randrange(len(shape) or 1)
        shape[at : at + 1] = random.choice(
            ([0], [-1], [2**62], [1, 1], [], [shape[-1] if shape else 1])
        )
        entry["shape"] = shape if random.random() < 0.7 else shape[::-1]
    else:
        start, stop = entry.get("data_offsets", [0, 0])
        odd = (
            [stop, start],
            [0, 2**63],
            [start - 4, stop],
            [-1, stop],
            [start, stop + 4],
            [start],
            7,
        )
        entry["data_offsets"] = random.choice(odd)
