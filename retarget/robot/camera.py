"""Cameras that stand still beside a robot: pose and pinhole intrinsics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retarget.core.geometry import rotation_from_rpy, transform, transform_inverse
from retarget.core.toml_table import Table
from retarget.core.types import FloatArray

# columns: the axes of an OpenCV camera (x right, y down, z ahead) in its body (x ahead, z up)
_BODY_OPENCV = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


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


def read_camera(table: Table) -> Camera:
    """A camera from a table of position [m], roll, pitch, yaw [rad] and intrinsics [px].

    The pose is that of the camera's body, x ahead and z up: ``Rz(yaw) Ry(pitch) Rx(roll)``, as URDF
    has it.

    Raises:
        ModelError: naming the file and the key.
    """
    table.only("position", "rpy", "fx", "fy", "cx", "cy", "width", "height")
    R_world_body = rotation_from_rpy(table.array("rpy", 3))
    T_world_camera = transform(R_world_body @ _BODY_OPENCV, table.array("position", 3))
    T_camera_world = transform_inverse(T_world_camera)
    T_camera_world.setflags(write=False)
    return Camera(
        T_camera_world=T_camera_world,
        fx=table.number("fx", positive=True),
        fy=table.number("fy", positive=True),
        cx=table.number("cx"),
        cy=table.number("cy"),
        width=int(table.number("width", positive=True)),
        height=int(table.number("height", positive=True)),
    )
