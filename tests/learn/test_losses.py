"""Losses: the published expressions by plain loops, right masks, exact gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from action_values import SEEDS, random_action
from hypothesis import given
from hypothesis import strategies as st

from retarget.actions import Normalization, action, make_chunks, pack, unpack
from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray
from retarget.human.hand_model import load_hand
from retarget.human.keypoints import HandKeypoints
from retarget.learn.losses import (
    LossWeights,
    action_loss,
    fingertip_loss,
    hand_loss,
    rotation_loss,
    translation_loss,
)

SHAPES = st.sampled_from([(1,), (7,), (3, 5)])


def tensor(values: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.array(values))


def plain_loss(
    predicted: FloatArray, label: FloatArray, mask: FloatArray, kind: str, components: int = 6
) -> float:
    """The published expressions, number by number: (n, 2, ...) and mask (n, 2) of 0 and 1."""
    total, count = 0.0, 0
    for step in range(len(label)):
        for hand in range(2):
            if mask[step, hand] == 0:
                continue
            p, q = predicted[step, hand].ravel(), label[step, hand].ravel()
            count += 1
            if kind == "l1":
                total += sum(abs(a - b) for a, b in zip(p, q, strict=True))
            elif kind == "l2":
                total += sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
            elif kind == "hand":
                total += sum((p[k] - q[k]) ** 2 for k in range(components))
            else:
                total += sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 9
    return total / count if count else 0.0


@given(SEEDS, SHAPES, st.booleans())
def test_equal_to_the_published_expressions(
    seed: int, shape: tuple[int, ...], everything: bool
) -> None:
    a, b = random_action(seed, shape), random_action(seed + 1, shape)
    mask = np.ones((*shape, 2))
    if not everything:
        mask = np.random.default_rng(seed).integers(0, 2, mask.shape).astype(float)
    given_ = None if everything else tensor(mask) > 0
    flat = mask.reshape(-1, 2)

    def rows(values: FloatArray, axes: int) -> FloatArray:
        return values.reshape(-1, *values.shape[-axes:])

    for kind in ("l1", "l2"):
        found = translation_loss(tensor(a.translation), tensor(b.translation), given_, norm=kind)
        want = plain_loss(rows(a.translation, 2), rows(b.translation, 2), flat, kind)
        assert float(found) == pytest.approx(want, rel=1e-12, abs=1e-6)
        assert abs(float(found) - want) < 1e-12 * max(1.0, want)
    for components in (6, 15):
        found = hand_loss(tensor(a.pca), tensor(b.pca), given_, components=components)
        want = plain_loss(rows(a.pca, 2), rows(b.pca, 2), flat, "hand", components)
        assert abs(float(found) - want) < 1e-12 * max(1.0, want)
    found = rotation_loss(tensor(a.rotation), tensor(b.rotation), given_)
    want = plain_loss(rows(a.rotation, 3), rows(b.rotation, 3), flat, "rotation")
    assert abs(float(found) - want) < 1e-12 * max(1.0, want)


@given(SEEDS)
def test_the_total_has_the_published_weights(seed: int) -> None:
    a, b = random_action(seed, (9,)), random_action(seed + 1, (9,))
    mask = np.random.default_rng(seed).integers(0, 2, (9, 2)).astype(float)
    predicted, label = unpack(tensor(pack(a))), unpack(tensor(pack(b)))
    for norm, components in (("l1", 6), ("l2", 15)):
        found = action_loss(predicted, label, tensor(mask), norm=norm, components=components)
        want = (
            20 * plain_loss(a.translation, b.translation, mask, norm)
            + 5 * plain_loss(a.pca, b.pca, mask, "hand", components)
            + 5 * plain_loss(a.rotation, b.rotation, mask, "rotation")
        )
        assert float(found.total) == pytest.approx(want, rel=1e-12)
    assert float(action_loss(label, label, tensor(mask)).total) == 0.0


# --- masks


@pytest.mark.parametrize("hand", [0, 1])
def test_each_hand_is_supervised_and_only_where_it_is_seen(hand: int) -> None:
    """Every term sees every entry of both hands, and nothing of a hand that is masked."""
    predicted = unpack(tensor(pack(random_action(0, (4,)))))
    label = unpack(tensor(pack(random_action(1, (4,)))))
    leaves = [
        values.clone().requires_grad_()
        for values in (predicted.translation, predicted.pca, predicted.rotation)
    ]
    mask = torch.zeros(4, 2)
    mask[1, hand] = 1
    action_loss(action(*leaves), label, mask, components=15).total.backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert (leaf.grad[1, hand] != 0).all()
        leaf.grad[1, hand] = 0
        assert not leaf.grad.any()


def test_compat_leaves_a_hand_unsupervised() -> None:
    """As the released code does by picking the wrong columns of its rotation mask."""
    a, b = random_action(0, (6,)), random_action(1, (6,))
    mask = np.array([[1, 1], [1, 0], [0, 1], [0, 0], [1, 1], [0, 1]], dtype=float)
    predicted = tensor(a.rotation).requires_grad_()
    found = rotation_loss(predicted, tensor(b.rotation), tensor(mask), compat="egovla")
    left = mask * [1, 0]
    want = plain_loss(a.rotation, b.rotation, left, "rotation")
    assert float(found.detach()) == pytest.approx(want)
    found.backward()
    assert predicted.grad is not None
    assert not predicted.grad[:, 1].any()
    assert predicted.grad[0, 0].any()
    right = rotation_loss(predicted, tensor(b.rotation), tensor(mask))
    assert float(right.detach()) != pytest.approx(float(found.detach()))
    with_it, without = (
        action_loss(unpack(tensor(pack(a))), unpack(tensor(pack(b))), tensor(mask), compat=compat)
        for compat in ("egovla", None)
    )
    assert float(with_it.rotation) == pytest.approx(float(found.detach()))
    assert float(with_it.hand) == float(without.hand)


def test_labels_that_are_missing_take_no_part() -> None:
    vectors = pack(random_action(1, (5,)))
    vectors[2, 3:6] = np.nan  # the right wrist
    predicted = tensor(pack(random_action(0, (5,)))).requires_grad_()
    found = action_loss(unpack(predicted), unpack(tensor(vectors)))
    found.total.backward()
    mask = np.ones((5, 2))
    mask[2, 1] = 0
    a, b = random_action(0, (5,)), random_action(1, (5,))
    assert float(found.translation.detach()) == pytest.approx(
        plain_loss(a.translation, b.translation, mask, "l1")
    )
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
    assert not predicted.grad[2, 3:6].any()
    assert int(found.left_out) == 0


def test_nan_under_a_mask_comes_through_nowhere() -> None:
    a, b = random_action(0, (5,)), random_action(1, (5,))
    for loss, values, label in (
        (translation_loss, a.translation, b.translation),
        (hand_loss, a.pca, b.pca),
        (rotation_loss, a.rotation, b.rotation),
    ):
        mask = torch.ones(5, 2)
        mask[3, 0] = 0
        clean = loss(tensor(values), tensor(label), mask)
        dirty_label, dirty = tensor(label), tensor(values)
        dirty_label[3, 0], dirty[3, 0] = float("nan"), float("inf")
        dirty.requires_grad_()
        found = loss(dirty, dirty_label, mask)
        assert float(found.detach()) == float(clean)
        found.backward()
        assert dirty.grad is not None
        assert torch.isfinite(dirty.grad).all()


def test_unusable_predictions_are_counted() -> None:
    vectors = pack(random_action(0, (5,)))
    vectors[1, 36:42], vectors[2, 4] = 0.0, np.nan
    label = unpack(tensor(pack(random_action(1, (5,)))))
    found = action_loss(unpack(tensor(vectors)), label)
    assert int(found.left_out) == 2
    usable = np.ones((5, 2))
    usable[1, 0] = usable[2, 1] = 0
    a, b = random_action(0, (5,)), random_action(1, (5,))
    assert float(found.hand) == pytest.approx(plain_loss(a.pca, b.pca, usable, "hand"))
    mask = torch.ones(5, 2)
    mask[1, 0] = 0
    assert int(action_loss(unpack(tensor(vectors)), label, mask).left_out) == 1


def test_an_empty_mask_is_zero_without_gradient() -> None:
    predicted = tensor(pack(random_action(0, (5,)))).requires_grad_()
    label = unpack(tensor(pack(random_action(1, (5,)))))
    found = action_loss(unpack(predicted), label, torch.zeros(5, 2))
    assert float(found.total.detach()) == 0.0
    found.total.backward()
    assert predicted.grad is not None
    assert not predicted.grad.any()


def test_masks_may_weigh() -> None:
    a, b = random_action(0, (2,)), random_action(1, (2,))
    mask = torch.tensor([[1.0, 3.0], [0.0, 0.5]])
    errors = np.abs(a.translation - b.translation).sum(axis=-1)
    want = (errors * mask.numpy()).sum() / 4.5
    found = translation_loss(tensor(a.translation), tensor(b.translation), mask)
    assert float(found) == pytest.approx(want)


# --- fingertips


@pytest.fixture(scope="module")
def hands() -> tuple[HandKeypoints, ...]:
    return tuple(HandKeypoints(load_hand(side), backend="torch") for side in SIDES)


def test_fingertip_loss_is_the_distance_of_fingertips(hands: tuple[HandKeypoints, ...]) -> None:
    a, b = random_action(0, (5,)), random_action(1, (5,))
    mask = np.ones((5, 2))
    mask[3, 1] = 0
    total = 0.0
    for hand, side in enumerate(SIDES):
        layer = HandKeypoints(load_hand(side))
        gap = layer.fingertips(a.pca[:, hand]) - layer.fingertips(b.pca[:, hand])
        total += ((gap**2).sum(axis=-1).mean(axis=-1) * mask[:, hand]).sum()
    found = fingertip_loss(tensor(a.pca), tensor(b.pca), hands, tensor(mask))
    assert float(found) == pytest.approx(total / mask.sum(), rel=1e-12)


def test_fingertip_term_takes_normalised_actions(hands: tuple[HandKeypoints, ...]) -> None:
    a, b = (
        unpack(tensor(pack(random_action(0, (4,))))),
        unpack(tensor(pack(random_action(1, (4,))))),
    )
    weights = LossWeights(fingertips=100.0)
    plain = action_loss(a, b, weights=weights, hands=hands)
    rule = Normalization.egovla()
    scaled = action_loss(rule.apply(a), rule.apply(b), weights=weights, hands=hands)
    assert float(scaled.fingertips) == pytest.approx(float(plain.fingertips), rel=1e-9)
    terms = 20 * plain.translation + 5 * plain.hand + 5 * plain.rotation + 100 * plain.fingertips
    assert float(plain.total) == pytest.approx(float(terms), rel=1e-12)


# --- gradients


def test_gradients_are_those_of_finite_differences(hands: tuple[HandKeypoints, ...]) -> None:
    vector = tensor(pack(random_action(0, (2,))))
    vector[:, 36:] += 0.3 * torch.randn(
        2, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    label = unpack(tensor(pack(random_action(1, (2,)))))
    mask = torch.tensor([[1.0, 0.0], [2.0, 1.0]], dtype=torch.float64)
    for norm in ("l1", "l2"):

        def loss(x: torch.Tensor, norm: str = norm) -> torch.Tensor:
            return action_loss(
                unpack(x),
                label,
                mask,
                norm=norm,
                components=15,
                weights=LossWeights(fingertips=100.0),
                hands=hands,
            ).total

        assert torch.autograd.gradcheck(loss, vector.clone().requires_grad_(), eps=1e-7, atol=1e-5)


# --- wrong arguments


def test_wrong_arguments_are_refused(hands: tuple[HandKeypoints, ...]) -> None:
    a, b = torch.zeros(4, 2, 3), torch.zeros(4, 2, 15)
    with pytest.raises(InputError, match="norm must be l1 or l2"):
        translation_loss(a, a, norm="huber")
    with pytest.raises(InputError, match=r"predicted must be a tensor of shape \(\.\.\., 2, 3\)"):
        translation_loss(b, b)
    with pytest.raises(InputError, match="the same shape"):
        translation_loss(a, a[:2])
    with pytest.raises(InputError, match=r"mask must be a tensor \(\.\.\., 2\)"):
        translation_loss(a, a, torch.ones(4))
    with pytest.raises(InputError, match="mask must have shape"):
        translation_loss(a, a, torch.ones(3, 2))
    with pytest.raises(InputError, match="components must be 1 to 15"):
        hand_loss(b, b, components=16)
    with pytest.raises(InputError, match="compat must be None or 'egovla'"):
        rotation_loss(torch.zeros(4, 2, 3, 3), torch.zeros(4, 2, 3, 3), compat="other")
    one = random_action(0, (4,), torch=True)
    vectors: Any = torch.zeros(3, 48)
    with pytest.raises(InputError, match=r"expected an Action, got .*unpack"):
        action_loss(vectors, vectors)
    with pytest.raises(InputError, match="predicted must be torch tensors"):
        action_loss(random_action(0, (4,)), one)
    with pytest.raises(InputError, match="not normalised alike"):
        action_loss(Normalization.egovla().apply(one), one)
    with pytest.raises(InputError, match="needs hands"):
        action_loss(one, one, weights=LossWeights(fingertips=1.0))
    with pytest.raises(InputError, match="two HandKeypoints"):
        fingertip_loss(b, b, [HandKeypoints(load_hand("left"))] * 2)
    swapped = [HandKeypoints(load_hand(side), backend="torch") for side in reversed(SIDES)]
    with pytest.raises(InputError, match="left and right, got right and left"):
        fingertip_loss(b, b, swapped)


def test_rows_beyond_the_motions_end_take_no_part() -> None:
    label = make_chunks(random_action(0, (6,), torch=True), 10)
    predicted = make_chunks(random_action(1, (6,), torch=True), 10)
    within = label.within
    assert within is not None
    assert 0 < int(within.sum()) < within.numel()
    whole = action_loss(predicted, label)
    alone = action_loss(predicted[within], label[within])
    torch.testing.assert_close(whole.total, alone.total)
    known = unpack(pack(label), within=within)  # as a loader gives them
    torch.testing.assert_close(action_loss(predicted, known).total, whole.total)
    assert not torch.isclose(action_loss(predicted, unpack(pack(label))).total, whole.total)
