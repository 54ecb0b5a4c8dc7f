"""Serves one page from a daemon thread, and newest frames to whoever looks at it."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import re
import socket
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from retarget.core.errors import InputError

FIRST_PORT, PORTS = 7010, 90  # tried in order where no port is asked for
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANYWHERE = ("0.0.0.0", "::")
MAX_RATE = 60.0  # frames a second sent to a page [Hz]
# Each connection is an open file of the process that serves, which may be a control loop
MAX_PAGES = 32  # that are sent frames
MAX_REQUESTS = 64  # connections besides those
PATIENCE = 20.0  # how long a connection without a request, or a page without a sign, is kept [s]
MAX_HEADERS, MAX_MESSAGE = 2**14, 2**10  # of a request, of what a page says [bytes]
_log = logging.getLogger(__name__)

Source = Callable[[], tuple[int, bytes]]
"""Gives the number of the newest message, and the message."""


class PageServer:
    """A page, served until `close`; with a source, its newest message is pushed to open pages.

    A page is sent a message when it has asked for one, which it does when it has drawn the last:
    one that is slow, hidden or gone costs nothing, and one that opens late gets the newest. What
    waits for a page that does not read is the document, or one message. At most `MAX_PAGES` are
    sent frames, and of other connections the oldest is cut when there are more than
    `MAX_REQUESTS`.

    Requests are answered only under the names the server has: localhost, ``host``, and where that
    stands for every address the machine's name and the address that was reached.

    Args:
        page: the document.
        host: address to listen on; a warning is given where others can reach it.
        allow_hosts: further names or addresses to answer to, such as a proxy's.
        port: port to listen on; by default the first one that is free.
        scene: first message to every page that connects: which page this server's frames are for.
        source: makes the newest message, on the server's thread; None where there are none.
        max_rate: frames a second sent to a page [Hz].

    Attributes:
        url: where to look.

    Raises:
        InputError: the address or port cannot be listened on, or a name is none.
    """

    url: str

    def __init__(
        self,
        page: str,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        allow_hosts: Sequence[str] = (),
        scene: str = "",
        source: Source | None = None,
        max_rate: float = MAX_RATE,
    ) -> None:
        names = {*LOOPBACK, host.lower(), *map(host_name, allow_hosts)}
        self._sockets = _listen(host, port)
        bound = self._sockets[0].getsockname()[1]
        if host not in LOOPBACK:
            warnings.warn(
                f"listening on {host}:{bound}: everyone who can reach this machine can look",
                stacklevel=3,
            )
        self._anywhere = host in ANYWHERE
        if self._anywhere:
            names.add(socket.gethostname().lower())
        self._names = frozenset(names)
        name = socket.gethostname() if self._anywhere else f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{bound}/"
        self._page, self._scene, self._source = page.encode(), scene, source
        self._period = 1.0 / max_rate
        self._clients: set[_Frames] = set()
        self._woken = False
        self._loop = asyncio.new_event_loop()
        self._news, self._end = asyncio.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="retarget-viewer", daemon=True)
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

    def answers_to(self, name: str, address: str) -> bool:
        """Whether a request is for this server, by the name it gives and the address it reached.

        A page elsewhere whose name is made to lead here is not answered.
        """
        return name in self._names or (self._anywhere and name == address)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        shared = {"server": self}
        routes: list[Any] = [("/", _Page, shared)]
        if self._source is not None:
            routes.append(("/live", _Frames, shared))
        application = Application(
            routes,
            log_function=lambda handler: None,
            websocket_ping_interval=PATIENCE,
            websocket_max_message_size=MAX_MESSAGE,
        )
        self._http = http = _Bounded(
            application,
            idle_connection_timeout=PATIENCE,
            max_header_size=MAX_HEADERS,
            max_body_size=0,
        )
        http.max_waiting = len(self._page) + 2**20
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
            free = [client for client in self._clients if client.free and client.sent]
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


class _Bounded(HTTPServer):
    """Holds few connections open, and little for each."""

    max_waiting = 2**20  # to be sent to one client [bytes]

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self.requests: dict[IOStream, None] = {}  # in the order they came

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        self.requests = {kept: None for kept in self.requests if not kept.closed()}
        while len(self.requests) >= MAX_REQUESTS:
            oldest = next(iter(self.requests))
            del self.requests[oldest]
            oldest.close()
        self.requests[stream] = None
        stream.max_write_buffer_size = self.max_waiting
        super().handle_stream(stream, address)


class _Local(RequestHandler):
    """Answers only to the names the server has."""

    def initialize(self, server: PageServer) -> None:
        self.server = server

    def prepare(self) -> None:
        stream = self.request.connection.stream  # type: ignore[union-attr]
        address = "" if stream.closed() else stream.socket.getsockname()[0]
        name = self.request.host_name.strip("[]")
        if not self.server.answers_to(name, address):
            self.set_status(403)
            self.finish(f"this page is not served as {name!r}; see --allow-host\n")


class _Page(_Local):
    def get(self) -> None:
        page = self.server._page
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Length", str(len(page)))
        self.flush()  # alone, so that the document itself is shared by all that wait for it
        self.finish(page)


class _Frames(WebSocketHandler, _Local):
    """One open page."""

    free = sent = False  # it has asked for a message; it has taken the last
    seen = -1

    def prepare(self) -> None:
        super().prepare()
        if not self._finished and len(self.server._clients) >= MAX_PAGES:
            self.set_status(503)
            self.finish(f"{MAX_PAGES} pages are open already\n")

    def detach(self) -> IOStream:
        stream = super().detach()
        self.server._http.requests.pop(stream, None)
        return stream

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.free = True
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
        self.sent = False
        with suppress(WebSocketClosedError):
            sent = self.write_message(message, binary=isinstance(message, bytes))
            sent.add_done_callback(self._taken)

    def _taken(self, done: asyncio.Future[None]) -> None:
        # a page that closes while it is being sent something has nothing to complain of
        self.sent = not done.cancelled() and done.exception() is None
        if self.free:
            self.server._news.set()


def host_name(name: str) -> str:
    """A name or an address as requests give it, without its port."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        if re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", name) is None:
            raise InputError(
                f"allowed host must be a name or an address without scheme or port, got {name!r}",
                value=name,
            ) from None
        return name.lower()


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
