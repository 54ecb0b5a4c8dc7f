"""The 3D scene: robot twice, human hands, points, errors, wrists, camera and floor, built once.

A `Scene` is static: the MeshCat messages that build every object, and the names the page needs to
move them. `FrameState` places all objects for one frame, `Playback` for every frame of a
demonstration. All are in the environment frame, z up, in metres.

Paths are layers::

    /robot/recorded/<link>   as the URDF paints it      /wrists/<side>/recorded|human  triads
    /robot/returned/<link>   translucent, by status     /camera   the main camera's frustum
    /human/<side>            skinned, by status         /floor    grid at z = 0
    /targets/<side>/<finger> where the fingertip was    /errors/<side>/<finger>  from target to
    /reached/<side>/<finger> where it came back                                  reached
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retarget.core.errors import InputError
from retarget.core.geometry import (
    rotation_from_rotvec,
    transform,
    transform_inverse,
    transform_points,
)
from retarget.core.types import FINGERS, SIDES, FloatArray
from retarget.human.hand_model import HandModel
from retarget.mapping.hand_frame import HandFrame
from retarget.robot.kinematics import frame_id
from retarget.robot.spec import Camera
from retarget.viewer import messages, surfaces
from retarget.viewer.colours import (
    ERROR_LEVELS,
    RETURNED,
    SKIN,
    TARGET,
    colour_table,
)
from retarget.viewer.rig import Rig
from retarget.viewer.robot_surfaces import robot_surfaces

if TYPE_CHECKING:
    from retarget.mapping.fitter import MANOFitter
    from retarget.robot.robot import Robot


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
        messages: what MeshCat is sent, in order: msgpack (`umsgpack.packb`) takes each one,
            ``viewer.handle_command`` of the page plays each one.
        objects: N paths that move, in the order of the rows of poses.
        meshes: the two paths of the skinned hands, left, right; both are among `objects`, their
            vertices are in the object's own frame.
        lines: E paths along z from 0 to 1 m whose z scale is the frame's length; among `objects`.
        coloured: C paths whose colour changes; among `objects`.
        colour_table: (K, 3) uint8 sRGB: `error_levels` steps of the error scale, then statuses.
        error_levels: number of steps of the error scale, 0 to `error_max_m`.
        error_max_m: the error at and above which the scale's last colour is shown [m].
        layers: in the order to show them.
        presets: cameras, the first one first shown.
        notes: what could not be drawn, and why; one line each.
        rig: what computes poses; not for the page.
        error_label: what the error scale is of, in words.
    """

    messages: tuple[dict[str, Any], ...]
    objects: tuple[str, ...]
    meshes: tuple[str, str]
    lines: tuple[str, ...]
    coloured: tuple[str, ...]
    colour_table: NDArray[np.uint8]
    error_levels: int
    error_max_m: float
    layers: tuple[Layer, ...]
    presets: tuple[CameraPreset, ...]
    notes: tuple[str, ...]
    rig: Rig = field(repr=False)
    error_label: str = "Fingertip error"


LAYERS = (
    Layer("/robot/recorded", "Robot as recorded"),
    Layer("/robot/returned", "Robot as it comes back"),
    Layer("/human", "Human hands"),
    Layer("/targets", "Fingertips: targets"),
    Layer("/reached", "Fingertips: reached"),
    Layer("/errors", "Error lines"),
    Layer("/wrists", "Wrist frames"),
    Layer("/camera", "Camera frustum"),
    Layer("/floor", "Floor grid"),
)
MAIN_CAMERA = "main"
CLEAR = 0.2  # a robot's camera sits in its head, which must not hide the view [m]
TIPS = tuple((side, finger) for side in SIDES for finger in FINGERS)


def scene_of(fitter: MANOFitter, *, error_max_m: float = 1e-3) -> Scene:
    """The scene of a fit's robot and hands; see `build_scene`."""
    return build_scene(fitter.robot, fitter.hands, fitter.frames, error_max_m=error_max_m)


