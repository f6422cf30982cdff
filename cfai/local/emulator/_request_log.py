"""Log of requests, shared by the caller's thread and the server's: what was received, and what is to go wrong."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfai.local.faults import Script


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that reached a model's door."""

    model: str
    """The model as the request names it."""

    inputs: Any
    """The JSON that was sent, or the bytes of any other body."""

    headers: Mapping[str, str]
    """All headers but the credentials, names in lower case."""

    path: str
    """The path as it came, still encoded."""

    query: Mapping[str, str | list[str]]
    """The query's parameters: a list for one that has several values."""

    gateway: str | None = None
    """The id of the AI Gateway it came through."""

    fault: str = "ok"
    """What went wrong: the name of the scenario, or the `Fault` as text."""


class RequestLog:
    """The log of requests, and of clients that left."""

    def __init__(self, size: int) -> None:
        self.script = Script()
        self._changed = threading.Condition()
        self._received: deque[RecordedRequest] = deque(maxlen=size)
        self._left = 0

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last requests, oldest first."""
        with self._changed:
            return list(self._received)

    @property
    def disconnects(self) -> int:
        """Return how many clients left before their answer's end."""
        with self._changed:
            return self._left

    def add(self, request: RecordedRequest) -> None:
        """Remember a request."""
        with self._changed:
            self._received.append(request)

    def note_disconnect(self) -> None:
        """Count a client that left."""
        with self._changed:
            self._left += 1
            self._changed.notify_all()

    def wait_for_disconnects(self, count: int, timeout: float) -> bool:
        """Return whether `count` clients have left, waiting up to `timeout` seconds for it."""
        with self._changed:
            return self._changed.wait_for(lambda: self._left >= count, timeout)
