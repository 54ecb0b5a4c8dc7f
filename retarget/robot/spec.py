"""What a URDF does not say of a robot: ``robot.toml`` and its calibration, loaded and saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retarget.core.checks import are_rigid, nearest_rotations
from retarget.core.files import write_text
from retarget.core.frozen import FrozenDict
from retarget.core.geometry import (
    rotation_from_quat_wxyz,
    rotation_from_rpy,
    transform,
    transform_inverse,
)
from retarget.core.toml_table import Table
from retarget.core.types import FINGERS, SIDES, Calibration, FloatArray, IntArray
from retarget.robot.map_settings import MapSettings, read_map_settings

# columns: the axes of an OpenCV camera (x right, y down, z ahead) in its body (x ahead, z up)
_BODY_OPENCV = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_HEAD = """\
# Similarity from each robot hand to the human hand named by `hand`, found by `retarget calibrate`:
# p_human = R (A^T p_robot) / scale + translation + J0, R = exp(rotation) [rad], translation [m].
"""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that stands still in the environment frame.

    Attributes:
        T_camera_world: (4, 4) environment frame to OpenCV camera frame (x right, y down,
            z ahead) [m].
        fx: focal length [px].
        fy: focal length [px].
        cx: principal point [px].
        cy: principal point [px].
        width: image width [px].
        height: image height [px].
    """

    T_camera_world: FloatArray
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int


@dataclass(frozen=True)
class HandCommand:
    """What a hand's own controller takes: numbers from 0, closed, to 1, open.

    Attributes:
        joints: the joint that each number moves, in the controller's order.
        closed: joint positions at 0 [rad].
        open: joint positions at 1 [rad].
    """

    joints: tuple[str, ...]
    closed: FloatArray
    open: FloatArray


@dataclass(frozen=True)
class HandSide:
    """One arm and hand of a robot.

    Attributes:
        side: ``"left"`` or ``"right"``.
        wrist_frame: the frame that wrist poses and hand fingertips refer to.
        arm_joints: the a arm joints, shoulder to wrist.
        hand_joints: the h hand joints, in the order of recordings.
        active_joints: the m hand joints that are driven, in the order of `HandMLP`.
        mimic: (h, m) matrix; hand = mimic @ active + mimic_offset.
        mimic_offset: (h,) [rad].
        fingertip_frames: the fingertips' frames: thumb, index, middle, ring, pinky.
        wrist_to_mano: (3, 3) rotation A with ``R_world_mano = R_world_wrist @ A``.
        arm_posture: (a,) arm position that the spare degree of freedom leans to [rad].
        calibration: robot hand to human hand, None where it has not been found.
        calibration_hand: the human hand model the calibration was found for, None without one.
        command: the numbers that the hand's own controller takes, None where unknown.
    """

    side: str
    wrist_frame: str
    arm_joints: tuple[str, ...]
    hand_joints: tuple[str, ...]
    active_joints: tuple[str, ...]
    mimic: FloatArray
    mimic_offset: FloatArray
    fingertip_frames: tuple[str, ...]
    wrist_to_mano: FloatArray
    arm_posture: FloatArray
    calibration: Calibration | None = None
    calibration_hand: str | None = None
    command: HandCommand | None = None

    @property
    def index(self) -> int:
        """Place on the axis of hands: 0 left, 1 right."""
        return SIDES.index(self.side)

    @property
    def mimic_source(self) -> IntArray:
        """(h,) for each hand joint, the active joint that drives it: its place in active_joints."""
        return np.asarray(np.argmax(self.mimic != 0.0, axis=1), dtype=np.int64)

    @property
    def mimic_multiplier(self) -> FloatArray:
        """(h,) for each hand joint, its motion per motion of the joint that drives it."""
        return np.asarray(self.mimic[np.arange(len(self.mimic)), self.mimic_source])


@dataclass(frozen=True)
class RobotSpec:
    """The content of a ``robot.toml``, checked in itself; `Robot` checks it against the URDF.

    Attributes:
        path: the file.
        name: the robot's name.
        urdf: path of the robot's URDF.
        joint_names: the n joints of qpos, in index order.
        held: positions of joints that do not move, by name [rad].
        base_link: the link whose pose in the environment frame is known.
        T_world_base_link: (4, 4) its pose [m].
        rate: frames per second of recordings [Hz].
        task_rates: the same for the tasks that differ, by name [Hz].
        cameras: by name.
        sides: left, right.
        map_settings: how its hands follow a person's.
    """

    path: Path
    name: str
    urdf: Path
    joint_names: tuple[str, ...]
    held: Mapping[str, float]
    base_link: str
    T_world_base_link: FloatArray
    rate: float
    task_rates: Mapping[str, float]
    cameras: Mapping[str, Camera]
    sides: tuple[HandSide, HandSide]
    map_settings: MapSettings


