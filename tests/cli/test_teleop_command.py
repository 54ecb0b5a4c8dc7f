"""``retarget teleop``: the default, recordings, live senders, what is refused."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import numpy as np
from command_line import run

from retarget.data.demo.reader import load_demo
from retarget.data.generate.people import make_people
from retarget.live.message import HandMessage, write_message


def test_it_runs_with_nothing_given(tmp_path: Path) -> None:
    out, report = tmp_path / "commands.hdf5", tmp_path / "report.json"
    ended = run("teleop", "--fast", "--seconds", "3", "--out", out, "--json", report)
    assert ended.exit_code == 0, ended
    for said in ("180 steps at 60 Hz", "joints beyond limits: 0", "VALID"):
        assert said in ended.stdout, said
    assert load_demo(out).frames == 180
    found = json.loads(report.read_text())
    assert found["passed"]
    assert found["speed_over_limit"] <= 1.0 + 1e-9
    assert sum(found["sides"]["left"]["phases"].values()) == 180


def test_recordings_and_human_motion(tmp_path: Path) -> None:
    keypoints, _ = make_people(2.0, seed=1)
    np.savez(tmp_path / "x.npz", keypoints=keypoints, rate=60.0)
    ended = run("teleop", tmp_path / "x.npz", "--fast", "--rate", "30")
    assert ended.exit_code == 0, ended
    assert "60 steps at 30 Hz" in ended.stdout
    run("from-human", tmp_path / "x.npz", "--out", tmp_path / "human.hdf5")
    ended = run("teleop", tmp_path / "human.hdf5", "--fast")
    assert ended.exit_code == 0, ended
    assert "120 steps at 60 Hz" in ended.stdout


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"nothing")
    for given, said in (
        (("--source", "radio"), "--source must be one of file, udp, websocket, got 'radio'"),
        (("--source", "file", "--port", "5"), "--port would do nothing"),
        (("--source", "udp", "--fast"), "--fast would do nothing"),
        ((tmp_path / "x.npz", "--source", "udp"), "would not be read"),
        ((tmp_path / "x.npz",), "x.npz"),
    ):
        ended = run("teleop", *given)
        assert ended.exit_code == 2, (given, ended)
        assert said in ended.stderr, (given, ended.stderr)


def test_udp_live() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keypoints, _ = make_people(1.0, seed=2)
    ended = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            k = 0
            while not ended.is_set():
                points = keypoints[k % len(keypoints)]
                data = write_message(HandMessage(k, k / 60.0, points, np.ones(2, dtype=bool)))
                sender.sendto(b"rubbish" if k % 10 == 0 else data, ("127.0.0.1", port))
                k += 1
                time.sleep(1.0 / 60.0)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        found = run("teleop", "--source", "udp", "--port", str(port), "--seconds", "1.5")
    finally:
        ended.set()
        thread.join()
    assert found.exit_code == 0, found
    assert "messages taken" in found.stdout
    assert "the message is no JSON and no MessagePack" in found.stdout or "table" in found.stdout