def build_scene(
    robot: Robot,
    hands: tuple[HandModel, HandModel],
    frames: tuple[HandFrame, HandFrame] | None = None,
    *,
    error_max_m: float = 1e-3,
) -> Scene:
    """Everything that stays.

    Args:
        robot: the robot; meshes of its URDF that are missing are noted, not an error.
        hands: hand models, left and right.
        frames: similarities between robot hand and human hand, left and right, which place the
            human hands; by default those stored for the robot and these hands.
        error_max_m: error that the colour scale ends at [m].

    Raises:
        InputError: `error_max_m` is not positive.
        ModelError: the URDF cannot be drawn, or no calibration is stored.
    """
    if not (np.isfinite(error_max_m) and error_max_m > 0.0):
        raise InputError(f"error_max_m must be positive, got {error_max_m}", value=error_max_m)
    if frames is None:
        from retarget.mapping.fitter import MANOFitter

        frames = MANOFitter(robot, hands).frames
    looks, notes = robot_surfaces(robot)
    rig = Rig(robot, hands, frames, tuple(looks))
    recorded, returned, human = (
        [f"/robot/recorded/{link}" for link in looks],
        [f"/robot/returned/{link}" for link in looks],
        [f"/human/{side}" for side in SIDES],
    )
    targets, reached, errors = (
        [f"/{kind}/{side}/{finger}" for side, finger in TIPS]
        for kind in ("targets", "reached", "errors")
    )
    wrists = [f"/wrists/{side}/{kind}" for kind in ("recorded", "human") for side in SIDES]
    tinted = [returned[k] for k in rig.tinted]
    return Scene(
        messages=tuple(_messages(rig, looks)),
        objects=(*recorded, *returned, *human, *targets, *reached, *errors, *wrists),
        meshes=(human[0], human[1]),
        lines=tuple(errors),
        coloured=(*reached, *errors, *human, *tinted),
        colour_table=colour_table(),
        error_levels=ERROR_LEVELS,
        error_max_m=error_max_m,
        layers=tuple(
            layer for layer in LAYERS if layer.path != "/camera" or MAIN_CAMERA in robot.cameras
        ),
        presets=tuple(camera_presets(rig, looks, "/robot/recorded")),
        notes=tuple(notes),
        rig=rig,
    )


def _messages(rig: Rig, looks: dict[str, surfaces.Surface]) -> Iterator[dict[str, Any]]:
    yield from (messages.hide("/Grid"), messages.hide("/Axes"))
    yield messages.segments("/floor", grid(), "#9a9fa6")
    for link, look in looks.items():
        # a link's two copies stand side by side, so that compression sees that they are equal
        yield messages.surface(f"/robot/recorded/{link}", look)
        # set back a little, so that it shows only where the two robots differ
        yield messages.surface(
            f"/robot/returned/{link}",
            look,
            colour=RETURNED,
            opacity=0.45,
            side=0,
            polygonOffset=True,
            polygonOffsetFactor=1.0,
            polygonOffsetUnits=4.0,
        )
    for k, (side, hand) in enumerate(zip(SIDES, rig.hands, strict=True)):
        skin = surfaces.painted(rig.rest[k], hand.faces, (1.0, 1.0, 1.0))
        yield messages.surface(f"/human/{side}", skin, colour=SKIN, opacity=0.6, side=0)
    for side, finger in TIPS:
        tip = f"{side}/{finger}"
        # the reached point is drawn within the target, the line below both
        ball = surfaces.painted(*surfaces.sphere(0.0045), (1.0, 1.0, 1.0))
        yield messages.marker(f"/targets/{tip}", ball, TARGET, order=2, opacity=0.75)
        ball = surfaces.painted(*surfaces.sphere(0.003), (1.0, 1.0, 1.0))
        yield messages.marker(f"/reached/{tip}", ball, "#000000", order=3)
        vertices, faces = surfaces.cylinder(0.0012, 1.0, segments=8)
        line = surfaces.painted(vertices + np.array([0.0, 0.0, 0.5]), faces, (1.0, 1.0, 1.0))
        yield messages.marker(f"/errors/{tip}", line, "#000000", order=1)
    for side in SIDES:
        yield messages.surface(f"/wrists/{side}/recorded", triad(0.06, 0.0022))
        yield messages.surface(f"/wrists/{side}/human", triad(0.08, 0.0012))
    if MAIN_CAMERA in rig.robot.cameras:
        camera = rig.robot.cameras[MAIN_CAMERA]
        yield messages.segments("/camera", frustum(camera), "#cc79a7")


def grid(half: float = 2.0, step: float = 0.25) -> FloatArray:
    """Ends of the lines of a square grid at z = 0, (P, 3) [m]; drawn cell by cell.

    Software renderers lose a long line that begins behind the eye.
    """
    at = np.arange(-half, half + step / 2, step)
    lines = np.array([[[a, b, 0.0], [a, b + step, 0.0]] for a in at for b in at[:-1]])
    return np.concatenate([lines, lines[..., [1, 0, 2]]]).reshape(-1, 3)


