"""Receivers of messages: UDP and WebSocket, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

from retarget.core.errors import InputError
from retarget.core.files import Closing
from retarget.live.inbox import Inbox
from retarget.live.message import MOST_BYTES

LOOPBACK = "127.0.0.1"
MOST_SENDERS = 8  # connections at once
_WAIT = 0.2  # [s] after which a receiver looks whether it is to end


class UdpReceiver(Closing):
    """Receives a message a datagram.

    Args:
        inbox: takes them.
        host: address to listen on.
        port: 0 for any that is free.

    Attributes:
        port: that it listens on.

    Raises:
        InputError: the address cannot be listened on.
    """

    def __init__(self, inbox: Inbox, host: str = LOOPBACK, port: int = 0) -> None:
        self._inbox, self._ended = inbox, threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise InputError(f"cannot listen on {host}:{port}: {error}") from error
        self._socket.settimeout(_WAIT)
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="retarget-udp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                data, _ = self._socket.recvfrom(MOST_BYTES + 1)
            except TimeoutError:
                continue
            except OSError:
                continue  # of one datagram, such as one that is too large
            self._inbox.offer(data)


class WebSocketReceiver(Closing):
    """Receives a message a frame, text or binary, from programs and from pages of this machine.

    A browser's page may connect only where its own address is this server's, or the machine's own
    loopback: no page of the web can move the robot.

    Args:
        inbox: takes them.
        host: address to listen on.
        port: 0 for any that is free.

    Attributes:
        port: that it listens on.

    Raises:
        InputError: the address cannot be listened on.
    """

    def __init__(self, inbox: Inbox, host: str = LOOPBACK, port: int = 0) -> None:
        from tornado.netutil import bind_sockets

        try:
            self._sockets = bind_sockets(port, host, family=socket.AF_INET)
        except OSError as error:
            raise InputError(f"cannot listen on {host}:{port}: {error}") from error
        self.port = int(self._sockets[0].getsockname()[1])
        self._inbox = inbox
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="retarget-websocket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        from tornado.httpserver import HTTPServer
        from tornado.web import Application

        handler = _handler(self._inbox)
        server = HTTPServer(
            Application([("/", handler)], websocket_max_message_size=MOST_BYTES),
            max_header_size=16_384,
            max_body_size=16_384,
        )
        server.add_sockets(self._sockets)
        await self._end.wait()
        server.stop()
        await server.close_all_connections()


def _handler(inbox: Inbox) -> Any:
    """The class that answers connections; made here, for tornado takes long to load."""
    from tornado.websocket import WebSocketHandler

    senders: set[Any] = set()

    class Sender(WebSocketHandler):
        def check_origin(self, origin: str) -> bool:
            page = urlsplit(origin)
            own = self.request.host
            fine = page.netloc == own or page.hostname in (LOOPBACK, "localhost")
            if not fine:
                inbox.refuse(f"a page of another origin: {origin}")
            return fine

        def open(self, *args: str, **kwargs: str) -> None:
            if len(senders) >= MOST_SENDERS:
                inbox.refuse(f"more than {MOST_SENDERS} senders")
                self.close(1013, "too many senders")
                return
            senders.add(self)

        def on_message(self, message: str | bytes) -> None:
            inbox.offer(message.encode() if isinstance(message, str) else message)

        def on_close(self) -> None:
            senders.discard(self)

    return Sender
