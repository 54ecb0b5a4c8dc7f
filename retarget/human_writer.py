"""Human motion files written, streamed or whole, atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retarget.errors import InputError
from retarget.growing_file import GrowingFile
from retarget.human_info import HANDS, KEYPOINTS, HumanFileInfo, write_info
from retarget.types import FINGERS, FloatArray, HumanMotion, Status


class HumanWriter(GrowingFile):
    """A human motion file being written, block by block, in memory that does not grow.

    Use it as a context manager: the file appears at ``path`` when the block ends well, and nothing
    does when it raises.

    Args:
        path: the file to write; one that is there is replaced at the end.
        info: what the numbers mean and where they come from.

    Raises:
        FileError: the file cannot be written there.
    """

    def __init__(self, path: str | Path, info: HumanFileInfo) -> None:
        super().__init__(path)
        self._info = info

    def append(
        self,
        motion: HumanMotion,
        *,
        keypoints: FloatArray | None = None,
        body_qpos: FloatArray | None = None,
    ) -> None:
        """Write the next frames.

        Args:
            motion: (T, 2, ...) human motion of the hand model and components of the file.
            keypoints: (T, 2, 21, 3) in the environment frame [m].
            body_qpos: (T, m) positions of ``info.body_joints`` [rad]; needed where there are any.

        Raises:
            InputError: shapes, hand model or components do not fit the file.
        """
        frames = self._check(motion, keypoints, body_qpos)
        self._extend("pca", motion.pca)
        self._extend("T_world_wrist", motion.T_world_wrist)
        if self._info.T_camera_world is not None:
            self._extend("T_camera_wrist", self._info.T_camera_world @ motion.T_world_wrist)
        if keypoints is not None:
            self._extend("keypoints", keypoints)
        self._extend("residual", motion.residual)
        self._extend("iterations", motion.iterations.astype(np.int32))
        self._extend("status", motion.status.astype(np.uint8))
        self._extend("valid", motion.status != Status.MISSING_INPUT)
        if body_qpos is not None and self._info.body_joints:
            self._extend("body_qpos", body_qpos)
        self._frames += frames

    def _check(
        self, motion: HumanMotion, keypoints: FloatArray | None, body_qpos: FloatArray | None
    ) -> int:
        if motion.hand != self._info.hand:
            raise InputError(
                f"motion is of hand model {motion.hand}, the file of {self._info.hand}",
                hand=motion.hand,
            )
        frames = motion.pca.shape[0] if motion.pca.ndim else 0
        joints = len(self._info.body_joints)
        wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
            "pca": (motion.pca, (frames, HANDS, self._info.components)),
            "T_world_wrist": (motion.T_world_wrist, (frames, HANDS, 4, 4)),
            "residual": (motion.residual, (frames, HANDS, len(FINGERS))),
            "iterations": (motion.iterations, (frames, HANDS)),
            "status": (motion.status, (frames, HANDS)),
            "keypoints": (keypoints, (frames, HANDS, KEYPOINTS, 3)),
            "body_qpos": (body_qpos, (frames, joints)),
        }
        for name, (array, shape) in wanted.items():
            if array is None and (name == "keypoints" or joints == 0):
                continue
            if array is None or array.shape != shape:
                got = "none" if array is None else array.shape
                raise InputError(f"{name} must have shape {shape}, got {got}")
        if self._frames and (keypoints is None) == ("keypoints" in self._file):
            raise InputError("keypoints must be in every block of a file, or in none")
        return frames

    def _finish(self) -> None:
        self._file["status"].attrs["names"] = [status.label for status in Status]
        write_info(self._file, self._info)


def write_human(
    path: str | Path,
    motion: HumanMotion,
    info: HumanFileInfo,
    *,
    keypoints: FloatArray | None = None,
    body_qpos: FloatArray | None = None,
) -> None:
    """Write a human motion file (docs/formats.md), whole or not at all; see `HumanWriter`.

    Raises:
        InputError: the arrays do not fit together or do not fit ``info``.
        FileError: the file cannot be written there.
    """
    with HumanWriter(path, info) as writer:
        writer.append(motion, keypoints=keypoints, body_qpos=body_qpos)
