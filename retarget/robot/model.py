"""Reads a robot's URDF through Pinocchio, kinematics only, and checks it against ``robot.toml``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.errors import ModelError
from retarget.core.types import FloatArray
from retarget.robot.kinematics import frame_id
from retarget.robot.spec import HandSide, RobotSpec
from retarget.robot.urdf import URDF

if TYPE_CHECKING:
    import pinocchio


_LINK = " (link)"  # what the names of links are marked by meanwhile


def load_model(spec: RobotSpec, urdf: URDF) -> pinocchio.Model:
    """The Pinocchio model of a robot, in which only the joints of ``joint_names`` move.

    Meshes are not read: they may be missing, or stand under ``package://``.

    Args:
        spec: the robot's facts.
        urdf: the robot's links and joints.

    Raises:
        ModelError: it lacks a joint or frame that the facts name, or has other mimic relations
            than they.
    """
    import pinocchio

    try:
        whole = pinocchio.buildModelFromXML(urdf.kinematics())
    except (RuntimeError, ValueError) as error:
        raise ModelError(urdf.path, f"is not a usable URDF: {error}") from error
    for name in spec.joint_names:
        _check_joint(whole, name, spec, urdf.path)
    frames = {frame.name for frame in whole.frames if frame.type == pinocchio.FrameType.BODY}
    for side in spec.sides:
        for name in (side.wrist_frame, *side.fingertip_frames):
            if name not in frames:
                raise ModelError(
                    urdf.path,
                    f"has no link {name!r}, which {spec.path} names",
                    key=name,
                    value=name,
                )
        _check_mimic(urdf.mimic, side, urdf.path)
    if spec.base_link not in frames:
        raise ModelError(urdf.path, f"has no link {spec.base_link!r}, the base of {spec.path}")
    return _hold(whole, spec, urdf.path)


def limits(model: Any, names: tuple[str, ...]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lower and upper position limits, and velocity limits, of joints: (n,) each [rad, rad/s].

    A joint without limits, such as a URDF's ``continuous``, has infinite ones; so has one whose
    velocity limit is 0, which means unknown.
    """
    lower, upper, velocity = (np.full(len(names), np.inf) for _ in range(3))
    lower *= -1.0
    for k, name in enumerate(names):
        joint = model.joints[model.getJointId(name)]
        velocity[k] = model.velocityLimit[joint.idx_v] or np.inf
        if joint.nq == 1:
            lower[k] = model.lowerPositionLimit[joint.idx_q]
            upper[k] = model.upperPositionLimit[joint.idx_q]
    for array in (lower, upper, velocity):
        array.setflags(write=False)
    return lower, upper, velocity


def kinematic_hash(model: Any, spec: RobotSpec) -> str:
    """Fingerprint of the facts that decide where the hands are, 16 hexadecimal digits.

    Joint order, placements (to 1e-7), axes, position limits, mimic relations and frames count;
    shapes, masses, file names and formatting do not: the same robot written in another file has
    the same hash.
    """

    def whole(values: Any) -> list[str]:
        with np.errstate(over="ignore"):  # the limits of a joint that ends nowhere
            steps = np.rint(np.ravel(values) / 1e-7)
        return [f"{v + 0.0:.0f}" for v in steps]  # + 0.0 makes one of the two zeros

    lower, upper, _ = limits(model, spec.joint_names)
    joints = []
    for k, name in enumerate(spec.joint_names):
        j = model.getJointId(name)
        joints.append(
            [
                name,
                model.names[model.parents[j]],
                whole(model.jointPlacements[j].homogeneous[:3]),
                whole(np.asarray(model.joints[j].createData().S)),
                whole([lower[k], upper[k]]),
            ]
        )
    hands = []
    for side in spec.sides:
        ends = []
        for name in (side.wrist_frame, *side.fingertip_frames):
            frame = model.frames[frame_id(model, name)]
            parent = model.names[frame.parentJoint]
            ends.append([name, parent, whole(frame.placement.homogeneous[:3])])
        names = [side.arm_joints, side.hand_joints, side.active_joints]
        hands.append([names, whole(side.mimic), whole(side.mimic_offset), ends])
    facts = json.dumps([joints, hands], separators=(",", ":"))
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _check_joint(model: Any, name: str, spec: RobotSpec, urdf: Path) -> None:
    if not model.existJointName(name):
        raise ModelError(
            urdf,
            f"has no movable joint {name!r}, which joint_names of {spec.path} holds",
            key="joint_names",
            value=name,
        )
    joint = model.joints[model.getJointId(name)]
    if joint.nv != 1:
        raise ModelError(urdf, f"joint {name!r} has {joint.nv} degrees of freedom, expected 1")


def _check_mimic(tags: dict[str, tuple[str, float, float]], side: HandSide, urdf: Path) -> None:
    """A URDF without mimic tags is fine, one that contradicts robot.toml is not."""
    for row, joint in enumerate(side.hand_joints):
        if joint not in tags:
            continue
        source, multiplier, offset = tags[joint]
        driver = side.active_joints[side.mimic_source[row]]
        wanted = driver, side.mimic_multiplier[row], side.mimic_offset[row]
        if (
            joint in side.active_joints
            or source != wanted[0]
            or not np.allclose([multiplier, offset], wanted[1:], atol=1e-9)
        ):
            raise ModelError(
                urdf,
                f"joint {joint!r} mimics {multiplier:g} * {source} + {offset:g}, but robot.toml "
                f"has {wanted[1]:g} * {wanted[0]} + {wanted[2]:g}",
                key=f"sides.{side.side}.mimic.{joint}",
                value=(source, multiplier, offset),
            )


def _hold(model: Any, spec: RobotSpec, urdf: Path) -> Any:
    """The model with every joint outside joint_names fixed at its held position."""
    for name, value in spec.held.items():
        # a URDF may have the joint already fixed at 0
        if value != 0.0 and not model.existJointName(name):
            raise ModelError(
                urdf, f"has no movable joint {name!r} to hold at {value:g}", key=f"held.{name}"
            )
    others = [name for name in list(model.names)[1:] if name not in spec.joint_names]
    return hold_joints(model, others, spec.held)[0]


def hold_joints(
    model: Any, names: Sequence[str], held: Mapping[str, float], *geometries: Any
) -> tuple[Any, ...]:
    """The model, and geometries of it, with some joints fixed: at their held positions, or neutral.

    The frames of ``model`` are not to be used any more.
    """
    import pinocchio

    # Pinocchio looks for the joints' frames by name alone, and a link may have a joint's name
    for frame in model.frames:
        if frame.type == pinocchio.FrameType.BODY:
            frame.name += _LINK
    q = held_configuration(model, held)
    numbers = [model.getJointId(name) for name in names]
    reduced, shapes = pinocchio.buildReducedModel(model, list(geometries), numbers, q)
    for frame in reduced.frames:
        frame.name = frame.name.removesuffix(_LINK)
    return reduced, *shapes


def held_configuration(model: Any, held: Mapping[str, float]) -> FloatArray:
    """Configuration of a model with the held joints it has at their positions, others neutral."""
    import pinocchio

    q = np.asarray(pinocchio.neutral(model))
    for name, value in held.items():
        if model.existJointName(name):
            joint = model.joints[model.getJointId(name)]
            q[joint.idx_q : joint.idx_q + joint.nq] = (
                value if joint.nq == 1 else (np.cos(value), np.sin(value))
            )
    return q
