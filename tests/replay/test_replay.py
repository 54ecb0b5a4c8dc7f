"""The replay of a file: figures, verdicts, what is written, and that blocks change nothing."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from demo_files import robot_demo
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT
from rich.console import Console

from retarget.cli.replay_report import print_replay
from retarget.core.errors import DemoError, InputError
from retarget.core.statistics import FrameStats, MotionExtremes
from retarget.core.text import angle_text, frames_text, length_text, number_text
from retarget.core.types import Demo, FloatArray, RobotMotion, Status
from retarget.data.convert import demo_to_human
from retarget.data.demo.check import check_demo
from retarget.data.demo.reader import DemoReader, load_demo
from retarget.data.demo.writer import save_demo
from retarget.mapping.retargeter import Retargeter, RoundTrip
from retarget.replay.human_to_demo import human_to_demo
from retarget.replay.metrics import METRICS, Metric
from retarget.replay.record import ReplayRecord
from retarget.replay.replay import Replay, replay_file
from retarget.replay.report_html.tables import error_tables
from retarget.replay.report_json import replay_json, retargeter_settings
from retarget.replay.tolerances import Tolerances
from retarget.replay.verdict import Reason, reasons
from retarget.robot.robot import Robot

FRAMES = 30


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    return Retargeter()


@pytest.fixture(scope="module")
def demo(retargeter: Retargeter) -> Demo:
    return robot_demo(retargeter.robot, FRAMES)


@pytest.fixture
def path(tmp_path: Path, demo: Demo) -> Path:
    save_demo(tmp_path / "demo.hdf5", demo)
    with h5py.File(tmp_path / "demo.hdf5", "r+") as file:
        file["observations/images/main"] = np.arange(FRAMES * 12, dtype="u1").reshape(-1, 2, 2, 3)
        file["observations/lift_success"] = np.arange(FRAMES)
        file.attrs["operator"] = "someone"
    return tmp_path / "demo.hdf5"


def lose(path: Path, side: str, frames: slice) -> None:
    with h5py.File(path, "r+") as file:
        file[f"observations/{side}_ee_pose"][frames] = np.nan


# --- figures ------------------------------------------------------------------------------------


def test_figures_are_those_of_the_round_trip(retargeter: Retargeter, path: Path) -> None:
    replay = replay_file(path, retargeter)
    trip = retargeter.round_trip(load_demo(path, robot=retargeter.robot))
    for h, side in enumerate(replay.sides):
        for name in (
            "fit_residual_m",
            "fingertip_error_m",
            "hand_joint_error_rad",
            "wrist_position_error_m",
            "wrist_rotation_error_rad",
        ):
            errors, stats = getattr(trip, name)[:, h], getattr(side, name)
            assert stats.mean == pytest.approx(errors.mean(), rel=1e-9, abs=1e-12)
            assert stats.p50 == pytest.approx(np.percentile(errors, 50), rel=1e-9, abs=1e-12)
            assert stats.p99 == pytest.approx(np.percentile(errors, 99), rel=1e-9, abs=1e-12)
            assert stats.max == pytest.approx(errors.max(), rel=1e-9, abs=1e-12)
            if stats.max > 1e-9:
                worst = errors.reshape(FRAMES, -1).max(axis=1)
                assert stats.worst_frame == int(np.argmax(worst))
        for counts in (side.hand_status, side.arm_status):
            assert sum(counts.values()) == FRAMES
            assert list(counts) == [status.label for status in Status]
    assert (replay.frames, replay.rate, replay.seconds) == (FRAMES, 30.0, 1.0)
    assert replay.passed
    assert replay.reasons == ()
    assert replay.check.ok


@pytest.mark.parametrize("block", [1, 7, FRAMES - 1])
def test_blocks_change_nothing(
    retargeter: Retargeter, path: Path, tmp_path: Path, block: int
) -> None:
    lose(path, "left", slice(5, 9))
    whole = replay_file(path, retargeter, out=tmp_path / "whole.hdf5", block=FRAMES)
    parts = replay_file(path, retargeter, out=tmp_path / "parts.hdf5", block=block)
    one, other = (load_demo(tmp_path / f"{name}.hdf5") for name in ("whole", "parts"))
    np.testing.assert_allclose(one.qpos, other.qpos, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(one.valid, other.valid)
    for a, b in zip(whole.sides, parts.sides, strict=True):
        assert (a.hand_status, a.arm_status) == (b.hand_status, b.arm_status)
        assert a.fingertip_error_m.p99 == pytest.approx(b.fingertip_error_m.p99, abs=1e-12)
        assert a.fingertip_error_m.worst_frame == b.fingertip_error_m.worst_frame
        assert a.peak_jerk_rad_s3.value == pytest.approx(b.peak_jerk_rad_s3.value, rel=1e-6)
        assert a.peak_jerk_rad_s3.frame == b.peak_jerk_rad_s3.frame
        assert a.limit_margin_rad == pytest.approx(b.limit_margin_rad, abs=1e-9)


@pytest.mark.parametrize(("block", "reads"), [(FRAMES, 1), (FRAMES - 1, 1 + 2)])
def test_what_is_one_block_is_read_once(
    retargeter: Retargeter, path: Path, block: int, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Demo] = []
    read = DemoReader.read

    def counted(reader: DemoReader, *rows: Any) -> Demo:
        found.append(read(reader, *rows))
        return found[-1]

    monkeypatch.setattr(DemoReader, "read", counted)
    assert replay_file(path, retargeter, block=block).passed
    assert len(found) == reads


def test_a_metric_is_one_entry_that_everything_reads(
    retargeter: Retargeter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drift(trip: RoundTrip) -> FloatArray:
        return np.full((trip.demo.frames, 2, 3), 0.125)

    monkeypatch.setitem(
        METRICS,
        "drift_m",
        Metric("drift_m", "drift of the wrist", "arm", length_text, "|a - b|"),
    )
    monkeypatch.setattr(RoundTrip, "drift_m", property(drift), raising=False)
    replay = replay_file(path, retargeter)
    for side in replay.sides:
        assert side.drift_m.max == side.reached_drift_m.mean == 0.125
    with pytest.raises(AttributeError, match="no figure 'drift_rad'"):
        _ = replay.sides[0].drift_rad
    report = replay_json([("demo", replay)], retargeter_settings(retargeter), Tolerances(), 0)
    assert report["demos"][0]["sides"]["left"]["reached_drift_m"]["p99"] == 0.125
    console = Console(width=100, file=io.StringIO())
    print_replay(console, replay)
    assert "drift of the wrist" in console.file.getvalue()  # type: ignore[attr-defined]
    assert 'title="|a - b|">drift of the wrist</th>' in error_tables(replay, 0)


def test_every_metric_is_explained() -> None:
    page = (ROOT / "docs" / "replay.md").read_text(encoding="utf-8")
    for metric in METRICS.values():
        assert f'"{metric.key}"' in page
        assert metric.title.split()[0] in page
        assert metric.tolerance in ("", *(field.name for field in fields(Tolerances)))


def test_progress_counts_all_frames(retargeter: Retargeter, path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    replay_file(path, retargeter, block=11, progress=lambda *reported: seen.append(reported))
    assert seen[0] == ("checking", FRAMES, FRAMES)
    assert seen[1:] == [("replaying", done, FRAMES) for done in (11, 22, 30)]


@given(
    splits=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
    start=st.integers(0, 50),
)
def test_extremes_of_blocks_are_those_of_the_whole(
    splits: list[int], seed: int, start: int
) -> None:
    rate = 30.0
    q = np.random.default_rng(seed).uniform(-1.2, 1.2, (sum(splits), 2))
    lower, upper = np.array([-1.0, -2.0]), np.array([1.0, 2.0])
    fastest = np.array([5.0, 20.0])
    extremes = MotionExtremes(("a", "b"), lower, upper, fastest, rate)
    at, found_speeds = 0, []
    for size in splits:
        found_speeds.append(extremes.add(q[at : at + size], start + at))
        at += size
    speed = np.abs(np.diff(q, axis=0)) * rate
    share, joint = (speed / fastest).max(axis=1), (speed / fastest).argmax(axis=1)
    together = [np.concatenate(values) for values in zip(*found_speeds, strict=True)]
    np.testing.assert_array_equal(together[0], [np.nan, *share])
    np.testing.assert_array_equal(together[1], [np.nan, *speed[np.arange(len(joint)), joint]])
    np.testing.assert_array_equal(together[2][1:], joint)
    margin = np.minimum(q - lower, upper - q)
    assert extremes.violations == (margin < -1e-9).sum()
    assert extremes.margin.value == margin.min()
    frame, joint = np.unravel_index(np.argmin(margin), margin.shape)
    assert (extremes.margin.frame, extremes.margin.joint) == (start + frame, "ab"[joint])
    for order, found in ((1, extremes.velocity), (3, extremes.jerk)):
        size = np.abs(np.diff(q, order, axis=0)) * rate**order
        if not size.size:
            assert np.isnan(found.value)
            assert (found.joint, found.frame) == ("", -1)
            continue
        frame, joint = np.unravel_index(np.argmax(size), size.shape)
        assert found.value == pytest.approx(size.max(), rel=1e-12)
        assert (found.frame, found.joint) == (start + frame + order, "ab"[joint])


def test_a_joint_of_unknown_limit_is_held_to_an_assumed_one() -> None:
    limits = np.full(1, -9.0), np.full(1, 9.0), np.full(1, np.inf)
    speeds = MotionExtremes(("a",), *limits, 10.0).add(np.array([[0.0], [4.0]]), 0)
    assert (speeds.share[1], speeds.speed[1]) == (40.0 / MotionExtremes.ASSUMED, 40.0)


def test_frame_stats_leave_out_what_is_unknown() -> None:
    errors = np.array([[np.nan, 1.0], [np.nan, np.nan], [3.0, 2.0]])
    stats = FrameStats.over_frames(errors, start=10)
    assert (stats.mean, stats.p50, stats.max, stats.worst_frame) == (2.0, 2.0, 3.0, 12)
    nothing = FrameStats.over_frames(np.full((4, 2), np.nan))
    assert np.isnan(nothing.max)
    assert nothing.worst_frame == -1


# --- verdicts -----------------------------------------------------------------------------------


RECORD, RATE = 10, 300.0


def good_trip(retargeter: Retargeter) -> RoundTrip:
    """Frames that break no rule, the robot at rest in the middle of its limits."""
    robot = retargeter.robot
    rest = np.tile((robot.lower + robot.upper) / 2, (RECORD, 1))
    demo = Demo(
        qpos=rest,
        T_world_wrist=np.tile(np.eye(4), (RECORD, 2, 1, 1)),
        fingertips=np.zeros((RECORD, 2, 5, 3)),
        valid=np.ones((RECORD, 2), dtype=bool),
        rate=RATE,
    )
    status = np.full((RECORD, 2), int(Status.OK))
    tiny = np.full((RECORD, 2), 1e-9)
    motion = RobotMotion(rest.copy(), robot.joint_names, tiny, tiny, status, status)
    return RoundTrip(
        demo=demo,
        human=retargeter.to_human(demo),
        robot=motion,
        fit_residual_m=np.full((RECORD, 2), 1e-4),
        fingertip_error_m=np.full((RECORD, 2, 5), 1e-5),
        hand_joint_error_rad=np.full((RECORD, 2, 12), 1e-4),
        wrist_position_error_m=tiny.copy(),
        wrist_rotation_error_rad=tiny.copy(),
        hand_status=status.copy(),
        arm_status=status.copy(),
        label_jump=np.zeros((RECORD, 2), dtype=bool),
    )


def parts(trip: RoundTrip, block: int) -> Iterator[RoundTrip]:
    """A round trip in blocks, of what a record looks at."""
    for start in range(0, RECORD, block):
        rows = slice(start, start + block)
        demo = replace(trip.demo, qpos=trip.demo.qpos[rows], start=start)
        robot = replace(trip.robot, qpos=trip.robot.qpos[rows])
        per_frame = {
            field.name: getattr(trip, field.name)[rows]
            for field in fields(trip)
            if isinstance(getattr(trip, field.name), np.ndarray)
        }
        yield replace(trip, demo=demo, robot=robot, **per_frame)


def reasons_of(
    retargeter: Retargeter,
    trip: RoundTrip,
    tolerances: Tolerances | None = None,
    block: int = RECORD,
) -> list[Reason]:
    record = ReplayRecord(retargeter.robot, RATE, tolerances)
    for part in parts(trip, block):
        record.watch(part.demo)
    for part in parts(trip, block):
        record.add(part)
    return reasons(record)


def fill(name: str, index: Any, value: float) -> Callable[[RoundTrip, Robot], None]:
    def apply(trip: RoundTrip, robot: Robot) -> None:
        getattr(trip, name)[index] = value

    return apply


def move(qpos: FloatArray, robot: Robot, side: int, frame: int, share: float) -> None:
    """Let an arm's wrist move into a frame, this many times as fast as its limit."""
    joint = robot.indices(robot.sides[side].arm_joints)[-1]
    qpos[frame:, joint] += share * robot.velocity_limits[joint] / RATE


