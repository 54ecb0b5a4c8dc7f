"""The HTML report: its figures are the report's, it is harmless, complete, bounded and offline."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from demo_files import robot_demo
from hypothesis import given
from hypothesis import strategies as st
from report_plots import PLOTS
from typer.testing import CliRunner

from retarget.cli.main import app
from retarget.core.errors import ModelError
from retarget.core.types import SIDES, Demo, Status
from retarget.core.values import joined
from retarget.data.demo.writer import save_demo
from retarget.mapping.retargeter import Retargeter, RoundTrip
from retarget.replay.replay import Replay, replay_file
from retarget.replay.report_html import report as report_module
from retarget.replay.report_html.figure import envelope
from retarget.replay.report_html.plots import runs
from retarget.replay.report_html.report import HtmlReport, worst_frame
from retarget.replay.tolerances import Tolerances
from retarget.robot.robot import Robot

FRAMES = 30
VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = "<script>alert(1)<-b>&quot;'--><img src=x onerror=alert(2)>.hdf5"


class Page(HTMLParser):
    """A document: elements as (tag, attributes, text), and that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[list[Any]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open, [self.elements[k][0] for k in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open[-1]][0] == tag, (tag, self.elements[self._open[-1]])
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for k in self._open:
            self.elements[k][2] += data

    def all(self, tag: str, **attrs: str) -> list[list[Any]]:
        return [
            element
            for element in self.elements
            if element[0] == tag
            and all(value in (element[1].get(key) or "").split() for key, value in attrs.items())
        ]

    def text(self, tag: str, **attrs: str) -> str:
        return " ".join(element[2] for element in self.all(tag, **attrs))

    def plots(self) -> list[dict[str, Any]]:
        return [json.loads(script[2]) for script in self.all("script", **{"class": "data"})]


def run(*args: Any, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output + result.stderr
    return str(result.output + result.stderr)


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    return Retargeter()


@pytest.fixture(scope="module")
def demo() -> Demo:
    return robot_demo(Robot.load(), FRAMES)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, demo: Demo) -> dict[str, Path]:
    """Demonstrations: one that is valid, one partly out of reach, one without its left hand."""
    folder = tmp_path_factory.mktemp("demos")
    found = {name: folder / f"{name}.hdf5" for name in ("good", "far", "one", "gaps")}
    for path in found.values():
        save_demo(path, demo)
    with h5py.File(found["far"], "r+") as file:
        file["observations/left_ee_pose"][7, 0] += 2.0
        file["observations/left_finger_tip_pos"][7] += np.tile([2.0, 0, 0], (5, 1)).reshape(
            file["observations/left_finger_tip_pos"][7].shape
        )
    with h5py.File(found["one"], "r+") as file:
        file["observations/left_ee_pose"][:] = np.nan
    with h5py.File(found["gaps"], "r+") as file:
        file["observations/right_ee_pose"][4:9] = np.nan
    return found


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]
) -> dict[str, tuple[str, dict[str, Any]]]:
    """HTML and JSON of every demonstration by itself."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name, path in files.items():
        page, figures = folder / f"{name}.html", folder / f"{name}.json"
        run("replay", path, "--html", page, "--json", figures, code=int(name in ("far", "one")))
        found[name] = page.read_text(encoding="utf-8"), json.loads(figures.read_text())
    return found


def values(packed: Any) -> Any:
    """What plotly makes of a series."""
    if isinstance(packed, dict):
        return np.frombuffer(base64.b64decode(packed["bdata"]), f"<{packed['dtype']}")
    return np.asarray(packed)


# --- the document ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["good", "far", "one", "gaps"])
def test_every_part_is_there(written: dict[str, tuple[str, Any]], name: str) -> None:
    text, report = written[name]
    page = Page(text)
    assert page.all("html", lang="en")
    assert f"{name}.hdf5" in page.text("title")
    assert ("✗ NOT VALID" if name in ("far", "one") else "✓ VALID") in page.text(
        "div", **{"class": "verdict"}
    )
    for reason in report["demos"][0]["reasons"]:
        assert reason in page.text("div", **{"class": "verdict"})
    captions = [caption[2] for caption in page.all("caption")]
    assert captions == ["Hands: what is lost", "Arms: what is lost", "Motion"]
    (figures,) = page.plots()
    assert list(figures) == PLOTS
    shown = page.all("figure", **{"class": "plot"})
    assert [figure[1]["id"] for figure in shown] == [f"demo-0-{plot}" for plot in PLOTS]
    for canvas in page.all("div", **{"class": "canvas"}):
        assert canvas[1]["role"] == "img"
        assert len(canvas[1]["aria-label"]) > 20
    assert len(page.all("h3")) == len(page.all("figcaption")) == len(PLOTS)
    assert "rt-player" in text
    settings = page.text("dl")
    for word in ("h1_inspire", "OPEN_HAND", "scale 1.1", "Weights", "Tolerances", "plotly"):
        assert word in settings


def test_nothing_is_loaded(written: dict[str, tuple[str, Any]]) -> None:
    page = Page(written["good"][0])
    for _, attrs, _ in page.elements:
        for key in ("src", "srcset", "data", "action", "poster", "background"):
            assert not (attrs.get(key) or "").startswith(("http", "//", "/", "file"))
        assert (attrs.get("href") or "#").startswith("#")
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in policy[1]["content"]
    assert not re.findall(r"https?:", policy[1]["content"])
    for style in page.all("style"):
        assert "url(" not in style[2]
        assert "@import" not in style[2]


def test_figures_are_those_of_the_json(written: dict[str, tuple[str, Any]]) -> None:
    for text, report in written.values():
        (demo,) = report["demos"]
        cells = Page(text).all("data")
        known = sum(
            side["fingertip_error_m"]["mean"] is not None for side in demo["sides"].values()
        )
        assert len(cells) >= known * 5 * 4
        for _, attrs, shown in cells:
            side, name, key = attrs["data-key"].split(".")
            assert float(attrs["value"]) == demo["sides"][side][name][key]
            assert shown
        seen = {attrs["data-key"] for _, attrs, _ in cells}
        for side, found in demo["sides"].items():
            for name in ("fingertip_error_m", "hand_joint_error_rad", "wrist_position_error_m"):
                known = found[name]["mean"] is not None
                assert (f"{side}.{name}.p99" in seen) == known


def test_tables_say_what_the_terminal_says(
    written: dict[str, tuple[str, Any]], files: dict[str, Path]
) -> None:
    for name, (text, _) in written.items():
        said = run("replay", files[name], code=int(name in ("far", "one")))
        motion = [row[2] for row in Page(text).all("tr")]
        for title in ("limit margin, arm", "peak arm velocity", "arm frames"):
            (line,) = [line for line in said.splitlines() if line.strip().startswith(title + "  ")]
            cells = [cell for cell in re.split(r"\s{2,}", line.strip()) if cell != title]
            assert any(all(cell in row for cell in [title, *cells]) for row in motion), line


def test_worst_frames_are_links(written: dict[str, tuple[str, Any]]) -> None:
    text, report = written["far"]
    page = Page(text)
    for key, side, name in (
        ("left.wrist_position_error_m.worst_frame", "left", "wrist_position_error_m"),
        ("right.fingertip_error_m.worst_frame", "right", "fingertip_error_m"),
    ):
        frame = report["demos"][0]["sides"][side][name]["worst_frame"]
        assert page.text("td", **{"data-key": key}) == str(frame)
        assert page.all("a", href=f"#demo=0&frame={frame}")
    assert page.all("article")[0][1]["data-worst"] == "7"
    in_reasons = re.search(r"<ul>.*?</ul>", text, re.DOTALL)
    assert in_reasons is not None
    assert 'data-frame="7"' in in_reasons[0]


def test_series_are_those_of_the_round_trip(
    written: dict[str, tuple[str, Any]], retargeter: Retargeter, files: dict[str, Path]
) -> None:
    blocks: list[RoundTrip] = []
    replay_file(files["gaps"], retargeter, keep=blocks.append, block=7)
    trip = joined(blocks)
    assert trip.demo.frames == FRAMES
    assert trip.robot.names == blocks[0].robot.names
    (figures,) = Page(written["gaps"][0]).plots()
    by_axis = {(t["xaxis"], t["name"]): t for t in figures["fingertips"]["data"]}
    for h, axis in enumerate(("x", "x2")):
        drawn = values(by_axis[axis, "index"]["y"])
        wanted = np.maximum(trip.fingertip_error_m[:, h, 1], 1e-9)
        np.testing.assert_allclose(drawn, wanted, rtol=1e-5, atol=1e-9)
    assert np.isnan(values(by_axis["x2", "index"]["y"])[4:9]).all()
    angles = figures["arm_right"]["data"][1]
    assert angles["name"] == "returned"
    place = retargeter.robot.indices(retargeter.robot.sides[1].arm_joints)[0]
    np.testing.assert_allclose(values(angles["y"]), trip.robot.qpos[:, place], atol=1e-6)
    bars = {trace["name"]: trace for trace in figures["statuses"]["data"]}
    missing = bars["input missing"]
    assert set(missing["y"]) == {"right hand", "right arm"}
    assert values(missing["base"]).tolist() == [3.5, 3.5]
    assert values(missing["x"]).tolist() == [5.0, 5.0]
    peaks = {t["name"]: values(t["y"]) for t in figures["motion"]["data"][:4:2]}
    recorded = np.abs(np.diff(trip.demo.qpos, axis=0)) * 30.0
    arm = retargeter.robot.indices(retargeter.robot.sides[0].arm_joints)
    np.testing.assert_allclose(peaks["recorded"][1:], recorded[:, arm].max(axis=1), rtol=1e-5)


def test_the_report_is_stable(files: dict[str, Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("replay", files["gaps"], "--html", tmp_path / f"{name}.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


# --- names ----------------------------------------------------------------------------------------


def test_hostile_names_are_text(tmp_path: Path, demo: Demo) -> None:
    folder = tmp_path / "<b>in"
    folder.mkdir()
    save_demo(folder / HOSTILE.replace("/", ""), demo)
    (folder / ("junk" + HOSTILE)).write_text("</td><script>alert(3)</script>")
    run("replay", folder, "--html", tmp_path / "page.html", code=2)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.all("img", src="x")
    assert not page.all("b")
    assert not any("alert(" in script[2] for script in page.all("script") if len(script[2]) < 99)
    assert page.text("h2").count(HOSTILE) == 1
    assert "junk" + HOSTILE in page.text("table", **{"class": "summary"})
    alone = tmp_path / "alone.html"
    run("replay", folder / HOSTILE, "--html", alone)
    assert HOSTILE in Page(alone.read_text(encoding="utf-8")).text("title")


# --- several --------------------------------------------------------------------------------------


def test_several_the_worst_first(files: dict[str, Path], tmp_path: Path) -> None:
    junk = tmp_path / "junk.hdf5"
    junk.write_text("no demonstration")
    out, figures = tmp_path / "all.html", tmp_path / "all.json"
    run("replay", *files.values(), junk, "--html", out, "--json", figures, code=2)
    report = json.loads(figures.read_text())
    page = Page(out.read_text(encoding="utf-8"))
    assert "5 demonstrations: 2 valid, 2 not valid, 1 bad input" in page.text("section")
    rows = page.all("tr")
    names = [row[2] for row in rows if "VALID" in row[2] or "BAD" in row[2]]
    assert "junk.hdf5" in names[0]
    assert "is not an HDF5 file" in names[0]
    for row, path in zip(names[1:], report["summary"]["worst_first"], strict=True):
        assert Path(path).name in row
    heads = [head[2] for head in page.all("h2")]
    assert [Path(head).name for head in heads[1:-1]] == [
        Path(path).name for path in report["summary"]["worst_first"]
    ]
    assert len(page.plots()) == 4
    assert len(page.all("template", **{"class": "player"})) == 4
    assert len(page.all("a", href="#demo=3")) == 1


def test_refused_alone_is_reported(tmp_path: Path) -> None:
    junk = tmp_path / "junk.hdf5"
    junk.write_text("no demonstration")
    run("replay", junk, "--html", tmp_path / "page.html", code=2)
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "junk.hdf5" in page.text("body")
    assert "is not an HDF5 file" in page.text("body")


def test_details_of_many_are_those_of_the_worst(
    retargeter: Retargeter, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(report: HtmlReport, name: str) -> Replay:
        blocks: list[RoundTrip] = []
        replay = replay_file(files[name], retargeter, keep=blocks.append)
        report.add(replay, blocks)
        return replay

    whole = HtmlReport(retargeter, Tolerances())
    add(whole, "good")
    (one,) = whole._plots.values()
    monkeypatch.setattr(report_module, "PLOTS", int(2.5 * len(one)))
    monkeypatch.setattr(report_module, "VIEWS", 1)
    for order in (["good", "far", "one", "gaps"], ["one", "gaps", "far", "good"]):
        report = HtmlReport(retargeter, Tolerances())
        for name in order:
            add(report, name)
        page = Page(report.html())
        assert len(page.plots()) == 2
        assert len(page.all("template", **{"class": "player"})) == 1
        heads = [Path(head[2]).stem for head in page.all("h2")[1:-1]]
        articles = page.all("article")
        assert {heads[k] for k in (0, 1)} == {"one", "far"}
        assert "tables only" not in articles[1][2]
        assert "tables only" in articles[2][2]
        assert "tables only" in articles[3][2]
        assert len(page.all("caption")) == 1 + 4 * 3


def test_what_cannot_be_played_back_is_said(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> Any:
        raise ModelError(tmp_path / "arm.stl", "cannot be read as a mesh")

    monkeypatch.setattr("retarget.viewer.scene.scene_of", fail)
    run("replay", files["good"], "--html", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "There is no 3D playback" in page.text("p")
    assert "arm.stl: cannot be read as a mesh" in page.text("p")
    assert list(page.plots()[0]) == PLOTS
    assert not page.all("aside")


# --- long files -----------------------------------------------------------------------------------


@given(
    frames=st.integers(1, 400),
    points=st.integers(2, 60),
    seed=st.integers(0, 99),
    gaps=st.booleans(),
    lows=st.booleans(),
)
def test_no_peak_is_lost(frames: int, points: int, seed: int, gaps: bool, lows: bool) -> None:
    rng = np.random.default_rng(seed)
    series = rng.normal(size=frames)
    if gaps:
        series[rng.random(frames) < 0.3] = np.nan
    at, kept = envelope(series, points, lows=lows)
    assert len(at) == len(kept) <= max(points, 2)
    assert (np.diff(at) >= 0).all()
    np.testing.assert_array_equal(series[at], kept)
    if np.isfinite(series).any():
        assert np.nanmax(kept) == np.nanmax(series)
        if lows:
            assert np.nanmin(kept) == np.nanmin(series)
    if frames <= points:
        np.testing.assert_array_equal(kept, series)


@given(st.lists(st.sampled_from(list(Status)), min_size=1, max_size=200), st.integers(1, 20))
def test_runs_cover_every_frame(statuses: list[Status], most: int) -> None:
    status = np.array([int(s) for s in statuses])
    first, length, values = runs(status, 1000)
    np.testing.assert_array_equal(np.repeat(values, length), status)
    np.testing.assert_array_equal(first, np.cumsum(length) - length)
    first, length, values = runs(status, most)
    assert len(first) <= most
    assert length.sum() == len(status)
    worst = [s for s in (Status.MISSING_INPUT, Status.NOT_CONVERGED) if s in statuses]
    assert set(worst[:1]) <= set(values.tolist())


def test_a_long_file_stays_small(retargeter: Retargeter, tmp_path: Path) -> None:
    frames = 20_000
    save_demo(tmp_path / "long.hdf5", robot_demo(retargeter.robot, frames))
    blocks: list[RoundTrip] = []
    replay = replay_file(tmp_path / "long.hdf5", retargeter, keep=blocks.append)
    report = HtmlReport(retargeter, Tolerances())
    report.add(replay, blocks)
    text = report.html()
    assert len(text.encode()) < 15e6
    assert "largest value of several frames" in text
    (figures,) = Page(text).plots()
    drawn = [t for t in figures["fingertips"]["data"] if t["xaxis"] == "x2"]
    peaks = [values(t["y"]).max() for t in drawn]
    assert max(peaks) == pytest.approx(replay.sides[1].fingertip_error_m.max, rel=1e-6)
    at = values(drawn[int(np.argmax(peaks))]["x"])
    assert replay.sides[1].fingertip_error_m.worst_frame in at


def test_a_single_frame_has_a_report(retargeter: Retargeter, tmp_path: Path) -> None:
    save_demo(tmp_path / "still.hdf5", robot_demo(retargeter.robot, 1))
    run("replay", tmp_path / "still.hdf5", "--html", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert list(page.plots()[0]) == PLOTS


def test_the_worst_frame_is_that_farthest_beyond_its_tolerance(
    retargeter: Retargeter, files: dict[str, Path]
) -> None:
    far = replay_file(files["far"], retargeter)
    assert worst_frame(far, Tolerances()) == 7
    good = replay_file(files["good"], retargeter)
    best = max(SIDES, key=lambda side: good.sides[SIDES.index(side)].fingertip_error_m.max)
    wanted = good.sides[SIDES.index(best)].fingertip_error_m.worst_frame
    assert worst_frame(good, Tolerances()) == wanted


# --- places ---------------------------------------------------------------------------------------


def test_places_are_checked_before_any_work(files: dict[str, Path], tmp_path: Path) -> None:
    good = files["good"]
    before = good.read_bytes()
    assert "is an input and will not be written over" in run("replay", good, "--html", good, code=2)
    assert good.read_bytes() == before
    assert "is a folder" in run("replay", good, "--html", tmp_path, code=2)
    same = tmp_path / "same"
    assert "would both be written" in run("replay", good, "--html", same, "--json", same, code=2)
    assert not same.exists()
    blocked = tmp_path / "file" / "page.html"
    (tmp_path / "file").write_text("x")
    assert "is not a folder" in run("replay", good, "--html", blocked, code=2)


def test_it_is_written_over_and_into_new_folders(files: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "new" / "folder" / "page.html"
    run("replay", files["good"], "--html", page)
    page.write_text("old")
    run("replay", files["good"], "--html", page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_no_plot_speaks_of_a_frame_that_is_none(written: dict[str, tuple[str, Any]]) -> None:
    for text, _ in written.values():
        assert "in frame -1" not in text
