"""Pickles of plain data are read as they are; what would run something is refused, by name."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from people_files import dump_as_joblib

from retarget.core.errors import FileError
from retarget.core.plain_pickle import plain_values

PLAIN: dict[str, Any] = {
    "text": "x",
    "bytes": b"\x00\xff",
    "numbers": [1, 2.5, True, None, (3,)],
    "array": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "big": np.arange(3, dtype=">f4"),
    "scalar": np.float32(1.5),
    "nested": {"a": {1: {"b": [np.zeros((0, 3))]}}},
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data(protocol: int) -> None:
    assert same(plain_values("x", pickle.dumps(PLAIN, protocol)), PLAIN)


def test_objects_in_arrays_are_lists() -> None:
    content = {"a": np.array({"b": 1}, dtype=object), "c": np.array(["x", None], dtype=object)}
    assert plain_values("x", pickle.dumps(content)) == {"a": {"b": 1}, "c": ["x", None]}
    ordered = collections.OrderedDict(b=1, a=2)
    assert list(plain_values("x", pickle.dumps(ordered))) == ["b", "a"]


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors(dtype: str, protocol: int) -> None:
    whole = torch.arange(24).reshape(2, 3, 4).to(getattr(torch, dtype))
    for tensor in (whole, whole[1:, ::2].transpose(0, 2), whole[0, 0, 0], whole[:0]):
        found = plain_values("x", pickle.dumps(tensor, protocol))
        np.testing.assert_array_equal(found, tensor.numpy())
        assert found.dtype == tensor.numpy().dtype
    parameter = torch.nn.Parameter(torch.ones(2))
    np.testing.assert_array_equal(plain_values("x", pickle.dumps(parameter)), [1.0, 1.0])


def test_joblib(tmp_path: Path) -> None:
    content = [np.arange(6.0).reshape(2, 3), "x", {"a": np.ones(3, np.int8)}, np.zeros((0, 2))]
    dump_as_joblib(content, tmp_path / "x")
    data = (tmp_path / "x").read_bytes()
    assert same(plain_values("x", data), content)
    with pytest.raises(FileError, match="cut short"):
        plain_values("x", data[:-200])


class Runs:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize("place", ["plain", "array", "dictionary", "joblib"])
def test_nothing_runs(tmp_path: Path, place: str) -> None:
    content = {
        "plain": Runs(),
        "array": np.array([Runs()], dtype=object),
        "dictionary": {"a": {"b": [Runs()]}},
        "joblib": [np.zeros(3), Runs(), np.zeros(3)],
    }[place]
    data = pickle.dumps(content)
    if place == "joblib":
        dump_as_joblib(content, tmp_path / "x")
        data = (tmp_path / "x").read_bytes()
    with pytest.raises(FileError, match=r"refused: it names (posix|nt)\.system"):
        plain_values("x", data)


@pytest.mark.parametrize("name", ["torch.load", "joblib.numpy_pickle.load", "torch._utils.exec"])
def test_other_names_of_the_same_modules(name: str) -> None:
    module, _, called = name.rpartition(".")
    data = b"\x80\x02c" + f"{module}\n{called}\n".encode() + b"X\x01\x00\x00\x00x\x85R."
    with pytest.raises(FileError, match=f"refused: it names {name}"):
        plain_values("x", data)


def test_rings_are_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(FileError, match="nested too deeply"):
        plain_values("x", pickle.dumps(ring))
