"""Small files in the formats of trackers and human data sets, made of hands that are known."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from retarget.core.geometry import (
    pose_wxyz_from_transform,
    rot6d_from_rotation,
    rotation_from_rotvec,
    rotvec_from_rotation,
    transform,
    transform_inverse,
    transform_points,
)
from retarget.core.types import SIDES
from retarget.data.people.egodex import joint_names
from retarget.data.people.foreign_mano import mirrored_rotations
from retarget.data.people.frames import T_ZUP_YUP
from retarget.human.hand_model import MIRROR, HandModel, load_hands
from retarget.human.keypoint_layouts import from_mano21
from retarget.human.keypoints import KEYPOINT_NAMES, HandKeypoints

Floats = NDArray[np.float64]
FRAMES = 9
HANDS = load_hands()


@dataclass(frozen=True)
class Truth:
    """Hands in a world with z up over T frames, and a camera that moves.

    Attributes:
        pca: (T, 2, 45) coefficients, the first 15 not zero.
        pose: (T, 2, 45) rotation vectors, the mean included [rad].
        betas: (2, 10).
        rotation: (T, 2, 3, 3) of the roots.
        translation: (T, 2, 3) as smplx's, added to the posed model [m].
        root: (T, 2, 3) root joints [m].
        keypoints: (T, 2, 21, 3) [m].
        camera: (T, 4, 4) T_world_camera.
        hands: models of the left and the right hand.
    """

    pca: Floats
    pose: Floats
    betas: Floats
    rotation: Floats
    translation: Floats
    root: Floats
    keypoints: Floats
    camera: Floats
    hands: tuple[HandModel, HandModel] = HANDS

    @property
    def fingers(self) -> Floats:
        """(T, 2, 15, 3, 3) rotations of the joints."""
        return rotation_from_rotvec(self.pose.reshape(-1, 2, 15, 3))

    @property
    def rotvec(self) -> Floats:
        """(T, 2, 3) rotation vectors of the roots [rad]."""
        return rotvec_from_rotation(self.rotation)

    @property
    def mean(self) -> Floats:
        """(2, 45) mean pose of both hands [rad]."""
        return np.stack([hand.mean for hand in self.hands])


def truth(seed: int = 0, betas: bool = True, hands: tuple[HandModel, HandModel] = HANDS) -> Truth:
    rng = np.random.default_rng(seed)
    pca = np.zeros((FRAMES, 2, 45))
    pca[..., :15] = rng.normal(size=(FRAMES, 2, 15)) * hands[1].sigma[:15]
    shape = rng.normal(size=(2, 10)) * betas
    rotvec = rng.normal(size=(FRAMES, 2, 3))
    translation = rng.normal(scale=0.2, size=(FRAMES, 2, 3))
    poses, points = [], []
    for side, hand in enumerate(hands):
        layer = HandKeypoints(hand)
        poses.append(layer.pose(pca[:, side]))
        points.append(
            layer.keypoints(
                pose=poses[-1],
                betas=shape[side],
                orient=rotvec[:, side],
                translation=translation[:, side],
            )
        )
    keypoints = np.stack(points, axis=1)
    camera = transform(
        rotation_from_rotvec(rng.normal(size=(FRAMES, 3))), rng.normal(size=(FRAMES, 3))
    )
    return Truth(
        pca=pca,
        pose=np.stack(poses, axis=1),
        betas=shape,
        rotation=rotation_from_rotvec(rotvec),
        translation=translation,
        root=keypoints[:, :, 0],
        keypoints=keypoints,
        camera=camera,
        hands=hands,
    )


# --- data sets with MANO poses


def hot3d(folder: Path, t: Truth, *, copies: int = 2, head: bool = True) -> Path:
    """As an Aria headset gives it: each frame in several rows within 0.1 ms."""
    lines, rows = [], ["object_uid,timestamp[ns],t_wo_x[m],t_wo_y[m],t_wo_z[m],q_wo_w,q_wo_x,"]
    rows[0] += "q_wo_y,q_wo_z"
    poses = pose_wxyz_from_transform(transform(t.rotation, t.translation))
    heads = pose_wxyz_from_transform(t.camera)
    for k in range(FRAMES):
        stamps = [10**15 + 33_333_333 * k + 80_000 * copy for copy in range(copies)]
        hands = {
            str(side): {
                "pose": t.pca[k, side, :15].tolist(),
                "wrist_xform": {
                    "t_xyz": poses[k, side, :3].tolist(),
                    "q_wxyz": poses[k, side, 3:].tolist(),
                },
                "betas": t.betas[side].tolist(),
            }
            for side in (0, 1)
        }
        lines += [json.dumps({"timestamp_ns": s, "hand_poses": hands}) for s in stamps]
        rows.append(",".join(["1", str(stamps[0]), *(f"{x:.12f}" for x in heads[k])]))
    path = folder / "mano_hand_pose_trajectory.jsonl"
    path.write_text("\n".join(lines) + "\n")
    if head:
        (folder / "headset_trajectory.csv").write_text("\n".join(rows) + "\n")
    return path


def vitra(folder: Path, t: Truth, *, joints: bool = True, kept: Any = None) -> Path:
    """The left hand's joints as those of a mirrored right hand."""
    content: dict[str, Any] = {
        "extrinsics": transform_inverse(t.camera),
        "intrinsics": np.eye(3),
        "video_name": "v",
        "anno_type": "right",
        "text": {
            "left": [("Hold it.", (0, np.int64(0)))],
            "right": [("Pick it up.", (0, np.int64(9)))],
        },
        "avg_speed": np.float64(0.1),
    }
    for side, name in enumerate(SIDES):
        fingers = t.fingers[:, side]
        hand = {
            "beta": t.betas[side],
            "global_orient_worldspace": t.rotation[:, side],
            "hand_pose": mirrored_rotations(fingers) if side == 0 else fingers,
            "transl_worldspace": t.root[:, side],
            "kept_frames": np.ones(FRAMES, np.int64) if kept is None else kept[:, side],
            "max_translation_movement": None,
        }
        if joints:
            hand["joints_worldspace"] = t.keypoints[:, side]
        content[name] = hand
    path = folder / "episode.npy"
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    return path


