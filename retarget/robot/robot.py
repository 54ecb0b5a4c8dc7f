"""A robot with two arms and hands: joints by name, mimic relations, limits, forward kinematics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.errors import InputError, ModelError
from retarget.core.geometry import transform_inverse
from retarget.core.resources import resource
from retarget.core.types import FloatArray, IntArray, side_index
from retarget.robot.kinematics import Kinematics, frame_id
from retarget.robot.map_settings import MapSettings
from retarget.robot.model import kinematic_hash, limits, load_model
from retarget.robot.spec import Camera, HandSide, load_robot_spec
from retarget.robot.urdf import URDF

if TYPE_CHECKING:
    import pinocchio


@dataclass(frozen=True, eq=False)
class Robot:
    """A two-armed robot with two hands: facts from ``robot.toml``, kinematics from its URDF.

    Made by `Robot.load`. n joints in all, a arm joints, h hand joints and m active ones a side.

    Attributes:
        name: the robot's name.
        path: the folder of its ``robot.toml``.
        urdf_path: the URDF read.
        joint_names: the n joints of qpos, in index order.
        held: positions of joints that do not move, by name [rad].
        T_world_base: (4, 4) pose of the model's root in the environment frame [m].
        rate: frames per second of recordings [Hz].
        task_rates: the same for the tasks that differ, by name [Hz].
        cameras: cameras that stand still in the environment frame, by name.
        sides: left, right.
        model: the `pinocchio.Model` of the n joints, every other joint held; not to be changed.
        hash: fingerprint of the kinematics, equal for the same robot written in another file.
        lower: (n,) position limits [rad].
        upper: (n,) position limits [rad].
        velocity_limits: (n,) [rad/s]; infinite where the URDF has 0 or none, which is unknown.
        map_settings: how its hands follow a person's.
    """

    name: str
    path: Path
    urdf_path: Path
    joint_names: tuple[str, ...]
    held: Mapping[str, float]
    T_world_base: FloatArray
    rate: float
    task_rates: Mapping[str, float]
    cameras: Mapping[str, Camera]
    sides: tuple[HandSide, HandSide]
    model: pinocchio.Model
    hash: str
    lower: FloatArray
    upper: FloatArray
    velocity_limits: FloatArray
    map_settings: MapSettings

    @classmethod
    def load(cls, name_or_dir: str | Path = "h1_inspire", urdf: str | Path | None = None) -> Robot:
        """Load a robot.

        Args:
            name_or_dir: a robot that comes with the library, a folder holding a ``robot.toml``, or
                that file.
            urdf: a URDF to take instead of the robot's own: same joint and link names; meshes may
                be missing, paths may begin with ``package://``.

        Raises:
            ModelError: a file is missing or holds what it should not; file and key are named.
        """
        folder = _folder(name_or_dir)
        spec = load_robot_spec(folder / "robot.toml")
        urdf_path = spec.urdf if urdf is None else Path(urdf)
        model = load_model(spec, URDF.read(urdf_path))
        T_root_base = Kinematics(model, (), (spec.base_link,)).forward(np.zeros(0))[0]
        T_world_base = spec.T_world_base_link @ transform_inverse(T_root_base)
        T_world_base.setflags(write=False)
        lower, upper, velocity = limits(model, spec.joint_names)
        robot = cls(
            name=spec.name,
            path=folder,
            urdf_path=urdf_path,
            joint_names=spec.joint_names,
            held=spec.held,
            T_world_base=T_world_base,
            rate=spec.rate,
            task_rates=spec.task_rates,
            cameras=spec.cameras,
            sides=spec.sides,
            model=model,
            hash=kinematic_hash(model, spec),
            lower=lower,
            upper=upper,
            velocity_limits=velocity,
            map_settings=spec.map_settings,
        )
        robot._check_limits(spec.path)
        return robot

    @classmethod
    def of(cls, robot: Robot | str | Path) -> Robot:
        """The robot itself, or what `load` reads by that name or folder."""
        return robot if isinstance(robot, Robot) else cls.load(robot)

    def __repr__(self) -> str:
        return f"<Robot {self.name}: {len(self.joint_names)} joints, hash {self.hash}>"

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth saying of the robot's files: velocity limits that nobody knows."""
        unknown = [
            name
            for name, limit in zip(self.joint_names, self.velocity_limits, strict=True)
            if not np.isfinite(limit)
        ]
        if not unknown:
            return ()
        named = ", ".join(unknown[:3]) + (" and others" if len(unknown) > 3 else "")
        joints = "joint" if len(unknown) == 1 else "joints"
        return (
            f"{self.urdf_path}: no velocity limit, or 0, of {len(unknown)} {joints} ({named}); "
            "taken as unknown: their speeds are not judged",
        )

    def side(self, side: str | int) -> HandSide:
        """The arm and hand of a side: ``"left"``, ``"right"``, 0 or 1.

        Raises:
            InputError: there is no such side.
        """
        return self.sides[side_index(side)]

    def camera(self, name: str = "main") -> Camera:
        """A camera that stands still.

        Raises:
            InputError: the robot has no camera of that name.
        """
        if name not in self.cameras:
            known = ", ".join(self.cameras) or "none"
            raise InputError(f"{self.name} has no camera {name!r}; it has: {known}", value=name)
        return self.cameras[name]

    def indices(self, names: Sequence[str]) -> IntArray:
        """Positions of joints in qpos.

        Raises:
            InputError: the robot has no joint of that name.
        """
        place = {name: k for k, name in enumerate(self.joint_names)}
        unknown = [name for name in names if name not in place]
        if unknown:
            raise InputError(
                f"no joint named {unknown[0]!r}; the robot has {', '.join(self.joint_names)}",
                value=unknown,
            )
        return np.array([place[name] for name in names], dtype=np.int64)

    def expand_hand(self, side: str | int, active: ArrayLike) -> FloatArray:
        """All joints of a hand from its active ones, by the exact mimic relations.

        Args:
            side: the hand.
            active: (..., m) positions of ``active_joints`` [rad].

        Returns:
            (..., h) positions of ``hand_joints`` [rad].
        """
        hand = self.side(side)
        q = np.asarray(active, dtype=np.float64)
        if q.ndim == 0 or q.shape[-1] != len(hand.active_joints):
            wanted = len(hand.active_joints)
            raise InputError(f"active must have shape (..., {wanted}), got {q.shape}")
        # not `mimic @ q`: a NaN in one finger would reach all
        return np.asarray(q[..., hand.mimic_source] * hand.mimic_multiplier + hand.mimic_offset)

    def hand_limits(self, side: str | int) -> tuple[FloatArray, FloatArray]:
        """Limits of a hand's active joints within which no passive joint leaves its own.

        Returns:
            lower and upper, (m,) each [rad].
        """
        hand = self.side(side)
        rows = self.indices(hand.hand_joints)
        lower = np.full(len(hand.active_joints), -np.inf)
        upper = -lower
        ends = np.stack([self.lower[rows], self.upper[rows]]) - hand.mimic_offset
        ends = np.sort(ends / hand.mimic_multiplier, axis=0)  # a negative multiplier swaps them
        np.maximum.at(lower, hand.mimic_source, ends[0])
        np.minimum.at(upper, hand.mimic_source, ends[1])
        return lower, upper

    def hand_tips(self, side: str | int, active: ArrayLike) -> FloatArray:
        """Fingertips in the wrist frame: active joints (..., m) [rad] -> (..., 5, 3) [m]."""
        return self.hand_kinematics(side).positions(self.expand_hand(side, active))

    def hand_tips_jacobian(self, side: str | int, active: ArrayLike) -> FloatArray:
        """Derivative of `hand_tips` by the active joints: (..., m) -> (..., 5, 3, m) [m/rad]."""
        full = self.hand_kinematics(side).jacobian(self.expand_hand(side, active))
        return np.asarray(full[..., :3, :] @ self.side(side).mimic)

    def forward(self, qpos: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Wrists and fingertips of a whole-robot configuration.

        Args:
            qpos: (..., n) joint positions in index order [rad]; passive joints are taken as they
                are, not from the mimic relations.

        Returns:
            ``T_world_wrist`` (..., 2, 4, 4) and fingertips (..., 2, 5, 3), both in the environment
            frame [m].
        """
        wrists, tips = self._whole.poses_and_positions(qpos, len(self.sides))
        return wrists, tips.reshape(*tips.shape[:-2], 2, 5, 3)

    def arm_kinematics(self, side: str | int) -> Kinematics:
        """The arm joints to the wrist frame, in the frame of the model's root."""
        return self._arms[side_index(side)]

    def arm_bases_moved(self, qpos: FloatArray) -> FloatArray | None:
        """How the joints that carry the arms have moved them, from where they stand at zero.

        Args:
            qpos: (..., n) joint positions in index order [rad].

        Returns:
            (..., 2, 4, 4) in the environment frame: a wrist is where it would be with those joints
            at zero, moved by this. None where all of them are at zero, or there are none.
        """
        if not qpos[..., self._carrying].any():
            return None
        moved = np.broadcast_to(np.eye(4), (*qpos.shape[:-1], len(self.sides), 4, 4)).copy()
        for k, carrier in enumerate(self._carriers):
            if carrier is not None:
                zero = self.T_world_base @ carrier.forward(np.zeros(len(carrier.joints)))[0]
                here = carrier.forward(qpos[..., self.indices(carrier.joints)])[..., 0, :, :]
                moved[..., k, :, :] = self.T_world_base @ here @ transform_inverse(zero)
        return moved

    def hand_kinematics(self, side: str | int) -> Kinematics:
        """All hand joints, mimic ones too, to the fingertips, in the wrist frame."""
        return self._hands[side_index(side)]

    @cached_property
    def hand_hash(self) -> str:
        """Fingerprint of the hands below their wrist frames, 16 hexadecimal digits.

        What a network or a calibration of the hands depends on: where joints and fingertips are (to
        1e-6), axes, mimic relations, limits of the active joints, and the axes of the human wrist;
        whatever the joints are called and whatever arms the hands are on.
        """

        def whole(values: FloatArray) -> list[int]:
            bounded = np.clip(np.ravel(values), -1e3, 1e3)  # endless joints have limits, too
            return [int(step) for step in np.rint(bounded / 1e-6)]

        facts: list[Any] = []
        for side in self.sides:
            kinematics = self.hand_kinematics(side.index)
            for frame in side.fingertip_frames:
                chain = kinematics.chain(frame)
                columns = [mover.column for mover in chain.movers]
                facts.append([whole(mover.placement) for mover in chain.movers])
                facts.append([whole(mover.axis) for mover in chain.movers])
                facts.append(
                    [
                        np.asarray(side.mimic_source)[columns].tolist(),
                        whole(side.mimic_multiplier[columns]),
                        whole(side.mimic_offset[columns]),
                        whole(chain.end),
                    ]
                )
            facts.append([whole(limit) for limit in self.hand_limits(side.index)])
            facts.append(whole(side.wrist_to_mano))
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    @cached_property
    def _whole(self) -> Kinematics:
        wrists = [side.wrist_frame for side in self.sides]
        tips = [tip for side in self.sides for tip in side.fingertip_frames]
        return Kinematics(
            self.model, self.joint_names, [*wrists, *tips], T_base_root=self.T_world_base
        )

    @cached_property
    def _arms(self) -> tuple[Kinematics, ...]:
        return tuple(Kinematics(self.model, s.arm_joints, (s.wrist_frame,)) for s in self.sides)

    @cached_property
    def _carriers(self) -> tuple[Kinematics | None, ...]:
        """Of each arm the joints between the root and it, to the last of them."""
        found: list[Kinematics | None] = []
        for side in self.sides:
            joints, joint = [], self.model.parents[self.model.getJointId(side.arm_joints[0])]
            last = self.model.names[joint]
            while joint > 0:
                joints.append(self.model.names[joint])
                joint = self.model.parents[joint]
            found.append(Kinematics(self.model, joints[::-1], (last,)) if joints else None)
        return tuple(found)

    @cached_property
    def _carrying(self) -> IntArray:
        joints = {name for carrier in self._carriers if carrier for name in carrier.joints}
        return self.indices(sorted(joints))

    @cached_property
    def _hands(self) -> tuple[Kinematics, ...]:
        return tuple(
            Kinematics(self.model, s.hand_joints, s.fingertip_frames, base=s.wrist_frame)
            for s in self.sides
        )

    def _check_limits(self, path: Path) -> None:
        for side in self.sides:
            lower, upper = self.hand_limits(side.index)
            for joint, low, high in zip(side.active_joints, lower, upper, strict=True):
                if not low < high:
                    raise ModelError(
                        path,
                        f"joint {joint!r} and those that mimic it have no common range in "
                        f"{self.urdf_path}",
                        key=f"sides.{side.side}.mimic",
                        value=(low, high),
                    )
            self._check_chain(path, side)
            rows = self.indices(side.arm_joints)
            posture = side.arm_posture
            if np.any((posture < self.lower[rows]) | (posture > self.upper[rows])):
                raise ModelError(
                    path,
                    f"key `sides.{side.side}.arm_posture` leaves the joint limits of "
                    f"{self.urdf_path}",
                    key=f"sides.{side.side}.arm_posture",
                    value=posture.tolist(),
                )

    def _check_chain(self, path: Path, side: HandSide) -> None:
        """Refuse an arm that is no chain of its joints, from the first one to the wrist frame."""
        model, key = self.model, f"sides.{side.side}.arm_joints"
        joint = model.frames[frame_id(model, side.wrist_frame)].parentJoint
        between = []
        while joint > 0:
            between.append(model.names[joint])
            joint = model.parents[joint]
        for name in side.arm_joints:
            if name not in between:
                said = f"names {name!r}, which does not move the wrist frame {side.wrist_frame!r}"
                raise ModelError(path, f"key `{key}` {said}", key=key, value=name)
            if model.joints[model.getJointId(name)].shortname().startswith("JointModelP"):
                said = f"names {name!r}, which slides: arms are of joints that turn"
                raise ModelError(path, f"key `{key}` {said}", key=key, value=name)
        first = max(between.index(name) for name in side.arm_joints)
        for name in between[:first]:
            if name not in side.arm_joints:
                said = (
                    f"lacks {name!r}, which moves the wrist frame {side.wrist_frame!r} and hangs "
                    f"on {between[first]!r}: name it there, or hold it (`held`)"
                )
                raise ModelError(path, f"key `{key}` {said}", key=key, value=name)


def _folder(name_or_dir: str | Path) -> Path:
    """Folder of a robot that comes with the library, else the folder named."""
    if isinstance(name_or_dir, str):
        shipped = resource("robots", name_or_dir)
        if (shipped / "robot.toml").is_file():
            return shipped
    folder = Path(name_or_dir)
    if folder.name == "robot.toml" and folder.is_file():
        folder = folder.parent
    if not (folder / "robot.toml").is_file():
        known = ", ".join(sorted(p.parent.name for p in resource("robots").glob("*/robot.toml")))
        raise ModelError(
            folder, f"no robot.toml there, and no robot of that name; the library has: {known}"
        )
    return folder
