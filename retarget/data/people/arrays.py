"""Arrays of keypoints: npz, npy, pickles, JSON and HDF5, of one hand or both, in any layout.

One hand: (T, J, 3), (T, 3 J) or poses (T, J, 4, 4), or one frame (J, 3); both hands, left then
right, have an axis of 2 before the joints, or twice the numbers. Layouts of vectors are never told
by their length: 48 numbers a frame may be H-RDT's or EgoVLA's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retarget.core.errors import InputError
from retarget.core.types import FloatArray, side_index
from retarget.data.people.hands import both_hands, in_order, side_of_name, side_of_source
from retarget.data.people.recording import PeopleRecording, recording
from retarget.data.people.source import Source
from retarget.human.keypoint_layouts import LAYOUTS, KeypointLayout

NAME = "arrays"
_JOINTS = frozenset(len(layout.joints) for layout in LAYOUTS.values())
_FLAT = _JOINTS - {16}  # 48 numbers may be many things
_NAMES = ("keypoints", "joints", "joints_3d", "joint_3d", "keypoints_3d", "landmarks", "points")
_TIMES = ("time", "times", "timestamp", "timestamps", "t")
_RATES = ("fps", "rate", "hz")
_VALID = ("valid", "is_valid", "mask")
FRAME_NOTE = "the file does not say what its points are in: taken to be one world"


def matches(source: Source) -> bool:
    """Whether a file may have arrays of keypoints."""
    return source.is_hdf5 or (not source.is_folder and source.values is not None)


def read(source: Source) -> PeopleRecording:
    """Read a file with an array of keypoints, or one for each hand.

    Raises:
        FileError: there is none, or nothing tells which one it is, of which hand, in which order.
    """
    found = pick(source, keypoints=True)
    notes: list[str] = []
    arranged = [_both(source, name, array, len(found) > 1, notes) for name, array in found]
    parts = [keypoints for keypoints, _ in arranged]
    frames = {len(part) for part in parts}
    if len(frames) > 1:
        raise source.error(f"{found[0][0]!r} and {found[1][0]!r} have {sorted(frames)} frames")
    keypoints = parts[0]
    if len(parts) == 2:
        keypoints = np.where(np.isnan(parts[0]), parts[1], parts[0])
    frame = "world"
    with np.errstate(invalid="ignore"):
        at_wrist = np.abs(keypoints[:, :, 0]) < 1e-6
    if at_wrist[np.isfinite(keypoints[:, :, 0])].all():
        frame = "wrist"
        notes.append("wrists lie in the origin: points are relative to the wrist")
    else:
        notes.append(FRAME_NOTE)
    return recording(
        source.path,
        NAME,
        keypoints=keypoints,
        frame=frame,
        layout=arranged[0][1].name,
        notes=notes,
        **_beside(source, len(keypoints)),
    )


def pick(source: Source, *, keypoints: bool) -> list[tuple[str, Any]]:
    """The one array of a file that is wanted, or one for each hand, with their names.

    Args:
        source: a file with arrays.
        keypoints: keypoints are wanted, by which others are left out; else any numbers.

    Raises:
        FileError: there is none, or there are several and no key.
    """
    if source.key is not None:
        return [(source.key, _at(source, source.key))]
    if source.is_hdf5:
        shapes = {name: source.hdf5.item(name) for name in source.hdf5.names()}
        fit = [
            name
            for name, item in shapes.items()
            if item is not None and item.shape is not None and (_fits(item.shape) or not keypoints)
        ]
        chosen = _choose(source, fit, list(shapes))
        return [(name, _at(source, name)) for name in chosen]
    values = source.values
    if not isinstance(values, Mapping):
        return [("", _array(source, "the array", values))]
    arrays = {}
    for name, value in values.items():
        try:
            array = _array(source, str(name), value)
        except InputError:
            continue
        except Exception:  # others of a file's entries are no arrays
            continue
        if not keypoints or _fits(array.shape):
            arrays[str(name)] = array
    chosen = _choose(source, list(arrays), [str(name) for name in values])
    return [(name, arrays[name]) for name in chosen]


def _choose(source: Source, fit: Sequence[str], names: Sequence[str]) -> list[str]:
    """Of the arrays that fit the one that is meant, or the left and the right hand's."""
    sides = [side_of_name(name) for name in fit]
    known = [name for name in fit if name.rsplit("/", 1)[-1].lower() in _NAMES]
    for several in (fit, known):
        if len(several) == 1:
            return [several[0]]
    for several in ([fit[k] for k, s in enumerate(sides) if s is not None],):
        if len(several) == 2 and {side_of_name(name) for name in several} == {0, 1}:
            return sorted(several, key=lambda name: side_of_name(name) or 0)
    shown = ", ".join(map(repr, (fit or names)[:12]))
    if not fit:
        raise source.error(f"has no keypoints (T, 21, 3) that can be told; it has {shown}")
    raise source.error(f"has several arrays that may be meant; name the key: {shown}")


def _fits(shape: tuple[int, ...]) -> bool:
    return _split(shape) is not None


