"""The body of a streamed answer: its chunks, in time, up to its end; closed however the reader leaves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from cfai._errors import APITimeoutError, StreamError, StreamTimeoutError, StreamTruncatedError
from cfai._request import PreparedCall
from cfai._response import ApiResponse, Decoder, map_transport_error, warn_if_cut
from cfai._transport import PooledClient, TimeBudget, has_connection_alone, stop_traffic, unwind

DRAIN_TIMEOUT = 1.0
"""Seconds that a server gets to end its body after `[DONE]`, so that the connection can be used again."""


class HttpBody:
    """An open response of httpx. It outlives its reader until it is closed."""

    __slots__ = ("chunks", "connections", "http", "is_closed")

    def __init__(self, http: Any, connections: PooledClient) -> None:
        self.http = http
        self.connections = connections
        self.chunks: Any = None
        self.is_closed = False
        connections.hold(self)

    def close(self) -> None:
        """Close the response. Unless its end was read, the connection goes with it: the model stops."""
        if self._begin_to_close():
            self.http.close()

    async def aclose(self) -> None:
        """Close the response. Unless its end was read, the connection goes with it: the model stops."""
        if self._begin_to_close():
            with anyio.CancelScope(shield=True):
                await self.http.aclose()
                await unwind(self.chunks)

    def _begin_to_close(self) -> bool:
        self.connections.release(self)
        was_closed, self.is_closed = self.is_closed, True
        # In a forked child the connection is the parent's.
        return not was_closed and not self.connections.is_inherited


@dataclass(slots=True, eq=False)
class StreamBody:
    """The body of one streamed answer, and what is known of the answer beside its events."""

    call: PreparedCall
    response: ApiResponse
    content: bytes | None = None
    """The events of an answer that has been read already."""
    output: Any = None
    """The output of the same call without streaming, where it was answered so."""
    is_complete: bool = False
    """True once the proper end was read."""
    http_body: HttpBody = field(init=False)
    budget: TimeBudget = field(init=False)

    def __post_init__(self) -> None:
        config = self.call.config
        self.budget = TimeBudget(config.timeout, config.total_timeout, self.response.started)
        self.http_body = HttpBody(self.response.http, self.response.connections)

    def __del__(self) -> None:
        # The garbage collector may run anywhere, so nothing here takes a lock: the next call closes the rest.
        body: HttpBody | None = getattr(self, "http_body", None)
        if body is not None and not body.is_closed and not body.connections.is_inherited:
            stop_traffic(body.http)
            body.connections.abandon(body)

    def open(self) -> Iterator[bytes] | None:
        """Begin to read: return the chunks of the body, or `None` if it has been read already, and is in `content`."""
        if self._load_content():
            return None
        http = self.http_body.http
        self.http_body.chunks = http.iter_bytes() if self._is_encoded() else http.iter_raw()
        return self.http_body.chunks

    def aopen(self) -> AsyncIterator[bytes] | None:
        """Begin to read: return the chunks of the body, or `None` if it has been read already, and is in `content`."""
        if self._load_content():
            return None
        http = self.http_body.http
        self.http_body.chunks = http.aiter_bytes() if self._is_encoded() else http.aiter_raw()
        return self.http_body.chunks

    def drain(self) -> None:
        """Read on to the end of the body, which gives the connection back to the pool; for a moment at most.

        httpx settles the timeout of a body when its iteration begins, so a second iteration is begun for the rest, with
        a short one. The first stays open until the response is closed.
        """
        http = self.http_body.http
        if self.http_body.chunks is None or not has_connection_alone(http):
            return
        # The last wait may begin just before the end, and take as long again.
        end = time.monotonic() + DRAIN_TIMEOUT / 2
        # The answer is whole: whatever happens to the connection now concerns nobody.
        with suppress(Exception):
            http.request.extensions["timeout"]["read"] = DRAIN_TIMEOUT / 2
            for _ in http.stream:
                if time.monotonic() > end:
                    break

    async def adrain(self) -> None:
        """Read on to the end of the body, which gives the connection back to the pool; for a moment at most."""
        chunks = self.http_body.chunks
        if chunks is None or not has_connection_alone(self.http_body.http):
            return
        with suppress(Exception), anyio.move_on_after(DRAIN_TIMEOUT):
            async for _ in chunks:
                pass

    def finish(self, decoder: Decoder) -> None:
        """Note the proper end: times and neurons are known only now."""
        self.is_complete = True
        meta, usage = self.response.meta, decoder.usage
        meta.elapsed = time.monotonic() - self.budget.started
        if meta.neurons is None and usage is not None:
            meta.neurons = usage.neurons
        warn_if_cut(self.call, usage, decoder.finish_reason)

    def map_error(self, exception: Exception, decoder: Decoder) -> Exception | None:
        """Return the error to raise when reading failed; `None` if the answer was whole by then."""
        if isinstance(exception, StreamError):
            return exception if decoder.failure is exception else decoder.fail(exception)
        if isinstance(exception, APITimeoutError):
            error: Exception | None = exception
        else:
            error = map_transport_error(exception, self.call.model, self.call.host)
        if error is None:
            return exception
        if decoder.is_whole:
            return None
        if isinstance(error, APITimeoutError):
            return decoder.fail(StreamTimeoutError(self._describe_timeout(error)))
        return decoder.fail(StreamTruncatedError(f"the connection broke in the middle of the stream: {error}"))

    def _describe_timeout(self, error: APITimeoutError) -> str:
        seconds = self.budget.timeout.between
        if self.budget.is_exceeded(time.monotonic()):
            return f"in the middle of the stream {self.budget.make_error()}"
        if seconds is None:
            return f"in the middle of the stream: {error}"
        return f"the stream was silent for {seconds:g} s: raise timeout= if the model needs longer"

    def _load_content(self) -> bool:
        """Return True if the body has been read: the answer came whole, or a hook of the client's owner has read it."""
        if self.content is None and self.http_body.http.is_stream_consumed:
            self.content = self.http_body.http.content
        return self.content is not None

    def _is_encoded(self) -> bool:
        return self.response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
