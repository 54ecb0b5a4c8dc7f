"""A round trip as a playback: every frame's state, hands in 16 bits, long files thinned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retarget.core.errors import InputError
from retarget.core.types import BoolArray, FloatArray, IntArray, Status
from retarget.human.hand_model import hands_hash
from retarget.mapping.retargeter import RoundTrip
from retarget.viewer.scene import Scene
from retarget.viewer.states import FrameState, frame_states, trip_fields

LEVELS = 65534  # of 16 bits, one kept out so that both ends round to a level
SMALLEST_RANGE = 1e-4  # of a colour scale [m]


@dataclass(frozen=True)
class Playback:
    """A demonstration's frames: as `FrameState`, with T rows each.

    Attributes:
        rate: frames per second of these rows [Hz].
        frames: (T,) number of each row's frame in the file.
        stride: 1, or how many recorded frames one row stands for.
        vertices: (T, 2, V, 3) int16; metres are ``vertex_offset + vertex_scale * value``.
        vertex_scale: [m].
        vertex_offset: (3,) [m].
        notes: what the page should say, e.g. that frames were left out.
    """

    rate: float
    frames: IntArray
    stride: int
    poses: NDArray[np.float32]
    visible: BoolArray
    vertices: NDArray[np.int16]
    vertex_scale: float
    vertex_offset: FloatArray
    colours: NDArray[np.uint8]
    lengths: NDArray[np.float32]
    error_m: FloatArray
    fit_residual_m: FloatArray
    wrist_position_error_m: FloatArray
    wrist_rotation_error_rad: FloatArray
    hand_status: IntArray
    arm_status: IntArray
    notes: tuple[str, ...] = ()


def record(
    scene: Scene, trip: RoundTrip, *, max_frames: int = 1000, rows: slice | None = None
) -> Playback:
    """All frames of a round trip, or every second, third, ... of a long one.

    Args:
        scene: of the robot and hands of the round trip.
        trip: the round trip.
        max_frames: most rows; a longer demonstration is thinned, and the notes say so.
        rows: the frames to take, in ascending order; where given, `max_frames` does not count.

    Raises:
        InputError: `max_frames` is not positive, there is no frame, or the trip is of another
            robot or other hands.
    """
    if max_frames < 1:
        raise InputError(f"max_frames must be at least 1, got {max_frames}", value=max_frames)
    robot, hands = scene.rig.robot, scene.rig.hands
    if trip.robot.names != robot.joint_names or trip.human.hand != hands_hash(hands):
        raise InputError(f"the round trip is of another robot or hands than the scene's {robot!r}")
    demo = trip.demo
    rows = chosen(demo.frames, rows, max_frames)
    return playback_of(
        frame_states(scene, **trip_fields(trip, rows)),
        rows,
        first=demo.start,
        frames=demo.frames,
        rate=demo.rate,
        fit_residual_m=trip.fit_residual_m[rows],
        wrist_position_error_m=trip.wrist_position_error_m[rows],
        wrist_rotation_error_rad=trip.wrist_rotation_error_rad[rows],
    )


def playback_of(
    state: FrameState, rows: slice, *, first: int, frames: int, rate: float, **measured: FloatArray
) -> Playback:
    """The playback of states.

    Args:
        state: of the rows taken.
        rows: which those are, of `frames`.
        first: number of the first frame in its file.
        frames: how many there are.
        rate: of them, per second [Hz].
        measured: the playback's residuals and errors of wrists, of the rows taken.
    """
    stride = 1 if rows.step is None else rows.step
    vertices, scale, offset = quantised(state.vertices)
    notes = (f"one in {stride} of {frames} frames, {rate / stride:g} a second",)
    return Playback(
        rate=rate / stride,
        frames=first + np.arange(frames)[rows],
        stride=stride,
        poses=_held(state.poses, state.visible),
        visible=state.visible,
        vertices=vertices,
        vertex_scale=scale,
        vertex_offset=offset,
        colours=state.colours,
        lengths=state.lengths,
        error_m=state.error_m,
        hand_status=state.hand_status,
        arm_status=state.arm_status,
        notes=notes if stride > 1 else (),
        **measured,
    )


def chosen(frames: int, rows: slice | None, max_frames: int) -> slice:
    """The rows to play: those given, or at most so many.

    Raises:
        InputError: there is no frame, or none is chosen.
    """
    if frames == 0:
        raise InputError("a playback needs at least one frame")
    if rows is None:
        return thinned(frames, max_frames)
    if len(range(frames)[rows]) == 0 or (rows.step is not None and rows.step < 1):
        raise InputError(f"a playback needs at least one of {frames} frames, got {rows}")
    return rows


def thinned(frames: int, most: int) -> slice:
    """Every frame, or every second, third, ... where there are more than ``most``."""
    return slice(None, None, -(-frames // most))


def _held(poses: NDArray[np.float32], visible: BoolArray) -> NDArray[np.float32]:
    """Poses (T, N, 7) with those not seen replaced by the last seen, or by the first to be seen.

    A camera that follows an object then stays where it was.
    """
    rows = np.where(visible, np.arange(len(visible))[:, None], -1)
    last = np.maximum.accumulate(rows, axis=0)
    last = np.where(last < 0, np.argmax(visible, axis=0), last)
    return poses[last, np.arange(visible.shape[1])]


def quantised(points: NDArray[np.float32]) -> tuple[NDArray[np.int16], float, FloatArray]:
    """Points (..., 3) as 16-bit numbers, with the scale [m] and offset (3,) [m] that undo it.

    One scale for all axes: no coordinate is off by more than half of it.
    """
    flat = points.reshape(-1, 3)
    low, high = flat.min(axis=0).astype(np.float64), flat.max(axis=0).astype(np.float64)
    offset = (low + high) / 2.0
    scale = max(float((high - low).max()), 1e-9) / LEVELS
    return np.rint((points - offset) / scale).astype(np.int16), scale, offset


def error_range(trip: RoundTrip) -> float:
    """A round end for the colour scale: the 99th percentile of the errors, up to 1, 2 or 5 [m].

    Frames that were not reached do not count: their status shows them, and beside them all other
    errors would have one colour.
    """
    errors = trip.fingertip_error_m + trip.wrist_position_error_m[..., None]
    fine = [int(Status.OK), int(Status.AT_LIMIT)]
    reached = np.isin(trip.hand_status, fine) & np.isin(trip.arm_status, fine)
    known = errors[np.isfinite(errors) & reached[..., None]]
    return round_range(known)


def round_range(errors: FloatArray) -> float:
    """The 99th percentile of errors (n,), up to 1, 2 or 5 of a decade [m]."""
    wanted = max(float(np.quantile(errors, 0.99)) if errors.size else 0.0, SMALLEST_RANGE)
    decade = 10.0 ** np.floor(np.log10(wanted))
    step = next(step for step in (1.0, 2.0, 5.0, 10.0) if wanted <= step * decade * (1 + 1e-9))
    return float(step * decade)
