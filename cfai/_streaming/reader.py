"""Reading a body once, in one way: its chunks are cut into blocks, and each block is given to a decoder.

A reader is an object rather than a generator: whatever interrupts it, it still knows where it is, and nothing runs when
the garbage collector finds it.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, Literal, NoReturn, Protocol, Self, TypeVar

from cfai._errors import StreamTruncatedError
from cfai._response import Decoder, EventSplitter
from cfai._streaming.body import StreamBody

T = TypeVar("T")


class BlockDecoder(Protocol):
    """A decoder of blocks to what a reader wants of them: tokens, events, or events for a browser."""

    @property
    def done(self) -> bool: ...
    def feed(self, block: bytes, /) -> list[Any]: ...
    def finish(self, rest: bytes, /) -> list[Any]: ...
    def ends_with(self, line: bytes, /) -> bool: ...
    def check(self) -> None: ...


class _Position(Generic[T]):
    """The state of a reader: the blocks that were cut, the items of the last one, and how far the body is read."""

    def __init__(self, body: StreamBody, decoder: BlockDecoder, answer: Decoder) -> None:
        self.body = body
        self.decoder = decoder
        self.answer = answer
        """The tokens' decoder, which knows the text so far; the same as `decoder` for a reader of tokens."""
        self.splitter = EventSplitter()
        self.blocks: deque[bytes] = deque()
        self.items: deque[T] = deque()
        self.phase: Literal["reading", "finishing", "ended"] = "reading"
        self.error: Exception | None = None

    def is_at_end(self) -> bool:
        """Return True if the end of the answer has come, whether or not the body has ended."""
        decoder, splitter = self.decoder, self.splitter
        return decoder.done or (not splitter.is_between_events and decoder.ends_with(splitter.last_line()))

    def take_rest(self) -> None:
        """Give out what no blank line ended."""
        self.items.extend(self.decoder.finish(self.splitter.rest()))
        self.phase = "finishing"

    def check_end(self) -> None:
        """Raise unless the answer is whole."""
        self.decoder.check()
        self.phase = "ended"
        self.body.finish(self.answer)

    def fail(self, exception: Exception) -> None:
        """End the reading, and raise what broke it, unless the answer was whole by then."""
        self.phase = "ended"
        self.error = self.body.map_error(exception, self.answer)
        if self.error is exception:
            raise exception
        if self.error is not None:
            raise self.error from exception
        self.body.finish(self.answer)

    def interrupt(self) -> None:
        """Note that reading was cancelled or interrupted: what comes after it is lost."""
        if self.phase != "ended":
            self.error = self.answer.fail(StreamTruncatedError("reading the stream was interrupted"))
        self.phase = "ended"

    def stop(self, end: type[Exception]) -> NoReturn:
        """Raise the error that ended the reading, again, or the `end` of iteration."""
        raise self.error or end


class Reader(_Position[T]):
    """An iterator over what a decoder makes of a body."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        items, blocks, feed = self.items, self.blocks, self.decoder.feed
        while self.phase != "ended" or items:
            if items:
                return items.popleft()
            try:
                if blocks:
                    items.extend(feed(blocks.popleft()))
                else:
                    self._advance()
            except Exception as exception:
                self.body.http_body.close()
                self.fail(exception)
            except BaseException:
                self.body.http_body.close()
                self.interrupt()
                raise
        self.stop(StopIteration)

    def close(self) -> None:
        """Leave the body. Unless it has come to its end, the connection is closed: the model stops."""
        self.phase = "ended"
        self.blocks.clear()
        self.items.clear()
        self.body.http_body.close()

    def _advance(self) -> None:
        if self.phase == "finishing":
            if self.decoder.done:
                self.body.drain()
            self.body.http_body.close()
            self.check_end()
            return
        chunk = None if self.is_at_end() else self.body.next_chunk()
        if chunk is None:
            self.take_rest()
        else:
            self.blocks.extend(self.splitter.feed(chunk))


class AsyncReader(_Position[T]):
    """An asynchronous iterator over what a decoder makes of a body."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        items, blocks, feed = self.items, self.blocks, self.decoder.feed
        while self.phase != "ended" or items:
            if items:
                return items.popleft()
            try:
                if blocks:
                    items.extend(feed(blocks.popleft()))
                else:
                    await self._advance()
            except Exception as exception:
                await self.body.http_body.aclose()
                self.fail(exception)
            except BaseException:
                self.interrupt()
                await self.body.http_body.aclose()
                raise
        self.stop(StopAsyncIteration)

    async def aclose(self) -> None:
        """Leave the body. Unless it has come to its end, the connection is closed: the model stops."""
        self.phase = "ended"
        self.blocks.clear()
        self.items.clear()
        await self.body.http_body.aclose()

    async def _advance(self) -> None:
        if self.phase == "finishing":
            if self.decoder.done:
                await self.body.adrain()
            await self.body.http_body.aclose()
            self.check_end()
            return
        chunk = None if self.is_at_end() else await self.body.anext_chunk()
        if chunk is None:
            self.take_rest()
        else:
            self.blocks.extend(self.splitter.feed(chunk))
