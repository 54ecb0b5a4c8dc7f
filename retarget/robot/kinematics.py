"""Batched forward kinematics and Jacobians of named frames, with the chain of a Pinocchio model.

Every joint is a constant placement followed by a motion along a constant axis, so the rotation
after a joint is linear in ``1, sin q, 1 - cos q`` with constant matrices (Rodrigues' formula): a
batch costs a few matrix products, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.geometry import skew, transform_inverse
from retarget.core.types import FloatArray

if TYPE_CHECKING:
    import pinocchio


_BLOCK = 4096  # configurations at a time: what is in work then stays in the processor's cache


@dataclass(frozen=True)
class _Node:
    """A movable joint: where it stands on the movable joint before it, and how it moves."""

    parent: int  # index of a node, -1 = the base
    column: int  # its place in q
    placement: FloatArray  # (4, 4)
    axis: FloatArray  # (3,) unit, in the joint's own frame
    prismatic: bool
    mix: FloatArray  # (9, 3) maps rows of the parent's rotation to the three terms of Rodrigues


@dataclass(frozen=True)
class Mover:
    """A revolute joint of a chain.

    Attributes:
        placement: (4, 4) where it stands on the joint before, the first one on the base [m].
        axis: (3,) unit axis, in its own frame.
        column: its place in q.
    """

    placement: FloatArray
    axis: FloatArray
    column: int


@dataclass(frozen=True)
class Chain:
    """Joints from a base to a frame, and where that stands on the last one.

    Attributes:
        movers: the joints, from the base on.
        end: (4, 4) the frame's place on the last joint, or on the base where there is none [m].
    """

    movers: tuple[Mover, ...]
    end: FloatArray


class Kinematics:
    """Poses and Jacobians of some frames as functions of some joints of a Pinocchio model.

    Args:
        model: a `pinocchio.Model`; it is read, not kept, and not changed.
        joints: the n movable joints that make up q, in that order. Revolute (with or without
            limits) and prismatic joints are taken; all other joints stay at neutral (0). Mimic
            relations are the caller's.
        frames: the F frames wanted.
        base: frame the results are expressed in; None is the model's root.
        T_base_root: (4, 4) where the model's root stands in a base that is no frame of it.

    Attributes:
        joints: the n joint names.
        frames: the F frame names.
        base: name of the base frame, or None.

    Raises:
        InputError: an unknown or doubled joint or frame, or a joint of another kind.
    """

    def __init__(
        self,
        model: pinocchio.Model,
        joints: Sequence[str],
        frames: Sequence[str],
        base: str | None = None,
        T_base_root: FloatArray | None = None,
    ) -> None:
        self.joints = tuple(joints)
        self.frames = tuple(frames)
        self.base = base
        for kind, names in (("joint", self.joints), ("frame", self.frames)):
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise InputError(f"{kind} named twice: {', '.join(doubled)}", value=doubled)
        ids = [_joint_id(model, name) for name in self.joints]
        nodes_of_joint, placements = _fold(model, set(ids))

        def frame_at(name: str) -> tuple[int, FloatArray]:
            frame = model.frames[frame_id(model, name)]
            joint = int(frame.parentJoint)
            here = placements[joint] @ np.asarray(frame.placement.homogeneous)
            return nodes_of_joint[joint], here

        wanted = [frame_at(name) for name in self.frames]
        base_node, base_placement = (-1, np.eye(4)) if base is None else frame_at(base)
        if T_base_root is not None:
            base_placement = transform_inverse(T_base_root)

        parent_of = {j: int(model.parents[j]) for j in ids}
        needed: set[int] = set()  # only the joints on some path are walked
        for node in (base_node, *(node for node, _ in wanted)):
            while node != -1:
                needed.add(node)
                node = nodes_of_joint[parent_of[node]]
        order = sorted(needed)  # Pinocchio numbers parents before children
        rank = {joint: k for k, joint in enumerate(order)} | {-1: -1}
        self._nodes = tuple(
            _node(
                model,
                joint,
                rank[nodes_of_joint[parent_of[joint]]],
                ids.index(joint),
                placements[parent_of[joint]],
            )
            for joint in order
        )
        self._ends = tuple((rank[node], placement) for node, placement in wanted)
        self._base = (rank[base_node], base_placement)

    def chain(self, frame: str) -> Chain:
        """The joints that carry a frame, from a base that none of them moves.

        Raises:
            InputError: the base moves, or a joint is prismatic.
        """
        if self._base[0] != -1:
            raise InputError(f"the base {self.base!r} moves, so that no chain starts there")
        node, end = self._ends[self.frames.index(frame)]
        movers, start = [], transform_inverse(self._base[1])
        while node != -1:
            found = self._nodes[node]
            if found.prismatic:
                raise InputError(f"joint {self.joints[found.column]!r} is prismatic", frame=frame)
            movers.append(Mover(found.placement, found.axis, found.column))
            node = found.parent
        movers.reverse()
        if movers:
            movers[0] = replace(movers[0], placement=start @ movers[0].placement)
        else:
            end = start @ end
        return Chain(tuple(movers), end)

    @property
    def dof(self) -> int:
        """Number of joints n."""
        return len(self.joints)

    def forward(self, q: ArrayLike) -> FloatArray:
        """Poses of the frames in the base frame.

        Args:
            q: (..., n) joint positions [rad or m].

        Returns:
            (..., F, 4, 4) transforms ``T_base_frame`` [m].

        Raises:
            InputError: q has another number of joints.
        """
        return self.poses_and_positions(q, len(self.frames))[0]

    def poses_and_positions(self, q: ArrayLike, poses: int) -> tuple[FloatArray, FloatArray]:
        """Poses (..., poses, 4, 4) of the first frames, origins (..., F - poses, 3) of the rest."""

        def fill(block: FloatArray, T: FloatArray, points: FloatArray) -> None:
            for k, (rotation, origin) in enumerate(self._walk(block)[1]):
                if k < poses:
                    T[:, k, :3, :3] = np.moveaxis(rotation, -1, 0)
                    T[:, k, :3, 3] = origin.T
                else:
                    points[:, k - poses] = origin.T
            T[:, :, 3, 3] = 1.0

        found, points = self._in_blocks(q, fill, (poses, 4, 4), (len(self.frames) - poses, 3))
        return found, points

    def positions(self, q: ArrayLike) -> FloatArray:
        """Origins of the frames in the base frame: (..., n) -> (..., F, 3) [m]."""
        return self.poses_and_positions(q, 0)[1]

    def jacobian(self, q: ArrayLike) -> FloatArray:
        """Geometric Jacobians of the frames relative to the base frame.

        Args:
            q: (..., n) joint positions [rad or m].

        Returns:
            (..., F, 6, n): linear velocity of the frame's origin, then angular velocity, per unit
            of joint velocity, as seen from and expressed in the base frame [m/rad, 1].

        Raises:
            InputError: q has another number of joints.
        """
        base_path = self._path(self._base[0])
        paths = [self._path(node) for node, _ in self._ends]

        def fill(block: FloatArray, out: FloatArray) -> None:
            states, ends = self._walk(block)
            for f, (path, (_, point)) in enumerate(zip(paths, ends, strict=True)):
                # a joint that carries both the frame and the base moves neither against the other
                for k in path ^ base_path:
                    node = self._nodes[k]
                    rotation, origin = states[k]
                    sign = 1.0 if k in path else -1.0
                    direction = sign * (node.axis @ rotation)  # (3, B)
                    column = out[:, f, :, node.column]
                    if node.prismatic:
                        column[:, :3] = direction.T
                    else:
                        column[:, :3] = _cross(direction, point - origin).T
                        column[:, 3:] = direction.T

        return self._in_blocks(q, fill, (len(self.frames), 6, self.dof))[0]

    def _in_blocks(
        self, q: ArrayLike, fill: Callable[..., None], *shapes: tuple[int, ...]
    ) -> list[FloatArray]:
        """Fills arrays (..., *shape) block by block from q (..., n).

        A block reaches ``fill`` as (n, B), before its rows of the arrays: with the batch last every
        operation runs along memory.
        """
        array = np.asarray(q, dtype=np.float64)
        if array.ndim == 0 or array.shape[-1] != self.dof:
            raise InputError(
                f"q must have shape (..., {self.dof}), got {array.shape}", shape=array.shape
            )
        lead = array.shape[:-1]
        flat = array.reshape(int(np.prod(lead)), self.dof)
        out = [np.zeros((len(flat), *shape)) for shape in shapes]
        for start in range(0, len(flat), _BLOCK):
            rows = slice(start, start + _BLOCK)
            fill(np.ascontiguousarray(flat[rows].T), *(part[rows] for part in out))
        return [part.reshape(*lead, *shape) for part, shape in zip(out, shapes, strict=True)]

    def _path(self, node: int) -> frozenset[int]:
        found = set()
        while node != -1:
            found.add(node)
            node = self._nodes[node].parent
        return frozenset(found)

    def _walk(self, q: FloatArray) -> tuple[list[_Pose], list[_Pose]]:
        """Poses in the base frame of every node after its motion, and of the wanted frames."""
        base_node, base_placement = self._base
        start = np.eye(4) if base_node != -1 else transform_inverse(base_placement)
        root: _Pose = (start[:3, :3, None], start[:3, 3:])
        states: list[_Pose] = []
        sine, versine = np.sin(q), 2.0 * np.sin(0.5 * q) ** 2
        for node in self._nodes:
            rotation, origin = states[node.parent] if node.parent != -1 else root
            origin = origin + node.placement[:3, 3] @ rotation
            terms = node.mix @ rotation  # (3, 9, B)
            if node.prismatic:
                rotation = terms[:, :3] + np.zeros(q.shape[1])
                origin = origin + (node.axis @ rotation) * q[node.column]
            else:
                rotation = (
                    terms[:, :3]
                    + sine[node.column] * terms[:, 3:6]
                    + versine[node.column] * terms[:, 6:]
                )
            states.append((rotation, origin))
        if base_node != -1:
            there = _place(states[base_node], base_placement)
            states = [_relative(there, pose) for pose in states]
            root = _relative(there, root)
        ends = [_place(states[n] if n != -1 else root, placement) for n, placement in self._ends]
        return states, ends


_Pose = tuple[FloatArray, FloatArray]  # rotations (3, 3, B or 1) and origins (3, B or 1)


def _place(pose: _Pose, placement: FloatArray) -> _Pose:
    """Pose of what stands at a constant placement (4, 4) on a moving pose."""
    rotation, origin = pose
    return placement[:3, :3].T @ rotation, origin + placement[:3, 3] @ rotation


def _relative(base: _Pose, pose: _Pose) -> _Pose:
    """A pose seen from a moving base."""
    rotation = np.einsum("kib,kjb->ijb", base[0], pose[0])
    return rotation, np.einsum("kib,kb->ib", base[0], pose[1] - base[1])


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Cross products of (3, B) arrays."""
    return np.stack(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )


