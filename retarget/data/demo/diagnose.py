"""How far a demonstration is from forward kinematics of its joints, and the likely mistake."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.errors import InputError
from retarget.core.geometry import (
    quat_wxyz_from_rotation,
    rotation_angle,
    rotation_from_quat_wxyz,
    transform_inverse,
    transform_points,
)
from retarget.core.types import FINGERS, Demo, FloatArray, IntArray

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

TYPICAL = 0.75  # quantile that a verdict goes by
_EXPLAINED = 1e-3  # [m] and, times 20, [rad]: what may be left once the mistake is undone
_FRAMES = 512  # frames looked at; a mistake of layout shows in all of them
_LARGEST_LAG = 5  # frames
_TURN = 0.2  # [rad]
_UNITS = {"millimetres": 1e-3, "centimetres": 1e-2}

_Guess = tuple[str, dict[str, Any]]
"""A mistake, and the fields of the demonstration with it undone."""


@dataclass(frozen=True)
class Cause:
    """A mistake that would make a file look as it does.

    Attributes:
        text: the mistake.
        left_over: what typically remains once it is undone [m], or None where none was found.
        fatal: certain damage if it were ignored: swapped hands, lengths that are not metres.
    """

    text: str
    left_over: float | None = None
    fatal: bool = False

    def __str__(self) -> str:
        if self.left_over is None:
            return self.text
        return f"{self.text} (undone, {max(self.left_over * 1000.0, 0.01):.2g} mm or less remain)"


@dataclass(frozen=True)
class DemoErrors:
    """Errors a frame and hand, NaN where the hand is not valid.

    Attributes:
        wrist_position: (T, 2) [m].
        wrist_rotation: (T, 2) [rad].
        fingertip: (T, 2) of the worst finger [m].
    """

    wrist_position: FloatArray
    wrist_rotation: FloatArray
    fingertip: FloatArray


def likely_cause(demo: Demo, robot: Robot) -> Cause:
    """The first usual mistake whose undoing leaves less than a millimetre, else a general answer.

    Tried, simplest first: hands swapped (poses, fingertips, joints), quaternions xyzw, millimetres
    or centimetres, fingertips in another finger order, poses in the robot's, a camera's or another
    frame, poses of another frame of the hand, joints in degrees, in URDF or alphabetical order,
    fingers' joints permuted, passive finger joints not filled in, poses that lag the joints.
    """
    demo = dataclasses.replace(demo, action=None, **_rows(demo, slice(_FRAMES), slice(_FRAMES)))
    T_world_wrist, fingertips = robot.forward(demo.qpos)
    for guesses, fatal in (
        (_swaps(demo, robot), True),
        (_quaternions(demo), False),
        (_units(demo), True),
        (_fingers(demo, fingertips), False),
        (_world_frames(demo, T_world_wrist, robot), False),
        (_wrist_frames(demo, T_world_wrist, robot), False),
        (_joint_orders(demo, robot), False),
        (_finger_joints(demo, robot), False),
        (_lags(demo), False),
    ):
        for text, changes in guesses:
            mended = dataclasses.replace(demo, **changes)
            if "qpos" in changes:
                errors = demo_errors(mended, robot)
            else:
                errors = _errors_between(mended, T_world_wrist, fingertips)
            left_over = _left_over(errors)
            if left_over is not None:
                return Cause(text, left_over, fatal)
    return Cause(_general(_errors_between(demo, T_world_wrist, fingertips)))


def demo_errors(
    demo: Demo, robot: Robot, forward: tuple[FloatArray, FloatArray] | None = None
) -> DemoErrors:
    """Recorded wrist poses and fingertips against forward kinematics of the recorded joints.

    Args:
        demo: the demonstration.
        robot: the robot.
        forward: ``robot.forward(demo.qpos)``, where it is known.

    Raises:
        InputError: the demonstration's number of joints is not the robot's.
    """
    n = len(robot.joint_names)
    if demo.qpos.ndim != 2 or demo.qpos.shape[1] != n:
        raise InputError(
            f"qpos must have shape (T, {n}) for {robot.name}, got {demo.qpos.shape}",
            value=demo.qpos.shape,
        )
    T_world_wrist, fingertips = forward or robot.forward(demo.qpos)
    return _errors_between(demo, T_world_wrist, fingertips)


def typical(values: FloatArray) -> float:
    """The value that three quarters of the finite ones do not exceed; NaN where there is none."""
    seen = values[np.isfinite(values)]
    return float(np.quantile(seen, TYPICAL, method="lower")) if seen.size else float("nan")


def _swaps(demo: Demo, robot: Robot) -> Iterator[_Guess]:
    """Left and right exchanged: everything recorded, or poses, tips or joints alone."""
    valid = demo.valid[:, ::-1]
    poses, tips = demo.T_world_wrist[:, ::-1], demo.fingertips[:, ::-1]
    yield (
        "left and right are swapped",
        {"T_world_wrist": poses, "fingertips": tips, "valid": valid},
    )
    if demo.valid.all():
        yield "left and right wrist poses are swapped", {"T_world_wrist": poses}
        yield "left and right fingertips are swapped", {"fingertips": tips}
    for text, groups in (
        ("joints", ("arm_joints", "hand_joints")),
        ("arm joints", ("arm_joints",)),
        ("hand joints", ("hand_joints",)),
    ):
        qpos = demo.qpos.copy()
        for group in groups:
            left, right = (robot.indices(getattr(side, group)) for side in robot.sides)
            qpos[:, left], qpos[:, right] = demo.qpos[:, right], demo.qpos[:, left]
        yield f"left and right {text} of qpos are swapped", {"qpos": qpos}


def _quaternions(demo: Demo) -> Iterator[_Guess]:
    """The scalar stood last."""
    poses = demo.T_world_wrist.copy()
    quat_wxyz = quat_wxyz_from_rotation(poses[demo.valid][:, :3, :3])
    poses[demo.valid, :3, :3] = rotation_from_quat_wxyz(np.roll(quat_wxyz, 1, axis=-1))
    yield "quaternions are in the order x y z w, expected w x y z", {"T_world_wrist": poses}


def _units(demo: Demo) -> Iterator[_Guess]:
    """Lengths that are not metres."""
    for unit, factor in _UNITS.items():
        poses = demo.T_world_wrist.copy()
        poses[..., :3, 3] *= factor
        wrists, tips = {"T_world_wrist": poses}, {"fingertips": demo.fingertips * factor}
        yield f"all lengths are in {unit}, expected metres", wrists | tips
        yield f"wrist positions are in {unit}, expected metres", wrists
        yield f"fingertips are in {unit}, expected metres", tips


def _fingers(demo: Demo, fingertips: FloatArray) -> Iterator[_Guess]:
    """The order of fingers that brings the recorded tips nearest to the joints'."""
    gaps = demo.fingertips[:, :, :, None] - fingertips[:, :, None, :]
    cost = np.nansum(np.linalg.norm(gaps[demo.valid], axis=-1), axis=0)  # recorded, computed
    columns = np.arange(len(FINGERS))
    best = min(permutations(columns), key=lambda order: float(cost[list(order), columns].sum()))
    order = np.argsort(best)  # the finger that each recorded row is
    said = ", ".join(FINGERS[k] for k in order)
    text = f"fingertips are in the order {said}, expected {', '.join(FINGERS)}"
    yield text, {"fingertips": demo.fingertips[:, :, list(best)]}


