"""Hand models: files are found, checked and named by content; left is right mirrored."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_files import mano_arrays, rough_hand, write_npz

from retarget.core.errors import InputError, ModelError
from retarget.core.types import SIDES
from retarget.human.hand_model import hand_from_arrays, hands_hash, load_hand, load_hands
from retarget.human.mano_format import LEFT_MENDED, length_width_correlation

NAMES = ("template", "shapedirs", "posedirs", "regressor", "weights", "faces", "components", "mean")


@pytest.mark.parametrize("side", SIDES)
def test_mirroring_twice_is_the_same_hand(side: str) -> None:
    hand = rough_hand(side)
    again = hand.mirrored().mirrored()
    for name in NAMES:
        np.testing.assert_array_equal(getattr(again, name), getattr(hand, name))
    assert again.hash == hand.hash != hand.mirrored().hash


def test_the_open_hands_mirror_each_other() -> None:
    left, right = load_hands()
    assert (left.side, right.side) == SIDES
    assert left.mirrored().hash == right.hash
    assert left.notes == right.notes == ()
    np.testing.assert_allclose(left.joints(), right.joints() * [-1.0, 1.0, 1.0], atol=1e-15)


def test_open_hand_is_an_orthonormal_pose_space_of_falling_spread() -> None:
    hand = load_hand("right")
    np.testing.assert_allclose(hand.components @ hand.components.T, np.eye(45), atol=1e-9)
    assert (np.diff(hand.sigma) <= 1e-12).all()


def test_mirrored_hands_turn_their_faces_outwards() -> None:
    # the volume enclosed by the mesh is positive where faces run counter-clockwise from outside
    for hand in (load_hand("right"), load_hand("right").mirrored()):
        a, b, c = np.moveaxis(hand.template[hand.faces], 1, 0)
        assert np.sum(a * np.cross(b, c)) / 6.0 > 1e-5


def test_arrays_are_locked_copies() -> None:
    arrays = mano_arrays(rough_hand())
    hand = hand_from_arrays("right", arrays, "here")
    with pytest.raises(ValueError, match="read-only"):
        hand.template[0, 0] = 1.0
    before = hand.hash
    arrays["v_template"] = arrays["v_template"].copy()
    arrays["v_template"][0] += 1.0
    assert hand_from_arrays("right", arrays, "here").hash != before


def test_shape_moves_the_joints_linearly() -> None:
    hand = rough_hand()
    first, second = np.eye(10)[0], np.eye(10)[3]
    moved = hand.joints(first + 2.0 * second) - hand.joints()
    parts = [hand.joints(b) - hand.joints() for b in (first, second)]
    np.testing.assert_allclose(moved, parts[0] + 2.0 * parts[1], atol=1e-15)
    np.testing.assert_allclose(hand.joints([1.0]), hand.joints(first), atol=1e-15)
    with pytest.raises(InputError, match=r"S <= 10, got \(11,\)"):
        hand.joints(np.zeros(11))


@pytest.mark.parametrize("name", [*NAMES, "sigma", "side"])
def test_the_hash_sees_every_number(name: str) -> None:
    hand = rough_hand()
    changed: Any = "left"
    if name != "side":
        changed = getattr(hand, name).copy()
        changed.reshape(-1)[7] += 1e-3 if name != "faces" else 1
    other = dataclasses.replace(hand, **{name: changed})
    assert other.hash != hand.hash
    assert dataclasses.replace(hand, source="elsewhere", notes=("new",)).hash == hand.hash


def test_the_hash_of_a_pair_knows_its_order() -> None:
    left, right = load_hands()
    assert hands_hash((left, right)) == hands_hash(load_hands("open"))
    assert hands_hash((left, right)) != hands_hash((right, left))


def test_files_are_found_where_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, left = rough_hand(), rough_hand().mirrored()
    nested = tmp_path / "mano"
    nested.mkdir()
    paths = {hand.side: write_npz(nested, hand) for hand in (left, right)}
    wanted = {side: load_hand(side, path).hash for side, path in paths.items()}
    for source in (tmp_path, str(nested), paths["right"]):
        assert {hand.side: hand.hash for hand in load_hands(source)} == wanted
    for named in (tmp_path, nested, paths["left"]):
        monkeypatch.setenv("MANO_MODELS", str(named))
        assert {hand.side: hand.hash for hand in load_hands("mano")} == wanted
    monkeypatch.setenv("MANO_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"nowhere.*no MANO_LEFT.npz or MANO_LEFT.pkl"):
        load_hand("left", "mano")


def test_a_file_stands_for_its_pair_alone(tmp_path: Path) -> None:
    right, left = rough_hand(), rough_hand().mirrored()
    mine = {
        side: write_npz(tmp_path, hand).rename(tmp_path / f"my_{side}.npz")
        for side, hand in (("left", left), ("right", right))
    }
    wanted = [load_hand(side, mine[side]).hash for side in ("left", "right")]
    other = dataclasses.replace(right, template=right.template * 1.1)
    write_npz(tmp_path, other), write_npz(tmp_path, other.mirrored())  # which lie beside them
    for path in mine.values():
        assert [hand.hash for hand in load_hands(path)] == wanted
    mine["left"].unlink()
    with pytest.raises(
        ModelError, match=r"my_left\.npz: no such file.*other hand of my_right\.npz"
    ):
        load_hands(mine["right"])
    odd = mine["right"].rename(tmp_path / "mine.npz")
    with pytest.raises(ModelError, match=r"mine\.npz: .*no 'left' or 'right'"):
        load_hands(odd)
    assert load_hand("right", odd).hash == wanted[1]


def test_spread_comes_from_the_file(tmp_path: Path) -> None:
    hand = rough_hand()
    variance = np.linspace(1.0, 0.01, 45)
    path = write_npz(tmp_path, hand, hands_variance=variance)
    np.testing.assert_allclose(load_hand("right", path).sigma, np.sqrt(variance))
    sampled = mano_arrays(hand)["hands_coeffs"].std(axis=0)
    np.testing.assert_allclose(load_hand("right", write_npz(tmp_path, hand)).sigma, sampled)


def flipped(hand: Any) -> dict[str, Any]:
    """A left hand as the official file has it: the right hand's x rows in shapedirs."""
    return {**mano_arrays(hand), "shapedirs": hand.shapedirs * [[-1.0], [1.0], [1.0]]}


