"""Scene and playback as the page takes them: JSON beside deflated arrays."""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retarget.core.types import FINGERS, SIDES, Status
from retarget.viewer.colours import STATUS_COLOURS, STATUS_TEXT
from retarget.viewer.scene import Playback, Scene

_INTEGERS = {1: "<u1", 2: "<u2", 4: "<u4"}


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


def pack(playback: Playback) -> tuple[dict[str, Any], bytes]:
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
