"""Teleop: limits, holds, returns, hands that swap, heads; the loop over a stream with faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retarget.control.command import JUMPED, NO_HAND, NOT_SEEN, Command, Phase
from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec, transform
from retarget.core.types import FloatArray, Status
from retarget.data.generate.people import make_people
from retarget.live import Teleop
from retarget.live.inbox import Inbox
from retarget.live.loop import recorded, teleoperate
from retarget.live.message import HandMessage

RATE = 60.0


@pytest.fixture(scope="module")
def stream() -> tuple[FloatArray, FloatArray]:
    return make_people(12.0, seed=3)


@pytest.fixture
def teleop() -> Teleop:
    return Teleop("h1_inspire", hand_velocity=4.0)


def rest(teleop: Teleop) -> FloatArray:
    q = np.zeros(len(teleop.names))
    for side in teleop.robot.sides:
        q[teleop.robot.indices(side.arm_joints)] = side.arm_posture
    return np.clip(q, teleop.limits.lower, teleop.limits.upper)


def run(
    teleop: Teleop,
    frames: list[FloatArray | None],
    valid: FloatArray | None = None,
    **given: object,
) -> list[Command]:
    q, commands = rest(teleop), []
    for k, points in enumerate(frames):
        seen = None if valid is None else valid[k]
        head = given.get("heads")
        T = None if head is None else head[k]  # type: ignore[index]
        command = teleop.step(points, q, valid=seen, T_world_head=T)
        commands.append(command)
        q = command.qpos
    return commands


def check_limits(teleop: Teleop, commands: list[Command]) -> None:
    q = np.stack([rest(teleop), *(command.qpos for command in commands)])
    limits = teleop.limits
    assert np.isfinite(q).all()
    assert (q >= limits.lower - 1e-9).all()
    assert (q <= limits.upper + 1e-9).all()
    driven = np.concatenate(
        [
            teleop.robot.indices((*side.arm_joints, *side.active_joints))
            for side in teleop.robot.sides
        ]
    )
    velocity = np.diff(q[:, driven], axis=0) * RATE
    assert (np.abs(velocity) <= limits.velocity[driven] * (1 + 1e-9)).all()
    change = np.diff(velocity, axis=0) * RATE
    assert (np.abs(change) <= limits.acceleration[driven] * (1 + 1e-6)).all()


def test_wrists_move_as_the_persons(teleop: Teleop, stream: tuple[FloatArray, FloatArray]) -> None:
    keypoints, _ = stream
    commands = run(teleop, list(keypoints))
    check_limits(teleop, commands)
    assert commands[-1].phases == (Phase.TRACKING, Phase.TRACKING)
    late = commands[-120:]
    wrists, _ = teleop.robot.forward(np.stack([command.qpos for command in late]))
    ours = wrists[..., :3, 3] - wrists[:1, :, :3, 3]
    theirs = keypoints[-120:, :, 0] - keypoints[-120:-119, :, 0]
    fine = [c.arm_status[h] in (Status.OK, Status.AT_LIMIT) for c in late for h in (0, 1)]
    assert np.mean(fine) > 0.5
    # the filter lags by some hundredths of a second
    assert np.abs(ours - theirs)[np.reshape(fine, (-1, 2))].max() < 0.03


def test_a_lost_hand_holds_at_once_and_comes_back_smoothly(
    teleop: Teleop, stream: tuple[FloatArray, FloatArray]
) -> None:
    keypoints, _ = stream
    valid = np.ones((len(keypoints), 2), dtype=bool)
    valid[400:440, 1] = False
    commands = run(teleop, list(keypoints), valid)
    check_limits(teleop, commands)
    for k, command in enumerate(commands):
        hold = command.holds[1]
        if 400 <= k < 440:
            assert hold is not None
            assert (hold.reason, hold.steps) == (NOT_SEEN, k - 399)
            assert command.hand_status[1] == Status.HELD
        else:
            assert hold is None
        assert command.holds[0] is None
    side = teleop.robot.indices(teleop.robot.sides[1].arm_joints)
    held = np.stack([command.qpos[side] for command in commands[415:440]])
    assert np.abs(held - held[-1]).max() < 0.02
    assert commands[-1].phases[1] in (Phase.TRACKING, Phase.RETURNING)


def test_hands_that_swap_are_not_followed(
    teleop: Teleop, stream: tuple[FloatArray, FloatArray]
) -> None:
    keypoints = stream[0].copy()
    keypoints[400:430] = keypoints[400:430, ::-1]
    commands = run(teleop, list(keypoints))
    check_limits(teleop, commands)
    for command in commands[400:430]:
        assert all(hold is not None and hold.reason in (JUMPED, NO_HAND) for hold in command.holds)
    assert all(hold is None for command in commands[430:] for hold in command.holds)


def test_who_stays_elsewhere_is_believed_in_the_end(
    teleop: Teleop, stream: tuple[FloatArray, FloatArray]
) -> None:
    keypoints = stream[0].copy()
    keypoints[300:, 0] += [0.0, 0.4, 0.0]
    commands = run(teleop, list(keypoints))
    check_limits(teleop, commands)
    held = [k for k, command in enumerate(commands) if command.holds[0] is not None]
    assert held[0] == 300
    assert 359 <= held[-1] <= 361
    assert {commands[k].holds[0].reason for k in held} == {JUMPED}  # type: ignore[union-attr]


def test_numbers_that_are_no_hand_hold(
    teleop: Teleop, stream: tuple[FloatArray, FloatArray]
) -> None:
    keypoints = stream[0][:40].copy()
    noise = np.random.default_rng(0).normal(scale=0.1, size=(10, 21, 3))
    keypoints[20:30, 0] = keypoints[20:30, 0, :1] + noise
    commands = run(teleop, list(keypoints))
    check_limits(teleop, commands)
    for command in commands[20:30]:
        assert command.holds[0] is not None
        assert command.holds[0].reason in (NO_HAND, NOT_SEEN, JUMPED)


def test_a_person_who_walks_is_followed_from_the_head(
    stream: tuple[FloatArray, FloatArray],
) -> None:
    keypoints, heads = stream[0][:200], stream[1][:200]
    walk = np.zeros((200, 3))
    walk[:, 0] = np.linspace(0.0, 2.0, 200)
    moved = heads.copy()
    moved[:, :3, 3] += walk
    still = run(Teleop("h1_inspire"), list(keypoints), heads=heads)
    walking = run(Teleop("h1_inspire"), list(keypoints + walk[:, None, None]), heads=moved)
    for a, b in zip(still[:60], walking[:60], strict=True):
        np.testing.assert_allclose(a.qpos, b.qpos, atol=1e-5)


def test_where_the_person_stands_does_not_matter(stream: tuple[FloatArray, FloatArray]) -> None:
    keypoints = stream[0][:60]
    T = transform(rotation_from_rotvec([0.0, 0.0, 1.3]), np.array([4.0, -2.0, 0.3]))
    there = keypoints @ T[:3, :3].T + T[:3, 3]
    a = run(Teleop("h1_inspire"), list(keypoints))
    b = run(Teleop("h1_inspire"), list(there))
    np.testing.assert_allclose(a[-1].qpos, b[-1].qpos, atol=1e-4)


def test_keypoints_may_be_relative_to_the_wrist(stream: tuple[FloatArray, FloatArray]) -> None:
    keypoints = stream[0][:30]
    whole, parted = Teleop("h1_inspire"), Teleop("h1_inspire")
    q = rest(whole)
    for points in keypoints:
        T = transform(rotation_from_rotvec(np.tile([0.1, 0.7, -0.3], (2, 1))), points[:, 0])
        local = (points - points[:, :1]) @ T[:, :3, :3]
        a = whole.step(points, q)
        b = parted.step(local, q, T_world_wrist=T)
        np.testing.assert_allclose(a.qpos, b.qpos, atol=1e-6)
        q = a.qpos


def test_it_is_deterministic(stream: tuple[FloatArray, FloatArray]) -> None:
    a = run(Teleop("h1_inspire"), list(stream[0][:50]))
    teleop = Teleop("h1_inspire")
    run(teleop, list(stream[0][100:120]))
    teleop.reset()
    b = run(teleop, list(stream[0][:50]))
    np.testing.assert_array_equal(a[-1].qpos, b[-1].qpos)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_stream_with_every_fault(teleop: Teleop, seed: int) -> None:
    """60 Hz with a tenth lost, late, repeated, out of order, and hands swapped for a while."""
    rng = np.random.default_rng(seed)
    sent = list(recorded(None, RATE))
    for k in range(200, 230):
        sent[k] = replace(sent[k], keypoints=sent[k].keypoints[::-1])
    inbox, commands = Inbox(), []
    arriving: dict[int, list[HandMessage]] = {}
    lost = 0
    for k, message in enumerate(sent):
        kind = rng.uniform()
        if kind < 0.10:
            lost += 1
            continue
        late = int(rng.integers(1, 6)) if kind < 0.15 else 0
        arriving.setdefault(k + late, []).append(message)
        if kind > 0.95:
            arriving.setdefault(k + 1, []).append(message)
    step = iter(range(len(sent)))

    def take() -> HandMessage | None:
        for message in arriving.get(next(step), []):
            inbox.put(message)
        return inbox.take()

    report = teleoperate(teleop, take, len(sent), inbox=inbox, on_command=commands.append)
    assert report.passed, report.reasons
    assert report.beyond_limits == 0
    assert report.speed_share <= 1.0 + 1e-9
    assert report.steps == len(sent)
    assert report.dropped["late"] + report.dropped["repeated"] > 10
    assert sum(report.phases[0].values()) == len(sent)
    assert report.holds[0][NOT_SEEN] >= lost * 0.8
    assert report.holds[0][JUMPED] + report.holds[0][NO_HAND] >= 20
    q = np.stack([command.qpos for command in commands])
    assert (np.abs(np.diff(q, axis=0)) * RATE <= teleop.limits.velocity + 1e-9).all()


def test_wrong_input_is_refused(teleop: Teleop) -> None:
    q = rest(teleop)
    for keypoints, given, said in (
        (np.zeros((21, 3)), {}, "keypoints must have shape"),
        (np.zeros((2, 21, 3)), {"T_world_wrist": np.eye(4)}, "T_world_wrist must have shape"),
        (np.zeros((2, 21, 3)), {"T_world_head": np.eye(3)}, "T_world_head must have shape"),
    ):
        with pytest.raises(InputError, match=said):
            teleop.step(keypoints, q, **given)
    with pytest.raises(InputError, match="the first qpos"):
        teleop.step(None, np.full(len(q), np.nan))
    with pytest.raises(InputError, match="scale must be positive"):
        Teleop("h1_inspire", scale=-1.0)
    with pytest.raises(InputError, match="no setting named"):
        Teleop("h1_inspire", speed=3.0)
