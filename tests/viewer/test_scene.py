"""The 3D scene's data: paths, poses against Pinocchio, skin against skinning, gaps, colours."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio
import pytest
import umsgpack

from retarget.core.errors import InputError
from retarget.core.geometry import (
    rotation_from_quat_wxyz,
    transform,
    transform_points,
)
from retarget.core.types import FINGERS, SIDES, FloatArray, Status
from retarget.data.generate.make_demo import make_demo
from retarget.human.keypoints import HandKeypoints
from retarget.mapping.hand_frame import robot_wrists
from retarget.mapping.retargeter import Retargeter, RoundTrip
from retarget.robot.robot import Robot
from retarget.viewer.page import playback_data, scene_header
from retarget.viewer.playback import Playback, error_range, quantised, record
from retarget.viewer.scene import Scene, build_scene, scene_of
from retarget.viewer.states import FrameState, frame_state

FRAMES = 24


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    return Retargeter()


@pytest.fixture(scope="module")
def scene(retargeter: Retargeter) -> Scene:
    return scene_of(retargeter.fitter)


@pytest.fixture(scope="module")
def trip(retargeter: Retargeter) -> RoundTrip:
    return retargeter.round_trip(make_demo(frames=FRAMES))


@pytest.fixture(scope="module")
def playback(scene: Scene, trip: RoundTrip) -> Playback:
    return record(scene, trip)


@pytest.fixture(scope="module")
def gaps(retargeter: Retargeter, trip: RoundTrip) -> RoundTrip:
    """The left hand is missing from frame 5 to 9, a knee's angle in frame 12."""
    demo = trip.demo
    tips, qpos = demo.fingertips.copy(), demo.qpos.copy()
    tips[5:10, 0] = np.nan
    qpos[12, retargeter.robot.indices(["right_knee_joint"])] = np.nan
    valid = np.isfinite(tips).all(axis=(-2, -1))
    return retargeter.round_trip(replace(demo, fingertips=tips, qpos=qpos, valid=valid))


def live(scene: Scene, trip: RoundTrip, frame: int) -> FrameState:
    return frame_state(
        scene,
        trip.demo.qpos[frame],
        returned=trip.robot.qpos[frame],
        pca=trip.human.pca[frame],
        T_world_mano=trip.human.T_world_mano[frame],
        targets=trip.demo.fingertips[frame],
        wrists=trip.demo.T_world_wrist[frame],
        hand_status=trip.robot.hand_status[frame],
        arm_status=trip.robot.arm_status[frame],
    )


def transforms(rows: np.ndarray) -> FloatArray:
    """Rows x y z qx qy qz qw -> (..., 4, 4)."""
    quat = np.roll(rows[..., 3:].astype(np.float64), 1, axis=-1)
    return transform(rotation_from_quat_wxyz(quat), rows[..., :3])


def under(scene: Scene, prefix: str) -> list[int]:
    return [k for k, path in enumerate(scene.objects) if path.startswith(prefix)]


# --- paths --------------------------------------------------------------------------------------


def test_every_layer_has_its_objects(scene: Scene) -> None:
    drawn = {c["path"] for c in scene.messages if c["type"] == "set_object"}
    assert set(scene.objects) <= drawn
    assert {"/floor", "/camera"} <= drawn
    tips = {f"{side}/{finger}" for side in SIDES for finger in FINGERS}
    for kind in ("targets", "reached", "errors"):
        assert {p.removeprefix(f"/{kind}/") for p in drawn if p.startswith(f"/{kind}/")} == tips
    assert {f"/wrists/{s}/{kind}" for s in SIDES for kind in ("recorded", "human")} <= drawn
    assert set(scene.meshes) == {"/human/left", "/human/right"}
    links = {scene.objects[k].rsplit("/", 1)[1] for k in under(scene, "/robot/recorded/")}
    assert links == {scene.objects[k].rsplit("/", 1)[1] for k in under(scene, "/robot/returned/")}
    for prefix in "LR":  # every finger has its segments
        segments = {link for link in links if link.startswith(f"{prefix}_")}
        for finger in FINGERS:
            assert sum(finger in link for link in segments) == (4 if finger == "thumb" else 2)
    for layer in scene.layers:
        assert any(path == layer.path or path.startswith(layer.path + "/") for path in drawn)
    assert set(scene.lines) | set(scene.coloured) | set(scene.meshes) <= set(scene.objects)
    assert len(set(scene.objects)) == len(scene.objects)


