"""Pages opened in the tests' browser: what they say and fetch is noted, pictures become arrays."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.int64]

# a page with a player is there once this resolves
READY = """() => new Promise((there) => {
  if (window.retargetPlayer) there();
  else document.addEventListener("retarget:players", there);
}).then(() => retargetPlayer.ready)"""

# as it was when it was loaded, but for where its hash leads
RESET = """(hash) => {
  const player = retargetPlayer;
  player.seek(0);
  for (const [name, layer] of player.stage.layers) player.layer(name, layer.visible);
  player.camera(player.header.presets[0].name);
  delete player.element.dataset.rtUi;
  delete document.documentElement.dataset.theme;
  player.applyTheme();
  document.querySelector(".rt-panel").open = false;
  document.activeElement.blur();
  history.replaceState(null, "", hash);
  player.readHash();
}"""


class Opened:
    """A page, with the complaints of its console and the addresses it has asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda m: m.type in ("error", "warning") and self.note(m.text))
        page.on("pageerror", lambda error: self.note(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def note(self, text: str) -> None:
        # what the software renderer says of its own speed is not the page's doing
        if "GPU stall" not in text and "swiftshader" not in text.lower():
            self.complaints.append(text)

    def go(self, url: str) -> Opened:
        """Load a page, or put the one that is loaded back and follow the hash."""
        document, _, asked = url.partition("#")
        if self.page.url.partition("#")[0] == document:
            self.js(RESET, f"#{asked}")
        else:
            self.page.goto(url)
            self.page.evaluate(READY)
        return self

    def js(self, expression: str, argument: Any = None) -> Any:
        return self.page.evaluate(expression, argument)

    def picture(self) -> Pixels:
        """(H, W, 3) of the window."""
        self.page.evaluate("() => window.retargetPlayer.stage.draw()")
        shot = Image.open(io.BytesIO(self.page.screenshot()))
        return np.asarray(shot.convert("RGB")).astype(np.int64)


@contextmanager
def opened(browser: Any, width: int = 360, height: int = 270, **options: Any) -> Iterator[Opened]:
    """A page in a context of its own."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(30_000)
    try:
        yield Opened(context.new_page())
    finally:
        context.close()


def skin(pixels: Pixels) -> int:
    """How many pixels are of the human hands' colour: reddish, neither grey nor saturated."""
    r, g, b = np.moveaxis(pixels, -1, 0)
    return int(((r - b > 25) & (r > g) & (g > b) & (r - b < 120)).sum())


def grey_surface(pixels: Pixels) -> int:
    """How many pixels are of the robot's own colours: grey and darker than the background."""
    low, high = pixels.min(axis=-1), pixels.max(axis=-1)
    return int(((high - low < 14) & (high < 205)).sum())
