"""Reading a body once, in one way: its chunks are cut into blocks, and each block is given to a decoder.

A reader is an object rather than a generator: whatever interrupts it, it still knows where it is, and nothing runs when
the garbage collector finds it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

import anyio

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
        self.token_decoder = answer
        """The tokens' decoder, which knows the text so far; the same as `decoder` for a reader of tokens."""
        self.splitter = EventSplitter()
        self.chunks: Any = None
        self.blocks: deque[bytes] = deque()
        self.items: deque[T] = deque()
        self.phase: Literal["opening", "reading", "read", "finishing", "ended"] = "opening"
        self.error: Exception | None = None

    def open(self, chunks: Any) -> None:
        """Begin to read; `chunks` is `None` for a body that has been read already."""
        self.chunks = chunks
        self.phase = "reading" if chunks is not None else "read"
        self.blocks.extend(self.splitter.feed(self.body.content or b""))

    def has_end_mark(self) -> bool:
        """Return True if the last line is the end of the answer, though no blank line has ended it yet."""
        return self.decoder.ends_with(self.splitter.last_line())

    def take_rest(self) -> None:
        """Give out what no blank line ended."""
        self.phase = "finishing"
        self.items.extend(self.decoder.finish(self.splitter.rest()))

    def check_end(self) -> None:
        """Raise unless the answer is whole."""
        self.decoder.check()
        self.phase = "ended"
        self.body.finish(self.token_decoder)

    def fail(self, exception: Exception) -> None:
        """End the reading, and raise what broke it, unless the answer was whole by then."""
        self.phase = "ended"
        self.error = self.body.map_error(exception, self.token_decoder)
        if self.error is exception:
            raise exception
        if self.error is not None:
            raise self.error from exception
        self.body.finish(self.token_decoder)

    def interrupt(self) -> None:
        """Note that reading was cancelled or interrupted: what comes after it is lost."""
        if self.phase != "ended":
            self.error = self.token_decoder.fail(StreamTruncatedError("reading the stream was interrupted"))
        self.phase = "ended"


class Reader(_Position[T]):
    """An iterator over what a decoder makes of a body."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        items, blocks, decoder, splitter = self.items, self.blocks, self.decoder, self.splitter
        try:
            while not items and self.phase != "ended":
                if blocks:
                    items.extend(decoder.feed(blocks.popleft()))
                elif self.phase != "reading":
                    self._advance()
                elif (
                    decoder.done
                    or (not splitter.is_between_events and self.has_end_mark())
                    or (chunk := next(self.chunks, None)) is None
                ):
                    self.phase = "read"
                else:
                    if self.body.budget.total is not None:
                        self.body.budget.remaining(time.monotonic())  # only now: a wait may overshoot it once
                    blocks.extend(splitter.feed(chunk))
        except Exception as exception:
            self.body.http_body.close()
            self.fail(exception)
        except BaseException:
            self.body.http_body.close()
            self.interrupt()
            raise
        if items:
            return items.popleft()
        raise self.error or StopIteration  # the error again, however often it is asked for

    def close(self) -> None:
        """Leave the body. Unless it has come to its end, the connection is closed: the model stops."""
        self.phase = "ended"
        self.blocks.clear()
        self.items.clear()
        self.body.http_body.close()

    def _advance(self) -> None:
        """Go on to the next phase: open the body, give out its rest, or end."""
        if self.phase == "opening":
            self.open(self.body.open())
        elif self.phase == "read":
            self.take_rest()
        else:
            if self.decoder.done:
                self.body.drain()
            self.body.http_body.close()
            self.check_end()


class AsyncReader(_Position[T]):
    """An asynchronous iterator over what a decoder makes of a body."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        items, blocks, decoder, splitter = self.items, self.blocks, self.decoder, self.splitter
        try:
            while not items and self.phase != "ended":
                if blocks:
                    items.extend(decoder.feed(blocks.popleft()))
                elif self.phase != "reading":
                    await self._advance()
                elif decoder.done or (not splitter.is_between_events and self.has_end_mark()):
                    self.phase = "read"
                else:
                    is_timed = self.body.budget.total is not None
                    chunk = await (self._next_in_time() if is_timed else anext(self.chunks, None))
                    if chunk is None:
                        self.phase = "read"
                    else:
                        blocks.extend(splitter.feed(chunk))
        except Exception as exception:
            await self.body.http_body.aclose()
            self.fail(exception)
        except BaseException:
            self.interrupt()
            await self.body.http_body.aclose()
            raise
        if items:
            return items.popleft()
        raise self.error or StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the body. Unless it has come to its end, the connection is closed: the model stops."""
        self.phase = "ended"
        self.blocks.clear()
        self.items.clear()
        await self.body.http_body.aclose()

    async def _advance(self) -> None:
        """Go on to the next phase: open the body, give out its rest, or end."""
        if self.phase == "opening":
            self.open(self.body.aopen())
        elif self.phase == "read":
            self.take_rest()
        else:
            if self.decoder.done:
                await self.body.adrain()
            await self.body.http_body.aclose()
            self.check_end()

    async def _next_in_time(self) -> bytes | None:
        budget = self.body.budget
        try:
            with anyio.fail_after(budget.remaining(time.monotonic())):
                return await anext(self.chunks, None)
        except TimeoutError:
            raise budget.make_error() from None
