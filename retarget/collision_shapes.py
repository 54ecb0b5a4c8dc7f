"""The collision shapes of a robot's URDF, by link, spheres around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.errors import ModelError
from retarget.types import FloatArray

if TYPE_CHECKING:
    from retarget.robot import Robot

_LARGE = 0.1  # radius from which a link is taken shape by shape [m]
_SAME = 1e-6  # a sphere this near to a cylinder's end, of its radius, rounds it [m]


@dataclass(frozen=True)
class LinkPart:
    """Collision shapes of one link, or some of them.

    Attributes:
        name: the link; several parts may be of one.
        joint: the joint it hangs on, "universe" for the base.
        joint_id: the same as the model numbers it.
        shapes: `pinocchio.GeometryObject` of each shape.
        ball: the same of a sphere around them all.
        radius: of the sphere [m].
    """

    name: str
    joint: str
    joint_id: int
    shapes: tuple[Any, ...]
    ball: Any
    radius: float


def link_shapes(robot: Robot) -> tuple[Any, tuple[LinkPart, ...]]:
    """The robot's model and the shapes of its links.

    A cylinder with a sphere of its radius at both ends is one capsule, which is the same shape and
    quicker to compare. Meshes are replaced by their convex hulls.

    Raises:
        ModelError: a mesh is missing or cannot be read.
    """
    import pinocchio

    text = robot.urdf_path.read_text(encoding="utf-8")
    folders = [str(folder) for folder in robot.urdf_path.resolve().parents[:3]]
    whole = pinocchio.buildModelFromXML(text)
    try:
        geometry = pinocchio.buildGeomFromUrdfString(
            whole, text, pinocchio.GeometryType.COLLISION, package_dirs=folders
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            robot.urdf_path, f"its collision shapes cannot be read: {error}"
        ) from error
    held = [name for name in list(whole.names)[1:] if not robot.model.existJointName(name)]
    model, (geometry,) = pinocchio.buildReducedModel(
        whole, [geometry], [whole.getJointId(name) for name in held], _held_at(robot, whole)
    )
    by_link: dict[str, list[Any]] = {}
    for shape in geometry.geometryObjects:
        by_link.setdefault(model.frames[shape.parentFrame].name, []).append(_hull(shape))
    parts = []
    for name, found in by_link.items():
        shapes = _capsules(found)
        whole_link = _part(pinocchio, model, name, shapes)
        # a sphere around a long link says little: each shape gets its own
        alone = whole_link.radius > _LARGE and len(shapes) > 1
        parts += (
            [_part(pinocchio, model, name, (shape,)) for shape in shapes] if alone else [whole_link]
        )
    return model, tuple(parts)


def _held_at(robot: Robot, whole: Any) -> FloatArray:
    """Configuration of the whole model with the held joints at their positions."""
    import pinocchio

    from retarget.robot_spec import read_robot_spec

    q = pinocchio.neutral(whole)
    for name, value in read_robot_spec(robot.path / "robot.toml").held.items():
        if whole.existJointName(name):
            joint = whole.joints[whole.getJointId(name)]
            q[joint.idx_q : joint.idx_q + joint.nq] = (
                value if joint.nq == 1 else (np.cos(value), np.sin(value))
            )
    return np.asarray(q)


def _hull(shape: Any) -> Any:
    """The shape, a mesh replaced by its convex hull."""
    import coal

    if isinstance(shape.geometry, coal.BVHModelBase):
        shape = shape.copy()
        shape.geometry.buildConvexHull(True, "Qt")
        shape.geometry = shape.geometry.convex
    return shape


def _capsules(shapes: list[Any]) -> tuple[Any, ...]:
    """Shapes of one link, cylinders with round ends made one."""
    import coal

    spheres = [s for s in shapes if isinstance(s.geometry, coal.Sphere)]
    rounding: set[str] = set()
    merged = []
    for shape in shapes:
        if isinstance(shape.geometry, coal.Cylinder):
            ends = [_end_sphere(shape, sign, spheres) for sign in (-1.0, 1.0)]
            if ends[0] is not None and ends[1] is not None:
                rounding |= {end.name for end in ends}
                shape = shape.copy()
                shape.geometry = coal.Capsule(
                    shape.geometry.radius, 2.0 * shape.geometry.halfLength
                )
        merged.append(shape)
    return tuple(shape for shape in merged if shape.name not in rounding)


def _end_sphere(cylinder: Any, sign: float, spheres: list[Any]) -> Any:
    """The sphere that rounds an end of a cylinder, None without one."""
    end = cylinder.placement.act(np.array([0.0, 0.0, sign * cylinder.geometry.halfLength]))
    for sphere in spheres:
        apart = np.linalg.norm(sphere.placement.translation - end)
        if apart < _SAME and abs(sphere.geometry.radius - cylinder.geometry.radius) < _SAME:
            return sphere
    return None


def _part(pinocchio: Any, model: Any, name: str, shapes: tuple[Any, ...]) -> LinkPart:
    import coal

    centres, radii = [], []
    for shape in shapes:
        shape.geometry.computeLocalAABB()
        centres.append(shape.placement.act(np.asarray(shape.geometry.aabb_center)))
        radii.append(float(shape.geometry.aabb_radius))
    low = np.min([c - r for c, r in zip(centres, radii, strict=True)], axis=0)
    high = np.max([c + r for c, r in zip(centres, radii, strict=True)], axis=0)
    centre = 0.5 * (low + high)
    radius = max(float(np.linalg.norm(c - centre)) + r for c, r in zip(centres, radii, strict=True))
    joint = int(shapes[0].parentJoint)
    ball = pinocchio.GeometryObject(
        f"{name}_ball",
        joint,
        pinocchio.SE3(np.eye(3), centre),
        coal.Sphere(radius),
    )
    return LinkPart(name, str(model.names[joint]), joint, shapes, ball, radius)
