"""The page in a real browser: exported, embedded and live; frames, layers, cameras, keys, gaps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import READY, Opened, grey_surface, opened, skin
from PIL import Image
from typer.testing import CliRunner

from retarget import Viewer
from retarget.cli.main import app
from retarget.core.geometry import transform_points
from retarget.core.types import FINGERS, Status
from retarget.data.demo.writer import save_demo
from retarget.data.generate.make_demo import make_demo
from retarget.mapping.retargeter import Retargeter, RoundTrip
from retarget.viewer.export import DemoView, view_demo
from retarget.viewer.page import player_fragment
from retarget.viewer.playback import Playback, record
from retarget.viewer.server import PageServer

FRAMES = 45

# where objects are on the screen [px]
WHERE = """(paths) => paths.map((path) => {
  const { viewer } = retargetPlayer.stage;
  viewer.render();
  const at = retargetPlayer.stage.node(path).getWorldPosition(new MeshCat.THREE.Vector3());
  const { x, y } = at.project(viewer.camera);
  const { width, height } = viewer.renderer.domElement.getBoundingClientRect();
  return [(x + 1) / 2 * width, (1 - y) / 2 * height];
})"""


@dataclass(frozen=True)
class Exported:
    """A demonstration, its view, the playback in the page, and the page's file."""

    view: DemoView
    playback: Playback
    file: Path

    @property
    def url(self) -> str:
        return self.file.as_uri()


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    return Retargeter()


def export(retargeter: Retargeter, source: Path, folder: Path) -> Exported:
    view = view_demo(source, retargeter)
    file = folder / f"{source.stem}.html"
    file.write_text(view.page(), encoding="utf-8")
    return Exported(view, record(view.scene, view.trip), file)