def arctic(folder: Path, t: Truth) -> Path:
    content = {
        name: {
            "rot": t.rotvec[:, side],
            "pose": t.pose[:, side] - t.mean[side],
            "trans": t.translation[:, side],
            "shape": t.betas[side],
            "fitting_err": np.zeros(FRAMES),
        }
        for side, name in enumerate(SIDES)
    }
    path = folder / "box_grab_01.mano.npy"
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    return path


def taco(folder: Path, t: Truth) -> Path:
    for side, name in enumerate(SIDES):
        frames = {
            f"{k + 1:05d}": {
                "hand_pose": torch.tensor(np.concatenate([t.rotvec[k, side], t.pose[k, side]])),
                "hand_trans": torch.tensor(t.root[k, side]),
            }
            for k in range(FRAMES)
        }
        (folder / f"{name}_hand.pkl").write_bytes(pickle.dumps(frames))
        shape = {"hand_shape": torch.tensor(t.betas[side], requires_grad=True)}
        (folder / f"{name}_hand_shape.pkl").write_bytes(pickle.dumps(shape))
    return folder / "right_hand.pkl"


def hoi4d(folder: Path, t: Truth) -> Path:
    """The right hand, in the camera's frame; frame 4 has no file."""
    inside = folder / "refinehandpose_right" / "ZY1" / "C1"
    inside.mkdir(parents=True)
    R, place = in_camera(t)
    for k in set(range(FRAMES)) - {4}:
        theta = np.concatenate([rotvec_from_rotation(R[k, 1]), t.pose[k, 1]])
        content = {"poseCoeff": theta, "beta": t.betas[1], "trans": place[k, 1], "kps2D": []}
        (inside / f"{k}.pickle").write_bytes(pickle.dumps(content))
    return inside


