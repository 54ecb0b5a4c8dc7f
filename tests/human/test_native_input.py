"""What the native core refuses, and in which words; nothing that is passed to it may crash it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from native_cases import TIPS, arm, blended_hand
from places import HELPERS

from retarget.core.errors import InputError
from retarget.human.native import NativeHand
from retarget.robot.arm.native import ArmSettings, NativeArm

GOOD = np.zeros((2, 5, 3))


@pytest.mark.parametrize(
    ("targets", "kwargs", "message"),
    [
        (np.zeros((2, 4, 3)), {}, r"targets must have shape \(2, 5, 3\), got \(2, 4, 3\)"),
        (np.zeros((0, 5, 3)), {}, "at least one row"),
        (np.zeros((5, 3)), {}, "3 axes"),
        (np.full((2, 5, 3), np.nan), {}, "targets must be finite, got nan at flat index 0"),
        (GOOD.astype(complex), {}, "targets must hold real numbers, got dtype complex128"),
        ([["a"]], {}, "targets must hold real numbers"),
        ([[1.0], [1.0, 2.0]], {}, "targets must be an array of numbers"),
        (GOOD, {"weights": np.ones((2, 4))}, r"weights must have shape \(2, 5\), got \(2, 4\)"),
        (GOOD, {"weights": -np.ones((2, 5))}, "weights must not be negative"),
        (GOOD, {"start": np.zeros((2, 14))}, r"start must have shape \(2, 15\), got \(2, 14\)"),
        (GOOD, {"threads": -1}, "threads must be at least 0"),
        (GOOD, {"threads": 1.5}, "threads must be a whole number, got 1.5"),
        (GOOD, {"beta": 0.0}, "beta must be positive"),
        (GOOD, {"prior": -1.0}, "prior must be finite and not negative"),
        (GOOD, {"max_iterations": 0}, "max_iterations must be at least 1"),
        (GOOD, {"dtype": "float16"}, "dtype must be one of float64, float32, got 'float16'"),
        (GOOD, {"isa": "vax"}, "isa must be one of .*baseline on this machine, got 'vax'"),
        (GOOD, {"soft_limits": 3}, "soft_limits must be two values, got 3"),
    ],
)
def test_a_malformed_fit_is_refused(targets: Any, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NativeHand(blended_hand(), TIPS).fit(targets, **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"vertices": [778]}, r"vertices must be 0 to 777, got \[778\]"),
        ({"vertices": [0.5]}, "vertices must be whole numbers"),
        ({"vertices": []}, "at least one vertex or joint"),
        ({"joints": [16]}, "joints must be 0 to 15"),
        ({"components": 46}, "components must be 1 to 45, got 46"),
        ({"components": 0}, "components must be at least 1"),
        ({"wrist_scale": (0.1, 0.0)}, "both wrist scales"),
        ({"hand": "left"}, "hand must be a HandModel, got str"),
    ],
)
def test_a_malformed_hand_is_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NativeHand(**{"hand": blended_hand(), "vertices": TIPS, **kwargs})


def test_a_malformed_pose_is_refused() -> None:
    chain = arm(7)
    native = chain.native()
    start, moving = chain.posture[None], np.zeros(1, dtype=bool)
    for T, message in (
        (np.eye(3)[None], r"T_world_wrist must have shape .* got \(1, 1, 3, 3\)"),
        (2.0 * np.eye(4)[None], "no orthonormal rotation at flat index 0"),
        (np.diag([1.0, 1.0, -1.0, 1.0])[None], "reflection at flat index 0"),
        (np.eye(4)[None] + np.eye(4)[3][:, None], "last row"),
    ):
        with pytest.raises(InputError, match=message):
            native.solve(T, start, moving)
    with pytest.raises(InputError, match=r"start must have shape \(1, 7\), got \(1, 6\)"):
        native.solve(np.eye(4)[None], start[:, :6], moving)
    with pytest.raises(InputError, match="moving"):
        native.solve(np.eye(4)[None], start, np.zeros(1))
    doubled = replace(chain.chain, axes=2 * chain.chain.axes)
    with pytest.raises(InputError, match="axes must hold unit vectors"):
        NativeArm(doubled, chain.posture, ArmSettings(), np.eye(4))


def test_callers_arrays_are_left_alone() -> None:
    targets = np.random.default_rng(0).normal(size=(4, 5, 3)) * 0.05
    targets.setflags(write=False)
    fits = NativeHand(blended_hand(), TIPS).fit(targets, start=np.zeros((4, 15)))
    assert np.isfinite(fits.pca).all()


def test_ten_thousand_malformed_calls_do_not_crash() -> None:
    script = HELPERS / "native_fuzz.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "10000 calls" in done.stdout