def out_of_reach(trip: RoundTrip, robot: Robot) -> None:
    trip.arm_status[2:5, 0] = Status.UNREACHABLE
    trip.wrist_position_error_m[2:5, 0] = 0.012, 0.036, 0.02


def past_the_limit(trip: RoundTrip, robot: Robot) -> None:
    joint = robot.indices(robot.sides[1].arm_joints)[0]
    for qpos in (trip.demo.qpos, trip.robot.qpos):  # as recorded, thus no jump
        qpos[6:9, joint] = robot.upper[joint] + 0.01


def arm_jump(trip: RoundTrip, robot: Robot) -> None:
    for side in (0, 1):
        move(trip.demo.qpos, robot, side, 4, 0.3)
        move(trip.robot.qpos, robot, side, 4, 0.4)
    move(trip.robot.qpos, robot, 1, 6, 7.0)


def jump_out_of_reach(trip: RoundTrip, robot: Robot) -> None:
    trip.arm_status[5:8, 1] = Status.UNREACHABLE
    arm_jump(trip, robot)


def as_abrupt_as_recorded(trip: RoundTrip, robot: Robot) -> None:
    # the recorded one comes later: all of it counts
    move(trip.demo.qpos, robot, 1, 8, 3.0)
    move(trip.robot.qpos, robot, 1, 6, 7.0)


