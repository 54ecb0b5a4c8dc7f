"""Wrong but plausible recordings: how users spoil a sound file, and what must be said of each.

Every value stays finite and of the right shape, so that only the recording's own geometry can tell.
`WRONG` is the table; the words of an entry are what ``retarget replay`` must print, whether it
refuses the file or calls it valid with a hint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.spatial.transform import Rotation

from retarget.core.geometry import (
    pose_wxyz_from_transform,
    rotation_from_rotvec,
    transform,
    transform_from_pose_wxyz,
    transform_inverse,
    transform_points,
)
from retarget.core.types import SIDES
from retarget.robot.kinematics import Kinematics
from retarget.robot.robot import Robot

Arrays = dict[str, np.ndarray]
Spoil = Callable[[Arrays, dict[str, Any], Robot, np.random.Generator], None]

QPOS, ACTION = "observations/qpos", "action"
BOTH = (0, 1)


@dataclass(frozen=True)
class WrongRecording:
    """A user's mistake.

    Attributes:
        name: of the mistake, and of the side where it is one-sided.
        spoil: changes a file's datasets, by full key, and attributes in place.
        expected: regular expressions; one of them must be found in what is printed.
        sides: the hands it concerns, 0 left, 1 right.
        refused: exit code 2 is expected, not a hint at a file that may be valid.
        frames: the fewest frames in which it can be told at all.
    """

    name: str
    spoil: Spoil
    expected: tuple[str, ...]
    sides: tuple[int, ...] = BOTH
    refused: bool = True
    frames: int = 2

    def said(self, printed: str) -> bool:
        """Whether what was printed names the mistake, and of one hand that hand."""
        text = " ".join(printed.split())
        text = text.rpartition("Likely cause: ")[2]
        found = [re.search(words, text) for words in self.expected]
        named = len(self.sides) == 2 or SIDES[self.sides[0]] in text
        return named and any(found)


def write_wrong(
    path: Path, base: Path, wrong: WrongRecording, seed: int = 0, robot: Robot | None = None
) -> Path:
    """Write a copy of a sound demonstration with one mistake (or any ``wrong.spoil``) in it."""
    arrays: Arrays = {}
    with h5py.File(base, "r") as file:
        attrs = dict(file.attrs)

        def collect(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.ndim:
                arrays[name] = item[:].astype(np.float64)

        file.visititems(collect)
    wrong.spoil(arrays, attrs, robot or Robot.load(), np.random.default_rng(seed))
    with h5py.File(path, "w") as file:
        file.attrs.update(attrs)
        for name, values in arrays.items():
            file[name] = values
    return path


def pose(h: int) -> str:
    return f"observations/{SIDES[h]}_ee_pose"


def tips(h: int) -> str:
    return f"observations/{SIDES[h]}_finger_tip_pos"


# changes of one side's rows, made one or both sides'


def rows_of(key: Callable[[int], str], change: Callable[..., np.ndarray]) -> Callable[..., Spoil]:
    """``change(values, robot, rng, h)`` of a side's dataset."""

    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            state = rng.bit_generator.state  # both sides are spoilt alike
            for h in sides:
                rng.bit_generator.state = state
                arrays[key(h)] = change(arrays[key(h)], robot, rng, h)

        return spoil

    return build


def both(*builders: Callable[..., Spoil]) -> Callable[..., Spoil]:
    """One change after the other."""

    def build(sides: Sequence[int]) -> Spoil:
        made = [builder(sides) for builder in builders]

        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            for change in made:
                change(arrays, attrs, robot, rng)

        return spoil

    return build


