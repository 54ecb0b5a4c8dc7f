"""The 3D scene's contract: what is built once, what changes with a frame, and how it is packed.

A `Scene` is static: meshcat commands that build every object, and the names the page needs to move
them. A `FrameState` places all objects for one frame, a `Playback` for every frame of a
demonstration. All are in the environment frame, z up, in metres.

Paths are layers::

    /robot/recorded/<link>   as the URDF paints it      /wrists/<side>/recorded|human  triads
    /robot/returned/<link>   translucent, by status     /camera   the main camera's frustum
    /human/<side>            skinned, by status         /floor    grid at z = 0
    /targets/<side>/<finger> where the fingertip was    /errors/<side>/<finger>  from target to
    /reached/<side>/<finger> where it came back                                  reached
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retarget.core.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from retarget.viewer.rig import Rig


@dataclass(frozen=True)
class Layer:
    """Part of the tree that the page switches on and off: path, words for people, first state."""

    path: str
    label: str
    visible: bool = True


@dataclass(frozen=True)
class CameraPreset:
    """A place to look from.

    Attributes:
        name: e.g. ``"whole"``, ``"left"``, ``"right"``, ``"head"``.
        label: words for people.
        position: (3,) of the eye [m].
        target: (3,) point looked at [m].
        up: (3,) direction.
        fov_deg: vertical field of view [deg].
        aspect: width over height the field of view is meant for, or None for any.
        follow: path of the object whose origin `position` and `target` are offsets from, in world
            axes; None for the world's.
        near: what is nearer to the eye than this is cut away [m].
    """

    name: str
    label: str
    position: tuple[float, float, float]
    target: tuple[float, float, float]
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    fov_deg: float = 40.0
    aspect: float | None = None
    follow: str | None = None
    near: float = 0.01


@dataclass(frozen=True)
class Scene:
    """Everything that stays, built once.

    Attributes:
        commands: lowered meshcat commands, in order: msgpack (`umsgpack.packb`) takes each one,
            ``viewer.handle_command`` plays each one.
        objects: N paths that move, in the order of the rows of poses.
        meshes: the two paths of the skinned hands, left, right; both are among `objects`, their
            vertices are in the object's own frame.
        lines: E paths along z from 0 to 1 m whose z scale is the frame's length; among `objects`.
        coloured: C paths whose colour changes; among `objects`.
        colour_table: (K, 3) uint8 sRGB: `error_levels` steps of the error scale, then statuses.
        error_levels: number of steps of the error scale, 0 to `error_max_m`.
        error_max_m: the error at and above which the scale's last colour is shown [m].
        status_colours: label of a status -> hex colour, for legends.
        layers: in the order to show them.
        presets: cameras, the first one first shown.
        notes: what could not be drawn, and why; one line each.
        rig: what computes poses; not for the page.
    """

    commands: tuple[dict[str, Any], ...]
    objects: tuple[str, ...]
    meshes: tuple[str, str]
    lines: tuple[str, ...]
    coloured: tuple[str, ...]
    colour_table: NDArray[np.uint8]
    error_levels: int
    error_max_m: float
    status_colours: dict[str, str]
    layers: tuple[Layer, ...]
    presets: tuple[CameraPreset, ...]
    notes: tuple[str, ...]
    rig: Rig = field(repr=False)


@dataclass(frozen=True)
class FrameState:
    """All that changes, at one frame.

    Attributes:
        poses: (N, 7) float32 rows ``x y z qx qy qz qw`` [m]; always finite, and without meaning
            where not visible (a playback holds the last one seen).
        visible: (N,) False where the object has no place in this frame.
        vertices: (2, V, 3) float32 of the hands, each in its object's frame [m]; always finite.
        colours: (C,) uint8 rows of the colour table.
        lengths: (E,) float32 z scale of each line [m]; always positive.
        error_m: (2, 5) distance drawn from target to reached [m]; NaN where either is missing.
        hand_status: (2,) `Status` values.
        arm_status: (2,) `Status` values.
    """

    poses: NDArray[np.float32]
    visible: BoolArray
    vertices: NDArray[np.float32]
    colours: NDArray[np.uint8]
    lengths: NDArray[np.float32]
    error_m: FloatArray
    hand_status: IntArray
    arm_status: IntArray


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