def back_after_a_gap(trip: RoundTrip, robot: Robot) -> None:
    trip.hand_status[5, 1] = trip.arm_status[5, 1] = Status.MISSING_INPUT
    move(trip.robot.qpos, robot, 1, 6, 7.0)


def hand_lost_behind_the_arm(arm: Status) -> Callable[[RoundTrip, Robot], None]:
    """A hand that did not converge where the arm has something to say of its own."""

    def apply(trip: RoundTrip, robot: Robot) -> None:
        trip.hand_status[3, 0], trip.arm_status[3, 0] = Status.NOT_CONVERGED, arm

    return apply


RULES: dict[str, tuple[Callable[[RoundTrip, Robot], None], str]] = {
    "out of reach": (
        out_of_reach,
        "the left wrist's pose cannot be reached by the arm; the nearest pose is off by up to "
        "36.0 mm and 1.00 nrad (3 frames: 2-4)",
    ),
    "wrist missed": (
        fill("wrist_position_error_m", (7, 1), 2e-5),
        "the right wrist's pose is missed by up to 20.0 um and 1.00 nrad (frame 7)",
    ),
    "wrist turned": (
        fill("wrist_rotation_error_rad", (7, 0), 1e-3),
        "the left wrist's pose is missed by up to 1.00 nm and 1.00 mrad (frame 7)",
    ),
    "fingertips off": (
        fill("fingertip_error_m", (slice(None), 1), 6e-5),
        "the right fingertips come back 60.0 um off on average; tolerated are 50.0 um",
    ),
    "some fingertips off": (
        fill("fingertip_error_m", (slice(0, 1), 0), 3e-4),
        "the left fingertips come back 300 um off in 1 % of cases; tolerated are 200 um",
    ),
    "hand not converged": (
        fill("hand_status", ([1, 3], 0), Status.NOT_CONVERGED),
        "the left hand did not converge (2 frames: 1, 3)",
    ),
    "hand not converged, arm at its limit": (
        hand_lost_behind_the_arm(Status.AT_LIMIT),
        "the left hand did not converge (frame 3)",
    ),
    "hand not converged, arm out of reach": (
        hand_lost_behind_the_arm(Status.UNREACHABLE),
        "the left hand did not converge (frame 3)",
    ),
    "arm not converged": (
        fill("arm_status", (4, 1), Status.NOT_CONVERGED),
        "the right arm did not converge (frame 4)",
    ),
    "an arm jumps": (
        arm_jump,
        "the right arm jumps from one posture to another, at up to 220 rad/s "
        "(right_wrist_yaw_joint), 7 times its velocity limit, where the recorded arm moved "
        "smoothly (frame 6)",
    ),
    "an arm jumps out of reach": (
        jump_out_of_reach,
        "the right arm jumps from one posture to another, at up to 220 rad/s",
    ),
    "labels jump": (
        fill("label_jump", (4, 1), True),
        "the right hand's labels jump: a tiny change of the joints is a large one of the "
        "coefficients (frame 4)",
    ),
    "beyond limits": (past_the_limit, "the right arm leaves its joint limits 3 times"),
    "a hand missing": (
        fill("hand_status", (slice(None), 1), Status.MISSING_INPUT),
        "the right hand is missing in all 10 frames",
    ),
    "a hand mostly missing": (
        fill("hand_status", (slice(0, 6), 0), Status.MISSING_INPUT),
        "the left hand is missing in 6 of 10 frames (60 %); tolerated are 50 %",
    ),
}


