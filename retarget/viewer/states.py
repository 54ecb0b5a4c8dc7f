"""What changes in a scene: all of it in one frame, and in all frames of a file at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.core.checks import missing_poses
from retarget.core.errors import InputError
from retarget.core.geometry import quat_wxyz_from_rotation
from retarget.core.status import severer
from retarget.core.types import FINGERS, SIDES, BoolArray, FloatArray, IntArray, Status
from retarget.mapping.hand_frame import human_wrists, robot_wrists
from retarget.mapping.retargeter import RoundTrip
from retarget.viewer.colours import error_rows, human_rows, returned_rows
from retarget.viewer.rig import Rig
from retarget.viewer.scene import Scene

SHORTEST = 1e-6  # a line of no length has no direction [m]
_TIPS = len(SIDES) * len(FINGERS)
_STATUSES = frozenset(Status)
_POSES = ("T_world_mano", "wrists")
_UNTURNED = (0.0, 0.0, 0.0, 1.0)  # x y z w


@dataclass(frozen=True)
class FrameState:
    """All that changes, at one frame.

    Attributes:
        poses: (N, 7) float32 rows ``x y z qx qy qz qw`` [m]; always finite, and without meaning
            where not visible (a playback holds the last one seen).
        visible: (N,) False where the object has no place in this frame.
        vertices: (2, V, 3) float32 of the hands, each in its object's frame [m]; always finite.
        colours: (C,) uint8 rows of the colour table.
        lengths: (E,) float32 z scale of each line [m]; always positive.
        error_m: (2, 5) distance drawn from target to reached [m]; NaN where either is missing.
        hand_status: (2,) `Status` values.
        arm_status: (2,) `Status` values.
    """

    poses: NDArray[np.float32]
    visible: BoolArray
    vertices: NDArray[np.float32]
    colours: NDArray[np.uint8]
    lengths: NDArray[np.float32]
    error_m: FloatArray
    hand_status: IntArray
    arm_status: IntArray


def frame_state(
    scene: Scene,
    qpos: ArrayLike | None = None,
    *,
    returned: ArrayLike | None = None,
    pca: ArrayLike | None = None,
    T_world_mano: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    wrists: ArrayLike | None = None,
    hand_status: ArrayLike | None = None,
    arm_status: ArrayLike | None = None,
) -> FrameState:
    """One frame; what is None or not finite is not shown.

    Args:
        scene: what `build_scene` made.
        qpos: (n,) joints of the robot as recorded or measured [rad].
        returned: (n,) joints that come back [rad].
        pca: (2, K) pose coefficients of the human hands.
        T_world_mano: (2, 4, 4) human wrists, as `HumanMotion.T_world_mano` has them [m]; by
            default those of `wrists`.
        targets: (2, 5, 3) wanted fingertips in the environment frame [m]; by default those of
            `qpos`.
        wrists: (2, 4, 4) recorded wrist frames [m]; by default those of `qpos`.
        hand_status: (2,) `Status` values of the hands; OK by default.
        arm_status: (2,) `Status` values of the arms; OK by default.

    Raises:
        InputError: a wrong shape, or a wrist that is no rigid transform.
    """
    given = {
        "qpos": qpos,
        "returned": returned,
        "pca": pca,
        "T_world_mano": T_world_mano,
        "targets": targets,
        "wrists": wrists,
        "hand_status": hand_status,
        "arm_status": arm_status,
    }
    rows = {k: None if v is None else np.asarray(v)[None] for k, v in given.items()}
    many = frame_states(scene, **rows)
    return FrameState(**{name: value[0] for name, value in vars(many).items()})


def frame_states(scene: Scene, **given: Any) -> FrameState:
    """T frames: the arguments and results of `frame_state`, each with T rows."""
    rig = scene.rig
    joints, links = len(rig.robot.joint_names), len(rig.links)
    shapes = field_shapes(joints, np.shape(given["pca"])[-1] if given.get("pca") is not None else 0)
    rows = {
        name: checked_rows(name, given[name], shape)
        for name, shape in shapes.items()
        if given.get(name) is not None
    }
    counts = {len(values) for values in rows.values()}
    if len(counts) != 1:
        raise InputError(f"a scene's frame needs some input, as many rows of each; got {counts}")
    frames = counts.pop()
    places = Places(frames, len(scene.objects))

    def bodies(name: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Links, fingertips and wrists of a configuration, NaN where there is none."""
        if name in rows:
            found = rig.poses(rows[name])
        else:
            found = np.full((frames, links + _TIPS + 2, 4, 4), np.nan)
        return found[:, :links], found[:, links:-2, :3, 3], found[:, -2:]

    recorded, own_tips, own_wrists = bodies("qpos")
    back, reached, _ = bodies("returned")
    wanted = rows["targets"].reshape(frames, _TIPS, 3) if "targets" in rows else own_tips
    reached = np.where(np.isfinite(wanted), reached, np.nan)  # no error to colour it by
    wrists = rows.get("wrists", own_wrists)
    human = rows["T_world_mano"] if "T_world_mano" in rows else human_wrists(rig.robot, wrists)
    vertices, known = skin(rig, rows.get("pca"), frames)
    places.put(recorded)
    places.put(back)
    places.put(np.where(known[..., None, None], robot_wrists(rig.robot, human), np.nan))
    places.put_points(wanted)
    places.put_points(reached)
    error, lengths = places.put_lines(wanted, reached)
    places.put(wrists)
    places.put(human)

    fine = np.full((frames, len(SIDES)), int(Status.OK))
    hand_status, arm_status = rows.get("hand_status", fine), rows.get("arm_status", fine)
    poses, visible = places.finish()
    level = error_rows(error, scene.error_max_m)
    moved = [(hand_status if by_hand else arm_status)[:, side] for side, by_hand in rig.movers]
    tints = [human_rows(severer(hand_status, arm_status)), returned_rows(np.array(moved).T)]
    return FrameState(
        poses=poses,
        visible=visible,
        vertices=vertices,
        colours=np.concatenate([level, level, *tints], axis=1),
        lengths=lengths.astype(np.float32),
        error_m=error.reshape(frames, 2, 5),
        hand_status=hand_status,
        arm_status=arm_status,
    )


