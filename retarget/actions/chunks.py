"""Chunks of future steps: what a policy predicts at every frame, cut from a motion and put back.

The chunk of frame t holds frames t+1 ... t+L; beyond the motion's end its last frame is repeated.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retarget.actions.frames import transform_action
from retarget.actions.layout import Action
from retarget.core.arrays import Array, as_array, namespace
from retarget.core.errors import InputError
from retarget.core.geometry import transform_inverse
from retarget.core.types import BoolArray, IntArray

HORIZON = 30


def chunk_frames(
    frames: int, horizon: int = HORIZON, stride: int = 1, spacing: int = 1
) -> tuple[IntArray, BoolArray]:
    """Which frame each row of each chunk holds, and whether the motion reaches that far.

    Args:
        frames: length T of the motion.
        horizon: rows L of a chunk.
        stride: frames from one chunk's frame to the next one's.
        spacing: frames from one row of a chunk to the next one.

    Returns:
        (N, L) frames, N = ceil(T / stride); and (N, L) False where the end was repeated.

    Raises:
        InputError: a number is below 1.
    """
    for name, number in (
        ("frames", frames),
        ("horizon", horizon),
        ("stride", stride),
        ("spacing", spacing),
    ):
        if number < 1:
            raise InputError(f"{name} must be at least 1, got {number}")
    wanted = np.arange(0, frames, stride)[:, None] + spacing * np.arange(1, horizon + 1)
    return np.minimum(wanted, frames - 1), np.asarray(wanted < frames)


def make_chunks(
    motion: Action,
    horizon: int = HORIZON,
    *,
    stride: int = 1,
    spacing: int = 1,
    T_world_camera: Array | None = None,
) -> Action:
    """The chunks of a motion: actions (..., T) -> (..., N, L).

    Rows beyond the motion's end are marked (`Action.within`), so that losses leave them out.

    With a camera that moves (human video), the chunk of frame t is in the camera's frame at t:
    ``inverse(T_world_camera[t]) T_world_mano[t+1 ... t+L]``.

    Args:
        motion: (..., T) actions; in the world frame where a camera is given.
        horizon: rows L of a chunk.
        stride: frames from one chunk to the next.
        spacing: frames from one row to the next.
        T_world_camera: (..., T, 4, 4) camera to world at every frame [m].

    Raises:
        InputError: no frames, a number below 1, or poses that do not fit.
    """
    frames = _length(motion, 1, "a motion (..., T)")
    index, within = chunk_frames(frames, horizon, stride, spacing)
    chunks = replace(motion, within=None)[..., index]
    if not within.all():
        lead = np.broadcast_to(within, chunks.shape).copy()
        chunks = replace(chunks, within=_booleans_like(lead, chunks.status))
    if T_world_camera is None:
        return chunks
    T_camera_world = transform_inverse(_starts(T_world_camera, frames, stride))
    return transform_action(T_camera_world, chunks)


def from_chunks(
    chunks: Action,
    frames: int,
    *,
    stride: int = 1,
    T_world_camera: Array | None = None,
) -> Action:
    """Undoes `make_chunks` of spacing 1: chunks (..., N, L) -> frames 1 ... T-1, (..., T-1).

    Frame 0 is in no chunk. Each frame comes from the newest chunk that holds it.

    Args:
        chunks: (..., N, L).
        frames: length T of the motion.
        stride: frames from one chunk to the next.
        T_world_camera: as in `make_chunks`; the result is then in the world frame.

    Raises:
        InputError: another number of chunks than T frames give, a stride that leaves frames out,
            or poses that do not fit.
    """
    rows = _length(chunks, 1, "chunks (..., N, L)")
    count = _length(chunks, 2, "chunks (..., N, L)")
    index, _ = chunk_frames(frames, rows, stride)
    if count != len(index):
        raise InputError(
            f"{frames} frames with stride {stride} give {len(index)} chunks, got {count}"
        )
    if stride > rows and frames > rows + 1:
        raise InputError(f"chunks of {rows} rows every {stride} frames leave frames out")
    if T_world_camera is not None:
        chunks = transform_action(_starts(T_world_camera, frames, stride), chunks)
    wanted = np.arange(1, frames)
    newest = (wanted - 1) // stride
    return replace(chunks, within=None)[..., newest, wanted - 1 - newest * stride]


def _booleans_like(values: BoolArray, other: Array) -> Array:
    xp = namespace(other)
    return values if xp is np else xp.as_tensor(values, device=other.device)


def _length(action: Action, back: int, wanted: str) -> int:
    if len(action.shape) < back:
        raise InputError(f"expected {wanted}, got batch axes {action.shape}")
    return action.shape[-back]


def _starts(T_world_camera: Array, frames: int, stride: int) -> Array:
    """Camera poses (..., N, 1, 4, 4) of the chunks' frames."""
    T = as_array(T_world_camera, "T_world_camera", 4, 4)
    if T.ndim < 3 or T.shape[-3] != frames:
        raise InputError(
            f"T_world_camera must have shape (..., {frames}, 4, 4), got {tuple(T.shape)}"
        )
    return T[..., ::stride, :, :][..., None, :, :]
