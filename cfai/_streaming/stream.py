"""Streams: the answer to a call with `"stream": True`, as typed tokens, raw events, or bytes for a browser.

A stream is an object rather than a generator: whatever interrupts it, it still knows where it is, and nothing runs when
the garbage collector finds it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Generic, Literal, NoReturn, Protocol, Self, TypeVar

import anyio
from httpx_sse import ServerSentEvent

from cfai import types
from cfai._config import BoundedWait, check_seconds
from cfai._errors import (
    APITimeoutError,
    ConfigurationError,
    StreamError,
    StreamTimeoutError,
    StreamTruncatedError,
)
from cfai._log import log_call, log_dropped, logger
from cfai._request import ApiRequest
from cfai._response import (
    CUT_HINT,
    ApiResponse,
    Decoder,
    EventDecoder,
    EventSplitter,
    build_stream_output,
    convert_to_events,
    describe_transport_error,
    find_cause,
    is_end_mark,
    make_too_large_error,
    map_transport_error,
    warn_if_cut,
)
from cfai._streaming.event_stream import (
    AsyncEventStream,
    AsyncItemIterator,
    Dialect,
    EventStream,
    ItemIterator,
    encoder_for,
)
from cfai._transport import LAST_LOOK, BackgroundReader, PooledClient, has_own_connection
from cfai._warnings import UnstoppedStreamWarning, warn
from cfai.types import Meta, Token, ToolCall, Usage

T = TypeVar("T")

DRAIN_TIMEOUT = 1.0
"""Seconds that a server gets to end its body after `[DONE]`, so that the connection can be used again."""


_RUNS_ON = (
    "a stream was left early over HTTP/2: its model writes on, and some hundred of these block the connection; "
    "make the client with http2=False, or read its streams to their end"
)
_OF_THE_PARENT = "this stream belongs to the process that was forked: read it there, and make calls of your own here"
_READ_BY_ANOTHER = "this stream is being read already, by another thread or task: read it from one"


class BlockDecoder(Protocol):
    """A decoder of blocks to what is wanted of them: tokens, events, or events for a browser."""

    def feed(self, block: bytes, /) -> list[Any]: ...
    def finish(self, rest: bytes, /) -> list[Any]: ...


class _StreamState(Generic[T]):
    """The answer so far, how far its body is read, and all that neither waits nor closes."""

    _hint: str
    """How it is read."""
    _result_hint = ".result()"

    def __init__(
        self, response: ApiResponse, call: ApiRequest, body: Any, decoder: Any = None, splitter: Any = None
    ) -> None:
        self._call = call
        self._response = response
        self._http = response.http
        self._pooled_client = response.pooled_client
        self._body = body
        """The chunks: an iterator, or for asynchronous calls a `BackgroundReader`."""
        self._token_decoder: Decoder = decoder or Decoder(
            call.model,
            response.meta.request_id,
            call.secrets,
            call.inputs,
            response.meta.status_code,
            thoughts_limit=call.thoughts_limit,
        )
        """The decoder of tokens, which knows the answer so far."""
        self._decoder: BlockDecoder = self._token_decoder
        """The decoder in use: `_token_decoder`, unless the stream is read as events or for a browser."""
        self._read_as = ""
        self._content: bytes | None = None
        """The events of an answer that came whole; `None` also where a hook of the client's owner read it."""
        self._output: Any = None
        """The output of the same call without streaming, where it was answered so."""
        if response.content is not None:
            self._content, self._output = self._convert(response, call)
        self._phase: Literal["whole", "reading", "at_end", "closing", "ended"] = "whole"
        if response.content is None and not self._http.is_stream_consumed:
            self._phase = "reading"
            self._pooled_client.open_responses[self._http] = body
        self._budget = response.budget
        self._splitter: EventSplitter = splitter or EventSplitter()
        self._bytes_left = call.config.max_answer_bytes
        self._blocks: list[bytes] = []
        """The blocks that were cut, last first."""
        self._items: list[Any] = []
        """The items of the last block that are still to be given, last first; none if the block had one item."""
        self._error: Exception | None = None
        self._turn = threading.Lock()
        """Held by whoever reads."""
        self._is_complete = False
        """True once the proper end was read."""
        self._must_warn = False
        self._is_counted = False
        """True once the call was noted for `ai.usage`."""

    def __del__(self) -> None:
        """Stop the model of a stream that nobody holds any more."""
        # The garbage collector may run anywhere, so nothing here takes a lock: the next call closes the rest.
        pooled_client: PooledClient | None = getattr(self, "_pooled_client", None)
        if not getattr(self, "_is_counted", True) and not self._pooled_client.is_inherited:
            self._is_counted = True
            self._response.pool.usage.answered.append(self._response.meta)
        if pooled_client is not None and self._http in pooled_client.open_responses:
            seconds, attempts = self._budget.elapsed(time.monotonic()), self._response.attempts
            log = (
                None
                if self._phase == "ended"
                else partial(log_dropped, self._response.meta, seconds, attempts, label=self._call.label)
            )
            pooled_client.abandon(self._http, log)

    def __getstate__(self) -> NoReturn:
        """Refuse to be copied or pickled: of two on one connection, the first that is collected closes it."""
        name = type(self).__name__
        raise ConfigurationError(f"{name} cannot be copied or pickled: read it here, and pass its result() on")

    def __repr__(self) -> str:
        """Say how far it is read, and how to read it: a stream shows nothing of its answer by itself."""
        if not hasattr(self, "_phase"):
            return f"<{type(self).__name__}>"  # in the traceback of its own constructor
        return f"<{type(self).__name__} of {self._call.label[:100]}, {self._describe_state()}>"

    def _describe_state(self) -> str:
        if self._phase != "ended":
            begun = f"being read as {self._read_as}" if self._read_as else "not read yet"
            return f"{begun}: {self._hint}"
        if self._is_complete:
            return f"read to its end: {self._result_hint} is the whole"
        return f"broken off or left: {type(self._error).__name__}"

    @property
    def meta(self) -> Meta:
        """The facts of the headers. `elapsed` is final at the end, as are `neurons` that only the stream has."""
        return self._response.meta

    def _claim(self, way: str, decoder: BlockDecoder | None = None) -> None:
        """Take the body to be read in one way: it can be read once."""
        if self._read_as and (self._read_as != way or way not in ("tokens", "bytes")):
            raise ConfigurationError(
                f"this stream is read as {self._read_as} already, and cannot be read as {way} too: a body is read once"
            )
        self._read_as = way
        self._decoder = decoder or self._token_decoder

    def _convert(self, response: ApiResponse, call: ApiRequest) -> tuple[bytes, Any]:
        """Return an answer that came whole as the bytes that are read, and its output if that is known."""
        return convert_to_events(response, call)

    def _check_complete(self) -> None:
        """Raise what broke the stream, or that it has not been read to its end."""
        if (error := self._error or self._token_decoder.failure) is not None:
            raise error
        if not self._is_complete:
            raise self._make_truncated_error("the stream has not been read to its end")

    def _check_process(self) -> None:
        """Raise `ConfigurationError` in a forked child: what it reads, its parent would miss."""
        if self._pooled_client.is_inherited:
            raise ConfigurationError(_OF_THE_PARENT)

    def _is_at_end(self) -> bool:
        """Return True if nothing more of the body is wanted: its end mark came, or the model's own error."""
        decoder = self._token_decoder
        if decoder.done or decoder.failure is not None:
            return True
        # A last line that no blank line has ended yet.
        return (
            not self._splitter.is_between_events
            and self._read_as != "events"
            and is_end_mark(self._splitter.last_line())
        )

    def _take_rest(self) -> None:
        """Decode an answer that came whole, or what follows the last blank line."""
        if self._phase == "whole":
            self._phase = "at_end"
            content = self._http.content if self._content is None else self._content
            self._blocks = self._splitter.feed(content)[::-1]
        else:
            self._phase = "closing"
            self._items = self._decoder.finish(self._splitter.rest())[::-1]

    def _end(self, error: Exception | None) -> None:
        """Note the end: the proper one, or what broke the stream. Times and neurons are known only now."""
        self._phase = "ended"
        self._error = error
        meta, usage = self._response.meta, self._token_decoder.accumulator.usage
        seconds = time.monotonic() - self._budget.started
        if error is None:
            self._is_complete = self._must_warn = True
            meta.elapsed, meta.usage = seconds, usage
            if meta.neurons is None and usage is not None:
                meta.neurons = usage.neurons
        if not self._is_counted and not self._pooled_client.is_inherited:
            self._is_counted = True
            self._response.pool.usage.answered.append(meta)
        if logger.isEnabledFor(logging.INFO):
            log_call(meta, seconds, self._response.attempts, usage, error, label=self._call.label)

    def _warn_or_raise(self) -> None:
        """Raise what ended the reading, however often it is asked for. A warning may be an error: it comes first."""
        if self._must_warn:
            self._must_warn = False
            warn_if_cut(self._call, self._token_decoder.accumulator)
        if self._error is not None:
            raise self._error

    def _fail(self, exception: Exception) -> None:
        """End the reading with what broke it, after what had come; with nothing if the answer was whole by then."""
        if self._phase == "ended":
            return  # it was left meanwhile, which is all that broke
        if hasattr(type(exception), "request"):
            with suppress(AttributeError):  # as httpx's own iterators do; another's error may not let it
                exception.request = self._http.request  # type: ignore[attr-defined]
        self._blocks, self._items = [], []
        if self._phase == "reading" and not isinstance(exception, StreamError):
            try:
                self._take_rest()
            except StreamError as reported:
                exception = reported
        error = self._map_error(exception)
        if error is exception and isinstance(error, StreamError):
            # The frames of the decoder have the event as it came, in which a server may repeat the token.
            error.__traceback__ = None
        elif error is not None and error is not exception:
            error.__cause__ = find_cause(exception, self._call.secrets)
        self._end(error)

    def _leave(self, reason: str) -> None:
        """Read no further. Whoever does all the same is told so, unless the answer had been given whole."""
        decoder = self._token_decoder
        if self._phase != "ended":
            was_given_whole = decoder.done and decoder.failure is None and not self._items and not self._blocks
            self._end(None if was_given_whole else decoder.failure or self._make_truncated_error(reason))
        self._blocks, self._items = [], []

    def _runs_on_if_left(self) -> bool:
        """Return True if leaving now would not stop the model: httpx ends no stream of HTTP/2 before its time."""
        return self._http.http_version == "HTTP/2" and not self._token_decoder.done

    def _split(self, chunk: bytes) -> list[bytes]:
        """Return the blocks that a chunk completes, last first."""
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            raise StreamError(str(make_too_large_error(self._response, self._call)))
        blocks = self._splitter.feed(chunk)
        blocks.reverse()
        return blocks

    def _make_truncated_error(self, reason: str) -> StreamTruncatedError:
        meta = self._response.meta
        return StreamTruncatedError(
            reason, partial=self._token_decoder.text, request_id=meta.request_id, model=meta.model
        )

    def _map_error(self, exception: Exception) -> Exception | None:
        """Return the error to raise when reading failed; `None` if the answer was whole by then."""
        decoder = self._token_decoder
        if isinstance(exception, StreamError):
            return exception if decoder.failure is exception else decoder.record_failure(exception)
        if decoder.failure is not None:
            return decoder.failure
        if isinstance(exception, APITimeoutError):
            error: Exception | None = exception
        else:
            error = map_transport_error(exception, self._call.model, self._call.host, secrets=self._call.secrets)
        if error is None:
            return exception
        if decoder.is_whole:
            return None
        if isinstance(error, APITimeoutError):
            return decoder.record_failure(StreamTimeoutError(self._describe_timeout(error)))
        if self._pooled_client.client.is_closed:
            return decoder.record_failure(
                StreamTruncatedError("the Ai was closed before its stream was read to the end")
            )
        cause = describe_transport_error(exception, self._call.secrets)
        return decoder.record_failure(
            StreamTruncatedError(f"the connection broke in the middle of the stream: {cause}. What to do: {CUT_HINT}.")
        )

    def _describe_timeout(self, error: APITimeoutError) -> str:
        seconds = self._budget.timeout.read
        if self._budget.is_exceeded(time.monotonic()):
            return f"in the middle of the stream {self._budget.make_error()}"
        if seconds is None:
            return f"in the middle of the stream: {error}"
        return f"the stream was silent for {seconds:g} s: raise timeout= if the model needs longer"


