"""Human motion files: both hands' poses over time, and what gives the numbers their meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.checks import are_rigid, missing_poses
from retarget.core.errors import FileError, InputError
from retarget.core.geometry import transform_inverse
from retarget.core.hdf5 import (
    attribute,
    first_frame,
    matrix,
    names,
    require_dataset,
    text,
    whole_number,
)
from retarget.core.hdf5_file import HDF5File
from retarget.core.hdf5_streams import HDF5Reader, HDF5Writer
from retarget.core.types import (
    FINGERS,
    SIDES,
    BoolArray,
    Calibration,
    Demo,
    FloatArray,
    HumanMotion,
    IntArray,
    Status,
)
from retarget.data.file_attributes import (
    frame_rate,
    read_versions,
    require_camera,
    require_hand,
    require_rate,
    software_versions,
)
from retarget.data.file_kind import FileKind, file_kind, require_format
from retarget.data.peak_speeds import PeakSpeeds
from retarget.human.keypoints import KEYPOINT_COUNT
from retarget.human.user import User

if TYPE_CHECKING:
    from retarget.mapping.fitter import MANOFitter
    from retarget.robot.robot import Robot

_POSES = {1: "T_world_wrist", 2: "T_world_mano"}  # what each version calls the wrist poses
_OPTIONAL = ("residual", "iterations", "status")
_INTEGERS = ("iterations", "status")
_HANDS = len(SIDES)
_FARTHEST, _WALKED = 20.0, 1000.0  # [m] from the origin; people with cameras walk
_PATH = "T_world_camera"  # of a camera that moves
_SEEN = "seen"  # keypoints as a person's tracker had them
_FRAMES = ("world", "camera", "wrist")


@dataclass(frozen=True)
class HumanFileInfo:
    """Attributes of a human motion file.

    Attributes:
        rate: frames per second [Hz].
        hand: hash of the hand model that gives the coefficients their meaning.
        components: number of coefficients K.
        robot: name of the robot the motion came from, "" where unknown.
        robot_hash: hash of its kinematics, "" where unknown.
        calibrations: left and right, robot hand to human hand; None where unknown.
        camera: name of the camera of ``T_camera_mano``, "" where there is none.
        T_camera_world: (4, 4) environment frame to that camera's OpenCV frame [m]; None without a
            camera, or where it moves: the file then has its path, ``T_world_camera``.
        frame: what the wrists are in: "world"; of people also "camera", or "wrist" where they are
            known only relative to themselves.
        body_joints: the m joints that are neither arm nor hand, in the order of ``body_qpos``.
        source: the demonstration it was made from, "" where unknown.
        start: index of the first frame within the source.
        sim: the source was recorded in simulation.
        speeds: largest speeds of the recording, left and right; None where unknown.
        user: the person whose hands these are; None of motion that came from a robot.
        versions: of the software that wrote the file, by package.
    """

    rate: float
    hand: str
    components: int
    robot: str = ""
    robot_hash: str = ""
    calibrations: tuple[Calibration, Calibration] | None = None
    camera: str = ""
    T_camera_world: FloatArray | None = None
    frame: str = "world"
    body_joints: tuple[str, ...] = ()
    source: str = ""
    start: int = 0
    sim: bool = True
    speeds: tuple[PeakSpeeds, PeakSpeeds] | None = None
    user: User | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def fitted_points(self) -> int:
        """Points a hand that residuals are of: a person's keypoints, or a robot's fingertips."""
        return len(FINGERS) if self.user is None else KEYPOINT_COUNT


def human_info(
    fitter: MANOFitter, demo: Demo, *, camera: str | None = "main", sim: bool = True
) -> HumanFileInfo:
    """What there is to say about a demonstration that a fitter turns into human motion.

    Args:
        fitter: gives robot, hand model, components and calibration.
        demo: gives rate, source and first frame.
        camera: name of the robot's camera to express wrists in, or None.
        sim: the demonstration was recorded in simulation.

    Raises:
        InputError: the robot has no camera of that name.
    """
    robot = fitter.robot
    return HumanFileInfo(
        rate=demo.rate,
        hand=fitter.hand_hash,
        components=fitter.components,
        robot=robot.name,
        robot_hash=robot.hash,
        calibrations=fitter.calibrations,
        camera=camera or "",
        T_camera_world=None if camera is None else robot.camera(camera).T_camera_world,
        body_joints=body_joints(robot),
        source="" if demo.path is None else demo.path.name,
        start=demo.start,
        sim=sim,
        versions=software_versions(),
    )


def body_joints(robot: Robot) -> tuple[str, ...]:
    """The robot's joints that are neither arm nor hand joints, in index order."""
    moved = {name for side in robot.sides for name in (*side.arm_joints, *side.hand_joints)}
    return tuple(name for name in robot.joint_names if name not in moved)