def test_messages_and_header_can_be_sent(scene: Scene, retargeter: Retargeter) -> None:
    packed = [umsgpack.packb(command) for command in scene.messages]
    assert sum(map(len, packed)) < 3e6
    again = scene_of(retargeter.fitter)
    assert packed == [umsgpack.packb(command) for command in again.messages]
    header = json.loads(json.dumps(scene_header(scene), allow_nan=False))
    assert [status["label"] for status in header["statuses"]] == [s.label for s in Status]
    assert len({status["colour"] for status in header["statuses"]}) == len(Status)
    assert {preset["name"] for preset in header["presets"]} == {"whole", "left", "right", "head"}
    for preset in header["presets"]:
        assert preset["follow"] is None or preset["follow"] in header["objects"]


def test_the_head_camera_is_the_robots(scene: Scene, retargeter: Retargeter) -> None:
    camera = retargeter.robot.cameras["main"]
    (head,) = (preset for preset in scene.presets if preset.name == "head")
    R, t = camera.T_camera_world[:3, :3], camera.T_camera_world[:3, 3]
    np.testing.assert_allclose(R @ head.position + t, 0.0, atol=1e-5)
    np.testing.assert_allclose(R @ head.target + t, [0.0, 0.0, 1.0], atol=1e-5)
    np.testing.assert_allclose(R @ head.up, [0.0, -1.0, 0.0], atol=1e-5)
    half = np.tan(np.radians(head.fov_deg / 2))
    assert half == pytest.approx(camera.height / 2 / camera.fy)
    assert head.aspect == pytest.approx(camera.width / camera.height)


# --- poses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["recorded", "returned"])
def test_links_stand_where_pinocchio_has_them(
    scene: Scene, playback: Playback, trip: RoundTrip, retargeter: Retargeter, kind: str
) -> None:
    robot, model = retargeter.robot, retargeter.robot.model
    qpos = trip.demo.qpos if kind == "recorded" else trip.robot.qpos
    rows, data = under(scene, f"/robot/{kind}/"), retargeter.robot.model.createData()
    for frame in (0, FRAMES - 1):
        q = pinocchio.neutral(model)
        for name, value in zip(robot.joint_names, qpos[frame], strict=True):
            q[model.joints[model.getJointId(name)].idx_q] = value
        pinocchio.framesForwardKinematics(model, data, q)
        for row in rows:
            link = data.oMf[model.getFrameId(scene.objects[row].rsplit("/", 1)[1])]
            wanted = robot.T_world_base @ link.homogeneous
            found = transforms(playback.poses[frame, row])
            np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert playback.visible[:, rows].all()


def test_points_lines_and_wrists_stand_where_the_round_trip_has_them(
    scene: Scene, playback: Playback, trip: RoundTrip, retargeter: Retargeter
) -> None:
    targets = playback.poses[:, under(scene, "/targets/"), :3].reshape(FRAMES, 2, 5, 3)
    reached = playback.poses[:, under(scene, "/reached/"), :3].reshape(FRAMES, 2, 5, 3)
    np.testing.assert_allclose(targets, trip.demo.fingertips, atol=1e-6)
    np.testing.assert_allclose(reached, retargeter.robot.forward(trip.robot.qpos)[1], atol=1e-6)
    distance = np.linalg.norm(reached.astype(float) - targets, axis=-1)
    np.testing.assert_allclose(playback.error_m, distance, atol=1e-6)
    for name, wanted in (
        ("recorded", trip.demo.T_world_wrist),
        ("human", trip.human.T_world_mano),
    ):
        rows = [scene.objects.index(f"/wrists/{side}/{name}") for side in SIDES]
        np.testing.assert_allclose(transforms(playback.poses[:, rows]), wanted, atol=1e-6)


