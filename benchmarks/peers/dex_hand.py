"""dex-retargeting: wanted fingertips -> joints of the robot's hand, frame after frame."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.urdf import hand_urdf
from retarget.core.types import FloatArray
from retarget.robot.robot import Robot


class DexHand:
    """One hand with an optimiser of dex-retargeting, its smoothing switched off.

    Args:
        robot: whose hand.
        side: 0 or 1.
        kind: "vector", "position" or "dexpilot".
        folder: for its URDF.
        scale: of what it is given; "position" takes it as it is.

    Attributes:
        active: names of the joints it finds.
    """

    def __init__(
        self, robot: Robot, side: int, kind: str, folder: Path, scale: float = 1.0
    ) -> None:
        from dex_retargeting.retargeting_config import RetargetingConfig

        hand = robot.sides[side]
        path = folder / f"hand_{side}.urdf"
        path.write_text(hand_urdf(robot, side), encoding="utf-8")
        tips = list(hand.fingertip_frames)
        common = {
            "type": kind,
            "urdf_path": str(path),
            "target_joint_names": list(hand.active_joints),
            "low_pass_alpha": -1.0,  # none
            "scaling_factor": scale,
        }
        own: dict[str, Any]
        indices = np.arange(len(tips))
        if kind == "vector":
            own = {
                "target_origin_link_names": [hand.wrist_frame] * len(tips),
                "target_task_link_names": tips,
                "target_link_human_indices": np.stack([0 * indices, indices]),
            }
        elif kind == "position":
            own = {"target_link_names": tips, "target_link_human_indices": indices}
        else:
            own = {"wrist_link_name": hand.wrist_frame, "finger_tip_link_names": tips}
        with contextlib.redirect_stdout(io.StringIO()):
            self._retargeting: Any = RetargetingConfig(**common, **own).build()
        # DexPilot's vectors are between these points of wrist and tips, all others' as they are
        self._between = None
        if kind == "dexpilot":
            self._between = self._retargeting.optimizer.target_link_human_indices // 4
        names = self._retargeting.joint_names
        self._columns = [names.index(name) for name in hand.active_joints]
        self.name = f"dex-retargeting ({kind})"

    def joints(self, tips: FloatArray) -> FloatArray:
        """Successive fingertips (N, 5, 3) in the wrist frame [m] -> active joints (N, 6) [rad].

        The origin of its vectors is the wrist frame, so both kinds take the same numbers.
        """
        return np.stack([self.call(frame) for frame in tips])

    def call(self, tips: FloatArray) -> FloatArray:
        """One frame's fingertips (5, 3) -> active joints (6,)."""
        wanted = tips
        if self._between is not None:
            points = np.concatenate([np.zeros((1, 3)), tips])
            wanted = points[self._between[1]] - points[self._between[0]]
        found: FloatArray = self._retargeting.retarget(wanted)[self._columns]
        return found
