"""Losses of a policy on actions, as pure torch functions equal to EgoVLA's published expressions.

Every term is a masked mean over hands and steps: a hand takes part where the label has it and the
caller's mask, if any, is not zero. What does not take part has no gradient and may be NaN. Where
nothing takes part the term is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from retarget.actions.layout import COMPONENTS, HANDS, Action
from retarget.actions.normalization import require_action
from retarget.core.errors import InputError
from retarget.core.types import SIDES

if TYPE_CHECKING:
    from retarget.human.keypoints import HandKeypoints

Tensor = torch.Tensor
COMPAT = (None, "egovla")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; those of EgoVLA's public code, which has no fingertip term.

    Attributes:
        translation: of `translation_loss` [1/m], or [1/m^2] with "l2".
        hand: of `hand_loss`.
        rotation: of `rotation_loss`.
        fingertips: of `fingertip_loss` [1/m^2].
    """

    translation: float = 20.0
    hand: float = 5.0
    rotation: float = 5.0
    fingertips: float = 0.0


class ActionLoss(NamedTuple):
    """A loss and its terms.

    Attributes:
        total: weighted sum of the terms.
        translation: see `translation_loss`.
        hand: see `hand_loss`.
        rotation: see `rotation_loss`.
        fingertips: see `fingertip_loss`; zero where no hands were given.
        left_out: supervised hands and steps without a usable prediction (NaN, degenerate rot6d):
            they take no part, so a number above zero wants attention.
    """

    total: Tensor
    translation: Tensor
    hand: Tensor
    rotation: Tensor
    fingertips: Tensor
    left_out: Tensor


def translation_loss(
    predicted: Tensor, label: Tensor, mask: Tensor | None = None, *, norm: str = "l1"
) -> Tensor:
    """Masked mean of the sum over x, y, z of the absolute or squared difference.

    EgoVLA takes "l1" when fine-tuning on robot data and "l2" when pretraining on human video.

    Args:
        predicted: (..., 2, 3) wrist positions [m].
        label: (..., 2, 3).
        mask: (..., 2) weights that are not negative, or booleans; all where None.
        norm: "l1" [m] or "l2", the squared difference [m^2].

    Raises:
        InputError: shapes that do not fit, or an unknown norm.
    """
    if norm not in ("l1", "l2"):
        raise InputError(f"norm must be l1 or l2, got {norm!r}")
    difference, weight = _difference(predicted, label, mask, 3)
    error = difference.abs() if norm == "l1" else difference.square()
    return _mean(error.sum(-1), weight)


def hand_loss(
    predicted: Tensor, label: Tensor, mask: Tensor | None = None, *, components: int = 6
) -> Tensor:
    """Masked mean of the sum of squared differences over the first components.

    EgoVLA takes 6 components when fine-tuning, all that its fit uses, and 15 when pretraining.

    Args:
        predicted: (..., 2, 15) coefficients, normalised as the label.
        label: (..., 2, 15).
        mask: as in `translation_loss`.
        components: how many count, from 1 to 15.

    Raises:
        InputError: shapes that do not fit, or another number of components.
    """
    if not 1 <= components <= COMPONENTS:
        raise InputError(f"components must be 1 to {COMPONENTS}, got {components}")
    difference, weight = _difference(predicted, label, mask, COMPONENTS)
    return _mean(difference[..., :components].square().sum(-1), weight)


def rotation_loss(
    predicted: Tensor,
    label: Tensor,
    mask: Tensor | None = None,
    *,
    compat: str | None = None,
) -> Tensor:
    """Masked mean of the mean over nine entries of ``|R_predicted - R_label|``.

    Args:
        predicted: (..., 2, 3, 3) wrist rotations.
        label: (..., 2, 3, 3).
        mask: as in `translation_loss`.
        compat: "egovla" leaves one hand out, to compare with models trained by the released code.
            Known of that code: its rotation mask picks the wrong columns, so that a hand goes
            unsupervised. Inferred here: that hand is the right one, whose columns come second, and
            the mean is over the left hand alone.

    Raises:
        InputError: shapes that do not fit, or an unknown compat.
    """
    _check_compat(compat)
    difference, weight = _difference(predicted, label, mask, 3, 3)
    if compat == "egovla":
        weight = weight * weight.new_tensor([1.0, 0.0])
        difference = torch.where(weight[..., None, None] > 0, difference, 0.0)
    return _mean(difference.abs().mean((-2, -1)), weight)


def fingertip_loss(
    predicted: Tensor,
    label: Tensor,
    hands: Sequence[HandKeypoints],
    mask: Tensor | None = None,
) -> Tensor:
    """Masked mean of the squared distance [m^2] of fingertips, mean over five, in the hand's frame.

    Coefficients matter by how far they move fingertips, so this weighs their errors as the robot
    feels them. Gradients go through exact linear blend skinning.

    Args:
        predicted: (..., 2, 15) coefficients, not normalised.
        label: (..., 2, 15).
        hands: left and right `HandKeypoints` with the torch backend, of the predictions' dtype and
            device.
        mask: as in `translation_loss`.

    Raises:
        InputError: shapes that do not fit, not two hands, or hands of the numpy backend.
    """
    if len(hands) != HANDS or any(hand.backend != "torch" for hand in hands):
        raise InputError("hands must be two HandKeypoints with backend='torch', left and right")
    given_sides = tuple(hand.model.side for hand in hands)
    if given_sides != SIDES:
        raise InputError(f"hands must be left and right, got {' and '.join(given_sides)}")
    difference, weight = _difference(predicted, label, mask, COMPONENTS)
    # a label that takes no part may be NaN; poses of the mean hand stand in for both
    known = weight[..., None] > 0
    target = torch.where(known, label, 0.0)
    given = target + difference
    errors = [
        (hand.fingertips(given[..., k, :]) - hand.fingertips(target[..., k, :])).square().sum(-1)
        for k, hand in enumerate(hands)
    ]
    return _mean(torch.stack(errors, -2).mean(-1), weight)


