"""A policy's action space as code: layout, frames, chunks and normalisation (docs/actions.md)."""

from __future__ import annotations

from retarget.actions.frames import (
    camera_of,
    from_human,
    to_camera,
    to_human,
    to_world,
    transform_action,
)
from retarget.actions.layout import ACTION_FIELDS, ACTION_SIZE, Action, action, pack, unpack

__all__ = [
    "ACTION_FIELDS",
    "ACTION_SIZE",
    "Action",
    "action",
    "camera_of",
    "from_human",
    "pack",
    "to_camera",
    "to_human",
    "to_world",
    "transform_action",
    "unpack",
]
