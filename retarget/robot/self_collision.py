"""Distance between a robot's own links, through Pinocchio and Coal, fast enough for control."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError, ModelError
from retarget.core.types import FloatArray
from retarget.robot.kinematics import frame_id
from retarget.robot.model import hold_joints
from retarget.robot.robot import Robot
from retarget.robot.urdf import URDF

_NEIGHBOURS = 2  # links with so few joints between them are kept apart by the joints' limits
_LARGE = 0.1  # radius from which a link is taken shape by shape [m]
_SAME = 1e-6  # a sphere this near to a cylinder's end, of its radius, rounds it [m]


class Nearest(NamedTuple):
    """The two links that are nearest to each other.

    Attributes:
        distance: between their shapes [m], negative where they overlap.
        links: their names.
        joints: the joint each of them hangs on.
    """

    distance: float
    links: tuple[str, str]
    joints: tuple[str, str]


class SelfCollision:
    """Least distance between an arm or hand and the other links of the robot.

    The URDF's collision shapes are compared: primitives, or convex hulls of meshes. Left out are
    pairs that no command of the arms brings together or that are meant to touch:

    - links of one hand, palm included: fingers touch each other and the palm when they grasp;
    - links with at most two joints between them on the chain, a hand counted as one link;
    - links that are nearer than the margin when the arms are in their posture and the hands open.

    Spheres around the links say which pairs can be the nearest; only their shapes are compared.

    Args:
        robot: the robot; its URDF must have collision shapes.
        margin: distance to keep [m].

    Attributes:
        margin: as given [m].
        excluded: the pairs of links left out by the last rule.

    Raises:
        InputError: the margin is negative, or so large that no pair is left.
        ModelError: the URDF has no collision shapes, or a mesh cannot be read.
    """

    def __init__(self, robot: Robot, *, margin: float = 0.01) -> None:
        import pinocchio

        if not 0.0 <= margin < np.inf:
            raise InputError(f"margin must not be negative, got {margin} m")
        self.margin = float(margin)
        model, links = link_shapes(robot)
        self._pin, self._model = pinocchio, model
        self._data = model.createData()
        joints = [model.joints[model.getJointId(name)] for name in robot.joint_names]
        if any(joint.nq != 1 for joint in joints):
            raise ModelError(robot.urdf_path, "self-collision needs joints with limits")
        self._rows = np.array([joint.idx_q for joint in joints])
        self._last = 0  # the pair that was nearest last
        self._q = np.zeros(model.nq)
        self._links = links
        self._reach = _reach(model, links)[:, [joint.id - 1 for joint in joints]]
        pairs = _pairs(robot, model, links)
        if not pairs:
            raise ModelError(robot.urdf_path, "has no collision shapes of arms or hands")
        self._set_pairs(pairs)
        posture = np.zeros(len(robot.joint_names))
        for side in robot.sides:
            posture[robot.indices(side.arm_joints)] = side.arm_posture
        posture = np.clip(posture, robot.lower, robot.upper)
        self._place(posture)
        touching = [k for k in range(len(pairs)) if self._distance(k) <= self.margin]
        self.excluded = tuple((links[pairs[k][0]].name, links[pairs[k][1]].name) for k in touching)
        if touching:
            left = [pair for k, pair in enumerate(pairs) if k not in set(touching)]
            if not left:
                raise InputError(
                    f"a margin of {margin:g} m leaves nothing to watch: all links are nearer than "
                    "that in the arms' posture"
                )
            self._set_pairs(left)

    def nearest(self, qpos: ArrayLike, nearer: FloatArray | None = None) -> Nearest:
        """The nearest pair of links.

        Args:
            qpos: (n,) finite joint positions [rad].
            nearer: (P,) what to take off the distance of each pair, see `nearer_by`: with that of
                some turns, the distance is a lower bound over all poses within these turns [m].

        Raises:
            InputError: another shape.
        """
        q = np.asarray(qpos, dtype=np.float64)
        if q.shape != self._rows.shape:
            raise InputError(f"qpos must have shape {self._rows.shape}, got {q.shape}")
        bounds = self._place(q)
        # from the pair that was nearest last, in the order of what the spheres say, until no other
        # pair can be nearer
        if nearer is None:
            nearer = self._nothing
        bounds -= nearer
        first = self._last
        best, found = self._distance(first) - nearer[first], first
        open_ = np.flatnonzero(bounds < best)
        queue = list(zip(bounds[open_].tolist(), open_.tolist(), strict=True))
        heapq.heapify(queue)
        while queue:
            bound, k = heapq.heappop(queue)
            if bound >= best:
                break
            distance = self._distance(k) - nearer[k]
            if distance < best:
                best, found = distance, k
        self._last = found
        a, b = self._links[self._first[found]], self._links[self._second[found]]
        return Nearest(float(best), (a.name, b.name), (a.joint, b.joint))

    def nearer_by(self, turns: FloatArray) -> FloatArray:
        """How much nearer (P,) the links of each pair may come if joints turn so far [m].

        Args:
            turns: (n,) of the joints, not negative [rad].
        """
        way = self._reach @ turns
        return np.asarray(way[self._first] + way[self._second])

    def _set_pairs(self, pairs: list[tuple[int, int]]) -> None:
        """Compare these pairs of links: all shapes of the one with all of the other."""
        pin = self._pin
        geometry = pin.GeometryModel()
        balls = pin.GeometryModel()
        places = []
        for link in self._links:
            places.append([geometry.addGeometryObject(shape) for shape in link.shapes])
            balls.addGeometryObject(link.ball)
        self._ranges = []
        for a, b in pairs:
            begin = len(geometry.collisionPairs)
            for i in places[a]:
                for j in places[b]:
                    geometry.addCollisionPair(pin.CollisionPair(i, j))
            self._ranges.append(range(begin, len(geometry.collisionPairs)))
        self._geometry, self._geometry_data = geometry, geometry.createData()
        for request in self._geometry_data.distanceRequests:
            request.enable_signed_distance = True
        self._balls, self._ball_data = balls, balls.createData()
        self._first = np.array([a for a, _ in pairs])
        self._second = np.array([b for _, b in pairs])
        radii = np.array([link.radius for link in self._links])
        self._radii = radii[self._first] + radii[self._second]
        self._nothing = np.zeros(len(pairs))

    def _place(self, qpos: FloatArray) -> FloatArray:
        """Put the links where the joints are; distances of the pairs' spheres (P,) [m]."""
        pin = self._pin
        self._q[self._rows] = qpos
        pin.updateGeometryPlacements(
            self._model, self._data, self._geometry, self._geometry_data, self._q
        )
        pin.updateGeometryPlacements(self._model, self._data, self._balls, self._ball_data)
        centres = np.array([placement.translation for placement in self._ball_data.oMg])
        between = centres[self._first] - centres[self._second]
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", between, between)) - self._radii)

    def _distance(self, pair: int) -> float:
        """Least distance between the shapes of two links [m]."""
        compute, geometry, data = self._pin.computeDistance, self._geometry, self._geometry_data
        return min(float(compute(geometry, data, k).min_distance) for k in self._ranges[pair])


