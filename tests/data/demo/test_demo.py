"""Demonstration files: what is written is read again, streamed or whole, images or not."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from demo_files import JOINTS, random_demo, write_raw
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import DemoError, FileError, InputError, ModelError
from retarget.core.types import Demo
from retarget.data.demo.layout import ACTION, QPOS, QVEL, pose_keys, tips_key
from retarget.data.demo.reader import DemoReader, load_demo
from retarget.data.demo.writer import DemoWriter, save_demo
from retarget.robot.robot import Robot


def assert_same(a: Demo, b: Demo, atol: float = 0.0) -> None:
    for name in ("qpos", "T_world_wrist", "fingertips", "valid", "action"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0.0, atol=atol)
    assert a.rate == b.rate


def write(path: Path, *demos: Demo, copy_from: Path | None = None, interrupt: bool = False) -> None:
    with DemoWriter(path, copy_from=copy_from) as writer:
        for demo in demos:
            writer.append(demo)
        if interrupt:
            raise KeyboardInterrupt


@given(
    frames=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
    rate=st.floats(1.0, 1000.0),
    lost=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 1)), max_size=4),
)
def test_what_is_saved_is_loaded(
    tmp_path: Path, frames: int, seed: int, rate: float, lost: list[tuple[int, int]]
) -> None:
    demo = random_demo(frames, seed, rate=rate)
    for frame, hand in lost:
        if frame < frames and not (frames == 1 or (frame == 0 and hand == 0)):
            demo.valid[frame, hand] = False
            demo.T_world_wrist[frame, hand] = np.nan
            demo.fingertips[frame, hand] = np.nan
    path = tmp_path / "demo.hdf5"
    save_demo(path, demo)
    again = load_demo(path)
    assert_same(demo, again, atol=1e-14)
    assert again.path == path
    save_demo(tmp_path / "again.hdf5", again)
    assert_same(again, load_demo(tmp_path / "again.hdf5"), atol=1e-15)


def test_layout_is_the_one_documented(tmp_path: Path) -> None:
    save_demo(tmp_path / "demo.hdf5", random_demo(9), attrs={"task": "grasp"})
    with h5py.File(tmp_path / "demo.hdf5") as file:
        assert file.attrs["sim"] is np.True_
        assert file.attrs["task"] == "grasp"
        assert file.attrs["rate"] == 30.0
        shapes = {QPOS: (9, 50), QVEL: (9, 50), ACTION: (9, 50)}
        for side in ("left", "right"):
            shapes |= {pose_keys(side)[0]: (9, 7), tips_key(side): (9, 5, 3)}
        for key, shape in shapes.items():
            assert file[key].shape == shape
            assert file[key].dtype == np.float64
        expected = np.gradient(file[QPOS][:], 1 / 30, axis=0)
        np.testing.assert_allclose(file[QVEL][:], expected, atol=1e-12)


def test_velocities_do_not_depend_on_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_demo(tmp_path / "whole.hdf5", random_demo(23))
    monkeypatch.setattr("retarget.data.demo.writer._BLOCK", 4)
    save_demo(tmp_path / "blocks.hdf5", random_demo(23))
    with h5py.File(tmp_path / "whole.hdf5") as a, h5py.File(tmp_path / "blocks.hdf5") as b:
        np.testing.assert_array_equal(a[QVEL][:], b[QVEL][:])


def test_same_demonstration_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for name in ("a.hdf5", "b.hdf5"):
        save_demo(tmp_path / name, random_demo(5))
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_callers_arrays_stay(tmp_path: Path) -> None:
    demo = random_demo(4)
    demo.valid[1, 0] = False
    before = {f.name: getattr(demo, f.name) for f in dataclasses.fields(demo)}
    copies = {k: v.copy() for k, v in before.items() if isinstance(v, np.ndarray)}
    save_demo(tmp_path / "demo.hdf5", demo)
    for name, copy in copies.items():
        np.testing.assert_array_equal(before[name], copy)


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", ">f8"])
def test_single_and_double_precision_are_read(tmp_path: Path, dtype: str) -> None:
    demo = load_demo(write_raw(tmp_path / "demo.hdf5", dtype=dtype))
    assert demo.qpos.dtype == demo.fingertips.dtype == np.dtype("=f8")
    rotation = demo.T_world_wrist[..., :3, :3]
    identity = np.broadcast_to(np.eye(3), rotation.shape)
    np.testing.assert_allclose(rotation @ rotation.swapaxes(-1, -2), identity, atol=1e-14)


def test_slightly_long_quaternions_are_normalised(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    before = load_demo(path)
    with h5py.File(path, "r+") as file:
        file["observations/left_ee_pose"][:, 3:] *= 1.0009
    np.testing.assert_allclose(load_demo(path).T_world_wrist, before.T_world_wrist, atol=1e-15)


def test_both_names_of_the_wrist_poses_are_read(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    usual = load_demo(path)
    with h5py.File(path, "r+") as file:
        for side in ("left", "right"):
            file.move(*pose_keys(side))
    assert_same(load_demo(path), usual)
    with h5py.File(path, "r+") as file:  # with both, the recorded poses count, not the targets
        file[pose_keys("left")[0]] = file[pose_keys("left")[1]][:]
        file[pose_keys("left")[1]][:] = 0.0
    assert_same(load_demo(path), usual)


@given(frames=st.integers(1, 40), size=st.integers(1, 50), data=st.data())
def test_blocks_are_the_whole(tmp_path: Path, frames: int, size: int, data: st.DataObject) -> None:
    path = tmp_path / "demo.hdf5"
    save_demo(path, random_demo(frames, seed=frames))
    start = data.draw(st.integers(0, frames - 1))
    stop = data.draw(st.integers(start + 1, frames))
    whole = load_demo(path, start=start, stop=stop)
    with DemoReader(path) as reader:
        assert reader.frames == frames
        blocks = list(reader.blocks(size, start=start, stop=stop))
    assert [b.start for b in blocks] == list(range(start, stop, size))
    assert all(b.frames == size for b in blocks[:-1])
    for name in ("qpos", "T_world_wrist", "fingertips", "valid", "action"):
        joined = np.concatenate([getattr(b, name) for b in blocks])
        np.testing.assert_array_equal(joined, getattr(whole, name))


@given(cuts=st.lists(st.integers(1, 29), max_size=5, unique=True).map(sorted))
def test_written_in_blocks_equals_written_whole(tmp_path: Path, cuts: list[int]) -> None:
    save_demo(tmp_path / "source.hdf5", random_demo(30, seed=3))
    whole = load_demo(tmp_path / "source.hdf5")
    with DemoWriter(tmp_path / "blocks.hdf5") as writer, DemoReader(whole.path or "") as reader:
        for start, stop in zip([0, *cuts], [*cuts, 30], strict=True):
            writer.append(reader.read(start, stop))
            assert writer.frames == stop
    assert_same(load_demo(tmp_path / "blocks.hdf5"), whole, atol=1e-15)


@pytest.mark.parametrize("name", ["rate", "hz", "fps"])
def test_rate_comes_from_the_argument_then_from_the_file(tmp_path: Path, name: str) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    assert load_demo(path).rate == 30.0
    with h5py.File(path, "r+") as file:
        file.attrs[name] = np.float32(15)
    assert load_demo(path).rate == 15.0
    assert load_demo(path, rate=60).rate == 60.0
    save_demo(tmp_path / "out.hdf5", load_demo(path, rate=60), copy_from=path)
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert file.attrs[name] == file.attrs["rate"] == 60.0


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("Flip-Mug/not-close-drawer.hdf5", 15.0),
        ("close_drawer/episode_3.hdf5", 15.0),
        ("not-flip-mug-at-all.hdf5", 30.0),
        ("Flip-Mug_episode_3.hdf5", 30.0),
        ("Stack-Can-Into-Drawer/episode_3.hdf5", 15.0),
        ("Stack-Can/episode_3.hdf5", 30.0),
        ("Flip-Mugs.hdf5", 30.0),
    ],
)
def test_rate_of_the_task_named(tmp_path: Path, name: str, rate: float) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    assert load_demo(write_raw(path)).rate == rate


def test_a_robot_or_its_name_will_do(tmp_path: Path) -> None:
    path = tmp_path / "demo.hdf5"
    for robot in (Robot.load(), "h1_inspire", Robot.load().path):
        save_demo(path, random_demo(5), robot=robot)
        assert load_demo(path, robot=robot).frames == 5
        with h5py.File(path) as file:
            assert file.attrs["robot"] == "h1_inspire"
    with pytest.raises(InputError, match="h1_inspire has 50 joints, got qpos of 43"):
        save_demo(path, random_demo(5, joints=43), robot="h1_inspire")
    with pytest.raises(ModelError, match="no robot of that name"):
        load_demo(path, robot="nobody")


@pytest.mark.parametrize("side", [0, 1])
def test_a_missing_hand_is_not_valid(tmp_path: Path, side: int) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    name = ("left", "right")[side]
    with h5py.File(path, "r+") as file:
        del file[pose_keys(name)[0]], file[tips_key(name)]
    demo = load_demo(path)
    assert not demo.valid[:, side].any()
    assert demo.valid[:, 1 - side].all()
    assert np.isnan(demo.T_world_wrist[:, side]).all()
    assert np.isnan(demo.fingertips[:, side]).all()
    save_demo(tmp_path / "out.hdf5", demo, copy_from=path)
    assert_same(load_demo(tmp_path / "out.hdf5"), demo, atol=1e-15)


@pytest.mark.parametrize("key", ["observations/left_ee_pose", "observations/left_finger_tip_pos"])
def test_a_hand_lost_for_some_frames_is_not_valid_there(tmp_path: Path, key: str) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    with h5py.File(path, "r+") as file:
        file[key][2:4, ..., 1] = np.nan
    demo = load_demo(path)
    np.testing.assert_array_equal(demo.valid[:, 0], [True, True, False, False, True, True, True])
    assert demo.valid[:, 1].all()
    assert np.isnan(demo.T_world_wrist[2:4, 0]).all()
    assert np.isnan(demo.fingertips[2:4, 0]).all()


def test_ranges_must_lie_within_the_file(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    for start, stop in ((-1, 3), (3, 3), (0, 8), (5, 2)):
        with pytest.raises(InputError, match=f"frames {start} to {stop}.*within its 7 frames"):
            load_demo(path, start=start, stop=stop)
    with DemoReader(path) as reader:
        with pytest.raises(InputError, match="at least 1"):
            next(reader.blocks(0))
        with pytest.raises(InputError, match="within its 7"):
            next(reader.blocks(start=7))
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="rate must be a positive number"):
            load_demo(path, rate=rate)
    period = r"got 0\.05; it looks like the time between frames, .* 20 Hz"
    with pytest.raises(InputError, match=period):
        load_demo(path, rate=0.05)
    with pytest.raises(InputError, match=period):
        save_demo(path, random_demo(3, rate=0.05))


def test_real_recordings_go_through_unchanged(shared: Path, tmp_path: Path) -> None:
    for source in sorted((shared / "teleop" / "demos").glob("*.hdf5")):
        demo = load_demo(source)
        assert demo.frames == 21
        assert demo.valid.all()
        assert demo.rate == 30.0
        save_demo(tmp_path / "out.hdf5", demo, copy_from=source)
        assert_same(load_demo(tmp_path / "out.hdf5"), demo, atol=1e-14)
        with h5py.File(source) as old, h5py.File(tmp_path / "out.hdf5") as new:
            for key in (QPOS, ACTION, "observations/right_finger_tip_pos"):
                np.testing.assert_array_equal(new[key][:], old[key][:])


# --- copying ------------------------------------------------------------------------------------


def add_extras(path: Path, frames: int) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "kept"
        file.attrs["numbers"] = np.arange(3)
        obs = file["observations"]
        obs.attrs["camera"] = "head"
        obs["qpos"].attrs["unit"] = "rad"
        images = np.arange(frames * 4 * 6 * 3, dtype=np.uint8).reshape(frames, 4, 6, 3)
        main = obs.create_dataset(
            "images/main", data=images, chunks=(1, 4, 6, 3), compression="gzip", shuffle=True
        )
        main.attrs["encoding"] = "rgb"
        obs["lift_success"] = np.arange(frames) > frames // 2
        file["meta/seed"] = 17
        file["meta/words"] = np.array(["open", "the", "drawer"], dtype=h5py.string_dtype())
        file["latest"] = h5py.SoftLink("/observations/qpos")


def test_everything_else_is_copied(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source.hdf5")
    add_extras(source, 7)
    new = dataclasses.replace(random_demo(7, seed=9), path=source)
    save_demo(tmp_path / "out.hdf5", new, copy_from=source, attrs={"made_by": "a test"})
    assert_same(load_demo(tmp_path / "out.hdf5"), new, atol=1e-14)
    with h5py.File(tmp_path / "out.hdf5") as out, h5py.File(source) as old:
        assert out.attrs["note"] == "kept"
        assert out.attrs["made_by"] == "a test"
        assert out["observations"].attrs["camera"] == "head"
        assert out[QPOS].attrs["unit"] == "rad"
        images = out["observations/images/main"]
        np.testing.assert_array_equal(images[:], old["observations/images/main"][:])
        assert (images.compression, images.shuffle, images.chunks) == ("gzip", True, (1, 4, 6, 3))
        assert images.attrs["encoding"] == "rgb"
        np.testing.assert_array_equal(
            out["observations/lift_success"][:], old["observations/lift_success"][:]
        )
        assert out["meta/seed"][()] == 17
        assert list(out["meta/words"].asstr()) == ["open", "the", "drawer"]
        np.testing.assert_array_equal(out["latest"][:], out[QPOS][:])


def test_of_a_part_the_same_part_is_copied(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source.hdf5")
    add_extras(source, 7)
    with DemoReader(source) as reader, DemoWriter(tmp_path / "o.hdf5", copy_from=source) as writer:
        for block in reader.blocks(2, start=2, stop=6):
            writer.append(block)
    assert_same(load_demo(tmp_path / "o.hdf5"), load_demo(source, start=2, stop=6), atol=1e-14)
    with h5py.File(tmp_path / "o.hdf5") as out, h5py.File(source) as old:
        for key in ("observations/images/main", "observations/lift_success"):
            np.testing.assert_array_equal(out[key][:], old[key][2:6])
        assert out["observations/images/main"].compression == "gzip"
        assert out["observations/images/main"].attrs["encoding"] == "rgb"
        assert list(out["meta/words"].asstr()) == ["open", "the", "drawer"]


def test_frames_outside_the_source_are_refused(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source.hdf5")
    out = tmp_path / "out.hdf5"
    with pytest.raises(InputError, match="expected frame 0 next, of the 7"):
        save_demo(out, random_demo(8), copy_from=source)
    demo = load_demo(source)
    with pytest.raises(InputError, match=r"frames 5 to 12.*expected frame 7 next"):
        write(out, demo, dataclasses.replace(demo, start=5), copy_from=source)
    assert not out.exists()


def test_compression_and_names_of_the_source_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "source.hdf5"
    raw = write_raw(tmp_path / "raw.hdf5")
    with h5py.File(raw) as old, h5py.File(source, "w") as file:
        file.create_dataset(QPOS, data=old[QPOS][:], chunks=(3, 50), compression="gzip")
        for side in ("left", "right"):
            file[pose_keys(side)[1]] = old[pose_keys(side)[0]][:]
            file[tips_key(side)] = old[tips_key(side)][:]
    save_demo(tmp_path / "out.hdf5", load_demo(raw), copy_from=source)
    with h5py.File(tmp_path / "out.hdf5") as out:
        assert (out[QPOS].compression, out[QPOS].chunks) == ("gzip", (3, 50))
        assert "observations/left_target_ee_pose" in out
        assert "observations/left_ee_pose" not in out
        assert out.attrs["sim"] is np.True_


def test_a_real_recording_stays_real(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source.hdf5")
    with h5py.File(source, "r+") as file:
        file.attrs["sim"] = False
    save_demo(tmp_path / "out.hdf5", load_demo(source), copy_from=source)
    with h5py.File(tmp_path / "out.hdf5") as out:
        assert not out.attrs["sim"]


def test_a_file_can_be_replaced_by_itself(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "demo.hdf5")
    add_extras(path, 7)
    link = tmp_path / "link.hdf5"
    link.symlink_to(path)
    save_demo(link, load_demo(path), copy_from=path)
    assert link.is_symlink()
    with h5py.File(path) as file:
        assert file["meta/seed"][()] == 17
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo.hdf5", "link.hdf5"]


def test_images_are_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 100 TB of images that take no room: reading them would end the test
    path = write_raw(tmp_path / "demo.hdf5")
    with h5py.File(path, "r+") as file:
        shape = (7, 20_000, 200_000, 3600)
        file.create_dataset("observations/images/main", shape, np.uint8, chunks=(1, 64, 64, 3))
    read: list[str] = []
    original = h5py.Dataset.__getitem__

    def spy(self: h5py.Dataset, *args: Any, **kwargs: Any) -> Any:
        read.append(self.name)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    demo = load_demo(path)
    save_demo(tmp_path / "out.hdf5", demo, copy_from=path)
    assert any(name.endswith("qpos") for name in read)
    assert not any("images" in name for name in read)
    with h5py.File(tmp_path / "out.hdf5") as out:
        assert out["observations/images/main"].shape == shape


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        source = tmp_path / f"{frames}.hdf5"
        block = random_demo(256)
        with DemoWriter(source) as writer:
            for start in range(0, frames, 256):
                writer.append(dataclasses.replace(block, start=start))
        with h5py.File(source, "r+") as file:  # 64 KiB an image, written through without holding it
            file.create_dataset(
                "observations/images/main", (frames, 128, 512), np.uint8, chunks=(16, 128, 512)
            )
        tracemalloc.start()
        try:
            with (
                DemoReader(source) as reader,
                DemoWriter(tmp_path / "out.hdf5", copy_from=source) as writer,
            ):
                for demo in reader.blocks(256, stop=frames - 1):
                    writer.append(demo)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(8 * 256), peak(40 * 256)
    assert large < 1.2 * small + 2**20


# --- atomic writing -----------------------------------------------------------------------------


def test_a_failure_leaves_nothing_and_spares_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "demo.hdf5"
    save_demo(path, random_demo(3))
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write(path, random_demo(4), interrupt=True)
    with pytest.raises(InputError, match="fingertips must have shape"):
        save_demo(path, dataclasses.replace(random_demo(3), fingertips=np.zeros((3, 5, 3))))
    with pytest.raises(InputError, match="no frames were written"):
        write(path)
    with pytest.raises(InputError, match="blocks of one file must agree"):
        write(path, random_demo(3), random_demo(3, joints=JOINTS - 1))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["demo.hdf5"]


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="there is no folder"):
        save_demo(tmp_path / "nowhere" / "demo.hdf5", random_demo(3))
    with pytest.raises(FileError, match="is a folder, expected a file"):
        save_demo(tmp_path, random_demo(3))

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileError, match="no permission to write in"):
        save_demo(tmp_path / "demo.hdf5", random_demo(3))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="the disk is full"):
        save_demo(tmp_path / "demo.hdf5", random_demo(3))
    assert not list(tmp_path.iterdir())


def test_angles_in_the_place_of_quaternions_are_asked_about(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "x.hdf5", 6)
    with h5py.File(path, "r+") as file:
        rows = file["observations/left_ee_pose"][:]
        rows[:, 3:] = [0.0, 1.2, -0.4, 2.0]
        file["observations/left_ee_pose"][:] = rows
    with pytest.raises(DemoError, match="one column is all zeros: rotation vectors or Euler"):
        load_demo(path)
