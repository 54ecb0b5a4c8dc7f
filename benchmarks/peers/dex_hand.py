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
    """One hand with dex-retargeting's "vector" or "position" optimiser, its smoothing switched off.

    Attributes:
        active: names of the joints it finds.
    """

    def __init__(self, robot: Robot, side: int, kind: str, folder: Path) -> None:
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
        }
        indices = np.arange(len(tips))
        if kind == "vector":
            own = {
                "target_origin_link_names": [hand.wrist_frame] * len(tips),
                "target_task_link_names": tips,
                "target_link_human_indices": np.stack([0 * indices, indices]),
            }
        else:
            own = {"target_link_names": tips, "target_link_human_indices": indices}
        with contextlib.redirect_stdout(io.StringIO()):
            self._retargeting: Any = RetargetingConfig(**common, **own).build()
        names = self._retargeting.joint_names
        self._columns = [names.index(name) for name in hand.active_joints]
        self.name = f"dex-retargeting ({kind})"

    def joints(self, tips: FloatArray) -> FloatArray:
        """Successive fingertips (N, 5, 3) in the wrist frame [m] -> active joints (N, 6) [rad].

        The origin of its vectors is the wrist frame, so both kinds take the same numbers.
        """
        return np.stack([self._retargeting.retarget(frame)[self._columns] for frame in tips])