def _world_frames(demo: Demo, T_world_wrist: FloatArray, robot: Robot) -> Iterator[_Guess]:
    """Poses and tips seen from elsewhere; ``T_world_wrist`` (T, 2, 4, 4) are the joints' own."""
    known = [("the robot's base frame", robot.T_world_base)]
    known += [
        (f"the frame of camera {name!r}", transform_inverse(camera.T_camera_world))
        for name, camera in robot.cameras.items()
    ]
    between = T_world_wrist[demo.valid] @ transform_inverse(demo.T_world_wrist[demo.valid])
    found = _middle(between)
    degrees = np.degrees(rotation_angle(found[:3, :3], np.eye(3)))
    shift = ", ".join(f"{round(x * 1000.0, 3) + 0.0:.6g}" for x in found[:3, 3])
    said = f"shifted by ({shift}) mm and turned by {round(float(degrees), 3):.3g} degrees"
    known.append((f"a frame {said}", found))
    for text, T_world_other in known:
        poses = T_world_other @ demo.T_world_wrist
        tips = transform_points(T_world_other, demo.fingertips)
        said = f"poses are in {text}, expected the environment frame"
        yield said, {"T_world_wrist": poses, "fingertips": tips}


def _wrist_frames(demo: Demo, T_world_wrist: FloatArray, robot: Robot) -> Iterator[_Guess]:
    """Poses of something else that the hand carries; tips are right."""
    turns = rotation_angle(T_world_wrist[..., :3, :3], T_world_wrist[:1, :, :3, :3])
    if turns[demo.valid].max(initial=0.0) < _TURN:
        return  # of hands that keep still any frame explains any poses
    poses, mano = demo.T_world_wrist.copy(), demo.T_world_wrist.copy()
    said = []
    for side in robot.sides:
        h, valid = side.index, demo.valid[:, side.index]
        mano[:, h, :3, :3] = mano[:, h, :3, :3] @ side.wrist_to_mano.T
        if not valid.any():
            continue
        between = transform_inverse(poses[valid, h]) @ T_world_wrist[valid, h]
        T_other_wrist = _middle(between)
        poses[:, h] = poses[:, h] @ T_other_wrist
        degrees = np.degrees(rotation_angle(T_other_wrist[:3, :3], np.eye(3)))
        shift = np.linalg.norm(T_other_wrist[:3, 3]) * 1000.0
        said.append(f"{side.side} {shift:.4g} mm and {degrees:.3g} degrees from")
    wanted = ", ".join(side.wrist_frame for side in robot.sides)
    yield f"wrist poses have MANO's axes, expected those of {wanted}", {"T_world_wrist": mano}
    yield (
        f"wrist poses are of another frame of the hand ({', '.join(said)} {wanted})",
        {"T_world_wrist": poses},
    )