def dexycb(folder: Path, t: Truth, side: int = 1) -> Path:
    """One hand in the camera's frame; frame 2 has none."""
    inside = folder / "subject" / "sequence" / "camera"
    inside.mkdir(parents=True)
    R, place = in_camera(t)
    points = transform_points(transform_inverse(t.camera)[:, None], t.keypoints)
    for k in range(FRAMES):
        pose = np.concatenate([rotvec_from_rotation(R[k, side]), t.pca[k, side], place[k, side]])
        joints = points[k, side]
        if k == 2:
            pose, joints = np.zeros(51), np.full((21, 3), -1.0)
        np.savez(
            inside / f"labels_{k:06d}.npz",
            seg=np.zeros((4, 4), np.uint8),
            pose_m=pose[None].astype(np.float32),
            joint_3d=joints[None].astype(np.float32),
        )
    (inside.parent / "meta.yml").write_text(
        f"mano_calib:\n- 20200813-s01\nmano_sides:\n- {SIDES[side]}\nnum_frames: {FRAMES}\n"
    )
    shape = folder / "calibration" / "mano_20200813-s01"
    shape.mkdir(parents=True)
    listed = "\n".join(f"- {beta!r}" for beta in t.betas[side].tolist())
    (shape / "mano.yml").write_text(f"betas:\n{listed}\n")
    return inside


def hamer(folder: Path, t: Truth) -> Path:
    """A list of frames, each with both hands in a batch, as right hands of a mirrored picture."""
    R, place = in_camera(t)
    seen = transform_points(transform_inverse(t.camera)[:, None], t.keypoints)
    frames = []
    for k in range(FRAMES):
        turns = np.stack([mirrored_rotations(R[k, 0]), R[k, 1]])
        fingers = np.stack([mirrored_rotations(t.fingers[k, 0]), t.fingers[k, 1]])
        points = seen[k] - place[k][:, None]
        frames.append(
            {
                "is_right": np.array([0.0, 1.0]),
                "pred_cam_t_full": place[k],
                "pred_keypoints_3d": np.stack([points[0] * MIRROR, points[1]]),
                "pred_mano_params": {
                    "global_orient": turns[:, None],
                    "hand_pose": fingers,
                    "betas": t.betas,
                },
            }
        )
    path = folder / "hamer.pkl"
    path.write_bytes(pickle.dumps(frames))
    return path


def wilor_mini(folder: Path, t: Truth) -> Path:
    """Frames by name, a list of hands each, left hands mirrored already, rotation vectors."""
    R, place = in_camera(t)
    frames = {
        f"frame_{k}": [
            {
                "is_right": float(side),
                "wilor_preds": {
                    "global_orient": rotvec_from_rotation(R[k, side])[None, None],
                    "hand_pose": t.pose[k, side].reshape(1, 15, 3),
                    "betas": t.betas[side][None],
                    "pred_cam_t_full": place[k, side][None],
                },
            }
            for side in (1, 0)
        ]
        for k in range(FRAMES)
    }
    path = folder / "wilor.npy"
    np.save(path, np.array(frames, dtype=object), allow_pickle=True)
    return path


def hawor_parts(t: Truth) -> list[Any]:
    betas = np.broadcast_to(t.betas[:, None], (2, FRAMES, 10))
    return [
        torch.tensor(t.translation.swapaxes(0, 1)),
        torch.tensor(t.rotvec.swapaxes(0, 1)),
        torch.tensor(t.pose.swapaxes(0, 1).copy()),
        torch.tensor(betas.copy()),
        np.ones((2, FRAMES)),
    ]


def hawor(folder: Path, t: Truth) -> Path:
    path = folder / "world_space_res.pth"
    dump_as_joblib(hawor_parts(t), path)
    return path


def hawor_torch(folder: Path, t: Truth) -> Path:
    names = ("pred_trans", "pred_rot", "pred_hand_pose", "pred_betas", "pred_valid")
    parts = [torch.as_tensor(part) for part in hawor_parts(t)]
    path = folder / "hawor.pt"
    torch.save(dict(zip(names, parts, strict=True)), path)
    return path


