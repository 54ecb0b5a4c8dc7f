"""What a policy said as a chunk: anything at all with care, sound vectors in little time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.actions import ACTION_FIELDS, ACTION_SIZE, Action, transform_action, unpack
from retarget.actions.ensembler import HAND, NUMBERS, POSITION, ROTATION
from retarget.core.checks import are_rigid
from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray

# squared lengths of rot6d columns, and squared sine between them, that need no second look
_SQUARE_LEAST, _SQUARE_MOST, _SINE2_LEAST = 1e-4, 1e4, 1e-6
# what numpy raises for what is no array of numbers, torch's tensors with a gradient among it
_NO_NUMBERS = (TypeError, ValueError, RuntimeError)
_LARGEST = 1e6  # metres or coefficients
_HANDS = len(SIDES)
_XYZXY = (0, 1, 2, 0, 1)  # with the first two repeated, neighbours are slices

_TRANSLATION, _PCA, _ROT6D = (field.place for field in ACTION_FIELDS.values())


def read_action(action: ArrayLike | Action, T_a_camera: FloatArray | None = None) -> Action:
    """Whatever a policy said as a chunk (L,).

    Args:
        action: a vector (48,), vectors (L, 48), or an `Action` of either; anything may be wrong
            with the numbers.
        T_a_camera: (4, 4) rigid transform [m], None to stay in the camera's frame.

    Raises:
        InputError: another shape, no numbers at all, or a normalised `Action`.
    """
    if isinstance(action, Action):
        chunk = action if action.shape else action[None]
    else:
        try:
            vector = np.asarray(action, dtype=np.float64)
        except _NO_NUMBERS as error:
            raise InputError(f"an action must be numbers: {error}") from None
        if vector.ndim not in (1, 2) or vector.shape[-1] != ACTION_SIZE or not vector.size:
            raise InputError(
                f"an action must have shape ({ACTION_SIZE},) or (L, {ACTION_SIZE}), got "
                f"{vector.shape}"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # numbers of any size may come
            chunk = unpack(vector.reshape(-1, ACTION_SIZE))
    return chunk if T_a_camera is None else transform_action(T_a_camera, chunk)


def rigid(T_a_b: ArrayLike) -> FloatArray:
    """A transform (4, 4) [m].

    Raises:
        InputError: another shape, numbers that are not finite, or it is not rigid.
    """
    try:
        T = np.asarray(T_a_b, dtype=np.float64)
    except _NO_NUMBERS as error:
        raise InputError(f"a camera's pose must be numbers: {error}") from None
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise InputError(f"a camera's pose must be a finite (4, 4) transform, got {T.shape}")
    if not are_rigid(T):
        raise InputError("a camera's pose must be a rigid transform")
    return T


def seen_step(step: int | None, now: int) -> int:
    """The step a chunk was made from: ``now`` where nobody says.

    Raises:
        InputError: not a whole number, or a step to come.
    """
    if step is None:
        return now
    try:
        seen = int(step)
    except (TypeError, ValueError, OverflowError):
        seen = None
    if seen is None or seen != step:
        raise InputError(f"step must be a whole number, got {step!r}")
    if seen > now:
        raise InputError(f"a chunk of step {seen} came in step {now}")
    return seen


def sound_rows(action: ArrayLike | Action, most: int) -> FloatArray | None:
    """A chunk of vectors as `ChunkEnsembler.push_rows` takes it, None where there is any doubt.

    The same as `read_action` of vectors (L, 48), in less time: without a doubt are float64 arrays
    of up to ``most`` rows with numbers up to 1e6 and rot6d columns that are neither very long, very
    short nor nearly parallel.
    """
    if (
        type(action) is not np.ndarray
        or action.dtype != np.float64
        or action.ndim != 2
        or action.shape[1] != ACTION_SIZE
        or not 0 < len(action) <= most
        or not np.abs(action).max() <= _LARGEST  # NaN is not
    ):
        return None
    length = len(action)
    columns = action.take(_places(length))  # [x y z x y, column, row, hand]
    xyz = columns[:3]
    squares = np.add.reduce(xyz * xyz)
    if not (squares.min() > _SQUARE_LEAST and squares.max() < _SQUARE_MOST):
        return None
    columns /= np.sqrt(squares)
    x, y = columns[:, 0], columns[:, 1]
    y -= np.add.reduce(x[:3] * y[:3]) * x
    squares = np.add.reduce(y[:3] * y[:3])
    if not squares.min() > _SINE2_LEAST:
        return None
    y /= np.sqrt(squares)
    rows = np.empty((length, _HANDS, NUMBERS))
    rows[..., POSITION] = action[:, _TRANSLATION].reshape(length, _HANDS, 3)
    rows[..., HAND] = action[:, _PCA].reshape(length, _HANDS, -1)
    rotation = rows[..., ROTATION].reshape(length, _HANDS, 3, 3)  # not a copy
    rotation[..., 0], rotation[..., 1] = x[:3].transpose(1, 2, 0), y[:3].transpose(1, 2, 0)
    rotation[..., 2] = (x[1:4] * y[2:5] - x[2:5] * y[1:4]).transpose(1, 2, 0)
    return rows


@lru_cache(maxsize=64)
def _places(length: int) -> NDArray[np.intp]:
    """Places of rot6d in the flat vectors of a chunk."""
    rows = np.arange(length * ACTION_SIZE).reshape(length, ACTION_SIZE)[:, _ROT6D]
    places = rows.reshape(length, _HANDS, 2, 3).transpose(3, 2, 0, 1)[list(_XYZXY)]
    return np.ascontiguousarray(places, dtype=np.intp)