def _middle(transforms: FloatArray) -> FloatArray:
    """The transform (4, 4) of a set whose translation is nearest to their median."""
    centre = np.median(transforms[:, :3, 3], axis=0)
    nearest = np.argmin(np.linalg.norm(transforms[:, :3, 3] - centre, axis=-1))
    return np.asarray(transforms[nearest])


def _joint_orders(demo: Demo, robot: Robot) -> Iterator[_Guess]:
    """Joints in degrees, or in an order that other software gives them."""
    yield "qpos is in degrees, expected radians", {"qpos": np.radians(demo.qpos)}
    known = set(robot.joint_names)
    for text, order in (
        ("in the URDF's order, limb by limb", [n for n in robot.model.names if n in known]),
        ("in alphabetical order", sorted(known)),
    ):
        qpos = np.empty_like(demo.qpos)
        qpos[:, robot.indices(order)] = demo.qpos
        said = f"the joints of qpos are {text}, expected {robot.name}'s joint_names"
        yield said, {"qpos": qpos}


def _finger_joints(demo: Demo, robot: Robot) -> Iterator[_Guess]:
    """Passive joints left at zero, or fingers' joints in each other's places."""
    filled = demo.qpos.copy()
    for side in robot.sides:
        active = demo.qpos[:, robot.indices(side.active_joints)]
        filled[:, robot.indices(side.hand_joints)] = robot.expand_hand(side.index, active)
    yield "the passive finger joints of qpos do not follow the active ones", {"qpos": filled}
    permuted = demo.qpos.copy()
    said = []
    for side in robot.sides:
        order = _finger_order(demo, robot, side.index)
        groups = _finger_columns(robot, side.index)
        if order is None:
            continue
        for finger, other in zip(groups, order, strict=True):
            permuted[:, groups[finger]] = demo.qpos[:, groups[other]]
        said.append(f"{side.side} {', '.join(FINGERS[other] for other in order)}")
        expected = ", ".join(FINGERS[finger] for finger in groups)
    if said:
        text = f"the fingers' joints of qpos stand in the places of {'; '.join(said)}"
        yield f"{text}, expected {expected}", {"qpos": permuted}