def egovla(folder: Path, t: Truth) -> Path:
    R, _ = in_camera(t)
    root = transform_points(transform_inverse(t.camera), t.root)
    parts = (root, t.pca[..., :15], rot6d_from_rotation(R))
    path = folder / "prediction.npy"
    np.save(path, np.concatenate([part.reshape(FRAMES, -1) for part in parts], axis=1))
    return path


# --- data sets with joints


def egodex(folder: Path, t: Truth, *, confidences: bool = True, second: bool = False) -> Path:
    """Poses in a world with y up."""
    down = transform_inverse(T_ZUP_YUP)
    joints = from_mano21(transform_points(down, t.keypoints), "visionpro25")
    joints = np.where(np.isnan(joints), joints[:, :, :1], joints)
    path = folder / "0.hdf5"
    with h5py.File(path, "w") as file:
        file["camera/intrinsic"] = np.eye(3)
        file["transforms/camera"] = (down @ t.camera).astype(np.float32)
        file["transforms/hip"] = np.tile(np.eye(4, dtype=np.float32), (FRAMES, 1, 1))
        for side, name in enumerate(SIDES):
            for k, joint in enumerate(joint_names(name)):
                T = transform(np.eye(3), joints[:, side, k])
                file[f"transforms/{joint}"] = T.astype(np.float32)
                if confidences:
                    file[f"confidences/{joint}"] = np.full(FRAMES, 0.01 * k, np.float32)
        file.attrs["llm_description"] = "put it in"
        file.attrs["llm_description2"] = "take it out"
        file.attrs["llm_type"] = "reversible"
        file.attrs["which_llm_description"] = "2" if second else "1"
    return path


def holoassist(folder: Path, t: Truth) -> Path:
    """The left hand is not active in frame 3; the right index tip is not valid in frame 5."""
    for side, name in enumerate(("Left", "Right")):
        joints = from_mano21(t.keypoints[:, side], "openxr26")
        joints = np.where(np.isnan(joints), joints[:, 1:2], joints)
        lines = []
        for k in range(FRAMES):
            valid = np.ones(26)
            valid[10] = not (side == 1 and k == 5)
            active = not (side == 0 and k == 3)
            T = transform(np.eye(3), joints[k])
            numbers = [100 + k / 30, 7, float(active), *T.ravel(), *valid, *np.ones(26)]
            lines.append("\t".join(f"{number:.9g}" for number in numbers))
        (folder / f"{name}_sync.txt").write_text("\n".join(lines) + "\n")
    return folder / "Right_sync.txt"


def hrdt(folder: Path, t: Truth) -> Path:
    points = transform_points(transform_inverse(T_ZUP_YUP), t.keypoints)
    rot6d = rot6d_from_rotation(t.rotation)
    tips = points[:, :, 4::4].reshape(FRAMES, 2, 15)
    rows = np.concatenate([points[:, :, 0], rot6d, tips], axis=-1).reshape(FRAMES, 48)
    path = folder / "actions.hdf5"
    with h5py.File(path, "w") as file:
        file["actions_48d"] = rows.astype(np.float32)
        file["language_embedding"] = np.zeros(8, np.float32)
    return path


# --- arrays


def npz(folder: Path, t: Truth) -> Path:
    path = folder / "both.npz"
    np.savez(path, keypoints=t.keypoints, fps=30.0, time=np.arange(FRAMES) / 30.0)
    return path


def npy(folder: Path, t: Truth) -> Path:
    path = folder / "both.npy"
    np.save(path, np.asfortranarray(from_mano21(t.keypoints, "hot3d21")))
    return path


def pkl(folder: Path, t: Truth) -> Path:
    """A list of frames for each hand."""
    frames = {name: list(t.keypoints[:, side]) for side, name in enumerate(SIDES)}
    path = folder / "hands.pkl"
    path.write_bytes(pickle.dumps(frames))
    return path