@pytest.mark.parametrize("block", [RECORD, 4, 1])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_sentence(retargeter: Retargeter, rule: str, block: int) -> None:
    breaks, sentence = RULES[rule]
    trip = good_trip(retargeter)
    assert reasons_of(retargeter, trip, block=block) == []
    breaks(trip, retargeter.robot)
    found = reasons_of(retargeter, trip, block=block)
    assert len(found) == 1
    assert found[0].text.startswith(sentence)
    assert found[0].severity >= 1.0


@pytest.mark.parametrize(
    "harmless",
    [
        fill("hand_status", (slice(0, 5), 0), Status.MISSING_INPUT),
        fill("arm_status", (slice(None), 0), Status.AT_LIMIT),
        fill("arm_status", (3, 1), Status.HELD),
        fill("hand_joint_error_rad", (slice(None), 0), 0.1),
        fill("fit_residual_m", (slice(None), 0), 0.01),
        as_abrupt_as_recorded,
        back_after_a_gap,
    ],
)
def test_what_no_rule_forbids_is_valid(
    retargeter: Retargeter, harmless: Callable[[RoundTrip, Robot], None]
) -> None:
    trip = good_trip(retargeter)
    harmless(trip, retargeter.robot)
    for block in (RECORD, 3):
        assert reasons_of(retargeter, trip, block=block) == []


