"""The viewer without a browser: server, live frames, the command, and what stands in their way."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect
from typer.testing import CliRunner

from retarget import Viewer
from retarget.cli.main import app
from retarget.core.errors import InputError, ModelError, RetargetError
from retarget.data.demo.writer import save_demo
from retarget.data.generate.make_demo import make_demo
from retarget.mapping.retargeter import Retargeter, RoundTrip
from retarget.viewer import browser as browsers
from retarget.viewer import live
from retarget.viewer import page as pages
from retarget.viewer.browser import find_browser, save_picture
from retarget.viewer.export import view_demo
from retarget.viewer.live import live_arrays
from retarget.viewer.server import PageServer
from retarget.viewer.states import field_shapes, frame_state

FRAMES = 12


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    return Retargeter()


@pytest.fixture(scope="module")
def trip(retargeter: Retargeter) -> RoundTrip:
    return retargeter.round_trip(make_demo(frames=FRAMES))


@pytest.fixture
def viewer(retargeter: Retargeter) -> Iterator[Viewer]:
    with Viewer(fitter=retargeter.fitter) as made:
        yield made


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("view") / "demo.hdf5"
    save_demo(path, make_demo(frames=FRAMES))
    return path


def run(*args: Any) -> Any:
    return CliRunner().invoke(app, ["view", *map(str, args)])


def said(result: Any) -> str:
    """The one line of an error."""
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    return str(lines[0])


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def port_of(url: str) -> int:
    return int(url.rstrip("/").rsplit(":", 1)[1])


class Looking:
    """A page as the server sees it: asks for a frame when the test says so."""

    def __init__(self, viewer: Viewer, socket: Any) -> None:
        self.viewer, self.socket = viewer, socket

    @classmethod
    async def at(cls, viewer: Viewer) -> Looking:
        looking = cls(viewer, await websocket_connect(viewer.url.replace("http", "ws") + "live"))
        assert re.fullmatch("[0-9a-f]{16}", await looking.socket.read_message())
        return looking

    async def frame(self) -> int:
        message = await asyncio.wait_for(self.socket.read_message(), 10)
        return int(np.frombuffer(message[:8], dtype="<f8")[0])

    async def next(self) -> int:
        await self.socket.write_message("next")
        return await self.frame()


def eventually(holds: Any) -> None:
    for _ in range(500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to hold")


# -- the server


def test_a_page_is_served_to_this_machine_alone() -> None:
    server = PageServer("<p>hello</p>")
    try:
        assert server.url.startswith("http://127.0.0.1:")
        assert fetch(server.url) == (200, b"<p>hello</p>")
        assert fetch(server.url + "other")[0] == 404
        assert fetch(server.url + "live")[0] == 404  # no frames here
        assert fetch(server.url, Host="rebound.example:80")[0] == 403
        assert fetch(server.url, Host=f"localhost:{port_of(server.url)}")[0] == 200
    finally:
        server.close()
        server.close()
    with pytest.raises(urllib.error.URLError):
        fetch(server.url)


def test_another_address_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"listening on 0\.0\.0\.0:\d+: everyone"):
        server = PageServer("", host="0.0.0.0")
    server.close()


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port}: it is in use"):
            PageServer("", port=port)
    first, second = PageServer("first"), PageServer("second")
    try:
        assert port_of(first.url) != port_of(second.url)
        assert fetch(second.url)[1] == b"second"
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("host", "port"),
    [("192.0.2.1", None), ("no.such.host.invalid", None), ("127.0.0.1", 70000), ("", None)],
)
def test_places_that_cannot_be_listened_on(host: str, port: int | None) -> None:
    with pytest.raises(InputError):
        PageServer("", host=host, port=port)


# -- live frames


def test_messages_hold_the_frame(retargeter: Retargeter, viewer: Viewer, trip: RoundTrip) -> None:
    """Every array of a message, at the place the page has for it, is that of `frame_state`."""
    viewer.show(trip, row=3, number=7)
    _, message = viewer._message()
    state = frame_state(
        viewer.scene,
        trip.demo.qpos[3],
        returned=trip.robot.qpos[3],
        pca=trip.human.pca[3],
        T_world_mano=trip.human.T_world_mano[3],
        targets=trip.demo.fingertips[3],
        wrists=trip.demo.T_world_wrist[3],
    )
    found = re.search(r'"live":(\{.*?\}\}\})', fetch(viewer.url)[1].decode())
    assert found is not None
    described = json.loads(found[1])["arrays"]
    wanted = live_arrays(7, state)
    assert list(described) == list(wanted)
    for name, array in wanted.items():
        at = described[name]
        assert at["offset"] % array.dtype.itemsize == 0, name
        sent = np.frombuffer(message, at["dtype"], array.size, at["offset"])
        np.testing.assert_array_equal(sent.reshape(at["shape"]), array, err_msg=name)


def test_the_newest_frame_wins(viewer: Viewer) -> None:
    async def look() -> None:
        looking = await Looking.at(viewer)
        assert await looking.frame() == -1  # what stands before the first frame
        for number in range(50):
            viewer.show(np.zeros(50), number=number)
        assert await looking.next() == 49
        await looking.socket.write_message("next")
        viewer.show(np.zeros(50), number=50)
        assert await looking.frame() == 50
        late = await Looking.at(viewer)
        assert await late.frame() == 50

    asyncio.run(look())


def test_a_page_that_hangs_is_sent_one_frame_and_delays_nothing(viewer: Viewer) -> None:
    async def look() -> None:
        hanging, lively = await Looking.at(viewer), await Looking.at(viewer)
        await lively.frame()
        for number in range(30):  # the hanging one reads nothing
            viewer.show(np.zeros(50), number=number)
            assert await lively.next() == number
        assert await hanging.frame() == -1
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(hanging.socket.read_message(), 0.2)

    asyncio.run(look())


def test_a_page_that_closes_is_forgotten(viewer: Viewer) -> None:
    assert viewer._server is not None
    server = viewer._server

    async def look() -> None:
        looking = await Looking.at(viewer)
        await looking.frame()
        assert server.watched
        looking.socket.close()

    asyncio.run(look())
    eventually(lambda: not server.watched)
    viewer.show(np.zeros(50))


def test_nothing_is_computed_while_nobody_looks(viewer: Viewer, monkeypatch: Any) -> None:
    called = []
    monkeypatch.setattr(viewer._server, "_source", lambda: called.append(1))
    for _ in range(100):
        viewer.show(np.zeros(50))
    time.sleep(0.1)
    assert called == []


def test_frames_of_another_origin_are_refused(viewer: Viewer) -> None:
    request = HTTPRequest(
        viewer.url.replace("http", "ws") + "live", headers={"Origin": "http://elsewhere.example"}
    )

    async def look() -> None:
        await websocket_connect(request)

    with pytest.raises(HTTPClientError, match="403"):
        asyncio.run(look())


def test_a_frame_is_computed_once(viewer: Viewer, monkeypatch: Any) -> None:
    made = []

    def counted(*args: Any, **fields: Any) -> Any:
        made.append(fields)
        return frame_state(*args, **fields)

    monkeypatch.setattr(live, "frame_state", counted)

    async def look() -> None:
        first, second = await Looking.at(viewer), await Looking.at(viewer)
        await first.frame()
        await second.frame()
        for number in range(5):
            viewer.show(np.zeros(50), number=number)
            assert await first.next() == number
            assert await second.next() == number

    asyncio.run(look())
    assert len(made) == 6


def test_the_callers_arrays_are_copied(viewer: Viewer) -> None:
    qpos = np.zeros(50)
    viewer.show(qpos)
    qpos += 1.0
    np.testing.assert_array_equal(viewer._newest[2]["qpos"], np.zeros(50))


def test_commands_bring_their_statuses(viewer: Viewer) -> None:
    command = SimpleNamespace(qpos=np.zeros(50), hand_status=np.array([0, 4]), arm_status=[2, 0])
    viewer.show(command)
    kept = viewer._newest[2]
    np.testing.assert_array_equal(kept["hand_status"], [0, 4])
    np.testing.assert_array_equal(kept["arm_status"], [2, 0])
    viewer.show(command, arm_status=[1, 1])
    np.testing.assert_array_equal(viewer._newest[2]["arm_status"], [1, 1])


@pytest.mark.parametrize("name", [*field_shapes(50, 15)])
def test_wrong_shapes_are_reported(viewer: Viewer, name: str) -> None:
    fields: dict[str, Any] = {name: np.zeros(3)}
    qpos = fields.pop("qpos", np.zeros(50))
    with pytest.raises(InputError, match=rf"{name} must have shape .*got \(3,\)"):
        viewer.show(qpos, **fields)


def test_other_misuse_is_reported(viewer: Viewer, trip: RoundTrip) -> None:
    with pytest.raises(InputError, match="'speed' is none of qpos, returned"):
        viewer.show(np.zeros(50), speed=1)
    with pytest.raises(InputError, match="qpos must be numbers"):
        viewer.show("left")
    with pytest.raises(InputError, match=f"one of {FRAMES} frames, got {FRAMES}"):
        viewer.show(trip, row=FRAMES)
    with pytest.raises(InputError, match="nothing to show"):
        viewer.show(None)
    with pytest.raises(InputError, match=r"row must be an integer, got 1.5"):
        viewer.show(trip, row=1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="number must be a number, got 'a'"):
        viewer.show(np.zeros(50), number="a")  # type: ignore[arg-type]
    for status in ([0, 9], [-1, 0], [1.7, 0]):
        with pytest.raises(InputError, match=r"hand_status must be `Status` values, 0 to 5, got"):
            viewer.show(np.zeros(50), hand_status=status)
    assert viewer._newest[0] == 0  # nothing of it is shown
    with pytest.raises(InputError, match="max_rate"):
        Viewer(max_rate=0)
    viewer.close()
    assert "closed" in repr(viewer)
    with pytest.raises(InputError, match="the viewer is closed"):
        viewer.show(np.zeros(50))


def test_closing_ends_the_thread(retargeter: Retargeter) -> None:
    before = threading.active_count()
    with Viewer(fitter=retargeter.fitter) as viewer:
        port = port_of(viewer.url)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    with Viewer(fitter=retargeter.fitter, port=port):
        pass


# -- the page


def test_a_page_names_no_other_place(demo: Path, retargeter: Retargeter) -> None:
    text = view_demo(demo, retargeter).page()
    addresses = set(re.findall(r"https?://[\w./-]+", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))
    # a name space and a licence of meshcat's libraries
    assert addresses <= {"http://www.w3.org/1999/xhtml", "http://opensource.org/licenses/MIT"}
    assert not re.search(r'(?:src|href)="(?!data:)[^"]', text)
    assert "MIT License" in text
    assert "Robin Deits" in text
    assert "Three.js Authors" in text


def test_the_same_demonstration_gives_the_same_page(demo: Path, retargeter: Retargeter) -> None:
    assert view_demo(demo, retargeter).page() == view_demo(demo, retargeter).page()


def test_without_meshcat(demo: Path, retargeter: Retargeter, monkeypatch: Any) -> None:
    view = view_demo(demo, retargeter)
    pages._head.cache_clear()
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="meshcat: is not installed"):
        view.page()


def test_bad_requests_of_a_view(demo: Path, retargeter: Retargeter, tmp_path: Path) -> None:
    view = view_demo(demo, retargeter)
    place = tmp_path / "still.png"
    for wrong, message in (
        ({"frame": FRAMES}, f"frame must be 0 to {FRAMES - 1}, got {FRAMES}"),
        ({"camera": "above"}, "camera must be one of whole, left, right, head, got 'above'"),
        ({"theme": "blue"}, "theme must be one of light, dark"),
        ({"hide": ("legs",)}, "layer must be one of recorded, returned, human"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            view.save_picture(place, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="stride must be at least 1"):
        view.page(stride=0)
    with pytest.raises(InputError, match="64 to 8192 px, got 10x10"):
        save_picture("about:blank", place, width=10, height=10)
    assert not place.exists()


# -- the browser that takes pictures


def test_no_browser(monkeypatch: Any) -> None:
    monkeypatch.setattr(browsers, "NAMES", ("no-such-browser",))
    monkeypatch.delenv("RETARGET_BROWSER", raising=False)
    with pytest.raises(RetargetError, match="none was found on the path"):
        find_browser()
    monkeypatch.setenv("RETARGET_BROWSER", "no-such-browser")
    with pytest.raises(RetargetError, match=r"\$RETARGET_BROWSER: no program 'no-such-browser'"):
        find_browser()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'no display today' >&2; exit 3", "does not start: no display today"),
        ("exit 0", "does not start: it says nothing"),
        ("echo 'DevTools listening on ws://127.0.0.1:9/x' >&2; sleep 60", "cannot be talked to"),
    ],
)
def test_a_browser_that_fails(script: str, message: str, tmp_path: Path, monkeypatch: Any) -> None:
    fake = tmp_path / "fake"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("RETARGET_BROWSER", str(fake))
    with pytest.raises(RetargetError, match=message):
        save_picture("about:blank", tmp_path / "still.png")
    assert [path.name for path in tmp_path.iterdir()] == ["fake"]


# -- the command


def test_html(demo: Path, tmp_path: Path) -> None:
    place = tmp_path / "made" / "demo.html"
    result = run(demo, "--html", place, "--stride", 5)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"wrote {place}: ")
    assert result.stdout.endswith(f" MB, 3 of {FRAMES} frames\n")
    assert '"frames":[0,5,10]' in place.read_text(encoding="utf-8")
    assert [path.name for path in place.parent.iterdir()] == ["demo.html"]


def test_a_picture_that_cannot_be_leaves_no_page(
    demo: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("RETARGET_BROWSER", sys.executable)  # looked for, never started
    asked = ("--html", tmp_path / "x.html", "--png", tmp_path / "x.png")
    assert "camera must be one of" in said(run(demo, *asked, "--camera", "foot"))
    assert "frame must be 0 to" in said(run(demo, *asked, "--frame", FRAMES))
    assert list(tmp_path.iterdir()) == []


def test_faults_are_one_line(demo: Path, tmp_path: Path, monkeypatch: Any) -> None:
    assert "is an input" in said(run(demo, "--html", demo))
    assert "no such file" in said(run(tmp_path / "none.hdf5", "--html", tmp_path / "x.html"))
    assert "no robot.toml there" in said(run(demo, "--robot", "nobody", "--no-open"))
    monkeypatch.setattr(browsers, "NAMES", ())
    monkeypatch.delenv("RETARGET_BROWSER", raising=False)
    assert "needs Chromium or Chrome" in said(run(demo, "--png", tmp_path / "x.png"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["view", "--html"], ["view", "--png"], ["replay", "--html"]])
def test_no_numbers_where_some_are_needed_are_one_line(
    demo: Path, tmp_path: Path, arguments: list[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("RETARGET_BROWSER", sys.executable)  # looked for, never started
    wrong = tmp_path / "wrong.hdf5"
    wrong.write_bytes(demo.read_bytes())
    with h5py.File(wrong, "r+") as file:
        file["observations/qpos"][5:8] = np.nan
    command, option = arguments
    result = CliRunner().invoke(app, [command, str(wrong), option, str(tmp_path / "out")])
    assert "'observations/qpos' frame 5, joint 0 is nan" in said(result)
    with h5py.File(wrong, "r+") as file:
        file["observations/qpos"][5:8] = 0.0
        for name in ("left_ee_pose", "right_ee_pose"):
            file[f"observations/{name}"][:] = np.nan
    result = CliRunner().invoke(app, [command, str(wrong), option, str(tmp_path / "out")])
    assert "no frame has a finite wrist pose and fingertips of either hand" in said(result)
    written = {"out"} if command == "replay" else set()  # a report says what it could not read
    assert {path.name for path in tmp_path.iterdir()} == {"wrong.hdf5", *written}


def test_port_in_use_is_one_line(demo: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "it is in use" in said(run(demo, "--port", taken.getsockname()[1], "--no-open"))


@pytest.mark.parametrize("size", ["800", "800x", "ax600", "-1x5"])
def test_sizes_that_are_none(demo: Path, tmp_path: Path, size: str) -> None:
    result = run(demo, "--png", tmp_path / "x.png", f"--size={size}")
    assert result.exit_code == 2
    assert "must be like 1280x800" in result.stderr


def test_serving_until_interrupted_without_a_display(demo: Path) -> None:
    """In a process of its own: it says where to look, needs no torch, and ends well on Ctrl-C."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('torch' in sys.modules))\n"
        "from retarget.cli.__main__ import main\n"
        "main()\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "view", str(demo), "--host", "localhost"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        # what a shell starts in the background ignores Ctrl-C, and so does all it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[0]
        status, body = fetch(url)
        assert status == 200
        assert b"retargetPlayer" in body
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert out.split() == ["False"]
    if sys.platform.startswith("linux"):
        assert "no display here" in err


def test_serving_elsewhere_is_warned_of(demo: Path, monkeypatch: Any) -> None:
    def interrupt(url: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(live, "open_browser", interrupt)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run(demo, "--host", "0.0.0.0")
    assert result.exit_code == 0, result.output
    assert "warning: listening on 0.0.0.0" in result.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--frame", "3"), "without --png"),
        (("--html", "x.html", "--camera", "left"), "without --png"),
        (("--png", "x.png", "--port", "7000"), "nothing is served"),
        (("--png", "x.png", "--stride", "2"), "one frame"),
        (("--html", "x.html", "--no-open"), "nothing is served"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(demo, *options)
    assert result.exit_code == 2
    assert why in result.stderr
    assert options[-2 if options[-1] != "--no-open" else -1] in result.stderr
    assert not list(tmp_path.glob("x.*"))