def triad(length: float, radius: float) -> surfaces.Surface:
    """Three rods along x, y and z: red, green and blue."""
    turns = np.array([[0.0, np.pi / 2, 0.0], [-np.pi / 2, 0.0, 0.0], [0.0, 0.0, 0.0]])
    colours = ((0.84, 0.15, 0.16), (0.17, 0.63, 0.17), (0.12, 0.35, 0.85))
    vertices, faces = surfaces.cylinder(radius, length, segments=12)
    rod = vertices + np.array([0.0, 0.0, length / 2])
    return surfaces.joined(
        [
            surfaces.painted(rod, faces, colour).moved(transform(turn, np.zeros(3)))
            for turn, colour in zip(rotation_from_rotvec(turns), colours, strict=True)
        ]
    )


def frustum(camera: Camera, depth: float = 1.1 * CLEAR) -> FloatArray:
    """Ends of the lines of a camera's view down to a depth, (P, 3) in the world [m]."""
    across = np.array([0.0, camera.width, camera.width, 0.0])
    down = np.array([0.0, 0.0, camera.height, camera.height])
    corners = depth * np.stack(
        [(across - camera.cx) / camera.fx, (down - camera.cy) / camera.fy, np.ones(4)], axis=1
    )
    top = [(corners[0] + corners[1]) / 2 + [0.0, -0.15 * depth, 0.0]]  # which way is up
    pairs = [(np.zeros(3), corner) for corner in corners]
    pairs += list(zip(corners, np.roll(corners, -1, axis=0), strict=True))
    pairs += [(corners[0], top[0]), (top[0], corners[1])]
    return transform_points(
        transform_inverse(camera.T_camera_world), np.array(pairs).reshape(-1, 3)
    )


def camera_presets(
    rig: Rig, looks: dict[str, surfaces.Surface], body: str, *, aside: float = 0.0
) -> Iterator[CameraPreset]:
    """Places to look from: at the whole robot, at each hand, and from the robot's own camera.

    Args:
        rig: of the scene.
        looks: what its links look like, by name.
        body: path of the robot that is followed.
        aside: how far outwards of the robot's hands something else is to be seen too [m].
    """
    robot, fov = rig.robot, 35.0
    poses = rig.poses(np.zeros((1, len(robot.joint_names))))[0]
    clouds = [transform_points(T, s.vertices) for T, s in zip(poses, looks.values(), strict=False)]
    points = np.concatenate(clouds or [poses[:, :3, 3]])
    low, high = points.min(axis=0), points.max(axis=0)
    centre, size = (low + high) / 2, float(np.linalg.norm(high - low))
    far = 0.5 * size / np.tan(np.radians(fov / 2))
    direction = np.array([0.83, 0.5, 0.25])
    eye = centre + far * direction / np.linalg.norm(direction)
    yield CameraPreset("whole", "Whole robot", _point(eye), _point(centre), fov_deg=fov, near=0.1)
    for side, y in zip(SIDES, (1.0, -1.0), strict=True):
        # the robot is there where a hand's record is missing
        link = _knuckle(robot, side)
        middle = f"{body}/{link}" if link in looks else f"/wrists/{side}/recorded"
        yield CameraPreset(
            side,
            f"{side.capitalize()} hand",
            position=(0.37 + 0.5 * aside, (0.22 + aside) * y, 0.27 + 0.5 * aside),
            target=(0.0, 0.5 * aside * y, 0.0),
            fov_deg=fov,
            follow=middle,
            near=0.05,
        )
    if MAIN_CAMERA in robot.cameras:
        camera = robot.cameras[MAIN_CAMERA]
        T_world_camera = transform_inverse(camera.T_camera_world)
        eye, ahead = T_world_camera[:3, 3], T_world_camera[:3, 2]
        yield CameraPreset(
            "head",
            "Robot's camera",
            position=_point(eye),
            target=_point(eye + ahead),
            up=_point(-T_world_camera[:3, 1]),
            fov_deg=float(np.degrees(2.0 * np.arctan(camera.height / (2.0 * camera.fy)))),
            aspect=camera.width / camera.height,
            near=CLEAR,
        )


def _knuckle(robot: Robot, side: str) -> str:
    """The link a middle finger begins with: it stays at its place in the hand as fingers move."""
    hand = robot.side(side)
    tip = hand.fingertip_frames[FINGERS.index("middle")]
    joint = robot.model.frames[frame_id(robot.model, tip)].parentJoint
    while robot.model.names[robot.model.parents[joint]] in hand.hand_joints:
        joint = robot.model.parents[joint]
    bodies = (f for f in robot.model.frames if f.type.name == "BODY" and f.parentJoint == joint)
    return str(next(bodies).name)


def _point(values: FloatArray) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 6) for v in values)
    return x, y, z
