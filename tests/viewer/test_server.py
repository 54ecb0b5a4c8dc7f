"""Who is answered, and how much a server of pages holds for clients who mean no good."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from command_line import run

from retarget.core.errors import InputError
from retarget.viewer.server import MAX_PAGES, MAX_REQUESTS, PageServer

PAGE = "<p>hello</p>"
UPGRADE = (
    "GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
NEXT = bytes([0x81, 0x84, 0, 0, 0, 0]) + b"next"  # a masked text message
PING = bytes([0x89, 0xFD, 0, 0, 0, 0]) + bytes(125)


@contextmanager
def serving(page: str = PAGE, **options: Any) -> Iterator[tuple[PageServer, int]]:
    """A server, and its port."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = PageServer(page, **options)
    try:
        yield server, int(server.url.rstrip("/").rsplit(":", 1)[1])
    finally:
        server.close()


def asked(port: int, host: str, at: str = "127.0.0.1") -> tuple[int, str]:
    """Status and document of a request that names this host."""
    connection = http.client.HTTPConnection(at, port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def looking(port: int) -> socket.socket:
    """A page that has been let in, or refused."""
    page = socket.create_connection(("127.0.0.1", port), timeout=10)
    page.sendall(UPGRADE.encode())
    return page


def status(page: socket.socket) -> int:
    """What the server has said to an upgrade."""
    return int(page.recv(4096).split()[1])


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident() -> int:
    """Memory of this process, which serves and looks [bytes]."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def eventually(holds: Any) -> None:
    for _ in range(500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to hold")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_other_names_are_refused_wherever_it_listens(host: str) -> None:
    with serving(host=host, allow_hosts=["Proxy.Example", "2001:DB8::1"]) as (server, port):
        for name in ("localhost", "127.0.0.1", "LOCALHOST:80", "proxy.example", "[2001:db8::1]:8"):
            assert asked(port, name) == (200, PAGE), name
        for name in ("rebound.example", "rebound.example:80", "192.0.2.7", "0.0.0.1", "", "[::2]"):
            code, said = asked(port, name)
            assert code == 403, name
            assert "--allow-host" in said
        assert asked(port, server.url.split("/")[2])[0] == 200  # the one it prints


def test_every_address_is_answered_at_the_one_that_was_reached() -> None:
    with serving(host="0.0.0.0") as (_, port):
        assert asked(port, "127.0.0.2", at="127.0.0.2")[0] == 200
        assert asked(port, "127.0.0.2", at="127.0.0.3")[0] == 403


@pytest.mark.parametrize("name", ["", "http://a.example", "a.example:80", "a b", "*", "a/", "-"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError, match="allowed host must be a name or an address without"):
        PageServer(PAGE, allow_hosts=[name])


def test_names_on_the_command_line(tmp_path: Path) -> None:
    demo = tmp_path / "demo.hdf5"
    assert run("make-demo", demo, "--frames", 3).exit_code == 0
    result = run("view", demo, "--allow-host", "http://a.example", "--no-open")
    assert result.exit_code == 2
    assert "allowed host must be a name or an address" in result.stderr
    result = run("view", demo, "--html", tmp_path / "a.html", "--allow-host", "a.example")
    assert result.exit_code == 2
    assert "--allow-host" in result.stderr


def test_many_idle_connections_leave_files_to_the_process() -> None:
    """With 300 connections open the page is served, and the process opens files and few of them."""
    with serving() as (_, port), ExitStack() as kept:
        before = open_files()
        ours = [
            kept.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            for _ in range(300)
        ]
        assert asked(port, "localhost") == (200, PAGE)
        held = open_files() - before - len(ours)
        assert held <= MAX_REQUESTS + 1
        ours[0].settimeout(10)
        assert ours[0].recv(1) == b""  # the oldest was cut, and not the newest
        ours[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in ours[-1].recv(4096)


def test_idle_connections_within_the_soft_limit_of_files() -> None:
    """A process that may open 200 files stands 1,200 connections: it goes on opening files."""
    program = (
        "import sys, time\n"
        "from retarget.viewer.server import PageServer\n"
        "server = PageServer('hello')\n"
        "print(server.url, flush=True)\n"
        "for line in sys.stdin:\n"
        "    with open('/dev/null'), open('/dev/zero'): print('open', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(process.stdout.readline().strip().rstrip("/").rsplit(":", 1)[1])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = min(hard, 2000) if hard != resource.RLIM_INFINITY else 2000
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    try:
        with ExitStack() as kept:
            for _ in range(min(1200, enough - 200)):
                kept.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            process.stdin.write("now\n")
            process.stdin.flush()
            assert process.stdout.readline() == "open\n"
            assert asked(port, "localhost") == (200, "hello")
        _, complaints = process.communicate(timeout=30)
        assert complaints == ""
        assert process.returncode == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_pages_are_counted_apart_and_those_that_look_stay() -> None:
    with (
        serving(scene="first", source=lambda: (0, b"frame")) as (server, port),
        ExitStack() as kept,
    ):
        pages = [kept.enter_context(looking(port)) for _ in range(MAX_PAGES)]
        assert {status(page) for page in pages} == {101}
        eventually(lambda: len(server._clients) == MAX_PAGES)
        with looking(port) as refused:
            assert status(refused) == 503
        for _ in range(MAX_REQUESTS + 20):
            kept.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        assert asked(port, "localhost") == (200, PAGE)
        assert len(server._clients) == MAX_PAGES
        pages[0].close()
        eventually(lambda: len(server._clients) == MAX_PAGES - 1)
        with looking(port) as next_one:
            assert status(next_one) == 101


def test_a_page_that_asks_and_never_reads_is_held_one_message() -> None:
    """It says that it has drawn each frame, and takes none: nothing is piled up for it."""
    made = []

    def source() -> tuple[int, bytes]:
        made.append(1)
        return len(made), bytes(2**18)

    with (
        serving(scene="first", source=source, max_rate=2000.0) as (server, port),
        looking(port) as greedy,
    ):
        assert status(greedy) == 101
        eventually(lambda: server._clients)
        (client,) = server._clients
        ended = threading.Event()

        def ask() -> None:
            with suppress(OSError), greedy.dup() as asker:
                asker.settimeout(0.2)
                while not ended.is_set():
                    asker.sendall(NEXT * 20)
                    time.sleep(0.001)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            piled = 0
            for _ in range(200):
                server.changed()
                time.sleep(0.003)
                stream = client.ws_connection.stream
                piled = max(piled, len(stream._write_buffer))
        finally:
            ended.set()
            asking.join()
        # one message waits, and what the kernel has taken
        assert piled <= 2**18 + 100
        assert len(made) < 150


def test_pings_that_are_never_read_the_answers_of_do_not_pile_up() -> None:
    with serving(scene="first", source=lambda: (0, b"")) as (server, port):
        with looking(port) as greedy:
            assert status(greedy) == 101
            eventually(lambda: server._clients)
            (client,) = server._clients
            stream = client.ws_connection.stream
            greedy.settimeout(0.5)
            with suppress(OSError):  # it may be cut, or not be read any more
                for _ in range(400):
                    greedy.sendall(PING * 100)
            assert len(stream._write_buffer or b"") <= 2**21
        assert asked(port, "localhost") == (200, PAGE)


def test_the_document_is_held_once_for_all_who_do_not_read_it() -> None:
    page = "x" * 20_000_000
    with serving(page) as (_, port), ExitStack() as kept:
        before = resident()
        for _ in range(30):
            slow = kept.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in slow.recv(100)
        assert resident() - before < 200_000_000  # 30 copies would be 600 MB
        assert len(asked(port, "localhost")[1]) == len(page)
