"""A body that is iterated: typed tokens, raw events, or bytes for a browser; and closed, however the reader leaves.

What a stream iterates is a generator function of this module, over the source and the decoder. As a bound method kept
on `self` it would be a reference cycle, and a plain `break` would hold the connection until the collector came by.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from httpx_sse import ServerSentEvent

from cfai._errors import DONE_EVENT, CfaiError, ConfigurationError, StreamTruncatedError
from cfai._response.decoder import Decoder
from cfai._response.parse import stream_output
from cfai._response.sse import EventDecoder, EventSplitter
from cfai._streaming.body import Feeder, Source, adrain, drain
from cfai._streaming.event_stream import Dialect, feeder_for
from cfai._transport.send import unwind
from cfai.types import Meta, Token, ToolCall, Usage

if TYPE_CHECKING:
    from cfai.types import TextOutput

T = TypeVar("T")


class _Reading(Generic[T]):
    """What both colours of a stream know of their answer, during and after iteration."""

    def __init__(self, source: Source, decoder: Decoder) -> None:
        self._source = source
        self._decoder = decoder

    @property
    def text(self) -> str:
        """The text so far; with `n > 1`, that of the first answer."""
        return self._decoder.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return self._decoder.reasoning_of(0)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls so far, put together from their pieces."""
        return self._decoder.tool_calls_of(0)

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
        """What the answer's headers say. `elapsed` is final at the end, as are `neurons` that only the stream has."""
        return self._source.meta

    def _result(self) -> TextOutput:
        if self._decoder.failure is not None:
            raise self._decoder.failure
        if self._source.reader == "events":
            raise ConfigurationError("this stream was read as raw events: there is no result to put together")
        if not self._source.complete:
            raise StreamTruncatedError(
                "the stream has not been read to its end",
                partial=self.text,
                request_id=self.meta.request_id,
                model=self.meta.model,
            )
        if self._source.output is not None:
            return self._source.output
        return stream_output(self._decoder, self._source.meta)