def is_of_person(path: str | Path) -> bool:
    """Whether a file is human motion of a person, rather than a robot's, or something else.

    Raises:
        FileError: the file cannot be read.
    """
    if file_kind(path) is not FileKind.HUMAN:
        return False
    with HumanReader(path) as reader:
        return reader.info.user is not None


def load_human(
    path: str | Path, *, hand: str | None = None, start: int = 0, stop: int | None = None
) -> tuple[HumanMotion, HumanFileInfo]:
    """Read a human motion file (docs/formats.md), or frames ``start`` to ``stop`` of it.

    Args:
        path: the HDF5 file.
        hand: hash of the hand model the coefficients should be of; any where None.
        start: first frame.
        stop: end of the frames (excluded); the end of the file where None.

    Raises:
        FileError: see `HumanReader`.
        InputError: the range is empty or leaves the file.
    """
    with HumanReader(path, hand=hand) as reader:
        return reader.read(start, stop), reader.info


def save_human(
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


class HumanReader(HDF5Reader):
    """A human motion file open for reading, in memory that does not grow with its length.

    Only ``pca`` and ``T_world_mano`` must be there, so that a policy's output can be written with
    little. Use it as a context manager.

    Args:
        path: an HDF5 file in the layout of docs/formats.md.
        hand: hash of the hand model the coefficients should be of; any where None.
        rate: frames per second [Hz], where the file's own is to be overruled.

    Attributes:
        path: the file.
        frames: number of frames T.
        rate: frames per second [Hz].
        info: what the numbers mean and where they come from.

    Raises:
        FileError: the file cannot be read, is not of this format or of a version this library does
            not know, or is of another hand model.
        InputError: ``rate`` is not positive.
    """

    info: HumanFileInfo

    def __init__(
        self, path: str | Path, *, hand: str | None = None, rate: float | None = None
    ) -> None:
        self._hand, self._given_rate = hand, rate
        super().__init__(path)

    def read(self, start: int = 0, stop: int | None = None) -> HumanMotion:
        """Frames ``start`` to ``stop`` (excluded; the end where None).

        Where a hand's coefficients or pose are NaN its status is MISSING_INPUT. Residuals that the
        file lacks are NaN, iterations 0, statuses OK.

        Raises:
            InputError: the range is empty or leaves the file.
            FileError: a number is infinite, a pose is not rigid or too far away, a status unknown.
        """
        start, stop = self._range(start, stop)
        pca = self._file.rows("pca", start, stop)
        poses = self._file.rows(self._poses, start, stop)
        lost: BoolArray = np.asarray(
            np.isnan(pca).any(axis=-1) | np.isnan(poses).any(axis=(-2, -1))
        )
        infinite = np.asarray(np.isinf(pca).any(axis=-1))
        self._refuse(infinite, "pca", start, "has an infinite coefficient")
        self._check_poses(poses, lost, start)
        iterations = self._optional("iterations", start, stop, np.zeros((stop - start, _HANDS)))
        no_residual = np.full((stop - start, _HANDS, self.info.fitted_points), np.nan)
        return HumanMotion(
            pca=np.where(lost[..., None], np.nan, pca),
            T_world_mano=np.where(lost[..., None, None], np.nan, poses),
            residual=self._optional("residual", start, stop, no_residual),
            iterations=iterations.astype(np.int64),
            status=self._status(start, stop, lost),
            hand=self.info.hand,
        )

    @property
    def camera_moves(self) -> bool:
        """The file has the path of a camera."""
        return _PATH in self._file

    def read_camera(self, start: int = 0, stop: int | None = None) -> FloatArray:
        """``T_world_camera`` (T, 4, 4) in frames ``start`` to ``stop`` [m]; NaN where not known.

        Raises:
            InputError: the range is empty or leaves the file.
            FileError: there is none, or a pose is not rigid.
        """
        start, stop = self._range(start, stop)
        if not self.camera_moves:
            raise FileError(self.path, f"has no {_PATH!r}: no camera moves", key=_PATH)
        T = self._file.rows(_PATH, start, stop)
        known: BoolArray = np.asarray(np.isfinite(T).all(axis=(-2, -1)))
        wrong = known & ~are_rigid(np.where(known[:, None, None], T, np.eye(4)))
        frame = first_frame(wrong[:, None])
        if frame is not None:
            raise FileError(
                self.path,
                f"{_PATH!r} frame {start + frame} is not a rigid transform",
                key=_PATH,
                frame=start + frame,
            )
        return np.where(known[:, None, None], T, np.nan)

    def read_seen(self, start: int = 0, stop: int | None = None) -> FloatArray | None:
        """A person's keypoints as they were seen, (T, 2, 21, 3) [m], NaN where missing, or None.

        Raises:
            InputError: the range is empty or leaves the file.
            FileError: a coordinate is infinite.
        """
        start, stop = self._range(start, stop)
        if _SEEN not in self._file:
            return None
        seen = self._file.rows(_SEEN, start, stop)
        infinite: BoolArray = np.asarray(np.isinf(seen).any(axis=(-2, -1)))
        self._refuse(infinite, _SEEN, start, "has an infinite coordinate")
        return seen

    def read_body(self, start: int = 0, stop: int | None = None) -> FloatArray:
        """Positions of ``info.body_joints`` in frames ``start`` to ``stop``, (T, m) [rad].

        Raises:
            InputError: the range is empty or leaves the file.
            FileError: a position is not finite.
        """
        start, stop = self._range(start, stop)
        if not self.info.body_joints:
            return np.zeros((stop - start, 0))
        body = self._file.rows("body_qpos", start, stop)
        frame = first_frame(~np.isfinite(body))
        if frame is not None:
            joint = self.info.body_joints[int(np.argmax(~np.isfinite(body[frame])))]
            raise FileError(
                self.path,
                f"'body_qpos' frame {start + frame}, joint {joint!r} is not finite",
                key="body_qpos",
                frame=start + frame,
            )
        return body

    def blocks(self, size: int = 4096) -> Iterator[tuple[HumanMotion, FloatArray]]:
        """Motion and body positions of all frames, in consecutive blocks of at most ``size``.

        Raises:
            InputError: ``size`` is not positive.
            FileError: see `read`.
        """
        for start, stop in self._block_ranges(size):
            yield self.read(start, stop), self.read_body(start, stop)

    def _open(self) -> None:
        version = require_format(self._file, FileKind.HUMAN, tuple(_POSES))
        self._poses = _POSES[version]
        self.info = _read_info(self._file, self._given_rate)
        self.rate = self.info.rate
        self.frames = self._check_structure()
        require_hand(self._file, self.info.hand, self._hand)

    def _check_structure(self) -> int:
        """Shapes, types and lengths of the datasets that are there; the number of frames."""
        frames = require_dataset(self._file, "pca", (None, _HANDS, self.info.components))[0]
        if frames == 0:
            raise FileError(self.path, "holds no frames", key="pca")
        shapes: dict[str, tuple[int | None, ...]] = {
            self._poses: (None, _HANDS, 4, 4),
            "residual": (None, _HANDS, self.info.fitted_points),
            "iterations": (None, _HANDS),
            "status": (None, _HANDS),
        }
        if self.info.body_joints:
            shapes["body_qpos"] = (None, len(self.info.body_joints))
        if _PATH in self._file:
            shapes[_PATH] = (None, 4, 4)
        if _SEEN in self._file:
            shapes[_SEEN] = (None, _HANDS, KEYPOINT_COUNT, 3)
        for key, shape in shapes.items():
            if key in _OPTIONAL and key not in self._file:
                continue
            rows = require_dataset(self._file, key, shape, integer=key in _INTEGERS)[0]
            if rows != frames:
                raise FileError(
                    self.path,
                    f"{key!r} has {rows} frames, but 'pca' has {frames}",
                    key=key,
                    frames=rows,
                    expected=frames,
                )
        return frames

    def _check_poses(self, poses: FloatArray, lost: BoolArray, start: int) -> None:
        known = np.where(lost[..., None, None], np.eye(4), poses)
        self._refuse(~are_rigid(known), self._poses, start, "is not a rigid transform")
        farthest = _FARTHEST if self.info.user is None else _WALKED
        far = ~(np.abs(known[..., :3, 3]).max(axis=-1) <= farthest)
        said = f"lies farther than {farthest:g} m from the origin (are these millimetres?)"
        self._refuse(far, self._poses, start, said)

    def _status(self, start: int, stop: int, lost: BoolArray) -> IntArray:
        stored = self._optional("status", start, stop, np.zeros(lost.shape)).astype(np.int64)
        known = np.isin(stored, [int(status) for status in Status])
        self._refuse(~known, "status", start, "holds a number that is no status")
        return np.where(lost, int(Status.MISSING_INPUT), stored)

    def _optional(self, key: str, start: int, stop: int, default: FloatArray) -> FloatArray:
        return self._file.rows(key, start, stop) if key in self._file else default

    def _refuse(self, bad: BoolArray, key: str, start: int, said: str) -> None:
        """Raise where anything of a mask (T, 2) is set."""
        frame = first_frame(bad)
        if frame is not None:
            side = SIDES[int(np.argmax(bad[frame]))]
            raise FileError(
                self.path,
                f"{key!r} frame {start + frame}, {side} hand, {said}",
                key=key,
                frame=start + frame,
            )


class HumanWriter(HDF5Writer):
    """A human motion file being written, block by block, in memory that does not grow.

    Use it as a context manager: the file appears at ``path`` when the block ends well, and nothing
    does when it raises.

    Args:
        path: the file to write; one that is there is replaced at the end.
        info: what the numbers mean and where they come from.

    Raises:
        InputError: the rate is not positive, or the camera's pose no rigid transform.
        FileError: the file cannot be written there.
    """

    def __init__(self, path: str | Path, info: HumanFileInfo) -> None:
        require_rate(info.rate)
        require_camera(info.T_camera_world)
        super().__init__(path)
        self._info = info

    def append(
        self,
        motion: HumanMotion,
        *,
        keypoints: FloatArray | None = None,
        body_qpos: FloatArray | None = None,
        T_world_camera: FloatArray | None = None,
        seen: FloatArray | None = None,
    ) -> None:
        """Write the next frames.

        Args:
            motion: (T, 2, ...) human motion of the hand model and components of the file.
            keypoints: (T, 2, 21, 3) in the environment frame [m].
            body_qpos: (T, m) positions of ``info.body_joints`` [rad]; needed where there are any.
            T_world_camera: (T, 4, 4) where a camera that moves is [m], NaN where that is not known.
            seen: (T, 2, 21, 3) a person's keypoints as they were seen [m], NaN where missing.

        Raises:
            InputError: shapes, hand model or components do not fit the file, or a wrist is no rigid
                transform.
        """
        optional = {"keypoints": keypoints, _PATH: T_world_camera, _SEEN: seen}
        frames = self._check(motion, body_qpos, optional)
        self._extend("pca", motion.pca)
        self._extend("T_world_mano", motion.T_world_mano)
        if self._info.T_camera_world is not None:
            self._extend("T_camera_mano", self._info.T_camera_world @ motion.T_world_mano)
        if T_world_camera is not None:
            self._extend(_PATH, T_world_camera)
            finite: BoolArray = np.asarray(np.isfinite(T_world_camera).all(axis=(-2, -1)))
            known = finite[:, None, None]
            to_camera = transform_inverse(np.where(known, T_world_camera, np.eye(4)))[:, None]
            here = np.where(known[:, None], to_camera @ motion.T_world_mano, np.nan)
            self._extend("T_camera_mano", here)
        if keypoints is not None:
            self._extend("keypoints", keypoints)
        if seen is not None:
            self._extend(_SEEN, seen)
        self._extend("residual", motion.residual)
        self._extend("iterations", motion.iterations.astype(np.int32))
        self._extend("status", motion.status.astype(np.uint8))
        self._extend("valid", motion.status != Status.MISSING_INPUT)
        if body_qpos is not None and self._info.body_joints:
            self._extend("body_qpos", body_qpos)
        self._frames += frames

    def _check(
        self,
        motion: HumanMotion,
        body_qpos: FloatArray | None,
        optional: dict[str, FloatArray | None],
    ) -> int:
        if motion.hand != self._info.hand:
            raise InputError(
                f"motion is of hand model {motion.hand}, the file of {self._info.hand}",
                hand=motion.hand,
            )
        frames = motion.pca.shape[0] if motion.pca.ndim else 0
        joints = len(self._info.body_joints)
        points = (frames, _HANDS, KEYPOINT_COUNT, 3)
        wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
            "pca": (motion.pca, (frames, _HANDS, self._info.components)),
            "T_world_mano": (motion.T_world_mano, (frames, _HANDS, 4, 4)),
            "residual": (motion.residual, (frames, _HANDS, self._info.fitted_points)),
            "iterations": (motion.iterations, (frames, _HANDS)),
            "status": (motion.status, (frames, _HANDS)),
            **{name: (optional[name], points) for name in ("keypoints", _SEEN)},
            "body_qpos": (body_qpos, (frames, joints)),
            _PATH: (optional[_PATH], (frames, 4, 4)),
        }
        for name, (array, shape) in wanted.items():
            if array is None and (name in optional or joints == 0):
                continue
            if array is None or array.shape != shape:
                got = "none" if array is None else array.shape
                raise InputError(f"{name} must have shape {shape}, got {got}")
        known = np.isfinite(motion.pca).all(axis=-1)
        missing_poses(motion.T_world_mano, "T_world_mano", np.asarray(known))
        for name, given in optional.items():
            if self._frames and (given is None) == (name in self._file):
                raise InputError(f"{name} must be in every block of a file, or in none")
        camera = optional[_PATH]
        if camera is not None:
            if self._info.T_camera_world is not None:
                raise InputError("a camera stands still or moves: T_camera_world, T_world_camera")
            missing_poses(camera, _PATH)
        return frames

    def _finish(self) -> None:
        self._file["status"].attrs["names"] = [status.label for status in Status]
        _write_info(self._file, self._info)


