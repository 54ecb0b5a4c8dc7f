"""The 48 numbers of one step of a policy's action, as named fields and as one vector.

``[left xyz, right xyz | left PCA, right PCA | left rot6d, right rot6d]``: EgoVLA's layout. Wrist
poses are those of the human (MANO) wrist; rot6d is the first column of the rotation matrix, then
the second (PyTorch3D takes rows, which is another rotation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from retarget.core.arrays import Array, as_array, integers_like, like, namespace, same_kind
from retarget.core.errors import InputError
from retarget.core.geometry import rot6d_from_rotation, rotation_from_rot6d
from retarget.core.types import SIDES, Status
from retarget.core.values import ArrayValue

HANDS = len(SIDES)
COMPONENTS = 15
ROT6D = 6


class Field(NamedTuple):
    """Where a field stands in a vector: both hands, left then right, of ``size`` numbers each."""

    name: str
    start: int
    size: int

    @property
    def place(self) -> slice:
        """Its place in the vector."""
        return slice(self.start, self.start + HANDS * self.size)


def fields(*sizes: tuple[str, int]) -> dict[str, Field]:
    """Consecutive fields from names and sizes of one hand."""
    table, start = {}, 0
    for name, size in sizes:
        table[name] = Field(name, start, size)
        start += HANDS * size
    return table


class NormalizationTag(Protocol):
    """What an action says of the normalisation its numbers have gone through."""

    @property
    def kind(self) -> str:
        """Where its figures come from."""

    @property
    def moves_translation(self) -> bool:
        """Wrist positions are normalised too, so that frames cannot be changed."""

    def undo(self, action: Action) -> Action:
        """The action with its numbers as they were."""


ACTION_FIELDS = fields(("translation", 3), ("pca", COMPONENTS), ("rot6d", ROT6D))
ACTION_SIZE = 48


@dataclass(frozen=True, eq=False)
class Action(ArrayValue):
    """Both hands of any number of steps; numpy arrays or torch tensors alike.

    Where the status is MISSING_INPUT the hand's numbers are placeholders (zeros, identity), never
    NaN: whoever uses them looks at the status first.

    Attributes:
        translation: (..., 2, 3) wrist position in the action's frame [m].
        pca: (..., 2, 15) pose coefficients, or what `normalization` makes of them.
        rotation: (..., 2, 3, 3) wrist orientation in the action's frame.
        status: (..., 2) `Status` values.
        normalization: what was applied to the numbers; None where they are as they should be used.
        within: (...) booleans, False for rows of chunks beyond the motion's end, which repeat its
            last frame; None where all rows are within.
    """

    translation: Array
    pca: Array
    rotation: Array
    status: Array
    normalization: NormalizationTag | None = None
    within: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The batch axes."""
        return tuple(self.status.shape[:-1])

    @property
    def known(self) -> Array:
        """(..., 2) where there is a hand at all."""
        return self.status != int(Status.MISSING_INPUT)

    def __len__(self) -> int:
        """Length of the first batch axis."""
        if not self.shape:
            raise TypeError("this action is a single step, it has no batch axis")
        return self.shape[0]

    def __getitem__(self, index: object) -> Action:
        """The same index of the batch axes of every field, e.g. ``action[3:5]``."""
        return Action(
            self.translation[_kept(index, 2)],
            self.pca[_kept(index, 2)],
            self.rotation[_kept(index, 3)],
            self.status[_kept(index, 1)],
            self.normalization,
            None if self.within is None else self.within[index],
        )


def action(
    translation: Array,
    pca: Array,
    rotation: Array,
    status: Array | None = None,
    *,
    normalization: NormalizationTag | None = None,
) -> Action:
    """An `Action` of checked arrays: hands whose numbers are not finite become MISSING_INPUT.

    Args:
        translation: (..., 2, 3) [m].
        pca: (..., 2, K) coefficients, K from 1 to 15; those not given are zero.
        rotation: (..., 2, 3, 3).
        status: (..., 2) `Status` values; OK where not given.
        normalization: what was applied to the numbers.

    Raises:
        InputError: shapes that do not fit, or numpy and torch mixed.
    """
    translation = as_array(translation, "translation", HANDS, 3)
    rotation = as_array(rotation, "rotation", HANDS, 3, 3)
    pca = _padded(pca)
    xp = same_kind("translation, pca and rotation", translation, pca, rotation)
    shape = tuple(translation.shape[:-1])
    if tuple(pca.shape[:-1]) != shape or tuple(rotation.shape[:-2]) != shape:
        raise InputError(
            f"translation, pca and rotation must have the same batch axes, got "
            f"{tuple(translation.shape)}, {tuple(pca.shape)} and {tuple(rotation.shape)}"
        )
    known = (
        xp.isfinite(translation).all(-1)
        & xp.isfinite(pca).all(-1)
        & xp.isfinite(rotation).all(-1).all(-1)
    )
    if status is None:
        return _with_placeholders(translation, pca, rotation, _status(known), known, normalization)
    found = integers_like(status, translation)
    if tuple(found.shape) != shape:
        raise InputError(f"status must have shape {shape}, got {tuple(found.shape)}")
    missing = int(Status.MISSING_INPUT)
    known = known & (found != missing)
    found = xp.where(known, found, missing)
    return _with_placeholders(translation, pca, rotation, found, known, normalization)