def test_a_line_reaches_from_target_to_reached(scene: Scene, trip: RoundTrip) -> None:
    lines = under(scene, "/errors/")
    rng = np.random.default_rng(1)
    q = trip.demo.qpos[3]
    back = q + rng.normal(scale=0.05, size=q.shape)
    straight_down = trip.demo.fingertips[3].copy()
    state = frame_state(scene, q, returned=back, targets=straight_down)
    start = state.poses[under(scene, "/targets/"), :3]
    end = state.poses[under(scene, "/reached/"), :3]
    T = transforms(state.poses[lines])
    tip = T[:, :3, 2] * state.lengths[:, None] + T[:, :3, 3]
    np.testing.assert_allclose(T[:, :3, 3], start, atol=1e-6)
    np.testing.assert_allclose(tip, end, atol=2e-6)
    # the direction opposite to z has no shortest turn
    own = frame_state(scene, q, returned=q).poses[under(scene, "/reached/"), :3].reshape(2, 5, 3)
    state = frame_state(scene, q, returned=q, targets=own + np.array([0.0, 0.0, 0.01]))
    np.testing.assert_allclose(
        transforms(state.poses[lines])[:, :3, 2], [[0, 0, -1]] * 10, atol=1e-5
    )


# --- hands --------------------------------------------------------------------------------------


def test_skin_is_the_skinning_within_the_quantisation(
    scene: Scene, playback: Playback, trip: RoundTrip, retargeter: Retargeter
) -> None:
    assert playback.vertex_scale / 2 < 0.05e-3
    found = playback.vertex_offset + playback.vertex_scale * playback.vertices
    for side, (hand, frame) in enumerate(
        zip(retargeter.fitter.hands, retargeter.fitter.frames, strict=True)
    ):
        layer = HandKeypoints(hand)
        wanted = frame.robot_from_human(layer.mesh(layer.pose(trip.human.pca[:, side])))
        assert np.abs(found[:, side] - wanted).max() < playback.vertex_scale / 2 + 1e-7


def test_human_fingertips_lie_on_the_robots_within_the_residual(
    scene: Scene, playback: Playback, trip: RoundTrip
) -> None:
    rows = [scene.objects.index(path) for path in scene.meshes]
    T = transforms(playback.poses[:, rows])
    np.testing.assert_allclose(T, robot_wrists(scene.rig.robot, trip.human.T_world_mano), atol=1e-6)
    points = playback.vertex_offset + playback.vertex_scale * playback.vertices
    skin = transform_points(T, points)
    tips = skin[:, :, [744, 320, 443, 554, 671]]
    distance = np.linalg.norm(tips - trip.demo.fingertips, axis=-1)
    np.testing.assert_allclose(distance, trip.human.residual, atol=1e-5)


# --- one frame, many frames, gaps ---------------------------------------------------------------


def test_one_frame_is_that_of_many(scene: Scene, gaps: RoundTrip) -> None:
    many = record(scene, gaps)
    for frame in (0, 7, 12):
        one = live(scene, gaps, frame)
        seen = one.visible
        if frame == 7:  # a playback also hides the wrist of a hand that is not valid
            seen = seen & many.visible[frame]
            assert (one.visible & ~many.visible[frame]).sum() == 2
        else:
            np.testing.assert_array_equal(one.visible, many.visible[frame])
        np.testing.assert_array_equal(one.poses[seen], many.poses[frame, seen])
        np.testing.assert_array_equal(one.colours, many.colours[frame])
        np.testing.assert_array_equal(one.lengths, many.lengths[frame])
        points = many.vertex_offset + many.vertex_scale * many.vertices[frame]
        np.testing.assert_allclose(one.vertices, points, atol=many.vertex_scale)


def test_what_is_missing_is_hidden_and_never_nan(scene: Scene, gaps: RoundTrip) -> None:
    playback = record(scene, gaps)
    for array in (playback.poses, playback.lengths):
        assert np.isfinite(array).all()
    assert (playback.lengths > 0).all()
    np.testing.assert_allclose(np.linalg.norm(playback.poses[..., 3:], axis=-1), 1.0, atol=1e-6)
    left = [
        k
        for kind in ("human", "targets", "reached", "errors", "wrists")
        for k in under(scene, f"/{kind}/left")
    ]
    missing = np.zeros(FRAMES, dtype=bool)
    missing[5:10] = True
    assert (playback.visible[:, left] == ~missing[:, None]).all()
    assert np.isnan(playback.error_m[missing, 0]).all()
    assert np.isfinite(playback.error_m[:, 1]).all()
    right = [k for k in range(len(scene.objects)) if "/right" in scene.objects[k]]
    hidden = {scene.objects[k] for k in right if not playback.visible[12, k]}
    below = ("knee", "ankle_pitch", "ankle_roll")
    for kind in ("recorded", "returned"):
        assert {f"/robot/{kind}/right_{part}_link" for part in below} <= hidden
    assert all(any(part in path for part in below) for path in hidden)
    # a camera that follows the hand stays
    wrist = scene.objects.index("/wrists/left/recorded")
    np.testing.assert_array_equal(playback.poses[7, wrist], playback.poses[4, wrist])