def load_robot_spec(path: Path) -> RobotSpec:
    """Load and check a ``robot.toml``, and the calibration file it names where that exists.

    Raises:
        ModelError: naming the file and the key.
    """
    root = Table.load(path)
    root.only(
        "name",
        "urdf",
        "calibration",
        "joint_names",
        "held",
        "base",
        "rates",
        "cameras",
        "sides",
        "map",
    )
    joint_names = root.names("joint_names")
    held = _numbers(root.table("held")) if "held" in root else {}
    for joint in held:
        if joint in joint_names:
            raise root.error(f"held.{joint}", "is also in joint_names: it cannot do both")
    base = root.table("base")
    base.only("link", "position", "quat_wxyz")
    rates = root.table("rates")
    rates.only("default", "tasks")
    cameras = root.table("cameras") if "cameras" in root else None
    sides = root.table("sides")
    sides.only(*SIDES)
    left, right = (_side(sides.table(side), side, joint_names) for side in SIDES)
    for key in ("arm_joints", "hand_joints", "active_joints"):
        counts = len(getattr(left, key)), len(getattr(right, key))
        if counts[0] != counts[1]:
            raise sides.error(
                f"right.{key}",
                f"must hold as many names as the left's: {counts[0]}, not {counts[1]}",
            )
    shared = [
        name
        for name in (*right.arm_joints, *right.hand_joints)
        if name in (*left.arm_joints, *left.hand_joints)
    ]
    if shared:
        key = "right.arm_joints" if shared[0] in right.arm_joints else "right.hand_joints"
        raise sides.error(key, f"names {shared[0]!r}, which is the left side's")
    calibration = path.parent / root.text("calibration") if "calibration" in root else None
    if calibration is not None and calibration.is_file():
        left, right = (
            replace(side, calibration=value, calibration_hand=hand)
            for side, (hand, value) in zip(
                (left, right), load_calibration(calibration), strict=True
            )
        )
    return RobotSpec(
        path=path,
        name=root.text("name"),
        urdf=path.parent / root.text("urdf"),
        joint_names=joint_names,
        held=FrozenDict(held),
        base_link=base.text("link"),
        T_world_base_link=_pose(base),
        rate=rates.number("default", positive=True),
        task_rates=FrozenDict(
            _numbers(rates.table("tasks"), positive=True) if "tasks" in rates else {}
        ),
        cameras=FrozenDict(
            {name: _camera(cameras.table(name)) for name in cameras} if cameras else {}
        ),
        sides=(left, right),
        map_settings=read_map_settings(root),
    )


def load_calibration(path: Path) -> tuple[tuple[str, Calibration], tuple[str, Calibration]]:
    """The content of a ``calibration.toml``: the similarity from each robot hand to the human hand.

    Returns:
        Left, right: the name of the human hand model, and the calibration.

    Raises:
        ModelError: the file is missing or does not hold what it should, naming the key.
    """
    root = Table.load(path)
    root.only(*SIDES)
    found = []
    for side in SIDES:
        table = root.table(side)
        table.only("hand", "scale", "rotation", "translation")
        calibration = Calibration(
            scale=table.number("scale", positive=True),
            rotation=table.array("rotation", 3),
            translation=table.array("translation", 3),
        )
        found.append((table.text("hand"), calibration))
    return found[0], found[1]


def save_calibration(path: Path, hand: str, calibrations: Sequence[Calibration]) -> None:
    """Write a ``calibration.toml``, whole or not at all; floats come back exactly.

    Args:
        path: the file, replaced where it exists.
        hand: name of the human hand model they were found for.
        calibrations: left, right.

    Raises:
        FileError: the file cannot be written.
    """
    text = _HEAD
    for side, calibration in zip(SIDES, calibrations, strict=True):
        rotation = ", ".join(repr(float(x)) for x in calibration.rotation)
        translation = ", ".join(repr(float(x)) for x in calibration.translation)
        text += (
            f'\n[{side}]\nhand = "{hand}"\nscale = {float(calibration.scale)!r}\n'
            f"rotation = [{rotation}]\ntranslation = [{translation}]\n"
        )
    write_text(path, text)


def _numbers(table: Table, positive: bool = False) -> dict[str, float]:
    return {key: table.number(key, positive=positive) for key in table}


def _pose(table: Table) -> FloatArray:
    quat = table.array("quat_wxyz", 4)
    if abs(float(np.linalg.norm(quat)) - 1.0) > 1e-6:
        raise table.error("quat_wxyz", f"must have length 1, got {quat.tolist()}")
    return _frozen(transform(rotation_from_quat_wxyz(quat), table.array("position", 3)))


