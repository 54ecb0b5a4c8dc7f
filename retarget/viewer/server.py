"""Serves one page from a daemon thread, and newest frames to whoever looks at it."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from retarget.core.errors import InputError

FIRST_PORT, PORTS = 7010, 90  # tried in order where no port is asked for
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_RATE = 60.0  # frames a second sent to a page [Hz]
_log = logging.getLogger(__name__)

Source = Callable[[], tuple[int, bytes]]
"""Gives the number of the newest message, and the message."""


class PageServer:
    """A page, served until `close`; with a source, its newest message is pushed to open pages.

    A page is sent a message when it has asked for one, which it does when it has drawn the last:
    one that is slow, hidden or gone costs nothing, and one that opens late gets the newest.

    Args:
        page: the document.
        host: address to listen on; a warning is given where others can reach it.
        port: port to listen on; by default the first one that is free.
        scene: first message to every page that connects: which page this server's frames are for.
        source: makes the newest message, on the server's thread; None where there are none.
        max_rate: frames a second sent to a page [Hz].

    Attributes:
        url: where to look.

    Raises:
        InputError: the address or port cannot be listened on.
    """

    url: str

    def __init__(
        self,
        page: str,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        scene: str = "",
        source: Source | None = None,
        max_rate: float = MAX_RATE,
    ) -> None:
        self._sockets = _listen(host, port)
        bound = self._sockets[0].getsockname()[1]
        local = host in LOOPBACK
        if not local:
            warnings.warn(
                f"listening on {host}:{bound}: everyone who can reach this machine can look",
                stacklevel=3,
            )
        anywhere = host in ("0.0.0.0", "::")
        name = socket.gethostname() if anywhere else f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{bound}/"
        self._page, self._scene, self._source = page.encode(), scene, source
        self._period = 1.0 / max_rate
        self._clients: set[_Frames] = set()
        self._woken = False
        self._loop = asyncio.new_event_loop()
        self._news, self._end = asyncio.Event(), asyncio.Event()
        names = LOOPBACK if local else None
        self._thread = threading.Thread(
            target=self._run, args=(names,), name="retarget-viewer", daemon=True
        )
        self._thread.start()

    @property
    def watched(self) -> bool:
        """Whether a page is connected."""
        return bool(self._clients)

    def changed(self) -> None:
        """Note, from any thread, that the source has a newer message; returns at once."""
        if self._clients and not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # closed in the meantime
                self._loop.call_soon_threadsafe(self._news.set)

    def close(self) -> None:
        """Stop serving; pages that are open say so. Closing twice is fine."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(timeout=5.0)

    def _run(self, names: tuple[str, ...] | None) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(names))
        finally:
            self._loop.close()

    async def _serve(self, names: tuple[str, ...] | None) -> None:
        shared = {"server": self, "names": names}
        routes: list[Any] = [("/", _Page, shared)]
        if self._source is not None:
            routes.append(("/live", _Frames, shared))
        http = HTTPServer(Application(routes, log_function=lambda handler: None))
        http.add_sockets(self._sockets)
        pushing = asyncio.ensure_future(self._push())
        await self._end.wait()
        pushing.cancel()
        http.stop()
        for client in list(self._clients):
            client.close()
        await http.close_all_connections()

    async def _push(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            self._woken = False
            free = [client for client in self._clients if client.free]
            if not free or self._source is None:
                continue
            try:
                number, message = self._source()
            except Exception:
                _log.exception("a frame could not be shown")
                continue
            for client in free:
                client.offer(number, message)
            await asyncio.sleep(self._period)


class _Local(RequestHandler):
    """Answers only to the names the server has: a page elsewhere cannot borrow the address."""

    def initialize(self, server: PageServer, names: tuple[str, ...] | None) -> None:
        self.server, self.names = server, names

    def prepare(self) -> None:
        name = self.request.host_name.strip("[]")
        if self.names is not None and name not in self.names:
            self.send_error(403)


class _Page(_Local):
    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.finish(self.server._page)


class _Frames(WebSocketHandler, _Local):
    """One open page."""

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.free, self.seen = True, -1
        self._send(self.server._scene)
        self.server._clients.add(self)
        self.server._news.set()

    def on_message(self, message: str | bytes) -> None:
        self.free = True
        self.server._news.set()

    def on_close(self) -> None:
        self.server._clients.discard(self)

    def offer(self, number: int, message: bytes) -> None:
        """Send a message that this page has not seen."""
        if number != self.seen:
            self.seen, self.free = number, False
            self._send(message)

    def _send(self, message: str | bytes) -> None:
        with suppress(WebSocketClosedError):
            sent = self.write_message(message, binary=isinstance(message, bytes))
            # a page that closes while it is being sent something has nothing to complain of
            sent.add_done_callback(lambda done: done.cancelled() or done.exception())


def _listen(host: str, port: int | None) -> list[socket.socket]:
    """Sockets on a port that was asked for, or on the first free one."""
    if port is not None and not 0 <= port <= 65535:
        raise InputError(f"port must be 0 to 65535, got {port}", value=port)
    if not host:  # tornado would take it for every address
        raise InputError("host must be an address such as 127.0.0.1, got an empty one")
    last = None
    for wanted in [*range(FIRST_PORT, FIRST_PORT + PORTS), 0] if port is None else [port]:
        try:
            return bind_sockets(wanted, address=host)
        except OSError as error:
            last = error
            if error.errno != errno.EADDRINUSE:
                break
    used = last is not None and last.errno == errno.EADDRINUSE
    said = "it is in use" if used else getattr(last, "strerror", last)
    where = host if port is None else f"{host}:{port}"
    raise InputError(f"cannot listen on {where}: {said}", host=host, port=port) from last