def test_tolerances_move_the_verdict(retargeter: Retargeter) -> None:
    trip = good_trip(retargeter)
    assert len(reasons_of(retargeter, trip, Tolerances(fingertip_m=9e-6))) == 2
    out_of_reach(trip, retargeter.robot)
    assert reasons_of(retargeter, trip, Tolerances(wrist_m=0.04)) == []
    with pytest.raises(InputError, match=r"tolerance wrist_m must not be negative, got -1\.0"):
        Tolerances(wrist_m=-1.0)
    with pytest.raises(InputError, match="must not be negative, got nan"):
        Tolerances(missing=float("nan"))


@pytest.mark.parametrize("block", [RECORD, 3])
def test_reached_errors_leave_out_what_is_out_of_reach(retargeter: Retargeter, block: int) -> None:
    trip = good_trip(retargeter)
    trip.wrist_position_error_m[:, 0] = np.arange(RECORD) * 1e-8
    out_of_reach(trip, retargeter.robot)
    record = ReplayRecord(retargeter.robot, RATE)
    for part in parts(trip, block):
        record.add(part)
    left, right = record.sides
    reached = np.delete(np.arange(RECORD), [2, 3, 4]) * 1e-8
    assert left.errors["wrist_position_error_m"].max == 0.036
    assert left.errors["wrist_position_error_m"].worst_frame == 3
    assert left.errors["reached_wrist_position_error_m"].count == RECORD - 3
    assert left.errors["reached_wrist_position_error_m"].mean == reached.mean()
    assert left.errors["reached_wrist_position_error_m"].quantile(0.5) == np.median(reached)
    assert left.errors["reached_wrist_rotation_error_rad"].count == RECORD - 3
    assert (list(left.unreachable.frames), left.unreachable.position_m) == ([2, 3, 4], 0.036)
    figures = right.result()
    assert figures.reached_wrist_position_error_m == figures.wrist_position_error_m
    assert left.arm_status[Status.UNREACHABLE] == 3
    assert left.hand_status[Status.OK] == RECORD


