"""Filters: constants pass, steps are reached, noise shrinks, and the formulas are the published."""

from __future__ import annotations

import numpy as np
import pytest

from retarget.control.filters import CriticallyDamped, Filter, OneEuro, make_filter
from retarget.core.errors import InputError

KINDS = ("one_euro", "critical")


def started(kind: str, x: np.ndarray, rate: float = 30.0) -> Filter:
    made = make_filter(kind, len(x), rate)
    assert made is not None
    made.reset(slice(None), x)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_stays(kind: str) -> None:
    x = np.array([0.3, -2.0])
    filter = started(kind, x)
    for _ in range(20):
        np.testing.assert_allclose(filter.step(x), x, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_reached_without_overshoot(kind: str) -> None:
    filter = started(kind, np.zeros(1))
    path = np.array([filter.step(np.ones(1))[0] for _ in range(200)])
    assert np.all(np.diff(path) >= -1e-12)
    assert path.max() < 1.0 + 1e-9
    assert path[-1] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_shrinks(kind: str) -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=(600, 3))
    filter = started(kind, np.zeros(3))
    path = np.array([filter.step(x) for x in noise])
    assert np.std(np.diff(path, axis=0)) < 0.5 * np.std(np.diff(noise, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_values_do_not_mix_and_inputs_stay(kind: str) -> None:
    rng = np.random.default_rng(1)
    xs = rng.normal(size=(50, 4))
    kept = xs.copy()
    both, alone = started(kind, xs[0]), started(kind, xs[0, 1:2])
    for x in xs:
        np.testing.assert_allclose(both.step(x)[1:2], alone.step(x[1:2]), atol=1e-15)
    np.testing.assert_array_equal(xs, kept)
    both.reset(slice(1, 3), np.array([5.0, 6.0]))
    held = both.step(np.array([0.0, 5.0, 6.0, 0.0]))
    np.testing.assert_allclose(held[1:3], [5.0, 6.0], atol=1e-15)


def test_one_euro_is_the_published_formula() -> None:
    rate, low, beta, d = 50.0, 1.5, 0.7, 2.0
    filter = OneEuro(1, rate, min_cutoff=low, beta=beta, speed_cutoff=d)
    filter.reset(slice(None), np.zeros(1))

    def share(cutoff: float) -> float:
        tau = 1.0 / (2.0 * np.pi * cutoff)
        return float(1.0 / (1.0 + tau * rate))

    x = raw = speed = 0.0
    for value in np.random.default_rng(2).normal(size=40):
        speed = share(d) * (value - raw) * rate + (1.0 - share(d)) * speed
        raw = value
        a = share(low + beta * abs(speed))
        x = a * value + (1.0 - a) * x
        assert filter.step(np.array([value]))[0] == pytest.approx(x, abs=1e-13)


def test_critical_damping_solves_its_equation() -> None:
    rate, cutoff = 30.0, 2.0
    w = 2.0 * np.pi * cutoff
    filter = CriticallyDamped(1, rate, cutoff=cutoff)
    filter.reset(slice(None), np.zeros(1))
    for k in range(1, 40):
        t = k / rate
        exact = 1.0 - (1.0 + w * t) * np.exp(-w * t)
        assert filter.step(np.ones(1))[0] == pytest.approx(exact, abs=1e-12)


def test_settings_out_of_range_are_refused() -> None:
    assert make_filter("none", 3, 30.0) is None
    with pytest.raises(InputError, match="one_euro"):
        make_filter("kalman", 3, 30.0)
    with pytest.raises(InputError, match="cutoff"):
        CriticallyDamped(1, 30.0, cutoff=0.0)
    with pytest.raises(InputError, match="beta"):
        OneEuro(1, 30.0, beta=-1.0)
    with pytest.raises(InputError, match="min_cutoff"):
        OneEuro(1, 30.0, min_cutoff=np.inf)