def _finger_columns(robot: Robot, h: int) -> dict[int, IntArray]:
    """Places in qpos of the joints of each finger that has as many joints as most have."""
    side = robot.sides[h]
    columns = robot.indices(side.hand_joints)
    jacobian = robot.hand_kinematics(h).jacobian(0.1 * np.ones(len(columns)))[..., :3, :]
    moves = np.abs(jacobian).max(axis=-2) > 1e-9  # finger, joint
    groups = {finger: columns[moves[finger]] for finger in range(len(FINGERS))}
    counts = [len(group) for group in groups.values()]
    usual = max(counts, key=counts.count)
    return {finger: group for finger, group in groups.items() if len(group) == usual}


def _finger_order(demo: Demo, robot: Robot, h: int) -> list[int] | None:
    """For each of those fingers, the finger whose joints bring its tip to where it was recorded."""
    valid = demo.valid[:, h]
    if not valid.any():
        return None
    groups = _finger_columns(robot, h)
    fingers = list(groups)
    columns = robot.indices(robot.sides[h].hand_joints)
    T_wrist_world = transform_inverse(demo.T_world_wrist[valid, h])
    recorded = transform_points(T_wrist_world, demo.fingertips[valid, h])
    cost = np.zeros((len(fingers), len(fingers)))
    for shift in range(len(fingers)):
        qpos = demo.qpos[valid]
        for k, finger in enumerate(fingers):
            other = fingers[(k + shift) % len(fingers)]
            qpos[:, groups[finger]] = demo.qpos[valid][:, groups[other]]
        tips = robot.hand_kinematics(h).positions(qpos[:, columns])
        gaps = np.nansum(np.linalg.norm(tips - recorded, axis=-1), axis=0)
        for k, finger in enumerate(fingers):
            cost[k, (k + shift) % len(fingers)] = gaps[finger]
    rows = np.arange(len(fingers))
    best = min(permutations(rows), key=lambda order: float(cost[rows, list(order)].sum()))
    return [fingers[k] for k in best]


def _lags(demo: Demo) -> Iterator[_Guess]:
    """Poses a few frames before or after the joints."""
    for frames in range(1, min(_LARGEST_LAG, demo.frames - 2) + 1):
        early, late = slice(None, -frames), slice(frames, None)
        for text, joints, poses in (
            ("poses are {} behind the joints", early, late),
            ("poses are {} ahead of the joints", late, early),
        ):
            said = "1 frame" if frames == 1 else f"{frames} frames"
            yield text.format(said), _rows(demo, joints, poses)


def _errors_between(demo: Demo, T_world_wrist: FloatArray, fingertips: FloatArray) -> DemoErrors:
    """Recorded wrist poses and fingertips against others, (T, 2, 4, 4) and (T, 2, 5, 3) [m]."""
    recorded = demo.T_world_wrist
    position = np.linalg.norm(recorded[..., :3, 3] - T_world_wrist[..., :3, 3], axis=-1)
    rotation = rotation_angle(recorded[..., :3, :3], T_world_wrist[..., :3, :3])
    # of the fingers that are known
    tips = np.fmax.reduce(np.linalg.norm(demo.fingertips - fingertips, axis=-1), axis=-1)
    lost = ~demo.valid
    return DemoErrors(*(np.where(lost, np.nan, values) for values in (position, rotation, tips)))


def _left_over(errors: DemoErrors) -> float | None:
    """What typically remains [m], or None where that is too much to call it explained."""
    left_over = 0.0
    for h in range(errors.fingertip.shape[1]):
        for values in (errors.wrist_position[:, h], errors.fingertip[:, h]):
            left_over = max(left_over, np.nan_to_num(typical(values)))
        if typical(errors.wrist_rotation[:, h]) > 20.0 * _EXPLAINED:
            return None
    return left_over if left_over < _EXPLAINED else None


def _general(errors: DemoErrors) -> str:
    wrists = max(np.nan_to_num(typical(errors.wrist_position[:, h])) for h in (0, 1))
    if wrists < _EXPLAINED:
        return "another hand, or another order of the hands' joints; the arms agree"
    return "another joint order, robot or frame"


def _rows(demo: Demo, joints: slice, poses: slice) -> dict[str, Any]:
    """Some frames of the joints beside as many of the poses."""
    return {
        "qpos": demo.qpos[joints],
        "T_world_wrist": demo.T_world_wrist[poses],
        "fingertips": demo.fingertips[poses],
        "valid": demo.valid[poses],
    }