class Stream(_Reading[T]):
    """The answer to a call with `"stream": True`, piece by piece. Iterate it once; leave early with `with`.

    ```python
    with ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}) as stream:
        for token in stream:
            print(token, end="", flush=True)
    ```

    While iterating it raises `StreamError` for an error that the service reports, and `StreamTruncatedError` if the
    stream ends before the answer does; both have what had arrived in `.partial`.
    """

    def __init__(self, source: Source, decoder: Decoder) -> None:
        super().__init__(source, decoder)
        self._items: Generator[Any] = _read(source, decoder)

    def __iter__(self) -> Iterator[T]:
        self._source.check_reader("tokens")
        return self._items

    def __next__(self) -> T:
        return next(iter(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the stream. Unless it has come to its end, the connection is closed: the model stops."""
        with suppress(ValueError):  # another thread is reading it, and will find the response closed
            self._items.close()
        self._source.response.close()

    def result(self) -> TextOutput:
        """The output that the same call without streaming gives; reads the rest first. Raises if the stream broke."""
        if self._source.reader in ("", "tokens"):
            for _ in self._items:
                pass
        return self._result()

    def events(self) -> Iterator[ServerSentEvent]:
        """The raw events instead of tokens: no JSON is read, nothing is taken for an error or for the end."""
        self._source.take("events", EventDecoder())
        return self._items

    def to_event_stream(self, dialect: Dialect = "native") -> Iterator[bytes]:
        """The stream as `text/event-stream` bytes, for a browser's `EventSource`.

        `native` gives `{"response": "…"}` whatever the model's own dialect; `original` passes events on as they came.
        Each has fresh random padding under `p`, so that the lengths of tokens stay hidden on that leg too. If the
        stream fails, an `error` event with code and message goes out. `[DONE]` is always last: without it, the browser
        would connect again, and pay again. Closing the iterator closes the call.
        """
        self._source.take("sse", feeder_for(dialect, self._decoder))
        return _sse(self._items)


class AsyncStream(_Reading[T]):
    """The answer to an `arun` with `"stream": True`, piece by piece. Iterate it once; leave early with `async with`.

    ```python
    async with await ai.arun("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}) as stream:
        async for token in stream:
            print(token, end="", flush=True)
    ```

    While iterating it raises `StreamError` for an error that the service reports, and `StreamTruncatedError` if the
    stream ends before the answer does; both have what had arrived in `.partial`.
    """

    def __init__(self, source: Source, decoder: Decoder) -> None:
        super().__init__(source, decoder)
        self._items: AsyncGenerator[Any] = _aread(source, decoder)

    def __aiter__(self) -> AsyncIterator[T]:
        self._source.check_reader("tokens")
        return self._items

    async def __anext__(self) -> T:
        return await anext(aiter(self))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leaves the stream. Unless it has come to its end, the connection is closed: the model stops."""
        with suppress(RuntimeError):  # another task is reading it, and will find the response closed
            await self._items.aclose()
        await self._source.response.aclose()

    async def aresult(self) -> TextOutput:
        """The output that the same call without streaming gives; reads the rest first. Raises if the stream broke."""
        if self._source.reader in ("", "tokens"):
            async for _ in self._items:
                pass
        return self._result()

    def result(self) -> TextOutput:
        """The same of a stream that has been read to its end."""
        return self._result()

    def aevents(self) -> AsyncIterator[ServerSentEvent]:
        """The raw events instead of tokens: no JSON is read, nothing is taken for an error or for the end."""
        self._source.take("events", EventDecoder())
        return self._items

    def ato_event_stream(self, dialect: Dialect = "native") -> AsyncIterator[bytes]:
        """The stream as `text/event-stream` bytes, for a browser's `EventSource`.

        `native` gives `{"response": "…"}` whatever the model's own dialect; `original` passes events on as they came.
        Each has fresh random padding under `p`, so that the lengths of tokens stay hidden on that leg too. If the
        stream fails, an `error` event with code and message goes out. `[DONE]` is always last: without it, the browser
        would connect again, and pay again. Closing the iterator closes the call.
        """
        self._source.take("sse", feeder_for(dialect, self._decoder))
        return _asse(self._items)


def start(source: Source, decoder: Decoder) -> Stream[Token]:
    """A stream whose generator is started: one that never was would not close the connection when it is dropped."""
    stream: Stream[Token] = Stream(source, decoder)
    next(stream._items)  # pyright: ignore[reportPrivateUsage]
    return stream


async def astart(source: Source, decoder: Decoder) -> AsyncStream[Token]:
    """A stream whose generator is started: one that never was would not close the connection when it is dropped."""
    stream: AsyncStream[Token] = AsyncStream(source, decoder)
    await anext(stream._items)  # pyright: ignore[reportPrivateUsage]
    return stream


def _read(source: Source, decoder: Decoder) -> Generator[Any]:
    """The items of a stream, of which the first stands for having started."""
    try:
        yield None
        if source.feeder is None:
            source.take("tokens", decoder)
        feeder = cast("Feeder", source.feeder or decoder)
        blocks = EventSplitter()
        cut = blocks.feed
        feed = feeder.feed
        chunks = source.chunks()
        for chunk in chunks:
            for block in cut(chunk):
                item = feed(block)
                if item is not None:
                    if item.__class__ is list:
                        yield from item
                    else:
                        yield item
            if feeder.done or (not blocks.between and feeder.ends_with(blocks.last_line())):
                break
        for item in feeder.finish(blocks.rest()):
            yield item
        if feeder.done and source.body is None:
            drain(chunks, source.response)
        feeder.check()
        source.finish(decoder)
    except Exception as exception:
        error = source.broken(exception, decoder)
        if error is exception:
            raise
        if error is not None:
            raise error from exception
        source.finish(decoder)
    finally:
        source.response.close()


async def _aread(source: Source, decoder: Decoder) -> AsyncGenerator[Any]:
    """The items of a stream, of which the first stands for having started."""
    chunks: AsyncIterator[bytes] | None = None
    try:
        yield None
        if source.feeder is None:
            source.take("tokens", decoder)
        feeder = cast("Feeder", source.feeder or decoder)
        blocks = EventSplitter()
        cut = blocks.feed
        feed = feeder.feed
        chunks = source.achunks()
        async for chunk in chunks:
            for block in cut(chunk):
                item = feed(block)
                if item is not None:
                    if item.__class__ is list:
                        for each in item:
                            yield each
                    else:
                        yield item
            if feeder.done or (not blocks.between and feeder.ends_with(blocks.last_line())):
                break
        for item in feeder.finish(blocks.rest()):
            yield item
        if feeder.done and source.body is None:
            await adrain(chunks, source.response)
        feeder.check()
        source.finish(decoder)
    except Exception as exception:
        error = source.broken(exception, decoder)
        if error is exception:
            raise
        if error is not None:
            raise error from exception
        source.finish(decoder)
    finally:
        await source.response.aclose()
        await unwind(chunks)


def _sse(items: Generator[Any]) -> Generator[bytes]:
    with closing(items):
        try:
            yield from items
        except CfaiError as error:
            yield error.to_event_stream()
        else:
            yield DONE_EVENT


async def _asse(items: AsyncGenerator[Any]) -> AsyncGenerator[bytes]:
    async with aclosing(items):
        try:
            async for item in items:
                yield item
        except CfaiError as error:
            yield error.to_event_stream()
        else:
            yield DONE_EVENT
