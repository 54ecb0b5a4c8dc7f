"""A policy's action space as code: layout, frames, chunks and normalisation (docs/actions.md)."""

from __future__ import annotations

from retarget.actions.chunks import chunk_frames, from_chunks, make_chunks
from retarget.actions.frames import (
    action_from_motion,
    motion_from_action,
    to_camera,
    to_world,
    transform_action,
)
from retarget.actions.label import (
    LABEL_FIELDS,
    LABEL_SIZE,
    Label,
    make_label,
    pack_label,
    project,
    unpack_label,
)
from retarget.actions.layout import ACTION_FIELDS, ACTION_SIZE, Action, action, pack, unpack
from retarget.actions.normalization import Normalization, Scaling

__all__ = [
    "ACTION_FIELDS",
    "ACTION_SIZE",
    "LABEL_FIELDS",
    "LABEL_SIZE",
    "Action",
    "Label",
    "Normalization",
    "Scaling",
    "action",
    "action_from_motion",
    "chunk_frames",
    "from_chunks",
    "make_chunks",
    "make_label",
    "motion_from_action",
    "pack",
    "pack_label",
    "project",
    "to_camera",
    "to_world",
    "transform_action",
    "unpack",
    "unpack_label",
]
