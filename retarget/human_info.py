"""What a human motion file says about itself: meaning of its numbers, and where they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.hdf5_attributes import (
    attribute,
    check_format,
    matrix,
    names,
    rate_attribute,
    text,
    versions,
)
from retarget.types import SIDES, Calibration, Demo, FloatArray

if TYPE_CHECKING:
    from retarget.fitter import MANOFitter
    from retarget.robot import Robot

FORMAT = "retarget-human"
VERSION = 1
HANDS = len(SIDES)
KEYPOINTS = 21


@dataclass(frozen=True)
class HumanFileInfo:
    """Attributes of a human motion file.

    Attributes:
        rate: frames per second [Hz].
        hand: hash of the hand model that gives the coefficients their meaning.
        components: number of coefficients K.
        robot: name of the robot the motion came from, "" where unknown.
        robot_hash: hash of its kinematics, "" where unknown.
        calibrations: left and right, robot hand to human hand; None where unknown.
        camera: name of the camera of ``T_camera_wrist``, "" where there is none.
        T_camera_world: (4, 4) environment frame to that camera's OpenCV frame [m], or None.
        body_joints: the m joints that are neither arm nor hand, in the order of ``body_qpos``.
        source: the demonstration it was made from, "" where unknown.
        start: index of the first frame within the source.
        sim: the source was recorded in simulation.
        versions: of the software that wrote the file, by package.
    """

    rate: float
    hand: str
    components: int
    robot: str = ""
    robot_hash: str = ""
    calibrations: tuple[Calibration, Calibration] | None = None
    camera: str = ""
    T_camera_world: FloatArray | None = None
    body_joints: tuple[str, ...] = ()
    source: str = ""
    start: int = 0
    sim: bool = True
    versions: dict[str, str] = field(default_factory=dict)


def human_info(
    fitter: MANOFitter, demo: Demo, *, camera: str | None = "main", sim: bool = True
) -> HumanFileInfo:
    """What there is to say about a demonstration that a fitter turns into human motion.

    Args:
        fitter: gives robot, hand model, components and calibration.
        demo: gives rate, source and first frame.
        camera: name of the robot's camera to express wrists in, or None.
        sim: the demonstration was recorded in simulation.

    Raises:
        InputError: the robot has no camera of that name.
    """
    import retarget

    robot = fitter.robot
    return HumanFileInfo(
        rate=demo.rate,
        hand=fitter.hand_hash,
        components=fitter.components,
        robot=robot.name,
        robot_hash=robot.hash,
        calibrations=fitter.calibrations,
        camera=camera or "",
        T_camera_world=None if camera is None else robot.camera(camera).T_camera_world,
        body_joints=body_joints(robot),
        source="" if demo.path is None else demo.path.name,
        start=demo.start,
        sim=sim,
        versions={"retarget": retarget.__version__, "numpy": np.__version__},
    )


def body_joints(robot: Robot) -> tuple[str, ...]:
    """The robot's joints that are neither arm nor hand joints, in index order."""
    moved = {name for side in robot.sides for name in (*side.arm_joints, *side.hand_joints)}
    return tuple(name for name in robot.joint_names if name not in moved)


def write_info(file: Any, info: HumanFileInfo) -> None:
    """Set the attributes of an open file."""
    attrs = file.attrs
    attrs["format"], attrs["version"] = FORMAT, VERSION
    attrs["rate"] = info.rate
    attrs["hand"], attrs["components"] = info.hand, info.components
    attrs["robot"], attrs["robot_hash"] = info.robot, info.robot_hash
    attrs["camera"] = info.camera
    if info.T_camera_world is not None:
        attrs["T_camera_world"] = info.T_camera_world
    if info.calibrations is not None:
        attrs["calibration"] = json.dumps(
            {
                side: {
                    "scale": float(calibration.scale),
                    "rotation": np.asarray(calibration.rotation).tolist(),
                    "translation": np.asarray(calibration.translation).tolist(),
                }
                for side, calibration in zip(SIDES, info.calibrations, strict=True)
            }
        )
    attrs["body_joints"] = list(info.body_joints) or np.zeros(0, dtype="S1")
    attrs["source"], attrs["start"] = info.source, info.start
    attrs["sim"] = info.sim
    attrs["versions"] = json.dumps(info.versions, sort_keys=True)


def read_info(file: Any) -> HumanFileInfo:
    """Read and check the attributes of an open file.

    Raises:
        FileError: not a human motion file, a version this library does not know, or an attribute
            that is missing or not what it should be.
    """
    hint = " (is this a robot demonstration?)" if "observations" in file else ""
    check_format(file, FORMAT, VERSION, "a human motion file", hint)
    return HumanFileInfo(
        rate=rate_attribute(file),
        hand=attribute(file, "hand", text),
        components=attribute(file, "components", int),
        robot=attribute(file, "robot", text, ""),
        robot_hash=attribute(file, "robot_hash", text, ""),
        calibrations=attribute(file, "calibration", _calibrations, None),
        camera=attribute(file, "camera", text, ""),
        T_camera_world=attribute(file, "T_camera_world", matrix, None),
        body_joints=attribute(file, "body_joints", names, ()),
        source=attribute(file, "source", text, ""),
        start=attribute(file, "start", int, 0),
        sim=attribute(file, "sim", bool, True),
        versions=attribute(file, "versions", versions, {}),
    )


def _calibrations(value: Any) -> tuple[Calibration, Calibration]:
    table = json.loads(text(value))
    left, right = (
        Calibration(
            scale=float(table[side]["scale"]),
            rotation=np.array(table[side]["rotation"], dtype=np.float64).reshape(3),
            translation=np.array(table[side]["translation"], dtype=np.float64).reshape(3),
        )
        for side in SIDES
    )
    return left, right
