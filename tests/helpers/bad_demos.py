"""What is wrong with bad demonstration files: how to break a sound one, and what must be said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

Change = Callable[[Any], None]


def replace(key: str, change: Callable[[np.ndarray], Any]) -> Change:
    def apply(file: Any) -> None:
        values = file[key][:]
        del file[key]
        file[key] = change(values)

    return apply


def put(key: str, index: Any, value: float) -> Change:
    def apply(file: Any) -> None:
        file[key][index] = value

    return apply


def scale(key: str, index: Any, factor: float) -> Change:
    def apply(file: Any) -> None:
        file[key][index] = file[key][index] * factor

    return apply


def rename(old: str, new: str) -> Change:
    return lambda file: file.move(old, new)


def both(*changes: Change) -> Change:
    def apply(file: Any) -> None:
        for change in changes:
            change(file)

    return apply


def remove(*keys: str) -> Change:
    def apply(file: Any) -> None:
        for key in keys:
            del file[key]

    return apply


def group_instead(key: str) -> Change:
    def apply(file: Any) -> None:
        del file[key]
        file.create_group(key)

    return apply


def attribute(name: str, value: Any) -> Change:
    def apply(file: Any) -> None:
        file.attrs[name] = value

    return apply


def empty_episode(file: Any) -> None:
    for key in [f"observations/{name}" for name in file["observations"]] + ["action"]:
        values = file[key][:]
        del file[key]
        file[key] = values[:0]


LEFT, RIGHT = "observations/left_ee_pose", "observations/right_ee_pose"
TIPS = "observations/left_finger_tip_pos"
QPOS = "observations/qpos"

# what is wrong with the file, what the message must say, the evidence the error must carry
BAD: dict[str, tuple[Change, str, dict[str, Any]]] = {
    "no joints": (
        remove(QPOS),
        r"dataset 'observations/qpos' is missing, expected shape \(T, n\)",
        {"key": QPOS, "close": None},
    ),
    "joints misspelt": (
        rename(QPOS, "observations/q_pos"),
        r"'observations/qpos' is missing.*did you mean 'observations/q_pos'\?",
        {"key": QPOS, "close": "observations/q_pos"},
    ),
    "joints elsewhere": (
        rename(QPOS, "obs/qpos"),
        r"did you mean 'obs/qpos'\?",
        {"key": QPOS, "close": "obs/qpos"},
    ),
    "one pose dataset missing": (
        remove(LEFT),
        r"dataset 'observations/left_ee_pose' is missing, expected shape \(T, 7\)$",
        {"key": LEFT, "close": None},
    ),
    "one tips dataset missing": (
        remove(TIPS),
        r"dataset 'observations/left_finger_tip_pos' is missing, expected shape \(T, 5, 3\)$",
        {"key": TIPS},
    ),
    "tips misspelt": (
        rename(TIPS, "observations/left_fingertip_pos"),
        r"did you mean 'observations/left_fingertip_pos'\?",
        {"key": TIPS, "close": "observations/left_fingertip_pos"},
    ),
    "a hand misspelt": (
        both(
            rename(LEFT, "observations/left_eef_pose"),
            rename(TIPS, "observations/left_fingers_tip_pos"),
        ),
        r"'observations/left_ee_pose' is missing.*did you mean 'observations/left_eef_pose'\?",
        {"key": LEFT, "close": "observations/left_eef_pose"},
    ),
    "both hands missing": (
        remove(LEFT, RIGHT, TIPS, "observations/right_finger_tip_pos"),
        "both hands are missing, expected 'observations/left_ee_pose' and "
        "'observations/left_finger_tip_pos', or the right hand's",
        {},
    ),
    "a group in a dataset's place": (
        group_instead(LEFT),
        r"'observations/left_ee_pose' is a group, expected a dataset of shape \(T, 7\)",
        {"key": LEFT},
    ),
    "poses as matrices": (
        replace(LEFT, lambda v: np.broadcast_to(np.eye(4), (len(v), 4, 4))),
        r"'observations/left_ee_pose' must have shape \(T, 7\), got \(7, 4, 4\)",
        {"key": LEFT, "shape": (7, 4, 4)},
    ),
    "tips flattened": (
        replace(TIPS, lambda v: v.reshape(len(v), 15)),
        r"must have shape \(T, 5, 3\), got \(7, 15\)",
        {"key": TIPS, "shape": (7, 15)},
    ),
    "joints a single row": (
        replace(QPOS, lambda v: v[0]),
        r"must have shape \(T, n\), got \(50,\)",
        {"key": QPOS, "shape": (50,)},
    ),
    "a scalar": (replace(QPOS, lambda v: 1.0), r"must have shape \(T, n\), got \(\)", {}),
    "integers": (
        replace(QPOS, lambda v: v.astype(int)),
        "'observations/qpos' must hold float32 or float64, got int64",
        {"key": QPOS, "dtype": np.dtype(int)},
    ),
    "half precision": (
        replace(LEFT, lambda v: v.astype("f2")),
        "'observations/left_ee_pose' must hold float32 or float64, got float16",
        {"key": LEFT},
    ),
    "text": (
        replace(QPOS, lambda v: np.full(v.shape, "0.1", dtype=h5py.string_dtype())),
        "'observations/qpos' must hold float32 or float64, got object",
        {"key": QPOS},
    ),
    "one frame short": (
        replace(TIPS, lambda v: v[:-1]),
        "'observations/left_finger_tip_pos' has 6 frames, but 'observations/qpos' has 7",
        {"key": TIPS, "frames": 6, "expected": 7},
    ),
    "one action too many": (
        replace("action", lambda v: np.concatenate([v, v[-1:]])),
        "'action' has 8 frames, but 'observations/qpos' has 7",
        {"key": "action", "frames": 8},
    ),
    "velocities of another length": (
        replace("observations/qvel", lambda v: v[1:]),
        "'observations/qvel' has 6 frames",
        {"key": "observations/qvel"},
    ),
    "actions of another robot": (
        replace("action", lambda v: v[:, :26]),
        r"'action' must have shape \(T, 50\), got \(7, 26\)",
        {"key": "action"},
    ),
    "empty episode": (empty_episode, r"the episode is empty: 'observations/qpos' has shape", {}),
    "NaN joint": (
        put(QPOS, (4, 11), np.nan),
        "'observations/qpos' frame 4, joint 11 is nan, expected finite radians",
        {"key": QPOS, "frame": 4, "joint": 11},
    ),
    "NaN action": (
        put("action", (2, 3), np.nan),
        "'action' frame 2, joint 3 is nan, expected finite radians",
        {"key": "action", "frame": 2},
    ),
    "degrees": (
        scale(QPOS, slice(None), 180 / np.pi),
        r"'observations/qpos' frame 0, joint \d+ is .*expected radians \(are these degrees\?\)",
        {"key": QPOS, "frame": 0},
    ),
    "infinite pose": (
        put(LEFT, (3, 1), np.inf),
        "'observations/left_ee_pose' frame 3 has the coordinate inf, expected metres within 20 m",
        {"key": LEFT, "frame": 3},
    ),
    "zero quaternion": (
        put(RIGHT, (5, slice(3, 7)), 0.0),
        "'observations/right_ee_pose' frame 5 has a zero quaternion of length 0, expected columns "
        "x y z qw qx qy qz with a quaternion of length 1 .NaN marks a frame",
        {"key": RIGHT, "frame": 5, "value": 0.0},
    ),
    "unnormalised quaternion": (
        scale(RIGHT, (2, slice(3, 7)), 1.0011),
        "'observations/right_ee_pose' frame 2 has an unnormalised quaternion of length 1.001",
        {"key": RIGHT, "frame": 2},
    ),
    "infinite quaternion": (
        put(RIGHT, (2, 3), np.inf),
        "frame 2 has an unnormalised quaternion of length inf",
        {"key": RIGHT, "frame": 2},
    ),
    "poses in millimetres": (
        scale(LEFT, (slice(None), slice(0, 3)), 1000.0),
        r"'observations/left_ee_pose' frame 0 has the coordinate .*\(are these inches, cent",
        {"key": LEFT, "frame": 0},
    ),
    "tips in millimetres": (
        scale(TIPS, slice(None), 1000.0),
        r"'observations/left_finger_tip_pos' frame 0 .*expected metres.*are these inches, cent",
        {"key": TIPS, "frame": 0},
    ),
    "tips in centimetres": (
        scale(TIPS, slice(None), 100.0),
        r"are these inches, cent",
        {"key": TIPS, "frame": 0},
    ),
    "one wild value": (
        put(TIPS, (6, 2, 0), 1e6),
        r"'observations/left_finger_tip_pos' frame 6 has the coordinate 1e\+06, "
        r"expected metres within 20 m of the origin$",
        {"key": TIPS, "frame": 6, "value": 1e6},
    ),
    "rate as a word": (
        attribute("rate", "fast"),
        "attribute 'rate' is 'fast', expected a positive number of Hz",
        {"key": "rate"},
    ),
    "rate zero": (attribute("fps", 0), "attribute 'fps' is .*expected a positive", {"key": "fps"}),
}