def pack(action: Action) -> Array:
    """The action as vectors (..., 48); a hand whose status is MISSING_INPUT is NaN there.

    `unpack` gives the same action back, statuses other than MISSING_INPUT as OK. What was done to
    the numbers (`Action.normalization`), and which rows are within the motion (`Action.within`), is
    not in the vector: keep it beside.

    Raises:
        InputError: a field has the wrong shape.
    """
    translation = as_array(action.translation, "translation", HANDS, 3)
    pca = as_array(action.pca, "pca", HANDS, COMPONENTS)
    rotation = as_array(action.rotation, "rotation", HANDS, 3, 3)
    same_kind("translation, pca and rotation", translation, pca, rotation)
    return join_hands(action.known, translation, pca, rot6d_from_rotation(rotation))


def unpack(
    vector: Array,
    *,
    normalization: NormalizationTag | None = None,
    within: Array | None = None,
) -> Action:
    """Named fields of vectors (..., 48), rotations orthonormalised by Gram-Schmidt.

    A hand is MISSING_INPUT where one of its 24 numbers is not finite, or where its rot6d is
    degenerate: a column shorter than 1e-6 or longer than 1e6, or the two within 1e-3 rad of
    parallel (Zhou et al. 2019, "On the Continuity of Rotation Representations in Neural Networks").

    Args:
        vector: (..., 48).
        normalization: what the numbers have gone through; None where they are as they should be
            used. `Normalization.undo` of the result takes it off, once.
        within: (...) booleans, see `Action.within`.

    Raises:
        InputError: the last axis is not 48 long, or ``within`` has other axes.
    """
    vector = as_array(vector, "vector", ACTION_SIZE)
    translation, pca, rot6d = (split_hands(vector, field) for field in ACTION_FIELDS.values())
    xp = namespace(vector)
    rotation, sound = rotation_from_rot6d(rot6d)
    known = sound
    if not (xp is np and np.isfinite(vector).all()):
        known = sound & xp.isfinite(translation).all(-1) & xp.isfinite(pca).all(-1)
    found = _with_placeholders(translation, pca, rotation, _status(known), known, normalization)
    if within is None:
        return found
    if tuple(within.shape) != found.shape:
        raise InputError(f"within must have shape {found.shape}, got {tuple(within.shape)}")
    return replace(found, within=within)


def split_hands(vector: Array, field: Field) -> Array:
    """One field of vectors (..., n) as (..., 2, size)."""
    return vector[..., field.place].reshape(*vector.shape[:-1], HANDS, field.size)


def join_hands(known: Array, *parts: Array) -> Array:
    """Fields (..., 2, size) as one vector (..., n); NaN for hands that are not known."""
    xp = namespace(parts[0])
    seen = [xp.where(known[..., None], part, float("nan")) for part in parts]
    lead = known.shape[:-1]
    return xp.concatenate([part.reshape(*lead, HANDS * part.shape[-1]) for part in seen], -1)


def _status(known: Array) -> Array:
    return namespace(known).where(known, int(Status.OK), int(Status.MISSING_INPUT))


def _with_placeholders(
    translation: Array,
    pca: Array,
    rotation: Array,
    status: Array,
    known: Array,
    normalization: NormalizationTag | None,
) -> Action:
    """An action of arrays known to fit, placeholders where a hand is not known."""
    xp = namespace(translation)
    if xp is np and known.all():
        return Action(translation, pca, rotation, status, normalization)
    return Action(
        translation=xp.where(known[..., None], translation, 0.0),
        pca=xp.where(known[..., None], pca, 0.0),
        rotation=xp.where(known[..., None, None], rotation, like(np.eye(3), rotation)),
        status=status,
        normalization=normalization,
    )


def _padded(pca: Array) -> Array:
    pca = as_array(pca, "pca")
    shape = tuple(pca.shape)
    if len(shape) < 2 or shape[-2] != HANDS or not 1 <= shape[-1] <= COMPONENTS:
        raise InputError(f"pca must have shape (..., 2, K), K from 1 to {COMPONENTS}, got {shape}")
    if shape[-1] == COMPONENTS:
        return pca
    rest = like(np.zeros((*shape[:-1], COMPONENTS - shape[-1])), pca)
    return namespace(pca).concatenate([pca, rest], -1)


def _kept(index: object, axes: int) -> tuple[object, ...]:
    """An index of batch axes alone, for an array with ``axes`` more axes at its end."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(part is Ellipsis for part in parts):
        return (*parts, *[slice(None)] * axes)
    return parts
