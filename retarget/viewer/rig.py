"""Where a robot's links and the human hands' skin are: forward kinematics and skinning, to draw."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray
from retarget.human.hand_model import HandModel
from retarget.human.native import NativePoints
from retarget.mapping.hand_frame import HandFrame
from retarget.robot.kinematics import frame_id

if TYPE_CHECKING:
    from retarget.robot.robot import Robot


class Rig:
    """Poses of a robot's frames through Pinocchio, and the two hands' vertices.

    Args:
        robot: the robot.
        hands: left, right.
        frames: the similarities between robot and human hand, left, right.
        links: names of the links that are drawn.

    Attributes:
        robot: the robot.
        hands: left, right.
        frames: left, right.
        links: names of the links that are drawn, in the order of `poses`; the fingertips
            (left thumb to right pinky) and the wrists (left, right) come after them.
        rest: (2, V, 3) vertices of the flat, unposed hands in the robot's wrist frames [m].
        tinted: indices of the links that an arm or a hand moves.
        movers: for each of them its side's index, and whether a hand moves it.
    """

    def __init__(
        self,
        robot: Robot,
        hands: tuple[HandModel, HandModel],
        frames: tuple[HandFrame, HandFrame],
        links: Sequence[str],
    ) -> None:
        self.robot, self.hands, self.frames, self.links = robot, hands, frames, tuple(links)
        tips = [tip for side in robot.sides for tip in side.fingertip_frames]
        wrists = [side.wrist_frame for side in robot.sides]
        self._ids = [frame_id(robot.model, name) for name in (*links, *tips, *wrists)]
        self._data, self._lock = robot.model.createData(), threading.Lock()
        joints = [robot.model.joints[robot.model.getJointId(name)] for name in robot.joint_names]
        self._plain = np.array([j.idx_q for j in joints if j.nq == 1], dtype=np.int64)
        self._from = np.array([k for k, j in enumerate(joints) if j.nq == 1], dtype=np.int64)
        # a joint without limits is a point on a circle to Pinocchio: cosine, sine
        self._round = np.array([j.idx_q for j in joints if j.nq == 2], dtype=np.int64)
        self._round_from = np.array([k for k, j in enumerate(joints) if j.nq == 2], dtype=np.int64)
        self.rest = np.stack(
            [f.robot_from_human(h.template) for f, h in zip(frames, hands, strict=True)]
        )
        self._points: dict[int, NativePoints] = {}
        moved_by = [_moved_by(robot, name) for name in self.links]
        self.tinted = tuple(k for k, mover in enumerate(moved_by) if mover is not None)
        self.movers = tuple(mover for mover in moved_by if mover is not None)

    def poses(self, qpos: ArrayLike) -> FloatArray:
        """Poses of links, fingertips and wrists: (T, n) [rad] -> (T, L + 12, 4, 4) [m].

        In the environment frame; NaN where a joint above the frame is NaN.
        """
        import pinocchio

        q = np.asarray(qpos, dtype=np.float64)
        if q.ndim != 2 or q.shape[1] != len(self.robot.joint_names):
            raise InputError(
                f"qpos must have shape (T, {len(self.robot.joint_names)}), got {q.shape}"
            )
        whole = np.zeros((len(q), self.robot.model.nq))
        whole[:, self._plain] = q[:, self._from]
        whole[:, self._round] = np.cos(q[:, self._round_from])
        whole[:, self._round + 1] = np.sin(q[:, self._round_from])
        out = np.empty((len(q), len(self._ids), 4, 4))
        with self._lock:  # Pinocchio writes into its data
            placed = self._data.oMf
            for row, joints in zip(out, whole, strict=True):
                pinocchio.framesForwardKinematics(self.robot.model, self._data, joints)
                row[:] = [placed[k].homogeneous for k in self._ids]
        return self.robot.T_world_base @ out

    def skin(self, pca: ArrayLike) -> FloatArray:
        """Vertices of the hands in the robot's wrist frames: (T, 2, K) -> (T, 2, V, 3) [m].

        They are moved by the similarity of `frames`, at the robot's scale, so that the fitted
        fingertips lie on the robot's within the fit's residual. NaN where a coefficient is.
        """
        c = np.asarray(pca, dtype=np.float64)
        if c.ndim != 3 or c.shape[1] != len(SIDES) or c.shape[0] == 0:
            raise InputError(f"pca must have shape (T, 2, K), T at least 1, got {c.shape}")
        components = c.shape[2]
        if components not in self._points:
            vertices = range(len(self.hands[0].template))
            self._points[components] = NativePoints(self.hands, vertices, components=components)
        points = self._points[components](c)
        return np.stack(
            [f.robot_from_human(points[:, k]) for k, f in enumerate(self.frames)], axis=1
        )


def _moved_by(robot: Robot, link: str) -> tuple[int, bool] | None:
    """Side whose arm, or whose hand (True), a link hangs on; None for the body's."""
    joint = robot.model.frames[frame_id(robot.model, link)].parentJoint
    while joint > 0:
        name = robot.model.names[joint]
        for k, side in enumerate(robot.sides):
            if name in side.hand_joints:
                return k, True
            if name in side.arm_joints:
                return k, False
        joint = robot.model.parents[joint]
    return None
