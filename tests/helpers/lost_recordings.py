"""Recordings whose tracking or time was lost: how a file is spoilt, and what must be said of it.

Beside each: the kind of the findings, and the frames that they name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from retarget.core.types import SIDES
from retarget.robot.robot import Robot

QPOS, QVEL, ACTION = "observations/qpos", "observations/qvel", "action"
LOST = range(40, 60)  # of 300 frames of a grasp: wrists and fingers move

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Lost:
    """One way in which tracking is lost.

    Attributes:
        spoil: changes a file's datasets of a side in place.
        kind: of the finding.
        frames: those that the finding names, but for one at its beginning.
        hand: the hand counts as missing there, not a finger alone.
    """

    spoil: Callable[[Arrays, Robot, int], None]
    kind: str
    frames: range = LOST
    hand: bool = True


def write_spoilt(path: Path, base: Path, spoil: Callable[[Arrays, dict[str, Any]], None]) -> Path:
    """A copy of a file with its datasets and attributes changed."""
    arrays: Arrays = {}
    with h5py.File(base) as file:
        attrs = dict(file.attrs)
        for key in (QPOS, QVEL, ACTION, *(of(side) for side in SIDES for of in (pose, tips))):
            arrays[key] = file[key][:]
    spoil(arrays, attrs)
    with h5py.File(path, "w") as file:
        file.attrs.update(attrs)
        for key, values in arrays.items():
            file[key] = values
    return path


def pose(side: str) -> str:
    return f"observations/{side}_ee_pose"


def tips(side: str) -> str:
    return f"observations/{side}_finger_tip_pos"


def _zero_pose(arrays: Arrays, robot: Robot, h: int) -> None:
    arrays[pose(SIDES[h])][LOST] = [0, 0, 0, 1, 0, 0, 0]
    arrays[tips(SIDES[h])][LOST] = 0.0


def _empty_pose(arrays: Arrays, robot: Robot, h: int) -> None:
    arrays[pose(SIDES[h])][LOST] = 0.0


def _frozen(arrays: Arrays, robot: Robot, h: int) -> None:
    for key in (pose(SIDES[h]), tips(SIDES[h])):
        arrays[key][LOST] = arrays[key][LOST[0] - 1]


def _frozen_tips(arrays: Arrays, robot: Robot, h: int) -> None:
    arrays[tips(SIDES[h])][LOST] = arrays[tips(SIDES[h])][LOST[0] - 1]


def _joints(name: str, value: float | None) -> Callable[[Arrays, Robot, int], None]:
    def spoil(arrays: Arrays, robot: Robot, h: int) -> None:
        columns = robot.indices(getattr(robot.sides[h], name))
        q = arrays[QPOS]
        q[LOST[0] : LOST[-1] + 1, columns] = q[LOST[0] - 1, columns] if value is None else value

    return spoil


def _finger(value: float | None) -> Callable[[Arrays, Robot, int], None]:
    def spoil(arrays: Arrays, robot: Robot, h: int) -> None:
        finger = arrays[tips(SIDES[h])][:, 3]
        finger[LOST] = finger[LOST[0] - 1] if value is None else value

    return spoil


def _everything_frozen(arrays: Arrays, robot: Robot, h: int) -> None:
    """The last frame held, joints too, while the robot went on."""
    columns = robot.indices((*robot.sides[h].arm_joints, *robot.sides[h].hand_joints))
    arrays[QPOS][LOST[0] : LOST[-1] + 1, columns] = arrays[QPOS][LOST[0] - 1, columns]
    _frozen(arrays, robot, h)


LOST_KINDS: dict[str, Lost] = {
    "pose and fingertips at zero": Lost(_zero_pose, "zero_wrist"),
    "pose of zeros": Lost(_empty_pose, "missing_hand"),
    "pose and fingertips frozen": Lost(_frozen, "still_wrist"),
    "fingertips frozen": Lost(_frozen_tips, "still_fingertips"),
    "arm joints frozen": Lost(_joints("arm_joints", None), "still_arm_joints"),
    "arm joints at zero": Lost(_joints("arm_joints", 0.0), "zero_arm_joints"),
    "hand joints frozen": Lost(_joints("hand_joints", None), "still_hand_joints"),
    "one finger at zero": Lost(_finger(0.0), "zero_finger", hand=False),
    "one finger NaN": Lost(_finger(np.nan), "missing_finger", hand=False),
    "one finger frozen": Lost(_finger(None), "still_finger", hand=False),
    "everything frozen": Lost(_everything_frozen, "dropout"),
}


def everything(change: Callable[[Any], Any]) -> Callable[[Arrays, dict[str, Any]], None]:
    """Every dataset changed alike."""

    def spoil(arrays: Arrays, attrs: dict[str, Any]) -> None:
        for key, values in arrays.items():
            arrays[key] = change(values)

    return spoil


def rate(hz: float, *, velocities: bool) -> Callable[[Arrays, dict[str, Any]], None]:
    """Another rate, with or without recorded velocities."""

    def spoil(arrays: Arrays, attrs: dict[str, Any]) -> None:
        attrs["rate"] = hz
        if not velocities:
            arrays[QVEL][:] = 0.0

    return spoil


def _no_velocities(
    spoil: Callable[[Arrays, dict[str, Any]], None],
) -> Callable[[Arrays, dict[str, Any]], None]:
    def both(arrays: Arrays, attrs: dict[str, Any]) -> None:
        spoil(arrays, attrs)
        arrays[QVEL][:] = 0.0

    return both


def _shuffled(values: Any) -> Any:
    return values[np.random.default_rng(0).permutation(len(values))]


def _shuffled_nearby(values: Any) -> Any:
    rng = np.random.default_rng(0)
    order = np.arange(len(values))
    for start in range(0, len(order), 10):
        rng.shuffle(order[start : start + 10])
    return values[order]


def _dropped(values: Any) -> Any:
    return np.delete(values, range(52, 57), axis=0)


def _repeated(values: Any) -> Any:
    return np.insert(values, [60] * 4, values[59], axis=0)


def _backwards(values: Any) -> Any:
    return values[::-1].copy()


def _often_repeated(values: Any) -> Any:
    return np.repeat(values[::3], 3, axis=0)


Change = Callable[[Arrays, dict[str, Any]], None]


@dataclass(frozen=True)
class WrongTime:
    """One way in which the time of a recording is wrong.

    Attributes:
        spoil: changes a file's datasets and attributes in place.
        kind: of the finding.
        words: a regular expression found in what is said.
        valid: the demonstration is valid all the same.
    """

    spoil: Change
    kind: str
    words: str
    valid: bool = False


TIMES: dict[str, WrongTime] = {
    "rate ten times too high": WrongTime(
        rate(300.0, velocities=True), "rate", "looks like 30 Hz instead of 300 Hz"
    ),
    "rate ten times too low": WrongTime(
        rate(3.0, velocities=True), "rate", "looks like 30 Hz instead of 3 Hz"
    ),
    "rate doubled": WrongTime(
        rate(60.0, velocities=True), "rate", "looks like 30 Hz instead of 60 Hz"
    ),
    "rate too high, no velocities": WrongTime(
        rate(300.0, velocities=False), "rate", "300 Hz", valid=True
    ),
    "rate too low, no velocities": WrongTime(
        rate(3.0, velocities=False), "rate", "3 Hz", valid=True
    ),
    "shuffled": WrongTime(_no_velocities(everything(_shuffled)), "shuffled", "out of order"),
    "shuffled nearby": WrongTime(
        _no_velocities(everything(_shuffled_nearby)), "shuffled", "out of order"
    ),
    "backwards": WrongTime(everything(_backwards), "reversed", "backwards"),
    "backwards, no velocities": WrongTime(
        _no_velocities(everything(_backwards)), "lagging_actions", "backwards", valid=True
    ),
    "frames dropped": WrongTime(
        _no_velocities(everything(_dropped)),
        "dropped",
        "about 5 frames are missing.*frame 52",
        valid=True,
    ),
    "frames repeated": WrongTime(
        _no_velocities(everything(_repeated)), "repeated", "4 frames: 60-63", valid=True
    ),
    "each frame thrice": WrongTime(
        _no_velocities(everything(_often_repeated)), "repeated", "repeat"
    ),
}