def _read_info(file: HDF5File, rate: float | None) -> HumanFileInfo:
    return HumanFileInfo(
        rate=frame_rate(file, rate).hz,
        hand=attribute(file, "hand", text),
        components=attribute(file, "components", whole_number),
        robot=attribute(file, "robot", text, ""),
        robot_hash=attribute(file, "robot_hash", text, ""),
        calibrations=attribute(file, "calibration", _calibrations, None),
        camera=attribute(file, "camera", text, ""),
        T_camera_world=attribute(file, "T_camera_world", matrix, None),
        frame=attribute(file, "frame", _frame, "world"),
        body_joints=attribute(file, "body_joints", names, ()),
        source=attribute(file, "source", text, ""),
        start=attribute(file, "start", whole_number, 0),
        sim=attribute(file, "sim", bool, True),
        speeds=attribute(file, "peak_speeds", _speeds, None),
        user=attribute(file, "user", _user, None),
        versions=attribute(file, "versions", read_versions, {}),
    )


def _write_info(file: Any, info: HumanFileInfo) -> None:
    """Set the attributes of an open file."""
    attrs = file.attrs
    attrs["format"], attrs["version"] = FileKind.HUMAN.value, max(_POSES)
    attrs["rate"] = info.rate
    attrs["hand"], attrs["components"] = info.hand, info.components
    attrs["robot"], attrs["robot_hash"] = info.robot, info.robot_hash
    attrs["camera"] = info.camera
    if info.T_camera_world is not None:
        attrs["T_camera_world"] = info.T_camera_world
    if info.calibrations is not None:
        attrs["calibration"] = json.dumps(
            {
                side: {
                    "scale": float(calibration.scale),
                    "rotation": np.asarray(calibration.rotation).tolist(),
                    "translation": np.asarray(calibration.translation).tolist(),
                }
                for side, calibration in zip(SIDES, info.calibrations, strict=True)
            }
        )
    if info.frame != "world":
        attrs["frame"] = info.frame
    attrs["body_joints"] = list(info.body_joints) or np.zeros(0, dtype="S1")
    attrs["source"], attrs["start"] = info.source, info.start
    attrs["sim"] = info.sim
    if info.speeds is not None:
        named = zip(SIDES, map(asdict, info.speeds), strict=True)
        attrs["peak_speeds"] = json.dumps(dict(named))
    if info.user is not None:
        attrs["user"] = json.dumps(info.user.as_table())
    attrs["versions"] = json.dumps(info.versions, sort_keys=True)


def _speeds(value: Any) -> tuple[PeakSpeeds, PeakSpeeds]:
    table = json.loads(text(value))
    left, right = (
        PeakSpeeds(**{part.name: float(table[side][part.name]) for part in fields(PeakSpeeds)})
        for side in SIDES
    )
    return left, right


def _frame(value: Any) -> str:
    found = text(value)
    if found not in _FRAMES:
        raise ValueError(f"must be one of {', '.join(_FRAMES)}, got {found!r}")
    return found


def _user(value: Any) -> User:
    try:
        return User.from_table(json.loads(text(value)))
    except InputError as error:
        raise ValueError(str(error)) from error


def _calibrations(value: Any) -> tuple[Calibration, Calibration]:
    table = json.loads(text(value))
    left, right = (
        Calibration(
            scale=float(table[side]["scale"]),
            rotation=np.array(table[side]["rotation"], dtype=np.float64).reshape(3),
            translation=np.array(table[side]["translation"], dtype=np.float64).reshape(3),
        )
        for side in SIDES
    )
    return left, right