def json_(folder: Path, t: Truth) -> Path:
    content = {f"{name}_hand": t.keypoints[:, k].tolist() for k, name in enumerate(SIDES)}
    path = folder / "hands.json"
    path.write_text(json.dumps(content))
    return path


def hdf5(folder: Path, t: Truth) -> Path:
    path = folder / "hands.h5"
    with h5py.File(path, "w") as file:
        file["tracking/keypoints"] = t.keypoints.reshape(FRAMES, 126)
        file["image"] = np.zeros((FRAMES, 8, 8, 3), np.uint8)
    return path


def csv_named(folder: Path, t: Truth) -> Path:
    names = [
        f"{side}_{joint}_{axis}" for side in SIDES for joint in KEYPOINT_NAMES for axis in "xyz"
    ]
    lines = [",".join(["timestamp_ms", *names])]
    for k, row in enumerate(t.keypoints.reshape(FRAMES, -1)):
        lines.append(",".join([f"{5000 + 10 * k}", *(f"{number:.9f}" for number in row)]))
    path = folder / "hands.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def csv_plain(folder: Path, t: Truth) -> Path:
    rows = t.keypoints.reshape(FRAMES, -1)
    path = folder / "both.csv"
    path.write_text("\n".join(",".join(f"{n:.9f}" for n in row) for row in rows) + "\n")
    return path


MANO: dict[str, Callable[..., Path]] = {
    "hot3d": hot3d,
    "vitra": vitra,
    "arctic": arctic,
    "taco": taco,
    "hoi4d": hoi4d,
    "dexycb": dexycb,
    "hamer": hamer,
    "wilor": wilor_mini,
    "hawor": hawor,
    "hawor_torch": hawor_torch,
}
JOINTS: dict[str, Callable[..., Path]] = {
    "egodex": egodex,
    "holoassist": holoassist,
    "npz": npz,
    "npy": npy,
    "pkl": pkl,
    "json": json_,
    "hdf5": hdf5,
    "csv_named": csv_named,
    "csv_plain": csv_plain,
}


def in_camera(t: Truth) -> tuple[Floats, Floats]:
    """Rotations (T, 2, 3, 3) and smplx's translations (T, 2, 3) in the camera's frame."""
    T = transform_inverse(t.camera)
    R = T[:, None, :3, :3] @ t.rotation
    root = transform_points(T, t.root)
    at_rest = t.root - t.translation  # smplx turns the model about its root joint
    return R, root - at_rest


# --- joblib, which the project does not need


@contextmanager
def _joblib_names() -> Any:
    """Joblib's module names, for what is pickled under them."""

    class NumpyArrayWrapper:
        pass

    NumpyArrayWrapper.__module__ = "joblib.numpy_pickle"
    NumpyArrayWrapper.__qualname__ = "NumpyArrayWrapper"
    names = ("joblib", "joblib.numpy_pickle")
    before = {name: sys.modules.get(name) for name in names}
    for name in names:
        sys.modules[name] = ModuleType(name)
    sys.modules["joblib.numpy_pickle"].NumpyArrayWrapper = NumpyArrayWrapper  # type: ignore[attr-defined]
    try:
        yield NumpyArrayWrapper
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def dump_as_joblib(content: Any, path: Path) -> None:
    """What ``joblib.dump`` writes: each array's bytes after its place in the pickle."""
    with _joblib_names() as wrapper, path.open("wb") as file:

        class Pickler(pickle._Pickler):  # type: ignore[name-defined]
            def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
                if type(obj) is not np.ndarray:
                    return super().save(obj, save_persistent_id)
                wrapped = wrapper()
                wrapped.__dict__.update(
                    subclass=np.ndarray,
                    shape=obj.shape,
                    order="C",
                    dtype=obj.dtype,
                    allow_mmap=True,
                    numpy_array_alignment_bytes=16,
                )
                super().save(wrapped, save_persistent_id)
                self.framer.commit_frame(force=True)
                padding = 16 - (file.tell() + 1) % 16
                file.write(bytes([padding]) + b"\xff" * padding + obj.tobytes())
                return None

        Pickler(file, protocol=4).dump(content)
