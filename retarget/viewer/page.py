"""The page that shows a scene: MeshCat's viewer, the project's player and the data in one text.

The same player shows a playback that is embedded in it (`playback_page`, `player_fragment`) and
frames that a `Viewer` sends (`live_page`). Nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
import html
import json
import struct
import zlib
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import umsgpack
from numpy.typing import NDArray

from retarget.core.errors import ModelError
from retarget.core.types import FINGERS, SIDES, Status
from retarget.viewer.colours import STATUS_COLOURS, STATUS_TEXT
from retarget.viewer.playback import Playback
from retarget.viewer.scene import Scene

_WEB = Path(__file__).parent / "web"
_INTEGERS = {1: "<u1", 2: "<u2", 4: "<u4"}
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
        live: the layout of the messages with frames, see `live.layout`.
        title: names what is shown.

    Raises:
        ModelError: meshcat's viewer is not installed.
    """
    header = {**scene_header(scene), "title": title, "whole": True, "live": live}
    return _page(_box("player", header, _packed_messages(scene)), title)


def _playback_body(
    scene: Scene, playback: Playback, name: str, title: str, camera: str, frame: int, *, whole: bool
) -> str:
    described, frames = playback_data(playback)
    header = scene_header(scene)
    header |= {"title": title, "whole": whole, "camera": camera, "frame": frame}
    header |= {"playback": described, "notes": [*header["notes"], *described["notes"]]}
    return _box(name, header, _packed_messages(scene), frames)


def scene_header(scene: Scene) -> dict[str, Any]:
    """What the page must know of a scene, fit for JSON; lengths are in mm where names say so."""
    return {
        "objects": list(scene.objects),
        "meshes": list(scene.meshes),
        "lines": list(scene.lines),
        "coloured": list(scene.coloured),
        "colour_table": scene.colour_table.tolist(),
        "error_levels": scene.error_levels,
        "error_max_mm": 1e3 * scene.error_max_m,
        "error_label": scene.error_label,
        "statuses": [
            {
                "value": int(status),
                "label": status.label,
                "text": STATUS_TEXT[status],
                "colour": STATUS_COLOURS[status],
            }
            for status in Status
        ],
        "sides": list(SIDES),
        "fingers": list(FINGERS),
        "layers": [asdict(layer) for layer in scene.layers],
        "presets": [asdict(preset) for preset in scene.presets],
        "notes": list(scene.notes),
    }


def playback_data(playback: Playback) -> tuple[dict[str, Any], bytes]:
    """A playback as a JSON-able header and a zlib stream of its arrays.

    Arrays are little-endian, in C order, at offsets that are multiples of 4. Each row is stored as
    its difference to the row before, bit patterns taken as integers that wrap: exact, and what does
    not move becomes zeros.
    """
    milli = 1e3
    arrays: dict[str, NDArray[Any]] = {
        "poses": playback.poses,
        "vertices": playback.vertices,
        "lengths": playback.lengths,
        "error_mm": (milli * playback.error_m).astype(np.float32),
        "fit_residual_mm": (milli * playback.fit_residual_m).astype(np.float32),
        "wrist_position_error_mm": (milli * playback.wrist_position_error_m).astype(np.float32),
        "wrist_rotation_error_deg": np.degrees(playback.wrist_rotation_error_rad).astype(
            np.float32
        ),
        "visible": playback.visible.astype(np.uint8),
        "colours": playback.colours,
        "hand_status": playback.hand_status.astype(np.uint8),
        "arm_status": playback.arm_status.astype(np.uint8),
    }
    described, chunks, offset = {}, [], 0
    for name, array in arrays.items():
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        words = little.view(_INTEGERS[array.dtype.itemsize])
        chunk = np.concatenate([words[:1], np.diff(words, axis=0)]).tobytes()
        chunk += bytes(-len(chunk) % 4)
        described[name] = {
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "offset": offset,
            "delta": True,
        }
        chunks.append(chunk)
        offset += len(chunk)
    header = {
        "rate": playback.rate,
        "stride": playback.stride,
        "rows": len(playback.frames),
        "frames": playback.frames.tolist(),
        "vertex_scale": playback.vertex_scale,
        "vertex_offset": playback.vertex_offset.tolist(),
        "notes": list(playback.notes),
        "bytes": offset,
        "arrays": described,
    }
    return header, zlib.compress(b"".join(chunks), 6)


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


def _packed_messages(scene: Scene) -> bytes:
    """The messages in order, each behind its length (uint32, little-endian), deflated."""
    packed = (umsgpack.packb(message) for message in scene.messages)
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