def test_a_longer_motion_takes_no_more_memory(retargeter: Retargeter) -> None:
    trip = good_trip(retargeter)
    trip.arm_status[4, 0] = Status.UNREACHABLE
    rng = np.random.default_rng(0)
    for name in ("fingertip_error_m", "hand_joint_error_rad", "wrist_position_error_m"):
        errors = getattr(trip, name)
        errors[:] = 1e-6 * rng.lognormal(size=errors.shape)
    trip = replace(
        trip,
        demo=replace(trip.demo, qpos=np.tile(trip.demo.qpos, (100, 1))),
        robot=replace(trip.robot, qpos=np.tile(trip.robot.qpos, (100, 1))),
        **{
            field.name: np.tile(array, (100, *[1] * (array.ndim - 1)))
            for field in fields(trip)
            if isinstance(array := getattr(trip, field.name), np.ndarray)
        },
    )
    arms = trip.arm_status
    arms[:] = np.where(np.arange(1000)[:, None] < 900, arms[:1], arms[4])
    record = ReplayRecord(retargeter.robot, RATE)
    held = []
    tracemalloc.start()
    try:
        for blocks in (30, 90):
            for _ in range(blocks):
                record.watch(trip.demo)
                record.add(trip)
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert record.done == 120_000
    assert held[1] - held[0] < 100_000  # bytes; a number for each of the frames would be 720,000


# --- missing hands ------------------------------------------------------------------------------


def test_frames_without_a_hand_are_said_and_held(
    retargeter: Retargeter, path: Path, tmp_path: Path
) -> None:
    lose(path, "right", slice(10, 14))
    replay = replay_file(path, retargeter, out=tmp_path / "out.hdf5")
    left, right = replay.sides
    assert right.hand_status["missing_input"] == right.arm_status["missing_input"] == 4
    assert left.hand_status["missing_input"] == 0
    assert replay.passed
    returned = load_demo(tmp_path / "out.hdf5")
    assert np.flatnonzero(~returned.valid[:, 1]).tolist() == [10, 11, 12, 13]
    rows = retargeter.robot.indices(retargeter.robot.sides[1].arm_joints)
    held = returned.qpos[9:14][:, rows]
    np.testing.assert_array_equal(held, np.broadcast_to(held[0], held.shape))


