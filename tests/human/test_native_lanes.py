"""What a frame gives depends on the frame alone: not on lanes, threads, batches or machine."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from native_cases import TIPS, arm, blended_hand, hand_evaluation, hand_targets

import retarget
from retarget.core import _native
from retarget.core.version import build_info
from retarget.human.native import NativeHand

ISAS = _native.isas()


def test_build_info_names_what_runs() -> None:
    info = retarget.build_info()
    assert info == build_info()
    assert info["isa"] == ISAS[0]
    assert "baseline" in ISAS
    assert info["cores"] >= 1


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_hand_fits_do_not_depend_on_their_company(isa: str, dtype: str) -> None:
    native = NativeHand(blended_hand(), TIPS, components=9)
    targets = hand_targets(blended_hand(), 200)
    how = {"isa": isa, "dtype": dtype}
    whole = tuple(native.fit(targets, threads=1, **how))
    order = np.random.default_rng(0).permutation(200)
    shuffled = tuple(native.fit(targets[order], threads=2, **how))
    parts = [tuple(native.fit(targets[k : k + 37], threads=3, **how)) for k in range(0, 200, 37)]
    alone = [tuple(native.fit(targets[k : k + 1], **how)) for k in range(5)]
    for k, values in enumerate(whole):
        np.testing.assert_array_equal(values[order], shuffled[k])
        np.testing.assert_array_equal(values, np.concatenate([p[k] for p in parts]))
        np.testing.assert_array_equal(values[:5], np.concatenate([a[k] for a in alone]))


@pytest.mark.parametrize("isa", ISAS[1:])
def test_instruction_sets_agree_on_hands(isa: str) -> None:
    hand = blended_hand()
    native = NativeHand(hand, TIPS)
    targets = hand_targets(hand, 500)
    best, other = native.fit(targets), native.fit(targets, isa=isa)
    np.testing.assert_allclose(other.pca / hand.sigma[:15], best.pca / hand.sigma[:15], atol=1e-9)
    np.testing.assert_allclose(other.residual, best.residual, atol=1e-12)
    unknowns = np.zeros((3, 15))
    for a, b in zip(
        hand_evaluation(native, unknowns, targets[:3]),
        hand_evaluation(native, unknowns, targets[:3], isa=isa),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-14)


@pytest.mark.parametrize("isa", ISAS)
def test_arm_solutions_do_not_depend_on_their_company(isa: str) -> None:
    chain = arm(7)
    native = chain.native(isa)
    targets = chain.forward(chain.draw(600, seed=11))
    targets[::50, :3, 3] *= 2.0
    start, moving = np.tile(chain.posture, (600, 1)), np.zeros(600, dtype=bool)
    whole = tuple(native.solve(targets, start, moving, threads=1))
    order = np.random.default_rng(0).permutation(600)
    shuffled = tuple(native.solve(targets[order], start, moving, threads=2))
    alone = [tuple(native.solve(targets[k : k + 1], start[:1], moving[:1])) for k in range(60)]
    for k, values in enumerate(whole):
        np.testing.assert_array_equal(values[order], shuffled[k])
        np.testing.assert_array_equal(values[:60], np.concatenate([a[k] for a in alone]))


@pytest.mark.parametrize("isa", ISAS[1:])
def test_instruction_sets_agree_on_arms(isa: str) -> None:
    chain = arm(7)
    targets = chain.forward(chain.draw(300, seed=12))
    start, moving = np.tile(chain.posture, (300, 1)), np.zeros(300, dtype=bool)
    best, other = (
        chain.native().solve(targets, start, moving),
        chain.native(isa).solve(targets, start, moving),
    )
    same = np.max(np.abs(best.q - other.q), axis=1) < 1e-7
    assert same.mean() > 0.99  # a pose may be reached on another branch after hundreds of steps
    np.testing.assert_array_equal(best.reached, other.reached)


@pytest.mark.parametrize("isa", ISAS[1:])
@pytest.mark.parametrize("joints", [6, 7])
def test_instruction_sets_agree_on_walks(isa: str, joints: int) -> None:
    chain = arm(joints)
    q = chain.draw(40, seed=13)[:, None] + np.linspace(0.0, 0.3, 6)[:, None]
    q = np.clip(q, chain.lower, chain.upper)
    targets = chain.forward(q.reshape(-1, joints)).reshape(40, 6, 4, 4)
    start, moving = np.tile(chain.posture, (40, 1)), np.zeros(40, dtype=bool)
    best, other = (
        native.solve(targets, start, moving, lean=False)
        for native in (chain.native(), chain.native(isa))
    )
    assert best.reached.mean() > 0.97
    np.testing.assert_array_equal(best.reached, other.reached)
    same = np.max(np.abs(best.q - other.q), axis=(1, 2)) < 1e-7
    assert same.mean() > 0.95


def test_importing_the_core_is_quiet() -> None:
    code = (
        "import sys, retarget; retarget.build_info();"
        "assert not {'torch', 'pinocchio', 'h5py'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
