"""Streams: the answer to a call with `"stream": True`, as typed tokens, raw events, or bytes for a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from httpx_sse import ServerSentEvent

from cfai._errors import ConfigurationError, StreamTruncatedError
from cfai._request import PreparedCall
from cfai._response import ApiResponse, EventDecoder, build_stream_output
from cfai._streaming.event_stream import AsyncEventStream, Dialect, EventStream, encoder_for
from cfai._streaming.reader import AsyncReader, BlockDecoder, Reader
from cfai.types import Meta, Token, ToolCall, Usage

if TYPE_CHECKING:
    from cfai.types import TextOutput

T = TypeVar("T")
R = TypeVar("R", Reader, AsyncReader)


class _StreamState(Generic[T, R]):
    """The answer so far, during and after iteration, for sync and async streams."""

    def __init__(self, reader: R) -> None:
        self._reader = reader
        self._read_as = ""

    @property
    def text(self) -> str:
        """The text so far; with `n > 1`, that of the first answer."""
        return self._reader.token_decoder.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return self._reader.token_decoder.reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls so far, put together from their pieces."""
        return self._reader.token_decoder.tool_calls

    @property
    def finish_reason(self) -> str | None:
        """The last finish reason that came. Native streams seldom give one."""
        return self._reader.token_decoder.finish_reason

    @property
    def usage(self) -> Usage | None:
        """The whole call's tokens, as far as reported. `None` once the stream broke: nobody knows then."""
        return self._reader.token_decoder.usage

    @property
    def meta(self) -> Meta:
        """The facts of the headers. `elapsed` is final at the end, as are `neurons` that only the stream has."""
        return self._reader.response.meta

    def _claim(self, way: str, decoder: BlockDecoder | None = None) -> None:
        """Take the body to be read in one way: it can be read once."""
        if self._read_as and (self._read_as != way or way != "tokens"):
            raise ConfigurationError(
                f"this stream is read as {self._read_as} already, and cannot be read as {way} too: a body is read once"
            )
        self._read_as = way
        self._reader.decoder = decoder or self._reader.token_decoder

    def _result(self) -> TextOutput:
        if self._reader.token_decoder.failure is not None:
            raise self._reader.token_decoder.failure
        if self._read_as == "events":
            raise ConfigurationError("this stream was read as raw events: there is no result to put together")
        if not self._reader.is_complete:
            raise StreamTruncatedError(
                "the stream has not been read to its end",
                partial=self.text,
                request_id=self.meta.request_id,
                model=self.meta.model,
            )
        if self._reader.output is not None:
            return self._reader.output
        return build_stream_output(self._reader.token_decoder.accumulator, self._reader.response.meta)


class Stream(_StreamState[T, Reader]):
    """The answer to a call with `"stream": True`, piece by piece. Iterate it once; leave early with `with`.

    ```python
    with ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}) as stream:
        for token in stream:
            print(token, end="", flush=True)
    ```

    While iterating it raises `StreamError` for an error that the service reports, and `StreamTruncatedError` if the
    stream ends before the answer does; both have what had arrived in `.partial`.
    """

    def __iter__(self) -> Iterator[T]:
        self._claim("tokens")
        return self._reader

    def __next__(self) -> T:
        self._claim("tokens")
        return next(self._reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the stream. Unless it has come to its end, the connection is closed: the model stops."""
        self._reader.close()

    def result(self) -> TextOutput:
        """Return the output that the same call without streaming gives; reads the rest. Raises if the stream broke."""
        if self._read_as in ("", "tokens") and self._reader.token_decoder.failure is None:
            for _ in self:
                pass
        return self._result()

    def events(self) -> Iterator[ServerSentEvent]:
        """Return the raw events instead of tokens: no JSON is read, nothing is taken for an error or for the end."""
        self._claim("events", EventDecoder())
        return self._reader

    def to_event_stream(self, dialect: Dialect = "native") -> EventStream:
        """Return the stream as `text/event-stream` bytes, for a browser's `EventSource`.

        `native` gives `{"response": "…"}` whatever the model's own dialect; `original` passes events on as they came.
        Each has fresh random padding under `p`, so that the lengths of tokens stay hidden on that leg too. If the
        stream fails, an `error` event with code and message goes out. `[DONE]` is always last: without it, the browser
        would connect again, and pay again. Closing the iterator closes the call.
        """
        encoder = encoder_for(dialect, self._reader.token_decoder)
        self._claim("an event stream", encoder)
        return EventStream(self._reader)


class AsyncStream(_StreamState[T, AsyncReader]):
    """The answer to an `arun` with `"stream": True`, piece by piece. Iterate it once; leave early with `async with`.

    ```python
    async with ai.arun("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}) as stream:
        async for token in stream:
            print(token, end="", flush=True)
    ```

    While iterating it raises `StreamError` for an error that the service reports, and `StreamTruncatedError` if the
    stream ends before the answer does; both have what had arrived in `.partial`.
    """

    def __aiter__(self) -> AsyncIterator[T]:
        self._claim("tokens")
        return self._reader

    async def __anext__(self) -> T:
        self._claim("tokens")
        return await anext(self._reader)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave the stream. Unless it has come to its end, the connection is closed: the model stops."""
        await self._reader.aclose()

    async def aresult(self) -> TextOutput:
        """Return the output that the same call without streaming gives; reads the rest. Raises if the stream broke."""
        if self._read_as in ("", "tokens") and self._reader.token_decoder.failure is None:
            async for _ in self:
                pass
        return self._result()

    def result(self) -> TextOutput:
        """Return the output of a stream that has been read to its end."""
        return self._result()

    def aevents(self) -> AsyncIterator[ServerSentEvent]:
        """Return the raw events instead of tokens: no JSON is read, nothing is taken for an error or for the end."""
        self._claim("events", EventDecoder())
        return self._reader

    def ato_event_stream(self, dialect: Dialect = "native") -> AsyncEventStream:
        """Return the stream as `text/event-stream` bytes, for a browser's `EventSource`.

        `native` gives `{"response": "…"}` whatever the model's own dialect; `original` passes events on as they came.
        Each has fresh random padding under `p`, so that the lengths of tokens stay hidden on that leg too. If the
        stream fails, an `error` event with code and message goes out. `[DONE]` is always last: without it, the browser
        would connect again, and pay again. Closing the iterator closes the call.
        """
        encoder = encoder_for(dialect, self._reader.token_decoder)
        self._claim("an event stream", encoder)
        return AsyncEventStream(self._reader)


def open_stream(response: ApiResponse, call: PreparedCall) -> Stream[Token]:
    """Return the stream of an answer: one that is read while it comes, or one that came whole."""
    return Stream(Reader(call, response))


def aopen_stream(response: ApiResponse, call: PreparedCall) -> AsyncStream[Token]:
    """Return the stream of an answer: one that is read while it comes, or one that came whole."""
    return AsyncStream(AsyncReader(call, response))