def test_a_file_of_one_hand_is_replayed_and_not_valid(
    retargeter: Retargeter, path: Path, tmp_path: Path
) -> None:
    with h5py.File(path, "r+") as file:
        del file["observations/left_ee_pose"], file["observations/left_finger_tip_pos"]
    replay = replay_file(path, retargeter, out=tmp_path / "out.hdf5")
    left, right = replay.sides
    assert left.hand_status["missing_input"] == FRAMES
    assert np.isnan(left.fingertip_error_m.mean)
    assert left.fingertip_error_m.worst_frame == -1
    assert right.fingertip_error_m.mean < 5e-5
    texts = [reason.text for reason in replay.reasons]
    assert texts == [f"the left hand is missing in all {FRAMES} frames"]
    assert not load_demo(tmp_path / "out.hdf5").valid[:, 0].any()


def test_no_hand_at_all_is_refused(retargeter: Retargeter, path: Path, tmp_path: Path) -> None:
    for side in ("left", "right"):
        lose(path, side, slice(None))
    with pytest.raises(DemoError, match="no frame has a finite wrist pose"):
        replay_file(path, retargeter, out=tmp_path / "out.hdf5")
    assert not (tmp_path / "out.hdf5").exists()


# --- what is written ----------------------------------------------------------------------------


def test_what_comes_back_is_a_demonstration(
    retargeter: Retargeter, path: Path, tmp_path: Path
) -> None:
    before = path.read_bytes()
    replay_file(path, retargeter, out=tmp_path / "out.hdf5")
    assert path.read_bytes() == before
    recorded, returned = load_demo(path), load_demo(tmp_path / "out.hdf5")
    assert check_demo(returned, retargeter.robot, tolerance=1e-9).ok
    assert returned.action is not None
    np.testing.assert_array_equal(returned.action, returned.qpos)
    np.testing.assert_allclose(returned.T_world_wrist, recorded.T_world_wrist, rtol=0, atol=1e-5)
    np.testing.assert_allclose(returned.fingertips, recorded.fingertips, rtol=0, atol=5e-4)
    with h5py.File(path) as old, h5py.File(tmp_path / "out.hdf5") as new:
        for key in ("observations/images/main", "observations/lift_success"):
            np.testing.assert_array_equal(old[key][:], new[key][:])
        assert new.attrs["operator"] == "someone"
        velocity = np.gradient(returned.qpos, 1 / 30.0, axis=0)
        np.testing.assert_allclose(new["observations/qvel"][:], velocity, atol=1e-9)
    again = replay_file(tmp_path / "out.hdf5", retargeter)
    assert again.passed


def test_refinement_removes_what_the_network_leaves(retargeter: Retargeter, path: Path) -> None:
    plain = replay_file(path, retargeter)
    refined = replay_file(path, Retargeter(fitter=retargeter.fitter, refine=1))
    for a, b in zip(plain.sides, refined.sides, strict=True):
        assert b.fingertip_error_m.mean < 2e-7
        assert b.fingertip_error_m.mean < 0.1 * a.fingertip_error_m.mean


def test_a_file_that_disagrees_with_itself(
    retargeter: Retargeter, path: Path, tmp_path: Path, demo: Demo
) -> None:
    save_demo(path, replace(demo, qpos=np.roll(demo.qpos, 1, axis=1)))
    with pytest.raises(DemoError, match="disagrees with itself"):
        replay_file(path, retargeter, out=tmp_path / "out.hdf5")
    assert not (tmp_path / "out.hdf5").exists()
    replay = replay_file(path, retargeter, strict=False)
    assert not replay.check.ok


