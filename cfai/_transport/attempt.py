"""One attempt to send a request, as httpcore's trace events report it.

Whether a call may have been billed depends on how far its request came: https://www.encode.io/httpcore/extensions/#trace
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from typing import Any

MAX_STALE_SECONDS = 1.0
"""Seconds. A connection that was kept alive and had died meanwhile fails within a round trip; no model does."""

_SOCKS_FAILED = "socks.setup_socks5_connection.failed"


@dataclass(slots=True, eq=False)
class Attempt:
    """How far one request came, by the events of its connection. Of clients that do not trace, nothing is known."""

    _is_traced: bool = False
    _is_new: bool = False
    _is_tunnel: bool = False
    """True while a proxy is asked for a tunnel, by a request of its own."""
    _sent_at: float | None = None
    _socks_stream: Any = None
    """The connection to a SOCKS proxy, which httpcore leaves open if the proxy then refuses."""

    def trace(self, event: str, info: Any) -> None:
        """Take note of an event of httpcore's."""
        self._note(event, info)
        if event == _SOCKS_FAILED:
            self._socks_stream.close()

    async def atrace(self, event: str, info: Any) -> None:
        """Take note of an event of httpcore's, for a client whose trace is awaited."""
        self._note(event, info)
        if event == _SOCKS_FAILED:
            await self._socks_stream.aclose()

    def _note(self, event: str, info: Any) -> None:
        self._is_traced = True
        if event == "socks.connect_tcp.complete":
            self._socks_stream = info["return_value"]
        if event.startswith(("connection.", "socks.")):
            self._is_new = True
        elif event.endswith(".send_request_headers.started"):
            self._is_tunnel = info["request"].method == b"CONNECT"
        elif event.endswith(".send_request_body.complete") and not self._is_tunnel:
            self._sent_at = time.monotonic()

    @property
    def is_unsent(self) -> bool:
        """True if it is certain that the request was not sent whole."""
        return self._is_traced and self._sent_at is None

    def may_be_billed(self, exception: Exception, now: float) -> bool:
        """Return True if a model may have run, although `exception` came instead of an answer.

        It cannot have if the request was not sent whole. Nor has it if a connection that was kept alive died at once,
        without a byte of an answer: the server had closed it before the request came. But one that died here says
        nothing of the server: httpcore closes idle connections, and among many threads one that was just taken.
        """
        if not self._is_traced:
            return True
        if self.is_unsent:
            return False
        is_stale = not self._is_new and now - (self._sent_at or 0) <= MAX_STALE_SECONDS
        return not is_stale or _was_closed_here(exception) or not _is_without_answer(exception)


def _was_closed_here(exception: BaseException | None) -> bool:
    """Return True if this process closed the connection, and not the server."""
    while exception is not None:
        if getattr(exception, "errno", None) == errno.EBADF or type(exception).__name__ == "ClosedResourceError":
            return True
        exception = exception.__cause__ or exception.__context__
    return False


def _is_without_answer(exception: BaseException | None) -> bool:
    """Return True if it is certain that no byte of an answer came.

    httpcore says the same of a connection that ends before a status line and in the middle of one. What h11 had
    received by then only the frames of the exception know, and where they do not, nothing is certain.
    """
    while exception is not None:
        trace = exception.__traceback__
        while trace is not None:
            state = getattr(trace.tb_frame.f_locals.get("self"), "_h11_state", None)
            if state is not None:
                return repr(state.their_state) == "SEND_RESPONSE" and not state.trailing_data[0]
            trace = trace.tb_next
        exception = exception.__cause__
    return False
