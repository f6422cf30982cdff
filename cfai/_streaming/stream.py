"""Streams: the answer to a call with `"stream": True`, as typed tokens, raw events, or bytes for a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from httpx_sse import ServerSentEvent

from cfai._errors import ConfigurationError, StreamTruncatedError
from cfai._request import PreparedCall
from cfai._response import ApiResponse, Decoder, EventDecoder, build_stream_output, convert_to_events
from cfai._streaming.body import StreamBody
from cfai._streaming.event_stream import AsyncEventStream, Dialect, EventStream, encoder_for
from cfai._streaming.reader import AsyncReader, BlockDecoder, Reader
from cfai.types import Meta, Token, ToolCall, Usage

if TYPE_CHECKING:
    from cfai.types import TextOutput

T = TypeVar("T")


class _StreamState(Generic[T]):
    """The answer so far, during and after iteration, for sync and async streams."""

    def __init__(self, body: StreamBody, decoder: Decoder) -> None:
        self._body = body
        self._decoder = decoder
        self._read_as = ""

    @property
    def text(self) -> str:
        """The text so far; with `n > 1`, that of the first answer."""
        return self._decoder.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return self._decoder.reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls so far, put together from their pieces."""
        return self._decoder.tool_calls

    @property
    def finish_reason(self) -> str | None:
        """The last finish reason that came. Native streams seldom give one."""
        return self._decoder.finish_reason

    @property
    def usage(self) -> Usage | None:
        """The whole call's tokens, as far as reported. `None` once the stream broke: nobody knows then."""
        return self._decoder.usage

    @property
    def meta(self) -> Meta:
        """The facts of the headers. `elapsed` is final at the end, as are `neurons` that only the stream has."""
        return self._body.response.meta

    def _claim(self, way: str) -> None:
        """Take the body to be read in one way: it can be read once."""
        if self._read_as and (self._read_as != way or way != "tokens"):
            raise ConfigurationError(
                f"this stream is read as {self._read_as} already, and cannot be read as {way} too: a body is read once"
            )
        self._read_as = way

    def _result(self) -> TextOutput:
        if self._decoder.failure is not None:
            raise self._decoder.failure
        if self._read_as == "events":
            raise ConfigurationError("this stream was read as raw events: there is no result to put together")
        if not self._body.is_complete:
            raise StreamTruncatedError(
                "the stream has not been read to its end",
                partial=self.text,
                request_id=self.meta.request_id,
                model=self.meta.model,
            )
        if self._body.output is not None:
            return self._body.output
        return build_stream_output(self._decoder.accumulator, self._body.response.meta)


class Stream(_StreamState[T]):
    """The answer to a call with `"stream": True`, piece by piece. Iterate it once; leave early with `with`.

    ```python
    with ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}) as stream:
        for token in stream:
            print(token, end="", flush=True)
    ```

    While iterating it raises `StreamError` for an error that the service reports, and `StreamTruncatedError` if the
    stream ends before the answer does; both have what had arrived in `.partial`.
    """

    def __init__(self, body: StreamBody, decoder: Decoder) -> None:
        super().__init__(body, decoder)
        self._reader: Reader[Any] = Reader(body, decoder, decoder)

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
        if self._read_as in ("", "tokens") and self._decoder.failure is None:
            for _ in self:
                pass
        return self._result()

    def events(self) -> Iterator[ServerSentEvent]:
        """Return the raw events instead of tokens: no JSON is read, nothing is taken for an error or for the end."""
        self._claim("events")
        return self._read_with(EventDecoder())

    def to_event_stream(self, dialect: Dialect = "native") -> EventStream:
        """Return the stream as `text/event-stream` bytes, for a browser's `EventSource`.

        `native` gives `{"response": "…"}` whatever the model's own dialect; `original` passes events on as they came.
        Each has fresh random padding under `p`, so that the lengths of tokens stay hidden on that leg too. If the
        stream fails, an `error` event with code and message goes out. `[DONE]` is always last: without it, the browser
        would connect again, and pay again. Closing the iterator closes the call.
        """
        encoder = encoder_for(dialect, self._decoder)
        self._claim("an event stream")
        return EventStream(self._read_with(encoder))

    def _read_with(self, decoder: BlockDecoder) -> Reader[Any]:
        self._reader = Reader(self._body, decoder, self._decoder)
        return self._reader


class AsyncStream(_StreamState[T]):
    """The answer to an `arun` with `"stream": True`, piece by piece. Iterate it once; leave early with `async with`.

    ```python
    async with ai.arun("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}) as stream:
        async for token in stream:
            print(token, end="", flush=True)
    ```

    While iterating it raises `StreamError` for an error that the service reports, and `StreamTruncatedError` if the
    stream ends before the answer does; both have what had arrived in `.partial`.
    """

    def __init__(self, body: StreamBody, decoder: Decoder) -> None:
        super().__init__(body, decoder)
        self._reader: AsyncReader[Any] = AsyncReader(body, decoder, decoder)

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
        if self._read_as in ("", "tokens") and self._decoder.failure is None:
            async for _ in self:
                pass
        return self._result()

    def result(self) -> TextOutput:
        """Return the output of a stream that has been read to its end."""
        return self._result()

    def aevents(self) -> AsyncIterator[ServerSentEvent]:
        """Return the raw events instead of tokens: no JSON is read, nothing is taken for an error or for the end."""
        self._claim("events")
        return self._read_with(EventDecoder())

    def ato_event_stream(self, dialect: Dialect = "native") -> AsyncEventStream:
        """Return the stream as `text/event-stream` bytes, for a browser's `EventSource`.

        `native` gives `{"response": "…"}` whatever the model's own dialect; `original` passes events on as they came.
        Each has fresh random padding under `p`, so that the lengths of tokens stay hidden on that leg too. If the
        stream fails, an `error` event with code and message goes out. `[DONE]` is always last: without it, the browser
        would connect again, and pay again. Closing the iterator closes the call.
        """
        encoder = encoder_for(dialect, self._decoder)
        self._claim("an event stream")
        return AsyncEventStream(self._read_with(encoder))

    def _read_with(self, decoder: BlockDecoder) -> AsyncReader[Any]:
        self._reader = AsyncReader(self._body, decoder, self._decoder)
        return self._reader


def open_stream(response: ApiResponse, call: PreparedCall) -> Stream[Token]:
    """Return the stream of an answer: one that is read while it comes, or one that came whole."""
    return Stream(*_open(response, call))


def aopen_stream(response: ApiResponse, call: PreparedCall) -> AsyncStream[Token]:
    """Return the stream of an answer: one that is read while it comes, or one that came whole."""
    return AsyncStream(*_open(response, call))


def _open(response: ApiResponse, call: PreparedCall) -> tuple[StreamBody, Decoder]:
    content, output = (None, None) if response.content is None else convert_to_events(response, call)
    decoder = Decoder(call.model, response.meta.request_id, call.secrets, call.inputs)
    return StreamBody(call, response, content, output), decoder
