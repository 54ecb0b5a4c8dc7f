"""Inbox: of the messages that come from anywhere at any time, the newest that can be used."""

from __future__ import annotations

import threading
from collections import Counter

from retarget.core.errors import InputError
from retarget.live.message import HandMessage, read_message

RESTART = 1000  # a sequence that falls back by more is a sender that began anew
KEPT = 20  # different reasons that are told apart; others are counted together


class Inbox:
    """Takes messages from threads of receivers and gives the newest to the loop.

    One that is late (its sequence is not above the last) or cannot be used is dropped and counted.

    Attributes:
        received: messages taken.
        dropped: how many were dropped, by the reason.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: HandMessage | None = None
        self._last = -1
        self.received = 0
        self.dropped: Counter[str] = Counter()

    def offer(self, data: bytes) -> bool:
        """Take in a message's bytes; whether it is the newest now."""
        try:
            message = read_message(data)
        except InputError as error:
            self.refuse(str(error))
            return False
        return self.put(message)

    def put(self, message: HandMessage) -> bool:
        """Take in a message; whether it is the newest now."""
        with self._lock:
            if self._last - RESTART <= message.sequence <= self._last:
                repeated = message.sequence == self._last
                self.dropped["repeated" if repeated else "late"] += 1
                return False
            self._last, self._newest = message.sequence, message
            self.received += 1
            return True

    def refuse(self, reason: str) -> None:
        """Count what cannot be used."""
        reason = reason[:120]
        with self._lock:
            known = reason in self.dropped or len(self.dropped) < KEPT
            self.dropped[reason if known else "other reasons"] += 1

    def take(self) -> HandMessage | None:
        """The newest message, once; None where nothing new has come."""
        with self._lock:
            newest, self._newest = self._newest, None
            return newest
