"""Native networks and hand points: numpy's formula, the same bits in any company, NaN apart."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from native_cases import TIPS, blended_hand

from retarget.core import _native
from retarget.core.errors import InputError
from retarget.core.types import FloatArray
from retarget.human.keypoints import HandKeypoints
from retarget.human.native import NativePoints
from retarget.mapping.hand_mlp import HandMLP
from retarget.mapping.network import Network

ISAS = _native.isas()
HANDS = blended_hand("left"), blended_hand("right")


def random_network(sizes: tuple[int, ...], networks: int = 2, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    lower = -rng.uniform(0.2, 1.0, size=(networks, 1, sizes[-1]))
    return Network(
        weights=tuple(rng.normal(size=(networks, n, m)) * 1.7 / np.sqrt(n) for n, m in pairs),
        biases=tuple(0.3 * rng.normal(size=(networks, 1, m)) for _, m in pairs),
        center=0.1 * rng.normal(size=(networks, 1, sizes[0])),
        spread=rng.uniform(0.01, 0.03, size=(networks, 1, sizes[0])),
        lower=lower,
        upper=lower + rng.uniform(0.5, 2.0, size=lower.shape),
    )


@lru_cache(maxsize=1)
def shipped() -> HandMLP:
    return HandMLP.load()


def native(network: Network, isa: str = "") -> Network:
    n = network
    return Network(n.weights, n.biases, n.center, n.spread, n.lower, n.upper, isa=isa)


def inputs(network: Network, count: int, seed: int = 1, spread: float = 1.5) -> FloatArray:
    """(count, H, inputs), around what the network was scaled for."""
    rng = np.random.default_rng(seed)
    networks, numbers = network.center.shape
    noise = np.moveaxis(rng.normal(size=(networks, count, numbers)), 0, 1)
    return np.ascontiguousarray(network.center + spread * network.spread * noise)


def by_numpy(network: Network, x: FloatArray) -> FloatArray:
    """The formula, not clamped: (N, H, inputs) -> (N, H, outputs)."""
    x = (x - network.center) / network.spread
    last = len(network.weights) - 1
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        x = np.einsum("nhi,hij->nhj", x, weight) + bias
        if layer < last:
            x = x / (1.0 + np.exp(-x))  # SiLU
    return network.lower + 0.5 * (x + 1.0) * (network.upper - network.lower)


@pytest.mark.parametrize("isa", ISAS)
def test_the_shipped_network_is_numpys(isa: str) -> None:
    network = shipped().network
    x = inputs(network, 1000, spread=3.0)
    wanted = by_numpy(network, x)
    free = native(network, isa)(x, clamp=False)
    np.testing.assert_allclose(free, wanted, rtol=0, atol=1e-12)
    lower, upper = network.lower, network.upper
    held = native(network, isa)(x)
    np.testing.assert_array_equal(held, np.clip(free, lower, upper))
    assert (held != free).any()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "sizes", [(1, 1), (3, 8, 1), (15, 33, 7), (2, 5, 31, 64, 100, 9), (70, 40, 32), (17, 1, 65, 3)]
)
@pytest.mark.parametrize("networks", [1, 3])
def test_any_network_is_numpys(isa: str, sizes: tuple[int, ...], networks: int) -> None:
    network = random_network(sizes, networks)
    x = inputs(network, 53)
    out = native(network, isa)(x, clamp=False)
    np.testing.assert_allclose(out, by_numpy(network, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("isa", ISAS)
def test_silu_holds_at_any_size(isa: str) -> None:
    """One neuron each, from where e^-x vanishes to where it would overflow."""
    one = np.ones((1, 1, 1))
    network = Network(
        weights=(one, one),
        biases=(0 * one, 0 * one),
        center=0 * one,
        spread=one,
        lower=-one,
        upper=one,
    )
    size = np.geomspace(1e-300, 1e300, 5000)
    x = np.concatenate([-size, [0.0, -0.0], size, np.linspace(-800, 800, 20_001)])
    out = native(network, isa)(x[:, None, None], clamp=False)[:, 0, 0]
    with np.errstate(over="ignore"):
        wanted = x / (1.0 + np.exp(-x))
    near = np.abs(x) < 700.0
    np.testing.assert_allclose(out[near], wanted[near], rtol=1e-13, atol=1e-300)
    # beyond, e^700 stands for what would overflow: nothing is left of x there
    np.testing.assert_allclose(out[x > 700.0], x[x > 700.0], rtol=1e-13)
    assert (np.abs(out[x < -700.0] / x[x < -700.0]) < 1e-300).all()


@pytest.mark.parametrize("isa", ISAS)
def test_outputs_do_not_depend_on_their_company(isa: str) -> None:
    network = shipped().network
    mlp = native(network, isa)
    x = inputs(network, 1200)
    whole = mlp(x, threads=1)
    order = np.random.default_rng(0).permutation(len(x))
    np.testing.assert_array_equal(mlp(x[order], threads=3), whole[order])
    for step in (1, 2, 5, 7, 25, 601):
        rows = range(0, 1200 if step > 5 else 60, step)
        parts = np.concatenate([mlp(x[k : k + step], threads=2) for k in rows])
        np.testing.assert_array_equal(parts, whole[: len(parts)])
    np.testing.assert_array_equal(mlp(x.reshape(4, 300, 2, 15)), whole.reshape(4, 300, 2, 6))
    np.testing.assert_array_equal(mlp(x[3]), whole[3])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_missing_hand_stays_missing_alone(isa: str, bad: float) -> None:
    network = shipped().network
    mlp = native(network, isa)
    x = inputs(network, 40)
    whole = mlp(x)
    x[7, 0, 3] = x[20, 1, 14] = x[39, 0, 0] = bad
    spoiled = mlp(x)
    gone = np.zeros((40, 2), dtype=bool)
    gone[[7, 20, 39], [0, 1, 0]] = True
    assert np.isnan(spoiled[gone]).all()
    np.testing.assert_array_equal(spoiled[~gone], whole[~gone])


def test_hand_mlp_is_its_network() -> None:
    mlp = shipped()
    x = inputs(mlp.network, 100)
    wanted = np.clip(by_numpy(mlp.network, x), mlp.network.lower, mlp.network.upper)
    out = mlp.joints_from_fingertips(x.reshape(20, 5, 2, 5, 3))
    np.testing.assert_allclose(out, wanted.reshape(20, 5, 2, 6), rtol=0, atol=1e-12)


def test_inputs_are_left_alone() -> None:
    x = inputs(shipped().network, 30)
    x.setflags(write=False)
    net = shipped().network
    assert native(net)(x).shape == (30, 2, 6)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0.0


GOOD = np.zeros((4, 2, 15))


@pytest.mark.parametrize(
    ("x", "kwargs", "message"),
    [
        (
            np.zeros((4, 2, 14)),
            {},
            r"inputs must have shape \(\.\.\., 2, 15\), .* got \(4, 2, 14\)",
        ),
        (np.zeros((4, 15)), {}, "inputs must have shape"),
        (np.zeros(15), {}, "inputs must have shape"),
        (np.zeros((0, 2, 15)), {}, r"not empty, got \(0, 2, 15\)"),
        (GOOD.astype(complex), {}, "inputs must hold real numbers, got dtype complex128"),
        (GOOD.astype(bool), {}, "inputs must hold real numbers, got dtype bool"),
        ([["a"]], {}, "inputs must hold real numbers"),
        (None, {}, "inputs must hold real numbers, got dtype object"),
        (GOOD, {"threads": -1}, "threads must be at least 0"),
        (GOOD, {"threads": 1.5}, "threads must be a whole number, got 1.5"),
        (GOOD, {"clamp": 1}, "clamp must be True or False, got 1"),
    ],
)
def test_malformed_inputs_are_refused(x: Any, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        native(random_network((15, 8, 6)))(x, **kwargs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": []}, r"weights must be a list of arrays, one a layer, got \[\]"),
        ({"weights": 3}, "weights must be a list of arrays"),
        ({"weights": [np.zeros((2, 4, 8)), np.zeros((2, 8, 3))] * 2}, "as many weights as biases"),
        ({"weights": [np.zeros((4, 8)), np.zeros((2, 8, 3))]}, "weights must have shape"),
        (
            {"weights": [np.zeros((2, 4, 8)), np.zeros((2, 7, 3))]},
            r"weights must have shape \(2, 8",
        ),
        ({"weights": [np.zeros((2, 4, 8)), np.full((2, 8, 3), np.nan)]}, "weights must be finite"),
        ({"biases": [np.zeros((2, 8)), np.zeros((2, 2))]}, "biases must have shape"),
        ({"center": np.zeros((2, 5))}, r"center must be finite, of shape \(2, 4\)"),
        ({"spread": np.zeros((2, 4))}, "spread must be positive, got 0.0"),
        ({"upper": np.full((2, 3), np.inf)}, "upper must be finite"),
        ({"lower": np.full((2, 3), 2.0)}, "lower must not exceed upper"),
        ({"isa": "vax"}, "isa must be one of .*baseline on this machine, got 'vax'"),
    ],
)
def test_a_malformed_network_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "weights": [np.zeros((2, 4, 8)), np.zeros((2, 8, 3))],
        "biases": [np.zeros((2, 8)), np.zeros((2, 3))],
        "center": np.zeros((2, 4)),
        "spread": np.ones((2, 4)),
        "lower": -np.ones((2, 3)),
        "upper": np.ones((2, 3)),
    }
    with pytest.raises(InputError, match=message):
        Network(**{**given, **change})


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("components", [1, 15, 45])
@pytest.mark.parametrize("joints", [(), (0, 3, 15)])
def test_points_are_the_keypoint_layers(isa: str, components: int, joints: tuple[int, ...]) -> None:
    sigma = HANDS[0].sigma[:components]
    c = 2.0 * sigma * np.random.default_rng(2).normal(size=(603, 2, components))
    place = NativePoints(HANDS, TIPS, joints, components=components)
    points = place(c, isa=isa, threads=2)
    for side, hand in enumerate(HANDS):
        layer = HandKeypoints(hand, vertices=TIPS, joints=joints)
        wanted = layer.points(layer.pose(c[:, side]))
        np.testing.assert_allclose(points[:, side], wanted, rtol=0, atol=1e-12)
    parts = np.concatenate([place(c[k : k + 67], isa=isa) for k in range(0, 603, 67)])
    np.testing.assert_array_equal(parts, points)
    np.testing.assert_array_equal(place(c[5], isa=isa), points[5])
    spoiled = c.copy()
    spoiled[100, 1, 0] = np.nan
    spoiled[400, 0, -1] = np.inf
    gone = np.zeros((603, 2), dtype=bool)
    gone[[100, 400], [1, 0]] = True
    after = place(spoiled, isa=isa)
    assert np.isnan(after[gone]).all()
    np.testing.assert_array_equal(after[~gone], points[~gone])


def test_malformed_points_are_refused() -> None:
    place = NativePoints(HANDS, TIPS)
    for pca, message in (
        (np.zeros((2, 14)), r"pca must have shape \(\.\.\., 2, 15\), not empty, got \(2, 14\)"),
        (np.zeros((0, 2, 15)), "not empty"),
        (np.zeros((2, 15), dtype=complex), "pca must hold real numbers"),
    ):
        with pytest.raises(InputError, match=message):
            place(pca)
    with pytest.raises(InputError, match="threads must be at least 0"):
        place(np.zeros((2, 15)), threads=-1)
    with pytest.raises(InputError, match="isa must be one of"):
        place(np.zeros((2, 15)), isa="vax")
    with pytest.raises(InputError, match="at least one hand"):
        NativePoints((), TIPS)
    with pytest.raises(InputError, match="components must be 1 to 45, got 46"):
        shipped().joints(np.zeros((2, 46)))
