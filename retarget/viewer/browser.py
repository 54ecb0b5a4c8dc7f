"""Still pictures of a page, taken by a headless Chromium or Chrome of this machine."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from retarget.core.errors import InputError, RetargetError
from retarget.core.files import replacing

VARIABLE = "RETARGET_BROWSER"
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FLAGS = (
    "--headless",
    "--use-gl=angle",  # drawn in software: the same on machines with and without a GPU
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",  # small in containers
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
)
SECONDS = 60.0  # for a picture: drawing in software is slow on a busy machine
SIZES = (64, 8192)  # of a side [px]

# resolves when the scene is there, and with what went wrong where it is not
_READY = """new Promise((there) => {
  if (Object.keys(window.retargetPlayers || {}).length) there();
  else document.addEventListener("retarget:players", there);
}).then(() => window.retargetPlayer.ready).then(() => "", (error) => error.message)"""


def find_browser() -> str:
    """Path of Chromium or Chrome: ``$RETARGET_BROWSER``, else the first on the path.

    Raises:
        RetargetError: there is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise RetargetError(f"${VARIABLE}: no program {named!r}")
        return found
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise RetargetError(
        "a picture needs Chromium or Chrome, and none was found on the path; install one or name "
        f"it in ${VARIABLE} (--html needs none)"
    )


def save_picture(url: str, path: str | Path, *, width: int = 1280, height: int = 800) -> None:
    """Write a page with a player as a PNG, once its scene is there.

    Args:
        url: the page; ``#frame=10&camera=left&ui=still`` says what of it.
        path: the file to write.
        width: of the picture [px].
        height: of the picture [px].

    Raises:
        InputError: a side is out of range.
        RetargetError: there is no browser, or it did not draw the page; the message has its words.
        FileError: the file cannot be written.
    """
    for side in (width, height):
        if not SIZES[0] <= side <= SIZES[1]:
            raise InputError(
                f"a side of the picture must be {SIZES[0]} to {SIZES[1]} px, got {width}x{height}"
            )
    browser = find_browser()
    with replacing(path) as part:
        with _running(browser) as endpoint:
            taking = asyncio.wait_for(_picture(endpoint, url, width, height), SECONDS)
            try:
                # in a thread of its own: notebooks have a loop running in this one
                with ThreadPoolExecutor(1) as thread:
                    picture = thread.submit(asyncio.run, taking).result()
            except asyncio.TimeoutError:
                raise RetargetError(
                    f"{browser} has not drawn the page within {SECONDS:g} s"
                ) from None
            except (OSError, WebSocketError) as error:
                raise RetargetError(f"{browser} cannot be talked to: {error}") from error
        part.write(picture)


@contextmanager
def _running(browser: str) -> Iterator[str]:
    """A browser with a profile of its own; the address of its developer tools."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium's sandbox refuses root
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *FLAGS, *(["--no-sandbox"] if root else [])]
        command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        log = Path(profile) / "said"  # not a pipe: its children would hold that open
        try:
            with log.open("wb") as said:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=True,
                )
        except OSError as error:
            raise RetargetError(f"{browser} does not start: {error.strerror}") from error
        try:
            yield _endpoint(browser, process, log)
        finally:
            _end(process)


def _endpoint(browser: str, process: subprocess.Popen[bytes], log: Path) -> str:
    late = time.monotonic() + SECONDS
    while True:
        running = process.poll() is None
        said = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^DevTools listening on (ws://\S+)$", said, flags=re.MULTILINE)
        if found:
            return found[1]
        if not running or time.monotonic() > late:
            last = (said.split("\n")[-2:-1] or ["it says nothing"])[0].strip()
            raise RetargetError(f"{browser} does not start: {last}")
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a browser, and what it has started."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


async def _picture(endpoint: str, url: str, width: int, height: int) -> bytes:
    socket = await websocket_connect(endpoint, max_message_size=1 << 28)
    call = _Calls(socket)
    target = await call("Target.createTarget", url="about:blank")
    session = await call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
    call.session = session["sessionId"]
    await call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=False,
    )
    went = await call("Page.navigate", url=url)
    if went.get("errorText"):
        raise RetargetError(f"the browser cannot load the page: {went['errorText']}")
    ready = await call("Runtime.evaluate", expression=_READY, awaitPromise=True, returnByValue=True)
    wrong = ready["result"].get("value") if "result" in ready else "the page has no player"
    if wrong:
        raise RetargetError(f"the browser cannot draw the page: {wrong}")
    shot = await call("Page.captureScreenshot", format="png")
    return base64.b64decode(shot["data"])


class _Calls:
    """Calls of the Chrome DevTools Protocol, one after the other."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.session = ""

    async def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        await self._socket.write_message(json.dumps(message))
        while True:  # events come between the answers
            said = await self._socket.read_message()
            if said is None:
                raise RetargetError(f"the browser ended during {method}")
            answer = json.loads(said)
            if answer.get("id") == self._number:
                break
        if "error" in answer:
            raise RetargetError(f"the browser refused {method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result
