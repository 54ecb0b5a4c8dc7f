"""The benchmark's frame: bounds that travel, one set of options, every number kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import child
from benchmarks.bench import Bench, parser, run
from benchmarks.bounds import BOUNDS, Bound
from benchmarks.run import PARTS
from retarget import Robot

EVERY = [bound for bounds in BOUNDS.values() for bound in bounds]


def test_bounds_are_ratios_errors_shares_or_counts() -> None:
    assert {bound.unit.strip() for bound in EVERY} <= {"x", "%", "um", "FK calls", ""}
    for bound in EVERY:
        assert math.isfinite(bound.least) != math.isfinite(bound.most), bound
        assert not bound.holds(math.nan)
    assert len({bound.metric for bound in EVERY}) == len(EVERY)
    assert len({bound.meaning for bound in EVERY}) == len(EVERY)
    assert set(PARTS) <= set(BOUNDS)


@pytest.mark.parametrize("place", [place for places in child.PARTS.values() for place in places])
def test_what_is_timed_within_a_replay_exists(place: str) -> None:
    owners, name, function = child.find(place)
    assert callable(function)
    assert all(getattr(owner, name) is function for owner in owners)


def part(bench: Bench) -> None:
    """Measures nothing, and leaves numbers of all kinds."""
    draw = np.random.default_rng(bench.seed).normal()
    bench.report.figures.update(good=np.float32(0.5), bad=3.0)
    columns = {"name": "{}", "one": "{:.1f}", "two": "{} / {:.0%}"}
    rows = [("a", draw, (np.int64(2), 0.123)), ("b", None, (1, math.nan))]
    bench.report.table("Numbers", columns, rows, "A caption.")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = (
        Bound("good", "a good one", most=1.0, unit="x"),
        Bound("bad", "a bad one", most=1.0, unit="x"),
        Bound("absent", "one that was not measured", 1.0),
    )
    monkeypatch.setitem(BOUNDS, "toy", bounds)


@pytest.mark.usefixtures("toy")
def test_json_has_every_number_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, results = tmp_path / "out.json", tmp_path / "RESULTS.md"
    given = parser("What it does.").parse_args(["--json", str(out), "--seed", "3"])
    assert run(given, {"toy": part}, results) == 0  # nothing is checked
    found = json.loads(out.read_text("utf-8"))
    draw = float(np.random.default_rng(3).normal())
    assert found["tables"][0]["rows"] == [
        {"name": "a", "one": draw, "two": [2, 0.123]},
        {"name": "b", "one": None, "two": [1, None]},
    ]
    assert found["seed"] == 3
    assert found["parts"] == ["toy"]
    assert found["versions"]["numpy"] == np.__version__
    assert {"processor", "cores", "memory_bytes", "platform"} == set(found["machine"])
    assert found["native"]["isa"]
    assert [bound["holds"] for bound in found["bounds"]] == [True, False, False]
    assert found["bounds"][2]["measured"] is None
    assert found["bounds"][0]["least"] is None
    text = results.read_text("utf-8")
    assert f"| a | {draw:.1f} | 2 / 12% |" in text
    assert "| b | - | 1 / nan% |" in text
    assert "| a bad one | 3x | <= 1x | falls short |" in text
    assert "Numbers" in capsys.readouterr().out


@pytest.mark.usefixtures("toy")
def test_a_bound_that_falls_short_fails_where_it_is_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(parser("What it does.").parse_args(["--check"]), {"toy": part}) == 1
    out = capsys.readouterr().out
    assert "falls short: a bad one: 3x, wanted <= 1x" in out
    assert "falls short: one that was not measured: not measured, wanted >= 1" in out
    assert "falls short: a good one" not in out


def test_a_json_file_that_cannot_be_written_is_known_before_the_run(tmp_path: Path) -> None:
    given = parser("What it does.").parse_args(["--json", str(tmp_path / "no" / "out.json")])
    with pytest.raises(SystemExit, match="no folder"):
        run(given, {"toy": part})


def test_calls_are_timed_beside_forward_kinematics(robot: Robot) -> None:
    from benchmarks.timing import ForwardKinematics, beside

    fk = ForwardKinematics(robot)
    spent, unit = beside(lambda _: fk.loop(10), [None] * 100, fk)
    assert spent.shape == unit.shape == (90,)
    assert 5.0 < np.median(spent / unit) < 20.0
