"""Where a stream reads from: the body in chunks, in time, up to its end and not beyond; and what breaks it."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

import anyio
import httpx

from cfai._errors import (
    APITimeoutError,
    CfaiError,
    ConfigurationError,
    StreamError,
    StreamTimeoutError,
    StreamTruncatedError,
)
from cfai._request.build import Request
from cfai._response.decoder import Decoder
from cfai._response.errors import transport_error
from cfai._transport.pool import ClientPool
from cfai._transport.send import Plan
from cfai.types import Meta

DRAIN = 1.0
"""Seconds that a server gets to end its body after `[DONE]`, so that the connection can be used again."""


class Feeder(Protocol):
    """Takes the blocks of a body, gives what the reader wants of them: tokens, events, or events for a browser."""

    @property
    def done(self) -> bool: ...
    def feed(self, block: bytes, /) -> Any: ...
    def finish(self, rest: bytes, /) -> list[Any]: ...
    def ends_with(self, line: bytes, /) -> bool: ...
    def check(self) -> None: ...


@dataclass(slots=True, eq=False)
class Source:
    """Where a stream comes from, shared by whatever reads it."""

    response: httpx.Response
    request: Request
    plan: Plan
    meta: Meta
    ended: Callable[[Decoder], None]
    """Called once, when the stream has come to its proper end."""
    failed: Callable[[StreamError], None]
    """Called with what the stream itself reported, or broke by."""
    clients: ClientPool
    """Kept for as long as the stream is: with them its connection would go."""
    body: bytes | None = None
    """The body as events, where it has been read already: an answer that came whole."""
    output: Any = None
    """What the call comes to without streaming, where it was answered so."""
    reader: str = ""
    feeder: Feeder | None = None
    complete: bool = False

    def take(self, reader: str, feeder: Feeder) -> None:
        """A body can be read once, in one way."""
        if self.reader == reader:
            raise ConfigurationError(f"this stream is read as {reader} already, and a body can be read once")
        self.check_reader(reader)
        self.reader = reader
        self.feeder = feeder

    def check_reader(self, reader: str) -> None:
        """Raises unless the body is unread, or read in this way."""
        if self.reader not in ("", reader):
            raise ConfigurationError(f"this stream is read as {self.reader} already: it cannot be read as {reader} too")

    def chunks(self) -> Iterator[bytes]:
        if (body := self._whole_body()) is not None:
            return iter([body])
        # A generator less than `iter_raw`: measured, 5 % of what a token costs.
        raw = cast("Iterable[bytes]", self.response.stream)
        chunks = self.response.iter_bytes() if self._encoded() else iter(raw)
        return chunks if self.plan.total_timeout is None else _timely(chunks, self.plan)

    def achunks(self) -> AsyncIterator[bytes]:
        if (body := self._whole_body()) is not None:
            return _whole(body)
        raw = cast("AsyncIterable[bytes]", self.response.stream)
        chunks = self.response.aiter_bytes() if self._encoded() else aiter(raw)
        return chunks if self.plan.total_timeout is None else _atimely(chunks, self.plan)

    def broken(self, exception: Exception, decoder: Decoder) -> Exception | None:
        """What to raise when reading failed; `None` if the answer was whole by then."""
        if isinstance(exception, StreamError):
            error = exception if decoder.failure is exception else decoder.fail(exception)
            self.failed(error)
            return error
        if isinstance(exception, APITimeoutError):
            error: APITimeoutError | CfaiError | None = exception
        else:
            error = transport_error(exception, self.request.model, self.request.host)
        if error is None:
            return exception
        if decoder.is_whole:
            return None
        if isinstance(error, APITimeoutError):
            return decoder.fail(StreamTimeoutError(self._silence(error)))
        return decoder.fail(StreamTruncatedError(f"the connection broke in the middle of the stream: {error}"))

    def _silence(self, error: APITimeoutError) -> str:
        seconds = self.plan.timeout.between
        if self.plan.total_timeout is not None or seconds is None:
            return f"{error}, in the middle of the stream"
        return f"the stream was silent for {seconds:g} s: raise timeout= if the model needs longer"

    def finish(self, decoder: Decoder) -> None:
        """The proper end: times and neurons are known only now."""
        self.complete = True
        self.meta.elapsed = time.monotonic() - self.plan.started
        usage = decoder.usage
        if self.meta.neurons is None and usage is not None:
            self.meta.neurons = usage.neurons
        self.ended(decoder)

    def _whole_body(self) -> bytes | None:
        """The body, if it has been read: an answer that came whole, or one that a hook of the client's has read."""
        return self.response.content if self.body is None and self.response.is_stream_consumed else self.body

    def _encoded(self) -> bool:
        return self.response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


def drain(chunks: Iterator[bytes], response: httpx.Response) -> None:
    """Reads on to the end of the body, which is what gives the connection back to the pool; for a moment at most."""
    if not _is_alone(response):
        return
    network: Any = response.extensions["network_stream"]
    end = time.monotonic() + DRAIN
    ours = threading.get_ident()
    read = network.read

    def read_in_time(size: int, timeout: float | None = None) -> bytes:
        # Once the body has ended, the connection may be another thread's.
        return read(size, max(0.001, end - time.monotonic()) if threading.get_ident() == ours else timeout)

    # The answer is whole: whatever happens to the connection now concerns nobody.
    with suppress(Exception):
        # A body's timeout is settled when its iteration begins, and a timer is a thread: half of what a call costs.
        network.read = read_in_time
        try:
            for _ in chunks:
                if time.monotonic() > end:
                    break
        finally:
            del network.read


async def adrain(chunks: AsyncIterator[bytes], response: httpx.Response) -> None:
    """Reads on to the end of the body, which is what gives the connection back to the pool; for a moment at most."""
    if not _is_alone(response):
        return
    end = time.monotonic() + DRAIN
    # The answer is whole: whatever happens to the connection now concerns nobody.
    with suppress(Exception), anyio.move_on_after(DRAIN):
        async for _ in chunks:
            if time.monotonic() > end:
                break


def _is_alone(response: httpx.Response) -> bool:
    """Whether a connection carries this answer alone: where answers share one, closing this one leaves it open."""
    return "network_stream" in response.extensions and response.http_version.startswith("HTTP/1")


def _timely(chunks: Iterator[bytes], plan: Plan) -> Iterator[bytes]:
    """`chunks` up to the deadline, which is looked at between them: a wait may overshoot it by one read."""
    for chunk in chunks:
        plan.left()
        yield chunk


async def _atimely(chunks: AsyncIterator[bytes], plan: Plan) -> AsyncGenerator[bytes]:
    """`chunks` up to the deadline."""
    while True:
        try:
            with plan.scope():
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise plan.too_late() from None
        yield chunk


async def _whole(body: bytes) -> AsyncGenerator[bytes]:
    yield body