def _pairs(robot: Robot, model: Any, links: tuple[LinkPart, ...]) -> list[tuple[int, int]]:
    """Pairs of links that are to be compared."""
    moved: set[int] = set()  # joints of arms and hands
    palm: dict[int, int] = {}  # joint of a hand -> the joint that its palm hangs on
    for side in robot.sides:
        moved |= {model.getJointId(name) for name in (*side.arm_joints, *side.hand_joints)}
        base = int(model.frames[frame_id(model, side.wrist_frame)].parentJoint)
        palm |= {model.getJointId(name): base for name in side.hand_joints}
    pairs = []
    for a, first in enumerate(links):
        for b in range(a + 1, len(links)):
            i, j = first.joint_id, links[b].joint_id
            if i not in moved and j not in moved:
                continue
            if _joints_between(model, palm.get(i, i), palm.get(j, j)) > _NEIGHBOURS:
                pairs.append((a, b))
    return pairs


def _reach(model: Any, links: tuple[LinkPart, ...]) -> FloatArray:
    """How far (links, joints) a link can move where a joint does [m/rad], 0 where it does not."""
    reach = np.zeros((len(links), model.njoints - 1))
    for row, link in zip(reach, links, strict=True):
        joint, far = (
            link.joint_id,
            link.radius + float(np.linalg.norm(link.ball.placement.translation)),
        )
        while joint:
            slides = model.joints[joint].shortname().startswith("JointModelP")
            row[joint - 1] = 1.0 if slides else far
            far += float(np.linalg.norm(model.jointPlacements[joint].translation))
            joint = int(model.parents[joint])
    return reach


def _joints_between(model: Any, a: int, b: int) -> int:
    """Number of joints on the way from one joint's link to another's."""
    ways = []
    for joint in (a, b):
        way = [joint]
        while way[-1] != 0:
            way.append(int(model.parents[way[-1]]))
        ways.append(way)
    common = set(ways[0]) & set(ways[1])
    return sum(len([joint for joint in way if joint not in common]) for way in ways)


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

    text = URDF.read(robot.urdf_path).kinematics(collision=True)
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
    model, geometry = hold_joints(whole, held, robot.held, geometry)
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
