"""Messages and their receivers: round trips, mistakes named, hostile senders, the newest wins."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec, transform
from retarget.human.keypoint_layouts import LAYOUTS, from_mano21
from retarget.live.inbox import KEPT, Inbox
from retarget.live.message import MOST_BYTES, HandMessage, read_message, write_message
from retarget.live.receivers import UdpReceiver, WebSocketReceiver


def message(seed: int, sequence: int = 5) -> HandMessage:
    rng = np.random.default_rng(seed)
    points = rng.normal(scale=0.1, size=(2, 21, 3))
    valid = rng.uniform(size=2) > 0.2
    points[~valid] = np.nan
    head = transform(rotation_from_rotvec(rng.normal(size=3)), rng.normal(size=3))
    return HandMessage(sequence, 1.5, points, valid, head if rng.uniform() > 0.3 else None)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(sorted(LAYOUTS)))
def test_messages_come_back(seed: int, packed: bool, layout: str) -> None:
    sent = message(seed)
    found = read_message(write_message(sent, layout=layout, packed=packed))
    assert (found.sequence, found.time) == (5, 1.5)
    known = np.array(LAYOUTS[layout].mano21) >= 0
    np.testing.assert_allclose(found.keypoints[:, known], sent.keypoints[:, known], atol=1e-12)
    assert np.isnan(found.keypoints[:, ~known]).all()
    np.testing.assert_array_equal(found.valid, sent.valid)
    if sent.T_world_head is None:
        assert found.T_world_head is None
    else:
        np.testing.assert_allclose(found.T_world_head, sent.T_world_head, atol=1e-9)


def test_y_up_and_wrist_relative() -> None:
    points = from_mano21(message(3).keypoints[0], "webxr25")
    turn = rotation_from_rotvec([0.0, np.pi / 2, 0.0])
    table = {
        "version": 1, "sequence": 0, "time": 0.0, "layout": "webxr25", "up": "y",
        "left": {
            "keypoints": [p.tolist() if np.isfinite(p).all() else None for p in points],
            "wrist": {"position": [1.0, 2.0, 3.0], "quat_wxyz": [0.5**0.5, 0.0, 0.5**0.5, 0.0]},
        },
        "right": None,
    }  # fmt: skip
    found = read_message(json.dumps(table).encode())
    there = message(3).keypoints[0] @ turn.T + [1.0, 2.0, 3.0]
    expected = np.stack([there[:, 0], -there[:, 2], there[:, 1]], axis=-1)
    np.testing.assert_allclose(found.keypoints[0], expected, atol=1e-9)
    assert list(found.valid) == [True, False]


def table() -> dict[str, Any]:
    return json.loads(write_message(HandMessage(1, 0.0, np.zeros((2, 21, 3)), np.ones(2, bool))))


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    found = table()
    change(found)
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "1 to 65536 bytes"),
        (b"{" * MOST_BYTES + b"{", "1 to 65536 bytes"),
        (b"hello", "no MessagePack|must be a table"),
        (b"{" * 60_000, "no JSON"),
        (b"[1, 2]", "no JSON|must be a table"),
        (b"\x93\x01\x02\x03", "must be a table"),
        (changed(lambda t: t.update(version=2)), "version must be 1, got 2"),
        (changed(lambda t: t.pop("version")), "version must be 1, got None"),
        (changed(lambda t: t.update(sequence=-1)), "sequence must be a whole number"),
        (changed(lambda t: t.update(sequence=1.5)), "sequence must be a whole number"),
        (changed(lambda t: t.update(time="now")), "time must be a number"),
        (changed(lambda t: t.update(up="x")), "up must be 'z' or 'y'"),
        (changed(lambda t: t.update(layout="mine")), "no keypoint layout 'mine'"),
        (changed(lambda t: t.update(extra=1)), "the message has no key 'extra'"),
        (changed(lambda t: t["left"].update(keypoints=[[0, 0, 0]])), "must be 21 points of mano21"),
        (
            changed(lambda t: t["right"]["keypoints"].__setitem__(3, [0, 1])),
            r"right\.keypoints\[3\] must be 3 numbers",
        ),
        (
            changed(lambda t: t["right"]["keypoints"].__setitem__(3, [0, 1, 1e5])),
            "within 100, got 100000",
        ),
        (b'{"version": 1, "sequence": 1, "time": NaN}', "must be finite, got NaN"),
        (
            changed(lambda t: t.update(head={"position": [0, 0, 0], "quat_wxyz": [1, 1, 1, 1]})),
            "head.quat_wxyz must be a unit quaternion",
        ),
        (changed(lambda t: t["left"].update(valid="yes")), "left.valid must be true or false"),
    ],
)
def test_mistakes_are_named(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_message(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    inbox = Inbox()
    inbox.offer(data)
    assert inbox.received + sum(inbox.dropped.values()) == 1


def test_the_newest_wins() -> None:
    inbox = Inbox()
    for sequence in (5, 7, 6, 7, 9):
        inbox.put(message(0, sequence))
    newest = inbox.take()
    assert newest is not None
    assert newest.sequence == 9
    assert inbox.take() is None
    assert dict(inbox.dropped) == {"late": 1, "repeated": 1}
    assert inbox.received == 3
    inbox.put(message(0, 5000))
    assert inbox.put(message(0, 0))  # a sender that began anew


def test_reasons_do_not_grow_without_end() -> None:
    inbox = Inbox()
    for k in range(500):
        inbox.refuse(f"reason {k}")
    assert len(inbox.dropped) <= KEPT + 1
    assert sum(inbox.dropped.values()) == 500


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10.0
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_udp_with_a_hostile_sender() -> None:
    inbox = Inbox()
    with UdpReceiver(inbox) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        to = ("127.0.0.1", receiver.port)
        for data in (b"", b"\x00" * 60_000, b"{" * 30_000, b'{"version": 3}'):
            sender.sendto(data, to)
        sender.sendto(write_message(message(1, 10)), to)
        sender.sendto(write_message(message(1, 9), packed=True), to)
        sender.sendto(write_message(message(1, 11), packed=True), to)
        assert until(lambda: inbox.received == 2 and sum(inbox.dropped.values()) == 5)
        newest = inbox.take()
        assert newest is not None
        assert newest.sequence == 11
    with pytest.raises(InputError, match=r"cannot listen on 203\.0\.113\.1"):
        UdpReceiver(inbox, "203.0.113.1", 9)


def test_websocket_with_a_hostile_sender() -> None:
    import asyncio

    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    inbox = Inbox()

    async def send(url: str) -> None:
        with pytest.raises(Exception, match="403"):
            await websocket_connect(HTTPRequest(url, headers={"Origin": "http://evil.example"}))
        hostile = await websocket_connect(url)
        await hostile.write_message(b"\x00" * (MOST_BYTES + 10), binary=True)
        assert await hostile.read_message() is None  # closed
        socket = await websocket_connect(HTTPRequest(url, headers={"Origin": "http://localhost"}))
        await socket.write_message("{}")
        await socket.write_message(write_message(message(2, 1)).decode())
        await socket.write_message(write_message(message(2, 2), packed=True), binary=True)
        while inbox.received < 2:
            await asyncio.sleep(0.01)
        socket.close()

    with WebSocketReceiver(inbox) as receiver:
        asyncio.run(asyncio.wait_for(send(f"ws://127.0.0.1:{receiver.port}/"), 20.0))
    newest = inbox.take()
    assert newest is not None
    assert newest.sequence == 2
    said = " ".join(inbox.dropped)
    assert "a page of another origin: http://evil.example" in said
    assert "version must be 1" in said
