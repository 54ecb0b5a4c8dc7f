"""Hand models and files for the tests: rough hands, and pickles built as Python 2 built MANO's."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from retarget.human.hand_model import HandModel, load_hand


@lru_cache
def rough_hand(side: str = "right", seed: int = 0) -> HandModel:
    """The open hand with every part busy: all weights, shapes and pose blend shapes in use."""
    rng = np.random.default_rng(seed)
    hand = load_hand("right")
    weights = hand.weights + 0.1 * rng.random(hand.weights.shape) ** 4
    rough = dataclasses.replace(
        hand,
        shapedirs=hand.shapedirs + 1e-3 * rng.normal(size=hand.shapedirs.shape),
        posedirs=hand.posedirs + 1e-3 * rng.normal(size=hand.posedirs.shape),
        weights=weights / weights.sum(axis=1, keepdims=True),
    )
    return rough if side == "right" else rough.mirrored()


@lru_cache
def rough_pair() -> tuple[HandModel, HandModel]:
    """Two hands of no one, as MANO's: not mirror images, with means and components of their own."""
    rng = np.random.default_rng(8)
    pair = []
    for side, seed in (("left", 4), ("right", 5)):
        hand = rough_hand(side, seed)
        turned = np.linalg.qr(rng.normal(size=(45, 45)))[0]
        mean = hand.mean + 0.1 * rng.normal(size=45)
        pair.append(dataclasses.replace(hand, components=turned, mean=mean, source=f"rough {side}"))
    return pair[0], pair[1]


def mano_arrays(hand: HandModel, seed: int = 0) -> dict[str, Any]:
    """The entries of MANO's own files: the spread as sampled poses, the root below 2^32 - 1."""
    tree = np.stack([np.where(hand.parents < 0, 2**32 - 1, hand.parents), np.arange(16)])
    samples = np.random.default_rng(seed).normal(size=(1554, 45)) * hand.sigma
    return {
        "f": hand.faces.astype(np.uint32),
        "J_regressor": hand.regressor,
        "kintree_table": tree,
        "J": hand.joints(),
        "weights": hand.weights,
        "posedirs": hand.posedirs,
        "v_template": hand.template,
        "shapedirs": hand.shapedirs,
        "hands_components": hand.components,
        "hands_coeffs": samples,
        "hands_mean": hand.mean,
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def write_npz(folder: Path, hand: HandModel, **changes: Any) -> Path:
    path = folder / f"MANO_{hand.side.upper()}.npz"
    np.savez(path, **{**mano_arrays(hand), **changes})
    return path


# what stands in a Python 2 pickle for the classes of today
OLD_NAMES = {
    "numpy._core.multiarray": "numpy.core.multiarray",
    "scipy.sparse._csc": "scipy.sparse.csc",
    "builtins": "__builtin__",
    "copyreg": "copy_reg",
}


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes byte strings for text and data alike, and the module names of its time."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, text: str | bytes) -> None:
        data = text.encode("latin-1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(text)

    dispatch[str] = save_string
    dispatch[bytes] = save_string

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = OLD_NAMES.get(obj.__module__, obj.__module__)
        self.write(f"c{module}\n{name or obj.__qualname__}\n".encode())
        self.memoize(obj)

    dispatch[type] = save_global


def python2_pickle(content: Any, protocol: int = 2) -> bytes:
    buffer = BytesIO()
    Python2Pickler(buffer, protocol).dump(content)
    return buffer.getvalue()


@contextmanager
def chumpy_modules() -> Iterator[tuple[type, type]]:
    """Chumpy's Ch and Select as far as pickling goes; gone again at the end."""
    ch = type("Ch", (), {"__module__": "chumpy.ch"})
    select = type("Select", (), {"__module__": "chumpy.reordering"})
    modules = {name: ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}
    modules["chumpy.ch"].Ch = ch  # type: ignore[attr-defined]
    modules["chumpy.reordering"].Select = select  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield ch, select
    finally:
        for name in modules:
            del sys.modules[name]


def official_pickle(arrays: Mapping[str, Any], protocol: int = 2) -> bytes:
    """Bytes laid out as the official files: chumpy's shape directions, scipy's sparse regressor."""
    from scipy import sparse

    with chumpy_modules() as (Ch, Select):
        # twice the directions that are kept: Select picks them out of the flattened array
        kept = np.asarray(arrays["shapedirs"])
        more = np.concatenate([kept, 7.0 + kept], axis=2)
        picked = np.arange(more.size).reshape(more.shape)[:, :, : kept.shape[2]].ravel()
        inner, outer = Ch(), Select()
        inner.__dict__.update(x=more, _dirty_vars={"x"}, _itr=None, _depends_on_deps={})
        outer.__dict__.update(a=inner, idxs=picked, preferred_shape=kept.shape, _make_dense=False)
        # csc_matrix of scipy's early releases kept its parts as plain attributes
        regressor = sparse.csc_matrix(np.asarray(arrays["J_regressor"]))
        content = {**arrays, "shapedirs": outer, "J_regressor": regressor}
        return python2_pickle(content, protocol)