def field_shapes(joints: int, components: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the arguments of `frame_state` for n joints and K coefficients."""
    return {
        "qpos": (joints,),
        "returned": (joints,),
        "pca": (2, components),
        "T_world_mano": (2, 4, 4),
        "targets": (2, 5, 3),
        "wrists": (2, 4, 4),
        "hand_status": (2,),
        "arm_status": (2,),
    }


def checked_rows(name: str, rows: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """A copy of an argument of `frame_states`, each of its rows of a shape; `Status` as integers.

    Raises:
        InputError: a wrong shape, or rows that are no numbers, no rigid transforms or no `Status`.
    """
    try:
        array = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers of shape {shape}, got {rows!r}") from None
    if array.shape[1:] != shape:
        raise InputError(f"{name} must have shape {shape}, got {array.shape[1:]}")
    if name in _POSES:
        missing_poses(array, name)
    if not name.endswith("_status"):
        return array
    if not _STATUSES.issuperset(array.ravel().tolist()):  # of a few, as fast as it gets
        raise InputError(
            f"{name} must be `Status` values, 0 to {max(_STATUSES):d}, got {array.tolist()}"
        )
    return array.astype(np.int64)


def trip_fields(trip: RoundTrip, rows: slice | int) -> dict[str, Any]:
    """Rows of a round trip as `frame_states` takes them, or one row as `frame_state` does."""
    demo, human, robot = trip.demo, trip.human, trip.robot
    there = demo.valid[rows][..., None, None]
    return {
        "qpos": demo.qpos[rows],
        "returned": robot.qpos[rows],
        "pca": human.pca[rows],
        "T_world_mano": np.where(there, human.T_world_mano[rows], np.nan),
        "targets": np.where(there, demo.fingertips[rows], np.nan),
        "wrists": np.where(there, demo.T_world_wrist[rows], np.nan),
        "hand_status": robot.hand_status[rows],
        "arm_status": robot.arm_status[rows],
    }


class Places:
    """Poses of all objects, filled in the order of `Scene.objects`."""

    def __init__(self, frames: int, objects: int) -> None:
        self._rotation = np.empty((frames, objects, 3, 3))
        self._position = np.empty((frames, objects, 3))
        self._lines = slice(0)
        self._line_quats = np.zeros((frames, 0, 4))
        self._next = 0

    def put(self, T: FloatArray) -> None:
        """Objects with poses (T, n, 4, 4)."""
        rows = self._take(T.shape[1])
        self._rotation[:, rows], self._position[:, rows] = T[..., :3, :3], T[..., :3, 3]

    def put_points(self, points: FloatArray) -> None:
        """Objects at points (T, n, 3), not turned."""
        rows = self._take(points.shape[1])
        self._rotation[:, rows], self._position[:, rows] = np.eye(3), points

    def put_lines(self, start: FloatArray, end: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lines along z between points (T, n, 3); the distance, and the length to draw."""
        rows = self._take(start.shape[1])
        along = end - start
        distance = np.linalg.norm(along, axis=-1)
        length = np.where(distance > SHORTEST, distance, SHORTEST)
        x, y, z = np.moveaxis(along / length[..., None], -1, 0)
        # the shortest turn from z to the direction; half a turn about x where that is undefined
        quat = np.stack([-y, x, np.zeros_like(x), 1.0 + z], axis=-1)
        norm = np.linalg.norm(quat, axis=-1, keepdims=True)
        quat = np.where(norm > 1e-6, quat / np.where(norm > 1e-6, norm, 1.0), [1.0, 0.0, 0.0, 0.0])
        self._rotation[:, rows], self._position[:, rows] = np.eye(3), start
        self._position[:, rows][~np.isfinite(end)] = np.nan
        self._lines, self._line_quats = rows, quat
        return distance, length

    def finish(self) -> tuple[NDArray[np.float32], BoolArray]:
        """Rows ``x y z qx qy qz qw``, the identity's where there is no pose; where there is one."""
        whole = np.isfinite(self._rotation).all(axis=(-2, -1))
        seen = np.asarray(np.isfinite(self._position).all(axis=-1) & whole)
        rotation = np.where(seen[..., None, None], self._rotation, np.eye(3))
        out = np.empty((*seen.shape, 7), dtype=np.float32)
        out[..., :3] = np.where(seen[..., None], self._position, 0.0)
        out[..., 3:] = np.roll(quat_wxyz_from_rotation(rotation), -1, axis=-1)
        out[:, self._lines, 3:] = self._line_quats
        out[~seen, 3:] = _UNTURNED
        return out, seen

    def _take(self, count: int) -> slice:
        rows = slice(self._next, self._next + count)
        self._next = rows.stop
        return rows


def skin(rig: Rig, pca: FloatArray | None, frames: int) -> tuple[NDArray[np.float32], BoolArray]:
    """Vertices (T, 2, V, 3), at rest where the coefficients are missing, and where they are not."""
    if pca is None:
        known = np.zeros((frames, 2), dtype=np.bool_)
        return np.broadcast_to(rig.rest, (frames, *rig.rest.shape)).astype(np.float32), known
    known = np.asarray(np.isfinite(pca).all(axis=-1))
    posed = rig.skin(np.where(known[..., None], pca, 0.0))
    return np.where(known[..., None, None], posed, rig.rest).astype(np.float32), known