def _split(shape: tuple[int, ...]) -> tuple[tuple[int, ...], int] | None:
    """(T, hands, J) and the numbers a joint (3 or 16) of an array's shape; None of others."""
    if len(shape) >= 2 and shape[-2:] == (4, 4) and len(shape) >= 3 and shape[-3] in _JOINTS:
        lead, joints, size = shape[:-3], shape[-3], 16
    elif len(shape) >= 2 and shape[-1] == 3 and shape[-2] in _JOINTS:
        lead, joints, size = shape[:-2], shape[-2], 3
    elif len(shape) == 2 and shape[1] % 6 == 0 and shape[1] // 6 in _FLAT:
        return (shape[0], 2, shape[1] // 6), 3
    elif len(shape) in (2, 3) and shape[-1] % 3 == 0 and shape[-1] // 3 in _FLAT:
        lead, joints, size = shape[:-1], shape[-1] // 3, 3
    else:
        return None
    if len(lead) == 0:
        return (1, 1, joints), size
    if len(lead) == 1:
        return (lead[0], 1, joints), size
    if len(lead) == 2 and lead[1] in (1, 2):
        return (lead[0], lead[1], joints), size
    return None


def _both(
    source: Source, name: str, array: FloatArray, one_of_two: bool, notes: list[str]
) -> tuple[FloatArray, KeypointLayout]:
    """Keypoints (T, 2, 21, 3) of an array as it stands in the file, and their layout there."""
    split = _split(array.shape)
    if split is None:
        hint = ""
        if array.shape[-1:] == (48,):
            hint = "; 48 numbers are 'hrdt48' or 'egovla48': name the layout"
        raise source.error(
            f"{name or 'its array'} has shape {array.shape}, expected (T, J, 3), (T, 2, J, 3) or "
            f"(T, 3 J), J one of {sorted(_JOINTS)}{hint}",
            key=name,
            shape=array.shape,
        )
    shape, size = split
    if size == 16:
        points = array.reshape(*shape, 4, 4)[..., :3, 3]
        notes.append("points are the translations of poses")
    else:
        points = array.reshape(*shape, 3)
    points = np.array(points, dtype=np.float64)
    try:
        keypoints, layout = in_order(source, points, notes)
    except InputError as cause:
        raise source.error(str(cause), key=name, shape=array.shape) from cause
    lacks = f"{layout.name} has no {', '.join(layout.missing)}"
    if layout.missing and lacks not in notes:
        notes.append(lacks)
    if shape[1] == 2:
        if source.side is not None:
            side = side_index(source.side)
            keypoints[:, 1 - side] = np.nan
        return keypoints, layout
    named = side_of_name(name) if one_of_two else None
    if named is None:
        named, said = side_of_source(source, name)
        notes.append(said)
    return both_hands(keypoints[:, 0], named), layout


def _at(source: Source, key: str) -> FloatArray:
    """The array of a key."""
    if source.is_hdf5:
        item = source.hdf5.item(key)
        if item is None or item.shape is None or item.dtype is None:
            names = ", ".join(map(repr, source.hdf5.names()[:12]))
            raise source.error(f"has no dataset {key!r}; it has {names}", key=key)
        if item.dtype.kind not in "fiu" or len(item.shape) == 0:
            raise source.error(f"{key!r} must hold numbers, got {item.dtype}", key=key)
        source.hdf5.check(key)
        return source.hdf5.rows(key, 0, item.shape[0])
    value = source.values
    for part in (key,) if isinstance(value, Mapping) and key in value else key.split("/"):
        if not isinstance(value, Mapping) or part not in value:
            has = ", ".join(map(repr, list(value)[:12])) if isinstance(value, Mapping) else "one"
            raise source.error(f"has no key {key!r}; it has {has}", key=key)
        value = value[part]
    return _array(source, key, value)


def _array(source: Source, name: str, value: Any) -> FloatArray:
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"holds {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError) as cause:
        raise source.error(f"{name!r} is no array of numbers: {cause}", key=name) from cause


def _beside(source: Source, frames: int) -> dict[str, Any]:
    """Times, rate and flags that lie beside the keypoints."""
    found: dict[str, Any] = {}
    for name, value in source.table.items():
        plain = name.lower().rsplit("/", 1)[-1]
        nanoseconds = plain.endswith("_ns")
        plain = plain[:-3] if nanoseconds else plain
        if plain not in (*_TIMES, *_RATES, *_VALID):
            continue
        array = np.asarray(value)
        if plain in _TIMES and array.shape == (frames,) and array.dtype.kind in "fiu":
            numbers = array.astype(np.float64) if array.dtype.kind == "f" else array - array[0]
            found["time"] = numbers * (1e-9 if nanoseconds else 1.0)
        elif plain in _RATES and array.size == 1 and array.dtype.kind in "fiu":
            found["rate"] = float(array.reshape(-1)[0])
        elif plain in _VALID and array.dtype.kind in "biuf" and array.size in (frames, 2 * frames):
            flags = array.reshape(frames, -1) != 0
            found["valid"] = np.broadcast_to(flags, (frames, 2))
    return found