class _TokenState(_StreamState[T]):
    """The answer so far, as text."""

    @property
    def text(self) -> str:
        """The text so far; with `n > 1`, that of the first answer."""
        return self._token_decoder.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return self._token_decoder.accumulator.get_reasoning(0)

    def _describe_growth(self) -> tuple[str, str]:
        """Return the text and the reasoning so far, for a notebook."""
        return self.text, self.reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls so far, put together from their pieces."""
        return self._token_decoder.accumulator.get_tool_calls(0)

    @property
    def finish_reason(self) -> str | None:
        """The last finish reason that came. Native streams seldom give one."""
        return self._token_decoder.finish_reason

    @property
    def usage(self) -> Usage | None:
        """The whole call's tokens, as far as reported. `None` once the stream broke: nobody knows then."""
        return self._token_decoder.usage

    def result(self) -> types.TextOutput:
        """Return the output of a stream that has been read to its end."""
        if self._read_as == "events" and self._error is None and self._token_decoder.failure is None:
            raise ConfigurationError("this stream was read as raw events: there is no result to put together")
        self._check_complete()
        if self._output is not None:
            return self._output
        return build_stream_output(self._token_decoder.accumulator, self._response.meta)


class SyncReading(_StreamState[T]):
    """A synchronous reading of a body."""

    def _ipython_display_(self) -> None:
        """Read it, and show it while it comes, where it is the value of a cell."""
        from cfai._display import show_stream

        show_stream(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the stream. Unless it has come to its end, the connection is closed: the model stops.

        Over HTTP/2, with a client of your own, it writes on, and an `UnstoppedStreamWarning` says so.
        """
        runs_on = self._phase == "reading" and self._runs_on_if_left()
        self._leave("the stream was left before its end")
        self._pooled_client.close_response(self._http, is_read_elsewhere=self._turn.locked())
        if runs_on:
            warn(_RUNS_ON, UnstoppedStreamWarning)

    def _next(self) -> Any:
        """Return the next item of the decoder in use."""
        if not self._turn.acquire(blocking=False):
            raise ConfigurationError(_READ_BY_ANOTHER)
        try:
            while not self._items and self._phase != "ended":
                if self._blocks:
                    items = self._decoder.feed(self._blocks.pop())
                    if len(items) == 1:
                        return items[0]
                    self._items = items[::-1]
                elif self._phase != "reading":
                    self._advance()
                elif self._is_at_end():
                    self._phase = "at_end"
                else:
                    self._check_process()
                    if self._budget.total is not None:
                        self._budget.remaining(time.monotonic())  # a wait may overshoot it once
                    chunk = next(self._body, None)
                    if self._phase != "reading":  # it was left meanwhile, by another thread
                        break
                    if chunk is None:
                        self._pooled_client.close_response(self._http)
                        self._phase = "at_end"
                    else:
                        self._blocks, chunk = self._split(chunk), None  # not for a traceback's variables
        except Exception as exception:
            self._fail(exception)
            self._pooled_client.close_response(self._http)
        except BaseException:
            self._leave("reading the stream was interrupted")
            self._pooled_client.close_response(self._http)
            raise
        finally:
            self._turn.release()
        if self._items:
            return self._items.pop()
        self._warn_or_raise()
        raise StopIteration

    def _advance(self) -> None:
        """Go on once the body is read: give out its rest, or end."""
        if self._phase != "closing":
            self._take_rest()
            return
        if self._read_as != "events":
            self._token_decoder.check()
        self._end(None)
        try:
            if self._token_decoder.done and not self._http.is_closed:
                self._drain()
        finally:
            self._pooled_client.close_response(self._http)

    def _drain(self) -> None:
        """Read on to the end of the body, which gives the connection back to the pool; for a moment at most.

        httpx settles the timeout of a body when its iteration begins, so a second iteration is begun for the rest, with
        a short one. The first stays open until the response is closed.
        """
        if not has_own_connection(self._http):
            return
        # The last wait may begin just before the end, and take as long again.
        end = time.monotonic() + DRAIN_TIMEOUT / 2
        # The answer is whole: whatever happens to the connection now concerns nobody.
        with suppress(Exception):
            self._http.request.extensions["timeout"]["read"] = BoundedWait(DRAIN_TIMEOUT / 2, end)
            for _ in self._http.stream:
                if time.monotonic() > end:
                    break


class AsyncReading(_StreamState[T]):
    """An asynchronous reading of a body."""

    def _ipython_display_(self) -> None:
        """Read it beside the cells that run meanwhile, and show it while it comes, where it is the value of a cell."""
        from cfai._display import ashow_stream

        ashow_stream(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave the stream. Unless it has come to its end, the connection is closed: the model stops.

        Over HTTP/2, with a client of your own, it writes on, and an `UnstoppedStreamWarning` says so.
        """
        runs_on = self._phase == "reading" and self._runs_on_if_left()
        self._leave("the stream was left before its end")
        await self._pooled_client.aclose_response(self._http)
        if runs_on:
            warn(_RUNS_ON, UnstoppedStreamWarning)

    async def _anext(self) -> Any:
        """Return the next item of the decoder in use."""
        if not self._turn.acquire(blocking=False):
            raise ConfigurationError(_READ_BY_ANOTHER)
        try:
            while not self._items and self._phase != "ended":
                if self._blocks:
                    items = self._decoder.feed(self._blocks.pop())
                    if len(items) == 1:
                        return items[0]
                    self._items = items[::-1]
                elif self._phase != "reading":
                    await self._advance()
                elif self._is_at_end():
                    self._phase = "at_end"
                else:
                    self._check_process()
                    while not self._body.received and not self._body.is_over:
                        await (self._body.wait() if self._budget.total is None else self._wait_in_time())
                    chunk = self._body.take()
                    if self._phase != "reading":  # it was left meanwhile, by another task
                        break
                    if chunk is None:
                        await self._pooled_client.aclose_response(self._http)
                        self._phase = "at_end"
                    else:
                        self._blocks, chunk = self._split(chunk), None  # not for a traceback's variables
        except ConfigurationError:
            raise  # it was asked on another event loop or in another process, and its own reads on
        except Exception as exception:
            self._fail(exception)
            await self._pooled_client.aclose_response(self._http)
        except (KeyboardInterrupt, SystemExit):
            self._leave("reading the stream was interrupted")
            await self._pooled_client.aclose_response(self._http)
            raise
        finally:
            self._turn.release()
        if self._items:
            return self._items.pop()
        self._warn_or_raise()
        raise StopAsyncIteration

    async def _advance(self) -> None:
        """Go on once the body is read: give out its rest, or end."""
        if self._phase != "closing":
            self._take_rest()
            return
        if self._read_as != "events":
            self._token_decoder.check()
        self._end(None)
        try:
            if self._token_decoder.done and not self._http.is_closed:
                await self._drain()
        finally:
            await self._pooled_client.aclose_response(self._http)

    async def _wait_in_time(self) -> None:
        for seconds in (self._budget.shorten(None, time.monotonic()), LAST_LOOK):
            with anyio.move_on_after(seconds):
                if not self._body.received and not self._body.is_over:  # it may be when this wait was cancelled
                    await self._body.wait()
                return
        # If the process was stopped meanwhile, the last look was at what had come.
        raise self._budget.make_error()

    async def _drain(self) -> None:
        """Read on to the end of the body, which gives the connection back to the pool; for a moment at most."""
        if not has_own_connection(self._http):
            return
        with suppress(Exception), anyio.move_on_after(DRAIN_TIMEOUT):
            while await self._body.next() is not None:
                pass


class Stream(SyncReading[T], _TokenState[T]):
    """The answer to a call with `"stream": True`, piece by piece. Iterate it once; leave early with `with`.

    ```python
    with ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}) as stream:
        for token in stream:
            print(token, end="", flush=True)
    ```

    While iterating it raises `StreamError` for an error that the service reports, and `StreamTruncatedError` if the
    stream ends before the answer does; both have what had arrived in `.partial`.
    """

    _hint = "for token in stream: print(token, end='', flush=True), or stream.result() for the whole"

    def __iter__(self) -> Iterator[T]:
        self._claim("tokens")
        return self

    def __next__(self) -> T:
        if self._read_as != "tokens":
            self._claim("tokens")
        return self._next()

    def result(self) -> types.TextOutput:
        """Return the output that the same call without streaming gives; reads the rest. Raises if the stream broke."""
        if self._read_as in ("", "tokens") and self._token_decoder.failure is None:
            for _ in self:
                pass
        return super().result()

    def events(self) -> Iterator[ServerSentEvent]:
        """Return the raw events instead of tokens: no JSON is read, nothing is taken for an error or for the end."""
        self._claim("events", EventDecoder())
        return ItemIterator(self._next, self.close)

    def to_event_stream(self, dialect: Dialect = "native", *, ping: float | None = None) -> EventStream:
        """Return the stream as `text/event-stream` bytes, for a browser's `EventSource`.

        `native` gives `{"response": "…"}` whatever the model's own dialect; `original` passes events on as they came.
        Each has fresh random padding under `p`, so that the lengths of tokens stay hidden on that leg too. If the
        stream fails, an `error` event with code and message goes out. `[DONE]` is always last: without it, the browser
        would connect again, and pay again. Closing the iterator closes the call.

        With `ping` a comment goes out after so many seconds of silence, and again: proxies close a connection that is
        silent, and a model may think for minutes.

        FastAPI and Starlette do not close a synchronous iterator when a reader leaves, so the model writes on, and an
        `UnstoppedStreamWarning` says so: use `arun` and `ato_event_stream` there.
        """
        check_seconds("ping", ping)
        encoder = encoder_for(dialect, self._token_decoder)
        self._claim("an event stream", encoder)
        return EventStream(self._next, self.close, self.__del__, ping)


class AsyncStream(AsyncReading[T], _TokenState[T]):
    """The answer to an `arun` with `"stream": True`, piece by piece. Iterate it once; leave early with `async with`.

    ```python
    async with ai.arun("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}) as stream:
        async for token in stream:
            print(token, end="", flush=True)
    ```

    While iterating it raises `StreamError` for an error that the service reports, and `StreamTruncatedError` if the
    stream ends before the answer does; both have what had arrived in `.partial`.
    """

    _hint = "async for token in stream: print(token, end='', flush=True), or await stream.aresult() for the whole"

    def __aiter__(self) -> AsyncIterator[T]:
        self._claim("tokens")
        return self

    def __anext__(self) -> Coroutine[Any, Any, T]:
        if self._read_as != "tokens":
            self._claim("tokens")
        return self._anext()

    async def aresult(self) -> types.TextOutput:
        """Return the output that the same call without streaming gives; reads the rest. Raises if the stream broke."""
        if self._read_as in ("", "tokens") and self._token_decoder.failure is None:
            async for _ in self:
                pass
        return self.result()

    def aevents(self) -> AsyncIterator[ServerSentEvent]:
        """Return the raw events instead of tokens: no JSON is read, nothing is taken for an error or for the end."""
        self._claim("events", EventDecoder())
        return AsyncItemIterator(self._anext, self.aclose)

    def ato_event_stream(self, dialect: Dialect = "native", *, ping: float | None = None) -> AsyncEventStream:
        """Return the stream as `text/event-stream` bytes, for a browser's `EventSource`.

        `native` gives `{"response": "…"}` whatever the model's own dialect; `original` passes events on as they came.
        Each has fresh random padding under `p`, so that the lengths of tokens stay hidden on that leg too. If the
        stream fails, an `error` event with code and message goes out. `[DONE]` is always last: without it, the browser
        would connect again, and pay again. Closing the iterator closes the call.

        With `ping` a comment goes out after so many seconds of silence, and again: proxies close a connection that is
        silent, and a model may think for minutes.
        """
        check_seconds("ping", ping)
        encoder = encoder_for(dialect, self._token_decoder)
        self._claim("an event stream", encoder)
        return AsyncEventStream(self._anext, self.aclose, ping)


def open_stream(response: ApiResponse, call: ApiRequest, kind: type[Stream[Token]] = Stream) -> Stream[Token]:
    """Return the stream of an answer: one that is read while it comes, or one that came whole."""
    http, has_encoding = response.http, "content-encoding" in response.headers
    # `iter_raw` gives the same chunks as `stream`, and adds a twentieth to what an event costs.
    return kind(response, call, http.iter_bytes() if has_encoding else iter(http.stream))


def aopen_stream(
    response: ApiResponse, call: ApiRequest, kind: type[AsyncStream[Token]] = AsyncStream
) -> AsyncStream[Token]:
    """Return the stream of an answer, as `open_stream` does."""
    http, has_encoding = response.http, "content-encoding" in response.headers
    return kind(response, call, BackgroundReader(http.aiter_bytes() if has_encoding else aiter(http.stream)))
