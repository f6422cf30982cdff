"""Reading the body of a streamed answer once: its chunks are cut into blocks, and each block is given to a decoder.

A reader is an object rather than a generator: whatever interrupts it, it still knows where it is, and nothing runs when
the garbage collector finds it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Literal, Protocol, Self

import anyio

from cfai._errors import APITimeoutError, StreamError, StreamTimeoutError, StreamTruncatedError
from cfai._request import PreparedCall
from cfai._response import ApiResponse, Decoder, EventSplitter, convert_to_events, map_transport_error, warn_if_cut
from cfai._transport import PooledClient, TimeBudget, has_connection_alone, stop_traffic, unwind

DRAIN_TIMEOUT = 1.0
"""Seconds that a server gets to end its body after `[DONE]`, so that the connection can be used again."""


class BlockDecoder(Protocol):
    """A decoder of blocks to what is wanted of them: tokens, events, or events for a browser."""

    @property
    def done(self) -> bool: ...
    def feed(self, block: bytes, /) -> list[Any]: ...
    def finish(self, rest: bytes, /) -> list[Any]: ...
    def ends_with(self, line: bytes, /) -> bool: ...
    def check(self) -> None: ...


class HttpBody:
    """An open response of httpx. Its client keeps it until it is closed, even if its reader is collected before."""

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
            with suppress(Exception):  # whoever closes it wants nothing more of it
                self.http.close()

    async def aclose(self) -> None:
        """Close the response. Unless its end was read, the connection goes with it: the model stops."""
        if self._begin_to_close():
            with anyio.CancelScope(shield=True):
                with suppress(Exception):
                    await self.http.aclose()
                await unwind(self.chunks)

    def _begin_to_close(self) -> bool:
        self.connections.release(self)
        was_closed, self.is_closed = self.is_closed, True
        # In a forked child the connection is the parent's.
        return not was_closed and not self.connections.is_inherited


class _ReaderState:
    """The state of a reader: its body and decoder, what was cut and decoded of the body, and how far it is read."""

    def __init__(self, call: PreparedCall, response: ApiResponse) -> None:
        self.call = call
        self.response = response
        self.token_decoder = Decoder(call.model, response.meta.request_id, call.secrets, call.inputs)
        """The decoder of tokens, which knows the text so far."""
        self.decoder: BlockDecoder = self.token_decoder
        """The decoder in use: `token_decoder`, unless the stream is read as events or for a browser."""
        self.content: bytes | None = None
        """The events of an answer that has been read already."""
        self.output: Any = None
        """The output of the same call without streaming, where it was answered so."""
        if response.content is not None:
            self.content, self.output = convert_to_events(response, call)
        self.budget = TimeBudget(call.config.timeout, call.config.total_timeout, response.started)
        self.is_timed = call.config.total_timeout is not None
        self.body = HttpBody(response.http, response.connections)
        self.splitter = EventSplitter()
        self.blocks: list[bytes] = []
        """The blocks that were cut, last first."""
        self.items: list[Any] = []
        """The items of the last block that are still to be given, last first; none if the block had one item."""
        self.phase: Literal["opening", "reading", "read", "finishing", "ended"] = "opening"
        self.error: Exception | None = None
        self.is_complete = False
        """True once the proper end was read."""
        self.has_warned = False

    def __del__(self) -> None:
        # The garbage collector may run anywhere, so nothing here takes a lock: the next call closes the rest.
        body: HttpBody | None = getattr(self, "body", None)
        if body is not None and not body.is_closed and not body.connections.is_inherited:
            stop_traffic(body.http)
            body.connections.abandon(body)

    def is_encoded(self) -> bool:
        """Return True if the chunks are compressed, though none was asked for."""
        return self.response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")

    def open(self, chunks: Any) -> None:
        """Begin to read `chunks`, unless the body has been read: it came whole, or a hook of the client's owner did."""
        if self.content is None and self.body.http.is_stream_consumed:
            self.content = self.body.http.content
        if self.content is None:
            self.phase = "reading"
            self.body.chunks = chunks
        else:
            self.phase = "read"
            self.blocks = self.splitter.feed(self.content)[::-1]

    def has_end_mark(self) -> bool:
        """Return True if the last line is the end of the answer, though no blank line has ended it yet."""
        return self.decoder.ends_with(self.splitter.last_line())

    def take_rest(self) -> None:
        """Decode what follows the last blank line."""
        self.phase = "finishing"
        self.items = self.decoder.finish(self.splitter.rest())[::-1]

    def finish(self) -> None:
        """Note the proper end: times and neurons are known only now."""
        self.phase = "ended"
        self.is_complete = True
        meta, answer = self.response.meta, self.token_decoder.accumulator
        usage = answer.usage
        meta.elapsed = time.monotonic() - self.budget.started
        if meta.neurons is None and usage is not None:
            meta.neurons = usage.neurons

    def warn_once(self) -> None:
        """Warn of an answer that was cut, when all is closed: a warning may be an error."""
        if self.is_complete and not self.has_warned:
            self.has_warned = True
            warn_if_cut(self.call, self.token_decoder.usage, self.token_decoder.finish_reason)

    def fail(self, exception: Exception) -> None:
        """End the reading with what broke it, after what had come; with nothing if the answer was whole by then."""
        was_reading = self.phase == "reading"
        self.leave()
        if was_reading and not isinstance(exception, StreamError):
            try:
                self.take_rest()
            except StreamError as reported:
                exception = reported
        self.phase = "ended"
        self.error = self._map_error(exception)
        if self.error is None:
            self.finish()
        elif self.error is not exception:
            self.error.__cause__ = exception

    def interrupt(self) -> None:
        """Note that reading was cancelled or interrupted: what comes after it is lost, unless the answer was whole."""
        if self.phase != "ended" and not self.decoder.done:
            self.error = self.token_decoder.fail(StreamTruncatedError("reading the stream was interrupted"))
        elif self.phase != "ended":
            self.finish()
        self.leave()

    def leave(self) -> None:
        """End the reading: what was cut and not yet given out is lost."""
        self.phase = "ended"
        self.blocks, self.items = [], []

    def _map_error(self, exception: Exception) -> Exception | None:
        """Return the error to raise when reading failed; `None` if the answer was whole by then."""
        if isinstance(exception, StreamError):
            return exception if self.token_decoder.failure is exception else self.token_decoder.fail(exception)
        if isinstance(exception, APITimeoutError):
            error: Exception | None = exception
        else:
            error = map_transport_error(exception, self.call.model, self.call.host)
        if error is None:
            return exception
        if self.token_decoder.is_whole:
            return None
        if isinstance(error, APITimeoutError):
            return self.token_decoder.fail(StreamTimeoutError(self._describe_timeout(error)))
        return self.token_decoder.fail(
            StreamTruncatedError(f"the connection broke in the middle of the stream: {error}")
        )

    def _describe_timeout(self, error: APITimeoutError) -> str:
        seconds = self.budget.timeout.read
        if self.budget.is_exceeded(time.monotonic()):
            return f"in the middle of the stream {self.budget.make_error()}"
        if seconds is None:
            return f"in the middle of the stream: {error}"
        return f"the stream was silent for {seconds:g} s: raise timeout= if the model needs longer"