@pytest.fixture(scope="module")
def generated(retargeter: Retargeter, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("generated")
    save_demo(folder / "demo.hdf5", make_demo(frames=FRAMES))
    return export(retargeter, folder / "demo.hdf5", folder)


@pytest.fixture(scope="module")
def real(
    retargeter: Retargeter, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """A recorded one whose first frames are out of the arm's reach."""
    source = shared / "teleop" / "demos" / "Flip-Mug_episode_0.hdf5"
    return export(retargeter, source, tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module", params=["real", "generated"])
def exported(request: pytest.FixtureRequest) -> Exported:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def offline(browser: Any) -> Iterator[Opened]:
    """A page without a network, kept open from test to test: drawing in software loads slowly."""
    with opened(browser, offline=True) as one:
        yield one


@pytest.fixture
def page(offline: Opened) -> Iterator[Opened]:
    """The same; fails where the test makes it complain or ask for anything but its file."""
    offline.complaints.clear()
    offline.requests.clear()
    yield offline
    assert offline.complaints == []
    assert [url for url in offline.requests if not url.startswith("file:")] == []
    assert len({url.split("#")[0] for url in offline.requests}) <= 1


def positions(page: Opened) -> np.ndarray[Any, Any]:
    return np.array(page.js("() => retargetPlayer.stage.nodes.map((n) => n.position.toArray())"))


def test_every_frame_is_shown_as_recorded(page: Opened, exported: Exported) -> None:
    page.go(exported.url)
    playback = exported.playback
    assert page.js("() => retargetPlayer.frames") == len(playback.frames)
    for row in (0, len(playback.frames) - 1, 7):
        page.js("(row) => retargetPlayer.seek(row)", row)
        assert page.js("() => retargetPlayer.frame") == row
        np.testing.assert_allclose(positions(page), playback.poses[row, :, :3], atol=1e-6)
        turns = page.js("() => retargetPlayer.stage.nodes.map((n) => n.quaternion.toArray())")
        np.testing.assert_allclose(turns, playback.poses[row, :, 3:], atol=1e-6)
        seen = page.js("() => retargetPlayer.stage.nodes.map((n) => n.visible)")
        assert seen == playback.visible[row].tolist()
        vertices = page.js(
            "() => retargetPlayer.stage.meshes.map("
            "(m) => Array.from(m.geometry.attributes.position.array))"
        )
        wanted = playback.vertex_offset + playback.vertex_scale * playback.vertices[row]
        np.testing.assert_allclose(np.reshape(vertices, wanted.shape), wanted, atol=1e-6)
        colours = page.js("() => retargetPlayer.stage.materials.map((m) => m.color.toArray())")
        table = exported.view.scene.colour_table[playback.colours[row]] / 255
        np.testing.assert_allclose(colours, table, atol=1e-6)


def test_scrubbing_shows_frame_time_and_statuses(page: Opened, exported: Exported) -> None:
    page.go(exported.url)
    playback = exported.playback
    page.js("() => document.addEventListener('retarget:frame', (e) => (window.seen = e.detail))")
    for row in (0, 4, len(playback.frames) - 2):
        page.page.locator(".rt-scrub").fill(str(row))
        assert page.js("() => window.seen") == {"frame": row, "source": row}
        clock = page.page.locator(".rt-clock").inner_text()
        assert clock.startswith(f"frame {row} of 0–")
        assert clock.endswith(f"{row / playback.rate:.2f} s")
        badges = page.js(
            "() => Array.from(document.querySelectorAll('.rt-badge'), (b) => b.dataset.status)"
        )
        both = np.stack([playback.hand_status[row], playback.arm_status[row]], axis=1)
        assert badges == [Status(value).label for value in both.reshape(-1)]


def test_the_picture_shows_robot_and_hands(page: Opened, exported: Exported) -> None:
    page.go(exported.url + "#ui=0&theme=light&hide=floor,camera,wrists")
    whole = page.picture()
    page.js(
        "() => retargetPlayer.stage.layers.forEach((_, name) => retargetPlayer.layer(name, false))"
    )
    empty = page.picture()
    assert skin(empty) == grey_surface(empty) == 0
    assert np.abs(whole - empty).max(axis=-1).mean() > 5
    page.js("() => retargetPlayer.layer('recorded', true)")
    robot = page.picture()
    assert grey_surface(robot) > 0.03 * robot[..., 0].size
    page.js("() => {retargetPlayer.layer('recorded', false); retargetPlayer.layer('human', true);}")
    for side in ("left", "right"):
        page.js("(side) => retargetPlayer.camera(side)", side)
        hand = page.picture()
        assert skin(hand) > 0.02 * hand[..., 0].size, side
        assert grey_surface(hand) < 0.002 * hand[..., 0].size, side


def test_layers_have_boxes(page: Opened, generated: Exported) -> None:
    page.go(generated.url)
    page.page.locator(".rt-panel summary").click()
    boxes = page.page.locator(".rt-layer input")
    layers = generated.view.scene.layers
    assert boxes.count() == len(layers)
    shown = "(path) => retargetPlayer.stage.node(path).visible"
    for k, layer in enumerate(layers):
        assert page.js(shown, layer.path) is layer.visible
        boxes.nth(k).evaluate("(box) => box.click()")
        assert page.js(shown, layer.path) is not layer.visible
        boxes.nth(k).evaluate("(box) => box.click()")


def test_keys(page: Opened, generated: Exported) -> None:
    page.go(generated.url)
    press, frame = page.page.keyboard.press, lambda: page.js("() => retargetPlayer.frame")
    for key, wanted in (
        ("ArrowRight", 1),
        ("Shift+ArrowRight", 11),
        ("ArrowLeft", 10),
        ("Shift+ArrowLeft", 0),
        ("ArrowLeft", 0),
        ("End", FRAMES - 1),
        ("ArrowRight", FRAMES - 1),
        ("Home", 0),
    ):
        press(key)
        assert frame() == wanted, key
    press("Space")
    page.page.wait_for_function("() => retargetPlayer.frame > 2")
    press("Space")
    assert not page.js("() => retargetPlayer.playing")
    stopped = frame()
    page.page.wait_for_timeout(150)
    assert frame() == stopped
    before = page.js("() => document.querySelector('.rt-player').dataset.rtTheme")
    press("t")
    assert page.js("() => document.querySelector('.rt-player').dataset.rtTheme") != before
    press("3")
    assert page.js("() => retargetPlayer.stage.preset.name") == "right"
    page.page.locator(".rt-scrub").focus()  # its own keys are the player's, not counted twice
    press("Home")
    press("ArrowRight")
    assert frame() == 1


def test_playing_keeps_the_recorded_rate_and_ends(page: Opened, generated: Exported) -> None:
    page.go(generated.url + "#ui=0&hide=recorded,returned")
    took = page.js(
        """(frames) => new Promise((done) => {
          const began = performance.now();
          document.addEventListener("retarget:frame", () => {
            if (retargetPlayer.frame === frames - 1) done(performance.now() - began);
          });
          retargetPlayer.play();
        })""",
        FRAMES,
    )
    # a slow machine leaves frames out, and the last one can only be late
    assert took / 1000 > 0.999 * (FRAMES - 1) / generated.playback.rate
    page.page.wait_for_function("() => !retargetPlayer.playing")


def test_the_robots_camera_sees_what_its_pinhole_model_says(
    browser: Any, exported: Exported
) -> None:
    """Fingertips, projected by three.js and by the intrinsics, fall on the same pixels."""
    fitter = exported.view.trip
    camera = Retargeter().robot.cameras["main"]
    with opened(browser, width=640, height=360) as page:
        page.go(exported.url + "#camera=head&ui=0&frame=6")
        found = np.array(
            page.js(
                """() => {
                  const { viewer } = retargetPlayer.stage;
                  viewer.render();
                  return [0, 1].flatMap((h) => ["thumb", "index", "middle", "ring", "pinky"].map(
                    (finger) => {
                      const path = `/targets/${["left", "right"][h]}/${finger}`;
                      const at = retargetPlayer.stage.node(path).getWorldPosition(
                        new MeshCat.THREE.Vector3());
                      const { x, y } = at.project(viewer.camera);
                      return [(x + 1) / 2, (1 - y) / 2];
                    }));
                }"""
            )
        )
    tips = transform_points(camera.T_camera_world, fitter.demo.fingertips[6].reshape(-1, 3))
    u = (camera.fx * tips[:, 0] / tips[:, 2] + camera.cx) / camera.width
    v = (camera.fy * tips[:, 1] / tips[:, 2] + camera.cy) / camera.height
    np.testing.assert_allclose(found, np.stack([u, v], axis=1), atol=2e-3)


def test_a_hands_camera_shows_all_of_the_hand(browser: Any, real: Exported) -> None:
    """Wrist and fingertips, wherever they point, are in the picture and below the card."""
    with opened(browser, 1280, 800) as page:
        page.go(f"{real.url}#ui=still&hide=recorded,returned,human,floor")  # drawn sooner
        free = page.js("() => document.querySelector('.rt-state').getBoundingClientRect().bottom")
        for side in ("left", "right"):
            page.js("(side) => retargetPlayer.camera(side)", side)
            parts = [f"/targets/{side}/{finger}" for finger in FINGERS]
            parts.append(f"/wrists/{side}/recorded")
            for row in (0, 1, 12, 20):
                page.js("(row) => retargetPlayer.seek(row)", row)
                where = page.js(WHERE, parts)
                for part, (x, y) in zip(parts, where, strict=True):
                    assert 0 < x < 1280, (row, part)
                    assert free < y < 800, (row, part)


def test_missing_hands_and_nan_frames(page: Opened, retargeter: Retargeter, tmp_path: Path) -> None:
    """The left hand is lost for some frames, the right one for all."""
    demo = make_demo(frames=20)
    tips, valid = demo.fingertips.copy(), demo.valid.copy()
    tips[5:9, 0], tips[:, 1] = np.nan, np.nan
    valid[5:9, 0] = valid[:, 1] = False
    save_demo(tmp_path / "gaps.hdf5", replace(demo, fingertips=tips, valid=valid))
    page.go(export(retargeter, tmp_path / "gaps.hdf5", tmp_path).url)
    seen = "(path) => retargetPlayer.stage.node(path).visible"
    status = "(k) => document.querySelectorAll('.rt-badge')[k].dataset.status"
    for row, left in ((0, True), (6, False), (12, True)):
        page.js("(row) => retargetPlayer.seek(row)", row)
        assert page.js(seen, "/human/left") is left
        assert page.js(seen, "/human/right") is False
        assert page.js(seen, "/robot/recorded/pelvis") is True
        assert (page.js(status, 0) == "missing_input") is not left
        assert page.js(status, 2) == "missing_input"
        assert np.isfinite(positions(page)).all()
    page.js("() => retargetPlayer.camera('right')")
    assert page.picture().std() > 5


def test_one_frame_of_one_hand_has_page_and_picture(page: Opened, tmp_path: Path) -> None:
    """By the command; a hand that was not seen is NaN in the file."""
    demo = make_demo(frames=2)
    tips, valid = demo.fingertips[:1].copy(), demo.valid[:1].copy()
    tips[:, 1], valid[:, 1] = np.nan, False
    rows = {"qpos": demo.qpos[:1], "T_world_wrist": demo.T_world_wrist[:1], "action": None}
    save_demo(tmp_path / "one.hdf5", replace(demo, fingertips=tips, valid=valid, **rows))
    html, png = tmp_path / "one.html", tmp_path / "one.png"
    result = CliRunner().invoke(
        app, ["view", *map(str, (tmp_path / "one.hdf5", "--html", html, "--png", png))]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].endswith(" MB, 1 frame")
    assert np.asarray(Image.open(png).convert("RGB")).std() > 5
    page.go(html.as_uri())
    page.page.keyboard.press("Space")
    page.page.keyboard.press("ArrowRight")
    assert page.js("() => [retargetPlayer.frame, retargetPlayer.playing]") == [0, False]
    seen = "(path) => retargetPlayer.stage.node(path).visible"
    hands = [page.js(seen, f"/human/{side}") for side in ("left", "right")]
    assert hands == [True, False]
    assert page.js(seen, "/robot/recorded/pelvis") is True


def test_links_choose_frame_camera_and_theme(page: Opened, generated: Exported) -> None:
    hidden = "hide=recorded,returned,human,floor&show=nothing"
    page.go(f"{generated.url}#frame=10&camera=left&theme=dark&ui=0&{hidden}")
    assert page.js("() => retargetPlayer.frame") == 10
    assert page.js("() => retargetPlayer.stage.preset.name") == "left"
    assert page.js("() => retargetPlayer.stage.shown('floor')") is False
    assert page.page.locator(".rt-card:visible").count() == 0
    assert np.median(page.picture()[0]) < 100
    page.js("() => (location.hash = '#frame=33&theme=light')")
    page.page.wait_for_function("() => retargetPlayer.frame === 33")
    assert np.median(page.picture()[0]) > 180


def test_the_overlay_leaves_the_robot_free(browser: Any, generated: Exported) -> None:
    """At a usual size no card covers it, in light and dark, and words stand out from their card."""
    with opened(browser, width=1280, height=800) as page:
        page.go(generated.url)
        covered = page.js(
            """() => {
              const { viewer, nodes } = retargetPlayer.stage;
              const canvas = viewer.renderer.domElement;
              const { width, height, left, top } = canvas.getBoundingClientRect();
              const at = nodes.filter((n) => n.visible).map((n) => {
                const p = n.getWorldPosition(new MeshCat.THREE.Vector3()).project(viewer.camera);
                return [left + (p.x + 1) / 2 * width, top + (1 - p.y) / 2 * height];
              });
              const cards = [...document.querySelectorAll(".rt-card")].map(
                (c) => c.getBoundingClientRect());
              return at.filter(([x, y]) => cards.some(
                (c) => x > c.left && x < c.right && y > c.top && y < c.bottom)).length;
            }"""
        )
        assert covered == 0


def test_titles_are_text(page: Opened, generated: Exported, tmp_path: Path) -> None:
    hostile = '</script><img src=x onerror="window.hit=1">'
    view = replace(generated.view, path=Path(hostile.replace("/", "\\")))
    (tmp_path / "hostile.html").write_text(view.page(stride=9), encoding="utf-8")
    page.go((tmp_path / "hostile.html").as_uri())
    assert page.js("() => window.hit") is None
    assert page.page.locator(".rt-title").inner_text() == view.path.name
    assert page.page.title() == view.path.name


def test_two_players_in_one_page(page: Opened, generated: Exported, tmp_path: Path) -> None:
    """A report's page: it scrolls over the players, and its links seek by the file's frames."""
    thinned = record(generated.view.scene, generated.view.trip, rows=slice(2, None, 5))
    bodies = []
    for name in ("first", "second"):
        fragment = player_fragment(generated.view.scene, thinned, name=name)
        bodies.append(f'<div style="height: 300px">{fragment.body}</div>')
    space = '<div style="height: 500px"></div>'
    (tmp_path / "report.html").write_text(
        f"<!doctype html>{fragment.head}{space.join(bodies)}", encoding="utf-8"
    )
    page.go((tmp_path / "report.html").as_uri())
    page.js("() => retargetPlayers.second.ready")
    assert page.js("() => retargetPlayer === retargetPlayers.first")
    assert page.js("() => retargetPlayers.second.stage.viewer.renderer.domElement.height") < 300
    page.page.mouse.move(200, 150)
    page.page.mouse.wheel(0, 200)
    page.page.wait_for_function("() => scrollY === 200")
    page.js("() => retargetPlayers.second.seekSource(13)")
    assert page.js("() => retargetPlayers.second.frame") == 2
    assert page.js("() => retargetPlayers.second.source()") == 12
    assert page.js("() => retargetPlayers.first.frame") == 0
    page.js("() => dispatchEvent(new Event('beforeprint'))")
    for name in ("first", "second"):
        assert (
            page.js(
                "(name) => retargetPlayers[name].element.querySelector('.rt-print').src.length",
                name,
            )
            > 1000
        )


def test_what_is_asked_of_a_player_before_it_is_there_is_done(
    page: Opened, generated: Exported, tmp_path: Path
) -> None:
    """As `ready` promises: a page need not wait before it sends its player somewhere."""
    thinned = record(generated.view.scene, generated.view.trip, rows=slice(2, None, 5))
    fragment = player_fragment(generated.view.scene, thinned, name="early")
    asked = """document.addEventListener("retarget:players", () => {
      const player = retargetPlayers.early;
      player.seek(3);
      player.seekSource(13);
      player.step(1);
      player.camera("left");
      player.layer("floor", false);
      player.play();
      player.pause();
    });"""
    (tmp_path / "early.html").write_text(
        f"<!doctype html><script>{asked}</script>{fragment.head}{fragment.body}", encoding="utf-8"
    )
    page.go((tmp_path / "early.html").as_uri())
    assert page.js("() => [retargetPlayer.source(), retargetPlayer.playing]") == [17, False]
    assert page.js("() => retargetPlayer.stage.preset.name") == "left"
    assert page.js("() => retargetPlayer.stage.shown('floor')") is False


def test_the_served_page_plays(browser: Any, exported: Exported) -> None:
    """As `retarget view` serves it: buttons, slider, layers and cameras, without a complaint."""
    server = PageServer(exported.view.page())
    try:
        with opened(browser) as page:
            page.go(server.url)
            last = len(exported.playback.frames) - 1
            page.page.get_by_label("One frame on (→)").click()
            assert page.js("() => retargetPlayer.frame") == 1
            page.page.locator(".rt-scrub").fill(str(last - 1))
            assert page.js("() => retargetPlayer.frame") == last - 1
            page.page.get_by_label("Play or pause (space)").click()
            page.page.wait_for_function("(last) => retargetPlayer.frame === last", arg=last)
            page.page.get_by_label("One frame back (←)").click()
            assert page.js("() => retargetPlayer.frame") == last - 1
            page.page.locator(".rt-panel summary").click()
            views = []
            for preset in exported.view.scene.presets:
                page.page.locator(".rt-cameras").get_by_text(preset.label).click()
                assert page.js("() => retargetPlayer.stage.preset.name") == preset.name
                views.append(page.js("() => retargetPlayer.stage.viewer.camera.position.toArray()"))
            assert len({tuple(view) for view in views}) == 4
            page.page.get_by_label("Human hands").uncheck()
            assert page.js("() => retargetPlayer.stage.shown('human')") is False
            assert page.complaints == []
            assert all(url.startswith((server.url, "data:")) for url in page.requests)
    finally:
        server.close()


def test_a_browser_without_webgl_says_so(browser: Any, generated: Exported) -> None:
    with opened(browser) as page:
        page.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        page.page.goto(generated.url)
        alert = page.page.get_by_role("alert")
        alert.wait_for()
        assert "WebGL" in alert.inner_text()


def test_five_hundred_frames_fit(retargeter: Retargeter, tmp_path: Path) -> None:
    save_demo(tmp_path / "long.hdf5", make_demo(frames=500))
    assert len(view_demo(tmp_path / "long.hdf5", retargeter).page()) < 15e6


def test_a_still_picture(browser: Any, real: Exported, tmp_path: Path) -> None:
    """Of exactly the size asked for; its hand is where the page shows it."""
    real.view.save_picture(
        tmp_path / "hand.png", frame=10, camera="left", width=500, height=333, hide=("floor",)
    )
    shot = np.asarray(Image.open(tmp_path / "hand.png").convert("RGB")).astype(np.int64)
    assert shot.shape == (333, 500, 3)
    assert skin(shot) > 0.02 * shot[..., 0].size
    with opened(browser, width=500, height=333) as page:
        page.go(real.url + "#frame=10&camera=left&hide=floor&ui=still")
        same = np.abs(page.picture() - shot).max(axis=-1) < 8
    assert same.mean() > 0.97  # all but the words on the range of frames


def wait_for_frame(page: Opened, number: int) -> None:
    page.page.wait_for_function("(n) => retargetPlayer.frame === n", arg=number)


def test_live_frames(browser: Any, retargeter: Retargeter, real: Exported) -> None:
    trip: RoundTrip = real.view.trip
    with Viewer(fitter=retargeter.fitter) as viewer, opened(browser) as page:
        page.go(viewer.url)
        assert page.js("() => retargetPlayer.frame") == -1  # before the first frame it stands
        assert page.js("() => retargetPlayer.stage.node('/robot/recorded/pelvis').visible") is True
        for row in range(21):
            viewer.show(trip, row=row, number=100 + row)
        wait_for_frame(page, 120)
        np.testing.assert_allclose(positions(page), real.playback.poses[20, :, :3], atol=1e-6)
        assert page.page.locator(".rt-scrub").count() == 0
        viewer.show(np.zeros(50))  # a bare configuration: one robot, no hands
        wait_for_frame(page, 121)
        shown = page.js(
            "() => ['/robot/recorded/pelvis', '/robot/returned/pelvis', '/human/left']"
            ".map((path) => retargetPlayer.stage.node(path).visible)"
        )
        assert shown == [True, False, False]
        with opened(browser) as late:
            late.go(viewer.url)
            wait_for_frame(late, 121)
        deadline = time.monotonic() + 10
        viewer.show(np.full(50, np.nan))
        wait_for_frame(page, 122)
        assert np.isfinite(positions(page)).all()
        while len(viewer._server._clients) > 1:  # the late page is gone
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert page.complaints == []
        viewer.close()
        page.page.wait_for_selector("[data-rt-live=closed]")
        assert "not connected" in page.page.locator(".rt-title").inner_text()


def test_a_page_finds_the_next_viewer(browser: Any, retargeter: Retargeter) -> None:
    """The control program is started again: the page that was left open goes on with it."""
    with opened(browser) as page:
        with Viewer(fitter=retargeter.fitter, title="first") as viewer:
            page.go(viewer.url)
            port = int(viewer.url.rstrip("/").rsplit(":", 1)[1])
        page.page.wait_for_selector("[data-rt-live=closed]")
        with Viewer(fitter=retargeter.fitter, port=port, title="second") as viewer:
            page.page.wait_for_function("() => document.title === 'second'")
            page.js(READY)
            viewer.show(np.zeros(50), number=5)
            wait_for_frame(page, 5)
