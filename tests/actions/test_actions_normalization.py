"""Normalisation: once and back, never twice; figures from data; JSON that comes back bit by bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from action_values import SEEDS, SHAPES, close, random_action
from hypothesis import given
from hypothesis import strategies as st

from retarget.actions import Action, Normalization, action, pack, unpack
from retarget.actions.normalization import KINDS
from retarget.core.errors import FileError, InputError

LOW = np.array([-1, 1.5, -2, -3, -1.5, -1] + [-4] * 9)
HIGH = np.array([2.2, 3.5, 1, 0.5, 4, 5] + [4] * 9)


def some_data(seed: int = 0, frames: int = 200) -> Action:
    return random_action(seed, (frames,))


def missing(one: Action, frame: int, hand: int) -> Action:
    translation = one.translation.copy()
    translation[frame, hand] = np.nan
    return action(translation, one.pca, one.rotation)


# --- laws


@given(SEEDS, SHAPES, st.sampled_from(["egovla", *KINDS]))
def test_undo_undoes_apply(seed: int, shape: tuple[int, ...], kind: str) -> None:
    rule = (
        Normalization.egovla()
        if kind == "egovla"
        else Normalization.from_data(some_data(seed), kind, fields=("pca", "translation"))
    )
    one = random_action(seed, shape)
    done = rule.apply(one)
    assert done.normalization is rule
    close(rule.undo(done), one)
    theirs = rule.apply(random_action(seed, shape, torch=True))
    assert isinstance(theirs.pca, torch.Tensor)
    close(done, theirs)


def test_twice_is_refused() -> None:
    rule, other = Normalization.egovla(), Normalization.from_data(some_data())
    one = some_data()
    done = rule.apply(one)
    for again in (rule, other):
        with pytest.raises(InputError, match=r"normalised already \(egovla\)"):
            again.apply(done)
    with pytest.raises(InputError, match="nothing to undo"):
        rule.undo(one)
    with pytest.raises(InputError, match="nothing to undo"):
        rule.undo(rule.undo(done))
    with pytest.raises(InputError, match=r"other figures \(egovla\) than these \(min_max\)"):
        other.undo(done)


def test_the_tag_survives_vectors_and_slices() -> None:
    rule = Normalization.egovla()
    done = rule.apply(some_data())
    assert done[3:5].normalization == rule
    back = unpack(pack(done), normalization=rule)
    close(rule.undo(back), some_data())


def test_published_range() -> None:
    one = some_data()
    done = Normalization.egovla().apply(one)
    for hand in range(2):
        want = (one.pca[:, hand] - LOW) / (HIGH - LOW)
        np.testing.assert_allclose(done.pca[:, hand], want, rtol=1e-14)
    np.testing.assert_array_equal(done.translation, one.translation)
    np.testing.assert_array_equal(done.rotation, one.rotation)


# --- figures from data


def test_figures_are_those_of_the_data() -> None:
    data = some_data()
    both = ("pca", "translation")
    for field in both:
        done = getattr(Normalization.from_data(data, "min_max", fields=both).apply(data), field)
        np.testing.assert_allclose(done.min(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(done.max(axis=0), 1.0, atol=1e-12)
        done = getattr(Normalization.from_data(data, "mean_std", fields=both).apply(data), field)
        np.testing.assert_allclose(done.mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(done.std(axis=0), 1.0, atol=1e-12)
        rule = Normalization.from_data(data, "quantile", fields=both, quantiles=(0.1, 0.8))
        done = getattr(rule.apply(data), field)
        np.testing.assert_allclose(np.quantile(done, 0.1, axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(np.quantile(done, 0.8, axis=0), 1.0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_give_what_the_whole_gives(kind: str) -> None:
    data = some_data()
    whole = Normalization.from_data(data, kind)
    assert Normalization.from_data([data[:50], data[50:]], kind) == whole
    as_torch = unpack(torch.from_numpy(pack(data)))
    assert Normalization.from_data(as_torch, kind) == whole


def test_missing_hands_do_not_count() -> None:
    data = some_data()
    holes = missing(data, 7, 1)
    left, right = data.pca[:, 0], np.delete(data.pca[:, 1], 7, axis=0)
    rule = Normalization.from_data(holes)
    assert rule.pca is not None
    np.testing.assert_array_equal(rule.pca.offset, [left.min(axis=0), right.min(axis=0)])
    done = rule.apply(holes)
    assert not done.pca[7, 1].any()
    close(rule.undo(done), holes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_never_varies_is_shifted_to_zero(kind: str) -> None:
    data = some_data()
    pca = data.pca.copy()
    pca[..., 6:] = 0.3
    still = action(data.translation, pca, data.rotation)
    rule = Normalization.from_data(still, kind)
    done = rule.apply(still)
    np.testing.assert_allclose(done.pca[..., 6:], 0.0, atol=1e-12)
    close(rule.undo(done), still)


def test_vectors_are_to_be_unpacked_first() -> None:
    vectors: Any = pack(some_data())
    rule = Normalization.egovla()
    for use in (rule.apply, rule.undo, Normalization.from_data):
        for one in (vectors, torch.as_tensor(vectors)):
            with pytest.raises(InputError, match=r"expected an Action, got .*unpack"):
                use(one)


def test_what_gives_no_figures_is_refused() -> None:
    data = some_data()
    lost = action(np.where([[[True], [False]]], data.translation, np.nan), data.pca, data.rotation)
    with pytest.raises(InputError, match="no frame with a right hand"):
        Normalization.from_data(lost)
    with pytest.raises(InputError, match=r"min_max, mean_std, quantile, got 'max'"):
        Normalization.from_data(data, "max")
    with pytest.raises(InputError, match="fields must be of"):
        Normalization.from_data(data, fields=("rot6d",))
    with pytest.raises(InputError, match="must rise"):
        Normalization.from_data(data, "quantile", quantiles=(0.9, 0.1))
    with pytest.raises(InputError, match="normalised already"):
        Normalization.from_data(Normalization.egovla().apply(data))


# --- files


@pytest.mark.parametrize("kind", ["egovla", *KINDS])
def test_a_file_comes_back_bit_by_bit(tmp_path: Path, kind: str) -> None:
    rule = (
        Normalization.egovla()
        if kind == "egovla"
        else Normalization.from_data(some_data(), kind, fields=("pca", "translation"))
    )
    path = tmp_path / "normalization.json"
    rule.save(path)
    assert Normalization.load(path) == rule
    assert json.loads(path.read_text("utf-8"))["kind"] == kind


def changed(**changes: Any) -> str:
    table = json.loads(Normalization.egovla().to_json())
    table.update(changes)
    return json.dumps(table)


GOOD = {"offset": [0.0] * 15, "scale": [1.0] * 15}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[1, 2]", "key 'format' is not 'retarget-normalization'"),
        ("{}", "key 'format' is not"),
        (changed(version=2), "version 2, this library reads 1"),
        (changed(kind="max"), "key 'kind' is 'max', expected"),
        (changed(extra=1), "keys that mean nothing here: extra"),
        (changed(pca={"left": GOOD}), "key 'pca.right.offset' is missing"),
        (changed(pca={"left": GOOD, "right": {**GOOD, "scale": [1.0] * 14}}), "15 finite numbers"),
        (changed(pca={"left": GOOD, "right": {**GOOD, "offset": ["a"] * 15}}), "not numbers"),
        (changed(pca={"left": GOOD, "right": {**GOOD, "scale": [0.0] * 15}}), "must be positive"),
        (changed(pca=[1, 2]), "key 'pca.left.offset' is missing or not numbers"),
        ('{"format": "retarget-normalization", "version": 1, "kind": "min_max"}', "nothing"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text, "utf-8")
    with pytest.raises(FileError) as error:
        Normalization.load(path)
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        Normalization.load(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not UTF-8"):
        Normalization.load(tmp_path / "bytes.json")
