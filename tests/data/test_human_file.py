"""Human motion files: what is written is read again, streamed or whole; faults have one message."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from demo_files import random_demo
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import FileError, InputError
from retarget.core.geometry import rotation_from_rotvec, transform, transform_points
from retarget.core.types import Calibration, HumanMotion, Status
from retarget.data.human_file import (
    HumanFileInfo,
    HumanReader,
    HumanWriter,
    human_info,
    load_human,
    save_human,
)
from retarget.human.user import User
from retarget.robot.robot import Robot

HAND = "0123456789abcdef"


def random_motion(frames: int = 6, components: int = 15, seed: int = 0) -> HumanMotion:
    rng = np.random.default_rng(seed)
    return HumanMotion(
        pca=rng.normal(size=(frames, 2, components)),
        T_world_mano=transform(
            rotation_from_rotvec(rng.uniform(-1.5, 1.5, (frames, 2, 3))),
            rng.uniform(-0.5, 1.3, (frames, 2, 3)),
        ),
        residual=rng.uniform(0.0, 1e-3, (frames, 2, 5)),
        iterations=rng.integers(1, 30, (frames, 2)),
        status=rng.integers(0, 4, (frames, 2)),
        hand=HAND,
    )


def some_info(components: int = 15) -> HumanFileInfo:
    rng = np.random.default_rng(5)
    return HumanFileInfo(
        rate=30.0,
        hand=HAND,
        components=components,
        robot="h1_inspire",
        robot_hash="fedcba",
        calibrations=(
            Calibration(1.126, rng.normal(size=3), rng.normal(size=3)),
            Calibration(1.143, rng.normal(size=3), rng.normal(size=3)),
        ),
        camera="main",
        T_camera_world=transform(rotation_from_rotvec([0.1, 2.0, 0.3]), [0.0, 1.0, 1.2]),
        body_joints=("left_knee_joint", "right_knee_joint", "neck"),
        source="demo.hdf5",
        start=12,
        sim=False,
        versions={"numpy": "2.4.0", "retarget": "0.1.0"},
    )


def assert_same(a: HumanMotion, b: HumanMotion) -> None:
    for field in dataclasses.fields(HumanMotion):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def assert_same_info(a: HumanFileInfo, b: HumanFileInfo) -> None:
    for field in dataclasses.fields(HumanFileInfo):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if field.name == "calibrations" and one is not None:
            for left, right in zip(one, two, strict=True):
                assert left.scale == right.scale
                np.testing.assert_array_equal(left.rotation, right.rotation)
                np.testing.assert_array_equal(left.translation, right.translation)
        else:
            np.testing.assert_array_equal(one, two)


@given(
    frames=st.integers(1, 9),
    components=st.integers(1, 45),
    seed=st.integers(0, 2**32 - 1),
    lost=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1)), max_size=4),
)
def test_what_is_written_is_read(
    tmp_path: Path, frames: int, components: int, seed: int, lost: list[tuple[int, int]]
) -> None:
    motion = random_motion(frames, components, seed)
    for frame, hand in lost:
        if frame < frames:
            motion.pca[frame, hand] = motion.T_world_mano[frame, hand] = np.nan
            motion.residual[frame, hand] = np.nan
            motion.status[frame, hand] = Status.MISSING_INPUT
    rng = np.random.default_rng(seed)
    keypoints, body = rng.normal(size=(frames, 2, 21, 3)), rng.normal(size=(frames, 3))
    info = some_info(components)
    path = tmp_path / "human.hdf5"
    save_human(path, motion, info, keypoints=keypoints, body_qpos=body)
    again, said = load_human(path, hand=HAND)
    assert_same(again, motion)
    assert_same_info(said, info)
    with HumanReader(path) as reader:
        np.testing.assert_array_equal(reader.read_body(), body)


def test_layout_is_the_one_documented(tmp_path: Path) -> None:
    path = tmp_path / "human.hdf5"
    motion, info = random_motion(), some_info()
    keypoints = np.random.default_rng(1).normal(size=(6, 2, 21, 3))
    save_human(path, motion, info, keypoints=keypoints, body_qpos=np.zeros((6, 3)))
    with h5py.File(path) as file:
        shapes = {name: (data.shape, data.dtype.str) for name, data in file.items()}
        assert shapes == {
            "pca": ((6, 2, 15), "<f8"),
            "T_world_mano": ((6, 2, 4, 4), "<f8"),
            "T_camera_mano": ((6, 2, 4, 4), "<f8"),
            "keypoints": ((6, 2, 21, 3), "<f8"),
            "residual": ((6, 2, 5), "<f8"),
            "iterations": ((6, 2), "<i4"),
            "status": ((6, 2), "|u1"),
            "valid": ((6, 2), "|b1"),
            "body_qpos": ((6, 3), "<f8"),
        }
        assert info.T_camera_world is not None
        np.testing.assert_array_equal(
            file["T_camera_mano"][:, 1, :3, 3],
            transform_points(info.T_camera_world, motion.T_world_mano[:, 1, :3, 3]),
        )
        np.testing.assert_array_equal(file["valid"][:], motion.status != 4)
        assert list(file["status"].attrs["names"]) == [status.label for status in Status]
        assert file.attrs["format"] == "retarget-human"
        assert file.attrs["version"] == 2
        assert json.loads(file.attrs["calibration"])["left"]["scale"] == 1.126


@given(frames=st.integers(1, 20), size=st.integers(1, 25))
def test_blocks_are_the_whole(tmp_path: Path, frames: int, size: int) -> None:
    motion, info = random_motion(frames), some_info()
    body = np.random.default_rng(2).normal(size=(frames, 3))
    save_human(tmp_path / "whole.hdf5", motion, info, body_qpos=body)
    with (
        HumanReader(tmp_path / "whole.hdf5") as reader,
        HumanWriter(tmp_path / "blocks.hdf5", info) as writer,
    ):
        for block, legs in reader.blocks(size):
            writer.append(block, body_qpos=legs)
    again, _ = load_human(tmp_path / "blocks.hdf5")
    assert_same(again, motion)
    with HumanReader(tmp_path / "blocks.hdf5") as reader:
        np.testing.assert_array_equal(reader.read_body(), body)
    part, _ = load_human(tmp_path / "blocks.hdf5", start=frames - 1)
    np.testing.assert_array_equal(part.pca, motion.pca[-1:])


def test_same_motion_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for name in ("a.hdf5", "b.hdf5"):
        save_human(tmp_path / name, random_motion(), some_info(), body_qpos=np.zeros((6, 3)))
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize(("version", "poses"), [(1, "T_world_wrist"), (2, "T_world_mano")])
def test_a_policys_output_needs_little(tmp_path: Path, version: int, poses: str) -> None:
    path = tmp_path / "human.hdf5"
    motion = random_motion()
    with h5py.File(path, "w") as file:
        file.attrs.update(
            format="retarget-human", version=version, rate=30, hand=HAND, components=np.int64(15)
        )
        file["pca"] = motion.pca.astype("f4")
        file[poses] = motion.T_world_mano.astype("f4")
    again, info = load_human(path)
    np.testing.assert_allclose(again.pca, motion.pca, rtol=1e-6)
    np.testing.assert_allclose(again.T_world_mano, motion.T_world_mano, rtol=1e-6)
    assert np.isnan(again.residual).all()
    assert (again.iterations == 0).all()
    assert (again.status == Status.OK).all()
    assert info == HumanFileInfo(rate=30.0, hand=HAND, components=15)
    with HumanReader(path) as reader:
        assert reader.read_body().shape == (6, 0)


def test_the_rate_is_overruled_and_must_be_one(tmp_path: Path) -> None:
    path, info = tmp_path / "human.hdf5", dataclasses.replace(some_info(), body_joints=())
    save_human(path, random_motion(), info)
    with HumanReader(path, rate=12.5) as reader:
        assert reader.rate == reader.info.rate == 12.5
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="rate must be a positive number"):
            HumanReader(path, rate=rate)
        with pytest.raises(InputError, match="rate must be a positive number"):
            save_human(path, random_motion(), dataclasses.replace(info, rate=rate))


def test_a_hand_that_is_nan_is_missing(tmp_path: Path) -> None:
    motion = random_motion()
    motion.status[:] = Status.OK
    motion.T_world_mano[2, 0, 0, 3] = np.nan
    motion.pca[4, 1, 7] = np.nan
    save_human(tmp_path / "human.hdf5", motion, some_info(), body_qpos=np.zeros((6, 3)))
    again, _ = load_human(tmp_path / "human.hdf5")
    expected = np.zeros((6, 2), dtype=bool)
    expected[2, 0] = expected[4, 1] = True
    np.testing.assert_array_equal(again.status == Status.MISSING_INPUT, expected)
    np.testing.assert_array_equal(np.isnan(again.pca).all(axis=-1), expected)
    np.testing.assert_array_equal(np.isnan(again.T_world_mano).all(axis=(-2, -1)), expected)


def test_info_of_a_fitter(tmp_path: Path) -> None:
    robot = Robot.load("h1_inspire")
    sides = (Calibration(1.1), Calibration(1.2))
    fitter: Any = SimpleNamespace(robot=robot, hand_hash=HAND, components=15, calibrations=sides)
    demo = dataclasses.replace(random_demo(), path=Path("folder") / "demo.hdf5", start=3)
    info = human_info(fitter, demo)
    assert (info.source, info.start, info.rate) == ("demo.hdf5", 3, 30.0)
    assert (info.robot, info.robot_hash) == ("h1_inspire", robot.hash)
    assert len(info.body_joints) == 50 - 2 * (7 + 12)
    assert "left_knee_joint" in info.body_joints
    assert set(info.versions) == {"retarget", "numpy"}
    np.testing.assert_array_equal(info.T_camera_world, robot.cameras["main"].T_camera_world)
    assert human_info(fitter, demo, camera=None).T_camera_world is None
    with pytest.raises(InputError, match="h1_inspire has no camera 'head'; it has: main"):
        human_info(fitter, demo, camera="head")


# --- what is refused ----------------------------------------------------------------------------

Change = Callable[[Any], None]


def attribute(name: str, value: Any) -> Change:
    def apply(file: Any) -> None:
        file.attrs[name] = value

    return apply


def no_attribute(name: str) -> Change:
    def apply(file: Any) -> None:
        del file.attrs[name]

    return apply


def put(key: str, index: Any, value: float) -> Change:
    def apply(file: Any) -> None:
        file[key][index] = value

    return apply


def replace(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(file: Any) -> None:
        values = file[key][:]
        del file[key]
        file[key] = change(values)

    return apply


def reflected(file: Any) -> None:
    values = file["T_world_mano"][:]
    values[3, 0, :3, 0] *= -1.0
    file["T_world_mano"][:] = values


BAD: dict[str, tuple[Change, str]] = {
    "no format": (no_attribute("format"), "is not a human motion file: attribute 'format'"),
    "another format": (attribute("format", "lerobot"), "is not a human motion file"),
    "a later version": (
        attribute("version", 3),
        "is of version 3 of its format, this library reads versions 1 and 2",
    ),
    "no version": (no_attribute("version"), "attribute 'version' is missing"),
    "version as a word": (attribute("version", "new"), "attribute 'version' is not what it should"),
    "no hand": (no_attribute("hand"), "attribute 'hand' is missing"),
    "no rate": (no_attribute("rate"), "attribute 'rate' is missing"),
    "rate zero": (attribute("rate", 0.0), "attribute 'rate' is .*expected a positive number of Hz"),
    "calibration garbled": (
        attribute("calibration", "{"),
        "attribute 'calibration' is not what it should be: '{'",
    ),
    "calibration of one hand": (attribute("calibration", '{"left": {}}'), "'calibration' is not"),
    "camera garbled": (attribute("T_camera_world", np.eye(3)), "'T_camera_world' is not what"),
    "no coefficients": (
        lambda file: file.move("pca", "pcas"),
        r"dataset 'pca' is missing, expected shape \(T, 2, 15\); did you mean 'pcas'\?",
    ),
    "no poses": (
        replace("T_world_mano", lambda v: v[:, :, :3, :]),
        r"'T_world_mano' must have shape \(T, 2, 4, 4\), got \(6, 2, 3, 4\)",
    ),
    "other components": (
        attribute("components", 6),
        r"'pca' must have shape \(T, 2, 6\), got \(6, 2, 15\)",
    ),
    "integers": (replace("pca", lambda v: v.astype(int)), "'pca' must hold float32 or float64"),
    "status as floats": (
        replace("status", lambda v: v.astype(float)),
        "'status' must hold integers, got float64",
    ),
    "lengths differ": (
        replace("T_world_mano", lambda v: v[:-1]),
        "'T_world_mano' has 5 frames, but 'pca' has 6",
    ),
    "empty": (replace("pca", lambda v: v[:0]), "holds no frames"),
    "infinite": (put("pca", (2, 1, 4), np.inf), "'pca' frame 2, right hand, has an infinite"),
    "not rigid": (
        put("T_world_mano", (3, 0, 0, 0), 5.0),
        "'T_world_mano' frame 3, left hand, is not a rigid transform",
    ),
    "a reflection": (reflected, "'T_world_mano' frame 3, left hand, is not a rigid transform"),
    "bottom row": (put("T_world_mano", (1, 1, 3, 0), 0.5), "frame 1, right hand, is not a rigid"),
    "millimetres": (
        put("T_world_mano", (1, 1, 0, 3), 400.0),
        "frame 1, right hand, lies farther than 20 m.*are these millimetres",
    ),
    "infinite place": (put("T_world_mano", (1, 1, 0, 3), np.inf), "frame 1, right.*farther than"),
    "unknown status": (
        put("status", (5, 0), 77),
        "'status' frame 5, left hand, holds a number that is no status",
    ),
    "body NaN": (
        put("body_qpos", (5, 2), np.nan),
        "'body_qpos' frame 5, joint 'neck' is not finite",
    ),
    "body missing": (
        lambda file: file.pop("body_qpos"),
        r"dataset 'body_qpos' is missing, expected shape \(T, 3\)",
    ),
}


def write_good(path: Path) -> Path:
    save_human(path, random_motion(), some_info(), body_qpos=np.zeros((6, 3)))
    return path


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_has_its_one_message(tmp_path: Path, fault: str) -> None:
    change, message = BAD[fault]
    path = write_good(tmp_path / "human.hdf5")
    with h5py.File(path, "r+") as file:
        change(file)

    def read() -> None:
        with HumanReader(path) as reader:
            list(reader.blocks(2))

    with pytest.raises(FileError, match=message) as caught:
        read()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_another_hand_model_is_refused(tmp_path: Path) -> None:
    path = write_good(tmp_path / "human.hdf5")
    with pytest.raises(FileError, match=f"hand model {HAND}, expected ffff; the same numbers"):
        load_human(path, hand="ffff")
    load_human(path)


def test_a_robots_demonstration_is_told_apart(tmp_path: Path) -> None:
    from demo_files import write_raw

    with pytest.raises(FileError, match=r"not a human motion file.*a robot demonstration\?"):
        load_human(write_raw(tmp_path / "demo.hdf5"))
    with pytest.raises(FileError, match="no such file"):
        load_human(tmp_path / "nothing.hdf5")
    (tmp_path / "text.hdf5").write_text("hello")
    with pytest.raises(FileError, match="is not an HDF5 file"):
        load_human(tmp_path / "text.hdf5")


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99])
def test_a_truncated_file(tmp_path: Path, kept: float) -> None:
    path = write_good(tmp_path / "human.hdf5")
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(FileError, match="is truncated or damaged"):
        load_human(path)


def test_ranges_must_lie_within_the_file(tmp_path: Path) -> None:
    path = write_good(tmp_path / "human.hdf5")
    for start, stop in ((-1, 3), (3, 3), (0, 7)):
        with pytest.raises(InputError, match=f"frames {start} to {stop} are not within its 6"):
            load_human(path, start=start, stop=stop)
    with HumanReader(path) as reader, pytest.raises(InputError, match="at least 1"):
        next(reader.blocks(0))


def write(path: Path, *blocks: tuple[HumanMotion, dict[str, Any]]) -> None:
    with HumanWriter(path, some_info()) as writer:
        for motion, extras in blocks:
            writer.append(motion, **extras)


def test_what_does_not_fit_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "human.hdf5"
    motion = random_motion()
    body = {"body_qpos": np.zeros((6, 3))}
    points = {"keypoints": np.zeros((6, 2, 21, 3))}
    refused: list[tuple[list[tuple[HumanMotion, dict[str, Any]]], str]] = [
        ([], "no frames were written"),
        ([(dataclasses.replace(motion, hand="ffff"), body)], "motion is of hand model ffff"),
        (
            [(random_motion(components=6), body)],
            r"pca must have shape \(6, 2, 15\), got \(6, 2, 6\)",
        ),
        ([(motion, {"body_qpos": np.zeros((6, 2))})], r"body_qpos must have shape \(6, 3\)"),
        ([(motion, {})], r"body_qpos must have shape \(6, 3\), got none"),
        ([(motion, body | {"keypoints": np.zeros((6, 21, 3))})], "keypoints must have shape"),
        ([(motion, body | points), (motion, body)], "keypoints must be in every block"),
    ]
    for blocks, message in refused:
        with pytest.raises(InputError, match=message):
            write(path, *blocks)
    assert not list(tmp_path.iterdir())


class TestPeople:
    """Motion of a person: residuals of 21 keypoints, and whose hands they are."""

    def motion(self) -> HumanMotion:
        motion = random_motion()
        residual = np.random.default_rng(1).uniform(0.0, 1e-2, (6, 2, 21))
        return dataclasses.replace(motion, residual=residual)

    def info(self) -> HumanFileInfo:
        user = User(size=0.95, stretch=np.full((5, 3), 1.1), layout="openxr26", frames=30)
        return HumanFileInfo(rate=60.0, hand=HAND, components=15, user=user)

    def test_it_comes_back(self, tmp_path: Path) -> None:
        save_human(tmp_path / "human.hdf5", self.motion(), self.info())
        motion, info = load_human(tmp_path / "human.hdf5")
        assert info.user == self.info().user
        np.testing.assert_array_equal(motion.residual, self.motion().residual)

    def test_fingertips_alone_are_a_robots(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"residual must have shape \(6, 2, 21\)"):
            save_human(tmp_path / "human.hdf5", random_motion(), self.info())

    @pytest.mark.parametrize(
        "value", ["{", "[]", '{"size": 1000}', '{"hat": 1}', '{"stretch": [1]}', '{"sides": 3}']
    )
    def test_a_damaged_user_is_named(self, tmp_path: Path, value: str) -> None:
        path = tmp_path / "human.hdf5"
        save_human(path, self.motion(), self.info())
        with h5py.File(path, "r+") as file:
            file.attrs["user"] = value
        with pytest.raises(FileError, match="attribute 'user' is not what it should be"):
            load_human(path)
