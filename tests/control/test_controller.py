"""The controller: recorded motion comes back, holds are reported, limits hold, nothing raises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from controller_fuzz import fuzz
from hypothesis import event, given
from hypothesis import strategies as st

from retarget import Controller, Retargeter, load_demo
from retarget.actions import action_from_motion, pack, unpack
from retarget.actions.chunk_check import as_chunk
from retarget.actions.ensembler import ChunkEnsembler
from retarget.control.action_feed import ActionFeed, read_feed, standing
from retarget.control.command import NO_ACTION, NO_JOINTS, NOT_USABLE, Command, Phase
from retarget.control.faults import Faults, FaultyChannel
from retarget.control.run_loop import run_feed
from retarget.control.settings import ControllerSettings
from retarget.core.errors import InputError
from retarget.core.geometry import rotation_angle, rotation_from_rotvec, transform
from retarget.core.types import Demo, Status
from retarget.data.generate.make_demo import make_demo
from retarget.mapping.retargeter import RoundTrip
from retarget.robot.hand_command import to_hand_command

FAST_HANDS = 10.0  # [rad/s]
FRAMES = 240


@pytest.fixture(scope="module")
def rt() -> Retargeter:
    return Retargeter()


@pytest.fixture(scope="module")
def demo(rt: Retargeter) -> Demo:
    return make_demo(frames=FRAMES, seed=1, robot=rt.robot)


@pytest.fixture(scope="module")
def trip(rt: Retargeter, demo: Demo) -> RoundTrip:
    return rt.round_trip(demo)


def feed_of(rt: Retargeter, demo: Demo, camera: str | None = "main", **changes: Any) -> ActionFeed:
    T = None if camera is None else rt.robot.cameras[camera].T_camera_world
    vectors = pack(action_from_motion(rt.to_human(demo), T))
    feed = ActionFeed(
        path=Path("demo"),
        rate=demo.rate,
        camera=camera,
        start=standing(rt.robot, demo.qpos[0]),
        steps=demo.frames,
        horizon=30,
        vectors=vectors,
    )
    return replace(feed, **changes)


@pytest.fixture(scope="module")
def feed(rt: Retargeter, demo: Demo) -> ActionFeed:
    return feed_of(rt, demo)


def play(
    controller: Controller, feed: ActionFeed, steps: int, silent: range = range(0)
) -> list[Command]:
    """Commands of a feed, nothing being said in some steps and nothing of before being left."""
    state, commands = feed.start, []
    for k in range(steps):
        action = None if k in silent else feed.chunk(k)
        commands.append(controller.step(action, state))
        state = commands[-1].qpos
    return commands


def single(feed: ActionFeed) -> ActionFeed:
    """The same said one action at a time, so that every lost one is missed."""
    return replace(feed, horizon=1)


# --- recorded motion comes back ---------------------------------------------------------------


@pytest.mark.parametrize("camera", ["main", None])
def test_a_demonstration_comes_back(
    rt: Retargeter, demo: Demo, trip: RoundTrip, camera: str | None
) -> None:
    controller = Controller(rt, hand_velocity=FAST_HANDS, camera=camera)
    run = run_feed(controller, feed_of(rt, demo, camera))
    assert run.sound
    assert not run.holds
    # the command of step t is for t + 1
    qpos, wanted = run.states[1:-1], demo.T_world_wrist[1:]
    wrists, _ = rt.robot.forward(qpos)
    assert np.linalg.norm(wrists[..., :3, 3] - wanted[..., :3, 3], axis=-1).max() < 1e-4
    assert np.degrees(rotation_angle(wrists[..., :3, :3], wanted[..., :3, :3])).max() < 0.1
    for k, side in enumerate(rt.robot.sides):
        rows = rt.robot.indices(side.hand_joints)
        error = np.abs(qpos[:, rows] - demo.qpos[1:, rows])
        most = trip.hand_joint_error_rad[1:, k]
        assert np.all(error <= most + 1e-9)
        arm = rt.robot.indices(side.arm_joints)
        # arms as `Retargeter.to_robot` has them
        np.testing.assert_allclose(qpos[:, arm], trip.robot.qpos[1:, arm], atol=1e-8)
    assert np.isfinite(run.lag_m).all()
    assert run.lag_m.max() < 1e-9


def test_default_limits_make_hands_late_and_wrists_not(
    rt: Retargeter, demo: Demo, feed: ActionFeed, trip: RoundTrip
) -> None:
    run = run_feed(Controller(rt), feed)
    assert run.sound
    assert run.lag_m.max() < 1e-9
    assert run.lag_rad.max() > 0.1  # 0.5 rad/s are little for a hand
    # where it has caught up, it is as exact as ever
    there = run.lag_rad[:-1] < 1e-9
    assert there.mean() > 0.3
    for k, side in enumerate(rt.robot.sides):
        rows, caught = rt.robot.indices(side.hand_joints), there[:, k]
        error = np.abs(run.states[1:-1][:, rows] - demo.qpos[1:, rows])[caught]
        assert np.all(error <= trip.hand_joint_error_rad[1:, k][caught] + 1e-9)


def test_real_recordings_come_back_where_limits_allow(rt: Retargeter, shared: Path) -> None:
    exact, all_, lag = 0, 0, []
    for path in sorted((shared / "teleop" / "demos").glob("*.hdf5"))[::4]:
        demo, feed = load_demo(path), read_feed(path, rt)
        run = run_feed(Controller(rt, rate=feed.rate, hand_velocity=FAST_HANDS), feed)
        assert run.sound
        trip = rt.round_trip(demo)
        wrists, _ = rt.robot.forward(run.states[1:-1])
        far = np.linalg.norm((wrists - demo.T_world_wrist[1:])[..., :3, 3], axis=-1)
        turned = rotation_angle(wrists[..., :3, :3], demo.T_world_wrist[1:, ..., :3, :3])
        there = (run.lag_rad[:-1] < 1e-9) & (run.phases[:-1] == Phase.TRACKING)
        reached = there & (run.arm_status[:-1] <= Status.AT_LIMIT)
        exact, all_ = exact + int(reached.sum()), all_ + reached.size
        assert far[reached].max(initial=0.0) < 1e-4
        assert np.degrees(turned[reached]).max(initial=0.0) < 0.1
        for k, side in enumerate(rt.robot.sides):
            rows = rt.robot.indices(side.hand_joints)
            error = np.abs(run.states[1:-1][:, rows] - demo.qpos[1:, rows])[there[:, k]]
            assert np.all(error <= trip.hand_joint_error_rad[1:, k][there[:, k]] + 1e-9)
        lag.append(run.lag_m.max())
    assert exact > 0.5 * all_
    assert max(lag) > 1e-3  # abrupt as they are, the limits make it fall behind


def test_what_is_written_is_the_same_whatever_the_camera(rt: Retargeter, demo: Demo) -> None:
    """A camera that moves: chunks in its own frame, its pose given with each."""
    world = feed_of(rt, demo, None)
    controller = Controller(rt, hand_velocity=FAST_HANDS)
    still = Controller(rt, hand_velocity=FAST_HANDS)
    main = feed_of(rt, demo)
    state = main.start
    rng = np.random.default_rng(0)
    for k in range(40):
        T = transform(rotation_from_rotvec(rng.normal(size=3)), rng.normal(size=3))
        seen = unpack(world.chunk(k))
        R, p = T[:3, :3], T[:3, 3]
        chunk = replace(seen, translation=(seen.translation - p) @ R, rotation=R.T @ seen.rotation)
        one = controller.step(pack(chunk), state, T_world_camera=T)
        np.testing.assert_allclose(one.qpos, still.step(main.chunk(k), state).qpos, atol=1e-9)
        state = one.qpos


def test_actions_and_vectors_and_late_ones_are_the_same(rt: Retargeter, feed: ActionFeed) -> None:
    a, b = Controller(rt), Controller(rt)
    late = Controller(rt)
    state = feed.start
    for k in range(12):
        one = a.step(feed.chunk(k), state)
        other = b.step(unpack(feed.chunk(k)), state)
        np.testing.assert_allclose(one.qpos, other.qpos, atol=1e-12)
        delayed = late.step(feed.chunk(max(k - 2, 0)), state, step=max(k - 2, 0))
        if k > 2:  # a late chunk says the same about the steps to come
            np.testing.assert_allclose(delayed.lag_m, 0.0, atol=1e-9)
        state = one.qpos


def test_it_is_deterministic_and_can_begin_anew(rt: Retargeter, feed: ActionFeed) -> None:
    controller = Controller(rt, filter="one_euro", collision_margin=0.01)
    first = [c.qpos for c in play(controller, feed, 20)]
    controller.reset()
    second = [c.qpos for c in play(controller, feed, 20)]
    np.testing.assert_array_equal(first, second)
    assert controller.steps == 20
    assert (controller.counts.chunks, controller.counts.steps) == (20, 20)
    assert controller.counts.late == controller.counts.short == 0


@given(st.integers(0, 2**32 - 1))
def test_the_quick_reader_is_unpack(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vector = rng.normal(size=(int(rng.integers(1, 31)), 48)) * 10.0 ** rng.uniform(-7.0, 7.0)
    if rng.random() < 0.5:
        vector[rng.random(vector.shape) < 0.02] = rng.choice([np.nan, np.inf, 0.0, 1e300])
    if rng.random() < 0.3:  # parallel columns
        vector[:, 39:42] = 3.0 * vector[:, 36:39]
    kept = vector.copy()
    ensembler, slow = ChunkEnsembler(30), as_chunk(vector)
    quick = ensembler.push_vectors(vector, 0)
    np.testing.assert_array_equal(vector, kept)
    event("sound" if quick else "in doubt")
    found = [ensembler.at(step) for step in range(len(vector))]
    if quick:
        assert (slow.status == Status.OK).all()
        np.testing.assert_array_equal([one.translation for one in found], slow.translation)
        np.testing.assert_array_equal([one.pca for one in found], slow.pca)
        np.testing.assert_allclose([one.rotation for one in found], slow.rotation, atol=1e-12)
        return
    assert ensembler.counts.chunks == 0
    assert all((one.status == Status.MISSING_INPUT).all() for one in found)
    if np.isfinite(vector).all() and 1e-1 < np.abs(vector).max() < 10.0:
        # what is left to the slow way is rare
        columns = vector[:, 36:].reshape(-1, 2, 2, 3)
        length = np.linalg.norm(columns, axis=-1)
        sine = np.linalg.norm(np.cross(columns[:, :, 0], columns[:, :, 1]), axis=-1)
        assert length.min() < 0.02 or (sine / length.prod(axis=-1)).min() < 0.01


def test_the_quick_reader_takes_what_policies_say(feed: ActionFeed) -> None:
    chunk = feed.chunk(3)
    ensembler = ChunkEnsembler(30)
    assert ensembler.push_vectors(chunk, 0)
    for other in (chunk[:, :47], chunk[0], chunk.astype(np.float32), chunk.tolist(), chunk[:0]):
        assert not ensembler.push_vectors(other, 0)
    assert not ChunkEnsembler(29).push_vectors(chunk, 0)
    # what it does not take is read all the same
    one = as_chunk(chunk.astype(np.float32))
    np.testing.assert_allclose(one.translation, as_chunk(chunk).translation, atol=1e-6)
    assert as_chunk(chunk[0]).shape == (1,)
    assert as_chunk(unpack(chunk[0])).shape == (1,)


# --- commands ---------------------------------------------------------------------------------


def test_a_command_says_everything_by_name(rt: Retargeter, feed: ActionFeed) -> None:
    command = play(Controller(rt, hand_velocity=FAST_HANDS), feed, 5)[-1]
    assert command.step == 4
    assert command.names == rt.robot.joint_names
    row = rt.robot.joint_names.index("R_thumb_distal_joint")
    assert command.joint("R_thumb_distal_joint") == command.qpos[row]
    with pytest.raises(InputError, match="no joint named 'elbow'"):
        command.joint("elbow")
    np.testing.assert_allclose(
        command.hand_command, to_hand_command(rt.robot, command.qpos), atol=1e-15
    )
    assert command.phase is Phase.TRACKING
    assert command.hold is None
    assert command.arm_status == (Status.OK, Status.OK)
    assert command.hand_status == (Status.OK, Status.OK)
    assert command.nearest is None
    assert command.blocked == (False, False)


def test_a_retargeter_makes_its_controller(rt: Retargeter, feed: ActionFeed) -> None:
    one, other = rt.controller(hand_velocity=2.0), Controller(rt, hand_velocity=2.0)
    assert one.settings == other.settings
    np.testing.assert_array_equal(
        one.step(feed.chunk(0), feed.start).qpos, other.step(feed.chunk(0), feed.start).qpos
    )


def test_legs_stay_where_they_were(rt: Retargeter, feed: ActionFeed) -> None:
    start = feed.start.copy()
    rows = rt.robot.indices(["left_knee_joint", "right_hip_pitch_joint"])
    start[rows] = 0.3, -0.2
    for command in play(Controller(rt), replace(feed, start=start), 5):
        np.testing.assert_array_equal(command.qpos[rows], start[rows])


def test_wrists_out_of_reach_are_reported(rt: Retargeter, feed: ActionFeed) -> None:
    vectors = feed.vectors.copy()
    vectors[:, 2] += 3.0  # the left wrist, along the camera's axis
    run = run_feed(Controller(rt), replace(feed, vectors=vectors, steps=90))
    assert run.sound
    assert set(run.arm_status[:, 0]) == {int(Status.UNREACHABLE)}
    assert set(run.arm_status[:, 1]) == {int(Status.OK)}
    assert run.lag_m[-1, 0] > 1.0
    assert run.lag_m[-1, 1] < 1e-9
    assert run.phases[-1, 0] == Phase.TRACKING


# --- start, hold, return ----------------------------------------------------------------------


def test_it_starts_smoothly_from_where_the_robot_is(rt: Retargeter, feed: ActionFeed) -> None:
    start = standing(rt.robot)
    for side in rt.robot.sides:
        start[rt.robot.indices(side.arm_joints)[:2]] += [0.8, 0.1 if side.side == "left" else -0.1]
    controller = Controller(rt, hand_velocity=FAST_HANDS)
    run = run_feed(controller, replace(feed, start=standing(rt.robot, start)))
    assert run.sound
    # no jerk at the beginning, and nothing near the limits on the way
    speed = np.abs(np.diff(run.states, axis=0)) * run.rate / controller.limits.velocity
    assert speed[0].max() < 0.1
    for k, side in enumerate(rt.robot.sides):
        starting = int((run.phases[:, k] == Phase.STARTING).sum())
        assert 5 < starting < 60
        assert np.all(run.phases[:starting, k] == Phase.STARTING)
        assert np.all(run.phases[starting:, k] == Phase.TRACKING)
        own = speed[:, rt.robot.indices([*side.arm_joints, *side.hand_joints])]
        assert own[:starting].max() < 0.8
        assert run.lag_m[starting:, k].max() < 1e-3


def test_a_robot_that_is_there_already_does_not_wait(rt: Retargeter, feed: ActionFeed) -> None:
    command = Controller(rt, hand_velocity=FAST_HANDS).step(feed.chunk(0), feed.start)
    assert command.phases == (Phase.TRACKING, Phase.TRACKING)
    assert max(command.lag_m) < 1e-9


def test_a_lost_policy_is_held_timed_out_and_taken_up_again(
    rt: Retargeter, feed: ActionFeed
) -> None:
    controller = Controller(rt, hand_velocity=FAST_HANDS, hold_timeout=0.5)
    quiet = range(60, 100)
    commands = play(controller, single(feed), 200, silent=quiet)
    held = [c for c in commands if c.hold is not None]
    assert [c.step for c in held] == list(quiet)
    assert [c.hold.steps for c in held if c.hold] == list(range(1, 41))
    assert {hold.reason for c in held for hold in c.holds if hold} == {NO_ACTION}
    assert [c.phase for c in held] == [Phase.HOLDING] * 15 + [Phase.TIMED_OUT] * 25
    assert all(c.arm_status == (Status.HELD, Status.HELD) for c in held)
    assert all(np.isnan(c.lag_m).all() for c in held)
    # it stands still before the end
    np.testing.assert_array_equal(held[-1].qpos, held[-10].qpos)
    # it comes back through a blend, then follows exactly
    assert commands[100].phase is Phase.RETURNING
    assert commands[-1].phase is Phase.TRACKING
    assert max(commands[-1].lag_m) < 1e-9
    speed = np.abs(np.diff([c.qpos for c in commands], axis=0)) * 30.0
    assert np.all(speed <= controller.limits.velocity * (1.0 + 1e-9))


def test_chunks_bridge_a_short_loss(rt: Retargeter, feed: ActionFeed) -> None:
    commands = play(Controller(rt, hand_velocity=FAST_HANDS), feed, 120, silent=range(60, 89))
    assert all(c.hold is None for c in commands)
    assert max(max(c.lag_m) for c in commands) < 1e-9


def test_a_hand_that_is_lost_holds_alone(rt: Retargeter, feed: ActionFeed) -> None:
    vectors = feed.vectors.copy()
    vectors[80:120, [0, 1, 2]] = np.nan
    both = single(feed)
    lost = play(Controller(rt, hand_velocity=FAST_HANDS), replace(both, vectors=vectors), 160)
    whole = play(Controller(rt, hand_velocity=FAST_HANDS), both, 160)
    right = np.concatenate(
        [rt.robot.indices(j) for s in rt.robot.sides[1:] for j in (s.arm_joints, s.hand_joints)]
    )
    for a, b in zip(lost, whole, strict=True):
        np.testing.assert_allclose(a.qpos[right], b.qpos[right], atol=1e-12)
        assert a.holds[1] is None
        assert (a.holds[0] is not None) == (80 <= a.step + 1 < 120)
    assert {c.holds[0].reason for c in lost if c.holds[0]} == {NOT_USABLE}
    assert lost[-1].phases == (Phase.TRACKING, Phase.TRACKING)


def test_measured_joints_that_are_no_numbers_are_held(rt: Retargeter, feed: ActionFeed) -> None:
    controller = Controller(rt, hand_velocity=FAST_HANDS)
    state = feed.start
    wrong: dict[int, Any] = {20: state * np.nan, 21: state[:5], 22: "joints", 23: None}
    for k in range(40):
        command = controller.step(feed.chunk(k), wrong.get(k, state))
        reasons = {hold.reason for hold in command.holds if hold}
        assert reasons == ({NO_JOINTS} if k in wrong else set())
        assert np.isfinite(command.qpos).all()
        state = command.qpos


def test_what_a_policy_says_never_raises_later(rt: Retargeter, feed: ActionFeed) -> None:
    controller = Controller(rt, horizon=1)
    state = controller.step(feed.chunk(0)[:1], feed.start).qpos
    for wrong in (
        np.zeros((3, 47)), np.zeros(()), "nonsense", [[1.0], [2.0, 3.0]], np.zeros((0, 48)),
        np.zeros((31, 48)), np.full((1, 48), np.nan), np.zeros((1, 48)), object(),
    ):  # fmt: skip
        command = controller.step(wrong, state)  # type: ignore[arg-type]
        assert {hold.reason for hold in command.holds if hold} == {NOT_USABLE}
    for pose in (np.zeros((4, 4)), "nonsense", [[1.0], [2.0, 3.0]]):
        assert controller.step(feed.chunk(1)[:1], state, T_world_camera=pose).hold
    steps: tuple[Any, ...] = (10**6, np.nan, -np.inf, 0.5, "0")
    for step in steps:
        assert controller.step(feed.chunk(1)[:1], state, step=step).hold


def test_a_tensor_with_its_gradient_is_refused(rt: Retargeter, feed: ActionFeed) -> None:
    """What a policy gives that was not run under `torch.no_grad`: at first it raises, later not."""
    torch = pytest.importorskip("torch")
    controller = Controller(rt, horizon=1)
    chunk, qpos, pose = (
        torch.tensor(values, requires_grad=True)
        for values in (feed.chunk(0)[:1], feed.start, np.eye(4))
    )
    with pytest.raises(InputError, match="requires grad"):
        controller.step(chunk, feed.start)
    with pytest.raises(InputError, match="50 finite numbers"):
        controller.step(chunk.detach(), qpos)
    with pytest.raises(InputError, match="requires grad"):
        controller.step(chunk.detach(), feed.start, T_world_camera=pose)
    state = controller.step(chunk.detach(), feed.start).qpos
    assert controller.step(chunk, state).hold
    assert controller.step(chunk.detach(), qpos).hold
    assert controller.step(chunk.detach(), state, T_world_camera=pose).hold


def test_mistakes_of_the_program_raise_at_first(rt: Retargeter, feed: ActionFeed) -> None:
    controller, chunk = Controller(rt), feed.chunk(0)
    with pytest.raises(InputError, match=r"shape \(48,\) or \(L, 48\), got \(30, 47\)"):
        controller.step(chunk[:, :47], feed.start)
    with pytest.raises(InputError, match="50 finite numbers"):
        controller.step(chunk, feed.start * np.nan)
    with pytest.raises(InputError, match="50 finite numbers"):
        controller.step(chunk, feed.start[:26])
    start = feed.start.copy()
    start[rt.robot.joint_names.index("left_wrist_pitch_joint")] = 2.0
    with pytest.raises(InputError, match=r"'left_wrist_pitch_joint' at 2\.000 rad"):
        controller.step(chunk, start)
    with pytest.raises(InputError, match="T_a_b has no orthonormal rotation"):
        controller.step(chunk, feed.start, T_world_camera=2.0 * np.eye(4))
    with pytest.raises(InputError, match="step must be a whole number, got nan"):
        controller.step(chunk, feed.start, step=np.nan)  # type: ignore[arg-type]
    assert controller.steps == 0
    controller.step(chunk, feed.start)


def test_settings_are_checked(rt: Retargeter) -> None:
    for settings, said in (
        ({"speed": 1.0}, "no setting named 'speed'"),
        ({"rate": 0.0}, "rate"),
        ({"camera": "left"}, "no camera 'left'"),
        ({"filter": "kalman"}, "filter"),
        ({"after_timeout": "sit"}, "after_timeout"),
        ({"approach": 0.0}, "approach"),
        ({"horizon": 0}, "horizon"),
        ({"hold_timeout": -1.0}, "hold_timeout"),
        ({"hand_velocity": -1.0}, "hand_velocity"),
        ({"collision_margin": -1.0}, "margin"),
    ):
        with pytest.raises(InputError, match=said):
            Controller(rt, **settings)


def test_after_a_time_out_arms_can_go_to_their_posture(rt: Retargeter, feed: ActionFeed) -> None:
    controller = Controller(rt, hold_timeout=0.2, after_timeout="posture")
    commands = play(controller, single(feed), 400, silent=range(100, 400))
    for side in rt.robot.sides:
        rows = rt.robot.indices(side.arm_joints)
        assert np.abs(commands[106].qpos[rows] - side.arm_posture).max() > 0.05
        np.testing.assert_allclose(commands[-1].qpos[rows], side.arm_posture, atol=1e-9)
        hand = rt.robot.indices(side.hand_joints)
        np.testing.assert_allclose(commands[-1].qpos[hand], commands[130].qpos[hand], atol=1e-9)
    speed = np.abs(np.diff([c.qpos for c in commands[110:]], axis=0)) * 30.0
    arms = np.concatenate([rt.robot.indices(s.arm_joints) for s in rt.robot.sides])
    assert np.all(speed[:, arms] < 0.06 * controller.limits.velocity[arms])


# --- faults and limits ------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 30])
@pytest.mark.parametrize("filter", ["none", "one_euro", "critical"])
def test_faults_leave_commands_continuous_and_it_recovers(
    rt: Retargeter, feed: ActionFeed, horizon: int, filter: str
) -> None:
    controller = Controller(rt, hand_velocity=FAST_HANDS, horizon=horizon, filter=filter)
    faults = Faults(drop=0.1, nan=0.05, delay=0.04, seed=4)
    said = replace(feed, horizon=horizon)
    run = run_feed(controller, said, faults=faults)
    assert run.dropped > 10
    assert run.spoilt > 3
    assert run.sound
    steps = np.abs(np.diff(run.states, axis=0))
    assert np.all(steps <= controller.limits.velocity / feed.rate * (1.0 + 1e-9))
    # a single action that comes two steps late is of no use: it must all be held, and said
    held = sum(hold.steps for hold in run.holds)
    assert held == (2 * run.steps if horizon == 1 else held)
    if horizon == 30:
        late = [hold for hold in run.holds if hold.step > 5]
        assert sum(hold.steps for hold in late) < 20
        assert run.lag_m[-1].max() < (1e-9 if filter == "none" else 5e-3)


def test_single_actions_that_are_lost_are_recovered_from(rt: Retargeter, feed: ActionFeed) -> None:
    controller = Controller(rt, hand_velocity=FAST_HANDS)
    run = run_feed(controller, single(feed), faults=Faults(drop=0.1, nan=0.05, seed=1))
    assert run.sound
    assert len(run.holds) > 20
    known = np.isfinite(run.lag_m)
    assert 0.8 < known.mean() < 1.0
    assert np.median(run.lag_m[known]) < 1e-9
    assert run.lag_m[known].max() < 0.05


def test_faults_are_what_was_asked_for_and_repeat(feed: ActionFeed) -> None:
    def passed(**faults: Any) -> list[int | None]:
        channel = FaultyChannel(Faults(**faults), 30.0)
        arrivals = [channel.pass_on(feed.chunk(k), k) for k in range(200)]
        return [None if a is None else a.step for a in arrivals]

    assert passed() == list(range(200))
    assert passed(delay=0.04)[2:] == list(range(198))  # 1.2 periods are 2 steps
    assert passed(delay=2.0 / 30.0)[2:] == list(range(198))
    assert passed(drop=1.0) == [None] * 200
    lost = passed(drop=0.2, seed=3)
    assert lost == passed(drop=0.2, nan=0.5, seed=3)  # one fault does not move the other
    assert lost != passed(drop=0.2, seed=4)
    assert 20 < lost.count(None) < 60
    channel = FaultyChannel(Faults(nan=1.0), 30.0)
    for k in range(20):
        chunk = feed.chunk(k)
        arrival = channel.pass_on(chunk, k)
        assert arrival is not None
        assert not np.isfinite(arrival.chunk).all()
        assert chunk is not None
        assert np.isfinite(chunk).all()
    for wrong in ({"drop": 1.1}, {"nan": -0.1}, {"delay": -1.0}, {"seed": -1}, {"drop": np.nan}):
        with pytest.raises(InputError):
            Faults(**wrong)  # type: ignore[arg-type]


def test_nothing_breaks_a_limit(rt: Retargeter) -> None:
    """Random, adversarial and faulty actions; as a script, controller_fuzz.py does a million."""
    found = fuzz(12_000, 11, retargeter=rt)
    assert found.steps == 12_000
    assert not any(found.faults.values()), found.faults
    # all of it was there
    assert min(found.phases[phase.label] for phase in Phase) > 100
    assert set(found.holds) >= {NO_ACTION, NOT_USABLE, NO_JOINTS}
    assert max(check.velocity_share for check in found.checks) > 0.999
    assert max(check.acceleration_share for check in found.checks) > 0.999


def test_collisions_are_watched_within_the_limits(rt: Retargeter) -> None:
    found = fuzz(600, 5, retargeter=rt, collision_margin=0.01)
    assert not any(found.faults.values()), found.faults


def test_arms_do_not_wait_for_slow_fingers(rt: Retargeter, feed: ActionFeed) -> None:
    """Arms and hands come to a far target each in their own time."""
    start = feed.start.copy()
    for k, side in enumerate(rt.robot.sides):
        hand = rt.robot.indices(side.hand_joints)
        start[hand] = rt.robot.expand_hand(k, rt.robot.hand_limits(k)[1])
    run = run_feed(Controller(rt), replace(feed, start=start, steps=60))
    assert (run.phases == Phase.STARTING).all()  # the fingers, at 0.5 rad/s
    assert run.lag_m.max() < 1e-9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", 0.0),
        ("rate", "30"),
        ("horizon", 0),
        ("horizon", 1001),
        ("horizon", 2.5),
        ("wrist_decay", -0.1),
        ("hand_decay", float("nan")),
        ("hand_velocity", -1.0),
        ("hand_velocity", 0.0),
        ("filter", "bogus"),
        ("hold_timeout", -1.0),
        ("after_timeout", "wait"),
        ("approach", 1.1),
        ("collision_margin", -1.0),
    ],
)
def test_settings_out_of_range_are_refused_when_made(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name} must"):
        ControllerSettings(**{name: value})


def test_a_layout_that_is_none_is_noticed() -> None:
    """In the first chunk: a program's mistake, not a policy's."""
    rng = np.random.default_rng(5)
    retargeter = Retargeter()
    controller = retargeter.controller()
    qpos = np.clip(np.zeros(len(controller.names)), retargeter.robot.lower, retargeter.robot.upper)
    normalised = rng.uniform(-1.0, 1.0, (30, 48))
    with pytest.raises(InputError, match="columns: if the numbers are normalised"):
        controller.step(normalised, qpos)
    other = rng.normal(0.3, 0.2, (30, 48))
    other[:, 3:9] = other[:, 27:33] = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    with pytest.raises(InputError, match="look like wrist xyz, rot6d, five fingertips"):
        controller.step(other, qpos)
    other[:, 36:] = [1.0, 0.1, 0.0, 0.0, 1.1, 0.0] * 2
    assert controller.step(other, qpos).step == 0