def test_there_and_back_in_two_steps_is_the_replay(
    retargeter: Retargeter, path: Path, tmp_path: Path
) -> None:
    lose(path, "left", slice(12, 15))
    replayed, human, back = (tmp_path / f"{name}.hdf5" for name in ("replayed", "human", "back"))
    replay_file(path, retargeter, out=replayed, block=8)
    there = demo_to_human(path, human, retargeter, camera="main", block=9)
    here = human_to_demo(human, back, retargeter, block=10)
    assert there.passed
    assert here.passed
    assert (here.frames, here.rate) == (FRAMES, 30.0)
    one, other = load_demo(replayed), load_demo(back)
    np.testing.assert_allclose(one.qpos, other.qpos, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(one.valid, other.valid)
    with h5py.File(human) as file:
        assert file["keypoints"].shape == (FRAMES, 2, 21, 3)
        assert file["T_camera_mano"].shape == (FRAMES, 2, 4, 4)
        assert file["valid"][:, 0].tolist() == [not 12 <= k < 15 for k in range(FRAMES)]


def test_human_motion_out_of_reach_is_not_valid(
    retargeter: Retargeter, path: Path, tmp_path: Path
) -> None:
    demo_to_human(path, tmp_path / "human.hdf5", retargeter)
    with h5py.File(tmp_path / "human.hdf5", "r+") as file:
        file["T_world_mano"][3, 1, :3, 3] += [0.0, 0.0, 3.0]
    result = human_to_demo(tmp_path / "human.hdf5", tmp_path / "out.hdf5", retargeter)
    reach, *others = [reason.text for reason in result.reasons]
    assert reach.startswith("the right wrist's pose cannot be reached by the arm")
    assert reach.endswith("(frame 3)")
    known = ("the right wrist", "the right arm jumps")
    assert all(text.startswith(known) for text in others), others


# --- real recordings ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared: Path, retargeter: Retargeter) -> dict[str, Replay]:
    paths = sorted((shared / "teleop/demos").glob("*.hdf5"))
    if not paths:
        pytest.skip("no recordings")
    return {path.name: replay_file(path, retargeter) for path in paths}


def test_real_recordings_come_back(real: dict[str, Replay]) -> None:
    for name, replay in real.items():
        assert replay.check.ok, name
        for side in replay.sides:
            assert side.fingertip_error_m.mean <= 2.5e-5, name
            assert side.fingertip_error_m.p99 <= 1e-4, name
            assert side.reached_wrist_position_error_m.max <= 1e-5, name
            assert side.reached_wrist_rotation_error_rad.max <= 1e-4, name
            assert (side.limit_violations, side.label_jumps) == (0, 0), name
            for status in (side.hand_status, side.arm_status):
                assert status["not_converged"] == status["missing_input"] == 0, name


def test_the_eight_poses_out_of_reach_are_said_and_nothing_else(real: dict[str, Replay]) -> None:
    failed = {name: replay for name, replay in real.items() if not replay.passed}
    assert len(failed) == 3
    assert all(name.startswith("Flip-Mug") for name in failed)
    missed = [side.unreachable for replay in real.values() for side in replay.sides]
    assert sum(len(side.frames) for side in missed) == 8
    far = [side.position_m for side in missed if side.frames]
    assert min(far) > 0.005
    assert max(far) < 0.037
    for replay in failed.values():
        assert all("cannot be reached" in reason.text for reason in replay.reasons)


# --- words --------------------------------------------------------------------------------------


def test_units() -> None:
    assert [length_text(x) for x in (0.0, 1e-12, 6e-8, 1.23e-5, 9.999e-4, 0.0362, 2.0)] == [
        "0 um",
        "<0.1 nm",
        "60.0 nm",
        "12.3 um",
        "1.00 mm",
        "36.2 mm",
        "2.00 m",
    ]
    assert [angle_text(x) for x in (0.015, 0.2, -0.2, float("nan"))] == [
        "15.0 mrad",
        "11.5 deg",
        "-11.5 deg",
        "-",
    ]
    assert [number_text(x) for x in (0.0, 0.1234, 1234.5)] == ["0", "0.123", "1230"]


def test_frames_in_words() -> None:
    assert frames_text([4]) == "frame 4"
    assert frames_text([0, 1, 2, 9]) == "4 frames: 0-2, 9"
    assert frames_text(range(0, 40, 4)) == "10 frames: 0, 4, 8, 12, 16, 20, ..."