def quaternions(
    order: Sequence[int], signs: Sequence[float] = (1, 1, 1, 1)
) -> Callable[..., Spoil]:
    """Quaternion columns as ``order`` of w x y z, with signs."""

    def change(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
        quat = rows[:, 3:][:, list(order)] * signs
        return np.concatenate([rows[:, :3], quat], axis=-1)

    return rows_of(pose, change)


def constant_quaternion(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
    rows = rows.copy()
    rows[:, 3:] = [1, 0, 0, 0] if rng.random() < 0.5 else rows[0, 3:]
    return rows


def scaled(factor: float) -> Callable[..., Spoil]:
    """All lengths of a side."""
    return both(wrists_scaled(factor), tips_scaled(factor))


def wrists_scaled(factor: float) -> Callable[..., Spoil]:
    return rows_of(pose, lambda rows, *_: rows * ([factor] * 3 + [1.0] * 4))


def tips_scaled(factor: float) -> Callable[..., Spoil]:
    return rows_of(tips, lambda points, *_: points * factor)


def moved(
    T_of: Callable[[Robot, Any], np.ndarray], *, wrists: bool = True, points: bool = True
) -> Callable[..., Spoil]:
    """What is recorded as seen from elsewhere: ``T_of(robot, rng)`` is T_other_world."""

    def move_rows(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
        return pose_wxyz_from_transform(T_of(robot, rng) @ transform_from_pose_wxyz(rows))

    def move_points(values: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
        return transform_points(T_of(robot, rng), values)

    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            state = rng.bit_generator.state
            for chosen, key, change in ((wrists, pose, move_rows), (points, tips, move_points)):
                for h in sides if chosen else ():
                    rng.bit_generator.state = state
                    arrays[key(h)] = change(arrays[key(h)], robot, rng, h)

        return spoil

    return build


def base_frame(robot: Robot, rng: Any) -> np.ndarray:
    return transform_inverse(robot.T_world_base)


def camera_frame(robot: Robot, rng: Any) -> np.ndarray:
    return robot.cameras["main"].T_camera_world


def table_frame(robot: Robot, rng: Any) -> np.ndarray:
    turn = rotation_from_rotvec(rng.uniform(-1.5, 1.5, 3))
    return transform(turn, rng.uniform(-0.8, 0.8, 3))


def shifted_base(robot: Robot, rng: Any) -> np.ndarray:
    return transform(np.eye(3), rng.uniform(0.05, 0.4, 3) * rng.choice([-1, 1], 3))


def y_up(robot: Robot, rng: Any) -> np.ndarray:
    return transform([[1, 0, 0], [0, 0, 1], [0, -1, 0]], [0.0, 0.0, 0.0])


def another_link(turn: tuple[float, float, float], shift: tuple[float, float, float]) -> Any:
    """Poses of something fixed to the hand."""
    T = transform(rotation_from_rotvec(np.array(turn)), np.array(shift))

    def change(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
        return pose_wxyz_from_transform(transform_from_pose_wxyz(rows) @ T)

    return rows_of(pose, change)


def turned(degrees: float) -> Callable[..., Spoil]:
    def change(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
        axis = rng.normal(size=3)
        turn = rotation_from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
        return pose_wxyz_from_transform(
            transform_from_pose_wxyz(rows) @ transform(turn, np.zeros(3))
        )

    return rows_of(pose, change)


def shifted(length: float, wrists: bool = True, points: bool = False) -> Callable[..., Spoil]:
    def T_of(robot: Robot, rng: Any) -> np.ndarray:
        axis = rng.normal(size=3)
        return transform(np.eye(3), length * axis / np.linalg.norm(axis))

    return moved(T_of, wrists=wrists, points=points)


def inverted(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
    return pose_wxyz_from_transform(transform_inverse(transform_from_pose_wxyz(rows)))


def mano_axes(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
    T = transform(robot.sides[h].wrist_to_mano, np.zeros(3))
    return pose_wxyz_from_transform(transform_from_pose_wxyz(rows) @ T)


def mirrored_rows(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
    T, mirror = transform_from_pose_wxyz(rows), np.diag([1.0, -1.0, 1.0, 1.0])
    return pose_wxyz_from_transform(mirror @ T @ mirror)


def mirrored_points(values: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
    return values * [1.0, -1.0, 1.0]


def tips_in_wrist(sides: Sequence[int]) -> Spoil:
    def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
        for h in sides:
            T_wrist_world = transform_inverse(transform_from_pose_wxyz(arrays[pose(h)]))
            arrays[tips(h)] = transform_points(T_wrist_world, arrays[tips(h)])

    return spoil


def tips_from_wrist(sides: Sequence[int]) -> Spoil:
    """Relative to the wrist's position, along the world's axes."""

    def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
        for h in sides:
            arrays[tips(h)] = arrays[tips(h)] - arrays[pose(h)][:, None, :3]

    return spoil


def larger_hand(factor: float) -> Callable[..., Spoil]:
    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            for h in sides:
                wrist = arrays[pose(h)][:, None, :3]
                arrays[tips(h)] = wrist + factor * (arrays[tips(h)] - wrist)

        return spoil

    return build


def finger_order(order: Sequence[int]) -> Callable[..., Spoil]:
    return rows_of(tips, lambda points, *_: points[:, list(order)])


def missing_as_zeros(sides: Sequence[int]) -> Spoil:
    """Nothing was recorded of a hand: zeros, and the quaternion of no rotation."""

    def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
        for h in sides:
            arrays[pose(h)] = 0.0 * arrays[pose(h)] + np.eye(7)[3]
            arrays[tips(h)] = np.zeros_like(arrays[tips(h)])

    return spoil


def frozen(sides: Sequence[int]) -> Spoil:
    """A hand's record stands still while its joints move."""

    def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
        for h in sides:
            for key in (pose(h), tips(h)):
                arrays[key] = np.repeat(arrays[key][:1], len(arrays[key]), axis=0)

    return spoil


def frozen_tips(sides: Sequence[int]) -> Spoil:
    return rows_of(tips, lambda values, *_: np.repeat(values[:1], len(values), axis=0))(sides)


def zero_tips(sides: Sequence[int]) -> Spoil:
    return rows_of(tips, lambda values, *_: np.zeros_like(values))(sides)


# changes of the joints


def joints(change: Callable[[np.ndarray, Robot, Any, int], None]) -> Callable[..., Spoil]:
    """``change(qpos, robot, rng, h)`` in place, a side at a time."""

    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            arrays[QPOS] = arrays[QPOS].copy()
            state = rng.bit_generator.state
            for h in sides:
                rng.bit_generator.state = state
                change(arrays[QPOS], robot, rng, h)

        return spoil

    return build


def arm(robot: Robot, h: int) -> np.ndarray:
    return robot.indices(robot.sides[h].arm_joints)


def hand(robot: Robot, h: int) -> np.ndarray:
    return robot.indices(robot.sides[h].hand_joints)


def arm_degrees(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    qpos[:, arm(robot, h)] *= 180 / np.pi


def hand_degrees(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    qpos[:, hand(robot, h)] *= 180 / np.pi


def busiest(qpos: np.ndarray, columns: np.ndarray, count: int) -> np.ndarray:
    """The joints whose exchange or sign shows most."""
    size = np.abs(qpos[:, columns]).mean(axis=0)
    return columns[np.sort(np.argsort(size, kind="stable")[-count:])]


def flipped(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    qpos[:, rng.choice(busiest(qpos, arm(robot, h), 3))] *= -1


def exchanged(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    a, b = busiest(qpos, arm(robot, h), 2)
    qpos[:, [a, b]] = qpos[:, [b, a]]


def zeroed(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    qpos[:, np.concatenate([arm(robot, h), hand(robot, h)])] = 0.0


def zero_offset(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    qpos[:, rng.choice(arm(robot, h)[:5])] += 0.3


def no_passive(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    side = robot.sides[h]
    passive = [name for name in side.hand_joints if name not in side.active_joints]
    qpos[:, robot.indices(passive)] = 0.0


def fingers_permuted(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    """Index, middle, ring, pinky where index, middle, pinky, ring belong."""
    names = list(robot.sides[h].hand_joints)
    ring, pinky = ([n for n in names if finger in n] for finger in ("ring", "pinky"))
    old = qpos.copy()
    qpos[:, robot.indices(ring)] = old[:, robot.indices(pinky)]
    qpos[:, robot.indices(pinky)] = old[:, robot.indices(ring)]


def hand_normalized(qpos: np.ndarray, robot: Robot, rng: Any, h: int) -> None:
    columns = hand(robot, h)
    low, high = robot.lower[columns], robot.upper[columns]
    qpos[:, columns] = (qpos[:, columns] - low) / (high - low)


def reordered(order_of: Callable[[Robot], Sequence[str]]) -> Callable[..., Spoil]:
    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            for key in (QPOS, ACTION):
                arrays[key] = arrays[key][:, robot.indices(list(order_of(robot)))]

        return spoil

    return build


def urdf_order(robot: Robot) -> list[str]:
    known = set(robot.joint_names)
    return [name for name in robot.model.names if name in known]


def limbs_then_hands(robot: Robot) -> list[str]:
    """Both arms, both hands, then all others."""
    order = [name for side in robot.sides for name in side.arm_joints]
    order += [name for side in robot.sides for name in side.hand_joints]
    return order + [name for name in robot.joint_names if name not in set(order)]


def swapped_joints(groups: Sequence[str]) -> Callable[..., Spoil]:
    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            old = arrays[QPOS].copy()
            arrays[QPOS] = old.copy()
            for group in groups:
                left, right = (robot.indices(getattr(side, group)) for side in robot.sides)
                arrays[QPOS][:, left], arrays[QPOS][:, right] = old[:, right], old[:, left]

        return spoil

    return build


def swapped(*keys: Callable[[int], str]) -> Callable[..., Spoil]:
    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            for key in keys:
                arrays[key(0)], arrays[key(1)] = arrays[key(1)], arrays[key(0)]

        return spoil

    return build


# time


def late(frames: int, *keys: Callable[[int], str]) -> Callable[..., Spoil]:
    """Datasets delayed (or, negative, early), their ends held."""

    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            for name in {key(h) for key in keys for h in sides}:
                length = len(arrays[name])
                arrays[name] = arrays[name][np.clip(np.arange(length) - frames, 0, length - 1)]

        return spoil

    return build


def qpos_key(h: int) -> str:
    return QPOS


def commands_as_joints(sides: Sequence[int]) -> Spoil:
    def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
        arrays[QPOS] = arrays[ACTION].copy()

    return spoil


def commanded_poses(sides: Sequence[int]) -> Spoil:
    """Target poses where measured ones belong, of commands 0.2 s ahead."""

    def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
        length = len(arrays[QPOS])
        arrays[ACTION] = arrays[QPOS][np.minimum(np.arange(length) + 3, length - 1)]
        wrists, points = robot.forward(arrays[ACTION])
        for h in sides:
            arrays[pose(h)] = pose_wxyz_from_transform(wrists[:, h])
            arrays[tips(h)] = points[:, h]

    return spoil


def link_poses(link_of: Callable[[Robot, int], str]) -> Callable[..., Spoil]:
    """Poses of another link of the robot's model."""

    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            for h in sides:
                link = Kinematics(robot.model, robot.joint_names, [link_of(robot, h)])
                T = robot.T_world_base @ link.forward(arrays[QPOS])[:, 0]
                arrays[pose(h)] = pose_wxyz_from_transform(T)

        return spoil

    return build


# the commands


def action(change: Callable[[np.ndarray, np.ndarray, Robot, Any], np.ndarray]) -> Any:
    """``change(action, qpos, robot, rng)``."""

    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            arrays[ACTION] = change(arrays[ACTION].copy(), arrays[QPOS], robot, rng)

        return spoil

    return build


def action_normalized(values: np.ndarray, qpos: np.ndarray, robot: Robot, rng: Any) -> np.ndarray:
    return 2 * (values - robot.lower) / (robot.upper - robot.lower) - 1


def action_degrees(values: np.ndarray, qpos: np.ndarray, robot: Robot, rng: Any) -> np.ndarray:
    # few degrees, or the reader refuses them
    return np.clip(values * 180 / np.pi, -12.5, 12.5)


def action_stranger(values: np.ndarray, qpos: np.ndarray, robot: Robot, rng: Any) -> np.ndarray:
    """Commands of a robot with as many other joints."""
    phase, speed = rng.uniform(0, 6, values.shape[1]), rng.uniform(0.02, 0.3, values.shape[1])
    return 0.9 * np.sin(phase + speed * np.arange(len(values))[:, None])


def joint_pair(sides: Sequence[int]) -> Spoil:
    """A joint of the left arm in the place of the right one's, and the other way round."""

    def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
        k = int(rng.integers(0, 4))
        columns = [arm(robot, 0)[k], arm(robot, 1)[k]]
        arrays[QPOS] = arrays[QPOS].copy()
        arrays[QPOS][:, columns] = arrays[QPOS][:, columns[::-1]]

    return spoil


# rotations in other numbers


def _in_columns(numbers: np.ndarray) -> np.ndarray:
    """Three numbers as the vector part of a unit quaternion."""
    length = np.linalg.norm(numbers, axis=-1, keepdims=True)
    return np.concatenate([0 * length, numbers / length], axis=-1)


def as_rotation_vectors(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
    found = Rotation.from_quat(rows[:, [4, 5, 6, 3]]).as_rotvec()
    return np.concatenate([rows[:, :3], _in_columns(found)], axis=-1)


def as_euler(order: str) -> Callable[..., np.ndarray]:
    def change(rows: np.ndarray, robot: Robot, rng: Any, h: int) -> np.ndarray:
        found = Rotation.from_quat(rows[:, [4, 5, 6, 3]]).as_euler(order)
        return np.concatenate([rows[:, :3], _in_columns(found)], axis=-1)

    return change


# joints that move no hand


def others(robot: Robot) -> np.ndarray:
    used = np.concatenate([[*arm(robot, h), *hand(robot, h)] for h in BOTH]).astype(int)
    return np.setdiff1d(np.arange(len(robot.joint_names)), used)


def legs(change: Callable[[np.ndarray, np.ndarray, Robot, Any], None]) -> Callable[..., Spoil]:
    def build(sides: Sequence[int]) -> Spoil:
        def spoil(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
            arrays[QPOS] = arrays[QPOS].copy()
            change(arrays[QPOS], others(robot), robot, rng)

        return spoil

    return build


def legs_move(qpos: np.ndarray, columns: np.ndarray, robot: Robot, rng: Any) -> None:
    qpos[:, columns] = qpos[:, arm(robot, 0)[:4]][:, rng.integers(0, 4, len(columns))]


def legs_beyond(qpos: np.ndarray, columns: np.ndarray, robot: Robot, rng: Any) -> None:
    column = rng.choice(columns)
    qpos[:, column] = robot.upper[column] + 0.5


def legs_permuted(qpos: np.ndarray, columns: np.ndarray, robot: Robot, rng: Any) -> None:
    """A standing robot's knees and hips in each other's places."""
    stance = {"hip_pitch": -0.4, "knee": 0.8, "ankle_pitch": -0.4}
    for column in columns:
        for part, value in stance.items():
            if part in robot.joint_names[column]:
                qpos[:, column] = value
    qpos[:, columns] = qpos[:, np.roll(columns, 3)]


def _one_sided(
    name: str, build: Callable[..., Spoil], *expected: str, **options: Any
) -> Iterator[WrongRecording]:
    """A mistake of both sides, and of each."""
    yield WrongRecording(name, build(BOTH), expected, **options)
    for h in BOTH:
        yield WrongRecording(f"{name}, {SIDES[h]}", build((h,)), expected, (h,), **options)


def _whole(
    name: str, build: Callable[..., Spoil], *expected: str, **options: Any
) -> Iterator[WrongRecording]:
    yield WrongRecording(name, build(BOTH), expected, **options)


METRE = 1.0
UNITS = {"millimetres": 1e3, "centimetres": 1e2, "inches": METRE / 0.0254, "feet": METRE / 0.3048}


def _table() -> Iterator[WrongRecording]:
    yield from _one_sided(
        "conjugate quaternions", quaternions((0, 1, 2, 3), (1, -1, -1, -1)), "inverse|conjugate"
    )
    yield from _one_sided("quaternions xyzw", quaternions((1, 2, 3, 0)), "x y z w")
    yield from _one_sided(
        "quaternions xyzw and conjugate",
        quaternions((1, 2, 3, 0), (-1, -1, -1, 1)),
        "x y z w.*conj",
    )
    yield from _one_sided(
        "constant quaternion",
        rows_of(pose, constant_quaternion),
        "rotations? (stays?|keeps?|does not change|do not change)",
    )
    yield from _one_sided(
        "rotation vectors as quaternions", rows_of(pose, as_rotation_vectors), "rotation vectors"
    )
    for order in ("xyz", "ZYX"):
        yield from _one_sided(
            f"Euler angles {order} as quaternions", rows_of(pose, as_euler(order)), "Euler angles"
        )
    for unit, factor in UNITS.items():
        yield from _one_sided(f"all in {unit}", scaled(factor), unit)
        yield from _one_sided(f"wrists in {unit}", wrists_scaled(factor), unit)
        yield from _one_sided(f"tips in {unit}", tips_scaled(factor), unit)
    yield from _one_sided("scaled by 1.1", scaled(1.1), r"1\.1 times|scaled by 1\.1|larger by")
    yield from _one_sided("wrists scaled by 0.9", wrists_scaled(0.9), r"0\.9 times")
    yield from _one_sided("hand larger by 1.2", larger_hand(1.2), r"1\.2 times|another hand")

    yield from _one_sided("base frame", moved(base_frame), "base frame")
    yield from _one_sided("camera frame", moved(camera_frame), "camera 'main'")
    yield from _whole("a table's frame", moved(table_frame), "in a frame (shifted|turned)")
    yield from _one_sided("wrists in base frame", moved(base_frame, points=False), "base frame")
    yield from _one_sided("wrists in camera frame", moved(camera_frame, points=False), "camera")
    yield from _one_sided("tips in base frame", moved(base_frame, wrists=False), "base frame")
    yield from _one_sided("tips in camera frame", moved(camera_frame, wrists=False), "camera")
    yield from _one_sided("tips in wrist frame", tips_in_wrist, "wrist'?s? frame")
    yield from _one_sided("tips from the wrist", tips_from_wrist, "relative to the wrist")
    yield from _whole("y up", moved(y_up), r"y.?(axis)? (points )?up|y up")
    yield from _one_sided("base shifted", moved(shifted_base), "shifted by")
    yield from _one_sided("inverted poses", rows_of(pose, inverted), "inverse|inverted")
    yield from _one_sided("MANO's axes", rows_of(pose, mano_axes), "MANO's axes")
    yield from _one_sided(
        "a tool's pose",
        another_link((0.0, 0.0, np.pi / 2), (0.0, 0.01, 0.03)),
        "another (frame|link)",
    )
    yield from _one_sided(
        "the palm's pose",
        another_link((0.0, 0.0, 0.0), (0.0, 0.0, 0.09)),
        "another (point|frame|link)",
    )
    for link in ("elbow_roll_link", "wrist_pitch_link"):
        yield from _one_sided(
            f"poses of {link}",
            link_poses(lambda robot, h, link=link: f"{SIDES[h]}_{link}"),  # type: ignore[misc]
            f"(?:left|right)_{link}",
        )
    mirrored = both(rows_of(pose, mirrored_rows), rows_of(tips, mirrored_points))
    yield from _one_sided("mirrored", mirrored, "mirror")
    yield from _one_sided("mirrored tips", rows_of(tips, mirrored_points), "mirror")

    for degrees in (3.0, 5.4, 8.0, 25.0):
        words = (f"{degrees:.2g} degrees.*(same|constant)|(same|constant).*{degrees:.2g} degrees",)
        yield from _one_sided(f"turned by {degrees}", turned(degrees), *words, refused=degrees > 6)
    yield from _one_sided("wrists 1 cm off", shifted(0.01), "shifted by|constant|same")
    yield from _one_sided("wrists 3 mm off", shifted(0.003), "shifted|constant|same", refused=False)
    yield from _one_sided("tips 2 cm off", shifted(0.02, False, True), "shifted by|constant|same")

    yield from _one_sided("fingers reversed", finger_order((4, 3, 2, 1, 0)), "in the order pinky")
    yield from _one_sided("fingers rotated", finger_order((1, 2, 3, 4, 0)), "in the order index")
    yield from _one_sided("ring and pinky", finger_order((0, 1, 2, 4, 3)), "order .*pinky, ring")
    yield from _whole("swapped", swapped(pose, tips), "left and right are swapped")
    yield from _whole("swapped poses", swapped(pose), "left and right wrist poses are swapped")
    yield from _whole("swapped tips", swapped(tips), "left and right fingertips are swapped")
    for said, groups in (
        ("joints", ("arm_joints", "hand_joints")),
        ("arm joints", ("arm_joints",)),
        ("hand joints", ("hand_joints",)),
    ):
        yield from _whole(
            f"swapped {said}", swapped_joints(groups), f"left and right {said} of qpos are swapped"
        )

    yield from _one_sided("missing hand as zeros", missing_as_zeros, "zeros?")
    yield from _one_sided("frozen hand", frozen, "(does|do) not (change|move)", frames=4)
    yield from _one_sided("frozen tips", frozen_tips, "(does|do) not (change|move)", frames=4)
    yield from _one_sided("tips zero", zero_tips, "zeros?")

    yield from _one_sided("arm in degrees", joints(arm_degrees), "degrees")
    yield from _one_sided("hand in degrees", joints(hand_degrees), "degrees")
    yield from _one_sided("a joint's sign", joints(flipped), "sign|negative|negated")
    yield from _one_sided("two joints exchanged", joints(exchanged), "exchanged|swapped")
    yield from _whole("a left and a right joint exchanged", joint_pair, "swapped|exchanged")
    yield from _one_sided("a joint's zero", joints(zero_offset), "offset|zero")
    yield from _one_sided("joints all zero", joints(zeroed), "zero")
    yield from _one_sided("no passive joints", joints(no_passive), "passive finger joints")
    yield from _one_sided("hand normalised", joints(hand_normalized), "normali[sz]ed|0 to 1")
    yield from _one_sided("fingers permuted", joints(fingers_permuted), "fingers' joints")
    yield from _whole("URDF's order", reordered(urdf_order), "URDF's order")
    yield from _whole("alphabetical", reordered(lambda r: sorted(r.joint_names)), "alphabetical")
    yield from _whole("arms, hands, legs", reordered(limbs_then_hands), "order")

    for frames in (1, 3, 8, 20, 30):
        option = {"frames": 2 * frames + 10}
        words = f"{frames} frames?"
        everything = (pose, tips)
        yield from _whole(f"poses {frames} late", late(frames, *everything), words, **option)
        yield from _whole(f"poses {frames} early", late(-frames, *everything), words, **option)
        yield from _whole(f"qpos {frames} late", late(frames, qpos_key), words, **option)
    for h in BOTH:
        one = late(5, pose, tips)((h,))
        yield WrongRecording(f"{SIDES[h]} 5 late", one, ("5 frames",), (h,), frames=20)
    yield from _one_sided("wrists 4 late", late(4, pose), "4 frames", frames=20)
    yield from _one_sided("tips 4 late", late(4, tips), "4 frames", frames=20)
    yield from _whole("commands as joints", commands_as_joints, "1 frame |action|command")
    yield from _whole("commanded poses", commanded_poses, "3 frames|action|command|target")

    yield from _whole("action zero", action(lambda a, *_: 0 * a), "action.*zero", refused=False)
    yield from _whole(
        "action constant",
        action(lambda a, *_: np.repeat(a[:1], len(a), axis=0)),
        "action.*(constant|not change|not move)",
        refused=False,
        frames=10,
    )
    yield from _whole("action in degrees", action(action_degrees), "action.*degrees", refused=False)
    yield from _whole(
        "action normalised", action(action_normalized), "action.*(normali|-1 to 1)", refused=False
    )
    yield from _whole(
        "action in another order",
        action(lambda a, q, robot, rng: a[:, robot.indices(sorted(robot.joint_names))]),
        "action.*order",
        refused=False,
    )
    yield from _whole(
        "action shifted",
        action(lambda a, *_: np.concatenate([a[40:], np.repeat(a[-1:], 40, axis=0)])),
        "action.*(frames|follow)",
        refused=False,
        frames=100,
    )
    yield from _whole(
        "action as differences",
        action(lambda a, q, robot, rng: a - q),
        "action.*(difference|change)",
        refused=False,
    )
    yield from _whole(
        "action of another robot", action(action_stranger), "action.*follow", refused=False
    )
    yield from _whole("legs move", legs(legs_move), "move no hand|legs", refused=False)
    yield from _whole("legs beyond limits", legs(legs_beyond), "limits?", refused=False)
    yield from _whole(
        "legs permuted", legs(legs_permuted), "move no hand|legs|limit", refused=False
    )

    two = both(quaternions((1, 2, 3, 0)), scaled(1 / 0.3048))
    yield from _one_sided("xyzw and feet", two, "x y z w.*feet|feet.*x y z w")
    two = both(quaternions((0, 1, 2, 3), (1, -1, -1, -1)), finger_order((4, 3, 2, 1, 0)))
    yield from _one_sided("conjugate and reversed", two, "(inverse|conjugate).*order pinky")
    two = both(moved(base_frame), quaternions((1, 2, 3, 0)))
    yield from _one_sided("base frame and xyzw", two, "x y z w.*base frame|base frame.*x y z w")


WRONG: tuple[WrongRecording, ...] = tuple(_table())


def _rounded(arrays: Arrays, attrs: dict[str, Any], robot: Robot, rng: Any) -> None:
    for name in arrays:
        arrays[name] = arrays[name].astype(np.float16).astype(np.float64)
    for h in BOTH:
        arrays[pose(h)][:, 3:] /= np.linalg.norm(arrays[pose(h)][:, 3:], axis=-1, keepdims=True)


RIGHT: tuple[WrongRecording, ...] = (
    WrongRecording("nothing", lambda *_: None, ()),
    WrongRecording("negative quaternions", quaternions((0, 1, 2, 3), (-1, -1, -1, -1))(BOTH), ()),
    WrongRecording("half precision", _rounded, ()),
)
"""Changes that are no mistakes: nothing may be said of them."""