def action_loss(
    predicted: Action,
    label: Action,
    mask: Tensor | None = None,
    *,
    weights: LossWeights | None = None,
    norm: str = "l1",
    components: int = 6,
    compat: str | None = None,
    hands: Sequence[HandKeypoints] | None = None,
) -> ActionLoss:
    """All terms for actions, e.g. ``action_loss(unpack(model(x)), unpack(labels)).total``.

    The defaults are EgoVLA's fine-tuning; ``norm="l2", components=15`` is its pretraining.

    Args:
        predicted: (...) torch actions.
        label: (...) torch actions in the same frame, normalised alike; hands that are missing take
            no part, nor do rows beyond the motion's end (`Action.within`).
        mask: (..., 2) weights that are not negative, or booleans; all where None.
        weights: of the terms; EgoVLA's where None.
        norm: of `translation_loss`.
        components: of `hand_loss`.
        compat: of `rotation_loss`.
        hands: of `fingertip_loss`; needed where its weight is not zero. Normalised coefficients are
            taken back before.

    Raises:
        InputError: shapes or normalisations that do not fit, numpy arrays, or a fingertip weight
            without hands.
    """
    weights = weights or LossWeights()
    _check_compat(compat)
    for name, values in (("predicted", predicted), ("label", label)):
        require_action(values)
        if not isinstance(values.translation, torch.Tensor):
            raise InputError(f"{name} must be torch tensors; pack it and use torch.as_tensor")
    if predicted.normalization != label.normalization:
        raise InputError("predicted and label are not normalised alike")
    if weights.fingertips and hands is None:
        raise InputError("a fingertip weight needs hands: HandKeypoints, left and right")
    wanted = _mask(mask, label.translation.shape[:-1], label.translation) * label.known
    if label.within is not None:
        wanted = wanted * label.within[..., None]
    weight = wanted * predicted.known
    translation = translation_loss(predicted.translation, label.translation, weight, norm=norm)
    hand = hand_loss(predicted.pca, label.pca, weight, components=components)
    rotation = rotation_loss(predicted.rotation, label.rotation, weight, compat=compat)
    fingertips = translation.new_zeros(())
    if hands is not None:
        given, target = (_unnormalised(values) for values in (predicted, label))
        fingertips = fingertip_loss(given.pca, target.pca, hands, weight)
    return ActionLoss(
        total=weights.translation * translation
        + weights.hand * hand
        + weights.rotation * rotation
        + weights.fingertips * fingertips,
        translation=translation,
        hand=hand,
        rotation=rotation,
        fingertips=fingertips,
        left_out=((wanted > 0) & ~predicted.known).sum(),
    )


def _difference(
    predicted: Tensor, label: Tensor, mask: Tensor | None, *last: int
) -> tuple[Tensor, Tensor]:
    """Predicted less label, zero where the mask (..., 2) is, and the mask."""
    shape = (HANDS, *last)
    for name, values in (("predicted", predicted), ("label", label)):
        if not isinstance(values, torch.Tensor) or tuple(values.shape[-len(shape) :]) != shape:
            got: Any = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values)
            wanted = ", ".join(map(str, shape))
            raise InputError(f"{name} must be a tensor of shape (..., {wanted}), got {got}")
    if predicted.shape != label.shape:
        raise InputError(
            f"predicted and label must have the same shape, got {tuple(predicted.shape)} and "
            f"{tuple(label.shape)}"
        )
    weight = _mask(mask, predicted.shape[: predicted.ndim - len(last)], predicted)
    taken = (weight > 0).reshape(*weight.shape, *[1] * len(last))
    # both sides, so that neither a NaN nor its gradient comes through
    zero = predicted.new_zeros(())
    return torch.where(taken, predicted, zero) - torch.where(taken, label, zero), weight


def _mask(mask: Tensor | None, shape: Sequence[int], like: Tensor) -> Tensor:
    if mask is None:
        return like.new_ones(tuple(shape))
    if not isinstance(mask, torch.Tensor) or mask.ndim == 0 or mask.shape[-1] != HANDS:
        got: Any = tuple(mask.shape) if isinstance(mask, torch.Tensor) else type(mask)
        raise InputError(f"mask must be a tensor (..., 2), {' and '.join(SIDES)}, got {got}")
    try:
        return mask.to(like).expand(tuple(shape))
    except RuntimeError:
        raise InputError(f"mask must have shape {tuple(shape)}, got {tuple(mask.shape)}") from None


def _mean(errors: Tensor, weight: Tensor) -> Tensor:
    total = weight.sum()
    return (errors * weight).sum() / torch.where(total > 0, total, 1.0)


def _unnormalised(action: Action) -> Action:
    return action if action.normalization is None else action.normalization.undo(action)


def _check_compat(compat: str | None) -> None:
    if compat not in COMPAT:
        raise InputError(f"compat must be None or 'egovla', got {compat!r}")
