"""The HTML report in a real browser: plots, playback, links and print, without a complaint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demo_files import robot_demo
from pages import Opened, opened
from report_plots import PLOTS
from typer.testing import CliRunner

from retarget.cli.main import app
from retarget.data.demo.writer import save_demo
from retarget.robot.robot import Robot

FRAMES = 40


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """A generated demonstration, and a real one that is not valid."""
    folder = tmp_path_factory.mktemp("report")
    save_demo(folder / "made.hdf5", robot_demo(Robot.load(), FRAMES))
    real = shared / "teleop" / "demos" / "Flip-Mug_episode_0.hdf5"
    page = folder / "page.html"
    result = CliRunner().invoke(
        app, ["replay", str(folder / "made.hdf5"), str(real), "--html", str(page)]
    )
    assert result.exit_code == 1, result.output
    return page


@pytest.fixture(scope="module")
def loaded(browser: Any, report: Path) -> Iterator[Opened]:
    with opened(browser, 1400, 1000) as page:
        page.go(report.as_uri())
        drawn(page)
        yield page


@pytest.fixture
def page(loaded: Opened, report: Path) -> Iterator[Opened]:
    """The report at the worst frame of its first demonstration; no complaint until the end."""
    loaded.js("() => { location.hash = '#demo=0' }")
    until(loaded, "retargetReport.demo === 0")
    loaded.js("retargetReport.seek(0)")
    loaded.js(
        "() => Plotly.relayout(document.querySelector('#demo-0-wrists .canvas'),"
        "{'xaxis.range': [-0.5, 20.5]}).then(() => new Promise((done) => setTimeout(done, 300)))"
    )
    yield loaded
    assert loaded.complaints == []
    away = ("data:", "blob:", "about:", report.as_uri())
    assert [url for url in loaded.requests if not url.startswith(away)] == []


def until(page: Opened, condition: str) -> None:
    """Wait for it; playwright's own way needs what the page's policy forbids."""
    for _ in range(300):
        if page.js(condition):
            return
        page.page.wait_for_timeout(100)
    raise AssertionError(f"never: {condition}")


def drawn(page: Opened) -> None:
    until(
        page,
        "document.querySelectorAll('article:not([hidden]) .canvas.js-plotly-plot').length "
        f"=== {len(PLOTS)}",
    )
    until(page, "document.querySelector('article:not([hidden]) .rt-ready')")
    page.js("() => new Promise((done) => setTimeout(done, 100))")


def place(page: Opened, plot: str, axis: str, frame: int, height: float = 0.5) -> Any:
    """Where on the screen a frame of a plot is."""
    page.js(f"document.getElementById('{plot}').scrollIntoView({{block: 'center'}})")
    return page.js(f"""(() => {{
      const canvas = document.querySelector('#{plot} .canvas');
      const box = canvas.getBoundingClientRect();
      const x = canvas._fullLayout.xaxis{axis}, y = canvas._fullLayout.yaxis{axis};
      return [box.left + x._offset + x.d2p({frame}), box.top + y._offset + {height} * y._length];
    }})()""")


def test_plots_and_playback_are_there(page: Opened) -> None:
    assert page.js("retargetReport.demo") == 0
    assert page.js("retargetReport.frame") == 0  # the worst of the real one
    lines = page.js("document.querySelectorAll('#demo-0-fingertips .scatterlayer .js-line').length")
    assert lines == 10
    assert page.js("document.querySelectorAll('#demo-0-statuses .bars .point').length") >= 4
    assert page.js("retargetPlayers['player-0'].frames") == 21
    page.js("scrollTo(0, 0)")
    assert len(page.page.screenshot()) > 50_000
    sideways = page.js("document.documentElement.scrollWidth - innerWidth")
    assert sideways <= 0


def test_a_click_on_a_plot_goes_to_its_frame(page: Opened) -> None:
    for plot, axis, frame, height in (
        ("demo-0-fingertips", "2", 13, 0.5),
        ("demo-0-statuses", "", 5, 0.12),
        ("demo-0-arm_left", "6", 9, 0.5),
    ):
        x, y = place(page, plot, axis, frame, height)
        page.page.mouse.move(x, y)
        page.page.wait_for_timeout(200)  # plotly looks at the pointer now and then
        page.page.mouse.click(x, y)
        page.page.wait_for_timeout(200)
        assert page.js("retargetReport.frame") == frame
        assert page.js("retargetPlayers['player-0'].source()") == frame


def test_the_playback_moves_the_cursor(page: Opened) -> None:
    page.js("retargetPlayers['player-0'].seek(4)")
    assert page.js("retargetReport.frame") == 4
    assert "frame 4 of 21" in page.js("document.querySelector('.now').textContent")
    at, _ = place(page, "demo-0-wrists", "2", 4)
    lines = page.js(
        "[...document.querySelectorAll('#demo-0-wrists .cursor')]"
        ".map((line) => line.getBoundingClientRect().left)"
    )
    assert len(lines) == 4
    assert min(abs(left - at) for left in lines) < 2.0


def test_links_go_to_frames_and_demonstrations(page: Opened) -> None:
    frame = page.js(
        "(() => { const link = [...document.querySelectorAll('article:not([hidden]) td a.frame')]"
        ".find((one) => one.dataset.frame > 0); link.click();"
        "return Number(link.dataset.frame) })()"
    )
    assert page.js("retargetReport.frame") == frame
    assert page.js("retargetPlayers['player-0'].source()") == frame
    assert page.js("Object.keys(retargetPlayers)") == ["player-0"]
    page.js("document.querySelector('tr[data-row=\"1\"] a').click()")
    until(page, "retargetReport.demo === 1")
    drawn(page)
    assert page.js("retargetPlayers['player-1'].frames") == FRAMES
    page.js("location.hash = '#demo=1&frame=17'")
    until(page, "retargetReport.frame === 17")
    assert page.js("retargetPlayers['player-1'].source()") == 17


def test_zooming_into_one_plot_zooms_into_all(page: Opened) -> None:
    page.js(
        "Plotly.relayout(document.querySelector('#demo-0-wrists .canvas'), {'xaxis.range': [2, 9]})"
    )
    for plot in ("fingertips", "statuses", "hand_left"):
        until(
            page,
            f"document.querySelector('#demo-0-{plot} .canvas')._fullLayout.xaxis.range.join() "
            "=== '2,9'",
        )


def test_paper_is_light_and_the_screen_as_before(page: Opened) -> None:
    page.page.emulate_media(color_scheme="dark")
    dark = page.js("getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(20, 23, 27)"
    axis = page.js(
        "getComputedStyle(document.querySelector('#demo-0-fingertips .xtick text')).fill"
    )
    assert axis == "rgb(230, 233, 236)"
    page.js(
        "addEventListener('beforeprint', () => (window.paper = ["
        "retargetPlayers['player-0'].theme, document.documentElement.dataset.theme]))"
    )
    assert page.page.pdf(print_background=True, prefer_css_page_size=True)[:5] == b"%PDF-"
    assert page.js("window.paper") == ["light", "light"]
    assert page.js("document.documentElement.dataset.theme ?? null") is None
    width = page.js("document.querySelector('#demo-0-wrists .main-svg').clientWidth")
    assert width == page.js("document.querySelector('#demo-0-wrists').clientWidth")
    page.page.emulate_media(color_scheme="light")


def test_paper_is_as_wide_as_its_text(browser: Any, report: Path) -> None:
    """Else the printer makes all of it small."""
    with opened(browser, 703, 1000) as page:  # A4 between its margins, at 96 px an inch
        page.page.emulate_media(media="print")
        page.go(report.as_uri())
        drawn(page)
        page.js("() => dispatchEvent(new Event('beforeprint'))")
        assert page.js("document.documentElement.scrollWidth") <= 703


def test_titles_do_not_lie_upon_each_other_in_a_narrow_window(browser: Any, report: Path) -> None:
    with opened(browser, 400, 800) as narrow:
        narrow.go(report.as_uri())
        drawn(narrow)
        narrow.page.wait_for_timeout(500)  # plotly draws to its new width a moment later
        overlaps = narrow.js("""() => {
          const found = [];
          for (const plot of document.querySelectorAll("article:not([hidden]) .canvas")) {
            const boxes = [...plot.querySelectorAll(".annotation-text, .legendtext")]
              .map((text) => [text.textContent, text.getBoundingClientRect()]);
            boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
              const apart = a.right <= b.left || b.right <= a.left
                || a.bottom - 2 <= b.top || b.bottom - 2 <= a.top;
              if (!apart) found.push(`${one} ${other}`);
            }));
          }
          return found;
        }""")
        assert overlaps == []
        # plots that need more than the window are scrolled, the page is not
        assert narrow.js("document.documentElement.scrollWidth") == 400
        assert narrow.js("document.querySelector('.plot').scrollWidth") > 400
        assert narrow.complaints == []
