"""The page that shows a scene: meshcat's viewer and the project's player in one text.

The same player shows a playback that is embedded in it (`playback_page`, `player_fragment`) and
frames that a `Viewer` sends (`live_page`). Nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
import html
import json
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import umsgpack

from retarget.core.errors import ModelError
from retarget.viewer.packing import pack, scene_header
from retarget.viewer.scene import Playback, Scene

_WEB = Path(__file__).parent / "web"
_SCRIPTS = ("stage.js", "overlay.js", "live.js", "player.js", "start.js")
# nothing but what is in the page, and the viewer that served it, can be reached
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self' ws:"
)


@dataclass(frozen=True)
class Fragment:
    """A player as part of a page.

    Attributes:
        head: style and scripts, the same for every player; once a page, before the first `body`.
        body: the player's box with its data; fills the element it is put in, which gives the
            height.
    """

    head: str
    body: str


def playback_page(
    scene: Scene, playback: Playback, *, title: str, camera: str = "", frame: int = 0
) -> str:
    """A whole page that plays a demonstration, from no other file and without a network.

    Args:
        scene: what `build_scene` made.
        playback: what `record` made of a round trip with it.
        title: names the demonstration.
        camera: name of the preset first shown; by default the scene's first.
        frame: row of the playback first shown.

    Raises:
        ModelError: meshcat's viewer is not installed.
    """
    return _page(_playback_body(scene, playback, "player", title, camera, frame, whole=True), title)


def player_fragment(
    scene: Scene,
    playback: Playback,
    *,
    name: str = "player",
    title: str = "",
    camera: str = "",
    frame: int = 0,
) -> Fragment:
    """A player to embed in another page, such as a report.

    Args:
        scene: as for `playback_page`.
        playback: as for `playback_page`.
        name: id of its element; scripts find the player as ``retargetPlayers[name]``.
        title: as for `playback_page`.
        camera: as for `playback_page`.
        frame: as for `playback_page`.

    Raises:
        ModelError: meshcat's viewer is not installed.
    """
    body = _playback_body(scene, playback, name, title, camera, frame, whole=False)
    return Fragment(head=_head(), body=body)


def live_page(scene: Scene, live: dict[str, Any], *, title: str) -> str:
    """The page that a `Viewer` serves and sends frames to.

    Args:
        scene: as for `playback_page`.
        live: the layout of the messages with frames, see `live_layout`.
        title: names what is shown.

    Raises:
        ModelError: meshcat's viewer is not installed.
    """
    header = {**scene_header(scene), "title": title, "whole": True, "live": live}
    return _page(_box("player", header, _packed_commands(scene)), title)


def _playback_body(
    scene: Scene, playback: Playback, name: str, title: str, camera: str, frame: int, *, whole: bool
) -> str:
    described, frames = pack(playback)
    header = scene_header(scene)
    header |= {"title": title, "whole": whole, "camera": camera, "frame": frame}
    header |= {"playback": described, "notes": [*header["notes"], *described["notes"]]}
    return _box(name, header, _packed_commands(scene), frames)


def _page(body: str, title: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<link rel="icon" href="data:,">
<style>html, body {{ height: 100%; margin: 0; }}</style>
{_head()}
</head>
<body>
{body}
</body>
</html>
"""


def _box(name: str, header: dict[str, Any], scene: bytes, frames: bytes = b"") -> str:
    # "<" is nowhere in the data, so nothing in it can end the element
    described = json.dumps(header, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"""<div class="rt-player" id="{html.escape(name)}" tabindex="0">
<div class="rt-view"><div class="rt-picture"></div><img class="rt-print" alt=""></div>
<script type="application/json" class="rt-header">{described}</script>
<script type="text/plain" class="rt-scene">{base64.b64encode(scene).decode()}</script>
<script type="text/plain" class="rt-frames">{base64.b64encode(frames).decode()}</script>
</div>"""


def _packed_commands(scene: Scene) -> bytes:
    """The commands in order, each behind its length (uint32, little-endian), deflated."""
    packed = (umsgpack.packb(command) for command in scene.commands)
    return zlib.compress(b"".join(struct.pack("<I", len(one)) + one for one in packed), 6)


@cache
def _head() -> str:
    style = (_WEB / "player.css").read_text(encoding="utf-8")
    scripts = "\n".join((_WEB / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    licences, meshcat = _meshcat()
    return f"""<style>
{style}</style>
<script>
/*
meshcat's viewer, as installed, under this licence; those of the libraries in it follow.

{licences}
*/
{meshcat}
</script>
<script>
(() => {{
"use strict";
{scripts}}})();
</script>"""


def _meshcat() -> tuple[str, str]:
    """The licence and the script of meshcat's viewer, with the notices of what is inside it."""
    spec = find_spec("meshcat")  # found, not imported
    if spec is None or spec.origin is None:
        raise ModelError("meshcat", "is not installed; the viewer's page is built on it")
    viewer = Path(spec.origin).parent / "viewer"
    try:
        licence = (viewer / "LICENSE").read_text(encoding="utf-8")
        script = (viewer / "dist" / "main.min.js").read_text(encoding="utf-8")
        notices = (viewer / "dist" / "main.min.js.LICENSE.txt").read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(viewer, f"is incomplete: no {error.filename}") from error
    return licence.replace("*/", "* /"), f"{notices}\n{script}".replace("</script", "<\\/script")