class Reader(_ReaderState):
    """An iterator over what a decoder makes of a body."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            while not self.items and self.phase != "ended":
                if self.blocks:
                    items = self.decoder.feed(self.blocks.pop())
                    if len(items) == 1:
                        return items[0]
                    self.items = items[::-1]
                elif self.phase != "reading":
                    self._advance()
                elif self.decoder.done or (not self.splitter.is_between_events and self.has_end_mark()):
                    self.phase = "read"
                else:
                    if self.is_timed:
                        self.budget.remaining(time.monotonic())  # a wait may overshoot it once
                    chunk = next(self.body.chunks, None)
                    if chunk is None:
                        self.phase = "read"
                    else:
                        self.blocks = self.splitter.feed(chunk)
                        self.blocks.reverse()
        except Exception as exception:
            self.fail(exception)
            self.body.close()
        except BaseException:
            self.interrupt()
            self.body.close()
            raise
        if self.items:
            return self.items.pop()
        self.warn_once()
        raise self.error or StopIteration  # the error again, however often it is asked for

    def close(self) -> None:
        """Leave the body. Unless it has come to its end, the connection is closed: the model stops."""
        self.leave()
        self.body.close()

    def _advance(self) -> None:
        """Go on to the next phase: open the body, give out its rest, or end."""
        if self.phase == "opening":
            http = self.body.http
            self.open(http.iter_bytes() if self.is_encoded() else http.iter_raw())
        elif self.phase == "read":
            self.take_rest()
        else:
            if self.decoder.done:
                self._drain()
            self.body.close()
            self.decoder.check()
            self.finish()

    def _drain(self) -> None:
        """Read on to the end of the body, which gives the connection back to the pool; for a moment at most.

        httpx settles the timeout of a body when its iteration begins, so a second iteration is begun for the rest, with
        a short one. The first stays open until the response is closed.
        """
        http = self.body.http
        if self.body.chunks is None or not has_connection_alone(http):
            return
        # The last wait may begin just before the end, and take as long again.
        end = time.monotonic() + DRAIN_TIMEOUT / 2
        # The answer is whole: whatever happens to the connection now concerns nobody.
        with suppress(Exception):
            http.request.extensions["timeout"]["read"] = DRAIN_TIMEOUT / 2
            for _ in http.stream:
                if time.monotonic() > end:
                    break


class AsyncReader(_ReaderState):
    """An asynchronous iterator over what a decoder makes of a body."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            while not self.items and self.phase != "ended":
                if self.blocks:
                    items = self.decoder.feed(self.blocks.pop())
                    if len(items) == 1:
                        return items[0]
                    self.items = items[::-1]
                elif self.phase != "reading":
                    await self._advance()
                elif self.decoder.done or (not self.splitter.is_between_events and self.has_end_mark()):
                    self.phase = "read"
                else:
                    chunk = await (self._next_in_time() if self.is_timed else anext(self.body.chunks, None))
                    if chunk is None:
                        self.phase = "read"
                    else:
                        self.blocks = self.splitter.feed(chunk)
                        self.blocks.reverse()
        except Exception as exception:
            self.fail(exception)
            await self.body.aclose()
        except BaseException:
            self.interrupt()
            await self.body.aclose()
            raise
        if self.items:
            return self.items.pop()
        self.warn_once()
        raise self.error or StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the body. Unless it has come to its end, the connection is closed: the model stops."""
        self.leave()
        await self.body.aclose()

    async def _advance(self) -> None:
        """Go on to the next phase: open the body, give out its rest, or end."""
        if self.phase == "opening":
            http = self.body.http
            self.open(http.aiter_bytes() if self.is_encoded() else http.aiter_raw())
        elif self.phase == "read":
            self.take_rest()
        else:
            if self.decoder.done:
                await self._drain()
            await self.body.aclose()
            self.decoder.check()
            self.finish()

    async def _next_in_time(self) -> bytes | None:
        try:
            with anyio.fail_after(self.budget.remaining(time.monotonic())):
                return await anext(self.body.chunks, None)
        except TimeoutError:
            raise self.budget.make_error() from None

    async def _drain(self) -> None:
        """Read on to the end of the body, which gives the connection back to the pool; for a moment at most."""
        if self.body.chunks is None or not has_connection_alone(self.body.http):
            return
        with suppress(Exception), anyio.move_on_after(DRAIN_TIMEOUT):
            async for _ in self.body.chunks:
                pass
