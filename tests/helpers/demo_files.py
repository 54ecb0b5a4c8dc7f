"""Small demonstrations made of random numbers, for the tests of the files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from retarget.core.geometry import rotation_from_rotvec, transform
from retarget.core.types import Demo
from retarget.robot.robot import Robot

JOINTS = 50


def random_demo(
    frames: int = 7, seed: int = 0, *, joints: int = JOINTS, rate: float = 30.0
) -> Demo:
    """A demonstration whose numbers are plausible one by one, and obey no robot."""
    rng = np.random.default_rng(seed)
    wrist = transform(
        rotation_from_rotvec(rng.uniform(-1.5, 1.5, (frames, 2, 3))),
        rng.uniform(-0.5, 1.3, (frames, 2, 3)),
    )
    return Demo(
        qpos=rng.uniform(-1.0, 1.0, (frames, joints)),
        T_world_wrist=wrist,
        fingertips=wrist[:, :, None, :3, 3] + rng.uniform(-0.2, 0.2, (frames, 2, 5, 3)),
        valid=np.ones((frames, 2), dtype=bool),
        rate=rate,
        action=rng.uniform(-1.0, 1.0, (frames, joints)),
    )


def write_raw(path: Path, frames: int = 7, seed: int = 0, dtype: str = "f8") -> Path:
    """A demonstration file written by h5py alone, as a recorder would."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file.attrs["sim"] = True
        obs = file.create_group("observations")
        obs["qpos"] = rng.uniform(-1.0, 1.0, (frames, JOINTS)).astype(dtype)
        obs["qvel"] = np.zeros((frames, JOINTS), dtype)
        file["action"] = rng.uniform(-1.0, 1.0, (frames, JOINTS)).astype(dtype)
        for side in ("left", "right"):
            quat = rng.normal(size=(frames, 4))
            quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
            xyz = rng.uniform(0.1, 1.3, (frames, 3))
            obs[f"{side}_ee_pose"] = np.concatenate([xyz, quat], axis=-1).astype(dtype)
            tips = xyz[:, None] + rng.uniform(-0.2, 0.2, (frames, 5, 3))
            obs[f"{side}_finger_tip_pos"] = tips.astype(dtype)
    return path


def robot_demo(robot: Robot, frames: int = 40, seed: int = 0, *, rate: float = 30.0) -> Demo:
    """A smooth motion within all joints' limits, the legs' small; poses by forward kinematics."""
    rng = np.random.default_rng(seed)
    middle, half = (robot.lower + robot.upper) / 2, (robot.upper - robot.lower) / 2
    phase = rng.uniform(0, 2 * np.pi, middle.shape)
    speed = rng.uniform(1.0, 4.0, middle.shape)  # [rad/s]
    time = np.arange(frames)[:, None] / rate
    reach = 0.6 * half
    used = [(*side.arm_joints, *side.hand_joints) for side in robot.sides]
    idle = np.ones(len(middle), dtype=bool)
    idle[robot.indices([name for names in used for name in names])] = False
    reach[idle] = 0.05  # [rad]: a robot that manipulates stands
    qpos = middle + reach * np.sin(phase + speed * time)
    for side in robot.sides:
        active = qpos[:, robot.indices(side.active_joints)]
        lower, upper = robot.hand_limits(side.index)
        qpos[:, robot.indices(side.hand_joints)] = robot.expand_hand(
            side.index, np.clip(active, lower, upper)
        )
    T_world_wrist, fingertips = robot.forward(qpos)
    return Demo(
        qpos=qpos,
        T_world_wrist=T_world_wrist,
        fingertips=fingertips,
        valid=np.ones((frames, 2), dtype=bool),
        rate=rate,
        action=qpos.copy(),
    )
