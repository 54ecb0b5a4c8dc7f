"""Pickles unpickled without running anything they name: what they hold, as inert stand-ins.

A pickle is a program that may import and call what it likes. Here every name it may use resolves to
an inert stand-in that keeps what it is given; any other name is refused, by name. Nothing that the
file says is called, not even numpy: arrays are put together afterwards (`pickled_arrays`).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retarget.core.errors import FileError

# the parts of arrays, under their old and their new names (Python 2's, too)
ARRAYS: Mapping[str, str] = {
    r"numpy\._?core\.multiarray\._reconstruct": "array",
    r"numpy\._?core\.multiarray\.scalar": "scalar",
    r"numpy\._?core\.numeric\._frombuffer": "buffer",
    r"numpy\.dtype": "dtype",
    r"numpy\.ndarray|numpy\.matrixlib\.defmatrix\.matrix": "class",
    r"(__builtin__|builtins)\.(object|set)": "class",
    r"copy_?reg\._reconstructor": "reconstructor",
    r"_codecs\.encode": "text",
}
_PERSISTENT = ("PERSID", "BINPERSID")
_FORBIDDEN = {
    "PERSID": "a persistent id",
    "BINPERSID": "a persistent id",
    "EXT1": "an extension code",
    "EXT2": "an extension code",
    "EXT4": "an extension code",
    "NEXT_BUFFER": "a buffer outside of the file",
}


class Inert:
    """Keeps the arguments and the state that a pickle gives to an object called `name`."""

    kind = ""
    name = ""
    args: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]

    def __new__(cls, *args: Any) -> Inert:
        """Made of whatever the pickle calls it with."""
        self = super().__new__(cls)
        self.args = args
        self.state = None
        self.items = {}
        return self

    # found on the class, too, where it fails: a pickle cannot give a state to the class itself
    def __setstate__(self, state: Any) -> None:
        self.state = state

    # what an ordered dictionary is filled with
    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value


class Persistent:
    """What stands for an object that a pickle keeps outside of itself: its id, a plain value."""

    def __init__(self, id_: Any) -> None:
        self.id = id_


class _RefusedName(pickle.UnpicklingError):
    pass


class _Unpickler(pickle.Unpickler):
    kinds: Mapping[str, str]

    def find_class(self, module: str, name: str) -> type[Inert]:
        full = f"{module}.{name}"
        for pattern, kind in self.kinds.items():
            if re.fullmatch(pattern, full):
                return type("_Inert", (Inert,), {"kind": kind, "name": full})
        raise _RefusedName(full)

    def persistent_load(self, pid: Any) -> Persistent:
        return Persistent(pid)


def inert_tree(
    path: str | Path,
    data: bytes,
    kinds: Mapping[str, str],
    steps: int,
    needs: str,
    error: type[FileError] = FileError,
    *,
    persistent: bool = False,
) -> Any:
    """What a pickle holds: plain containers, numbers and texts, `Inert` for everything else.

    Args:
        path: what to call the file.
        data: the pickle; what follows its end is left alone.
        kinds: patterns of the full names that it may use, and what each is to be called.
        steps: the most opcodes that it may have.
        needs: what has no need of other names, in words.
        error: the class to raise.
        persistent: ids of objects outside of it are let through, as `Persistent`.

    Raises:
        FileError (or its child ``error``): no pickle, cut short, or with a name that is not among
            the kinds (evidence ``refused``). Nothing it names has run.
    """
    _check_program(path, data, steps, persistent, error)
    unpickler = _Unpickler(io.BytesIO(data), encoding="latin-1")
    unpickler.kinds = kinds
    try:
        return unpickler.load()
    except _RefusedName as cause:
        raise error(
            path,
            f"refused: it names {cause}, which {needs} needs; nothing was run",
            refused=str(cause),
        ) from None
    except Exception as cause:  # a broken pickle raises whatever its broken program leads to
        raise error(path, f"is not a readable pickle: {cause}") from cause


def _check_program(
    path: str | Path, data: bytes, steps: int, persistent: bool, error: type[FileError]
) -> None:
    """Read through the program before it is run: whole, and free of what plain data never has."""
    count = 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            count += 1
            what = _FORBIDDEN.get(opcode.name)
            if persistent and opcode.name in _PERSISTENT:
                what = None
            # the reader's memory is as long as its highest index, which picklers count up from 0
            if "PUT" in opcode.name and isinstance(argument, int) and argument > count:
                what = f"memory index {argument}"
            if count > steps:
                what = f"more than {steps} steps"
            if what is not None:
                raise error(path, f"refused: it uses {what} (byte {position})", refused=what)
    except FileError:
        raise
    except Exception as cause:
        raise error(path, f"is not a pickle, or is cut short: {cause}") from cause


def end_of_pickle(data: bytes) -> int:
    """Number of bytes up to the end of the first pickle in some bytes.

    Raises:
        ValueError: there is no whole pickle.
    """
    for opcode, _, position in pickletools.genops(data):
        if opcode.name == "STOP" and position is not None:
            return position + 1
    raise ValueError("a pickle that does not end")