def _camera(table: Table) -> Camera:
    """A camera from a table of position [m], roll, pitch, yaw [rad] and intrinsics [px].

    The pose is that of the camera's body, x ahead and z up: ``Rz(yaw) Ry(pitch) Rx(roll)``, as URDF
    has it.
    """
    table.only("position", "rpy", "fx", "fy", "cx", "cy", "width", "height")
    R_world_body = rotation_from_rpy(table.array("rpy", 3))
    T_world_camera = transform(R_world_body @ _BODY_OPENCV, table.array("position", 3))
    return Camera(
        T_camera_world=_frozen(transform_inverse(T_world_camera)),
        fx=table.number("fx", positive=True),
        fy=table.number("fy", positive=True),
        cx=table.number("cx"),
        cy=table.number("cy"),
        width=int(table.number("width", positive=True)),
        height=int(table.number("height", positive=True)),
    )


def _side(table: Table, side: str, joint_names: tuple[str, ...]) -> HandSide:
    table.only(
        "wrist_frame",
        "arm_joints",
        "arm_posture",
        "hand_joints",
        "active_joints",
        "wrist_to_mano",
        "fingertip_frames",
        "mimic",
        "command",
    )
    arm, hand = table.names("arm_joints"), table.names("hand_joints")
    active = table.names("active_joints")
    for key, names, among, whole in (
        ("arm_joints", arm, joint_names, "joint_names"),
        ("hand_joints", hand, joint_names, "joint_names"),
        ("active_joints", active, hand, "hand_joints"),
    ):
        unknown = [name for name in names if name not in among]
        if unknown:
            raise table.error(key, f"names what is not in {whole}: {', '.join(unknown)}")
    shared = [name for name in hand if name in arm]
    if shared:
        raise table.error("hand_joints", f"names what is in arm_joints: {', '.join(shared)}")
    tips = table.table("fingertip_frames")
    tips.only(*FINGERS)
    frames = [tips.text(finger) for finger in FINGERS]
    for finger, frame in zip(FINGERS, frames, strict=True):
        other = FINGERS[frames.index(frame)]
        if other != finger:
            raise tips.error(finger, f"names {frame!r}, which is the {other}'s")
    axes = table.array("wrist_to_mano", 3, 3)
    if not are_rigid(axes):
        raise table.error("wrist_to_mano", f"must be a rotation matrix, got {axes.tolist()}")
    mimic, offset = _mimic(table, hand, active)
    return HandSide(
        side=side,
        wrist_frame=table.text("wrist_frame"),
        arm_joints=arm,
        hand_joints=hand,
        active_joints=active,
        mimic=mimic,
        mimic_offset=offset,
        fingertip_frames=tuple(frames),
        wrist_to_mano=_frozen(nearest_rotations(axes)),
        arm_posture=table.array("arm_posture", len(arm)),
        command=_command(table.table("command"), active) if "command" in table else None,
    )


def _mimic(
    table: Table, hand: tuple[str, ...], active: tuple[str, ...]
) -> tuple[FloatArray, FloatArray]:
    """Matrix (h, m) and offset (h,) of the map from active to all hand joints."""
    relations = table.table("mimic") if "mimic" in table else None
    matrix, offset = np.zeros((len(hand), len(active))), np.zeros(len(hand))
    for row, joint in enumerate(hand):
        passive = relations is not None and joint in relations
        if passive == (joint in active):
            said = "both active and in mimic" if passive else "neither active nor in mimic"
            raise table.error("hand_joints", f"holds {joint!r}, which is {said}")
        if joint in active:
            matrix[row, active.index(joint)] = 1.0
        elif relations is not None:
            relation = relations.table(joint)
            relation.only("joint", "multiplier", "offset")
            source = relation.text("joint")
            if source not in active:
                raise relation.error("joint", f"must be an active joint, got {source!r}")
            multiplier = relation.number("multiplier")
            if multiplier == 0.0:
                raise relation.error("multiplier", "must not be 0")
            matrix[row, active.index(source)] = multiplier
            offset[row] = relation.number("offset", default=0.0)
    for joint in relations if relations is not None else ():
        if joint not in hand:
            raise table.error(f"mimic.{joint}", "is not in hand_joints")
    return _frozen(matrix), _frozen(offset)


def _command(table: Table, active: tuple[str, ...]) -> HandCommand:
    table.only("joints", "closed", "open")
    joints = table.names("joints")
    if sorted(joints) != sorted(active):
        raise table.error("joints", "must name every active joint once")
    closed, opened = table.array("closed", len(joints)), table.array("open", len(joints))
    if np.any(closed == opened):
        raise table.error("closed", "must differ from `open` for every joint")
    return HandCommand(joints, closed, opened)


def _frozen(array: FloatArray) -> FloatArray:
    array.setflags(write=False)
    return array
