"""A person's hands beside the robot's in 3D: keypoints as seen, hands as fitted, robot as mapped.

The person's hands lie where the workspace puts them before the robot, each moved outwards, so that
it stands beside the robot's hand, parallel to it. Paths are layers::

    /robot/mapped/<link>            as the URDF paints it
    /human/<side>                   the fitted hand in the person's shape, by status
    /keypoints/<side>/<keypoint>    as seen, by their distance from the fitted hand's
    /bones/<side>/<keypoint>        from the keypoint above to it, as seen
    /wrists/<side>/robot|human      triads         /floor    grid at z = 0
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.checks import real
from retarget.core.errors import InputError
from retarget.core.geometry import transform_inverse, transform_points
from retarget.core.progress import Progress, no_progress
from retarget.core.types import FINGERS, SIDES, Calibration, FloatArray
from retarget.core.values import joined
from retarget.data.people.mapped_file import MappedBlock, MappedFile
from retarget.human.keypoints import KEYPOINT_COUNT, KEYPOINT_NAMES, KEYPOINT_TIPS
from retarget.human.user import User
from retarget.human.user_hand import user_hand
from retarget.mapping.hand_frame import HandFrame
from retarget.viewer import messages, surfaces
from retarget.viewer.colours import ERROR_LEVELS, SKIN, colour_table, error_rows, human_rows
from retarget.viewer.export import FileView
from retarget.viewer.playback import Playback, chosen, playback_of, round_range
from retarget.viewer.rig import Rig
from retarget.viewer.robot_surfaces import robot_surfaces
from retarget.viewer.scene import MAIN_CAMERA, Layer, Scene, camera_presets, frustum, grid, triad
from retarget.viewer.states import FrameState, Places, skin

if TYPE_CHECKING:
    from retarget.human.hand_model import HandModel
    from retarget.robot.robot import Robot

FARTHEST = 10.0  # [m]
BESIDE = 0.22  # [m] outwards of the robot's hand
LAYERS = (
    Layer("/robot/mapped", "Robot"),
    Layer("/human", "Fitted hands"),
    Layer("/keypoints", "Keypoints as seen"),
    Layer("/bones", "Bones between them"),
    Layer("/wrists", "Wrist frames", visible=False),
    Layer("/camera", "Camera frustum", visible=False),
    Layer("/floor", "Floor grid"),
)
_BODY = "/robot/mapped"
_BONE = "#5c6670"
_FINGER = len(KEYPOINT_NAMES[1:]) // len(FINGERS)
# the keypoint above each of 1..20: the wrist, or the one before it in its finger
_ABOVE = [0 if k % _FINGER == 0 else k for k in range(KEYPOINT_COUNT - 1)]
_POINTS = tuple((side, name) for side in SIDES for name in KEYPOINT_NAMES)


@dataclass(frozen=True)
class PeopleView(FileView):
    """A person's motion beside the robot's, ready to be shown.

    Attributes:
        motion: all frames.
        rate: of them, per second [Hz].
        beside: how far outwards of the robot's hands the person's are shown [m].
    """

    motion: MappedBlock
    rate: float
    beside: float

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.motion.T_robot_mano)

    def playback(self, rows: slice) -> Playback:
        """Some of the frames, played."""
        rows = chosen(self.frames, rows, 1)
        mapped = self.motion.mapped
        return playback_of(
            people_states(self.scene, self.motion, rows, self.beside),
            rows,
            first=0,
            frames=self.frames,
            rate=self.rate,
            fit_residual_m=mapped.human.residual[rows][..., list(KEYPOINT_TIPS)],
            wrist_position_error_m=mapped.wrist_position_error_m[rows],
            wrist_rotation_error_rad=mapped.wrist_rotation_error_rad[rows],
        )


def view_people(
    path: str | Path,
    robot: Robot,
    hands: tuple[HandModel, HandModel],
    *,
    align: str = "start",
    scale: float = 1.0,
    beside: float = BESIDE,
    progress: Progress = no_progress,
) -> PeopleView:
    """Read a person's motion file, take it to the robot, and set the scene of both.

    Args:
        path: the human motion file.
        robot: the robot.
        hands: models of the left and the right human hand.
        align: where the wrists go, see `retarget.mapping.workspace`.
        scale: of their ways [-].
        beside: how far outwards of the robot's hands the person's are shown; 0 lays them over the
            robot's [m].
        progress: called after every block.

    Raises:
        FileError: see `MappedFile`.
        InputError: a number is out of range, or there is no such alignment.
        ModelError: the robot cannot be drawn.
    """
    beside = real("beside", beside)
    if not abs(beside) <= FARTHEST:
        raise InputError(
            f"beside must be -{FARTHEST:g} to {FARTHEST:g} m, got {beside:g}", value=beside
        )
    with MappedFile(path, robot, hands, align=align, scale=scale) as file:
        blocks, done = [], 0
        for block in file.blocks():
            blocks.append(block)
            done += len(block.T_robot_mano)
            progress("mapping", done, file.reader.frames)
        rate, user = file.reader.info.rate, file.people.hand_map.user
    motion = joined(blocks)
    residual = motion.mapped.human.residual
    end = round_range(residual[np.isfinite(residual)])
    scene = people_scene(robot, hands, user, error_max_m=end, beside=beside)
    return PeopleView(Path(path), scene, motion, rate, beside)


def people_scene(
    robot: Robot,
    hands: tuple[HandModel, HandModel],
    user: User,
    *,
    error_max_m: float = 0.01,
    beside: float = BESIDE,
) -> Scene:
    """Everything that stays, of a person beside a robot.

    Args:
        robot: the robot; meshes of its URDF that are missing are noted, not an error.
        hands: hand models, left and right.
        user: whose hands.
        error_max_m: distance of a keypoint from the fitted hand that the colour scale ends at [m].
        beside: as in `view_people`.

    Raises:
        ModelError: the URDF cannot be drawn.
    """
    looks, notes = robot_surfaces(robot)
    left, right = (user_hand(hand, user) for hand in hands)
    own = tuple(HandFrame(np.eye(3), Calibration(1.0), hand.root) for hand in (left, right))
    rig = Rig(robot, (left, right), (own[0], own[1]), tuple(looks))
    human = [f"/human/{side}" for side in SIDES]
    points = [f"/keypoints/{side}/{name}" for side, name in _POINTS]
    bones = [f"/bones/{side}/{name}" for side, name in _POINTS if name != KEYPOINT_NAMES[0]]
    wrists = [f"/wrists/{side}/{kind}" for kind in ("robot", "human") for side in SIDES]
    return Scene(
        messages=tuple(_messages(rig, looks)),
        objects=(*(f"{_BODY}/{link}" for link in looks), *human, *points, *bones, *wrists),
        meshes=(human[0], human[1]),
        lines=tuple(bones),
        coloured=(*points, *human),
        colour_table=colour_table(),
        error_levels=ERROR_LEVELS,
        error_max_m=error_max_m,
        layers=tuple(
            layer for layer in LAYERS if layer.path != "/camera" or MAIN_CAMERA in robot.cameras
        ),
        presets=tuple(camera_presets(rig, looks, _BODY, aside=abs(beside))),
        notes=tuple(notes),
        rig=rig,
        error_label="Keypoint to fitted hand",
    )


def _messages(rig: Rig, looks: dict[str, surfaces.Surface]) -> Iterator[dict[str, Any]]:
    yield from (messages.hide("/Grid"), messages.hide("/Axes"))
    yield messages.segments("/floor", grid(), "#9a9fa6")
    for link, look in looks.items():
        yield messages.surface(f"{_BODY}/{link}", look)
    for k, (side, hand) in enumerate(zip(SIDES, rig.hands, strict=True)):
        own = surfaces.painted(rig.rest[k], hand.faces, (1.0, 1.0, 1.0))
        yield messages.surface(f"/human/{side}", own, colour=SKIN, opacity=0.6, side=0)
    vertices, faces = surfaces.cylinder(0.0012, 1.0, segments=8)
    rod = surfaces.painted(vertices + np.array([0.0, 0.0, 0.5]), faces, (1.0, 1.0, 1.0))
    ball = surfaces.painted(*surfaces.sphere(0.0035), (1.0, 1.0, 1.0))
    for side, name in _POINTS:
        if name != KEYPOINT_NAMES[0]:
            yield messages.marker(f"/bones/{side}/{name}", rod, _BONE, order=1)
        yield messages.marker(f"/keypoints/{side}/{name}", ball, "#000000", order=2)
    for side in SIDES:
        yield messages.surface(f"/wrists/{side}/robot", triad(0.06, 0.0022))
        yield messages.surface(f"/wrists/{side}/human", triad(0.08, 0.0012))
    if MAIN_CAMERA in rig.robot.cameras:
        yield messages.segments("/camera", frustum(rig.robot.cameras[MAIN_CAMERA]), "#cc79a7")


def people_states(
    scene: Scene, motion: MappedBlock, rows: slice = slice(None), beside: float = BESIDE
) -> FrameState:
    """Some frames of a person's motion beside the robot's; what is missing is not shown.

    Args:
        scene: what `people_scene` made for this person.
        motion: of this person.
        rows: the frames.
        beside: as in `view_people` [m].
    """
    rig, mapped = scene.rig, motion.mapped
    human, robot = mapped.human, mapped.robot
    T_human = motion.T_robot_mano[rows] + _aside(beside)
    frames, links = len(T_human), len(rig.links)
    found = rig.poses(robot.qpos[rows])
    vertices, known = skin(rig, human.pca[rows], frames)
    points = np.full((frames, len(SIDES), KEYPOINT_COUNT, 3), np.nan)
    if motion.seen is not None:
        carried = T_human @ transform_inverse(human.T_world_mano[rows])
        points = transform_points(carried, motion.seen[rows])
    error = human.residual[rows]
    places = Places(frames, len(scene.objects))
    places.put(found[:, :links])
    places.put(np.where(known[..., None, None], T_human, np.nan))
    places.put_points(points.reshape(frames, -1, 3))
    ends = points[:, :, 1:]
    _, lengths = places.put_lines(
        points[:, :, _ABOVE].reshape(frames, -1, 3), ends.reshape(frames, -1, 3)
    )
    places.put(found[:, -2:])
    places.put(T_human)
    poses, visible = places.finish()
    hand_status, arm_status = mapped.hand_status[rows], mapped.arm_status[rows]
    level = error_rows(error.reshape(frames, -1), scene.error_max_m)
    return FrameState(
        poses=poses,
        visible=visible,
        vertices=vertices,
        colours=np.concatenate([level, human_rows(hand_status)], axis=1),
        lengths=lengths.astype(np.float32),
        error_m=error[..., list(KEYPOINT_TIPS)],
        hand_status=hand_status,
        arm_status=arm_status,
    )


def _aside(beside: float) -> FloatArray:
    """(2, 4, 4) to add to poses of the left and the right hand."""
    moved = np.zeros((len(SIDES), 4, 4))
    moved[:, 1, 3] = beside, -beside
    return moved