@pytest.mark.parametrize("seed", range(5))
def test_the_left_shape_sign_is_mended_and_said(seed: int) -> None:
    right = rough_hand("right", seed)
    # neither the sign nor the order of the directions means anything
    rng = np.random.default_rng(seed)
    order, sign = rng.permutation(10), rng.choice([-1.0, 1.0], size=10)
    right = dataclasses.replace(right, shapedirs=right.shapedirs[:, :, order] * sign)
    left = right.mirrored()
    mended = hand_from_arrays("left", flipped(left), "here")
    assert mended.notes == (LEFT_MENDED,)
    sound = hand_from_arrays("left", mano_arrays(left), "here")
    assert sound.notes == ()
    assert mended.hash == sound.hash
    betas = rng.normal(size=10)
    np.testing.assert_allclose(
        mended.joints(betas), right.joints(betas) * [-1.0, 1.0, 1.0], atol=1e-15
    )


def test_a_shape_space_that_tells_nothing_is_left_as_it_is() -> None:
    left = rough_hand().mirrored()
    only_width = left.shapedirs * [[0.0], [1.0], [1.0]]
    hand = hand_from_arrays("left", {**mano_arrays(left), "shapedirs": only_width}, "here")
    assert "uncertain" in hand.notes[0]
    np.testing.assert_array_equal(hand.shapedirs, only_width)
    assert length_width_correlation({**mano_arrays(left), "shapedirs": only_width}) == 0.0


def test_the_right_hand_is_never_mended() -> None:
    right = rough_hand()
    hand = hand_from_arrays("right", flipped(right), "here")
    assert hand.notes == ()
    np.testing.assert_array_equal(hand.shapedirs[:, 0], -right.shapedirs[:, 0])


def change(key: str, index: Any, value: float) -> Any:
    def apply(arrays: dict[str, Any]) -> None:
        arrays[key] = np.array(arrays[key], dtype=float)
        arrays[key][index] = value

    return apply


FAULTS: list[tuple[str, Any, str]] = [
    ("missing", lambda a: a.pop("posedirs"), "no posedirs"),
    ("body", lambda a: a.update(v_template=np.zeros((6890, 3))), r"\(778, 3\), got \(6890, 3\)"),
    ("flat", lambda a: a.update(shapedirs=np.zeros((778, 3))), r"\(778, 3, any\)"),
    ("text", lambda a: a.update(weights="heavy"), "weights does not hold numbers"),
    ("nan", change("hands_mean", 3, np.nan), "hands_mean holds values that are not finite"),
    ("tree", change("kintree_table", (0, 5), 2), "not MANO's tree"),
    ("faces", change("f", (0, 0), 778), "f must index 778 vertices"),
    ("weights", change("weights", (5, 2), 3.0), "weights of vertex 5 add up to"),
    ("spread", lambda a: a.pop("hands_coeffs"), "the spread is unknown"),
    ("still", change("hands_coeffs", (slice(None), 4), 0.2), "no spread"),
    ("variance", lambda a: a.update(hands_variance=np.full(45, -1.0)), "no spread"),
    ("side", change("v_template", (slice(None), 0), 0.0), "holds a .* hand, but the"),
]


@pytest.mark.parametrize(("fault", "message"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_each_fault_has_its_message(fault: Any, message: str) -> None:
    hand = rough_hand("left")
    arrays = mano_arrays(hand)
    fault(arrays)
    with pytest.raises(ModelError, match=message) as caught:
        hand_from_arrays("left", arrays, "some/file.npz")
    assert str(caught.value).startswith("some/file.npz: ")


def test_a_right_hand_named_left_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path, rough_hand())
    renamed = path.rename(tmp_path / "MANO_LEFT.npz")
    with pytest.raises(ModelError, match="holds a right hand, but the left hand was asked for"):
        load_hand("left", renamed)


@pytest.mark.parametrize("damage", ["cut", "text", "objects"])
def test_damaged_npz_files(tmp_path: Path, damage: str) -> None:
    path = write_npz(tmp_path, rough_hand())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100_000])
    elif damage == "text":
        path.write_text("<html>please log in</html>")
    else:
        np.savez(path, v_template=np.array([{"code": print}], dtype=object))
    with pytest.raises(ModelError, match="cannot be read as npz"):
        load_hand("right", path)


def test_sides_are_left_and_right() -> None:
    with pytest.raises(InputError, match="'left', 'right', 0 or 1, got 'both'"):
        load_hand("both")
    with pytest.raises(InputError, match="one of left, right, got 'up'"):
        dataclasses.replace(load_hand("left"), side="up")


def test_a_missing_file_names_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no MANO_RIGHT.npz or MANO_RIGHT.pkl or OPEN_HAND"):
        load_hand("right", tmp_path)