def _fold(model: Any, movable: set[int]) -> tuple[list[int], list[FloatArray]]:
    """For each joint of the model, the movable joint that carries it and its place on that one.

    The first is -1 where none does; all joints that are not movable stand at neutral.
    """
    nodes, placements = [-1], [np.eye(4)]
    for joint in range(1, model.njoints):
        parent = int(model.parents[joint])
        if joint in movable:
            nodes.append(joint)
            placements.append(np.eye(4))
        else:
            nodes.append(nodes[parent])
            held = np.asarray(model.jointPlacements[joint].homogeneous)
            placements.append(placements[parent] @ held)
    return nodes, placements


def _node(model: Any, joint: int, parent: int, column: int, folded: FloatArray) -> _Node:
    name = model.names[joint]
    kind = model.joints[joint]
    if kind.nv != 1:
        raise InputError(f"joint {name!r} has {kind.nv} degrees of freedom, expected 1", joint=name)
    subspace = np.asarray(kind.createData().S, dtype=np.float64).reshape(6)
    linear, angular = subspace[:3], subspace[3:]
    prismatic = bool(np.any(linear))
    if prismatic and np.any(angular):
        raise InputError(f"joint {name!r} is helical, expected revolute or prismatic", joint=name)
    axis = linear if prismatic else angular
    placement = folded @ np.asarray(model.jointPlacements[joint].homogeneous)
    turn, cross = placement[:3, :3], skew(axis)
    mix = np.concatenate([turn, turn @ cross, turn @ cross @ cross], axis=1).T.copy()
    return _Node(parent, column, placement, axis, prismatic, mix)


def _joint_id(model: Any, name: str) -> int:
    if not model.existJointName(name) or name == "universe":
        known = ", ".join(list(model.names)[1:])
        raise InputError(f"no joint named {name!r}; the model has {known}", value=name)
    return int(model.getJointId(name))


def frame_id(model: Any, name: str) -> int:
    """The number of a link's frame, or of another frame where no link has that name.

    Raises:
        InputError: there is none.
    """
    import pinocchio

    if model.existFrame(name, pinocchio.FrameType.BODY):  # a joint may have a link's name
        return int(model.getFrameId(name, pinocchio.FrameType.BODY))
    if not model.existFrame(name):
        known = ", ".join(frame.name for frame in model.frames)
        raise InputError(f"no frame named {name!r}; the model has {known}", value=name)
    return int(model.getFrameId(name))