def test_what_is_not_given_is_not_shown(scene: Scene, trip: RoundTrip) -> None:
    q = trip.demo.qpos[0]
    alone = frame_state(scene, q)
    shown = {scene.objects[k].split("/")[1] for k in np.flatnonzero(alone.visible)}
    assert shown == {"robot", "targets", "wrists"}
    assert not alone.visible[under(scene, "/robot/returned/")].any()
    human = frame_state(scene, pca=trip.human.pca[0], T_world_mano=trip.human.T_world_mano[0])
    shown = {scene.objects[k] for k in np.flatnonzero(human.visible)}
    assert shown == {*scene.meshes, "/wrists/left/human", "/wrists/right/human"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "some input"),
        ({"qpos": np.zeros(3)}, "qpos"),
        ({"pca": np.zeros((3, 15))}, "pca"),
        ({"targets": np.zeros((5, 3))}, "targets"),
        ({"qpos": np.zeros(50), "hand_status": [0, 9]}, "hand_status"),
    ],
)
def test_wrong_input_is_named(scene: Scene, given: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        frame_state(scene, **given)


def test_long_demonstrations_are_thinned_and_say_so(scene: Scene, trip: RoundTrip) -> None:
    whole, thinned = record(scene, trip), record(scene, trip, max_frames=10)
    assert (whole.stride, whole.notes) == (1, ())
    assert (thinned.stride, len(thinned.frames)) == (3, 8)
    assert thinned.rate == pytest.approx(whole.rate / 3)
    np.testing.assert_array_equal(thinned.frames, whole.frames[::3])
    np.testing.assert_array_equal(thinned.poses, whole.poses[::3])
    assert "24 frames" in thinned.notes[0]
    with pytest.raises(InputError, match="max_frames"):
        record(scene, trip, max_frames=0)


def test_a_round_trip_of_other_hands_is_refused(scene: Scene, trip: RoundTrip) -> None:
    other = replace(trip, human=replace(trip.human, hand="0" * 16))
    with pytest.raises(InputError, match="another robot or hands"):
        record(scene, other)


# --- colours ------------------------------------------------------------------------------------


def test_colour_rises_with_error_and_shows_status(scene: Scene, trip: RoundTrip) -> None:
    table = scene.colour_table.astype(float) / 255
    linear = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    lightness = (linear @ [0.2126, 0.7152, 0.0722])[: scene.error_levels]
    assert (np.diff(lightness) > -1e-4).all()
    assert lightness[-1] > 10 * lightness[0]
    q, index = trip.demo.qpos[0], scene.coloured.index("/reached/left/thumb")
    own = frame_state(scene, q, returned=q).poses[under(scene, "/reached/"), :3].reshape(2, 5, 3)
    rows = []
    for error in (0.0, 0.3, 0.6, 1.0, 5.0):
        away = own + np.array([error * scene.error_max_m, 0.0, 0.0])
        rows.append(int(frame_state(scene, q, returned=q, targets=away).colours[index]))
    assert rows[0] < rows[1] < rows[2] < rows[3] == rows[4] == scene.error_levels - 1
    seen = set()
    for status in Status:
        state = frame_state(scene, q, returned=q, hand_status=[status, 0], arm_status=[0, status])
        colours = {
            path: tuple(scene.colour_table[c])
            for path, c in zip(scene.coloured, state.colours, strict=True)
        }
        seen.add(colours["/human/left"])
        assert colours["/human/left"] == colours["/human/right"]  # the worse of hand and arm
        ok = status is Status.OK
        assert (
            colours["/robot/returned/L_index_proximal"]
            == colours["/robot/returned/left_elbow_pitch_link"]
        ) == ok
        assert (
            colours["/robot/returned/right_elbow_pitch_link"]
            == colours["/robot/returned/R_index_proximal"]
        ) == ok
        assert "/robot/returned/torso_link" not in colours
    assert len(seen) == len(Status)


def test_the_scale_ends_at_a_round_error(trip: RoundTrip) -> None:
    def of(errors: FloatArray) -> float:
        return error_range(replace(trip, fingertip_error_m=errors))

    shape = trip.fingertip_error_m.shape
    still = replace(trip, wrist_position_error_m=np.zeros(shape[:2]))
    for error, end in ((0.9e-3, 1e-3), (1.1e-3, 2e-3), (4e-3, 5e-3), (6e-3, 1e-2), (0.0, 1e-4)):
        found = error_range(replace(still, fingertip_error_m=np.full(shape, error)))
        assert found == pytest.approx(end)
    assert of(np.full(shape, np.nan)) == pytest.approx(1e-4)


# --- packing ------------------------------------------------------------------------------------


def unpacked(header: dict, payload: bytes) -> dict[str, np.ndarray]:
    raw, found = zlib.decompress(payload), {}
    assert len(raw) == header["bytes"]
    for name, a in header["arrays"].items():
        dtype = np.dtype(a["dtype"]).newbyteorder("<")
        count = int(np.prod(a["shape"]))
        assert a["offset"] % 4 == 0
        words = np.frombuffer(raw, f"<u{dtype.itemsize}", count, a["offset"]).reshape(a["shape"])
        assert a["delta"]
        found[name] = np.cumsum(words, axis=0, dtype=words.dtype).view(dtype)
    return found


def test_packing_is_exact(scene: Scene, gaps: RoundTrip) -> None:
    playback = record(scene, gaps)
    header, payload = playback_data(playback)
    found = unpacked(json.loads(json.dumps(header, allow_nan=False)), payload)
    for name in ("poses", "vertices", "lengths", "colours", "visible", "hand_status", "arm_status"):
        np.testing.assert_array_equal(found[name], getattr(playback, name))
    np.testing.assert_allclose(found["error_mm"], 1e3 * playback.error_m, rtol=1e-6)
    np.testing.assert_allclose(found["fit_residual_mm"], 1e3 * playback.fit_residual_m, rtol=1e-6)
    assert header["frames"] == list(range(FRAMES))


def test_five_hundred_frames_fit(retargeter: Retargeter, scene: Scene) -> None:
    header, payload = playback_data(record(scene, retargeter.round_trip(make_demo(frames=500))))
    assert header["rows"] == 500
    assert header["bytes"] < 7e6
    assert len(payload) < 3e6


def test_quantised_points_come_back() -> None:
    points = np.random.default_rng(0).normal(size=(3, 50, 3)).astype(np.float32)
    levels, scale, offset = quantised(points)
    assert np.abs(offset + scale * levels - points).max() <= scale / 2 * (1 + 1e-6)
    levels, scale, offset = quantised(np.zeros((1, 2, 3), dtype=np.float32))
    np.testing.assert_array_equal(levels, 0)


# --- real data ----------------------------------------------------------------------------------


def test_the_meshed_robot_is_drawn_and_stands_alike(shared: Path, retargeter: Retargeter) -> None:
    urdf = shared / "robots" / "h1_inspire" / "urdf" / "h1_inspire.urdf"
    robot = Robot.load(urdf=urdf)
    meshed = build_scene(robot, retargeter.fitter.hands)
    own = build_scene(retargeter.robot, retargeter.fitter.hands)
    assert meshed.notes == ()
    assert sum(len(umsgpack.packb(command)) for command in meshed.messages) < 6e6
    shared_paths = sorted(set(meshed.objects) & set(own.objects))
    assert len(shared_paths) > 100
    q = make_demo(frames=2).qpos[0]
    poses = [
        dict(zip(s.objects, frame_state(s, q, returned=q).poses, strict=True))
        for s in (meshed, own)
    ]
    for path in shared_paths:
        if path.startswith("/robot/"):
            np.testing.assert_allclose(poses[0][path], poses[1][path], atol=1e-5)
