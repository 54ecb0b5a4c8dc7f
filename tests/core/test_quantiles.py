"""Streamed statistics against numpy's over everything, and memory that stays where it is."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retarget.core.statistics import ErrorSketch, FrameRuns, FrameStats
from retarget.core.text import frames_text
from retarget.core.types import FloatArray

WITHIN = 1.3e-4  # relative, what docs/replay.md promises of long files
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.99, 1.0)

errors_or_nothing = st.one_of(
    st.floats(0.0, 1e3, allow_subnormal=True), st.sampled_from([np.nan, np.inf, 0.0, -0.0])
)


def sketch_of(errors: FloatArray, splits: list[int] | None = None, start: int = 0) -> ErrorSketch:
    sketch = ErrorSketch()
    for rows in np.split(np.arange(len(errors)), np.cumsum(splits or [])):
        sketch.add(errors[rows], start + (int(rows[0]) if rows.size else 0))
    return sketch


def figures(sketch: ErrorSketch) -> list[float]:
    quantiles = [sketch.quantile(q) for q in QUANTILES]
    return [sketch.count, sketch.mean, sketch.max, sketch.worst_frame, *quantiles]


def long_errors(seed: int, kind: int, frames: int = 9000) -> FloatArray:
    """More than are kept, of several shapes, the kinds that errors come in."""
    rng = np.random.default_rng(seed)
    shape = (frames, 3)
    values = [
        lambda: np.exp(rng.normal(-11.0, 1.5, shape)),
        lambda: 10.0 ** rng.uniform(-17.0, 2.0, shape),
        lambda: np.where(rng.random(shape) < 0.6, 0.0, rng.exponential(1e-4, shape)),
        lambda: np.full(shape, rng.uniform(0.0, 1.0)),
        lambda: 2.0 ** rng.integers(-20, 0, shape),
        lambda: np.where(rng.random(shape) < 0.1, np.nan, np.abs(rng.normal(0.0, 1e-3, shape))),
    ][kind]()
    return np.asarray(values)


# --- against numpy ------------------------------------------------------------------------------


@given(
    errors=arrays(np.float64, st.tuples(st.integers(0, 30), st.just(2)), elements=errors_or_nothing)
)
def test_few_errors_are_exact(errors: FloatArray) -> None:
    sketch = sketch_of(errors)
    known = errors[np.isfinite(errors)]
    assert sketch.count == known.size
    if not known.size:
        assert np.isnan([sketch.mean, sketch.max, sketch.quantile(0.5)]).all()
        assert sketch.worst_frame == -1
        return
    assert (sketch.mean, sketch.max) == (known.mean(), known.max())
    for q in QUANTILES:
        assert sketch.quantile(q) == np.percentile(known, 100.0 * q)
        assert sketch.quantile(q, lower=True) == np.quantile(known, q, method="lower")


@given(seed=st.integers(0, 10_000), kind=st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_many_errors_are_within_the_promise(seed: int, kind: int) -> None:
    errors = long_errors(seed, kind)
    sketch = sketch_of(errors)
    known = errors[np.isfinite(errors)]
    assert known.size > ErrorSketch.EXACT
    assert sketch.count == known.size
    assert sketch.max == known.max()
    assert sketch.mean == pytest.approx(known.mean(), rel=1e-14)
    for q in QUANTILES:
        exact = np.quantile(known, q)
        assert sketch.quantile(q) == pytest.approx(exact, rel=WITHIN, abs=0.0)
        exact = np.quantile(known, q, method="lower")
        assert sketch.quantile(q, lower=True) == pytest.approx(exact, rel=WITHIN, abs=0.0)


@pytest.mark.parametrize("more", [0, 1])
def test_what_is_kept_is_exact_to_the_last(more: int) -> None:
    values = np.random.default_rng(3).exponential(1e-5, ErrorSketch.EXACT + more)
    exact = bool(sketch_of(values).quantile(0.5) == np.median(values))
    assert exact is (more == 0)


def test_the_mean_of_very_many_loses_nothing() -> None:
    sketch, block = ErrorSketch(), np.full(ErrorSketch.EXACT, 0.1)
    sketch.add([1e9])
    for _ in range(200):
        sketch.add(block)
    exact = (1e9 + 0.1 * 200 * ErrorSketch.EXACT) / (1 + 200 * ErrorSketch.EXACT)
    assert sketch.mean == pytest.approx(exact, rel=1e-15)


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-30, 1e30])
def test_values_beyond_the_bins_are_counted(value: float) -> None:
    sketch = sketch_of(np.full(2 * ErrorSketch.EXACT, value))
    assert sketch.max == value
    assert sketch.quantile(0.5) <= value
    assert sketch.worst_frame == 0


# --- blocks -------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10_000),
    kind=st.integers(0, 5),
    splits=st.lists(st.integers(0, 3000), max_size=8),
    start=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_blocks_change_no_figure(seed: int, kind: int, splits: list[int], start: int) -> None:
    errors = long_errors(seed, kind)
    assert figures(sketch_of(errors, splits, start)) == figures(sketch_of(errors, start=start))


def test_asking_changes_nothing() -> None:
    errors = long_errors(2, 1)
    asked = ErrorSketch()
    for start in range(0, len(errors), 1000):
        asked.add(errors[start : start + 1000], start)
        figures(asked)
    assert figures(asked) == figures(sketch_of(errors))


# --- the worst frame ----------------------------------------------------------------------------


@given(
    values=st.lists(st.sampled_from([np.nan, 0.0, 0.5, 1.0, 1.0 + 3e-7, 2.0]), min_size=1),
    splits=st.lists(st.integers(0, 5), max_size=6),
)
def test_the_worst_frame_is_the_first_that_rounding_allows(
    values: list[float], splits: list[int]
) -> None:
    errors = np.array(values)[:, None]
    sketch = sketch_of(errors, splits, start=7)
    known = np.where(np.isfinite(errors[:, 0]), errors[:, 0], -np.inf)
    first = int(np.argmax(known >= known.max() * (1.0 - ErrorSketch.TIE)))
    assert sketch.worst_frame == (7 + first if np.isfinite(known).any() else -1)


def test_a_slow_rise_takes_no_memory() -> None:
    sketch = ErrorSketch()
    rise = 1.0 - np.logspace(-7, -15, 50_000)  # every frame worse than all before, by less and less
    for start in range(0, len(rise), 100):
        sketch.add(rise[start : start + 100], start)
    assert sketch.worst_frame == 0
    assert len(sketch._peaks) < 1100


def test_memory_stays() -> None:
    rng = np.random.default_rng(0)
    blocks = [np.exp(rng.normal(-11.0, 1.5, 2000)) for _ in range(4)]
    tracemalloc.start()
    try:
        sketch = ErrorSketch()
        for k in range(1000):
            sketch.add(blocks[k % 4], 2000 * k)
        FrameStats.of_sketch(sketch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sketch.count == 2_000_000
    assert peak < 3_000_000


# --- frames in words ----------------------------------------------------------------------------


@given(frames=st.sets(st.integers(0, 60)), splits=st.lists(st.integers(0, 61), max_size=5))
def test_runs_of_blocks_are_the_frames(frames: set[int], splits: list[int]) -> None:
    ascending = np.array(sorted(frames), dtype=np.int64)
    runs = FrameRuns()
    for part in np.split(ascending, np.searchsorted(ascending, sorted(splits))):
        runs.add(part)
    assert list(runs) == ascending.tolist()
    assert (len(runs), runs) == (len(ascending), FrameRuns(ascending))
    assert runs.text() == frames_text(ascending)
    if frames:
        assert (runs[0], runs[-1]) == (ascending[0], ascending[-1])
        assert runs[1:3] == tuple(ascending[1:3])


def test_a_long_run_takes_no_memory() -> None:
    runs = FrameRuns()
    for start in range(0, 100_000, 1000):
        runs.add(np.arange(start, start + 1000))
    assert runs.text() == "100000 frames: 0-99999"
    assert len(runs._firsts) == 1
