"""Messages of headsets and trackers: a frame of both hands, JSON or MessagePack (docs/live.md)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from retarget.core.errors import InputError
from retarget.core.geometry import quat_wxyz_from_rotation, rotation_from_quat_wxyz, transform
from retarget.core.types import SIDES, BoolArray, FloatArray
from retarget.core.values import ArrayValue
from retarget.data.people.frames import T_ZUP_YUP
from retarget.human.keypoint_layouts import find_layout, from_mano21, to_mano21
from retarget.human.keypoints import KEYPOINT_COUNT

VERSION = 1
MOST_BYTES = 65_536
FARTHEST = 100.0  # [m] from the origin
UPS = ("z", "y")
_KEYS = {"version", "sequence", "time", "layout", "up", "left", "right", "head"}
_HAND_KEYS = {"keypoints", "wrist", "valid"}
_POSE_KEYS = {"position", "quat_wxyz"}


@dataclass(frozen=True, eq=False)
class HandMessage(ArrayValue):
    """Both hands in one frame.

    Attributes:
        sequence: number of the frame, growing.
        time: of the tracker, from any origin [s].
        keypoints: (2, 21, 3) in a world with z up [m]; NaN where missing.
        valid: (2,) False where a hand is missing.
        T_world_head: (4, 4) the head [m], or None.
    """

    sequence: int
    time: float
    keypoints: FloatArray
    valid: BoolArray
    T_world_head: FloatArray | None = None


def read_message(data: bytes) -> HandMessage:
    """The message that bytes are: JSON where they begin with a brace, else MessagePack.

    Raises:
        InputError: they are too many, not of the format, or hold what no hand is; in one sentence
            with key and value.
    """
    if not data or len(data) > MOST_BYTES:
        raise InputError(f"a message must have 1 to {MOST_BYTES} bytes, got {len(data)}")
    table = _table(_decoded(data), "the message", _KEYS)
    if table.get("version") != VERSION:
        raise InputError(f"version must be {VERSION}, got {_said(table.get('version'))}")
    sequence = table.get("sequence")
    if type(sequence) is not int or not 0 <= sequence < 2**63:
        raise InputError(f"sequence must be a whole number, got {_said(sequence)}")
    up = table.get("up", "z")
    if up not in UPS:
        raise InputError(f"up must be 'z' or 'y', got {_said(up)}")
    layout = table.get("layout", "mano21")
    if not isinstance(layout, str):
        raise InputError(f"layout must be a name, got {_said(layout)}")
    joints = len(find_layout(layout).joints)
    keypoints = np.full((2, KEYPOINT_COUNT, 3), np.nan)
    for side, name in enumerate(SIDES):
        if table.get(name) is not None:
            keypoints[side] = _hand(_table(table[name], name, _HAND_KEYS), name, layout, joints)
    head = None
    if table.get("head") is not None:
        head = _pose(table["head"], "head")
    if up == "y":
        keypoints = keypoints @ T_ZUP_YUP[:3, :3].T
        head = None if head is None else T_ZUP_YUP @ head
    return HandMessage(
        sequence=sequence,
        time=_number(table.get("time"), "time", 1e12),
        keypoints=keypoints,
        valid=np.asarray(np.isfinite(keypoints).any(axis=(-2, -1))),
        T_world_head=head,
    )


def write_message(message: HandMessage, *, layout: str = "mano21", packed: bool = False) -> bytes:
    """The bytes of a message: JSON, or MessagePack where ``packed``; undoes `read_message`.

    Args:
        message: both hands.
        layout: of the keypoints; what it has beside the 21 is null.
        packed: as MessagePack, in three quarters of the bytes.

    Raises:
        InputError: there is no such layout.
    """
    table: dict[str, Any] = {
        "version": VERSION,
        "sequence": int(message.sequence),
        "time": float(message.time),
        "layout": layout,
        "up": "z",
    }
    for side, name in enumerate(SIDES):
        if not message.valid[side]:
            table[name] = None
            continue
        points = from_mano21(message.keypoints[side], layout)
        table[name] = {
            "keypoints": [p.tolist() if np.isfinite(p).all() else None for p in points],
            "valid": True,
        }
    if message.T_world_head is not None:
        T = message.T_world_head
        table["head"] = {
            "position": T[:3, 3].tolist(),
            "quat_wxyz": quat_wxyz_from_rotation(T[:3, :3]).tolist(),
        }
    if packed:
        import umsgpack

        return bytes(umsgpack.packb(table))
    return json.dumps(table, allow_nan=False, separators=(",", ":")).encode()


def _decoded(data: bytes) -> Any:
    try:
        if data.lstrip()[:1] == b"{":
            return json.loads(data, parse_constant=_refuse_constant)
        import umsgpack

        return umsgpack.unpackb(data)
    except InputError:
        raise
    except Exception as error:  # whatever bytes from anywhere lead a decoder to
        said = f"{type(error).__name__}: {error}"
        raise InputError(f"the message is no JSON and no MessagePack: {said[:200]}") from None


def _refuse_constant(name: str) -> Any:
    raise InputError(f"numbers must be finite, got {name}")


def _table(value: Any, name: str, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a table, got {_said(value)}")
    unknown = [key for key in value if not isinstance(key, str) or key not in keys]
    if unknown:
        raise InputError(f"{name} has no key {_said(unknown[0])}; there are {sorted(keys)}")
    return value


def _hand(hand: Mapping[str, Any], name: str, layout: str, joints: int) -> FloatArray:
    """Keypoints (21, 3) in the world of one hand [m]."""
    valid = hand.get("valid", True)
    if not isinstance(valid, bool):
        raise InputError(f"{name}.valid must be true or false, got {_said(valid)}")
    if not valid:
        return np.full((KEYPOINT_COUNT, 3), np.nan)
    rows = hand.get("keypoints")
    if not isinstance(rows, (list, tuple)) or len(rows) != joints:
        got = f"{len(rows)}" if isinstance(rows, (list, tuple)) else _said(rows)
        raise InputError(f"{name}.keypoints must be {joints} points of {layout}, got {got}")
    points = np.array(
        [
            [math.nan] * 3 if row is None else _vector(row, f"{name}.keypoints[{k}]", 3, FARTHEST)
            for k, row in enumerate(rows)
        ],
        dtype=np.float64,
    )
    if hand.get("wrist") is not None:
        T = _pose(hand["wrist"], f"{name}.wrist")
        points = points @ T[:3, :3].T + T[:3, 3]
    return to_mano21(points, layout)


def _pose(value: Any, name: str) -> FloatArray:
    """A pose (4, 4) of a table of position and quaternion [m]."""
    table = _table(value, name, _POSE_KEYS)
    position = _vector(table.get("position"), f"{name}.position", 3, FARTHEST)
    quat = np.array(_vector(table.get("quat_wxyz"), f"{name}.quat_wxyz", 4, 2.0))
    if not 0.9 < float(np.linalg.norm(quat)) < 1.1:
        raise InputError(f"{name}.quat_wxyz must be a unit quaternion, got {quat.tolist()}")
    return transform(rotation_from_quat_wxyz(quat / np.linalg.norm(quat)), np.array(position))


def _vector(value: Any, name: str, size: int, most: float) -> list[float]:
    if not isinstance(value, (list, tuple)) or len(value) != size:
        raise InputError(f"{name} must be {size} numbers, got {_said(value)}")
    return [_number(x, name, most) for x in value]


def _number(value: Any, name: str, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= most:
        raise InputError(f"{name} must be a number within {most:g}, got {_said(value)}")
    return float(value)


def _said(value: Any) -> str:
    """A value from anywhere, short."""
    text = (
        repr(value)
        if isinstance(value, (str, int, float, bool, type(None)))
        else type(value).__name__
    )
    return text if len(text) <= 40 else text[:37] + "..."
